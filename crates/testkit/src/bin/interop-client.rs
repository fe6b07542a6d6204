//! gRPC's interop client, with the flags that its descriptions name.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgAction, Args, Parser};
use testkit::interop::client::{CASES, Case, Soak, Target};
use testkit::interop::transport::Endpoint;

/// Runs interop cases against a server, prints each one's result, and fails if one failed.
#[derive(Parser)]
struct Flags {
    /// The host to connect to.
    #[arg(long = "server_host", default_value = "localhost")]
    server_host: String,

    /// The port to connect to.
    #[arg(long = "server_port")]
    server_port: u16,

    /// The name that the server's certificate must have, where it is not the host.
    #[arg(long = "server_host_override")]
    server_host_override: Option<String>,

    /// Whether to use TLS.
    #[arg(long = "use_tls", action = ArgAction::Set, default_value_t = false,
          num_args = 0..=1, default_missing_value = "true")]
    use_tls: bool,

    /// Whether to trust the authority in --tls_ca_file in place of the platform's.
    #[arg(long = "use_test_ca", action = ArgAction::Set, default_value_t = false,
          num_args = 0..=1, default_missing_value = "true")]
    use_test_ca: bool,

    /// The only authority to trust, PEM; implies --use_test_ca.
    #[arg(long = "tls_ca_file")]
    tls_ca_file: Option<PathBuf>,

    /// The cases to run, separated by commas, or "all".
    #[arg(long = "test_case", value_delimiter = ',', default_value = "large_unary")]
    test_case: Vec<String>,

    #[command(flatten)]
    soak: SoakFlags,
}

#[derive(Args)]
struct SoakFlags {
    /// Calls that rpc_soak and channel_soak make.
    #[arg(long = "soak_iterations", default_value_t = 10)]
    iterations: u32,

    /// Calls of a soak that may fail, by their status or by their latency.
    #[arg(long = "soak_max_failures", default_value_t = 0)]
    max_failures: u32,

    /// The latency in milliseconds above which a soak's call counts as failed.
    #[arg(long = "soak_per_iteration_max_acceptable_latency_ms", default_value_t = 1000)]
    per_iteration_max_acceptable_latency_ms: u64,

    /// The seconds within which a soak has to be over.
    #[arg(long = "soak_overall_timeout_seconds", default_value_t = 10)]
    overall_timeout_seconds: u64,

    /// The least milliseconds from the start of a soak's call to the start of the next.
    #[arg(long = "soak_min_time_ms_between_rpcs", default_value_t = 0)]
    min_time_ms_between_rpcs: u64,

    /// Bytes in the payload of a soak's request.
    #[arg(long = "soak_request_size", default_value_t = 271_828)]
    request_size: usize,

    /// Bytes in the payload of a soak's response.
    #[arg(long = "soak_response_size", default_value_t = 314_159)]
    response_size: usize,
}

impl From<SoakFlags> for Soak {
    fn from(flags: SoakFlags) -> Self {
        Self {
            iterations: flags.iterations,
            max_failures: flags.max_failures,
            per_iteration_max_acceptable_latency: Duration::from_millis(
                flags.per_iteration_max_acceptable_latency_ms,
            ),
            overall_timeout: Duration::from_secs(flags.overall_timeout_seconds),
            min_time_between_rpcs: Duration::from_millis(flags.min_time_ms_between_rpcs),
            request_size: flags.request_size,
            response_size: flags.response_size,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    if flags.use_test_ca && flags.tls_ca_file.is_none() {
        bail!("--use_test_ca needs the authority's PEM file in --tls_ca_file");
    }
    let cases = cases(&flags.test_case)?;
    let endpoint = Endpoint {
        host: flags.server_host,
        port: flags.server_port,
        host_override: flags.server_host_override,
        tls: flags.use_tls,
        ca_file: flags.tls_ca_file,
    };
    let target = Target::new(move || endpoint.connect())?;
    let target = target.with_soak(flags.soak.into());

    let mut code = ExitCode::SUCCESS;
    for case in cases {
        match case.run(target.clone()).await {
            Ok(()) => println!("{}: passed", case.name),
            Err(error) => {
                println!("{}: FAILED: {:#}", case.name, anyhow::Error::from(error));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn cases(names: &[String]) -> anyhow::Result<Vec<Case>> {
    if names == ["all"] {
        return Ok(CASES.to_vec());
    }
    names
        .iter()
        .map(|name| {
            Case::named(name).copied().with_context(|| {
                let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
                format!("no case is called {name:?}; there are {}", known.join(", "))
            })
        })
        .collect()
}
