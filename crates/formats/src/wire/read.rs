use super::{MAX_DEPTH, Malformed, WireType};

#[inline(always)]
pub(crate) fn varint(wire: &mut &[u8]) -> Result<u64, Malformed> {
    match wire.split_first() {
        Some((byte, rest)) if *byte < 0x80 => {
            *wire = rest;
            Ok(u64::from(*byte))
        }
        _ => long_varint(wire),
    }
}

#[inline(never)]
fn long_varint(wire: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for (byte, index) in wire.iter().zip(0..10_u32) {
        let byte = u64::from(*byte);
        // The tenth byte has room for one bit.
        if index == 9 && byte > 1 {
            return Err(Malformed::Varint);
        }
        value |= (byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *wire = wire.get(index as usize + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(Malformed::Ends)
}

#[inline(always)]
pub(crate) fn tag(wire: &mut &[u8]) -> Result<u32, Malformed> {
    let tag = u32::try_from(varint(wire)?).map_err(|_| Malformed::Tag)?;
    if tag < 8 { Err(Malformed::Tag) } else { Ok(tag) }
}

/// Reads the next tag if it is this one.
#[inline(always)]
pub(crate) fn same_tag(wire: &mut &[u8], expected: u32) -> bool {
    match wire.split_first() {
        Some((byte, rest)) if *byte < 0x80 => {
            let same = u32::from(*byte) == expected;
            if same {
                *wire = rest;
            }
            same
        }
        Some(_) => same_long_tag(wire, expected),
        None => false,
    }
}

#[inline(never)]
fn same_long_tag(wire: &mut &[u8], expected: u32) -> bool {
    let mut ahead = *wire;
    let same = long_varint(&mut ahead) == Ok(u64::from(expected));
    if same {
        *wire = ahead;
    }
    same
}

#[inline(always)]
pub(crate) fn fixed32(wire: &mut &[u8]) -> Result<u32, Malformed> {
    let (bytes, rest) = wire.split_first_chunk().ok_or(Malformed::Ends)?;
    *wire = rest;
    Ok(u32::from_le_bytes(*bytes))
}

#[inline(always)]
pub(crate) fn fixed64(wire: &mut &[u8]) -> Result<u64, Malformed> {
    let (bytes, rest) = wire.split_first_chunk().ok_or(Malformed::Ends)?;
    *wire = rest;
    Ok(u64::from_le_bytes(*bytes))
}

#[inline(always)]
pub(crate) fn bytes<'a>(wire: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(varint(wire)?).map_err(|_| Malformed::Ends)?;
    let (bytes, rest) = wire.split_at_checked(length).ok_or(Malformed::Ends)?;
    *wire = rest;
    Ok(bytes)
}

/// What is between the group's start tag, which has been read, and its end tag.
pub(crate) fn group<'a>(wire: &mut &'a [u8], number: u32) -> Result<&'a [u8], Malformed> {
    let all = *wire;
    let after = skip_group(wire, number, MAX_DEPTH)?;
    Ok(all.get(..all.len() - after).unwrap_or_default())
}

/// Passes over the value of a field whose tag has been read.
pub(crate) fn skip(wire: &mut &[u8], tag: u32) -> Result<(), Malformed> {
    skip_nested(wire, tag, MAX_DEPTH)
}

fn skip_nested(wire: &mut &[u8], tag: u32, depth: u32) -> Result<(), Malformed> {
    match WireType::of(tag) {
        Some(WireType::Varint) => varint(wire).map(drop),
        Some(WireType::Fixed64) => fixed64(wire).map(drop),
        Some(WireType::Fixed32) => fixed32(wire).map(drop),
        Some(WireType::Bytes) => bytes(wire).map(drop),
        Some(WireType::StartGroup) => skip_group(wire, tag >> 3, depth).map(drop),
        Some(WireType::EndGroup) => Err(Malformed::Group),
        None => Err(Malformed::Tag),
    }
}

/// How much was left where the end tag began.
fn skip_group(wire: &mut &[u8], number: u32, depth: u32) -> Result<usize, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed::Depth)?;
    loop {
        let left = wire.len();
        let tag = tag(wire)?;
        if WireType::of(tag) == Some(WireType::EndGroup) {
            return if tag >> 3 == number { Ok(left) } else { Err(Malformed::Group) };
        }
        skip_nested(wire, tag, depth)?;
    }
}

pub(crate) fn unzigzag32(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

pub(crate) fn unzigzag64(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::super::{put_varint, zigzag32, zigzag64};
    use super::*;

    #[test]
    fn varints_of_every_length() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                let mut wire = &*out;
                assert_eq!(varint(&mut wire), Ok(value));
                assert!(wire.is_empty());
                assert_eq!(varint(&mut &out[..out.len() - 1]), Err(Malformed::Ends));
            }
        }
        assert_eq!(varint(&mut &[0xff; 11][..]), Err(Malformed::Varint));
        assert_eq!(varint(&mut &[&[0xff; 9][..], &[2]].concat()[..]), Err(Malformed::Varint));
    }

    #[test]
    fn zigzag_there_and_back() {
        for value in [0, 1, -1, i32::MAX, i32::MIN] {
            assert_eq!(unzigzag32(zigzag32(value)), value);
            assert_eq!(unzigzag64(zigzag64(value.into())), i64::from(value));
        }
        assert_eq!(unzigzag64(zigzag64(i64::MIN)), i64::MIN);
    }

    #[test]
    fn groups_end_as_they_began_and_not_too_deep() {
        // 1 { 2: 5, 3 {} } rest
        let mut wire: &[u8] = &[0x10, 5, 0x1b, 0x1c, 0x0c, 0xaa];
        assert_eq!(group(&mut wire, 1), Ok(&[0x10, 5, 0x1b, 0x1c][..]));
        assert_eq!(wire, [0xaa]);
        assert_eq!(group(&mut &[0x14][..], 1), Err(Malformed::Group));
        assert_eq!(group(&mut &[0x0b; 10][..], 1), Err(Malformed::Ends));
        assert_eq!(group(&mut &[0x0b; 200][..], 1), Err(Malformed::Depth));
        assert_eq!(skip(&mut &[][..], 0x0c), Err(Malformed::Group));
        assert_eq!(skip(&mut &[][..], 0x0f), Err(Malformed::Tag));
    }
}
