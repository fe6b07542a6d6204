//! Protobuf's conformance protocol: what its runner asks, and what `formats` answers.
//!
//! Like the other programs here, it is driven from outside:
//! `conformance_test_runner --enforce_recommended target/debug/protobuf-conformance`.

mod messages;
mod protocol;

use std::io::{self, Read, Write};

use anyhow::Context;
use formats::Schema;
use prost::Message;

pub use protocol::{Answer, Format, Payload, Request, Response};

/// The runner's own messages are at most some ten thousand bytes long.
const LONGEST: u32 = 64 << 20;

/// Answers requests, each with its length before it, until there are no more.
///
/// # Errors
/// The pipe breaks, or what comes through it is no request.
pub fn serve(mut input: impl Read, mut output: impl Write) -> anyhow::Result<()> {
    let schema = Schema::decode(&messages::descriptors())?;
    while let Some(request) = read(&mut input)? {
        let request = Request::decode(&*request).context("not a ConformanceRequest")?;
        write(&mut output, &protocol::answer(&schema, request).encode_to_vec())?;
    }
    Ok(())
}

/// Reads one message with its length before it; None at the end.
///
/// # Errors
/// The pipe breaks within a message, or the message is too long.
pub fn read(input: &mut impl Read) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = u32::from_le_bytes(length);
    anyhow::ensure!(length <= LONGEST, "a message of {length} bytes");
    let mut message = vec![0; length as usize];
    input.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Writes one message with its length before it.
///
/// # Errors
/// The pipe breaks.
pub fn write(output: &mut impl Write, message: &[u8]) -> anyhow::Result<()> {
    let length = u32::try_from(message.len()).context("the message is too long")?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(message)?;
    Ok(output.flush()?)
}
