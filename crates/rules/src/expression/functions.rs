//! The functions that protovalidate adds to CEL.

use std::collections::HashSet;

use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelList, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, add_member_overload};

use crate::formats;
use crate::rule::WellKnown;

/// Declares them. A call with other arguments than these cannot be evaluated.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    add_member_overload!(env, fn is_email: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_hostname: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_uri: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_uri_ref: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_host_and_port: (CelString, CelBool) -> CelBool)?;
    add_member_overload!(env, fn is_ip: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_ip_of: (CelString, CelInt) -> CelBool, name = "isIp")?;
    add_member_overload!(env, fn is_ip_prefix: (CelString) -> CelBool)?;
    add_member_overload!(env, fn is_ip_prefix_of: (CelString, CelInt) -> CelBool, name = "isIpPrefix")?;
    add_member_overload!(env, fn is_strict_ip_prefix: (CelString, CelBool) -> CelBool, name = "isIpPrefix")?;
    add_member_overload!(env, fn is_strict_ip_prefix_of: (CelString, CelInt, CelBool) -> CelBool, name = "isIpPrefix")?;
    add_member_overload!(env, fn is_nan: (CelDouble) -> CelBool)?;
    add_member_overload!(env, fn is_inf: (CelDouble) -> CelBool)?;
    add_member_overload!(env, fn is_inf_of: (CelDouble, CelInt) -> CelBool, name = "isInf")?;
    add_member_overload!(env, fn unique: (CelList) -> CelBool)?;
    add_member_overload!(env, fn starts_with: (CelBytes, CelBytes) -> CelBool)?;
    add_member_overload!(env, fn ends_with: (CelBytes, CelBytes) -> CelBool)?;
    add_member_overload!(env, fn contains: (CelBytes, CelBytes) -> CelBool)
}

fn is(form: WellKnown, text: &CelString<'_>) -> CelBool {
    formats::is(form, text.inner()).into()
}

fn is_email(text: &CelString<'_>) -> CelBool {
    is(WellKnown::Email, text)
}

fn is_hostname(text: &CelString<'_>) -> CelBool {
    is(WellKnown::Hostname, text)
}

fn is_uri(text: &CelString<'_>) -> CelBool {
    is(WellKnown::Uri, text)
}

fn is_uri_ref(text: &CelString<'_>) -> CelBool {
    is(WellKnown::UriRef, text)
}

fn is_host_and_port(text: &CelString<'_>, port: &CelBool) -> CelBool {
    let text = text.inner();
    (formats::is(WellKnown::HostAndPort, text) || (!*port.inner() && formats::is_host(text))).into()
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    is(WellKnown::Ip, text)
}

fn is_ip_of(text: &CelString<'_>, version: &CelInt) -> CelBool {
    match version.inner() {
        0 => is(WellKnown::Ip, text),
        4 => is(WellKnown::Ipv4, text),
        6 => is(WellKnown::Ipv6, text),
        _ => false.into(),
    }
}

fn is_ip_prefix(text: &CelString<'_>) -> CelBool {
    is(WellKnown::IpWithPrefixLen, text)
}

fn is_ip_prefix_of(text: &CelString<'_>, version: &CelInt) -> CelBool {
    match version.inner() {
        0 => is(WellKnown::IpWithPrefixLen, text),
        4 => is(WellKnown::Ipv4WithPrefixLen, text),
        6 => is(WellKnown::Ipv6WithPrefixLen, text),
        _ => false.into(),
    }
}

fn is_strict_ip_prefix(text: &CelString<'_>, strict: &CelBool) -> CelBool {
    is_strict_ip_prefix_of(text, &0.into(), strict)
}

/// If it is strict, nothing but zeros follows the prefix.
fn is_strict_ip_prefix_of(text: &CelString<'_>, version: &CelInt, strict: &CelBool) -> CelBool {
    match (*strict.inner(), version.inner()) {
        (false, _) => is_ip_prefix_of(text, version),
        (true, 0) => is(WellKnown::IpPrefix, text),
        (true, 4) => is(WellKnown::Ipv4Prefix, text),
        (true, 6) => is(WellKnown::Ipv6Prefix, text),
        _ => false.into(),
    }
}

fn is_nan(number: &CelDouble) -> CelBool {
    number.inner().is_nan().into()
}

fn is_inf(number: &CelDouble) -> CelBool {
    number.inner().is_infinite().into()
}

/// Of that sign; of zero, either.
fn is_inf_of(number: &CelDouble, sign: &CelInt) -> CelBool {
    let (number, sign) = (*number.inner(), *sign.inner());
    let same = sign == 0 || (sign > 0) == (number > 0.0);
    (number.is_infinite() && same).into()
}

fn unique(items: &CelList<'_>) -> CelBool {
    // Values have no hash, but what they look like has, and tells their types apart.
    let mut looks = items.inner().iter().filter_map(|item| look(item.as_ref()));
    let mut seen = HashSet::new();
    looks.all(|look| seen.insert(look)).into()
}

/// Nothing for what is equal to nothing.
fn look(item: &dyn Val) -> Option<String> {
    match item.downcast_ref::<CelDouble>().map(|number| *number.inner()) {
        Some(number) if number.is_nan() => None,
        // Zero is one number, whatever its sign.
        Some(number) => Some(format!("{:?}", number + 0.0)),
        None => Some(format!("{item:?}")),
    }
}

fn starts_with(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    bytes.inner().starts_with(part.inner()).into()
}

fn ends_with(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    bytes.inner().ends_with(part.inner()).into()
}

fn contains(bytes: &CelBytes<'_>, part: &CelBytes<'_>) -> CelBool {
    crate::text::contains(bytes.inner(), part.inner()).into()
}
