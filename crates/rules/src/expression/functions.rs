//! The functions that protovalidate adds to CEL.

use std::collections::HashSet;
use std::sync::Arc;

use cel::Context;
use cel::extractors::This;

use crate::formats;
use crate::rule::WellKnown;

/// Makes them known to an evaluation.
pub(super) fn add(context: &mut Context<'_, '_>) {
    // None is declared twice, so that none is refused.
    let _ = context.add_function("isEmail", |This(text): This<Arc<String>>| {
        formats::is(WellKnown::Email, &text)
    });
    let _ = context.add_function("isHostname", |This(text): This<Arc<String>>| {
        formats::is(WellKnown::Hostname, &text)
    });
    let _ = context
        .add_function("isUri", |This(text): This<Arc<String>>| formats::is(WellKnown::Uri, &text));
    let _ = context.add_function("isUriRef", |This(text): This<Arc<String>>| {
        formats::is(WellKnown::UriRef, &text)
    });
    let _ = context
        .add_function("isIp", |This(text): This<Arc<String>>| formats::is(WellKnown::Ip, &text));
    let _ = context.add_function("isIpPrefix", |This(text): This<Arc<String>>| {
        formats::is(WellKnown::IpPrefix, &text)
    });
    let _ = context.add_function("isHostAndPort", |This(text): This<Arc<String>>, port: bool| {
        let bare = !port
            && (formats::is(WellKnown::Address, &text)
                || text
                    .strip_prefix('[')
                    .and_then(|text| text.strip_suffix(']'))
                    .is_some_and(|text| formats::is(WellKnown::Ipv6, text)));
        bare || formats::is(WellKnown::HostAndPort, &text)
    });
    let _ = context.add_function("isNan", |This(number): This<f64>| number.is_nan());
    let _ = context.add_function("isInf", |This(number): This<f64>| number.is_infinite());
    let _ = context.add_function("unique", |This(items): This<Arc<Vec<cel::Value>>>| {
        // Values have no hash, but what they look like has, and tells their types apart.
        let mut seen = HashSet::with_capacity(items.len());
        items.iter().all(|item| seen.insert(format!("{item:?}")))
    });
}
