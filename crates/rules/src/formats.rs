//! Texts of a known form: addresses, names of hosts, URIs and the like.
//!
//! The forms are those that protovalidate's reference describes for each rule.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::rule::WellKnown;

/// The rule's name, and what it asks for in words.
pub(crate) fn named(form: WellKnown) -> (&'static str, &'static str) {
    match form {
        WellKnown::Email => ("email", "an e-mail address"),
        WellKnown::Hostname => ("hostname", "a host name"),
        WellKnown::Ip => ("ip", "an IP address"),
        WellKnown::Ipv4 => ("ipv4", "an IPv4 address"),
        WellKnown::Ipv6 => ("ipv6", "an IPv6 address"),
        WellKnown::Uri => ("uri", "a URI"),
        WellKnown::UriRef => ("uri_ref", "a URI or a reference to one"),
        WellKnown::Address => ("address", "a host name or an IP address"),
        WellKnown::Uuid => ("uuid", "a UUID"),
        WellKnown::Tuuid => ("tuuid", "a UUID without dashes"),
        WellKnown::IpWithPrefixLen => ("ip_with_prefixlen", "an IP address and a prefix length"),
        WellKnown::Ipv4WithPrefixLen => {
            ("ipv4_with_prefixlen", "an IPv4 address and a prefix length")
        }
        WellKnown::Ipv6WithPrefixLen => {
            ("ipv6_with_prefixlen", "an IPv6 address and a prefix length")
        }
        WellKnown::IpPrefix => ("ip_prefix", "an IP network"),
        WellKnown::Ipv4Prefix => ("ipv4_prefix", "an IPv4 network"),
        WellKnown::Ipv6Prefix => ("ipv6_prefix", "an IPv6 network"),
        WellKnown::HostAndPort => ("host_and_port", "a host and a port"),
        WellKnown::Ulid => ("ulid", "a ULID"),
        WellKnown::ProtobufFqn => ("protobuf_fqn", "a full name of protobuf"),
        WellKnown::ProtobufDotFqn => ("protobuf_dot_fqn", "a full name of protobuf after a dot"),
        WellKnown::HeaderName { .. } => {
            ("well_known_regex.header_name", "the name of an HTTP header")
        }
        WellKnown::HeaderValue { .. } => {
            ("well_known_regex.header_value", "the value of an HTTP header")
        }
    }
}

/// Whether an empty text breaks a rule of its own.
pub(crate) fn is_told_when_empty(form: WellKnown) -> bool {
    !matches!(form, WellKnown::UriRef | WellKnown::HeaderValue { .. })
}

pub(crate) fn is(form: WellKnown, text: &str) -> bool {
    match form {
        WellKnown::Email => is_email(text),
        WellKnown::Hostname => is_hostname(text),
        WellKnown::Ip => is_ipv4(text) || is_ipv6(text),
        WellKnown::Ipv4 => is_ipv4(text),
        WellKnown::Ipv6 => is_ipv6(text),
        WellKnown::Uri => is_uri(text),
        WellKnown::UriRef => is_uri(text) || is_relative(text),
        WellKnown::Address => is_hostname(text) || is_ipv4(text) || is_ipv6(text),
        WellKnown::Uuid => is_uuid(text),
        WellKnown::Tuuid => text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        WellKnown::IpWithPrefixLen => has_v4_prefix(text, false) || has_v6_prefix(text, false),
        WellKnown::Ipv4WithPrefixLen => has_v4_prefix(text, false),
        WellKnown::Ipv6WithPrefixLen => has_v6_prefix(text, false),
        WellKnown::IpPrefix => has_v4_prefix(text, true) || has_v6_prefix(text, true),
        WellKnown::Ipv4Prefix => has_v4_prefix(text, true),
        WellKnown::Ipv6Prefix => has_v6_prefix(text, true),
        WellKnown::HostAndPort => is_host_and_port(text),
        WellKnown::Ulid => is_ulid(text),
        WellKnown::ProtobufFqn => is_full_name(text),
        WellKnown::ProtobufDotFqn => text.strip_prefix('.').is_some_and(is_full_name),
        WellKnown::HeaderName { strict } => is_header_name(text, strict),
        WellKnown::HeaderValue { strict } => is_header_value(text, strict),
    }
}

/// As the living standard of HTML has it for `input type=email`.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let in_local = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !local.is_empty() && local.bytes().all(in_local) && domain.split('.').all(is_label)
}

/// RFC 1034, section 3.5, at most 253 characters, and not all digits at the end.
fn is_hostname(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// With a zone, as RFC 4007, section 11 writes it, or without.
fn is_ipv6(text: &str) -> bool {
    match text.split_once('%') {
        Some((address, zone)) => {
            !zone.is_empty() && !zone.contains('\0') && address.parse::<Ipv6Addr>().is_ok()
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

fn prefix_length(text: &str) -> Option<(&str, u32)> {
    let (address, length) = text.split_once('/')?;
    let plain =
        length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    if plain { Some((address, length.parse().ok()?)) } else { None }
}

fn has_v4_prefix(text: &str, network: bool) -> bool {
    let Some((address, length @ 0..=32)) = prefix_length(text) else { return false };
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    address.parse::<Ipv4Addr>().is_ok_and(|address| !network || address.to_bits() & host == 0)
}

fn has_v6_prefix(text: &str, network: bool) -> bool {
    let Some((address, length @ 0..=128)) = prefix_length(text) else { return false };
    let host = u128::MAX.checked_shr(length).unwrap_or(0);
    address.parse::<Ipv6Addr>().is_ok_and(|address| !network || address.to_bits() & host == 0)
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
    is_host(host) && plain && port.parse::<u16>().is_ok()
}

/// A host as it stands before a port: an IPv6 address is in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => is_ipv6(address),
        None => is_hostname(text) || is_ipv4(text),
    }
}

fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| {
        groups.next().is_some_and(|group| {
            group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit())
        })
    });
    fits && groups.next().is_none()
}

/// Crockford's base 32, and no more than 128 bits.
fn is_ulid(text: &str) -> bool {
    let in_alphabet =
        |b: u8| b.is_ascii_alphanumeric() && !b"ILOU".contains(&b.to_ascii_uppercase());
    text.len() == 26 && text.bytes().all(in_alphabet) && text.starts_with(|c: char| c <= '7')
}

fn is_full_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// RFC 9110, section 5.1; a pseudo-header of HTTP/2 has a colon before it.
fn is_header_name(text: &str, strict: bool) -> bool {
    if !strict {
        return !text.is_empty() && !text.contains(['\0', '\n', '\r']);
    }
    let name = text.strip_prefix(':').unwrap_or(text);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_|~`".contains(&b);
    !name.is_empty() && name.bytes().all(token)
}

fn is_header_value(text: &str, strict: bool) -> bool {
    match strict {
        true => !text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f),
        false => !text.contains(['\0', '\n', '\r']),
    }
}

/// RFC 3986, section 3.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let named = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(named)
        && is_hierarchy(rest)
}

/// RFC 3986, section 4.2: without a scheme, and so with no colon in the first segment.
fn is_relative(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let first = path.split('/').next().unwrap_or_default();
    !first.contains(':') && is_hierarchy(text)
}

/// What follows the scheme: authority, path, query and fragment.
fn is_hierarchy(text: &str) -> bool {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, path) = match text.strip_prefix("//") {
        Some(text) => text.split_at(text.find('/').unwrap_or(text.len())),
        None => ("", text),
    };
    is_authority(authority)
        && is_encoded(path, b":@/")
        && is_encoded(query, b":@/?")
        && is_encoded(fragment, b":@/?")
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host_is_one, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, rest)) => {
                // RFC 6874: a zone comes after an encoded percent sign.
                let address = address.split_once("%25").map_or(address, |(address, _)| address);
                let future = address.starts_with(['v', 'V']) && is_encoded(address, b":");
                let port = rest.strip_prefix(':').or(if rest.is_empty() { Some("") } else { None });
                (is_ipv6(address) || future, port)
            }
            None => (false, None),
        },
        None => {
            let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
            (is_encoded(name, b""), Some(port))
        }
    };
    let port = port.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    host_is_one && port && is_encoded(user, b":")
}

/// Unreserved characters, sub-delimiters, percent-encoded ones, and those in `also`.
fn is_encoded(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                hex(bytes.next()) && hex(bytes.next())
            }
            b => b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b) || also.contains(&b),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        use WellKnown as W;
        let strict = W::HeaderName { strict: true };
        let right: &[(WellKnown, &[&str])] = &[
            (W::Email, &["ada@example.com", "a+b.c@localhost", "o'neil@x-y.org"]),
            (W::Hostname, &["localhost", "a.b-c.example.", "1a.com"]),
            (W::Ip, &["127.0.0.1", "::1", "fe80::1%eth0"]),
            (
                W::Uri,
                &["https://a.b/c?d=e#f", "mailto:ada@example.com", "http://[::1]:80/", "urn:x:y"],
            ),
            (W::UriRef, &["", "/a/b", "../c?d", "//host/p", "https://a"]),
            (W::Address, &["example.com", "10.0.0.1", "::"]),
            (W::Uuid, &["123e4567-e89b-12d3-a456-426614174000"]),
            (W::Tuuid, &["123e4567e89b12d3a456426614174000"]),
            (W::Ipv4WithPrefixLen, &["10.1.2.3/8"]),
            (W::IpPrefix, &["10.0.0.0/8", "::/0", "2001:db8::/32", "1.2.3.4/32"]),
            (W::HostAndPort, &["a.b:1", "[::1]:65535", "1.2.3.4:0"]),
            (W::Ulid, &["01ARZ3NDEKTSV4RRFFQ69G5FAV"]),
            (W::ProtobufFqn, &["hello.v1.HelloService"]),
            (W::ProtobufDotFqn, &[".hello.v1.HelloService"]),
            (strict, &["content-type", ":path"]),
        ];
        let wrong: &[(WellKnown, &[&str])] = &[
            (W::Email, &["", "ada", "ada@", "@b", "a b@c", "a@-b.c", "a@b..c"]),
            (W::Hostname, &["", ".", "-a", "a_b", "1.2.3.4", "a..b"]),
            (W::Ip, &["1.2.3", "256.0.0.1", "fe80::1%", "01.2.3.4"]),
            (
                W::Uri,
                &["", "a/b", "1http://a", "http://a b", "http://[::1", "http://a:b/", "x:%zz"],
            ),
            (W::UriRef, &["a:b:c d", "1:b", "\u{e9}"]),
            (
                W::Uuid,
                &["123e4567e89b12d3a456426614174000", "g23e4567-e89b-12d3-a456-426614174000"],
            ),
            (W::Ipv4WithPrefixLen, &["10.1.2.3", "10.1.2.3/33", "10.1.2.3/08", "10.1.2.3/"]),
            (W::IpPrefix, &["10.0.0.1/8", "2001:db8::1/32"]),
            (W::HostAndPort, &["a", "a:", "a:65536", "::1:80", "a:080"]),
            (W::Ulid, &["81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAI", "01"]),
            (W::ProtobufFqn, &["", "a..b", "1a", ".a"]),
            (strict, &["", "a b", "a:b"]),
        ];
        for (form, texts) in right {
            for text in *texts {
                assert!(is(*form, text), "{form:?} {text:?}");
            }
        }
        for (form, texts) in wrong {
            for text in *texts {
                assert!(!is(*form, text), "{form:?} {text:?}");
            }
        }
    }
}
