//! Which variables of the environment are settings, and which only look like one.

use tracing::warn;

/// Every variable that the toolkit reads under its own prefix.
const VARIABLES: &[&str] = &[
    "AHOY_ACCESS_LOG",
    "AHOY_ADMIN",
    "AHOY_CHANNEL_CA",
    "AHOY_CHANNEL_CERT",
    "AHOY_CHANNEL_KEY",
    "AHOY_CHANNEL_SERVER_NAME",
    "AHOY_CORS_CREDENTIALS",
    "AHOY_CORS_ORIGINS",
    "AHOY_DEFAULT_DEADLINE",
    "AHOY_DOCS",
    "AHOY_DRAIN_DELAY",
    "AHOY_DRAIN_TIMEOUT",
    "AHOY_HANDSHAKE_TIMEOUT",
    "AHOY_HELLO",
    "AHOY_KEEPALIVE_INTERVAL",
    "AHOY_KEEPALIVE_TIMEOUT",
    "AHOY_LISTEN",
    "AHOY_LOG",
    "AHOY_LOG_FORMAT",
    "AHOY_MAX_CONCURRENT_STREAMS",
    "AHOY_MAX_CONNECTIONS",
    "AHOY_MAX_CONNECTION_AGE",
    "AHOY_MAX_CONNECTION_AGE_GRACE",
    "AHOY_MAX_HEADER_BYTES",
    "AHOY_MAX_MESSAGE_BYTES",
    "AHOY_MAX_SEND_BUFFER_BYTES",
    "AHOY_REST_EMIT_DEFAULTS",
    "AHOY_REST_IGNORE_UNKNOWN",
    "AHOY_REST_PROTO_NAMES",
    "AHOY_RUNTIME",
    "AHOY_TLS_CERT",
    "AHOY_TLS_CLIENT_CA",
    "AHOY_TLS_KEY",
    "AHOY_WORKERS",
];

/// What a switch may be: `on` or `off`, or what other programs call them.
pub(crate) fn switch(value: &str) -> Option<bool> {
    match value {
        "on" | "true" | "1" => Some(true),
        "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Beyond this many letters, a name is another name and not a slip: services may have variables
/// of their own with this prefix.
const SLIP: usize = 2;

/// Warns of each variable that is one slip away from a setting. A misspelt setting is otherwise
/// silent: its default stays.
pub(crate) fn warn_of_slips() {
    for (name, _) in std::env::vars_os() {
        if let Some(name) = name.to_str()
            && let Some(meant) = slip(name)
        {
            warn!(variable = name, "no such setting; did you mean {meant}?");
        }
    }
}

fn slip(name: &str) -> Option<&'static str> {
    if !name.starts_with("AHOY_") || VARIABLES.contains(&name) {
        return None;
    }
    let distances = VARIABLES.iter().map(|known| (strsim::damerau_levenshtein(known, name), known));
    distances.min().filter(|(distance, _)| *distance <= SLIP).map(|(_, known)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_and_a_name_of_its_own_is_not() {
        assert_eq!(slip("AHOY_DRAIN_TIMOUT"), Some("AHOY_DRAIN_TIMEOUT"));
        assert_eq!(slip("AHOY_MAX_CONECTIONS"), Some("AHOY_MAX_CONNECTIONS"));
        for name in ["AHOY_LISTEN", "AHOY_ORDERS_DATABASE", "DRAIN_TIMEOUT", "AHOY_"] {
            assert_eq!(slip(name), None, "{name}");
        }
    }

    #[test]
    fn the_list_is_the_readme_s() {
        let readme = include_str!("../../../README.md");
        let mut named: Vec<&str> = readme
            .split(|c: char| !c.is_ascii_uppercase() && c != '_')
            .filter(|word| word.starts_with("AHOY_"))
            .collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, VARIABLES);
    }
}
