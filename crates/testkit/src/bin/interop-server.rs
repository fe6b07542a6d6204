//! gRPC's interop server, with the flags that its descriptions name.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ahoy::server::Signals;
use anyhow::Context;
use clap::{ArgAction, Parser};
use testkit::interop::transport;
use testkit::tls::{CertFiles, TestCa};

/// Serves grpc.testing.TestService, and prints the address in use.
#[derive(Parser)]
struct Flags {
    /// The port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Whether to use TLS.
    #[arg(long = "use_tls", action = ArgAction::Set, default_value_t = false,
          num_args = 0..=1, default_missing_value = "true")]
    use_tls: bool,

    /// The certificate, PEM. Without it, one for localhost and *.test.google.fr is made.
    #[arg(long = "tls_cert_file", requires = "tls_key_file")]
    tls_cert_file: Option<PathBuf>,

    /// The certificate's key, PEM.
    #[arg(long = "tls_key_file", requires = "tls_cert_file")]
    tls_key_file: Option<PathBuf>,

    /// Where to write the authority of the certificate that is made, PEM.
    #[arg(long = "tls_write_ca", conflicts_with = "tls_cert_file")]
    tls_write_ca: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, flags.port));
    // Its files are deleted with it, so it lives as long as the server.
    let ca = TestCa::new()?;
    let tls = flags.use_tls.then(|| certificate(&flags, &ca)).transpose()?;
    let mut signals = Signals::new()?;
    let running = transport::serve(listen, tls).await?;
    println!("listening on {}", running.addr());
    running.drain_on(&mut signals).await;
    Ok(())
}

fn certificate(flags: &Flags, ca: &TestCa) -> anyhow::Result<CertFiles> {
    if let (Some(cert), Some(key)) = (&flags.tls_cert_file, &flags.tls_key_file) {
        return Ok(CertFiles { cert: cert.clone(), key: key.clone() });
    }
    let subjects = ["localhost", "127.0.0.1", "::1", "*.test.google.fr"];
    let files = ca.issue_server("interop", &subjects)?;
    if let Some(path) = &flags.tls_write_ca {
        std::fs::write(path, ca.ca_pem())
            .with_context(|| format!("unable to write {}", path.display()))?;
    }
    Ok(files)
}
