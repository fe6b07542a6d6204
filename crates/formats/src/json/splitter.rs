//! Where one JSON value of a stream ends and the next begins.

use super::JsonError;
use crate::text;

/// Cuts a stream of chunks into JSON values, so that each can be transcoded when it is complete,
/// and no more than one is held.
///
/// Push a chunk, then take values until there is none. At the end of the stream [`Splitter::end`]
/// has what nothing followed. Values may stand one after the other, with white space between them or
/// without (so NDJSON, and RFC 7464 with its record separators, too), or be the elements of one
/// list.
///
/// Only where values end is looked for; whoever reads them finds what else is wrong with them.
///
/// ```
/// # use formats::json::Splitter;
/// let mut splitter = Splitter::new(1024);
/// splitter.push(b"{\"a\": 1}\n{\"b\"");
/// assert_eq!(splitter.next()?, Some(&b"{\"a\": 1}"[..]));
/// assert_eq!(splitter.next()?, None);
/// splitter.push(b": [2]}");
/// assert_eq!(splitter.next()?, Some(&b"{\"b\": [2]}"[..]));
/// assert_eq!(splitter.end()?, None);
/// # Ok::<(), formats::json::JsonError>(())
/// ```
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// What is before this has been taken.
    start: usize,
    /// What is before this has been looked at.
    at: usize,
    /// How many bytes of the stream came before the buffer.
    before: usize,
    max_bytes: usize,
    state: State,
    list: List,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// A value, or an end, comes next.
    Between,
    /// An element of the list has ended.
    AfterElement,
    /// A comma, so another element has to come.
    AfterComma,
    /// Within objects and lists, so deep.
    Nested(usize),
    /// Within a string, so deep.
    Text(usize),
    /// Behind a backslash in a string.
    Escape(usize),
    /// Within a number or a literal, which nothing but what follows ends.
    Bare,
    /// The list has ended.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum List {
    /// The first byte tells.
    Unknown,
    Yes,
    No,
}

impl Splitter {
    /// For values of at most so many bytes. If the stream begins with a bracket, it is one list of
    /// them.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            at: 0,
            before: 0,
            max_bytes,
            state: State::Between,
            list: List::Unknown,
        }
    }

    /// For values that may be lists themselves.
    pub fn of_values(max_bytes: usize) -> Self {
        Self { list: List::No, ..Self::new(max_bytes) }
    }

    /// Adds what comes next in the stream. To hold no more than a value and a chunk, take all values
    /// first.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.before += self.start;
        self.at -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next value that is complete.
    ///
    /// # Errors
    /// The value is too long, or what stands between values is no separator. Nothing can be taken
    /// any more then.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&[u8]>, JsonError> {
        match self.find()? {
            Some((start, end)) => Ok(self.buffer.get(start..end)),
            None => Ok(None),
        }
    }

    /// The last value, if nothing but the end of the stream ends it.
    ///
    /// # Errors
    /// The stream ends within a value, or within the list.
    pub fn end(mut self) -> Result<Option<Vec<u8>>, JsonError> {
        let complete = match self.state {
            State::Between => self.list != List::Yes,
            State::Bare => self.list != List::Yes,
            state => state == State::Over,
        };
        if !complete {
            let reason = "the stream ends within a value, or before its list does";
            return Err(JsonError::new(self.before + self.buffer.len(), reason));
        }
        let last = self.state == State::Bare;
        Ok(last.then(|| self.buffer.split_off(self.start)))
    }

    fn find(&mut self) -> Result<Option<(usize, usize)>, JsonError> {
        while let Some(byte) = self.buffer.get(self.at).copied() {
            let value = match self.state {
                State::Text(depth) => {
                    self.string(depth);
                    self.state == State::Nested(0)
                }
                State::Escape(depth) => {
                    self.at += 1;
                    self.state = State::Text(depth);
                    false
                }
                State::Nested(depth) => {
                    self.at += 1;
                    self.state = match byte {
                        b'"' => State::Text(depth),
                        b'{' | b'[' => State::Nested(depth + 1),
                        b'}' | b']' => State::Nested(depth - 1),
                        _ => State::Nested(depth),
                    };
                    self.state == State::Nested(0)
                }
                State::Bare => {
                    let over = matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | RECORD | b',' | b']');
                    if !over {
                        self.at += 1;
                    }
                    over
                }
                State::Between | State::AfterElement | State::AfterComma | State::Over => {
                    self.between(byte)?;
                    false
                }
            };
            if value {
                let found = (self.start, self.at);
                self.fits()?;
                self.start = self.at;
                self.state =
                    if self.list == List::Yes { State::AfterElement } else { State::Between };
                return Ok(Some(found));
            }
        }
        self.fits()?;
        Ok(None)
    }

    /// A byte that no value has begun before.
    fn between(&mut self, byte: u8) -> Result<(), JsonError> {
        let list = self.list == List::Yes;
        self.state = match (byte, self.state) {
            (b' ' | b'\n' | b'\r' | b'\t' | RECORD, state) => state,
            (_, State::Over) => return Err(self.fail("something follows the list")),
            (b',', State::AfterElement) => State::AfterComma,
            (b']', State::AfterElement | State::Between) if list => State::Over,
            (_, State::AfterElement) => return Err(self.fail("expected a comma or a bracket")),
            (b'[', _) if self.list == List::Unknown => {
                self.list = List::Yes;
                State::Between
            }
            (b',' | b':' | b']' | b'}', _) => return Err(self.fail("expected a value")),
            (byte, _) => {
                if self.list == List::Unknown {
                    self.list = List::No;
                }
                // The value begins here; what was before it is done with.
                self.start = self.at;
                match byte {
                    b'"' => State::Text(0),
                    b'{' | b'[' => State::Nested(1),
                    _ => State::Bare,
                }
            }
        };
        self.at += 1;
        if !matches!(self.state, State::Text(_) | State::Nested(_) | State::Bare) {
            self.start = self.at;
        }
        Ok(())
    }

    /// The rest of a string, as far as it is there.
    fn string(&mut self, depth: usize) {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        self.at += text::plain(rest);
        match self.buffer.get(self.at) {
            Some(b'"') => self.state = State::Nested(depth),
            Some(b'\\') => self.state = State::Escape(depth),
            Some(_) => {}
            None => return,
        }
        self.at += 1;
    }

    fn fits(&self) -> Result<(), JsonError> {
        if self.at - self.start <= self.max_bytes {
            return Ok(());
        }
        let reason = format!("a value of the stream is longer than {} bytes", self.max_bytes);
        Err(JsonError::over_limit(self.before + self.start, reason))
    }

    #[cold]
    fn fail(&self, reason: &str) -> JsonError {
        JsonError::new(self.before + self.at, reason)
    }
}

/// What RFC 7464 has before each value.
const RECORD: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of the stream in chunks of so many bytes.
    fn split(stream: &str, size: usize, mut splitter: Splitter) -> Result<Vec<String>, String> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let mut values = Vec::new();
        for chunk in stream.as_bytes().chunks(size) {
            splitter.push(chunk);
            while let Some(value) = splitter.next().map_err(|error| error.to_string())? {
                values.push(text(value));
            }
            assert!(splitter.buffer.len() - splitter.start <= splitter.max_bytes + size);
        }
        let last = splitter.end().map_err(|error| error.to_string())?;
        values.extend(last.as_deref().map(text));
        Ok(values)
    }

    #[track_caller]
    fn cut(stream: &str, expected: &[&str]) {
        for size in 1..=stream.len().max(1) {
            let values = split(stream, size, Splitter::new(40));
            assert_eq!(
                values.as_deref(),
                Ok(&expected.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()[..]),
                "{stream} by {size}"
            );
        }
    }

    #[test]
    fn values_in_whatever_way_they_follow_one_another() {
        cut("", &[]);
        cut(" \n", &[]);
        cut("{}", &["{}"]);
        cut("{}{}", &["{}", "{}"]);
        cut("{\"a\":1}\n{\"a\":[2,{}]}\r\n", &["{\"a\":1}", "{\"a\":[2,{}]}"]);
        cut("\u{1e}{}\n\u{1e}{}\n", &["{}", "{}"]);
        cut("1 2\n\"x\"\"y\" true", &["1", "2", "\"x\"", "\"y\"", "true"]);
        cut(r#"{"}":"\"}"} {"\\":"]["}"#, &[r#"{"}":"\"}"}"#, r#"{"\\":"]["}"#]);
    }

    #[test]
    fn elements_of_a_list() {
        cut("[]", &[]);
        cut(" [ ] ", &[]);
        cut("[{}]", &["{}"]);
        cut("[{\"a\":[1,2]} , {} ,3,\"]\",[4]]\n", &["{\"a\":[1,2]}", "{}", "3", "\"]\"", "[4]"]);
        for size in 1..9 {
            let values = split("[1] [2,3]", size, Splitter::of_values(40)).unwrap();
            assert_eq!(values, ["[1]", "[2,3]"]);
        }
    }

    #[test]
    fn what_is_no_stream_of_values_is_refused() {
        for stream in
            ["{", "[", "[{}", "[{},", "[{},]", "[,]", "[{}{}]", "[{}] {}", "{},{}", "]", "\"a", ":"]
        {
            for size in 1..=stream.len() {
                assert!(split(stream, size, Splitter::new(40)).is_err(), "{stream} by {size}");
            }
        }
        // A value of 41 bytes, complete or not.
        for stream in [format!("\"{}\" ", "x".repeat(39)), format!("{{\"{}", "x".repeat(60))] {
            for size in 1..=stream.len() {
                assert!(split(&stream, size, Splitter::new(40)).unwrap_err().contains("longer"));
            }
        }
        let long = format!("\"{}\"", "x".repeat(38));
        assert_eq!(split(&long, 7, Splitter::new(40)).as_deref(), Ok(&[long.clone()][..]));
    }
}
