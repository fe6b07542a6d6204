//! Reads blocks of headers (RFC 7541, section 6).

use super::field::{Field, Name, OVERHEAD};
use super::huffman;
use super::table::{Entry, Table};

/// What cannot be decoded, which ends the connection: its two ends no longer know the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// Whether to read on.
pub(crate) type Go = std::ops::ControlFlow<()>;

/// One end's knowledge of what the other has indexed.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
    /// The largest table that the peer was allowed.
    most: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Table::new(most), most, name: Vec::new(), value: Vec::new() }
    }

    /// How often what blocks refer to has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.table.changes()
    }

    /// Reads a block to its end, or until `take`, which gets each field with its size in a list,
    /// has had enough; nothing can be read after that.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(&Field, usize) -> Go,
    ) -> Result<(), Undecodable> {
        let mut rest = block;
        let mut begun = false;
        while let Some(&first) = rest.first() {
            // Ordered by how often they come.
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                let entry = self.table.get(index).ok_or(Undecodable)?;
                if take(&entry.field, entry.size).is_break() {
                    return Ok(());
                }
            } else if first & 0x40 != 0 {
                let (name, name_length) = self.name(&mut rest, 6)?;
                let value = string(&mut rest, &mut self.value)?;
                let entry = Entry::new(name, name_length, value);
                let taken = take(&entry.field, entry.size);
                self.table.insert(entry);
                if taken.is_break() {
                    return Ok(());
                }
            } else if first & 0x20 != 0 {
                // Only a block begins with it (section 4.2).
                let size = integer(&mut rest, 5)?;
                if begun || size > self.most {
                    return Err(Undecodable);
                }
                self.table.resize(size);
                continue;
            } else {
                let (name, name_length) = self.name(&mut rest, 4)?;
                let value = string(&mut rest, &mut self.value)?;
                if take(&name.with(value), name_length + value.len() + OVERHEAD).is_break() {
                    return Ok(());
                }
            }
            begun = true;
        }
        // What a long string has left behind is not kept for connections that wait.
        for scratch in [&mut self.name, &mut self.value] {
            if scratch.capacity() > 1024 {
                *scratch = Vec::new();
            }
        }
        Ok(())
    }

    fn name(&mut self, rest: &mut &[u8], prefix: u32) -> Result<(Name, usize), Undecodable> {
        match integer(rest, prefix)? {
            0 => {
                let name = string(rest, &mut self.name)?;
                Ok((Name::new(name), name.len()))
            }
            index => {
                let entry = self.table.get(index).ok_or(Undecodable)?;
                Ok((entry.name.clone(), entry.name_length))
            }
        }
    }
}

/// Reads an integer with a prefix of so many bits (section 5.1). None that is of use takes more
/// than 28 bits beyond it.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Undecodable> {
    let (first, mut after) = rest.split_first().ok_or(Undecodable)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (next, more) = after.split_first().ok_or(Undecodable)?;
            after = more;
            value += usize::from(next & 0x7f) << shift;
            shift += 7;
            if next & 0x80 == 0 {
                break;
            }
            if shift > 21 {
                return Err(Undecodable);
            }
        }
    }
    *rest = after;
    Ok(value)
}

/// Reads a string (section 5.2); one that is coded is decoded to `scratch`.
fn string<'a, 'b: 'a>(
    rest: &mut &'b [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Undecodable> {
    let coded = rest.first().ok_or(Undecodable)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (text, after) = rest.split_at_checked(length).ok_or(Undecodable)?;
    *rest = after;
    if !coded {
        return Ok(text);
    }
    scratch.clear();
    huffman::decode(text, scratch).ok_or(Undecodable)?;
    Ok(scratch)
}
