//! REST calls, made by `h2load`: to Ahoy, or to Envoy, whose transcoder calls the same server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use bench::client::NAME;
use bench::procfs;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::h2load::{LARGE, Method, Summary};
use crate::load::{Counting, Outcome};
use crate::programs::{as_by_default, output};

/// The transcoder's own name of itself.
const TRANSCODER: &str = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder";

/// REST calls to a server or to what stands before it.
pub(crate) struct Rest<'a> {
    pub(crate) method: Method,
    /// HTTP/1.1 instead of HTTP/2.
    pub(crate) http1: bool,
    pub(crate) addr: SocketAddr,
    /// For what `h2load` reads.
    pub(crate) folder: &'a Path,
}

impl Rest<'_> {
    /// The path, and the body of a POST.
    fn request(&self) -> (String, Option<String>) {
        match self.method {
            Method::SayHello => (format!("/v1/hello/{NAME}"), None),
            Method::Echo => {
                let body = format!("{{\"responseSize\":{LARGE},\"payload\":{}}}", payload());
                ("/grpc.testing.TestService/UnaryCall".to_owned(), Some(body))
            }
        }
    }

    /// Makes one call, and sees that it is answered well.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let (path, body) = self.request();
        let body = body.unwrap_or_default();
        let method = if body.is_empty() { "GET" } else { "POST" };
        let mut stream = TcpStream::connect(self.addr)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\
            content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let expected = match self.method {
            Method::SayHello => format!("{{\"greeting\":\"Hello, {NAME}!\"}}"),
            Method::Echo => format!("{{\"payload\":{}}}", payload()),
        };
        ensure!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(&expected),
            "the call was answered {answer}"
        );
        Ok(())
    }

    /// Makes `count` calls, and sees that each succeeds.
    pub(crate) async fn run(
        &self,
        count: u64,
        counting: Option<&Counting>,
    ) -> anyhow::Result<Outcome> {
        let (path, body) = self.request();
        let mut h2load = Counting::command(counting, Path::new("h2load"));
        h2load.args(["--clients", "10", "--requests", &count.to_string()]);
        match self.http1 {
            true => h2load.args(["--h1", "--max-concurrent-streams", "1"]),
            false => h2load.args(["--max-concurrent-streams", "20"]),
        };
        if let Some(body) = body {
            let file = self.folder.join("request.json");
            std::fs::write(&file, body)?;
            h2load.args(["--header", "content-type: application/json", "--data"]).arg(file);
        }
        h2load.arg(format!("http://{}{path}", self.addr));
        let report = output(h2load.stderr(Stdio::piped())).await?;
        let summary = Summary::read(&report)
            .with_context(|| format!("the report of h2load cannot be read:\n{report}"))?;
        ensure!(summary.succeeded == count, "not every call succeeded\n{report}");
        Ok(Outcome { count, elapsed: summary.elapsed, ..Outcome::default() })
    }
}

/// [`LARGE`] zeros as JSON has bytes.
fn payload() -> String {
    let whole = "A".repeat(LARGE / 3 * 4);
    let rest = ["", "AA==", "AAA="].get(LARGE % 3).copied().unwrap_or_default();
    format!("{{\"body\":\"{whole}{rest}\"}}")
}

/// Envoy before a gRPC server.
pub(crate) struct Envoy {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) addr: SocketAddr,
}

impl Envoy {
    /// Starts it, and returns when it serves.
    pub(crate) async fn start(
        program: &Path,
        server: SocketAddr,
        method: Method,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (service, descriptors) = match method {
            Method::SayHello => ("hello.v1.HelloService", contracts::FILE_DESCRIPTOR_SET),
            Method::Echo => ("grpc.testing.TestService", testkit::interop::DESCRIPTOR_SET),
        };
        let (set, config) = (folder.join("descriptors.binpb"), folder.join("envoy.json"));
        std::fs::write(&set, descriptors)?;
        // It takes no port 0 that it would tell of: this one is free.
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::write(&config, configuration(addr, server, service, &set).to_string())?;
        let mut child = as_by_default(program)
            .arg("--config-path")
            .arg(&config)
            .args(["--log-level", "info", "--disable-hot-restart"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stderr = child.stderr.take().context("it has no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut log = String::new();
        loop {
            let Some(line) = lines.next_line().await? else {
                bail!("Envoy has ended:\n{log}");
            };
            if line.contains("starting main dispatch loop") {
                break;
            }
            log.push_str(&line);
            log.push('\n');
        }
        // To write to a pipe that nobody reads would hold it up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let pid = envoy_itself(child.id().context("it has ended")?)?;
        Ok(Self { child, pid, addr })
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let early = self.child.try_wait()?;
        ensure!(early.is_none(), "Envoy ended by itself: {early:?}");
        Ok(self.child.kill().await?)
    }
}

/// The package's `envoy` becomes Envoy by exec, in the same process; a script that waits for it
/// would be measured instead.
fn envoy_itself(pid: u32) -> anyhow::Result<u32> {
    let memory = procfs::memory(pid)?.resident;
    ensure!(memory > 20 * 1024, "process {pid} is too small to be Envoy: name its binary");
    Ok(pid)
}

fn configuration(
    addr: SocketAddr,
    server: SocketAddr,
    service: &str,
    descriptors: &Path,
) -> serde_json::Value {
    let endpoint = |addr: SocketAddr| {
        serde_json::json!({
            "socket_address": { "address": addr.ip().to_string(), "port_value": addr.port() }
        })
    };
    let type_url = |name: &str| format!("type.googleapis.com/{name}");
    serde_json::json!({
        "static_resources": {
            "listeners": [{
                "address": endpoint(addr),
                "filter_chains": [{ "filters": [{
                    "name": "http",
                    "typed_config": {
                        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                        "stat_prefix": "rest",
                        "route_config": { "virtual_hosts": [{
                            "name": "all",
                            "domains": ["*"],
                            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "server", "timeout": "60s" } }],
                        }] },
                        "http_filters": [
                            {
                                "name": "transcoder",
                                "typed_config": {
                                    "@type": type_url(TRANSCODER),
                                    "proto_descriptor": descriptors,
                                    "services": [service],
                                    "auto_mapping": true,
                                    "max_request_body_size": 4 << 20,
                                    "max_response_body_size": 4 << 20,
                                },
                            },
                            {
                                "name": "router",
                                "typed_config": { "@type": type_url("envoy.extensions.filters.http.router.v3.Router") },
                            },
                        ],
                    },
                }] }],
            }],
            "clusters": [{
                "name": "server",
                "type": "STATIC",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": type_url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                        "explicit_http_config": { "http2_protocol_options": {} },
                    },
                },
                "load_assignment": {
                    "cluster_name": "server",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": endpoint(server) } }] }],
                },
            }],
        },
    })
}
