//! `ahoy agent`: the stacks beside a service in any language.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use agent::{Agent, Inbound, Outbound, Routes, RunningAgent, Upstream};
use ahoy::client::ChannelSettings;
use ahoy::policy::Policy;
use ahoy::server::{ServerSettings, Signals};
use ahoy::telemetry;
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::serve::{Admin, announce, parse_admin, run};

/// Stands beside a service in any language and takes its calls, in and out
///
/// Inbound, it takes calls in every protocol (gRPC, gRPC-Web, Connect, REST) and passes them on to
/// the application as gRPC, once that is healthy. Outbound, the application dials one address and
/// names the service that it means as its authority.
#[derive(Debug, clap::Args)]
#[command(after_help = ENVIRONMENT)]
pub(crate) struct AgentArgs {
    /// The application: host:port or a URL
    #[arg(long, value_name = "URL", requires = "inbound")]
    app: Option<String>,

    /// Where calls for the application come in
    #[arg(long, value_name = "ADDR", requires = "app")]
    inbound: Option<SocketAddr>,

    /// Where the application's own calls come
    #[arg(long, value_name = "ADDR", requires = "routes")]
    outbound: Option<SocketAddr>,

    /// A service that the application calls, and where it is; may be repeated
    #[arg(long, value_name = "NAME=ADDR[,ADDR…]", requires = "outbound", group = "routes")]
    upstream: Vec<Upstream>,

    /// A file that says where the application's calls go; it is read again when it changes
    #[arg(
        long,
        value_name = "FILE",
        requires = "outbound",
        group = "routes",
        conflicts_with = "upstream"
    )]
    policy: Option<PathBuf>,

    /// Where to serve /livez, /readyz and /metrics, or `off`
    #[arg(long, value_name = "ADDR", env = "AHOY_ADMIN", hide_env_values = true,
        default_value = "127.0.0.1:9906", value_parser = parse_admin)]
    admin: Admin,

    /// The application's command: it is started, is told to stop when the agent is, and its exit
    /// code is the agent's
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const ENVIRONMENT: &str = "\
The limits, deadlines, TLS and draining of both sides are set by the environment, as those of a
service are: AHOY_DEFAULT_DEADLINE, AHOY_TLS_CERT, AHOY_DRAIN_TIMEOUT and more (the README lists
all), and OTEL_EXPORTER_OTLP_ENDPOINT for traces and metrics.";

impl AgentArgs {
    pub(crate) fn run(self) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        let ended = run(telemetry::Settings::from_env("agent"), async {
            code = self.supervise().await?;
            Ok(())
        });
        if ended == ExitCode::SUCCESS { code } else { ended }
    }

    async fn supervise(self) -> anyhow::Result<ExitCode> {
        if self.inbound.is_none() && self.outbound.is_none() {
            bail!(
                "nothing to do: give --inbound with --app, --outbound with --upstream or --policy, or both"
            );
        }
        // The agent's own, which is none of its servers'.
        let server = ServerSettings { admin: None, ..ServerSettings::default().with_env()? };
        let drain_timeout = server.drain_timeout;
        let mut signals = Signals::new()?;
        let mut application = Application::start(&self.command)?;
        let clusters = self.upstream.into_iter().map(|Upstream(cluster)| cluster);
        let routes = match self.policy {
            Some(file) => Routes::File(file),
            None => Routes::Given(Policy::of(clusters)),
        };
        let agent = Agent {
            inbound: self.inbound.zip(self.app).map(|(listen, app)| Inbound { listen, app }),
            outbound: self.outbound.map(|listen| Outbound { listen, routes }),
            server,
            channel: ChannelSettings::from_env(),
            admin: self.admin.0,
        };
        let agent = tokio::select! {
            agent = agent.start() => agent?,
            ended = application.ended() => return ended,
            () = signals.next() => return application.stop(drain_timeout).await,
        };
        if let Some(admin) = agent.admin() {
            println!("agent admin on {}", admin.addr());
        }
        for side in [agent.outbound(), agent.inbound()].into_iter().flatten() {
            announce(side);
        }
        tokio::select! {
            ended = application.ended() => {
                agent.drain().await;
                ended
            }
            () = signals.next() => {
                let stopped = stop(&agent, &mut application, drain_timeout);
                tokio::select! {
                    code = stopped => code,
                    // Dropped, both are cut.
                    () = signals.next() => Ok(ExitCode::FAILURE),
                }
            }
        }
    }
}

/// What comes in ends first, then the application, and last what that calls while it ends.
async fn stop(
    agent: &RunningAgent,
    application: &mut Application,
    limit: Duration,
) -> anyhow::Result<ExitCode> {
    agent.drain_inbound().await;
    let code = application.stop(limit).await;
    if let Some(outbound) = agent.outbound() {
        outbound.drain().await;
    }
    code
}

/// The application, where the agent has started it.
struct Application(Option<Child>);

impl Application {
    fn start(command: &[String]) -> anyhow::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Ok(Self(None));
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self(Some(child)))
    }

    /// Resolves when it has ended by itself.
    async fn ended(&mut self) -> anyhow::Result<ExitCode> {
        match &mut self.0 {
            Some(child) => Ok(code(child.wait().await?)),
            None => std::future::pending().await,
        }
    }

    /// Asks it to end, by SIGTERM, and ends it at the limit.
    async fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitCode> {
        let Some(child) = &mut self.0 else {
            return Ok(ExitCode::SUCCESS);
        };
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            kill_process(id, Signal::TERM)?;
        }
        let ended = match timeout(limit, child.wait()).await {
            Ok(ended) => ended?,
            Err(_elapsed) => {
                tracing::warn!("the application is killed: the drain limit is over");
                child.start_kill()?;
                child.wait().await?
            }
        };
        Ok(code(ended))
    }
}

/// A shell's way to say how a program ended.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
