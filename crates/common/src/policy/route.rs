//! Which calls go where.

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;

/// The calls of some authorities.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// Whose calls: `hello`, `hello.*`, `*.example.org`, or `*` for all; without ports, in lower
    /// case. Of several that fit, the one that says most decides, as in xDS.
    pub domains: Vec<String>,
    /// Where they go: the first that matches a call decides.
    pub routes: Vec<Route>,
}

/// Some calls, and where they go.
#[derive(Clone, Debug)]
pub struct Route {
    /// What it is called where it is shown.
    pub name: String,
    /// Which calls.
    pub matches: Match,
    /// The clusters that share them, each with its share in proportion to that of the others; at
    /// least one, and not all 0.
    pub clusters: Vec<(String, u32)>,
    /// What keeps calls together, by the first header of these that a call has: those with the same
    /// value go to the same one of several clusters, and, where the cluster balances by hash, to
    /// the same endpoint.
    pub hash_headers: Vec<HeaderName>,
    /// The `:authority` that they go with; default: their own.
    pub authority: Option<Authority>,
    /// Metadata that they go with, in place of what they have of these names.
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    /// Metadata that does not go with them.
    pub remove_headers: Vec<HeaderName>,
}

/// Which calls a route is for: those that fit in all of this.
#[derive(Clone, Debug)]
pub struct Match {
    /// By the path, `/package.Service/Method`.
    pub path: PathMatch,
    /// By metadata.
    pub headers: Vec<HeaderMatch>,
    /// How many of a million of those, at random; default all.
    pub per_million: Option<u32>,
}

/// Which paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This one.
    Exact(String),
    /// Those that begin so: `/` all, `/package.Service/` those of a service.
    Prefix(String),
}

/// What a header has to be.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// Whose values; several are joined with commas.
    pub name: HeaderName,
    /// What they have to be.
    pub value: ValueMatch,
    /// Whether it has to be otherwise instead.
    pub invert: bool,
}

/// What a value has to be.
#[derive(Clone, Debug)]
pub enum ValueMatch {
    /// There, or not there.
    Present(bool),
    /// Exactly this.
    Exact(String),
    /// Begin so.
    Prefix(String),
    /// End so.
    Suffix(String),
    /// Have this in it.
    Contains(String),
    /// Match as a whole.
    Regex(Regex),
    /// A whole number from the first of these to before the second.
    Range(i64, i64),
}

impl Route {
    /// Everything, to one cluster.
    pub fn to(cluster: impl Into<String>) -> Self {
        let cluster = cluster.into();
        Self {
            name: cluster.clone(),
            matches: Match {
                path: PathMatch::Prefix("/".to_owned()),
                headers: Vec::new(),
                per_million: None,
            },
            clusters: vec![(cluster, 1)],
            hash_headers: Vec::new(),
            authority: None,
            set_headers: Vec::new(),
            remove_headers: Vec::new(),
        }
    }
}

impl Match {
    /// Whether a call with this metadata fits, whose path does.
    pub(crate) fn fits(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().all(|header| header.fits(headers))
            && self.per_million.is_none_or(|share| fastrand::u32(..1_000_000) < share)
    }
}

impl HeaderMatch {
    fn fits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        let Some(first) = values.next() else {
            // As in xDS: a header that is not there fits no value, and none otherwise.
            return matches!(self.value, ValueMatch::Present(present) if present == self.invert);
        };
        let mut joined = first.as_bytes().to_owned();
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        self.value.fits(&joined) != self.invert
    }
}

impl ValueMatch {
    fn fits(&self, value: &[u8]) -> bool {
        let Ok(value) = std::str::from_utf8(value) else {
            return matches!(self, Self::Present(true));
        };
        match self {
            Self::Present(present) => *present,
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
            Self::Contains(text) => value.contains(text.as_str()),
            Self::Regex(regex) => {
                regex.find(value).is_some_and(|found| found.range() == (0..value.len()))
            }
            Self::Range(from, to) => {
                value.parse().is_ok_and(|number: i64| (*from..*to).contains(&number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fits(value: ValueMatch, invert: bool, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        HeaderMatch { name: HeaderName::from_static("x-user"), value, invert }.fits(&map)
    }

    #[test]
    fn a_value_is_matched_in_every_way() {
        let ada = &[("x-user", "ada")][..];
        for (value, expected) in [
            (ValueMatch::Present(true), true),
            (ValueMatch::Present(false), false),
            (ValueMatch::Exact("ada".into()), true),
            (ValueMatch::Exact("ad".into()), false),
            (ValueMatch::Prefix("ad".into()), true),
            (ValueMatch::Suffix("da".into()), true),
            (ValueMatch::Contains("d".into()), true),
            (ValueMatch::Regex(Regex::new("a.a").unwrap()), true),
            (ValueMatch::Regex(Regex::new("d").unwrap()), false),
            (ValueMatch::Range(0, 10), false),
        ] {
            assert_eq!(fits(value.clone(), false, ada), expected, "{value:?}");
            assert_eq!(fits(value.clone(), true, ada), !expected, "not {value:?}");
        }
        assert!(fits(ValueMatch::Range(0, 10), false, &[("x-user", "9")]));
        assert!(!fits(ValueMatch::Range(0, 10), false, &[("x-user", "10")]));
        let two = &[("x-user", "a"), ("x-user", "b")];
        assert!(fits(ValueMatch::Exact("a,b".into()), false, two));
    }

    #[test]
    fn a_header_that_is_not_there_fits_no_value() {
        assert!(!fits(ValueMatch::Exact("ada".into()), false, &[]));
        assert!(!fits(ValueMatch::Exact("ada".into()), true, &[]));
        assert!(fits(ValueMatch::Present(false), false, &[]));
        assert!(!fits(ValueMatch::Present(true), false, &[]));
        assert!(fits(ValueMatch::Present(true), true, &[]));
    }
}
