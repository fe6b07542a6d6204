//! gzip (RFC 1952) around flate2's raw deflate, whose states can be reset in place.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::Encoding;
use super::codec::{CodecError, Output};

/// Deflate, no optional field, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// CRC-32 and length of what was compressed, both little-endian.
const TRAILER_LEN: usize = 8;
const LEVEL: u32 = 6;
/// How much is decompressed at a time.
const CHUNK: usize = 16 * 1024;
/// Deflate cannot expand by more.
const MAX_RATIO: usize = 1032;

/// The optional fields of a header, as bits of its flags.
mod flag {
    pub(super) const HEADER_CRC: u8 = 1 << 1;
    pub(super) const EXTRA: u8 = 1 << 2;
    pub(super) const NAME: u8 = 1 << 3;
    pub(super) const COMMENT: u8 = 1 << 4;
    pub(super) const RESERVED: u8 = 0b1110_0000;
}

#[derive(Default)]
pub(super) struct Gzip {
    compress: Option<Compress>,
    decompress: Option<(Decompress, Box<[u8]>)>,
}

fn corrupt(reason: &'static str) -> CodecError {
    CodecError::Corrupt { encoding: Encoding::Gzip, reason }
}

impl Gzip {
    /// How many bytes the compressed form of `len` bytes takes at most.
    pub(super) fn bound(len: usize) -> usize {
        HEADER.len() + TRAILER_LEN + len + len / 8 + 256
    }

    /// What the trailer says of the decompressed length, as far as that is possible. Exact unless
    /// there are several members or the sender lies.
    pub(super) fn expected_len(payload: &[u8]) -> usize {
        let said = payload.last_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        (said as usize).min(payload.len().saturating_mul(MAX_RATIO))
    }

    /// Compresses into `output`, which has room for [`Gzip::bound`]; gives the length.
    pub(super) fn compress(
        &mut self,
        payload: &[u8],
        output: &mut [u8],
    ) -> Result<usize, &'static str> {
        let deflate =
            self.compress.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        deflate.reset();
        let (head, rest) = output.split_first_chunk_mut().ok_or("no room")?;
        *head = HEADER;
        match deflate.compress(payload, rest, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => {}
            _ => return Err("no room"),
        }
        let len = usize::try_from(deflate.total_out()).map_err(|_| "too long")?;
        let trailer = rest
            .get_mut(len..)
            .and_then(<[u8]>::first_chunk_mut::<TRAILER_LEN>)
            .ok_or("no room")?;
        *trailer = trailer_of(payload);
        Ok(HEADER.len() + len + TRAILER_LEN)
    }

    /// Decompresses all members of `payload`, of which there must be one.
    pub(super) fn decompress(
        &mut self,
        payload: &[u8],
        output: &mut Output,
    ) -> Result<(), CodecError> {
        let (inflate, chunk) = self.decompress.get_or_insert_with(|| {
            let chunk = vec![0; CHUNK].into_boxed_slice();
            (Decompress::new(false), chunk)
        });
        let mut rest = payload;
        loop {
            rest = skip_header(rest)?;
            inflate.reset(false);
            let mut crc = Crc::new();
            loop {
                let (read, written) = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(rest, chunk, FlushDecompress::None)
                    .map_err(|_| corrupt("bad deflate data"))?;
                // Both differences are within the lengths of the slices.
                let read = (inflate.total_in() - read) as usize;
                let written = (inflate.total_out() - written) as usize;
                rest = rest.get(read..).unwrap_or_default();
                let out = chunk.get(..written).unwrap_or_default();
                crc.update(out);
                output.extend(out)?;
                match status {
                    Status::StreamEnd => break,
                    _ if read == 0 && written == 0 => {
                        return Err(corrupt("it ends in the middle"));
                    }
                    _ => {}
                }
            }
            let Some((trailer, after)) = rest.split_first_chunk::<TRAILER_LEN>() else {
                return Err(corrupt("it ends in the middle"));
            };
            if *trailer != trailer_bytes(crc.sum(), crc.amount()) {
                return Err(corrupt("checksum mismatch"));
            }
            if after.is_empty() {
                return Ok(());
            }
            rest = after;
        }
    }
}

fn trailer_of(payload: &[u8]) -> [u8; TRAILER_LEN] {
    let mut crc = Crc::new();
    crc.update(payload);
    trailer_bytes(crc.sum(), crc.amount())
}

fn trailer_bytes(crc: u32, len: u32) -> [u8; TRAILER_LEN] {
    let both = u64::from(len) << 32 | u64::from(crc);
    both.to_le_bytes()
}

/// What follows a member's header.
fn skip_header(input: &[u8]) -> Result<&[u8], CodecError> {
    const SHORT: &str = "its header ends in the middle";
    let (fixed, mut rest) = input.split_first_chunk().ok_or(corrupt(SHORT))?;
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _] = *fixed else {
        return Err(corrupt("no gzip header"));
    };
    if flags & flag::RESERVED != 0 {
        return Err(corrupt("reserved flags in its header"));
    }
    if flags & flag::EXTRA != 0 {
        let (len, after) = rest.split_first_chunk().ok_or(corrupt(SHORT))?;
        let len = usize::from(u16::from_le_bytes(*len));
        rest = after.get(len..).ok_or(corrupt(SHORT))?;
    }
    for string in [flag::NAME, flag::COMMENT] {
        if flags & string != 0 {
            let end = rest.iter().position(|byte| *byte == 0);
            let end = end.ok_or(corrupt(SHORT))?;
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    if flags & flag::HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or(corrupt(SHORT))?;
    }
    Ok(rest)
}
