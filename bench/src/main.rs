//! Measures Ahoy against its peers, tonic and Envoy, side by side on the same load, and prints
//! ratios.
//!
//! What is measured and how is in `bench/README.md`.

mod h2load;
mod load;
mod machine;
mod programs;
mod report;
mod rest;
mod scenarios;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use programs::{Programs, output};
use report::Measured;
use scenarios::{Bench, SCENARIOS, Scenario, Side};

/// Measures Ahoy against its peers, side by side, and prints ratios.
#[derive(Debug, Parser)]
struct Args {
    /// How often each scenario is run on each side, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// A tenth of the load: to see that it works, not for figures
    #[arg(long)]
    quick: bool,

    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Count instructions in user space too, with `perf stat`
    #[arg(long)]
    instructions: bool,

    /// Where Envoy is, for the REST scenarios; without it they are left out
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,

    /// Write every figure of every run to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the table to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Whatever ends this future drops the programs that it has started, and with that ends them.
    let ended = tokio::select! {
        ended = run(Args::parse()) => ended,
        interrupted = interrupted() => interrupted,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal?,
        _ = terminate.recv() => {}
    }
    anyhow::bail!("interrupted")
}

async fn run(args: Args) -> anyhow::Result<()> {
    let h2load = output(Command::new("h2load").arg("--version")).await;
    h2load.context("h2load makes the unary calls (Debian's package is nghttp2-client)")?;
    let possible = |scenario: &&Scenario| args.envoy.is_some() || !scenario.needs_envoy();
    let scenarios =
        SCENARIOS.iter().filter(possible).filter(|scenario| scenario.name.contains(&args.only));
    let mut measured: Vec<(&Scenario, Measured)> = scenarios
        .map(|scenario| (scenario, Measured { scenario: scenario.name, pairs: Vec::new() }))
        .collect();
    anyhow::ensure!(!measured.is_empty(), "no scenario's name contains {:?}", args.only);
    let bench = Bench {
        programs: Programs::build().await?,
        envoy: args.envoy,
        folder: TempDir::new()?,
        instructions: args.instructions,
        divisor: if args.quick { 10 } else { 1 },
    };
    // After the build, whose load the machine may still bear: that is worth to be told.
    let machine = machine::describe().await;
    for round in 1..=args.rounds {
        for (scenario, measured) in &mut measured {
            eprintln!("round {round} of {}: {}", args.rounds, scenario.name);
            let peer = bench.measure(scenario, Side::Peer).await.context("the peer")?;
            let ours = bench.measure(scenario, Side::Ours).await.context("ahoy")?;
            measured.pairs.push((peer, ours));
        }
    }
    let measured: Vec<_> = measured.into_iter().map(|(_, measured)| measured).collect();
    let about: Vec<_> = machine.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text =
        format!("{}; rounds: {}\n\n{}", about.join("; "), args.rounds, report::table(&measured));
    println!("{text}");
    if let Some(file) = args.markdown {
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = args.json {
        let json = format!("{:#}\n", report::json(&machine, &measured));
        std::fs::write(&file, json).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
