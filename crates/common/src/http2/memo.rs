//! Requests whose heads came before, byte by byte.
//!
//! Clients say the same again and again: the same method, the same fields. A block that refers to
//! a table that has not changed since says the same as before, and a copy of a head costs a tenth
//! of reading it.

use http::Request;

/// How many heads of a connection are kept.
const KEPT: usize = 4;

/// Longer blocks are not looked at: little of what is long comes again.
const LONGEST: usize = 512;

/// The heads of a connection that came twice in a row, as far as they are still true.
#[derive(Debug, Default)]
pub(super) struct Memo {
    known: Vec<Known>,
    /// The one that goes next.
    next: usize,
    /// The block that was read last, as a number, and what the table was then.
    last: (u64, u64),
}

#[derive(Debug)]
struct Known {
    block: Box<[u8]>,
    table: u64,
    request: Request<()>,
    length: Option<u64>,
}

impl Memo {
    /// What a block says, if that is known. `table` is how often the table has changed.
    pub(super) fn find(&self, block: &[u8], table: u64) -> Option<(Request<()>, Option<u64>)> {
        let known =
            self.known.iter().find(|known| known.table == table && *known.block == *block)?;
        Some((known.request.clone(), known.length))
    }

    /// A block was read, with the table as it was before and is after.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        table: (u64, u64),
        request: &Request<()>,
        length: Option<u64>,
    ) {
        // One that changes the table does not mean the same when it comes again.
        if block.len() > LONGEST || table.0 != table.1 {
            return;
        }
        let this = (fingerprint(block), table.1);
        if std::mem::replace(&mut self.last, this) != this {
            return;
        }
        let known = Known { block: block.into(), table: table.1, request: request.clone(), length };
        match self.known.get_mut(self.next) {
            Some(place) => *place = known,
            None => self.known.push(known),
        }
        self.next = (self.next + 1) % KEPT;
    }
}

/// A number that blocks which differ rarely share.
fn fingerprint(block: &[u8]) -> u64 {
    let (words, rest) = block.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words.chain(rest).fold(block.len() as u64, |sum, word| {
        (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_is_known_when_it_came_twice_and_while_the_table_is_the_same() {
        let mut memo = Memo::default();
        let request = Request::post("/a").body(()).unwrap();
        memo.read(b"block", (1, 1), &request, None);
        assert!(memo.find(b"block", 1).is_none());
        memo.read(b"block", (1, 1), &request, Some(5));
        let (found, length) = memo.find(b"block", 1).unwrap();
        assert_eq!((found.uri().path(), length), ("/a", Some(5)));
        assert!(memo.find(b"block", 2).is_none() && memo.find(b"other", 1).is_none());
    }

    #[test]
    fn one_that_changes_the_table_or_is_long_is_not_kept() {
        let mut memo = Memo::default();
        let request = Request::new(());
        for _ in 0..3 {
            memo.read(b"block", (1, 2), &request, None);
            memo.read(&[0; 1000], (2, 2), &request, None);
        }
        assert!(memo.known.is_empty());
    }

    #[test]
    fn no_more_than_a_few_are_kept() {
        let mut memo = Memo::default();
        let request = Request::new(());
        for block in 0..20 {
            memo.read(&[block], (0, 0), &request, None);
            memo.read(&[block], (0, 0), &request, None);
        }
        assert_eq!(memo.known.len(), KEPT);
        assert!(memo.find(&[19], 0).is_some() && memo.find(&[0], 0).is_none());
    }
}
