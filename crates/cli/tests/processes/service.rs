//! A service as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

/// A service as a process; killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) addr: SocketAddr,
    admin: SocketAddr,
    // Kept open: what the process says has somewhere to go.
    _stdout: BufReader<ChildStdout>,
}

impl Service {
    /// Returns once it listens.
    pub(crate) fn start(service: &str, listen: &str, more: &[&str]) -> Self {
        Self::start_with(service, listen, more, |_| {})
    }

    /// As `start`, with more to say about the process.
    pub(crate) fn start_with(
        service: &str,
        listen: &str,
        more: &[&str],
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
        command
            .args([service, "--listen", listen, "--admin", ANY_PORT])
            .args(more)
            .env("AHOY_LOG", "warn")
            .stdout(Stdio::piped());
        configure(&mut command);
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        // "greeter listening on 127.0.0.1:1, admin on 127.0.0.1:2"
        let addresses = line.trim().split_once(" on ").and_then(|(_, rest)| {
            let (addr, admin) = rest.split_once(", admin on ")?;
            Some((addr.parse().ok()?, admin.parse().ok()?))
        });
        let Some((addr, admin)) = addresses else { panic!("{service} said {line:?}") };
        Self { process, addr, admin, _stdout: stdout }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// What it says on standard error, until its end; only if that was piped.
    pub(crate) fn errors(&mut self) -> String {
        let mut errors = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        errors
    }

    /// The calls that it has begun to serve, by its metrics.
    pub(crate) fn calls(&self) -> f64 {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let samples =
            page.lines().filter(|line| line.starts_with("grpc_server_call_started_total"));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
