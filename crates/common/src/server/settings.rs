//! What a server can be told, with its defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::tls::ServerTls;
use crate::env::switch;
use crate::protocol::edge::{CorsSettings, Origins};
use crate::protocol::rest::RestSettings;

/// The settings of a server. [`ServerSettings::from_env`] reads each from the environment
/// variable that is named with it; durations are written `250ms`, `30s`, `5m` or `1h`, sizes in
/// bytes, and `0` or `off` turns off what may be off.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to serve. `AHOY_LISTEN`; default `0.0.0.0:50051`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to serve `/livez`, `/readyz` and `/metrics`. `AHOY_ADMIN`; default
    /// `127.0.0.1:9901`; may be off.
    pub admin: Option<SocketAddr>,
    /// Threads that serve. `AHOY_WORKERS`; default: one per core.
    pub workers: usize,
    /// How they share the work. `AHOY_RUNTIME`: `per-core` (default) or `shared`.
    pub runtime: Runtime,
    /// TLS. `AHOY_TLS_CERT` and `AHOY_TLS_KEY` (PEM files), and for mTLS `AHOY_TLS_CLIENT_CA`;
    /// default: plain text. The files are read again when they change.
    pub tls: Option<ServerTls>,
    /// Connections at a time; one above it is closed at once. `AHOY_MAX_CONNECTIONS`; default
    /// 10,000.
    pub max_connections: usize,
    /// Calls at a time on one connection. `AHOY_MAX_CONCURRENT_STREAMS`; default 200.
    pub max_concurrent_streams: u32,
    /// The longest list of headers, as HTTP/2 counts it. `AHOY_MAX_HEADER_BYTES`; default
    /// 16 KiB.
    pub max_header_bytes: u32,
    /// The longest request message, before and after decompression. `AHOY_MAX_MESSAGE_BYTES`;
    /// default 4 MiB. A generated service has a limit of its own, also 4 MiB, raised by
    /// `max_decoding_message_size`.
    pub max_message_bytes: usize,
    /// What a connection may hold of answers for a peer that reads slowly, beside what handlers
    /// wait with; at least 32 KiB. `AHOY_MAX_SEND_BUFFER_BYTES`; default 64 KiB.
    pub max_send_buffer_bytes: usize,
    /// The time for TLS and the first bytes of a connection, and for an HTTP/1.1 request's
    /// headers. `AHOY_HANDSHAKE_TIMEOUT`; default 10 s.
    pub handshake_timeout: Duration,
    /// How long a connection may be silent before it is asked for a sign of life.
    /// `AHOY_KEEPALIVE_INTERVAL`; default 30 s; may be off.
    pub keepalive_interval: Option<Duration>,
    /// How long the sign may take. `AHOY_KEEPALIVE_TIMEOUT`; default 20 s.
    pub keepalive_timeout: Duration,
    /// When a connection is asked to go elsewhere (GOAWAY), give or take a tenth, so that load
    /// follows new replicas. `AHOY_MAX_CONNECTION_AGE`; default 1 h; may be off.
    pub max_connection_age: Option<Duration>,
    /// How long the calls of such a connection may go on. `AHOY_MAX_CONNECTION_AGE_GRACE`;
    /// default off: until they end.
    pub max_connection_age_grace: Option<Duration>,
    /// The deadline of a call that comes without one. `AHOY_DEFAULT_DEADLINE`; default 1 h;
    /// may be off.
    pub default_deadline: Option<Duration>,
    /// Whether the pages that describe the services are served: `/docs`, and `/NAME/docs` with its
    /// OpenAPI. `AHOY_DOCS`: `on` (default) or `off`.
    pub docs: bool,
    /// How long to go on serving after health says NOT_SERVING, for balancers to notice.
    /// `AHOY_DRAIN_DELAY`; default 0.
    pub drain_delay: Duration,
    /// How long calls in flight may take to end. `AHOY_DRAIN_TIMEOUT`; default 30 s.
    pub drain_timeout: Duration,
    /// How REST reads and writes.
    pub rest: RestSettings,
    /// Which pages may call from a browser. Default: those that this server serves.
    pub cors: Option<CorsSettings>,
}

/// How workers share the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Each worker owns its connections: the least CPU per call.
    #[default]
    PerCore,
    /// All workers share all calls: for handlers that block or compute for long.
    Shared,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 50051).into(),
            admin: Some((Ipv4Addr::LOCALHOST, 9901).into()),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            runtime: Runtime::PerCore,
            tls: None,
            max_connections: 10_000,
            max_concurrent_streams: 200,
            max_header_bytes: 16 * 1024,
            max_message_bytes: 4 * 1024 * 1024,
            max_send_buffer_bytes: 64 * 1024,
            handshake_timeout: Duration::from_secs(10),
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: Some(Duration::from_secs(3600)),
            max_connection_age_grace: None,
            default_deadline: Some(Duration::from_secs(3600)),
            docs: true,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(30),
            rest: RestSettings::default(),
            cors: None,
        }
    }
}

impl ServerSettings {
    /// The defaults, changed by the environment.
    ///
    /// # Errors
    /// Names the first variable that cannot be read, its value, and what it takes.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::default().with_env()
    }

    /// These settings, changed by the environment.
    ///
    /// # Errors
    /// As [`ServerSettings::from_env`].
    pub fn with_env(self) -> Result<Self, SettingsError> {
        // Set to nothing, as compose files do, is not set.
        self.read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(mut self, env: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let env = Env(env);
        env.set(
            "AHOY_LISTEN",
            "an IP address and a port, such as 0.0.0.0:50051; names are not looked up",
            parse,
            &mut self.listen,
        )?;
        env.set(
            "AHOY_ADMIN",
            "an IP address and a port, such as 127.0.0.1:9901, or off",
            or_off(parse),
            &mut self.admin,
        )?;
        env.set("AHOY_WORKERS", "a number above 0", count, &mut self.workers)?;
        env.set("AHOY_RUNTIME", "per-core or shared", runtime, &mut self.runtime)?;
        env.set("AHOY_MAX_CONNECTIONS", "a number above 0", count, &mut self.max_connections)?;
        env.set(
            "AHOY_MAX_CONCURRENT_STREAMS",
            "a number above 0",
            at_least(1),
            &mut self.max_concurrent_streams,
        )?;
        env.set(
            "AHOY_MAX_HEADER_BYTES",
            "a number of bytes, 1024 or more",
            at_least(1024),
            &mut self.max_header_bytes,
        )?;
        env.set("AHOY_MAX_MESSAGE_BYTES", "a number of bytes", count, &mut self.max_message_bytes)?;
        env.set(
            "AHOY_MAX_SEND_BUFFER_BYTES",
            "a number of bytes, 32768 or more and below 4 GiB",
            |value| at_least::<u32>(32 * 1024)(value).map(|bytes| bytes as usize),
            &mut self.max_send_buffer_bytes,
        )?;
        env.set(
            "AHOY_HANDSHAKE_TIMEOUT",
            "a duration such as 10s, not 0",
            some_time,
            &mut self.handshake_timeout,
        )?;
        env.optional("AHOY_KEEPALIVE_INTERVAL", &mut self.keepalive_interval)?;
        env.duration("AHOY_KEEPALIVE_TIMEOUT", &mut self.keepalive_timeout)?;
        env.optional("AHOY_MAX_CONNECTION_AGE", &mut self.max_connection_age)?;
        env.optional("AHOY_MAX_CONNECTION_AGE_GRACE", &mut self.max_connection_age_grace)?;
        env.optional("AHOY_DEFAULT_DEADLINE", &mut self.default_deadline)?;
        env.set("AHOY_DOCS", "on or off", switch, &mut self.docs)?;
        env.duration("AHOY_DRAIN_DELAY", &mut self.drain_delay)?;
        env.duration("AHOY_DRAIN_TIMEOUT", &mut self.drain_timeout)?;
        let rest = &mut self.rest;
        env.set("AHOY_REST_IGNORE_UNKNOWN", "on or off", switch, &mut rest.ignore_unknown)?;
        env.set("AHOY_REST_EMIT_DEFAULTS", "on or off", switch, &mut rest.emit_defaults)?;
        env.set("AHOY_REST_PROTO_NAMES", "on or off", switch, &mut rest.proto_names)?;
        self.cors = env.cors()?.or(self.cors);
        self.tls = env.tls()?.or(self.tls);
        Ok(self)
    }
}

/// A setting that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}={value:?}: expected {expected}")]
pub struct SettingsError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

struct Env<F>(F);

impl<F: Fn(&str) -> Option<String>> Env<F> {
    fn set<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        setting: &mut T,
    ) -> Result<(), SettingsError> {
        if let Some(value) = (self.0)(name) {
            match parse(value.trim()) {
                Some(parsed) => *setting = parsed,
                None => return Err(SettingsError { name, value, expected }),
            }
        }
        Ok(())
    }

    fn duration(&self, name: &'static str, to: &mut Duration) -> Result<(), SettingsError> {
        self.set(name, "a duration such as 250ms, 30s, 5m or 1h", duration, to)
    }

    fn optional(&self, name: &'static str, to: &mut Option<Duration>) -> Result<(), SettingsError> {
        self.set(name, "a duration such as 250ms, 30s, 5m or 1h, or off", or_off(some_time), to)
    }

    fn cors(&self) -> Result<Option<CorsSettings>, SettingsError> {
        let (mut listed, mut credentials) = (None, false);
        let expected = "origins such as https://app.example.org, with commas between, or *";
        self.set("AHOY_CORS_ORIGINS", expected, |value| origins(value).map(Some), &mut listed)?;
        self.set("AHOY_CORS_CREDENTIALS", "on or off", switch, &mut credentials)?;
        if credentials && !matches!(listed, Some(Origins::Listed(_))) {
            return Err(SettingsError {
                name: "AHOY_CORS_CREDENTIALS",
                value: "on".into(),
                expected: "off, unless AHOY_CORS_ORIGINS lists origins",
            });
        }
        Ok(listed.map(|origins| CorsSettings { origins, credentials }))
    }

    fn tls(&self) -> Result<Option<ServerTls>, SettingsError> {
        let path = |name: &str| (self.0)(name).map(PathBuf::from);
        match (path("AHOY_TLS_CERT"), path("AHOY_TLS_KEY")) {
            // Whoever asks for mTLS must not get plain text.
            (None, None) if path("AHOY_TLS_CLIENT_CA").is_some() => Err(SettingsError {
                name: "AHOY_TLS_CERT",
                value: String::new(),
                expected: "a certificate's file, since AHOY_TLS_CLIENT_CA is set",
            }),
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => {
                let client_ca = path("AHOY_TLS_CLIENT_CA");
                Ok(Some(ServerTls { client_ca, ..ServerTls::new(cert, key) }))
            }
            (Some(_), None) => Err(SettingsError {
                name: "AHOY_TLS_KEY",
                value: String::new(),
                expected: "the file of AHOY_TLS_CERT's private key",
            }),
            (None, Some(_)) => Err(SettingsError {
                name: "AHOY_TLS_CERT",
                value: String::new(),
                expected: "the file of the certificate of AHOY_TLS_KEY",
            }),
        }
    }
}

fn parse<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

fn at_least<T: std::str::FromStr + PartialOrd>(least: T) -> impl Fn(&str) -> Option<T> {
    move |value| value.parse().ok().filter(|number| *number >= least)
}

fn count(value: &str) -> Option<usize> {
    value.parse().ok().filter(|count| *count > 0)
}

fn origins(value: &str) -> Option<Origins> {
    if value == "*" {
        return Some(Origins::Any);
    }
    let origin = |origin: &str| {
        let origin = origin.trim();
        let (scheme, host) = origin.split_once("://")?;
        let whole = !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*']);
        whole.then(|| HeaderValue::try_from(origin).ok())?
    };
    value.split(',').map(origin).collect::<Option<Vec<_>>>().map(Origins::Listed)
}

fn runtime(value: &str) -> Option<Runtime> {
    match value {
        "per-core" => Some(Runtime::PerCore),
        "shared" => Some(Runtime::Shared),
        _ => None,
    }
}

fn or_off<T>(parse: impl Fn(&str) -> Option<T>) -> impl Fn(&str) -> Option<Option<T>> {
    move |value| match value {
        "0" | "off" => Some(None),
        value => parse(value).map(Some),
    }
}

fn some_time(value: &str) -> Option<Duration> {
    duration(value).filter(|time| !time.is_zero())
}

/// `0`, `250ms`, `30s`, `5m` or `1h`.
pub(crate) fn duration(value: &str) -> Option<Duration> {
    if value == "0" {
        return Some(Duration::ZERO);
    }
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    let (amount, unit) = value.split_at(digits);
    let amount: u64 = amount.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(amount)),
        "s" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_secs(amount.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(amount.checked_mul(3600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<ServerSettings, SettingsError> {
        ServerSettings::default().read(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn an_empty_environment_leaves_the_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.listen.port(), 50051);
        assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    }

    #[test]
    fn each_is_read() {
        let settings = read(&[
            ("AHOY_LISTEN", "[::1]:0"),
            ("AHOY_ADMIN", "off"),
            ("AHOY_RUNTIME", "shared"),
            ("AHOY_MAX_CONNECTION_AGE", "5m"),
            ("AHOY_KEEPALIVE_INTERVAL", "0"),
            ("AHOY_HANDSHAKE_TIMEOUT", "250ms"),
            ("AHOY_DOCS", "false"),
            ("AHOY_MAX_SEND_BUFFER_BYTES", "32768"),
        ])
        .unwrap();
        assert!(settings.listen.is_ipv6());
        assert_eq!(settings.admin, None);
        assert_eq!(settings.runtime, Runtime::Shared);
        assert_eq!(settings.max_connection_age, Some(Duration::from_secs(300)));
        assert_eq!(settings.keepalive_interval, None);
        assert_eq!(settings.handshake_timeout, Duration::from_millis(250));
        assert!(!settings.docs);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = read(&[("AHOY_DRAIN_TIMEOUT", "soon")]).unwrap_err().to_string();
        assert!(error.contains("AHOY_DRAIN_TIMEOUT=\"soon\""), "{error}");
        assert!(error.contains("30s"), "{error}");
        assert!(read(&[("AHOY_TLS_CERT", "a.pem")]).is_err());
        for origins in
            ["app.example.org", "https://", "https://a.example/path", "https://*.a.example"]
        {
            assert!(read(&[("AHOY_CORS_ORIGINS", origins)]).is_err(), "{origins}");
        }
        assert!(read(&[("AHOY_CORS_ORIGINS", "*"), ("AHOY_CORS_CREDENTIALS", "on")]).is_err());
        assert!(read(&[("AHOY_TLS_CLIENT_CA", "ca.pem")]).is_err());
        for name in ["AHOY_WORKERS", "AHOY_MAX_CONCURRENT_STREAMS", "AHOY_HANDSHAKE_TIMEOUT"] {
            assert!(read(&[(name, "0")]).is_err(), "{name}");
        }
        assert!(read(&[("AHOY_MAX_SEND_BUFFER_BYTES", "32767")]).is_err());
        let error = read(&[("AHOY_LISTEN", "localhost:50051")]).unwrap_err().to_string();
        assert!(error.contains("names are not looked up"), "{error}");
    }
}
