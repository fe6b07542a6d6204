//! Cuts the chunks of a body into JSON values: lines, values one after the other, or the elements
//! of a list.

use bytes::Bytes;

/// Finds where values end, and leaves it to who reads them whether they are JSON.
#[derive(Debug)]
pub(super) struct Values {
    limit: usize,
    /// Whether a `[` around all values is taken for the list of them.
    lists: bool,
    chunk: Bytes,
    /// The beginning of a value that the chunks so far did not end.
    partial: Vec<u8>,
    /// Within the value that is looked at: how many braces are open, and what a byte is part of.
    depth: u32,
    within: Within,
    list: List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Between two values.
    Nothing,
    /// In an object or a list.
    Nest,
    /// In a string, which is in a nest if `depth` is not 0.
    Text,
    /// The same, after a backslash.
    Escape,
    /// A number, or a word.
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    /// Nothing has come yet.
    Unknown,
    /// Values that stand alone.
    None,
    Open,
    Closed,
}

/// What is wrong with a body of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValuesError {
    #[error("a message of more than {0} bytes")]
    TooLong(usize),
    #[error("the body ends within a message")]
    Truncated,
    #[error("something follows the list of messages")]
    AfterList,
}

impl Values {
    /// For values of up to `limit` bytes. With `lists`, the elements of one list are values.
    pub(super) fn new(limit: usize, lists: bool) -> Self {
        Self {
            limit,
            lists,
            chunk: Bytes::new(),
            partial: Vec::new(),
            depth: 0,
            within: Within::Nothing,
            list: List::Unknown,
        }
    }

    /// Takes the next chunk; the last one must have been used up.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "fed before the last chunk was used");
        self.chunk = chunk;
    }

    /// The next value, `None` if it takes another chunk.
    pub(super) fn next_value(&mut self) -> Result<Option<Bytes>, ValuesError> {
        if self.within == Within::Nothing {
            self.skip()?;
        }
        let Some(end) = self.end() else {
            let rest = std::mem::take(&mut self.chunk);
            if self.partial.len() + rest.len() > self.limit {
                return Err(ValuesError::TooLong(self.limit));
            }
            self.partial.extend_from_slice(&rest);
            return Ok(None);
        };
        if self.partial.len() + end > self.limit {
            return Err(ValuesError::TooLong(self.limit));
        }
        let last = self.chunk.split_to(end.min(self.chunk.len()));
        if self.partial.is_empty() {
            return Ok(Some(last));
        }
        let mut value = std::mem::take(&mut self.partial);
        value.extend_from_slice(&last);
        Ok(Some(value.into()))
    }

    /// The body has ended: the value that only its end ends.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, ValuesError> {
        let within = std::mem::replace(&mut self.within, Within::Nothing);
        match (within, self.list) {
            (_, List::Open) => Err(ValuesError::Truncated),
            (Within::Nothing, _) => Ok(None),
            (Within::Word, _) => Ok(Some(std::mem::take(&mut self.partial).into())),
            _ => Err(ValuesError::Truncated),
        }
    }

    /// Passes over what is between values.
    fn skip(&mut self) -> Result<(), ValuesError> {
        let mut skipped = 0;
        for byte in self.chunk.iter() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                // The record separator of `application/json-seq` (RFC 7464).
                0x1e if self.list != List::Open => {}
                _ if self.list == List::Closed => return Err(ValuesError::AfterList),
                b'[' if self.lists && self.list == List::Unknown => self.list = List::Open,
                b',' if self.list == List::Open => {}
                b']' if self.list == List::Open => self.list = List::Closed,
                _ => break,
            }
            skipped += 1;
        }
        let _ = self.chunk.split_to(skipped.min(self.chunk.len()));
        Ok(())
    }

    /// How much of the chunk belongs to the value, if it ends in it.
    fn end(&mut self) -> Option<usize> {
        for (at, byte) in self.chunk.iter().enumerate() {
            match (self.within, byte) {
                (Within::Nothing, byte) => {
                    if self.list == List::Unknown {
                        self.list = List::None;
                    }
                    self.depth = 0;
                    self.within = match byte {
                        b'{' | b'[' => {
                            self.depth = 1;
                            Within::Nest
                        }
                        b'"' => Within::Text,
                        _ => Within::Word,
                    };
                }
                (Within::Nest, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                (Within::Nest, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.within = Within::Nothing;
                        return Some(at + 1);
                    }
                }
                (Within::Nest, b'"') => self.within = Within::Text,
                (Within::Text, b'\\') => self.within = Within::Escape,
                (Within::Text, b'"') if self.depth == 0 => {
                    self.within = Within::Nothing;
                    return Some(at + 1);
                }
                (Within::Text, b'"') => self.within = Within::Nest,
                (Within::Escape, _) => self.within = Within::Text,
                (Within::Word, b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'{' | b'[' | b'"') => {
                    self.within = Within::Nothing;
                    return Some(at);
                }
                (Within::Nest | Within::Text | Within::Word, _) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn split(chunks: &[&[u8]], lists: bool) -> Result<Vec<String>, ValuesError> {
        let mut values = Values::new(40, lists);
        let mut found = Vec::new();
        for chunk in chunks {
            values.feed(Bytes::copy_from_slice(chunk));
            while let Some(value) = values.next_value()? {
                found.push(value);
            }
        }
        found.extend(values.finish()?);
        Ok(found.iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect())
    }

    /// However it is cut.
    fn check(body: &str, lists: bool, expected: &[&str]) {
        let body = body.as_bytes();
        for at in 0..=body.len() {
            let (a, b) = body.split_at(at);
            assert_eq!(split(&[a, b], lists).unwrap(), expected, "{body:?} cut at {at}");
        }
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(split(&bytes, lists).unwrap(), expected);
    }

    #[test]
    fn lines_and_values_one_after_the_other() {
        check("{\"a\":1}\n{\"b\":{}}\r\n\n {}", false, &["{\"a\":1}", "{\"b\":{}}", "{}"]);
        check("{}{\"a\":[{}]}{}", true, &["{}", "{\"a\":[{}]}", "{}"]);
        check(
            r#"{"a":"}{\"\\"} "\"]" 12 true{}"#,
            false,
            &[r#"{"a":"}{\"\\"}"#, r#""\"]""#, "12", "true", "{}"],
        );
        check("\x1e{}\n\x1e{}\n", false, &["{}", "{}"]);
        check(" \n", true, &[]);
        check("17", false, &["17"]);
    }

    #[test]
    fn the_elements_of_a_list() {
        check(" [ {}, {\"a\":[1]},\"b\", 3]\n", true, &["{}", "{\"a\":[1]}", "\"b\"", "3"]);
        check("[]", true, &[]);
        check("[1] [2]", false, &["[1]", "[2]"]);
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error() {
        for body in ["{\"a\":", "\"a", "[{}", "[{},", "{\"a\\"] {
            assert_eq!(split(&[body.as_bytes()], true), Err(ValuesError::Truncated), "{body}");
        }
        assert_eq!(split(&[b"[1] 2"], true), Err(ValuesError::AfterList));
        let long = format!("\"{}\"", "x".repeat(40));
        let (a, b) = long.as_bytes().split_at(20);
        assert_eq!(split(&[a, b], true), Err(ValuesError::TooLong(40)));
        let open = format!("{{{}", " ".repeat(40));
        assert_eq!(split(&[open.as_bytes()], true), Err(ValuesError::TooLong(40)));
    }
}
