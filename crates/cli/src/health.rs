//! `ahoy health`: asks a server for its health, for probes of containers and for scripts.

use std::process::ExitCode;
use std::time::Duration;

use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::call::connect::{TlsArgs, connect};
use crate::call::failure::Failure;

/// Less than the time that Docker and Kubernetes give a probe, so that this tells what was wrong.
const LIMIT: Duration = Duration::from_millis(900);

/// Asks a server whether it serves, over grpc.health.v1
///
/// Prints the status. The exit code is 0 for SERVING and 1 for everything else: another status, a
/// service that the server does not know, and no answer within the second that probes give.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// The server: host:port or http://host:port (plaintext), or https://host:port
    address: String,

    /// The service, such as hello.v1.HelloService [default: the server as a whole]
    #[arg(default_value = "", hide_default_value = true)]
    service: String,

    #[command(flatten)]
    tls: TlsArgs,
}

impl HealthArgs {
    pub(crate) fn run(self) -> ExitCode {
        let checked = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))
            .and_then(|runtime| runtime.block_on(self.check()));
        match checked {
            Ok(status) => {
                println!("{}", status.as_str_name());
                match status {
                    ServingStatus::Serving => ExitCode::SUCCESS,
                    _ => ExitCode::FAILURE,
                }
            }
            Err(problem) => {
                eprintln!("error: {problem}");
                ExitCode::FAILURE
            }
        }
    }

    async fn check(&self) -> Result<ServingStatus, String> {
        let asked = tokio::time::timeout(LIMIT, async {
            let channel = connect(&self.address, &self.tls).await.map_err(text)?;
            let request = HealthCheckRequest { service: self.service.clone() };
            let answer = HealthClient::new(channel).check(Request::new(request)).await;
            Ok(answer.map_err(|status| self.explain(&status))?.into_inner().status())
        });
        asked.await.unwrap_or_else(|_| {
            Err(format!("no answer from {} within {} ms", self.address, LIMIT.as_millis()))
        })
    }

    fn explain(&self, status: &Status) -> String {
        match status.code() {
            Code::NotFound => format!("{} does not know {:?}", self.address, self.service),
            Code::Unimplemented => format!("{} does not serve grpc.health.v1", self.address),
            _ => format!("{}: {}", self.address, status.message()),
        }
    }
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Usage(problem) | Failure::Failed(problem) => problem,
        Failure::Status { status, .. } => status.message().to_owned(),
        Failure::OutputClosed => "the output is closed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ahoy::server::{Running, ServerSettings};

    use super::*;

    async fn greeter() -> Running {
        let listen = ([127, 0, 0, 1], 0).into();
        let settings =
            ServerSettings { listen, admin: None, workers: 1, ..ServerSettings::default() };
        greeter::server().settings(settings).start().await.unwrap()
    }

    async fn check(address: String, service: &str) -> Result<ServingStatus, String> {
        HealthArgs { address, service: service.to_owned(), tls: TlsArgs::default() }.check().await
    }

    #[tokio::test]
    async fn a_server_serves_and_so_does_its_service() {
        let server = greeter().await;
        for service in ["", "hello.v1.HelloService"] {
            let status = check(server.addr().to_string(), service).await.unwrap();
            assert_eq!(status, ServingStatus::Serving, "{service}");
        }
        let unknown = check(server.addr().to_string(), "no.v1.Such").await.unwrap_err();
        assert!(unknown.ends_with("does not know \"no.v1.Such\""), "{unknown}");
    }

    #[tokio::test]
    async fn no_server_is_no_health() {
        let server = greeter().await;
        let address = server.addr().to_string();
        server.drain().await;
        let problem = check(address, "").await.unwrap_err();
        assert!(problem.contains("connection refused"), "{problem}");
    }

    #[tokio::test]
    async fn silence_is_no_health() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let problem = check(silent.local_addr().unwrap().to_string(), "").await.unwrap_err();
        assert!(problem.contains("no answer"), "{problem}");
    }
}
