//! Header blocks (RFC 7541): written without any compression, read without a dynamic table.
//!
//! A peer that is told a table size of 0 has nothing but the static table and literals left.

use std::sync::LazyLock;

/// The names, and where they have one the values, that have an index of their own (appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// How many bits each byte takes in the Huffman code (appendix B). The code is canonical, so that
/// the lengths are all there is to know.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30,
    28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5,
    5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6,
    6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
    22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23,
    20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23,
    22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Writes headers as literals that the reader does not keep.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        string(&mut block, name.as_ref());
        string(&mut block, value.as_ref());
    }
    block
}

/// Writes one header as a literal that the reader keeps, as index 62.
pub fn encode_kept(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x40];
    string(&mut block, name);
    string(&mut block, value);
    block
}

/// Writes a reference to a header that both sides know.
pub fn indexed(index: usize) -> Vec<u8> {
    let mut block = Vec::new();
    integer(&mut block, 0x80, 7, index);
    block
}

fn string(to: &mut Vec<u8>, text: &[u8]) {
    integer(to, 0, 7, text.len());
    to.extend_from_slice(text);
}

/// Writes an integer with a prefix of so many bits (5.1) after the bits of `first`.
pub fn integer(to: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        to.push(first | value as u8);
        return;
    }
    to.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

/// Reads a block; `None` if it is wrong, or refers to a dynamic table.
pub fn decode(block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = block;
    let mut headers = Vec::new();
    while let Some(first) = rest.first() {
        let (prefix, with_value) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            // The table's size: it can only become 0 here.
            0x20.. => {
                read_integer(&mut rest, 5)?;
                continue;
            }
            _ => (4, true),
        };
        let known = match read_integer(&mut rest, prefix)? {
            0 if with_value => None,
            index => Some(*STATIC.get(index.checked_sub(1)?)?),
        };
        let name = match known {
            Some((name, _)) => name.to_owned(),
            None => read_string(&mut rest)?,
        };
        let value = match (with_value, known) {
            (true, _) => read_string(&mut rest)?,
            (false, known) => known?.1.to_owned(),
        };
        headers.push((name, value));
    }
    Some(headers)
}

fn read_integer(from: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut rest) = from.split_first()?;
    let most = (1 << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (next, after) = rest.split_first()?;
            rest = after;
            value = value.checked_add(usize::from(next & 0x7f).checked_shl(shift)?)?;
            shift += 7;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    *from = rest;
    Some(value)
}

fn read_string(from: &mut &[u8]) -> Option<String> {
    let huffman = from.first()? & 0x80 != 0;
    let length = read_integer(from, 7)?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    let text = if huffman { unpack(text) } else { text.to_vec() };
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// How many bytes have codes of so many bits, and all bytes in the order of their codes.
static CODE: LazyLock<([u32; 31], Vec<u8>)> = LazyLock::new(|| {
    let mut of_length = [0; 31];
    for bits in BITS {
        if let Some(count) = of_length.get_mut(usize::from(bits)) {
            *count += 1;
        }
    }
    let mut bytes: Vec<_> = BITS.into_iter().zip(0..=u8::MAX).collect();
    bytes.sort_unstable();
    (of_length, bytes.into_iter().map(|(_, byte)| byte).collect())
});

/// Undoes the Huffman code; what is left of the last byte is padding.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let (of_length, bytes) = &*CODE;
    let mut text = Vec::new();
    // Of the codes with as many bits as have been read: the first, and how many are shorter.
    let (mut code, mut first, mut shorter, mut bits) = (0_u32, 0_u32, 0_u32, 0_usize);
    for bit in packed.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        first <<= 1;
        bits += 1;
        let count = of_length.get(bits).copied().unwrap_or_default();
        if let Some(at) = code.checked_sub(first).filter(|at| *at < count) {
            text.extend(bytes.get((shorter + at) as usize));
            (code, first, shorter, bits) = (0, 0, 0, 0);
        } else {
            first += count;
            shorter += count;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let long = "x".repeat(10_000);
        let headers = [(":path", "/a"), ("x", ""), ("y", long.as_str())];
        let read = decode(&encode(headers)).unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, headers);
    }

    /// The examples of RFC 7541, C.4.1 and C.6.1.
    #[test]
    fn reads_the_specification_s_examples() {
        let authority = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let read = decode(authority).unwrap();
        assert_eq!(read.first().unwrap(), &(":method".to_owned(), "GET".to_owned()));
        assert_eq!(read.last().unwrap().1, "www.example.com");
        let status = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b";
        let read = decode(status).unwrap();
        assert_eq!(read.first().unwrap().1, "302");
        assert_eq!(read.last().unwrap(), &("cache-control".to_owned(), "private".to_owned()));
    }

    #[test]
    fn refuses_what_it_cannot_know() {
        for block in [&[0x80][..], &[0xff, 0x00], &[0x00, 0x05, b'a'], &[0xff, 0xff, 0xff]] {
            assert_eq!(decode(block), None, "{block:x?}");
        }
    }
}
