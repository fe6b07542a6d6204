//! Sets up logs, traces and the export of metrics for the process.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::format::{DefaultFields, JsonFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::Metrics;
use super::logs::{Json, Text};
use super::otlp::{MetricSettings, Otlp, TraceSettings};
use super::service::ServiceName;
use super::writer::LineWriter;
use crate::env::switch;
use crate::tls::TlsError;

/// How long [`Guard::shutdown`] waits for the collector, at most.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);
/// How long it waits for the log to be read, at most.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// How logs, traces and the export of metrics are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service of log lines and spans that belong to no other.
    pub service: ServiceName,
    /// `AHOY_LOG_FORMAT`: `text` (the default) or `json`, both to standard error.
    pub log_format: LogFormat,
    /// `AHOY_LOG`: what is logged, in the syntax of [`EnvFilter`]; by default `info`.
    pub log_filter: String,
    /// `AHOY_ACCESS_LOG`: a line for each call that was served; by default `off`. The filter
    /// has the last word if it names the target `ahoy::access`.
    pub access_log: bool,
    /// Traces are exported over OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` or
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set, unless `OTEL_SDK_DISABLED` is `true` or
    /// `OTEL_TRACES_EXPORTER` is set and does not list `otlp`.
    ///
    /// `OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc` or `http/protobuf`. Unset, it follows the endpoint:
    /// `http/protobuf` for the port 4318 and for a URL with a path, else `grpc`. Over HTTP,
    /// `/v1/traces` is added to the endpoint that is not for traces alone.
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `…_TIMEOUT` (milliseconds; by default 10,000),
    /// `…_COMPRESSION` (`gzip` or `none`), `…_CERTIFICATE`, `…_CLIENT_CERTIFICATE` and
    /// `…_CLIENT_KEY` are as in OpenTelemetry's specification; each has a form
    /// `OTEL_EXPORTER_OTLP_TRACES_…` that goes before it.
    pub traces: Option<TraceSettings>,
    /// [`Metrics::global`] is exported over OTLP, by the same variables with `METRICS` for
    /// `TRACES`, every `OTEL_METRIC_EXPORT_INTERVAL` (milliseconds; by default 60,000) and at the
    /// end. An export takes at most `OTEL_METRIC_EXPORT_TIMEOUT` (by default 30,000).
    pub metrics: Option<MetricSettings>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A variable of the environment has a value that means nothing.
    #[error("{variable}={value} is not supported: it must be {expected}")]
    Variable {
        /// The variable.
        variable: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// A variable that may hold a secret, and is therefore not shown, means nothing.
    #[error("{variable} is not supported: it must be {expected}")]
    Secret {
        /// The variable.
        variable: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// The filter of the log cannot be read.
    #[error(
        "the log filter `{filter}` (AHOY_LOG) cannot be read, it must be like `info,my_crate=debug`"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A part of the filter is a target alone, which would leave out everything else.
    #[error(
        "the log filter `{filter}` (AHOY_LOG): `{part}` is no level (off, error, warn, info, debug, \
         trace); for a target write `{part}=debug`"
    )]
    Target {
        /// The filter.
        filter: String,
        /// The part.
        part: String,
    },
    /// The files for TLS with the collector cannot be used.
    #[error("cannot set up TLS with the collector (check OTEL_EXPORTER_OTLP_…CERTIFICATE)")]
    Tls(#[from] TlsError),
    /// A thread cannot be started.
    #[error("cannot start a thread for telemetry")]
    Thread(#[source] io::Error),
    /// Something has set up logs for this process already.
    #[error("logs are set up already")]
    AlreadySet,
}

impl Settings {
    /// What the environment says, for a process whose only or main service is `service`. Empty
    /// variables count as absent.
    ///
    /// # Errors
    /// When a variable has a value that means nothing.
    pub fn from_env(service: &str) -> Result<Self, TelemetryError> {
        Self::from_vars(service, |name| std::env::var(name).ok())
    }

    fn from_vars(
        service: &str,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TelemetryError> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let wrong = |variable: &str, value, expected| {
            let variable = variable.to_owned();
            TelemetryError::Variable { variable, value, expected }
        };
        Ok(Self {
            service: ServiceName::new(service),
            log_format: match var("AHOY_LOG_FORMAT").as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => {
                    return Err(wrong("AHOY_LOG_FORMAT", other.into(), "`text` or `json`"));
                }
            },
            log_filter: var("AHOY_LOG").unwrap_or_else(|| "info".into()),
            access_log: match var("AHOY_ACCESS_LOG") {
                None => false,
                Some(value) => switch(&value)
                    .ok_or_else(|| wrong("AHOY_ACCESS_LOG", value, "`on` or `off`"))?,
            },
            traces: TraceSettings::from_vars(&var)?,
            metrics: MetricSettings::from_vars(&var)?,
        })
    }

    fn filter(&self) -> Result<EnvFilter, TelemetryError> {
        if let Some(part) = self.log_filter.split(',').map(str::trim).find(|part| is_target(part)) {
            let (filter, part) = (self.log_filter.clone(), part.to_owned());
            return Err(TelemetryError::Target { filter, part });
        }
        // A later directive replaces an earlier one for the same target. Spans of calls are for
        // traces; log lines name the trace without them.
        let access = if self.access_log { "info" } else { "off" };
        let all = format!("ahoy::call=off,ahoy::access={access},{}", self.log_filter);
        EnvFilter::builder()
            .parse(all)
            .map_err(|source| TelemetryError::Filter { filter: self.log_filter.clone(), source })
    }
}

/// Whether a part of a filter is a word that is no level. As a filter it would be a target of
/// which everything is logged, and most often it is a slip.
fn is_target(part: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '-');
    !part.is_empty() && part.chars().all(word) && part.parse::<LevelFilter>().is_err()
}

/// Sets up logs, traces and the export of metrics for the process, once.
///
/// Keep the guard until the end of `main`: when it is dropped, the last traces, metrics and log
/// lines are written.
///
/// # Errors
/// When a setting is wrong, a thread cannot be started, or a subscriber is set already.
pub fn init(settings: &Settings) -> Result<Guard, TelemetryError> {
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (dispatch, guard) = build(settings, io::stderr(), colours)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| TelemetryError::AlreadySet)?;
    crate::env::warn_of_slips();
    Ok(guard)
}

pub(crate) fn build(
    settings: &Settings,
    out: impl Write + Send + 'static,
    colours: bool,
) -> Result<(Dispatch, Guard), TelemetryError> {
    let service = settings.service;
    let filter = settings.filter()?;
    let writer = LineWriter::start(out).map_err(TelemetryError::Thread)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer.clone());
    let lines = match settings.log_format {
        LogFormat::Text => {
            let lines = lines.fmt_fields(DefaultFields::new()).event_format(Text { service });
            lines.with_ansi(colours).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let lines = lines.fmt_fields(JsonFields::new()).event_format(Json { service });
            lines.with_ansi(false).with_filter(filter).boxed()
        }
    };
    let subscriber = Registry::default().with(lines);
    let (traces, metrics) = (settings.traces.as_ref(), settings.metrics.as_ref());
    let otlp = match (traces, metrics) {
        (None, None) => None,
        _ => Some(Otlp::start(traces, metrics, Metrics::global(), service)?),
    };
    let dispatch = match otlp.as_ref().and_then(Otlp::tracer) {
        // Not an optional layer: beside one, what is filtered out is looked at again each time.
        None => Dispatch::new(subscriber),
        Some(tracer) => {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(tracer)
                // The parent of a span is tracing's; entering one should cost no more than that.
                .with_context_activation(false)
                .with_tracked_inactivity(false)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_filter(filter_fn(traced));
            Dispatch::new(subscriber.with(spans))
        }
    };
    if let Some(otlp) = &otlp {
        otlp.log_to(&dispatch);
    }
    Ok((dispatch, Guard { otlp, writer }))
}

/// What goes into traces: spans of calls and of handlers, and what they log; not what the
/// libraries underneath tell of their own work.
fn traced(metadata: &Metadata<'_>) -> bool {
    const NOT: [&str; 8] =
        ["ahoy::access", "h2", "hyper", "hyper_util", "opentelemetry", "rustls", "tonic", "tower"];
    let target = metadata.target();
    *metadata.level() <= Level::INFO
        && !NOT.iter().any(|not| {
            target.strip_prefix(not).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
}

/// Writes out what is left when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the exports"]
pub struct Guard {
    otlp: Option<Otlp>,
    writer: LineWriter,
}

impl Guard {
    /// Exports the last traces and metrics, for at most five seconds, then writes the last log lines, for at
    /// most one. It blocks the thread. Log lines after it may be lost with the end of the process.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(otlp) = &mut self.otlp {
            otlp.shutdown(EXPORT_LIMIT);
        }
        self.writer.flush(LOG_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{error, info, info_span};

    use super::*;
    use crate::CallContext;
    use crate::telemetry::w3c::TraceContext;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, TelemetryError> {
        Settings::from_vars("main", |name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn logged(vars: &[(&str, &str)], run: impl FnOnce()) -> String {
        let out = Out::default();
        let (dispatch, guard) = build(&settings(vars).unwrap(), out.clone(), false).unwrap();
        tracing::dispatcher::with_default(&dispatch, run);
        guard.shutdown();
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn in_call(run: impl FnOnce()) {
        let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::parse_traceparent(parent).map(std::sync::Arc::new);
        CallContext::enter(&mut Some(CallContext { trace, ..CallContext::default() }), run);
    }

    #[test]
    fn a_json_line_has_its_shape() {
        let text = logged(&[("AHOY_LOG_FORMAT", "json")], || {
            let error = io::Error::other("disk \"a\" is\nfull");
            let _span = info_span!("work", item = 7).entered();
            in_call(|| {
                ServiceName::new("greeter").enter(|| {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    error!(
                        error,
                        count = 3,
                        ratio = 0.5,
                        ok = true,
                        r#type = "x",
                        "it \u{1b}[0m broke"
                    );
                });
            });
        });
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        assert_eq!(
            line,
            json!({
                "level": "ERROR",
                "service": "greeter",
                "target": "ahoy::telemetry::init::tests",
                "message": "it \u{1b}[0m broke",
                "fields": {
                    "error": "disk \"a\" is\nfull", "count": 3, "ratio": 0.5, "ok": true, "type": "x",
                },
                "spans": [{"name": "work", "fields": {"item": 7}}],
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "span_id": "00f067aa0ba902b7",
            })
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_line_outside_of_calls_has_no_more_than_it_needs() {
        let text =
            logged(&[("AHOY_LOG_FORMAT", "json")], || info!(service = "caller", "listening"));
        let line: Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "level", "service", "target", "message"]);
        assert_eq!(line["service"], "caller");
    }

    #[test]
    fn text_is_one_line_an_event_with_the_service_in_a_column() {
        let text = logged(&[], || {
            in_call(|| info!(addr = "[::1]:80", name = "two words", "fake\nline \u{1b}[31m"));
            info!(service = "greeter", "up");
        });
        let lines: Vec<_> = text.lines().map(|line| line.split_once('Z').unwrap().1).collect();
        assert_eq!(
            lines,
            [
                "  INFO main     ahoy::telemetry::init::tests: fake\\nline \\u{1b}[31m addr=[::1]:80 \
                 name=\"two words\" trace=4bf92f3577b34da6a3ce929d0e0e4736",
                "  INFO greeter  ahoy::telemetry::init::tests: up",
            ]
        );
    }

    #[test]
    fn the_access_log_and_call_spans_are_off_unless_asked_for() {
        let seen = |vars: &[(&str, &str)]| {
            let text = logged(vars, || {
                let _span = info_span!(target: "ahoy::call", "call").entered();
                info!(target: "ahoy::access", "served");
                tracing::warn!("work");
            });
            (text.contains("served"), text.contains("in call"))
        };
        assert_eq!(seen(&[("AHOY_LOG", "debug")]), (false, false));
        assert_eq!(seen(&[("AHOY_ACCESS_LOG", "true")]), (true, false));
        assert_eq!(seen(&[("AHOY_ACCESS_LOG", "on")]), (true, false));
        assert_eq!(seen(&[("AHOY_ACCESS_LOG", "off")]), (false, false));
        let named = ("AHOY_LOG", "warn,ahoy::access=info,ahoy::call=info");
        assert_eq!(seen(&[named]), (true, true));
    }

    #[test]
    fn a_setting_that_means_nothing_is_refused_by_name() {
        for name in ["AHOY_LOG_FORMAT", "AHOY_ACCESS_LOG"] {
            let text = settings(&[(name, "yes")]).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{name}=yes")), "{text}");
        }
        let settings = settings(&[("AHOY_LOG", "ahoy=loud")]).unwrap();
        let text = build(&settings, io::sink(), false).unwrap_err().to_string();
        assert!(text.contains("ahoy=loud"), "{text}");
        for (filter, slip) in [("debgu", "debgu"), ("json", "json"), ("info, my_crate", "my_crate")]
        {
            let settings = self::settings(&[("AHOY_LOG", filter)]).unwrap();
            let text = build(&settings, io::sink(), false).unwrap_err().to_string();
            assert!(text.contains(&format!("`{slip}` is no level")), "{text}");
        }
        for filter in ["DEBUG", "off", "3", "warn,", "info,a::b=debug", "[span{a=1}]=trace"] {
            let settings = self::settings(&[("AHOY_LOG", filter)]).unwrap();
            drop(build(&settings, io::sink(), false).unwrap());
        }
    }
}
