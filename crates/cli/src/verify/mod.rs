//! `ahoy test`: checks the examples of contracts against a live service.

mod call;
mod junit;
mod report;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use examples::Example;
use tonic::metadata::MetadataMap;

use crate::call::args::{parse_duration, parse_headers};
use crate::call::connect::{TlsArgs, connect};
use crate::call::failure::Failure;
use crate::call::schema::Schema;
use crate::folder::{self, Folder};
use report::Report;

/// Checks examples against a live service
///
/// Makes the call of each example beside the contracts of a folder, and compares how it goes.
/// Examples of services that the server does not list are skipped. The exit code is 0 if all is
/// as the examples say, 1 if something is not, and 2 if nothing could be tested.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The server: host:port or http://host:port (plaintext), or https://host:port
    address: String,

    /// The folder of the contracts and their examples
    #[arg(long, value_name = "DIR", default_value = "proto", value_parser = folder::parser())]
    proto: PathBuf,

    /// Where else imports are looked for
    #[arg(short = 'I', long = "import-path", value_name = "DIR")]
    import_path: Vec<PathBuf>,

    /// Only examples whose method or name contains this; `METHOD` or `METHOD/NAME` or `NAME`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Writes the results to this file, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Ends each call after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    deadline: Duration,

    /// A header to send, as 'name: value'
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// Shows what fails, and the sum
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    tls: TlsArgs,
}

/// What became of an example.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    example: &'a Example,
    time: Duration,
    verdict: Verdict,
}

/// How an example went.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// Why not.
    Skipped(String),
    /// What is not as it should be, each with what was expected and what came.
    Failed(Vec<Mismatch>),
}

/// Something that is not as an example says.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// Such as `responses[0].greeting`.
    place: String,
    expected: Option<String>,
    actual: Option<String>,
}

impl TestArgs {
    pub(crate) fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: cannot start: {error}");
                return ExitCode::FAILURE;
            }
        };
        let no_color = std::env::var_os("NO_COLOR");
        let terminal = std::io::stdout().is_terminal();
        let colour = crate::call::wants_colour(terminal, no_color.as_deref());
        let tested = runtime.block_on(test(&self, std::io::stdout(), colour));
        match tested {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    fn wants(&self, example: &Example) -> bool {
        let Some(filter) = &self.filter else { return true };
        format!("{}/{}", example.path(), example.name).contains(filter.as_str())
    }
}

/// Tests, tells about it, and says whether all is well.
pub(crate) async fn test(args: &TestArgs, out: impl Write, colour: bool) -> anyhow::Result<bool> {
    let folder = Folder::load(&args.proto, &args.import_path)?;
    let chosen: Vec<_> = folder.examples.iter().filter(|example| args.wants(example)).collect();
    if chosen.is_empty() {
        anyhow::bail!("there are no such examples in {}", args.proto.display());
    }
    let metadata = parse_headers(&args.headers).map_err(plain)?;
    let channel = connect(&args.address, &args.tls).await.map_err(plain)?;
    let served = served(channel.clone(), &metadata, &args.address).await;

    let mut report = Report::new(out, colour, args.quiet);
    let mut outcomes = Vec::new();
    for example in chosen {
        let service = example.method.parent_service();
        let listed = |served: &Vec<String>| served.iter().any(|name| name == service.full_name());
        let begun = Instant::now();
        let verdict = if served.as_ref().is_none_or(listed) {
            let mismatches = call::check(example, channel.clone(), &metadata, args.deadline).await;
            if mismatches.is_empty() { Verdict::Passed } else { Verdict::Failed(mismatches) }
        } else {
            Verdict::Skipped(format!("{} is not served", service.full_name()))
        };
        let outcome = Outcome { example, time: begun.elapsed(), verdict };
        report.tell(&outcome)?;
        outcomes.push(outcome);
    }
    report.sum(&outcomes)?;
    if let Some(file) = &args.junit {
        std::fs::write(file, junit::xml(&outcomes))
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", file.display()))?;
    }
    let ran = outcomes.iter().any(|outcome| !matches!(outcome.verdict, Verdict::Skipped(_)));
    if !ran {
        anyhow::bail!("{} serves none of the services with examples", args.address);
    }
    Ok(!outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Failed(_))))
}

/// The services that a server lists; nothing if it has no reflection.
async fn served(
    channel: ahoy::Channel,
    metadata: &MetadataMap,
    address: &str,
) -> Option<Vec<String>> {
    let mut schema = Schema::reflected(channel, metadata.clone(), address);
    let services = schema.services().await.ok();
    schema.rest().await;
    services
}

fn plain(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Usage(problem) | Failure::Failed(problem) => anyhow::anyhow!(problem),
        Failure::Status { status, .. } => anyhow::anyhow!(status.message().to_owned()),
        Failure::OutputClosed => anyhow::anyhow!("the output is closed"),
    }
}
