//! What the environment says about exports, by [OpenTelemetry's names][spec].
//!
//! [spec]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

use std::path::PathBuf;
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::client::ClientTls;
use crate::telemetry::TelemetryError;

pub(super) const SERVICE_NAME: &str = "service.name";

/// The port that collectors take OTLP over HTTP at.
const HTTP_PORT: u16 = 4318;
const TIMEOUT: Duration = Duration::from_secs(10);
const METRIC_INTERVAL: Duration = Duration::from_secs(60);
const METRIC_TIMEOUT: Duration = Duration::from_secs(30);

/// How traces are exported.
#[derive(Clone, Debug)]
pub struct TraceSettings(pub(super) Collector);

/// How metrics are exported.
#[derive(Clone, Debug)]
pub struct MetricSettings {
    pub(super) collector: Collector,
    /// From the begin of one export to the next.
    pub(super) interval: Duration,
    /// Of one export, whatever the collector's own limit is.
    pub(super) timeout: Duration,
}

impl TraceSettings {
    /// `None` unless an endpoint is set and nothing turns the export off.
    pub(in crate::telemetry) fn from_vars(
        var: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TelemetryError> {
        Ok(Collector::from_vars(Signal::Traces, var)?.map(Self))
    }
}

impl MetricSettings {
    /// As [`TraceSettings::from_vars`].
    pub(in crate::telemetry) fn from_vars(
        var: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(collector) = Collector::from_vars(Signal::Metrics, var)? else {
            return Ok(None);
        };
        let duration = |variable: &str, default| match var(variable) {
            Some(value) => milliseconds(variable.into(), value),
            None => Ok(default),
        };
        Ok(Some(Self {
            collector,
            interval: duration("OTEL_METRIC_EXPORT_INTERVAL", METRIC_INTERVAL)?,
            timeout: duration("OTEL_METRIC_EXPORT_TIMEOUT", METRIC_TIMEOUT)?,
        }))
    }
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// As the names of variables have it.
    fn var(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    pub(super) fn path(self, protocol: Protocol) -> &'static str {
        match (protocol, self) {
            (Protocol::Grpc, Self::Traces) => {
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            }
            (Protocol::Grpc, Self::Metrics) => {
                "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
            }
            (Protocol::Http, Self::Traces) => "/v1/traces",
            (Protocol::Http, Self::Metrics) => "/v1/metrics",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `grpc`: over HTTP/2.
    Grpc,
    /// `http/protobuf`: over HTTP/1.1.
    Http,
}

/// How to reach the collector of one signal.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    /// Where a request goes to, with its path.
    pub(super) uri: Uri,
    /// `…_HEADERS`, marked as sensitive.
    pub(super) headers: HeaderMap,
    /// `…_COMPRESSION`.
    pub(super) gzip: bool,
    /// `…_TIMEOUT`: of one export, retries included.
    pub(super) timeout: Duration,
    /// `…_CERTIFICATE`, `…_CLIENT_CERTIFICATE` and `…_CLIENT_KEY`, if the endpoint is `https`.
    pub(super) tls: Option<ClientTls>,
    /// Whether the environment names the service. If it does not, each span is of the service
    /// that it was begun in; a process may run several.
    pub(super) named: bool,
}

impl Collector {
    fn from_vars(
        signal: Signal,
        var: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TelemetryError> {
        // The signal's own variable goes before the one for all.
        let own = |name: &str| format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.var());
        let find = |name: &str| {
            [own(name), format!("OTEL_EXPORTER_OTLP_{name}")]
                .into_iter()
                .find_map(|variable| var(&variable).map(|value| (variable, value)))
        };
        let off = var("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || var(&format!("OTEL_{}_EXPORTER", signal.var()))
                .is_some_and(|list| !list.split(',').any(|name| name.trim() == "otlp"));
        let Some((variable, value)) = find("ENDPOINT").filter(|_| !off) else {
            return Ok(None);
        };
        let is_own = variable == own("ENDPOINT");
        let endpoint = endpoint(variable, value)?;
        let protocol = match find("PROTOCOL") {
            Some((_, value)) if value == "grpc" => Protocol::Grpc,
            Some((_, value)) if value == "http/protobuf" => Protocol::Http,
            Some((variable, value)) => {
                let expected = "`grpc` or `http/protobuf`";
                return Err(TelemetryError::Variable { variable, value, expected });
            }
            // gRPC has no use for a path of the endpoint.
            None if endpoint.port_u16() == Some(HTTP_PORT) || endpoint.path() != "/" => {
                Protocol::Http
            }
            None => Protocol::Grpc,
        };
        let path = signal.path(protocol);
        let uri = match protocol {
            Protocol::Grpc => with_path(endpoint, PathAndQuery::from_static(path)),
            // "MUST be used as-is without any modification".
            Protocol::Http if is_own => endpoint,
            Protocol::Http => {
                let path = format!("{}{path}", endpoint.path().trim_end_matches('/'));
                // It was the path of a URI before, and stays one.
                let path = path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/"));
                with_path(endpoint, path)
            }
        };
        let headers = match find("HEADERS") {
            Some((variable, value)) => {
                let expected = "KEY=VALUE pairs with commas between, values percent-encoded";
                headers(&value).ok_or(TelemetryError::Secret { variable, expected })?
            }
            None => HeaderMap::new(),
        };
        let gzip = match find("COMPRESSION") {
            None => false,
            Some((_, value)) if value == "none" => false,
            Some((_, value)) if value == "gzip" => true,
            Some((variable, value)) => {
                let expected = "`gzip` or `none`";
                return Err(TelemetryError::Variable { variable, value, expected });
            }
        };
        let timeout = match find("TIMEOUT") {
            Some((variable, value)) => milliseconds(variable, value)?,
            None => TIMEOUT,
        };
        let file = |name| find(name).map(|(_, path)| PathBuf::from(path));
        let tls = (uri.scheme() == Some(&Scheme::HTTPS)).then(|| ClientTls {
            ca: file("CERTIFICATE"),
            cert: file("CLIENT_CERTIFICATE"),
            key: file("CLIENT_KEY"),
            ..ClientTls::default()
        });
        let attributes = var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut keys = attributes.split(',').filter_map(|pair| pair.split_once('='));
        let named =
            var("OTEL_SERVICE_NAME").is_some() || keys.any(|(key, _)| key.trim() == SERVICE_NAME);
        Ok(Some(Self { signal, protocol, uri, headers, gzip, timeout, tls, named }))
    }
}

/// `http://HOST[:PORT][/PATH]`, or with `https`.
fn endpoint(variable: String, value: String) -> Result<Uri, TelemetryError> {
    if value.contains('@') {
        let expected = "a URL without user and password, which belong into …_HEADERS";
        return Err(TelemetryError::Secret { variable, expected });
    }
    match value.parse::<Uri>() {
        Ok(uri)
            if matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty()) =>
        {
            Ok(uri)
        }
        _ => {
            let expected = "a URL such as http://collector:4317";
            Err(TelemetryError::Variable { variable, value, expected })
        }
    }
}

fn with_path(endpoint: Uri, path: PathAndQuery) -> Uri {
    let mut parts = endpoint.into_parts();
    parts.path_and_query = Some(path);
    // It has a scheme and an authority, which is all that this could miss.
    Uri::from_parts(parts).unwrap_or_default()
}

fn milliseconds(variable: String, value: String) -> Result<Duration, TelemetryError> {
    match value.trim().parse() {
        Ok(count) if count > 0 => Ok(Duration::from_millis(count)),
        _ => {
            let expected = "a number of milliseconds above 0";
            Err(TelemetryError::Variable { variable, value, expected })
        }
    }
}

/// `KEY=VALUE,…`, values in percent-encoding, as in W3C's baggage.
fn headers(list: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        let mut value = HeaderValue::from_bytes(&percent_decoded(value.trim())?).ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Some(headers)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    type Vars<'a> = [(&'a str, &'a str)];

    fn traces(vars: &Vars) -> Result<Option<Collector>, TelemetryError> {
        Ok(TraceSettings::from_vars(&of(vars))?.map(|settings| settings.0))
    }

    fn metrics(vars: &Vars) -> Result<Option<MetricSettings>, TelemetryError> {
        MetricSettings::from_vars(&of(vars))
    }

    fn of(vars: &Vars) -> impl Fn(&str) -> Option<String> {
        |name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn an_endpoint_turns_the_export_on() {
        let on = |vars: &Vars| (traces(vars).unwrap().is_some(), metrics(vars).unwrap().is_some());
        let all = (ENDPOINT, "http://collector:4317");
        assert_eq!(on(&[]), (false, false));
        assert_eq!(on(&[all]), (true, true));
        let own = "http://collector:4317";
        assert_eq!(on(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own)]), (true, false));
        assert_eq!(on(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", own)]), (false, true));
        assert_eq!(on(&[all, ("OTEL_SDK_DISABLED", "TRUE")]), (false, false));
        assert_eq!(on(&[all, ("OTEL_TRACES_EXPORTER", "none")]), (false, true));
        assert_eq!(on(&[all, ("OTEL_METRICS_EXPORTER", "prometheus")]), (true, false));
        assert_eq!(on(&[all, ("OTEL_METRICS_EXPORTER", "prometheus, otlp")]), (true, true));
    }

    #[test]
    fn the_protocol_follows_the_endpoint_unless_it_is_named() {
        let found = |vars: &Vars| {
            let collector = traces(vars).unwrap().unwrap();
            (collector.protocol, collector.uri.to_string())
        };
        let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        for (endpoint, protocol, path) in [
            ("http://c:4317", Protocol::Grpc, grpc),
            ("http://c", Protocol::Grpc, grpc),
            ("http://c:4318", Protocol::Http, "/v1/traces"),
            ("http://c:4318/", Protocol::Http, "/v1/traces"),
            ("https://c/otlp", Protocol::Http, "/otlp/v1/traces"),
        ] {
            let uri = endpoint.trim_end_matches("/otlp").trim_end_matches('/').to_owned() + path;
            assert_eq!(found(&[(ENDPOINT, endpoint)]), (protocol, uri));
        }
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:4318/as/is");
        let both = [(ENDPOINT, "http://c:4317"), own];
        assert_eq!(found(&both), (Protocol::Http, "http://d:4318/as/is".into()));
        let named = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(found(&[both[0], own, named]).0, Protocol::Grpc);
        let named = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert_eq!(found(&[both[0], named]).1, "http://c:4317/v1/traces");
    }

    #[test]
    fn the_service_is_named_by_either_variable() {
        let named = |vars: &[_]| {
            let vars = [&[(ENDPOINT, "http://collector:4317")], vars].concat();
            traces(&vars).unwrap().unwrap().named
        };
        assert!(!named(&[]));
        assert!(named(&[("OTEL_SERVICE_NAME", "x")]));
        assert!(named(&[("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=x")]));
    }

    #[test]
    fn headers_are_decoded_and_not_shown() {
        let vars = [
            (ENDPOINT, "http://collector:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0, x-a = b=c ,"),
        ];
        let collector = traces(&vars).unwrap().unwrap();
        assert_eq!(collector.headers["authorization"], "Basic c2VjcmV0");
        assert_eq!(collector.headers["x-a"], "b=c");
        assert!(!format!("{collector:?}").contains("c2VjcmV0"));
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:secret@collector"),
        ] {
            let text = traces(&[(name, value), vars[0]]).unwrap_err().to_string();
            assert!(text.starts_with(name) && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn times_are_in_milliseconds() {
        let endpoint = (ENDPOINT, "http://collector:4317");
        let settings = metrics(&[endpoint]).unwrap().unwrap();
        let seconds = [settings.interval, settings.timeout, settings.collector.timeout];
        assert_eq!(seconds.map(|time| time.as_secs()), [60, 30, 10]);
        let settings = metrics(&[
            endpoint,
            ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "2"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3"),
        ]);
        let settings = settings.unwrap().unwrap();
        let times = [settings.interval, settings.timeout, settings.collector.timeout];
        assert_eq!(times.map(|time| time.as_millis()), [1, 2, 3]);
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_variable() {
        for (name, value) in [
            (ENDPOINT, "collector:4317"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "br"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ] {
            let vars = [(name, value), (ENDPOINT, "http://collector:4317")];
            let text = metrics(&vars).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{name}={value}")), "{text}");
        }
    }
}
