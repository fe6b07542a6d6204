//! Log lines: text for people, JSON for collectors.
//!
//! Both go to standard error, so that standard output is left to what a command prints. A line
//! names its service and the trace that it belongs to, taken from the call that is being served,
//! whether or not traces are exported.

use std::fmt::{self, Debug, Display, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::service::ServiceName;
use crate::CallContext;

/// The width of the column of services; longer names push the rest to the right.
const SERVICE_WIDTH: usize = 8;

/// `TIME LEVEL SERVICE TARGET: MESSAGE KEY=VALUE… trace=ID`, with colours where the writer says so.
#[derive(Debug)]
pub(super) struct Text {
    /// Of lines that belong to none.
    pub(super) service: ServiceName,
}

/// One object a line: `timestamp` (RFC 3339), `level`, `service`, `target`, `message`, `fields`,
/// `spans` with their fields from the outermost in, `trace_id` and `span_id`, of which the last
/// four may be absent.
#[derive(Debug)]
pub(super) struct Json {
    /// Of lines that belong to none.
    pub(super) service: ServiceName,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        scope: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let paint = Paint { on: out.has_ansi_escapes() };
        let mut fields = TextFields { paint, ..TextFields::default() };
        event.record(&mut fields);

        out.write_str(paint.start(DIM))?;
        SystemTime.format_time(&mut out)?;
        out.write_str(paint.end())?;
        let level = *event.metadata().level();
        write!(out, " {}{level:>5}{} ", paint.start(level_colour(level)), paint.end())?;
        let current = ServiceName::current().unwrap_or(self.service).as_str();
        let service = fields.service.as_deref().unwrap_or(current);
        let colour = service_colour(service);
        write!(out, "{}{service:<SERVICE_WIDTH$}{} ", paint.start(colour), paint.end())?;
        let target = event.metadata().target();
        write!(out, "{}{target}:{}", paint.start(DIM), paint.end())?;
        write!(out, "{}{}", fields.message, fields.rest)?;
        for span in scope.event_scope().into_iter().flatten() {
            write!(out, " {}in{} {}", paint.start(DIM), paint.end(), span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(out, "{{{fields}}}")?;
            }
        }
        if let Some(trace) = CallContext::current().trace {
            write!(out, " {}trace={:032x}{}", paint.start(DIM), trace.trace_id, paint.end())?;
        }
        out.write_char('\n')
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        scope: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = JsonFields::default();
        event.record(&mut fields);
        if let Some(error) = fields.failed {
            return Err(error);
        }
        out.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut out)?;
        write!(out, "\",\"level\":\"{}\",\"service\":", event.metadata().level())?;
        match &fields.service {
            Some(service) => out.write_str(service)?,
            None => json_string(&mut out, ServiceName::current().unwrap_or(self.service).as_str())?,
        }
        out.write_str(",\"target\":")?;
        json_string(&mut out, event.metadata().target())?;
        if let Some(message) = &fields.message {
            write!(out, ",\"message\":{message}")?;
        }
        if !fields.rest.is_empty() {
            write!(out, ",\"fields\":{{{}}}", fields.rest)?;
        }
        let mut before = ",\"spans\":[";
        for span in scope.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            write!(out, "{before}{{\"name\":")?;
            json_string(&mut out, span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(out, ",\"fields\":{fields}")?;
            }
            out.write_char('}')?;
            before = ",";
        }
        if before == "," {
            out.write_char(']')?;
        }
        if let Some(trace) = CallContext::current().trace {
            let (trace, span) = (trace.trace_id, trace.span_id);
            write!(out, ",\"trace_id\":\"{trace:032x}\",\"span_id\":\"{span:016x}\"")?;
        }
        out.write_str("}\n")
    }
}

const DIM: &str = "\x1b[2m";

fn level_colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[1;31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        _ => "\x1b[35m",
    }
}

/// The same name has the same colour in every run.
fn service_colour(service: &str) -> &'static str {
    const COLOURS: [&str; 6] =
        ["\x1b[36m", "\x1b[35m", "\x1b[94m", "\x1b[33m", "\x1b[32m", "\x1b[95m"];
    let sum = service.bytes().fold(0_usize, |sum, byte| sum * 31 % 9_973 + usize::from(byte));
    COLOURS.get(sum % COLOURS.len()).copied().unwrap_or_default()
}

#[derive(Clone, Copy, Debug, Default)]
struct Paint {
    on: bool,
}

impl Paint {
    fn start(self, colour: &'static str) -> &'static str {
        if self.on { colour } else { "" }
    }

    fn end(self) -> &'static str {
        if self.on { "\x1b[0m" } else { "" }
    }
}

/// The fields of an event as text. Control characters are escaped: what a peer sent must neither
/// fake a line nor speak to the terminal.
#[derive(Default)]
struct TextFields {
    paint: Paint,
    message: String,
    service: Option<String>,
    rest: String,
}

impl TextFields {
    fn put(&mut self, field: &Field, value: &dyn Display) {
        // Writing to a string cannot fail.
        let _ = match name(field) {
            "message" => write!(Plain(&mut self.message), " {value}"),
            "service" => write!(Plain(self.service.insert(String::new())), "{value}"),
            name => {
                let (dim, end) = (self.paint.start(DIM), self.paint.end());
                let _ = write!(self.rest, " {dim}{name}={end}");
                write!(Plain(&mut self.rest), "{value}")
            }
        };
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let quoted = value.is_empty() || value.contains([' ', '"', '=']);
        match name(field) {
            "message" | "service" => self.put(field, &value),
            _ if quoted => self.put(field, &format_args!("{value:?}")),
            _ => self.put(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, &Causes(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, &format_args!("{value:?}"));
    }
}

/// The fields of an event as the inside of a JSON object.
#[derive(Default)]
struct JsonFields {
    /// These two as JSON strings.
    message: Option<String>,
    service: Option<String>,
    rest: String,
    failed: Option<fmt::Error>,
}

impl JsonFields {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut String) -> fmt::Result) {
        let written = match name(field) {
            "message" => write(self.message.insert(String::new())),
            "service" => write(self.service.insert(String::new())),
            name => {
                if !self.rest.is_empty() {
                    self.rest.push(',');
                }
                json_string(&mut self.rest, name).and_then(|()| {
                    self.rest.push(':');
                    write(&mut self.rest)
                })
            }
        };
        self.failed = self.failed.or(written.err());
    }
}

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |out| match value.is_finite() {
            true => write!(out, "{value}"),
            false => out.write_str("null"),
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |out| json_string(out, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, |out| json_string(out, Causes(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |out| json_string(out, format_args!("{value:?}")));
    }
}

/// `r#type` is written `type`.
fn name(field: &Field) -> &'static str {
    field.name().strip_prefix("r#").unwrap_or(field.name())
}

/// An error and what caused it.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        std::iter::successors(self.0.source(), |error| error.source())
            .try_for_each(|cause| write!(f, ": {cause}"))
    }
}

fn json_string(out: &mut impl fmt::Write, value: impl Display) -> fmt::Result {
    out.write_char('"')?;
    write!(JsonString(out), "{value}")?;
    out.write_char('"')
}

/// Escapes what goes through it for a JSON string.
struct JsonString<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for JsonString<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text, |out, c| match c {
            '"' => Some(out.write_str("\\\"")),
            '\\' => Some(out.write_str("\\\\")),
            '\n' => Some(out.write_str("\\n")),
            c if c.is_control() => Some(write!(out, "\\u{:04x}", c as u32)),
            _ => None,
        })
    }
}

/// Escapes control characters.
struct Plain<'a>(&'a mut String);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text, |out, c| c.is_control().then(|| write!(out, "{}", c.escape_debug())))
    }
}

/// Copies text in runs, and gives each character to `special`, which may write it in its own way.
fn escape<W: fmt::Write>(
    out: &mut W,
    text: &str,
    special: impl Fn(&mut W, char) -> Option<fmt::Result>,
) -> fmt::Result {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        // Most characters need no look at all.
        if c >= ' ' && c != '"' && c != '\\' && c < '\x7f' {
            continue;
        }
        out.write_str(text.get(plain..at).unwrap_or_default())?;
        plain = at;
        if let Some(written) = special(out, c) {
            written?;
            plain = at + c.len_utf8();
        }
    }
    out.write_str(text.get(plain..).unwrap_or_default())
}
