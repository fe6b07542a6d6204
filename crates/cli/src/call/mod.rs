//! `ahoy call`: lists, describes and calls the methods of any gRPC server.
//!
//! The types come from the server itself, by reflection, or from `.proto` files; messages are JSON
//! in protobuf's own mapping. Nothing is generated or compiled in.

mod any;
pub(crate) mod args;
pub(crate) mod codec;
pub(crate) mod connect;
mod describe;
pub(crate) mod failure;
mod input;
mod invoke;
pub(crate) mod output;
mod proto_text;
pub(crate) mod resolve;
pub(crate) mod schema;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use ahoy::Channel;
use tokio::io::AsyncRead;
use tonic::metadata::MetadataMap;

pub(crate) use args::CallArgs;
use failure::Failure;
use output::{Messages, Report, milliseconds};
use schema::Schema;

/// What a call reads and writes, and which of the ends are terminals.
pub(crate) struct Io<I, O, E> {
    /// Where `-d @` and the messages of a stream are read from.
    pub(crate) stdin: I,
    /// Where answers, lists and definitions go.
    pub(crate) stdout: O,
    /// Where errors and everything that `--verbose` adds go.
    pub(crate) stderr: E,
    /// Whether a person types on `stdin`.
    pub(crate) stdin_is_terminal: bool,
    /// Whether answers are shown to a person, and so are indented.
    pub(crate) stdout_is_terminal: bool,
    /// Whether `stderr` may carry colours.
    pub(crate) colour: bool,
}

/// Runs `ahoy call` on the process's own streams.
pub(crate) fn main(args: CallArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let no_color = std::env::var_os("NO_COLOR");
    let code = runtime.block_on(run(
        args,
        Io {
            stdin: tokio::io::stdin(),
            stdout: std::io::stdout(),
            stderr: std::io::stderr(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            colour: wants_colour(std::io::stderr().is_terminal(), no_color.as_deref()),
        },
    ));
    // A read of the terminal cannot be cancelled; waiting for it would hold the process open.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Colours are for terminals, unless `NO_COLOR` is set to something: <https://no-color.org>.
pub(crate) fn wants_colour(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Runs one `ahoy call` and returns the exit code of the process.
///
/// 0: done; 64 plus the status code: the call ended with that gRPC status; 2: the command line or
/// a message was wrong; 1: anything else, such as a server that cannot be reached.
pub(crate) async fn run<I, O, E>(args: CallArgs, io: Io<I, O, E>) -> u8
where
    I: AsyncRead + Unpin,
    O: Write,
    E: Write,
{
    let pretty = args.pretty || (io.stdout_is_terminal && !args.compact);
    let mut messages = Messages::new(io.stdout, pretty, args.emit_defaults);
    let mut report = Report::new(io.stderr, io.colour, args.verbose);
    let input = invoke::Stdin { reader: io.stdin, is_terminal: io.stdin_is_terminal };
    match execute(&args, input, &mut messages, &mut report).await {
        Ok(()) => 0,
        Err(failure) => {
            report.failure(&failure);
            failure.exit_code()
        }
    }
}

async fn execute<I, O, E>(
    args: &CallArgs,
    stdin: invoke::Stdin<I>,
    messages: &mut Messages<O>,
    report: &mut Report<E>,
) -> Result<(), Failure>
where
    I: AsyncRead + Unpin,
    O: Write,
    E: Write,
{
    let metadata = args.metadata()?;
    let started = Instant::now();
    let channel = connect::connect(&args.address, &args.tls).await?;
    report.note(format_args!(
        "connected to {} in {}",
        args.address,
        milliseconds(started.elapsed())
    ));

    let mut schema = if args.proto.is_empty() {
        Schema::reflected(channel.clone(), metadata.clone(), &args.address)
    } else {
        Schema::compiled(&args.proto, &args.import_path)?
    };
    let done = show_or_call(args, channel, metadata, &mut schema, stdin, messages, report).await;
    schema.rest().await;
    done
}

async fn show_or_call<I, O, E>(
    args: &CallArgs,
    channel: Channel,
    metadata: MetadataMap,
    schema: &mut Schema,
    stdin: invoke::Stdin<I>,
    messages: &mut Messages<O>,
    report: &mut Report<E>,
) -> Result<(), Failure>
where
    I: AsyncRead + Unpin,
    O: Write,
    E: Write,
{
    match (args.what.as_str(), args.symbol.as_deref()) {
        ("list", None) => {
            for name in schema.services().await? {
                messages.line(&name)?;
                if messages.is_pretty()
                    && !resolve::is_plumbing(&name)
                    && let Some(service) = schema.service(&name).await?
                {
                    for method in describe::methods(&service).lines() {
                        messages.line(&format!("  {method}"))?;
                    }
                }
            }
            Ok(())
        }
        ("list", Some(service)) => {
            let service = resolve::service(schema, service).await?;
            messages.text(&describe::methods(&service))
        }
        ("describe", None) => {
            let mut services = schema.services().await?;
            if services.iter().any(|name| !resolve::is_plumbing(name)) {
                services.retain(|name| !resolve::is_plumbing(name));
            }
            for (index, name) in services.iter().enumerate() {
                let symbol = resolve::symbol(schema, name).await?;
                if index > 0 {
                    messages.line("")?;
                }
                messages.text(&describe::definition(&symbol))?;
            }
            Ok(())
        }
        ("describe", Some(name)) => {
            let symbol = resolve::symbol(schema, name).await?;
            messages.text(&describe::definition(&symbol))
        }
        (method, None) => {
            let looked_up = Instant::now();
            let method = resolve::method(schema, method).await?;
            report.note(format_args!(
                "types from {} in {}",
                schema.origin(),
                milliseconds(looked_up.elapsed())
            ));
            let call = invoke::Call {
                method,
                metadata,
                deadline: args.deadline,
                data: args.data.as_deref(),
            };
            invoke::invoke(call, channel, schema, stdin, messages, report).await
        }
        (method, Some(extra)) => Err(Failure::usage(format!(
            "unexpected {extra:?} after the method {method:?}; a message is given with -d"
        ))),
    }
}
