//! `google.protobuf.Any`: an object that says what it is.

use super::Reader;
use super::scan::Text;
use crate::json::JsonError;
use crate::schema::{MessageId, MessageTable, Special};
use crate::wire::{self, WireType};

/// `type_url` and `value` of any.proto.
const TYPE_URL: u8 = 1 << 3 | WireType::Bytes as u8;
const VALUE: u8 = 2 << 3 | WireType::Bytes as u8;

impl<'a> Reader<'a, '_> {
    pub(super) fn any(&mut self) -> Result<(), JsonError> {
        self.begin();
        let start = self.at;
        let Some((id, table)) = self.any_type()? else { return Ok(()) };
        self.at = start;
        let before = self.out.len();
        self.out.push(VALUE);
        let content = wire::open(self.out);
        if table.special == Special::None {
            self.object(table, true)?;
        } else {
            self.special_any(id, table)?;
        }
        if self.out.len() == content {
            self.out.truncate(before);
        } else {
            wire::close(self.out, content);
        }
        Ok(())
    }

    /// Appends the type, wherever in the object it is. None is an object without anything, which is
    /// read then.
    fn any_type(&mut self) -> Result<Option<(MessageId, &'a MessageTable)>, JsonError> {
        let start = self.at;
        self.expect(b'{', "an object")?;
        let mut first = true;
        let mut empty = true;
        while self.another(&mut first, b'}')? {
            empty = false;
            let name = self.name()?;
            let found = self.content(name) == b"@type";
            self.expect(b':', "a colon")?;
            if !found {
                self.skip()?;
                continue;
            }
            if self.begin() != b'"' {
                return Err(self.unexpected("a string").field("@type"));
            }
            let at = self.at;
            let url = match self.string()? {
                Text::Plain(bytes) => bytes,
                Text::Escaped => &self.scratch,
            };
            self.out.push(TYPE_URL);
            wire::put_length(self.out, url.len());
            self.out.extend_from_slice(url);
            let url = str::from_utf8(url).unwrap_or_default();
            let name = url.rsplit_once('/').map(|(_, name)| name);
            let id = name.and_then(|name| self.tables.by_name.get(name)).copied();
            let known = id.and_then(|id| Some((id, self.tables.message(id)?)));
            return known.map(Some).ok_or_else(|| {
                let url = crate::text::excerpt(url);
                let reason = match name {
                    Some(_) => format!("the type {url:?} is in no known contract"),
                    None => {
                        format!("{url:?} is no type's URL, such as \"type.googleapis.com/x.Y\"")
                    }
                };
                self.fail(at, reason).field("@type")
            });
        }
        if empty {
            return Ok(None);
        }
        Err(self.fail(start, "the type is missing").field("@type"))
    }

    /// What JSON writes in a way of its own is the member `value`.
    fn special_any(&mut self, id: MessageId, table: &MessageTable) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        let (mut typed, mut valued) = (false, false);
        let mut first = true;
        while self.another(&mut first, b'}')? {
            let at = self.at;
            let name = self.name()?;
            let twice = match self.content(name) {
                b"@type" => std::mem::replace(&mut typed, true),
                b"value" => std::mem::replace(&mut valued, true),
                _ if self.options.ignore_unknown => {
                    self.expect(b':', "a colon")?;
                    self.skip()?;
                    continue;
                }
                other => {
                    let other = String::from_utf8_lossy(other).into_owned();
                    let reason = format!("no such field; a {} is in \"value\"", table.name);
                    return Err(self.fail(at, reason).field(&other));
                }
            };
            if twice {
                return Err(self.fail(at, "it is there twice").field(&self.key_at(at)));
            }
            let value = self.content(name) == b"value";
            self.expect(b':', "a colon")?;
            if value {
                self.message(id).map_err(|error| error.field("value"))?;
            } else {
                self.skip()?;
            }
        }
        if valued || table.special == Special::Empty {
            return Ok(());
        }
        Err(self.fail(self.at, format!("a {} is missing", table.name)).field("value"))
    }
}
