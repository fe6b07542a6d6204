//! Finds what a call is counted in by the path of its request.

use crate::protocol::paths::ByPath;

/// Which entry of a table a call is counted in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MethodId(u32);

impl MethodId {
    /// The entry of whatever is not known.
    pub(super) const OTHER: Self = Self(0);
}

/// Entries by the path of a request (`/package.Service/Method`); entry 0 is for the others.
#[derive(Clone, Debug)]
pub(super) struct Table<M> {
    ids: ByPath<MethodId>,
    entries: Vec<M>,
    other: M,
}

impl<M> Table<M> {
    pub(super) fn new(other: M) -> Self {
        Self { ids: ByPath::default(), entries: Vec::new(), other }
    }

    /// `path` with or without its leading slash.
    pub(super) fn add(&mut self, path: &str, entry: impl FnOnce(&str) -> M) {
        let name = path.strip_prefix('/').unwrap_or(path);
        self.entries.push(entry(name));
        if let Ok(id) = u32::try_from(self.entries.len()) {
            self.ids.insert(format!("/{name}").into(), MethodId(id));
        }
    }

    pub(super) fn find(&self, path: &str) -> Option<MethodId> {
        self.ids.get(path).copied()
    }

    pub(super) fn get(&self, id: MethodId) -> &M {
        self.entries.get((id.0 as usize).wrapping_sub(1)).unwrap_or(&self.other)
    }
}
