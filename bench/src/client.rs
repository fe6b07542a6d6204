//! The calls that clients make: the same for every channel and both servers.

use std::time::Instant;

use anyhow::ensure;
use clap::{Parser, Subcommand};
use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::hello::v1::{ChatRequest, SayHelloRequest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::client::GrpcService;

use crate::procfs;

/// The name that every call greets.
pub const NAME: &str = "Ada";
const GREETING: &str = "Hello, Ada!";

/// Calls hello.v1.HelloService, checks every answer, and prints what it took as JSON.
#[derive(Debug, Parser)]
pub struct Args {
    /// Where the service is.
    #[arg(long)]
    pub url: String,

    /// How many channels to share the calls out to.
    #[arg(long, default_value_t = 1)]
    pub channels: usize,

    /// How much to do before measuring, of the same kind.
    #[arg(long, default_value_t = 0)]
    warm_up: u64,

    #[command(subcommand)]
    load: Load,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Load {
    /// Unary calls.
    Calls {
        /// Calls in flight.
        #[arg(long)]
        at_once: u64,
        /// Calls in all.
        #[arg(long)]
        count: u64,
    },
    /// Messages of streams in both directions.
    Chat {
        /// Streams at a time.
        #[arg(long)]
        streams: u64,
        /// Messages of each stream that are not answered yet.
        #[arg(long)]
        in_flight: u64,
        /// Messages in all.
        #[arg(long)]
        count: u64,
    },
}

/// What generated clients call through, as far as it takes to call from any task.
pub trait Transport:
    GrpcService<Body, ResponseBody = Body, Error: Into<tonic::codegen::StdError>, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<T> Transport for T where
    T: GrpcService<Body, ResponseBody = Body, Error: Into<tonic::codegen::StdError>, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Makes the calls through these channels in turn, and prints how many, how long they took in
/// all, and the CPU time of this process meanwhile, in nanoseconds.
///
/// # Errors
/// When a call fails or an answer is not the right one.
pub async fn run<T: Transport>(args: &Args, channels: &[T]) -> anyhow::Result<()> {
    args.load.of(args.warm_up).run(channels).await?;
    let pid = std::process::id();
    let (cpu, start) = (procfs::cpu_time(pid)?, Instant::now());
    let count = args.load.run(channels).await?;
    let (cpu, elapsed) = (procfs::cpu_time(pid)? - cpu, start.elapsed());
    let outcome = serde_json::json!({
        "count": count,
        "elapsed_ns": u64::try_from(elapsed.as_nanos())?,
        "cpu_ns": u64::try_from(cpu.as_nanos())?,
    });
    println!("{outcome}");
    Ok(())
}

/// Makes one call, and with it sees that the answer and the trailers are right.
///
/// # Errors
/// When they are not.
pub async fn check<T: Transport>(channel: T) -> anyhow::Result<()> {
    calls(HelloServiceClient::new(channel), 1).await.map(drop)
}

impl Load {
    /// The same kind of load, of another amount.
    fn of(mut self, amount: u64) -> Self {
        match &mut self {
            Self::Calls { count, .. } | Self::Chat { count, .. } => *count = amount,
        }
        self
    }

    async fn run<T: Transport>(self, channels: &[T]) -> anyhow::Result<u64> {
        let tasks = match self {
            Self::Calls { at_once, .. } => at_once,
            Self::Chat { streams, .. } => streams,
        };
        let mut running = JoinSet::new();
        for (_, channel) in (0..tasks).zip(channels.iter().cycle()) {
            let client = HelloServiceClient::new(channel.clone());
            match self {
                Self::Calls { count, .. } => running.spawn(calls(client, count / tasks)),
                Self::Chat { count, in_flight, .. } => {
                    running.spawn(chat(client, in_flight, count / tasks))
                }
            };
        }
        let mut done = 0;
        while let Some(ended) = running.join_next().await {
            done += ended??;
        }
        Ok(done)
    }
}

async fn calls<T: Transport>(mut client: HelloServiceClient<T>, count: u64) -> anyhow::Result<u64> {
    for _ in 0..count {
        let request = SayHelloRequest { name: NAME.to_owned(), ..SayHelloRequest::default() };
        let answer = client.say_hello(request).await?.into_inner();
        ensure!(answer.greeting == GREETING, "the answer is {answer:?}");
    }
    Ok(count)
}

/// Sends the next message when one is answered, so that `in_flight` are on their way.
async fn chat<T: Transport>(
    mut client: HelloServiceClient<T>,
    in_flight: u64,
    count: u64,
) -> anyhow::Result<u64> {
    let request = || ChatRequest { name: NAME.to_owned(), ..ChatRequest::default() };
    let (send, requests) = mpsc::channel(usize::try_from(in_flight.max(1))?);
    let mut unsent = count;
    for _ in 0..in_flight.min(count) {
        send.send(request()).await?;
        unsent -= 1;
    }
    // Dropped after the last message, to half-close.
    let mut send = Some(send).filter(|_| unsent > 0);
    let mut answers = client.chat(ReceiverStream::new(requests)).await?.into_inner();
    let mut answered = 0;
    while let Some(answer) = answers.message().await? {
        answered += 1;
        let right = answer.greeting == GREETING && answer.sequence == answered;
        ensure!(right, "answer {answered} is {answer:?}");
        if let Some(sender) = &send {
            sender.send(request()).await?;
            unsent -= 1;
            if unsent == 0 {
                send = None;
            }
        }
    }
    ensure!(answered == count, "the stream ended after {answered} of {count} answers");
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use ahoy::server::ServerSettings;

    use super::*;

    #[tokio::test]
    async fn every_load_is_carried_out_to_its_last_message() {
        let settings = ServerSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin: None,
            ..ServerSettings::default()
        };
        let server = greeter::server().settings(settings).start().await.unwrap();
        let channel = ahoy::Channel::new(format!("http://{}", server.addr())).unwrap();
        let channels = [channel.clone(), channel];
        for load in [
            Load::Calls { at_once: 4, count: 20 },
            Load::Chat { streams: 2, in_flight: 1, count: 20 },
            Load::Chat { streams: 2, in_flight: 4, count: 20 },
            Load::Chat { streams: 2, in_flight: 20, count: 20 },
        ] {
            assert_eq!(load.run(&channels).await.unwrap(), 20, "{load:?}");
            assert_eq!(load.of(0).run(&channels).await.unwrap(), 0, "{load:?}");
        }
    }
}
