//! Percent-decoding of paths and queries.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A variable of one segment, the text of a literal: everything is decoded.
pub(super) fn segment(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// A variable of several segments: `%2F` stays as it is, so that it can be told from a slash
/// between two segments (`google/api/http.proto`).
pub(super) fn segments(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_slash(rest) {
        let (before, after) = rest.split_at_checked(at)?;
        let (slash, after) = after.split_at_checked(3)?;
        decoded.push_str(&percent_decode_str(before).decode_utf8().ok()?);
        decoded.push_str(slash);
        rest = after;
    }
    decoded.push_str(&percent_decode_str(rest).decode_utf8().ok()?);
    Some(Cow::Owned(decoded))
}

fn find_slash(text: &str) -> Option<usize> {
    text.as_bytes().windows(3).position(|three| matches!(three, b"%2F" | b"%2f"))
}

/// A name or a value of a query, as forms have it: `+` is a space.
pub(super) fn query(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return segment(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_is_decoded_in_full() {
        assert_eq!(segment("a%2Fb%20c+%C3%A9"), Some("a/b c+é".into()));
        assert_eq!(segment("100%"), Some("100%".into()), "a percent sign that begins nothing");
        assert_eq!(segment("%ff"), None, "not UTF-8");
    }

    #[test]
    fn several_segments_keep_their_slashes_apart() {
        assert_eq!(segments("a%2Fb/c%2fd%20e"), Some("a%2Fb/c%2fd e".into()));
        assert_eq!(segments("%252F"), Some("%2F".into()), "decoded once");
        assert_eq!(segments("%C3%2F%A9"), None, "no character across a slash");
    }

    #[test]
    fn a_query_has_spaces() {
        assert_eq!(query("a+b%2Bc"), Some("a b+c".into()));
        assert_eq!(query("%ff"), None);
    }
}
