//! The tables of fields that have an index (RFC 7541, section 2.3 and appendix A).

use std::collections::VecDeque;
use std::sync::LazyLock;

use super::field::{Field, Name, OVERHEAD};

/// What an index stands for.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) field: Field,
    pub(super) name_length: usize,
    /// As tables and lists count it.
    pub(super) size: usize,
}

impl Entry {
    pub(super) fn new(name: Name, name_length: usize, value: &[u8]) -> Self {
        let field = name.with(value);
        Self { field, name, name_length, size: name_length + value.len() + OVERHEAD }
    }
}

/// What has an index for everybody.
#[rustfmt::skip]
pub(super) const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""),
    ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entry = |(name, value): (&str, &str)| {
        Entry::new(Name::new(name.as_bytes()), name.len(), value.as_bytes())
    };
    STATIC.into_iter().map(entry).collect()
});

/// The fields that the peer refers to by index.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
    changes: u64,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, most, changes: 0 }
    }

    /// How often it has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        let index = index.checked_sub(1)?;
        match index.checked_sub(STATIC.len()) {
            None => ENTRIES.get(index),
            Some(index) => self.entries.get(index),
        }
    }

    pub(super) fn resize(&mut self, most: usize) {
        self.changes += 1;
        self.most = most;
        self.evict(most);
    }

    /// Adds an entry; one that is larger than the table empties it (section 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        self.changes += 1;
        self.evict(self.most.saturating_sub(entry.size));
        if entry.size <= self.most {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    fn evict(&mut self, to: usize) {
        while self.size > to
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size = self.size.saturating_sub(oldest.size);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(name: &str, value: &str) -> Entry {
        Entry::new(Name::new(name.as_bytes()), name.len(), value.as_bytes())
    }

    #[test]
    fn old_entries_go_as_new_ones_come() {
        let mut table = Table::new(100);
        table.insert(entry("a", "1"));
        table.insert(entry("b", "2"));
        assert_eq!(table.get(62).unwrap().name, Name::new(b"b"));
        assert_eq!(table.get(63).unwrap().name, Name::new(b"a"));
        table.insert(entry("c", "3"));
        assert_eq!(table.get(63).unwrap().name, Name::new(b"b"));
        assert!(table.get(64).is_none() && table.get(0).is_none());
        table.insert(entry("x", &"y".repeat(100)));
        assert!(table.get(62).is_none());
        assert_eq!(table.size, 0);
    }

    #[test]
    fn a_smaller_table_forgets() {
        let mut table = Table::new(100);
        table.insert(entry("a", "1"));
        table.insert(entry("b", "2"));
        table.resize(40);
        assert_eq!(table.get(62).unwrap().name, Name::new(b"b"));
        assert!(table.get(63).is_none());
    }

    #[test]
    fn names_without_a_value_can_be_referred_to() {
        for (index, (name, _)) in STATIC.iter().enumerate() {
            let entry = Table::new(0).get(index + 1).cloned().unwrap();
            assert_eq!(entry.name, Name::new(name.as_bytes()));
            assert_eq!(entry.name_length, name.len());
        }
    }
}
