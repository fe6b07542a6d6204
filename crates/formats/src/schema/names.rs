//! Names to numbers: a hash table that is built once and read often.

/// Open addressing, at most half full. The names are the contract's, so nobody outside chooses
/// which collide.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: Box<[Option<Slot>]>,
}

#[derive(Clone, Debug)]
struct Slot {
    hash: u32,
    value: u32,
    name: Box<str>,
}

impl Names {
    /// Of two entries with the same name the first counts.
    pub(crate) fn new(entries: &[(&str, u32)]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let mut names =
            Self { slots: vec![None; (entries.len() * 2).next_power_of_two()].into_boxed_slice() };
        for (name, value) in entries {
            names.insert(name, *value);
        }
        names
    }

    fn insert(&mut self, name: &str, value: u32) {
        let hash = hash(name.as_bytes());
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            match slot {
                Some(taken) if &*taken.name == name => return,
                Some(_) => at = (at + 1) & mask,
                None => {
                    *slot = Some(Slot { hash, value, name: name.into() });
                    return;
                }
            }
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<u32> {
        let hash = hash(name);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while let Some(Some(slot)) = self.slots.get(at) {
            if slot.hash == hash && slot.name.as_bytes() == name {
                return Some(slot.value);
            }
            at = (at + 1) & mask;
        }
        None
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().flatten().map(|slot| &*slot.name)
    }
}

fn hash(name: &[u8]) -> u32 {
    let mut hash = name.len() as u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn finds_each_name_and_no_other() {
        let names: Vec<String> = (0..300).map(|n| format!("name_{n}")).collect();
        let entries: Vec<_> = names.iter().zip(0..).map(|(n, i)| (n.as_str(), i)).collect();
        let table = Names::new(&entries);
        for (name, value) in &entries {
            assert_eq!(table.get(name.as_bytes()), Some(*value));
        }
        assert_eq!(table.get(b"name_300"), None);
        assert_eq!(table.get(b""), None);
        assert_eq!(Names::default().get(b"x"), None);
        assert_eq!(Names::new(&[("a", 1), ("a", 2)]).get(b"a"), Some(1));
    }
}
