//! Builds the programs to measure, starts them, and sees that they end.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, ChildStdout, Command};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// Cargo unites the features of packages that it builds together. So `ahoy` is built apart: as its
/// users build it, without what the peers need of the crates that both use.
const BUILDS: [&[&str]; 2] = [
    &["--package=ahoy-cli", "--bin=ahoy"],
    &[
        "--package=bench",
        "--bin=ahoy-client",
        "--bin=ahoy-echo",
        "--bin=stream-load",
        "--bin=tonic-client",
        "--bin=tonic-server",
    ],
];

/// Where the programs are, by name.
pub(crate) struct Programs(BTreeMap<String, PathBuf>);

impl Programs {
    /// Builds them all, for release.
    ///
    /// What `cargo run` told this process about its own package must not reach the inner cargo:
    /// build scripts that depend on it (ring's does) would run again, and all above them.
    pub(crate) async fn build() -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut programs = BTreeMap::new();
        for packages in BUILDS {
            let mut build = without(Command::new(&cargo), &["CARGO_MANIFEST_", "CARGO_PKG_"]);
            build
                .args(["build", "--release", "--message-format=json-render-diagnostics"])
                .args(["--manifest-path", MANIFEST])
                .args(packages)
                .stderr(Stdio::inherit());
            for message in output(&mut build).await?.lines() {
                let message: Value = serde_json::from_str(message)?;
                let text = |at: &str| message.pointer(at).and_then(Value::as_str);
                if let Some((name, path)) = text("/target/name").zip(text("/executable")) {
                    programs.insert(name.to_owned(), PathBuf::from(path));
                }
            }
        }
        Ok(Self(programs))
    }

    pub(crate) fn path(&self, name: &str) -> anyhow::Result<&Path> {
        self.0.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no {name}"))
    }

    /// Starts a server, which says on its first line where it listens.
    pub(crate) async fn serve(&self, command: &[&str], logs: &Path) -> anyhow::Result<Server> {
        let (name, args) = command.split_first().context("no server is named")?;
        let log = logs.join(format!("{name}.log"));
        let mut child = as_by_default(self.path(name)?)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("it has ended")?;
        let mut stdout = child.stdout.take().context("it has no standard output")?;
        let line = first_line(&mut stdout).await?;
        let words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        let Some(addr) = words.filter_map(|word| word.parse().ok()).next() else {
            let log = std::fs::read_to_string(&log)?;
            bail!("{name} does not say where it listens\n{line}{log}");
        };
        Ok(Server { child, pid, addr, _stdout: stdout })
    }
}

/// A server that runs. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) addr: SocketAddr,
    /// Kept open: to write to a pipe that nobody reads is an error.
    _stdout: ChildStdout,
}

impl Server {
    /// Ends it, and returns when it is gone and its share of the machine is free.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let early = self.child.try_wait()?;
        ensure!(early.is_none(), "the server ended by itself: {early:?}");
        Ok(self.child.kill().await?)
    }
}

async fn first_line(from: &mut ChildStdout) -> anyhow::Result<String> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).await?;
    Ok(line)
}

/// A program without those variables of this environment that would change what is measured.
pub(crate) fn as_by_default(program: &Path) -> Command {
    without(Command::new(program), &["AHOY_", "OTEL_", "TOKIO_", "MIMALLOC_", "MALLOC_"])
}

/// A command without the variables that begin with one of these.
fn without(mut command: Command, prefixes: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if prefixes.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command to its end, and returns what it printed.
pub(crate) async fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let output = child
        .with_context(|| format!("cannot start {program}"))?
        .wait_with_output()
        .await
        .with_context(|| program.clone())?;
    let stdout = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed: {}\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}
