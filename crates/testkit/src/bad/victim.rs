use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server in a process of its own; it ends with this.
pub struct Victim {
    child: Child,
    addr: SocketAddr,
}

impl Victim {
    /// Starts the program of testkit's `victim`, with these settings of `ahoy::Server` in its
    /// environment, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no such program, or it ends at once.
    pub fn start(program: impl AsRef<Path>, env: &[(&str, &str)]) -> io::Result<Self> {
        let mut child = Command::new(program.as_ref())
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().parse() {
            Ok(addr) => Ok(Self { child, addr }),
            Err(error) => {
                let _ = child.kill();
                child.wait()?;
                Err(io::Error::other(format!("the victim said {line:?}: {error}")))
            }
        }
    }

    /// Where it serves.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The memory that it has in use, in bytes.
    ///
    /// # Errors
    /// When it is gone, or this system has no `/proc`.
    pub fn memory(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that it ever had in use, in bytes.
    ///
    /// # Errors
    /// As [`Victim::memory`].
    pub fn peak_memory(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the victim is gone"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be gone already, which tests see by other means.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
