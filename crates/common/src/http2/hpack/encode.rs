//! Writes blocks of headers (RFC 7541, section 6).

use std::collections::VecDeque;

use http::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, SET_COOKIE,
};
use http::{Method, StatusCode, Uri};

use super::field::{OVERHEAD, is_of_connections};
use super::table::STATIC;

/// How many fields are remembered by what they hash to: more than fit into the table that peers
/// offer.
const SLOTS: usize = 64;

/// We use no larger table than this, whatever the peer offers.
const MOST: usize = 4096;

/// One end's knowledge of what it has indexed for the other.
///
/// A field is indexed when it comes for the second time: what comes once, as timeouts and trace
/// ids do, would push out what comes always.
#[derive(Debug)]
pub(crate) struct Encoder {
    slots: Box<[Slot; SLOTS]>,
    /// The sizes of what is in the table, the oldest first.
    sizes: VecDeque<usize>,
    size: usize,
    most: usize,
    /// How many fields were ever added.
    added: u64,
    /// The peer changed the size of the table: the smallest since the last block, which it has to
    /// be told (section 4.2).
    smallest: Option<usize>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The hash of a field that came once.
    seen: u32,
    indexed: Option<Indexed>,
}

#[derive(Debug)]
struct Indexed {
    hash: u32,
    name: Box<[u8]>,
    value: Box<[u8]>,
    /// How many were added before it.
    number: u64,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            slots: Box::new(std::array::from_fn(|_| Slot::default())),
            sizes: VecDeque::new(),
            size: 0,
            most: MOST,
            added: 0,
            smallest: None,
        }
    }
}

impl Encoder {
    /// The peer keeps a table no larger than this.
    pub(crate) fn resize(&mut self, most: usize) {
        let most = most.min(MOST);
        if most != self.most || self.smallest.is_some() {
            self.smallest = Some(self.smallest.unwrap_or(most).min(most));
            self.most = most;
            self.evict(most);
        }
    }

    /// Appends the head of a request.
    pub(crate) fn request(
        &mut self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        out: &mut Vec<u8>,
    ) {
        self.begin(out);
        match *method {
            Method::GET => out.push(0x82),
            Method::POST => out.push(0x83),
            _ => self.field(b":method", 2, method.as_str().as_bytes(), out),
        }
        match uri.scheme_str() {
            Some("https") => out.push(0x87),
            _ => out.push(0x86),
        }
        if let Some(authority) = uri.authority() {
            self.field(b":authority", 1, authority.as_str().as_bytes(), out);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        self.field(b":path", 4, path.as_bytes(), out);
        self.headers(headers, out);
    }

    /// Appends the head of a response.
    pub(crate) fn response(&mut self, status: StatusCode, headers: &HeaderMap, out: &mut Vec<u8>) {
        self.begin(out);
        match status.as_u16() {
            200 => out.push(0x88),
            _ => self.field(b":status", 8, status.as_str().as_bytes(), out),
        }
        self.headers(headers, out);
    }

    /// Appends trailers.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap, out: &mut Vec<u8>) {
        self.begin(out);
        self.headers(trailers, out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(smallest) = self.smallest.take() {
            integer(out, 0x20, 5, smallest);
            if smallest != self.most {
                integer(out, 0x20, 5, self.most);
            }
        }
    }

    fn headers(&mut self, headers: &HeaderMap, out: &mut Vec<u8>) {
        for (name, value) in headers {
            let known = name.as_str().as_bytes();
            let hash = hash(known, value.as_bytes());
            if self.indexed(hash, known, value.as_bytes(), out) || is_of_connections(name) {
                continue;
            }
            match is_secret(name, value) {
                true => literal(known, static_index(known), value.as_bytes(), 0x10, 4, out),
                false => {
                    self.new_field(hash, known, static_index(known), value.as_bytes(), out);
                }
            }
        }
    }

    /// Appends a field whose name has an index for everybody.
    fn field(&mut self, name: &[u8], index: usize, value: &[u8], out: &mut Vec<u8>) {
        let hash = hash(name, value);
        if !self.indexed(hash, name, value, out) {
            self.new_field(hash, name, index, value, out);
        }
    }

    /// Appends the index of a field that has one.
    #[inline]
    fn indexed(&self, hash: u32, name: &[u8], value: &[u8], out: &mut Vec<u8>) -> bool {
        let slot = self.slots.get(slot_of(hash));
        let Some(indexed) = slot.and_then(|slot| slot.indexed.as_ref()) else { return false };
        let age = self.added.wrapping_sub(indexed.number) as usize;
        let found = indexed.hash == hash
            && age <= self.sizes.len()
            && *indexed.name == *name
            && *indexed.value == *value;
        if found {
            integer(out, 0x80, 7, STATIC.len() + age);
        }
        found
    }

    #[cold]
    fn new_field(&mut self, hash: u32, name: &[u8], index: usize, value: &[u8], out: &mut Vec<u8>) {
        let size = name.len() + value.len() + OVERHEAD;
        let Some(slot) = self.slots.get_mut(slot_of(hash)) else { return };
        // A large one would push out too many others.
        if slot.seen != hash || size > self.most / 4 {
            slot.seen = hash;
            return literal(name, index, value, 0, 4, out);
        }
        let (name_copy, value_copy) = (name.into(), value.into());
        slot.indexed =
            Some(Indexed { hash, name: name_copy, value: value_copy, number: self.added });
        self.added += 1;
        self.evict(self.most.saturating_sub(size));
        self.sizes.push_back(size);
        self.size += size;
        literal(name, index, value, 0x40, 6, out);
    }

    fn evict(&mut self, to: usize) {
        while self.size > to
            && let Some(oldest) = self.sizes.pop_front()
        {
            self.size = self.size.saturating_sub(oldest);
        }
    }
}

/// What the peer, and who stands between, should not keep either (section 7.1.3).
fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE].contains(name)
}

/// The index that a name has for everybody, or 0.
fn static_index(name: &[u8]) -> usize {
    let at = STATIC.iter().position(|(known, _)| known.as_bytes() == name);
    at.map_or(0, |at| at + 1)
}

/// Appends a field in full, its name by index if it has one.
fn literal(name: &[u8], index: usize, value: &[u8], first: u8, prefix: u32, out: &mut Vec<u8>) {
    integer(out, first, prefix, index);
    if index == 0 {
        integer(out, 0, 7, name.len());
        out.extend_from_slice(name);
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// Appends an integer with a prefix of so many bits (section 5.1) after the bits of `first`.
#[inline]
fn integer(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn slot_of(hash: u32) -> usize {
    (hash >> 8) as usize % SLOTS
}

/// A number by which a field is found again; never 0, which no field has.
#[inline]
fn hash(name: &[u8], value: &[u8]) -> u32 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(SPREAD).rotate_left(29);
    let mut hash = mix(name.len() as u64, value.len() as u64);
    for text in [name, value] {
        hash = match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                mix(mix(hash, u64::from_le_bytes(*first)), u64::from_le_bytes(*last))
            }
            _ => text.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))),
        };
    }
    (hash.wrapping_mul(SPREAD) >> 32) as u32 | 1
}
