//! What a command writes: messages and definitions to stdout, everything else to stderr.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use prost_reflect::{DynamicMessage, SerializeOptions};
use tonic::Code;
use tonic::metadata::{KeyAndValueRef, MetadataMap};

use super::any;
use super::failure::{Failure, code_name};

/// Writes to stdout. Each message is flushed, so that the reader of a stream sees it at once.
#[derive(Debug)]
pub(crate) struct Messages<W> {
    out: W,
    pretty: bool,
    options: SerializeOptions,
}

impl<W: Write> Messages<W> {
    pub(crate) fn new(out: W, pretty: bool, emit_defaults: bool) -> Self {
        Self { out, pretty, options: SerializeOptions::new().skip_default_fields(!emit_defaults) }
    }

    /// Whether a person reads it, rather than a program.
    pub(crate) fn is_pretty(&self) -> bool {
        self.pretty
    }

    /// Writes a message as JSON, on one line or indented.
    pub(crate) fn message(&mut self, message: &DynamicMessage) -> Result<(), Failure> {
        let json = to_json(message, self.pretty, &self.options).map_err(Failure::failed)?;
        self.line(&json)
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// Writes text that ends with its own line's end.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

/// The message in protobuf's JSON mapping. An `Any` of a type that nobody knows is left out.
pub(crate) fn to_json(
    message: &DynamicMessage,
    pretty: bool,
    options: &SerializeOptions,
) -> Result<String, String> {
    let write = |message: &DynamicMessage| {
        let mut json = Vec::new();
        if pretty {
            let mut serializer = serde_json::Serializer::pretty(&mut json);
            message.serialize_with_options(&mut serializer, options)
        } else {
            let mut serializer = serde_json::Serializer::new(&mut json);
            message.serialize_with_options(&mut serializer, options)
        }
        .map(|()| String::from_utf8_lossy(&json).into_owned())
    };
    write(message)
        .or_else(|_| {
            let mut message = message.clone();
            any::clear_unknown(&mut message);
            write(&message)
        })
        .map_err(|error| format!("an answer has no JSON form: {error}"))
}

/// Writes to stderr. A stderr that cannot be written to is no reason to fail.
#[derive(Debug)]
pub(crate) struct Report<W> {
    err: W,
    colour: bool,
    verbose: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Error,
    Name,
    Faint,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(err: W, colour: bool, verbose: bool) -> Self {
        Self { err, colour, verbose }
    }

    /// Says something that only `--verbose` asks for.
    pub(crate) fn note(&mut self, note: impl fmt::Display) {
        if self.verbose {
            let line = self.styled(Style::Faint, &format!("* {note}"));
            let _ = writeln!(self.err, "{line}");
        }
    }

    /// Shows headers or trailers, if `--verbose` asks for them.
    pub(crate) fn metadata(&mut self, what: &str, metadata: &MetadataMap) {
        if !self.verbose {
            return;
        }
        let title = self.styled(Style::Faint, &format!("* {what}"));
        let _ = writeln!(self.err, "{title}");
        for entry in metadata.iter() {
            let (name, value) = match entry {
                KeyAndValueRef::Ascii(name, value) => (name.as_str(), value.as_encoded_bytes()),
                KeyAndValueRef::Binary(name, value) => (name.as_str(), value.as_encoded_bytes()),
            };
            let name = self.styled(Style::Name, name);
            let _ = writeln!(self.err, "< {name}: {}", String::from_utf8_lossy(value));
        }
    }

    /// Tells the user something that the answer alone would hide.
    pub(crate) fn say(&mut self, text: impl fmt::Display) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Says why the command failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        let (status, details) = match failure {
            Failure::OutputClosed => return,
            Failure::Usage(message) | Failure::Failed(message) => {
                let error = self.styled(Style::Error, "error:");
                return self.say(format_args!("{error} {message}"));
            }
            Failure::Status { status, details } => (status, details),
        };
        let code = status.code();
        let name = self.styled(Style::Error, &format!("error: {}", code_name(code)));
        let message = match status.message() {
            "" => explain(code),
            message => message,
        };
        self.say(format_args!("{name} ({}): {message}", code as i32));
        for detail in details {
            let name = self.styled(Style::Name, &detail.type_name);
            self.say(format_args!("  {name}"));
            for line in detail.text.lines() {
                self.say(format_args!("    {line}"));
            }
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        let start = match style {
            _ if !self.colour => return text.to_owned(),
            Style::Error => "\x1b[1;31m",
            Style::Name => "\x1b[36m",
            Style::Faint => "\x1b[2m",
        };
        format!("{start}{text}\x1b[0m")
    }
}

/// What a status without a message usually means.
fn explain(code: Code) -> &'static str {
    match code {
        Code::Unimplemented => "the server does not implement this method",
        Code::DeadlineExceeded => "the deadline passed",
        Code::Unauthenticated => "the server wants to know who calls; see -H",
        _ => "the server gave no message",
    }
}

/// A time as a person reads it.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
