#[inline(always)]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline(always)]
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_varint(out, length as u64);
}

/// Begins what has a length before it; [`close`] writes the length.
#[inline(always)]
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Writes the length of everything since `start` before it. Most lengths take the one byte that
/// was kept free; for others what follows is moved.
#[inline(always)]
pub(crate) fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len().saturating_sub(start);
    match out.get_mut(start.wrapping_sub(1)) {
        Some(byte) if length < 0x80 => *byte = length as u8,
        _ => close_long(out, start, length),
    }
}

fn close_long(out: &mut Vec<u8>, start: usize, length: usize) {
    let mut varint = [0; 10];
    let mut size = 0;
    let mut rest = length as u64;
    for byte in &mut varint {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
        size += 1;
        if rest == 0 {
            *byte &= 0x7f;
            break;
        }
    }
    let end = out.len();
    out.resize(end + size - 1, 0);
    out.copy_within(start..end, start + size - 1);
    if let (Some(to), Some(from)) = (out.get_mut(start - 1..start - 1 + size), varint.get(..size)) {
        to.copy_from_slice(from);
    }
}

pub(crate) fn zigzag32(value: i32) -> u32 {
    (value << 1 ^ value >> 31).cast_unsigned()
}

pub(crate) fn zigzag64(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size() {
        for length in [0, 1, 127, 128, 300, 16_383, 16_384, 3_000_000] {
            let mut out = vec![7];
            let start = open(&mut out);
            out.extend((0..length).map(|n| n as u8));
            close(&mut out, start);
            let mut wire = &out[1..];
            let content = crate::wire::bytes(&mut wire).unwrap();
            assert_eq!(content.len(), length);
            assert!(content.iter().zip(0..).all(|(byte, n): (&u8, usize)| *byte == n as u8));
            assert!(wire.is_empty());
        }
    }
}
