//! Maps: an object, each key once.

use super::Reader;
use crate::json::JsonError;
use crate::schema::{FieldTable, Kind};
use crate::wire;

impl<'a> Reader<'a, '_> {
    pub(super) fn map(&mut self, field: &FieldTable) -> Result<(), JsonError> {
        let table = field.kind.message().and_then(|id| self.tables.message(id));
        let Some([key, value]) = table.map(|table| &*table.fields) else { return Ok(()) };
        self.expect(b'{', "an object")?;
        let keys = self.keys.len();
        let mut first = true;
        while self.another(&mut first, b'}')? {
            let before = self.out.len();
            let name = self.at;
            wire::put_varint(self.out, field.tag.into());
            let start = wire::open(self.out);
            self.key(key)?;
            self.expect(b':', "a colon")?;
            self.space();
            let value_at = self.out.len();
            self.element(value.kind, value.tag).map_err(|error| error.key(&self.key_at(name)))?;
            if self.out.len() == value_at {
                // An enum's unknown value that is passed over takes its key along.
                self.out.truncate(before);
                continue;
            }
            wire::close(self.out, start);
        }
        self.close_keys(keys)
    }

    /// An object's key as the entry's first field.
    fn key(&mut self, key: &FieldTable) -> Result<(), JsonError> {
        let at = self.at;
        let text = self.name()?;
        wire::put_varint(self.out, key.tag.into());
        let hash = if key.kind == Kind::String {
            let content = match text {
                super::scan::Text::Plain(bytes) => bytes,
                super::scan::Text::Escaped => &self.scratch,
            };
            wire::put_length(self.out, content.len());
            self.out.extend_from_slice(content);
            self.tables.hash(content)
        } else {
            let raw = self.raw_of_text(key.kind, self.content(text), false);
            let raw = raw.map_err(|reason| self.fail(at, reason))?.unwrap_or_default();
            self.put(key.kind, raw);
            raw
        };
        self.keys.push((hash, at));
        Ok(())
    }

    /// Counts a key of a map that JSON alone describes.
    pub(super) fn note_key(&mut self, hash: u64, at: usize) {
        self.keys.push((hash, at));
    }

    /// Ends a map: a key that is there twice is an error, as other readers may take the other one.
    pub(super) fn close_keys(&mut self, first: usize) -> Result<(), JsonError> {
        let keys = self.keys.get_mut(first..).unwrap_or_default();
        let mut twice = None;
        if keys.len() > 1 {
            keys.sort_unstable();
            twice = keys.chunk_by(|a, b| a.0 == b.0).find_map(|same| Some(same.get(1)?.1));
        }
        self.keys.truncate(first);
        match twice {
            Some(at) => Err(self.fail(at, "this key is there twice").key(&self.key_at(at))),
            None => Ok(()),
        }
    }

    /// The key that begins at `at`, as it stands there.
    #[cold]
    pub(super) fn key_at(&self, at: usize) -> String {
        let rest = self.json.get(at + 1..).unwrap_or_default();
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let quote = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            quote
        });
        let key = rest.get(..end.unwrap_or(rest.len()).min(200)).unwrap_or_default();
        String::from_utf8_lossy(key).into_owned()
    }
}
