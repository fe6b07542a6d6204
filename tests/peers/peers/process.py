"""Starts programs, reads what they say, and stops them; every wait has an end."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

LIMIT = 30.0
"""Seconds that anything here may take."""


def binary(name: str) -> str:
    """The path of one of our programs."""
    return str(Path(os.environ["AHOY_BIN"]) / name)


class Program:
    """A program that runs until it is stopped."""

    def __init__(self, *command: str, env: dict[str, str] | None = None):
        self.name = " ".join(Path(part).name for part in command[:2])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_env(env),
        )
        self._said: queue.Queue[str | None] = queue.Queue()
        self.stderr: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=output, daemon=True)
            for output in ((self._process.stdout, []), (self._process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
            self._said.put(line)
        self._said.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line, from here on, that the pattern is found in; on either output."""
        end = time.monotonic() + LIMIT
        open_outputs = len(self._readers)
        while open_outputs:
            try:
                line = self._said.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{self.name} did not print {pattern!r}") from None
            if line is None:
                open_outputs -= 1
            elif match := re.search(pattern, line):
                return match
        raise AssertionError(f"{self.name} ended: {''.join(self.stderr)}")

    def stop(self) -> int:
        """Asks it to end, waits until it has, and returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"{self.name} did not stop on SIGTERM") from None
        for reader in self._readers:
            reader.join(LIMIT)
        return code

    def __enter__(self):
        return self

    def __exit__(self, kind, *_) -> None:
        code = self.stop()
        if kind is None:
            assert code == 0, f"{self.name} ended with {code}: {''.join(self.stderr)}"


class Service(Program):
    """`ahoy greeter` or `ahoy caller` on free ports."""

    def __init__(self, name: str, *args: str, env: dict[str, str] | None = None):
        free = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        super().__init__(binary("ahoy"), name, *free, *args, env=env)
        try:
            said = self.wait_for(rf"^{name} listening on (\S+), admin on (\S+)$")
        except AssertionError:
            self.stop()
            raise
        self.addr, self.admin = said.groups()
        self.port = int(self.addr.rsplit(":", 1)[1])


class Result(subprocess.CompletedProcess):
    """What a program that ran to its end has left."""

    @property
    def all(self) -> str:
        return self.stdout + self.stderr


def run(
    *command: str,
    input: str | None = None,
    ok: bool = True,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    limit: float = LIMIT,
) -> Result:
    """Runs a program to its end, and by default expects success."""
    done = subprocess.run(
        command,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=limit,
        env=clean_env(env),
        cwd=cwd,
    )
    result = Result(done.args, done.returncode, done.stdout, done.stderr)
    if ok:
        assert result.returncode == 0, f"{' '.join(command)}: {result.returncode}\n{result.all}"
    return result


def clean_env(extra: dict[str, str] | None) -> dict[str, str]:
    """This process's environment without settings that would reach the programs by accident."""
    ours = ("AHOY_", "OTEL_", "GRPC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | (extra or {})
