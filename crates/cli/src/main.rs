//! The one binary, `ahoy`: each subcommand is a module with its own arguments and its own way to run.

mod agent;
mod call;
mod docs;
mod folder;
mod health;
mod mock;
mod serve;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the example services, stands beside services of any language, mocks contracts, and calls and tests any gRPC server.
#[derive(Debug, Parser)]
#[command(name = "ahoy", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(serve::UpArgs),
    Agent(agent::AgentArgs),
    Call(call::CallArgs),
    Health(health::HealthArgs),
    Docs(docs::DocsArgs),
    Mock(mock::MockArgs),
    Test(verify::TestArgs),
    Greeter(serve::GreeterArgs),
    Caller(serve::CallerArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Up(args) => args.run(),
        Command::Agent(args) => args.run(),
        Command::Call(args) => call::main(args),
        Command::Health(args) => args.run(),
        Command::Docs(args) => args.run(),
        Command::Mock(args) => args.run(),
        Command::Test(args) => args.run(),
        Command::Greeter(args) => args.run(),
        Command::Caller(args) => args.run(),
    }
}
