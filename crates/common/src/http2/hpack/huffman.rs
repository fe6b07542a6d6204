//! The Huffman code of strings (RFC 7541, section 5.2 and appendix B), read only: what is written
//! here goes out as it is, since to code it costs more time than the bytes that it saves.

/// How many bits the code of each byte takes. The code is canonical, so that the lengths are all
/// there is to know: codes of a length are consecutive, in the order of their bytes.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The longest code.
const LONGEST: usize = 30;

/// Codes up to this length, which are those of all usual characters, are looked up at once.
const SHORT: usize = 11;

struct Code {
    /// By the next bits: the byte, and how many of them are its code; 0 if it is longer.
    short: [(u8, u8); 1 << SHORT],
    /// By length: the first code, and where its byte is in `bytes`.
    first: [(u32, u16); LONGEST + 2],
    /// In the order of their codes.
    bytes: [u8; 256],
}

static CODE: Code = build();

#[allow(clippy::indexing_slicing, reason = "runs when this is compiled")]
const fn build() -> Code {
    let mut code =
        Code { short: [(0, 0); 1 << SHORT], first: [(0, 0); LONGEST + 2], bytes: [0; 256] };
    let (mut next, mut at, mut length) = (0_u32, 0_usize, 1);
    while length <= LONGEST + 1 {
        code.first[length] = (next, at as u16);
        let mut byte = 0;
        while byte < 256 {
            if BITS[byte] as usize == length {
                code.bytes[at] = byte as u8;
                at += 1;
                if length <= SHORT {
                    let spare = SHORT - length;
                    let mut rest = 0;
                    while rest < 1 << spare {
                        let bits = ((next as usize) << spare) | rest;
                        code.short[bits] = (byte as u8, length as u8);
                        rest += 1;
                    }
                }
                next += 1;
            }
            byte += 1;
        }
        next <<= 1;
        length += 1;
    }
    code
}

/// Appends what is coded; `None` if it is not the code of anything, or not padded as it must be.
pub(super) fn decode(coded: &[u8], to: &mut Vec<u8>) -> Option<()> {
    // Most codes take five bits and more.
    to.reserve(coded.len() * 8 / 5 + 1);
    let mut rest = coded;
    // What was read and not used yet is at the top of `window`.
    let (mut window, mut bits) = (0_u64, 0_u32);
    loop {
        if bits <= 32 {
            if let Some((next, after)) = rest.split_first_chunk::<4>() {
                window |= u64::from(u32::from_be_bytes(*next)) << (32 - bits);
                (bits, rest) = (bits + 32, after);
            } else {
                while bits <= 56
                    && let Some((next, after)) = rest.split_first()
                {
                    window |= u64::from(*next) << (56 - bits);
                    (bits, rest) = (bits + 8, after);
                }
            }
        }
        let (byte, length) = *CODE.short.get((window >> (64 - SHORT)) as usize)?;
        let (byte, length) = match length {
            0 => long(window)?,
            _ => (byte, u32::from(length)),
        };
        if length > bits {
            break;
        }
        to.push(byte);
        window <<= length;
        bits -= length;
    }
    // What is left is the beginning of the code of the end, whose bits are all set.
    let padding = if bits == 0 { 0 } else { u64::MAX << (64 - bits) };
    (bits < 8 && window & padding == padding).then_some(())
}

/// Finds a code that is longer than those that are looked up, or that there is none.
#[cold]
fn long(window: u64) -> Option<(u8, u32)> {
    for length in SHORT + 1..=LONGEST {
        let (first, at) = *CODE.first.get(length)?;
        let (_, beyond) = *CODE.first.get(length + 1)?;
        let offset = ((window >> (64 - length)) as u32).checked_sub(first)?;
        if offset < u32::from(beyond - at) {
            return Some((*CODE.bytes.get(usize::from(at) + offset as usize)?, length as u32));
        }
    }
    // The code of the end, which may not occur (section 5.2), or padding.
    (window >> 34 == (1 << 30) - 1).then_some((0, u32::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// Codes a string, to read it again.
    pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
        let (mut coded, mut window, mut bits) = (Vec::new(), 0_u64, 0_u32);
        for byte in text {
            let length = usize::from(BITS[usize::from(*byte)]);
            let (first, at) = CODE.first[length];
            let rank = CODE.bytes[usize::from(at)..].iter().position(|known| known == byte);
            window = window << length | u64::from(first + rank.unwrap() as u32);
            bits += length as u32;
            while bits >= 8 {
                bits -= 8;
                coded.push((window >> bits) as u8);
            }
        }
        if bits > 0 {
            coded.push((window << (8 - bits)) as u8 | (0xff >> bits));
        }
        coded
    }

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    #[test]
    fn known_codes() {
        // RFC 7541, C.4.1 and C.6.1.
        let coded = b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(decoded(coded).unwrap(), b"www.example.com");
        assert_eq!(encode(b"www.example.com"), coded);
        assert_eq!(decoded(b"\x64\x02").unwrap(), b"302");
        assert_eq!(decoded(b"").unwrap(), b"");
        // Appendix B: the codes of 10 and 22 are the first and the third of 30 bits.
        assert_eq!(encode(&[10]), [0xff, 0xff, 0xff, 0xf3]);
        assert_eq!(encode(&[22]), [0xff, 0xff, 0xff, 0xfb]);
    }

    #[test]
    fn every_byte_comes_back() {
        for length in 0..200 {
            let text: Vec<u8> = (0..length).map(|_| fastrand::u8(..)).collect();
            assert_eq!(decoded(&encode(&text)).unwrap(), text);
        }
        for byte in 0..=255 {
            assert_eq!(decoded(&encode(&[byte; 3])).unwrap(), [byte; 3]);
        }
    }

    #[test]
    fn wrong_padding_and_the_end_are_refused() {
        // Padding of zeros, of a whole byte, of more; the code of the end itself.
        for coded in [&[0x00][..], &[0x1f, 0xff], &[0xff], &[0xff; 4], &[0xff; 9]] {
            assert_eq!(decoded(coded), None, "{coded:x?}");
        }
        assert_eq!(decoded(&[0x1f]).unwrap(), b"a");
    }
}
