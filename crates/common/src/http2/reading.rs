//! What connections read to.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// What is read at once.
const SIZE: usize = 64 * 1024;

/// How many buffers of a thread may be lent at a time.
const MOST_LENT: usize = 16;

/// A payload that is shorter than this is copied to who reads it, rather than lent: it would hold
/// on to much more than it is.
pub(super) const LONG: usize = 4 * 1024;

thread_local! {
    /// Those of a thread, which its connections use one after the other: one that waits holds
    /// none. All but one are there because somebody still reads a payload that was lent.
    static BUFFERS: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that nobody reads from, as long as what is read at once.
pub(super) fn take() -> BytesMut {
    BUFFERS.with_borrow_mut(|buffers| {
        let free = buffers.iter().position(Bytes::is_unique).map(|at| buffers.swap_remove(at));
        // One is enough.
        buffers.retain(|buffer| !buffer.is_unique());
        match free.map(Bytes::try_into_mut) {
            Some(Ok(free)) => free,
            _ => BytesMut::zeroed(SIZE),
        }
    })
}

/// Whether the long payloads of one more buffer may be lent.
pub(super) fn may_lend() -> bool {
    BUFFERS.with_borrow(|buffers| buffers.len() < MOST_LENT)
}

/// Gives a buffer back that was taken, and perhaps lent.
pub(super) fn put(buffer: Bytes) {
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_read_is_not_used_and_there_are_only_so_many() {
        let mut payloads = Vec::new();
        while may_lend() {
            let mut buffer = take();
            buffer.fill(payloads.len() as u8);
            let buffer = buffer.freeze();
            payloads.push(buffer.slice(..LONG));
            put(buffer);
        }
        assert_eq!(payloads.len(), MOST_LENT);
        // What cannot be lent can still be read to.
        put(take().freeze());
        assert_eq!(BUFFERS.with_borrow(Vec::len), MOST_LENT + 1);
        for (at, payload) in payloads.iter().enumerate() {
            assert!(payload.iter().all(|byte| *byte == at as u8));
        }
        payloads.clear();
        put(take().freeze());
        assert_eq!(BUFFERS.with_borrow(Vec::len), 1);
    }
}
