//! Strings as JSON has them: which bytes may stand as they are, and how the others are written.

/// The first byte of each kind that [`first`] looks for is found eight at a time.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes at the start are ASCII that JSON takes within quotes as it is.
#[inline]
pub(crate) fn plain_ascii(bytes: &[u8]) -> usize {
    first::<true>(bytes)
}

/// How many bytes at the start JSON takes within quotes as they are, if they are UTF-8.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> usize {
    first::<false>(bytes)
}

/// Where the first quote, backslash or control character is, or, with `ASCII`, the first byte that
/// is not ASCII; the length if there is none.
#[inline(always)]
fn first<const ASCII: bool>(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let found = special::<ASCII>(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // Most of the strings that people write end here: the rest is looked at as one word, too. Its two
    // halves may have bytes in common.
    if let (Some(low), Some(high)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        let (low, high) = (u32::from_le_bytes(*low), u32::from_le_bytes(*high));
        let found = special::<ASCII>(u64::from(high) << 32 | u64::from(low));
        if found == 0 {
            return bytes.len();
        }
        let index = found.trailing_zeros() as usize / 8;
        return at + if index < 4 { index } else { rest.len() + index - 8 };
    }
    for byte in rest {
        if *byte < 0x20 || *byte == b'"' || *byte == b'\\' || (ASCII && *byte >= 0x80) {
            return at;
        }
        at += 1;
    }
    at
}

/// The high bits of the bytes that [`first`] looks for; those above the lowest may be wrong.
#[inline(always)]
fn special<const ASCII: bool>(word: u64) -> u64 {
    // A byte's high bit is set where the byte is less than the subtrahend; a borrow spoils only what
    // comes after the first such byte.
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word;
    let equal = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    let found = less(word, 0x20) | equal(b'"') | equal(b'\\') | if ASCII { word } else { 0 };
    found & HIGH
}

/// Appends the text as a JSON string.
pub(crate) fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text.as_bytes(), 0, out);
    out.push(b'"');
}

/// How long a string is at most that [`quote_short`] takes.
pub(crate) const SHORT: usize = 32;

/// Appends as many of the bytes as a JSON string, if they are UTF-8 that JSON takes as it is, and
/// says so. A fixed number of bytes is looked at and copied in a few steps, without a loop or a call.
#[inline(always)]
pub(crate) fn quote_short(window: &[u8; SHORT], length: u8, out: &mut Vec<u8>) -> bool {
    let utf8 = || window.get(..length.into()).is_some_and(|text| str::from_utf8(text).is_ok());
    match kinds(window, length) {
        0 => {}
        NOT_ASCII if utf8() => {}
        _ => return false,
    }
    out.push(b'"');
    let end = out.len() + usize::from(length);
    out.extend_from_slice(window);
    out.truncate(end);
    out.push(b'"');
    true
}

/// Kinds of bytes: those that JSON has with a backslash, and parts of longer characters.
const ESCAPED: u8 = 1;
const NOT_ASCII: u8 = 2;

/// Ones for each byte that counts, then zeros for each that does not.
const COUNTED: [[u8; SHORT]; 2] = [[!0; SHORT], [0; SHORT]];

/// Of which kinds there are some among so many bytes.
#[inline(always)]
fn kinds(window: &[u8; SHORT], length: u8) -> u8 {
    // How many count is a matter of where counting begins: what follows is the same for all lengths,
    // and so is done for many bytes at once.
    let counted = COUNTED.as_flattened().get(SHORT.saturating_sub(length.into())..);
    let Some(counted) = counted.and_then(|counted| counted.first_chunk::<SHORT>()) else {
        return ESCAPED;
    };
    let mut kinds = 0;
    for (byte, counted) in window.iter().zip(counted) {
        let escaped = *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        let kind = u8::from(escaped) * ESCAPED + u8::from(*byte >= 0x80) * NOT_ASCII;
        kinds |= kind & counted;
    }
    kinds
}

/// Appends the bytes as a JSON string, if they are UTF-8.
pub(crate) fn quote_utf8(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), std::str::Utf8Error> {
    let ascii = plain_ascii(bytes);
    if ascii < bytes.len() {
        str::from_utf8(bytes.get(ascii..).unwrap_or_default())?;
    }
    out.push(b'"');
    if ascii == bytes.len() {
        out.extend_from_slice(bytes);
    } else {
        escape(bytes, ascii, out);
    }
    out.push(b'"');
    Ok(())
}

/// Appends the bytes with escapes; so many of the first need none.
fn escape(mut bytes: &[u8], mut clean: usize, out: &mut Vec<u8>) {
    loop {
        clean += plain(bytes.get(clean..).unwrap_or_default());
        let Some((before, rest)) = bytes.split_at_checked(clean) else { return };
        clean = 0;
        out.extend_from_slice(before);
        let Some((byte, rest)) = rest.split_first() else { return };
        bytes = rest;
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            byte => {
                let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied();
                out.extend_from_slice(b"\\u00");
                out.extend(digit(byte >> 4));
                out.extend(digit(byte & 15));
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
}

/// The known name nearest to one that is not known, if any comes near. What it looks at is bounded,
/// whatever the names.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Names less alike than this (of 1) are not worth a suggestion.
    const ALIKE: f64 = 0.7;
    /// Nor is a longer one a slip; comparing takes time by the product of the lengths.
    const LONGEST: usize = 64;
    /// Nor does whoever sends wrong names decide how long they are looked for.
    const MOST: usize = 500;
    if wrong.len() > LONGEST {
        return None;
    }
    let wrong = wrong.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        // A name cut short, or one too long, is as near as a suggestion has to be.
        let begun = wrong.len() > 2 && (known.starts_with(&wrong) || wrong.starts_with(&known));
        let alike = strsim::normalized_damerau_levenshtein(&wrong, &known);
        alike.max(if begun { ALIKE } else { 0.0 })
    };
    known
        .take(MOST)
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, known)| known)
}

/// As much of the text as a message has room for.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_cannot_stand_is_found_wherever_it_is() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(plain(&bytes), if special { at } else { length });
                    let found = plain_ascii(&bytes);
                    assert_eq!(found, if special || byte > 0x7f { at } else { length });
                }
            }
        }
    }

    #[test]
    fn short_strings_are_quoted_if_they_need_nothing_else() {
        for text in ["", "a", "größe", "\u{7f}", "a\"", "\\", "\n", "é\u{1f}", "\u{20}~"] {
            for length in text.len()..=SHORT {
                // What stands behind the text does not matter.
                for behind in [b'x', b'"', 0xff, 0] {
                    let mut window = [behind; SHORT];
                    window[..text.len()].copy_from_slice(text.as_bytes());
                    window[text.len()..length].fill(b'a');
                    let mut out = b"kept".to_vec();
                    let plain = !text.contains(['"', '\\', '\n', '\u{1f}']);
                    assert_eq!(quote_short(&window, length as u8, &mut out), plain, "{text:?}");
                    let quoted = format!("kept\"{text}{}\"", "a".repeat(length - text.len()));
                    assert_eq!(out, if plain { quoted.as_bytes() } else { b"kept" });
                }
            }
        }
        let mut broken = [b'a'; SHORT];
        broken[3] = 0xff;
        assert!(!quote_short(&broken, 4, &mut Vec::new()));
        assert!(quote_short(&broken, 3, &mut Vec::new()));
    }

    #[test]
    fn strings_are_quoted_as_serde_does() {
        let all: String =
            (0..0x250).filter_map(char::from_u32).chain("😀\u{2028}".chars()).collect();
        let mut out = Vec::new();
        quote(&all, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
        assert_eq!(out, serde_json::to_vec(&all).unwrap());
        assert!(quote_utf8(b"a\xff", &mut out).is_err());
    }

    #[test]
    fn suggestions_come_from_near() {
        let known = ["price", "quantity", "display_name"];
        assert_eq!(nearest("prize", known.into_iter()), Some("price"));
        assert_eq!(nearest("displayName", known.into_iter()), Some("display_name"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
