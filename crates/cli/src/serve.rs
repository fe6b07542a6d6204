//! `ahoy greeter`, `ahoy caller` and `ahoy up`: the services themselves.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use ahoy::client::ChannelSettings;
use ahoy::server::{Running, ServerSettings, ServerTls, Signals};
use ahoy::telemetry;
use ahoy::{Channel, Server};
use anyhow::Context as _;

/// Where a service listens.
#[derive(Debug, clap::Args)]
pub(crate) struct Listen {
    /// Where to serve; port 0 takes a free one [env: AHOY_LISTEN]
    #[arg(long, value_name = "ADDR", value_parser = parse_listen)]
    listen: Option<SocketAddr>,

    /// Where to serve /livez, /readyz and /metrics, or `off` [env: AHOY_ADMIN]
    #[arg(long, value_name = "ADDR", value_parser = parse_admin)]
    admin: Option<Admin>,
}

/// Runs the greeter: hello.v1.HelloService
#[derive(Debug, clap::Args)]
#[command(after_help = ENVIRONMENT, mut_args(|arg| Listen::told(arg, &greeter_defaults())))]
pub(crate) struct GreeterArgs {
    #[command(flatten)]
    listen: Listen,
}

/// Runs the caller: world.v1.WorldService, which calls hello
#[derive(Debug, clap::Args)]
#[command(after_help = ENVIRONMENT, mut_args(|arg| Listen::told(arg, &caller_defaults())))]
pub(crate) struct CallerArgs {
    #[command(flatten)]
    listen: Listen,

    /// Where hello is; several URLs are used in turn [env: AHOY_HELLO] [default: http://127.0.0.1:50051]
    #[arg(long, value_name = "URL[,URL…]")]
    hello: Option<String>,
}

/// Runs greeter and caller in one process
#[derive(Debug, clap::Args)]
#[command(after_help = ENVIRONMENT)]
pub(crate) struct UpArgs {
    /// Where to serve hello
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = parse_listen)]
    greeter: SocketAddr,

    /// Where to serve world
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50052", value_parser = parse_listen)]
    caller: SocketAddr,

    /// The admin port of the greeter, or `off`
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901", value_parser = parse_admin)]
    greeter_admin: Admin,

    /// The admin port of the caller, or `off`
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9902", value_parser = parse_admin)]
    caller_admin: Admin,
}

const ENVIRONMENT: &str = "\
Everything else is set by the environment: AHOY_LOG, AHOY_LOG_FORMAT, AHOY_ACCESS_LOG, \
AHOY_TLS_CERT, AHOY_DRAIN_TIMEOUT and more (the README lists all), and \
OTEL_EXPORTER_OTLP_ENDPOINT for traces and metrics.";

/// What the channel to hello is made of.
const CHANNEL: &str =
    "the channel to hello (AHOY_HELLO, AHOY_CHANNEL_CA, AHOY_CHANNEL_CERT, AHOY_CHANNEL_KEY)";

impl GreeterArgs {
    pub(crate) fn run(self) -> ExitCode {
        let telemetry = telemetry::Settings::from_env("greeter");
        run(telemetry, async {
            let settings = self.listen.settings(greeter_defaults())?;
            serve(greeter::server().settings(settings)).await
        })
    }
}

impl CallerArgs {
    pub(crate) fn run(self) -> ExitCode {
        let telemetry = telemetry::Settings::from_env("caller");
        run(telemetry, async {
            let settings = self.listen.settings(caller_defaults())?;
            let hello = Channel::builder(self.hello.unwrap_or_else(caller::hello_from_env));
            let hello = hello.settings(ChannelSettings::from_env()).build();
            serve(caller::server(hello.context(CHANNEL)?).settings(settings)).await
        })
    }
}

impl UpArgs {
    pub(crate) fn run(self) -> ExitCode {
        let telemetry = telemetry::Settings::from_env("ahoy").map(|settings| {
            // Who tries it out wants to see the calls.
            let access_log = settings.access_log
                || std::env::var_os("AHOY_ACCESS_LOG").is_none_or(|v| v.is_empty());
            telemetry::Settings { access_log, ..settings }
        });
        run(telemetry, async {
            let mut signals = Signals::new()?;
            let settings = ServerSettings::from_env()?;
            let at = |listen, admin| ServerSettings { listen, admin, ..settings.clone() };
            let greeter = at(self.greeter, self.greeter_admin.0);
            let greeter = greeter::server().settings(greeter).start().await;
            let greeter = greeter.context("the greeter (--greeter, --greeter-admin)")?;
            let scheme = if settings.tls.is_some() { "https" } else { "http" };
            let hello = Channel::builder(format!("{scheme}://{}", reachable(greeter.addr())))
                .settings(ChannelSettings::from_env())
                .build()
                .context(CHANNEL)?;
            let caller = at(self.caller, self.caller_admin.0);
            let caller = caller::server(hello).settings(caller).start().await;
            let caller = caller.context("the caller (--caller, --caller-admin)")?;
            welcome(&greeter, &caller, settings.tls.as_ref());
            // The caller first: while it drains it still calls the greeter.
            caller.drain_on(&mut signals).await;
            tokio::select! {
                () = greeter.drain() => {}
                () = signals.next() => greeter.cut(),
            }
            Ok(())
        })
    }
}

fn greeter_defaults() -> ServerSettings {
    ServerSettings::default()
}

fn caller_defaults() -> ServerSettings {
    let mut defaults = ServerSettings::default();
    defaults.listen.set_port(50052);
    defaults.admin = Some(SocketAddr::from(([127, 0, 0, 1], 9902)));
    defaults
}

pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:50051")
}

/// An admin port, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin(pub(crate) Option<SocketAddr>);

pub(crate) fn parse_admin(text: &str) -> Result<Admin, &'static str> {
    match text {
        "off" => Ok(Admin(None)),
        text => match text.parse() {
            Ok(addr) => Ok(Admin(Some(addr))),
            Err(_) => Err("expected an IP address and a port, such as 127.0.0.1:9901, or off"),
        },
    }
}

impl Listen {
    /// The flag, with a command's default in its help.
    pub(crate) fn told(arg: clap::Arg, defaults: &ServerSettings) -> clap::Arg {
        let default = match arg.get_id().as_str() {
            "listen" => defaults.listen.to_string(),
            "admin" => defaults.admin.map_or_else(|| "off".into(), |addr| addr.to_string()),
            _ => return arg,
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.help(format!("{help} [default: {default}]"))
    }

    pub(crate) fn settings(&self, defaults: ServerSettings) -> anyhow::Result<ServerSettings> {
        let settings = defaults.with_env()?;
        Ok(ServerSettings {
            listen: self.listen.unwrap_or(settings.listen),
            admin: self.admin.map_or(settings.admin, |admin| admin.0),
            ..settings
        })
    }
}

pub(crate) fn run(
    telemetry: Result<telemetry::Settings, telemetry::TelemetryError>,
    service: impl Future<Output = anyhow::Result<()>>,
) -> ExitCode {
    let run = || {
        let _telemetry = telemetry::init(&telemetry?)?;
        // The servers run on threads of their own; this one waits.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(service)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ahoy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(server: Server) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let running = server.start().await?;
    announce(&running);
    running.drain_on(&mut signals).await;
    Ok(())
}

/// On standard output, for scripts: with port 0 it is the only way to know.
pub(crate) fn announce(running: &Running) {
    let admin = running.admin_addr().map(|admin| format!(", admin on {admin}"));
    println!("{} listening on {}{}", running.name(), running.addr(), admin.unwrap_or_default());
}

fn welcome(greeter: &Running, caller: &Running, tls: Option<&ServerTls>) {
    announce(greeter);
    announce(caller);
    let (hello, world) = (reachable(greeter.addr()), reachable(caller.addr()));
    let (scheme, how, grpcurl) = match tls {
        None => ("", "", "-plaintext"),
        Some(tls) if tls.client_ca.is_none() => ("https://", " --cacert CA.pem", "-cacert CA.pem"),
        Some(_) => (
            "https://",
            " --cacert CA.pem --cert CERT.pem --key KEY.pem",
            "-cacert CA.pem -cert CERT.pem -key KEY.pem",
        ),
    };
    println!(
        "\nTry:\n  ahoy call {scheme}{hello} SayHello{how} -d '{{\"name\": \"Ada\", \"language\": \"fr\"}}'\n  \
         ahoy call {scheme}{world} Tour{how}\n  grpcurl {grpcurl} {hello} list\n\n\
         From a clone, `cargo ahoy` is `ahoy`. Ctrl-C drains and stops.\n"
    );
}

/// The address as a client on this machine dials it.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}
