//! The command line of `ahoy call`.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;

use super::connect::TlsArgs;
use super::failure::Failure;

/// Calls any gRPC server, by reflection.
///
/// ADDRESS list [SERVICE] shows the services, or the methods of one. ADDRESS describe SYMBOL
/// shows a definition with its comments, and a message as JSON. ADDRESS SERVICE/METHOD calls; a
/// short name will do where it is the only one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ahoy call localhost:50051 list
  ahoy call localhost:50051 describe SayHello
  ahoy call localhost:50051 HelloService/SayHello -d '{\"name\": \"Ada\"}'
  ahoy call https://api.example.com chat.v1.Chat/Talk        (type messages, end with Ctrl-D)

Exit code: 0 for OK, 64 plus the code for another gRPC status, 2 for a wrong command or message,
1 for anything else.")]
pub(crate) struct CallArgs {
    /// The server: host:port or http://host:port (plaintext), or https://host:port
    pub(crate) address: String,

    /// `list`, `describe`, or the method to call: SERVICE/METHOD, SERVICE.METHOD or METHOD
    #[arg(
        default_value = "list",
        value_name = "METHOD",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub(crate) what: String,

    /// What to list or describe: a service, a method, a message or an enum
    pub(crate) symbol: Option<String>,

    /// The message as JSON; `@` reads stdin, `@FILE` a file. Several values in a row are the
    /// messages of a stream
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,

    /// A header to send, as 'name: value'; the value of a name that ends in -bin is base64
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,

    /// Ends the call after this time: 500ms, 2s, 1m30s [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) deadline: Option<Duration>,

    /// Takes the types from this .proto file instead of reflection
    #[arg(long, value_name = "FILE", help_heading = "Types")]
    pub(crate) proto: Vec<PathBuf>,

    /// Where imports of --proto files are looked for [default: the folder of each file]
    #[arg(
        short = 'I',
        long = "import-path",
        value_name = "DIR",
        help_heading = "Types",
        requires = "proto"
    )]
    pub(crate) import_path: Vec<PathBuf>,

    /// Shows fields that have their default value, too
    #[arg(long, help_heading = "Output")]
    pub(crate) emit_defaults: bool,

    /// Indents the JSON, and lists methods below their services [default: on a terminal]
    #[arg(long, help_heading = "Output", conflicts_with = "compact")]
    pub(crate) pretty: bool,

    /// Writes one line for each message or service [default: unless on a terminal]
    #[arg(long, help_heading = "Output")]
    pub(crate) compact: bool,

    /// Shows response headers, trailers and timing on stderr
    #[arg(short, long, help_heading = "Output")]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

impl CallArgs {
    /// The metadata that `-H` asks for.
    pub(crate) fn metadata(&self) -> Result<MetadataMap, Failure> {
        parse_headers(&self.headers)
    }
}

/// The metadata of headers that are written `name: value`.
pub(crate) fn parse_headers(texts: &[String]) -> Result<MetadataMap, Failure> {
    let mut headers = HeaderMap::new();
    for header in texts {
        let (name, value) = parse_header(header)
            .map_err(|problem| Failure::usage(format!("header {header:?}: {problem}")))?;
        headers.append(name, value);
    }
    Ok(MetadataMap::from_headers(headers))
}

fn parse_header(header: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = header.split_once(':').ok_or("there is no ':' between name and value")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the name is not valid")?;
    let value: HeaderValue = value.trim().parse().map_err(|_| "the value must be visible ASCII")?;
    // These are the transport's own; the gRPC protocol reserves the prefix `grpc-`.
    if name.as_str().starts_with("grpc-")
        || matches!(name.as_str(), "content-type" | "te" | "user-agent")
    {
        return Err("gRPC itself sets this header");
    }
    if name.as_str().ends_with("-bin") {
        let alone =
            MetadataMap::from_headers(HeaderMap::from_iter([(name.clone(), value.clone())]));
        let decoded = alone.get_bin(name.as_str()).map(|value| value.to_bytes());
        if !matches!(decoded, Some(Ok(_))) {
            return Err("the value of a -bin header must be base64");
        }
    }
    Ok((name, value))
}

/// Reads `2s`, `500ms`, `1.5s` or `1m30s`; the units are us, ms, s, m and h.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 500ms, 2s or 1m30s");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "us" => number / 1e6,
            "ms" => number / 1e3,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            _ => return Err(wrong()),
        };
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    if total.is_zero() {
        return Err("a deadline must be longer than nothing".to_owned());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("2s", 2_000), ("500ms", 500), ("1.5s", 1_500), ("1m30s", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
        for text in ["", "2", "s", "2 s", "2x", "-1s", "1..2s", "0s", "1e400h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers() {
        let (name, value) = parse_header("Authorization: Bearer a:b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer a:b"));
        assert!(parse_header("trace-bin: AQI").is_ok());
        assert!(parse_header("trace-bin: Aw==").is_ok());
        for wrong in ["name", "grpc-timeout: 1S", "a b: c", "x-bin: !", "te: x"] {
            assert!(parse_header(wrong).is_err(), "{wrong}");
        }
    }
}
