//! A load: it runs to its end, and every call is checked.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

use crate::h2load::H2load;
use crate::programs::{as_by_default, output};

/// A load of any size.
pub(crate) enum Load<'a> {
    /// Unary calls.
    Unary(H2load<'a>),
    /// A client of this package, with its arguments but for the size.
    Client(&'a Path, Vec<String>),
}

impl Load<'_> {
    /// What it consists of.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Self::Client(_, args) if args.iter().any(|arg| arg == "chat") => "message",
            _ => "call",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// When a call fails or is not answered as it should be.
    pub(crate) async fn run(
        &self,
        count: u64,
        counting: Option<&Counting>,
    ) -> anyhow::Result<Outcome> {
        match self {
            Self::Unary(h2load) => h2load.run(count, counting).await,
            Self::Client(program, args) => {
                let mut client = Counting::command(counting, program);
                client.args(args).arg(format!("--count={count}"));
                let report = output(client.stderr(Stdio::piped())).await?;
                Outcome::read(&report).with_context(|| format!("{program:?} printed {report}"))
            }
        }
    }
}

/// How a load went.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Calls or messages.
    pub(crate) count: u64,
    /// From the first to the last.
    pub(crate) elapsed: Duration,
    /// CPU time of the client; not known of `h2load`.
    pub(crate) cpu: Duration,
    /// Of each call, in microseconds, the shortest first, where it was asked for.
    pub(crate) latencies: Vec<u64>,
}

impl Outcome {
    /// Reads what a client of this package prints.
    fn read(report: &str) -> anyhow::Result<Self> {
        let report: serde_json::Value = serde_json::from_str(report)?;
        let number =
            |name: &'static str| report.get(name).and_then(serde_json::Value::as_u64).context(name);
        Ok(Self {
            count: number("count")?,
            elapsed: Duration::from_nanos(number("elapsed_ns")?),
            cpu: Duration::from_nanos(number("cpu_ns")?),
            latencies: Vec::new(),
        })
    }
}

/// Counts the instructions of a process while a load runs, with `perf`.
pub(crate) struct Counting {
    /// The process; by default the load's own.
    pub(crate) pid: Option<u32>,
    pub(crate) file: PathBuf,
}

impl Counting {
    /// A program, started by `perf` if something is to be counted.
    pub(crate) fn command(counting: Option<&Self>, program: &Path) -> Command {
        let Some(Self { pid, file }) = counting else { return as_by_default(program) };
        let mut perf = as_by_default(Path::new("perf"));
        perf.args(["stat", "-x,", "-e", "instructions:u", "-o"]).arg(file);
        if let Some(pid) = pid {
            perf.args(["-p", &pid.to_string()]);
        }
        perf.arg("--").arg(program);
        perf
    }

    /// How many there were in user space.
    pub(crate) fn instructions(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(&self.file)?;
        let line = text.lines().find(|line| line.contains("instructions"));
        let count = line.and_then(|line| line.split(',').next()?.parse().ok());
        count.with_context(|| format!("perf counted no instructions:\n{text}"))
    }
}
