//! What is to be written: frames, with long payloads left where they are.

use std::io::IoSlice;

use bytes::Bytes;

/// A payload that is shorter than this is copied behind its frame's header: to hand it on costs
/// more.
const LONG: usize = 4 * 1024;

/// How many pieces are written at once.
pub(super) const PIECES: usize = 32;

/// Bytes in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// All but long payloads.
    pub(super) frames: Vec<u8>,
    /// Each with where in `frames` it belongs.
    payloads: Vec<(usize, Bytes)>,
    length: usize,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.frames.len() + self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Appends the payload of a frame whose header was appended last.
    pub(super) fn payload(&mut self, data: Bytes) {
        if data.len() < LONG {
            self.frames.extend_from_slice(&data);
        } else {
            self.length += data.len();
            self.payloads.push((self.frames.len(), data));
        }
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.payloads.clear();
        self.length = 0;
    }

    /// The pieces that come first, of those behind the first `skip` bytes.
    pub(super) fn pieces<'a>(
        &'a self,
        mut skip: usize,
        pieces: &'a mut [IoSlice<'a>; PIECES],
    ) -> &'a [IoSlice<'a>] {
        let mut count = 0;
        let mut from = 0;
        let ends = self.payloads.iter().map(|(at, data)| (*at, &data[..]));
        for (at, data) in ends.chain([(self.frames.len(), &[][..])]) {
            let frames = self.frames.get(from..at).unwrap_or_default();
            from = at;
            for piece in [frames, data] {
                let rest = piece.get(skip..).unwrap_or_default();
                skip = skip.saturating_sub(piece.len());
                if rest.is_empty() {
                    continue;
                }
                let Some(place) = pieces.get_mut(count) else { return pieces };
                *place = IoSlice::new(rest);
                count += 1;
            }
        }
        pieces.get(..count).unwrap_or_default()
    }
}

#[cfg(test)]
impl Output {
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            match self.pieces(all.len(), &mut pieces) {
                [] => return all,
                pieces => pieces.iter().for_each(|piece| all.extend_from_slice(piece)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: &Output, at_once: usize) -> Vec<u8> {
        let mut written = Vec::new();
        loop {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let pieces = output.pieces(written.len(), &mut pieces);
            if pieces.is_empty() {
                return written;
            }
            let all = pieces.iter().flat_map(|piece| piece.iter());
            let part: Vec<u8> = all.take(at_once).copied().collect();
            written.extend_from_slice(&part);
        }
    }

    #[test]
    fn what_goes_in_comes_out_in_order_however_it_is_written() {
        let mut output = Output::default();
        let mut expected = Vec::new();
        for length in [0, 1, LONG - 1, LONG, LONG + 1].repeat(20) {
            let (head, data) = (vec![fastrand::u8(..); 9], vec![fastrand::u8(..); length]);
            output.frames.extend_from_slice(&head);
            output.payload(data.clone().into());
            expected.extend([head, data].concat());
        }
        assert_eq!(output.len(), expected.len());
        for at_once in [777, 5000, usize::MAX] {
            assert_eq!(written(&output, at_once), expected);
        }
        output.clear();
        assert!(output.is_empty() && written(&output, 1).is_empty());
    }
}
