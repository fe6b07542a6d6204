//! What a channel can be told, with its defaults.

use std::time::Duration;

use super::tls::ClientTls;
use crate::Encoding;

/// The settings of a channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// TLS, for `https` targets; default: the system's roots.
    pub tls: ClientTls,
    /// What calls carry as `:authority`, and what certificates must be for unless
    /// `tls.server_name` says otherwise; default: the target's first host.
    pub authority: Option<String>,
    /// The deadline of a call that neither asks for one nor is made while serving one that has
    /// one; default 1 h.
    pub default_deadline: Option<Duration>,
    /// How requests are compressed; default: not.
    pub send_compressed: Option<Encoding>,
    /// The longest compressed response message, before and after decompression; default 4 MiB.
    /// One that is not compressed meets the generated client's own limit, also 4 MiB, raised by
    /// `max_decoding_message_size`.
    pub max_message_bytes: usize,
    /// The longest list of headers or trailers of a response; default 16 KiB.
    pub max_header_bytes: u32,
    /// What a connection may hold of requests for a peer that reads slowly, beside what callers
    /// wait with; at least 32 KiB; default 64 KiB.
    pub max_send_buffer_bytes: usize,
    /// The most connections to one endpoint, of each worker. The first is opened at the first
    /// call, the next when all have as many calls in flight as the peer allows; default 4.
    pub max_connections_per_endpoint: usize,
    /// The time for TCP, TLS and HTTP/2 to be up; default 20 s, gRPC's.
    pub connect_timeout: Duration,
    /// The first wait after a failed attempt to connect; default 1 s, gRPC's.
    pub backoff_base: Duration,
    /// The longest; default 120 s, gRPC's.
    pub backoff_max: Duration,
    /// HTTP/2 pings on a connection with calls in flight; default off, since servers of other
    /// makes end connections for pings more often than each 5 minutes.
    pub keepalive_interval: Option<Duration>,
    /// How long a ping, or what is sent, may go unacknowledged until the connection counts as
    /// lost; default 20 s.
    pub keepalive_timeout: Duration,
    /// How long a connection is silent before TCP probes it; default 30 s.
    pub tcp_keepalive: Duration,
    /// How often names are looked up again; default 30 s, and when a connection fails.
    pub resolve_interval: Duration,
}

impl ChannelSettings {
    /// The defaults, with TLS as the environment says: `AHOY_CHANNEL_CA` (PEM; else the system's
    /// roots), for mTLS `AHOY_CHANNEL_CERT` and `AHOY_CHANNEL_KEY`, and
    /// `AHOY_CHANNEL_SERVER_NAME` for certificates of another name than the target's.
    pub fn from_env() -> Self {
        // Set to nothing, as compose files do, is not set.
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name| set(name).map(std::path::PathBuf::from);
        Self {
            tls: ClientTls {
                ca: path("AHOY_CHANNEL_CA"),
                cert: path("AHOY_CHANNEL_CERT"),
                key: path("AHOY_CHANNEL_KEY"),
                server_name: set("AHOY_CHANNEL_SERVER_NAME"),
                insecure: false,
            },
            ..Self::default()
        }
    }
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            tls: ClientTls::default(),
            authority: None,
            default_deadline: Some(Duration::from_secs(3600)),
            send_compressed: None,
            max_message_bytes: 4 * 1024 * 1024,
            max_header_bytes: 16 * 1024,
            max_send_buffer_bytes: 64 * 1024,
            max_connections_per_endpoint: 4,
            connect_timeout: Duration::from_secs(20),
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(120),
            keepalive_interval: None,
            keepalive_timeout: Duration::from_secs(20),
            tcp_keepalive: Duration::from_secs(30),
            resolve_interval: Duration::from_secs(30),
        }
    }
}
