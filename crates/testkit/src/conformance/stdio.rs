//! Messages on standard input and output: a length in four bytes, big-endian, and protobuf.

use std::io::{self, Read, Write};

use prost::Message;

/// The longest message that is taken, in bytes.
const LIMIT: u32 = 64 << 20;

/// Reads the next message; `None` at the end.
///
/// # Errors
/// The input's, or when what it has is not this message.
pub fn read<M: Message + Default>(input: &mut impl Read) -> io::Result<Option<M>> {
    let mut len = [0; 4];
    match input.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = u32::from_be_bytes(len);
    if len > LIMIT {
        return Err(io::Error::other(format!("a message of {len} bytes")));
    }
    let mut message = vec![0; len as usize];
    input.read_exact(&mut message)?;
    Ok(Some(M::decode(&*message).map_err(io::Error::other)?))
}

/// Writes a message.
///
/// # Errors
/// The output's.
pub fn write(output: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let message = message.encode_to_vec();
    let len = u32::try_from(message.len()).map_err(io::Error::other)?;
    output.write_all(&len.to_be_bytes())?;
    output.write_all(&message)?;
    output.flush()
}
