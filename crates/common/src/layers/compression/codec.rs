//! One message in, one message out.
//!
//! The contexts of the codecs are large (some hundred KiB), and a message is compressed or
//! decompressed in one go. So each thread has one of each kind and all its calls share it,
//! instead of each call building one for a message or two.

use std::cell::RefCell;

use bytes::Bytes;
use tonic::Status;
use zstd::zstd_safe::{
    self, CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
    zstd_sys::ZSTD_EndDirective::ZSTD_e_end,
};

use super::{Encoding, gzip::Gzip};
use crate::protocol::frame::{HEADER_LEN, header};

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB, the limit that
/// RFC 9659 sets for content encodings. It bounds what a frame of unknown size makes us allocate.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

const ZSTD_LEVEL: i32 = 3;

/// Output grows from this many bytes on.
const FIRST_CHUNK: usize = 16 * 1024;

/// The scratch buffer is given back to the allocator above this size.
const SCRATCH_KEPT: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("received message grew over the limit of {limit} bytes while being decompressed")]
    TooLarge { limit: usize },
    #[error("received message is not valid {}: {reason}", encoding.name())]
    Corrupt { encoding: Encoding, reason: &'static str },
    #[error("message could not be compressed as {}: {reason}", encoding.name())]
    Compress { encoding: Encoding, reason: &'static str },
}

impl From<CodecError> for Status {
    fn from(error: CodecError) -> Self {
        let message = error.to_string();
        match error {
            CodecError::TooLarge { .. } => Self::resource_exhausted(message),
            CodecError::Corrupt { .. } | CodecError::Compress { .. } => Self::internal(message),
        }
    }
}

/// The output of a decompressor, behind room for the header, and never beyond its limit.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    /// `expected` is what the payload says of its size; a sender may lie in it.
    pub(super) fn new(expected: usize, limit: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_LEN + expected.min(limit));
        bytes.extend_from_slice(&[0; HEADER_LEN]);
        Self { bytes, limit }
    }

    fn payload_len(&self) -> usize {
        self.bytes.len() - HEADER_LEN
    }

    /// Makes room for `more` bytes or for what doubles the output, but for no more than the limit
    /// and one byte: that byte is what tells a message that is too long.
    fn grow(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            let end = (self.limit + 1).saturating_sub(self.payload_len());
            self.bytes.reserve_exact(more.max(self.bytes.len()).min(end));
        }
    }

    pub(super) fn extend(&mut self, chunk: &[u8]) -> Result<(), CodecError> {
        if self.payload_len() + chunk.len() > self.limit {
            return Err(CodecError::TooLarge { limit: self.limit });
        }
        self.grow(chunk.len());
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(mut self) -> Result<Bytes, CodecError> {
        let len = self.payload_len();
        match (self.bytes.first_chunk_mut(), u32::try_from(len)) {
            (Some(place), Ok(len)) => *place = header(false, len),
            _ => return Err(CodecError::TooLarge { limit: self.limit }),
        }
        Ok(Bytes::from(self.bytes))
    }
}

#[derive(Default)]
struct Codecs {
    gzip: Gzip,
    zstd_in: Option<DCtx<'static>>,
    zstd_out: Option<CCtx<'static>>,
    /// Where compressors write: their output is copied out at its size, so that a message that
    /// waits to be sent holds no more than it needs.
    scratch: Vec<u8>,
}

thread_local! {
    static CODECS: RefCell<Codecs> = RefCell::default();
}

/// Decompresses a payload; gives the message framed, its flag 0.
///
/// # Errors
/// What was received is at fault: not of this encoding, or longer than `limit` bytes.
pub(crate) fn decompress(
    encoding: Encoding,
    payload: &[u8],
    limit: usize,
) -> Result<Bytes, CodecError> {
    // No header can express a longer message.
    let limit = limit.min(u32::MAX as usize);
    CODECS.with_borrow_mut(|codecs| match encoding {
        Encoding::Gzip => {
            let mut output = Output::new(Gzip::expected_len(payload), limit);
            codecs.gzip.decompress(payload, &mut output)?;
            output.finish()
        }
        Encoding::Zstd => {
            let context = match &mut codecs.zstd_in {
                Some(context) => context,
                none => none.insert(new_zstd_in()?),
            };
            zstd_decompress(context, payload, limit)
        }
    })
}

/// Compresses a payload; gives the message framed, its flag 1. Gives nothing when that would not
/// be shorter and `forced` does not ask for it all the same.
///
/// # Errors
/// The encoder's, if it finds no memory.
pub(crate) fn compress(
    encoding: Encoding,
    payload: &[u8],
    forced: bool,
) -> Result<Option<Bytes>, CodecError> {
    CODECS.with_borrow_mut(|codecs| {
        let bound = match encoding {
            Encoding::Gzip => Gzip::bound(payload.len()),
            Encoding::Zstd => zstd_safe::compress_bound(payload.len()),
        };
        if codecs.scratch.len() < HEADER_LEN + bound {
            codecs.scratch.resize(HEADER_LEN + bound, 0);
        }
        let failed = |reason| CodecError::Compress { encoding, reason };
        let Some((place, output)) = codecs.scratch.split_first_chunk_mut() else {
            return Err(failed("no room"));
        };
        let len = match encoding {
            Encoding::Gzip => codecs.gzip.compress(payload, output).map_err(failed)?,
            Encoding::Zstd => {
                let context = match &mut codecs.zstd_out {
                    Some(context) => context,
                    none => none.insert(new_zstd_out().map_err(failed)?),
                };
                zstd_compress(context, payload, output).map_err(failed)?
            }
        };
        let compressed = if len < payload.len() || forced {
            *place = header(true, u32::try_from(len).map_err(|_| failed("too long"))?);
            codecs.scratch.get(..HEADER_LEN + len).map(Bytes::copy_from_slice)
        } else {
            None
        };
        if codecs.scratch.len() > SCRATCH_KEPT {
            codecs.scratch = Vec::new();
        }
        Ok(compressed)
    })
}

fn new_zstd_out() -> Result<CCtx<'static>, &'static str> {
    let mut context = CCtx::try_create().ok_or("out of memory")?;
    context.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL)).map_err(get_error_name)?;
    Ok(context)
}

fn zstd_compress(
    context: &mut CCtx<'static>,
    payload: &[u8],
    output: &mut [u8],
) -> Result<usize, &'static str> {
    context.reset(ResetDirective::SessionOnly).map_err(get_error_name)?;
    let mut output = OutBuffer::around(output);
    // All of the input at once, and room for any output: one pass, and the frame says its size.
    match context.compress_stream2(&mut output, &mut InBuffer::around(payload), ZSTD_e_end) {
        Ok(0) => Ok(output.pos()),
        Ok(_) => Err("no room"),
        Err(code) => Err(get_error_name(code)),
    }
}

fn new_zstd_in() -> Result<DCtx<'static>, CodecError> {
    let failed = |reason| CodecError::Corrupt { encoding: Encoding::Zstd, reason };
    let mut context = DCtx::try_create().ok_or(failed("out of memory"))?;
    context
        .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
        .map_err(|code| failed(get_error_name(code)))?;
    Ok(context)
}

fn zstd_decompress(
    context: &mut DCtx<'static>,
    payload: &[u8],
    limit: usize,
) -> Result<Bytes, CodecError> {
    let corrupt = |reason| CodecError::Corrupt { encoding: Encoding::Zstd, reason };
    let failed = |code| corrupt(get_error_name(code));
    let expected = match zstd_safe::get_frame_content_size(payload) {
        Ok(Some(len)) if len > limit as u64 => return Err(CodecError::TooLarge { limit }),
        // With room for the whole frame zstd writes into it directly, without a window.
        Ok(Some(len)) => usize::try_from(len).unwrap_or(limit),
        Ok(None) => FIRST_CHUNK,
        Err(_) => return Err(corrupt("no frame header")),
    };
    context.reset(ResetDirective::SessionOnly).map_err(failed)?;
    let mut output = Output::new(expected, limit);
    let mut input = InBuffer::around(payload);
    loop {
        let start = output.bytes.len();
        let consumed = input.pos();
        let hint = {
            let mut buffer = OutBuffer::around_pos(&mut output.bytes, start);
            context.decompress_stream(&mut buffer, &mut input).map_err(failed)?
        };
        if output.payload_len() > limit {
            return Err(CodecError::TooLarge { limit });
        }
        let ended = input.pos() == payload.len();
        if hint == 0 && ended {
            return output.finish();
        }
        if output.bytes.len() == output.bytes.capacity() {
            output.grow(1);
        } else if ended || (input.pos() == consumed && output.bytes.len() == start) {
            return Err(corrupt("it ends in the middle"));
        }
    }
}
