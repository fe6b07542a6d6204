//! Asks the admin port.

use std::net::SocketAddr;

use ahoy::server::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer of the admin port.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Gets a page of a server's admin port.
pub(crate) async fn get(server: &Running, path: &str) -> Page {
    get_at(server.admin_addr().unwrap(), path).await
}

/// Gets a page of the admin port at this address.
pub(crate) async fn get_at(admin: SocketAddr, path: &str) -> Page {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, body: body.to_owned() }
}

impl Page {
    /// The value of a sample of `/metrics`, by its name and labels; the sum of all samples whose
    /// line begins so.
    pub(crate) fn sample(&self, series: &str) -> f64 {
        let values = self.body.lines().filter_map(|line| line.strip_prefix(series));
        values.map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
