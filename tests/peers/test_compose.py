"""docker-compose.yml as people start it: it gets healthy, answers, loses no call to a restart."""

import json
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from peers import jsontext
from peers.dynamic import Dynamic
from peers.process import run

ROOT = Path(__file__).parents[2]
BUILD_LIMIT = 1200
LIMIT = 90

pytestmark = [pytest.mark.compose, pytest.mark.timeout(BUILD_LIMIT + 5 * LIMIT)]


class Project:
    """A compose project of its own name, on ports that Docker finds free."""

    def __init__(self, name: str):
        self.env = {
            "COMPOSE_PROJECT_NAME": name,
            "AHOY_IMAGE": "ahoy-peers",
            "PROFILE": "quick",
            "GREETER_PORT": "0",
            "CALLER_PORT": "0",
        }

    def compose(self, *args: str, limit: float = LIMIT) -> str:
        return run("docker", "compose", *args, env=self.env, cwd=ROOT, limit=limit).stdout

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "-q", service).strip()

    def state(self, service: str) -> dict:
        return json.loads(run("docker", "inspect", self.container(service)).stdout)[0]["State"]

    def is_called(self, greeter: str) -> bool:
        """Whether it has served a call since it was last started, by its access log."""
        since = self.state(greeter)["StartedAt"]
        return "SayHello" in self.logs(greeter, "--since", since, "--tail", "20")

    def addr(self, service: str, port: int) -> str:
        return self.compose("port", service, str(port)).strip()

    def logs(self, service: str, *args: str) -> str:
        # Not compose's own: its versions differ in arguments and in what they print.
        return run("docker", "logs", *args, self.container(service)).all

    def until_healthy(self, service: str) -> None:
        until(lambda: self.state(service)["Health"]["Status"] == "healthy", f"{service} is healthy")


def until(condition, what: str) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def project():
    project = Project(f"ahoy-peers-{os.getpid()}")
    try:
        project.compose("build", "greeter-1", limit=BUILD_LIMIT)
        project.compose("up", "--detach")
        for service in ("greeter-1", "greeter-2", "caller"):
            project.until_healthy(service)
        yield project
    finally:
        subprocess.run(
            ["docker", "compose", "down", "--volumes", "--timeout", "1"],
            env=os.environ | project.env,
            cwd=ROOT,
            timeout=LIMIT,
            capture_output=True,
        )


def test_both_services_answer(project):
    hello, world = project.addr("greeter-1", 50051), project.addr("caller", 50052)
    greeting = run("grpcurl", "-plaintext", hello, "hello.v1.HelloService/SayHello")
    assert jsontext.split(greeting.stdout) == [{"greeting": "Hello, World!"}]
    tour = run("grpcurl", "-plaintext", world, "world.v1.WorldService/Tour")
    assert len(jsontext.split(tour.stdout)) == 24
    # The caller spreads its calls.
    for greeter in ("greeter-1", "greeter-2"):
        until(lambda: project.is_called(greeter), f"{greeter} is called")


def test_it_runs_as_nobody_special(project):
    status = run("docker", "exec", project.container("caller"), "cat", "/proc/1/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapEff"], 16) == 0


def test_a_rolling_restart_fails_no_call(project):
    """Each greeter is stopped and started while unary calls and streams go on."""
    over = threading.Event()

    def unary(call) -> int:
        made = 0
        while not over.is_set():
            assert call({"place": "Oslo"}, timeout=LIMIT) == {"greeting": "Hello, Oslo!"}
            made += 1
        return made

    def tours(call) -> int:
        made = 0
        while not over.is_set():
            assert len(list(call({"count": 200}, timeout=LIMIT))) == 200
            made += 1
        return made

    with (
        grpc.insecure_channel(project.addr("caller", 50052)) as channel,
        ThreadPoolExecutor() as threads,
    ):
        world = Dynamic(channel)
        hello_world = world.method("world.v1.WorldService/SayHelloWorld")
        tour = world.method("world.v1.WorldService/Tour")
        try:
            work = [(unary, hello_world), (unary, hello_world), (tours, tour)]
            callers = [threads.submit(*one) for one in work]
            for greeter in ("greeter-1", "greeter-2"):
                project.compose("stop", greeter)
                assert project.state(greeter)["ExitCode"] == 0
                project.compose("start", greeter)
                project.until_healthy(greeter)
                # The next one goes when this one has its share again: after a failure the channel
                # waits, as gRPC's backoff tells it to, before it connects anew.
                until(lambda: project.is_called(greeter), f"{greeter} is called again")
        finally:
            over.set()
        # The result of a thread is its exception, if a call has failed.
        assert all(caller.result(LIMIT) > 0 for caller in callers)


def test_stopping_is_clean(project):
    project.compose("stop")
    for service in ("greeter-1", "greeter-2", "caller"):
        state = project.state(service)
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service
        last = project.logs(service, "--tail", "1")
        assert "stopped" in last, last
    project.compose("down")
    assert project.compose("ps", "--all", "-q").strip() == ""
