//! Answers protobuf's conformance runner: `conformance_test_runner target/debug/protobuf-conformance`.
//!
//! The runner writes requests to standard input and reads responses from standard output, each with
//! its length before it, until it closes the pipe.

mod messages;
mod protocol;

use std::io::{self, Read, Write};

use anyhow::Context;
use formats::Schema;
use prost::Message;

/// The runner's own messages are at most some ten thousand bytes long.
const LONGEST: u32 = 64 << 20;

fn main() -> anyhow::Result<()> {
    let schema = Schema::decode(&messages::descriptors())?;
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    while let Some(request) = read(&mut input)? {
        let request = protocol::Request::decode(&*request).context("not a ConformanceRequest")?;
        let response = protocol::answer(&schema, request).encode_to_vec();
        let length = u32::try_from(response.len()).context("the response is too long")?;
        output.write_all(&length.to_le_bytes())?;
        output.write_all(&response)?;
        output.flush()?;
    }
    Ok(())
}

fn read(input: &mut impl Read) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = u32::from_le_bytes(length);
    anyhow::ensure!(length <= LONGEST, "a request of {length} bytes");
    let mut request = vec![0; length as usize];
    input.read_exact(&mut request)?;
    Ok(Some(request))
}
