//! Messages as a writer would leave them.

use formats::wire::normalize;

use crate::common::*;

#[track_caller]
fn becomes(name: &str, wire: &[u8], expected: &[u8]) {
    let mut out = b"kept".to_vec();
    normalize(&message(name), wire, &mut out).unwrap();
    assert_eq!(&out[4..], expected);
    // Once more changes nothing.
    let mut again = Vec::new();
    normalize(&message(name), expected, &mut again).unwrap();
    assert_eq!(again, expected);
    let json = |wire| serde_json::from_str::<serde_json::Value>(&from_wire(name, wire).unwrap());
    assert_eq!(json(wire).unwrap(), json(expected).unwrap());
}

#[test]
fn numbers_are_as_short_as_they_can_be() {
    // f_int32: -1 in five bytes, f_bool: 2, f_uint32: 1 in two bytes, f_enum: 0.
    let wire = [&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x68, 2, 0x28, 0x81, 0][..], &[0x80, 1, 0]];
    let minus_one = [&[0x18][..], &[0xff; 9], &[1]].concat();
    becomes(EVERYTHING, &wire.concat(), &[&minus_one[..], &[0x28, 1, 0x68, 1]].concat());
}

#[test]
fn fields_are_in_order_once_and_packed_as_the_contract_says() {
    // r_int32 unpacked, and r_unpacked packed, around a scalar that comes twice.
    let wire =
        [&[0x88, 2, 1, 0x18, 5, 0x82, 3, 2, 7, 8][..], &[0x18, 6, 0x8a, 2, 2, 2, 3]].concat();
    becomes(EVERYTHING, &wire, &[0x18, 6, 0x8a, 2, 3, 1, 2, 3, 0x80, 3, 7, 0x80, 3, 8]);
    // Messages merge, of a oneof the last remains, of a key the last entry.
    let wire = [
        &[0x5a, 2, 0x10, 1, 0x38, 5, 0x5a, 3, 0x0a, 1, b'n'][..],
        &[0x2a, 1, b'c', 0x1a, 3, 0x0a, 1, b'k', 0x1a, 5, 0x0a, 1, b'k', 0x12, 0],
    ];
    let expected =
        [&[0x1a, 5, 0x0a, 1, b'k', 0x12, 0, 0x2a, 1, b'c'][..], &[0x5a, 5, 0x0a, 1, b'n', 0x10, 1]];
    becomes(ORDER, &wire.concat(), &expected.concat());
}

#[test]
fn what_nobody_knows_is_kept() {
    // A field 1000, a closed enum's unknown values alone, in lists and in maps, within a group.
    let unknown =
        [&[0xc0, 0x3e, 1][..], &[0x18, 9, 0x22, 3, 1, 9, 5, 0x4a, 5, 0x0a, 1, b'a', 0x10, 9]];
    let expected = [
        &[0x20, 1, 0x20, 5, 0xc0, 0x3e, 1, 0x18, 9, 0x20, 9][..],
        &[0x4a, 5, 0x0a, 1, b'a', 0x10, 9],
    ];
    becomes(LEGACY, &unknown.concat(), &expected.concat());
    becomes(LEGACY, &[0x3b, 0x10, 1, 0x08, 2, 0x3c], &[0x3b, 0x08, 2, 0x10, 1, 0x3c]);
}

#[test]
fn what_is_no_message_is_refused() {
    let mut out = b"kept".to_vec();
    for wire in [&[0x18][..], &[0x72, 1, 0xff, 0x72, 0], &[0x18, 1, 0x0c]] {
        assert!(normalize(&message(EVERYTHING), wire, &mut out).is_err());
        assert_eq!(out, b"kept");
    }
}
