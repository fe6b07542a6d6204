//! The value of `grpc-timeout`: one to eight digits and a unit.

use std::io::Write;
use std::time::Duration;

use http::HeaderValue;

/// The longest that eight digits of each unit can say.
const MOST: u128 = 99_999_999;

pub(crate) fn parse(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let mut amount: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        amount = amount * 10 + u64::from(digit - b'0');
    }
    Some(match unit {
        b'H' => Duration::from_secs(amount * 60 * 60),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// The finest unit that can say it; a longer time than can be said is cut to what can.
pub(crate) fn format(timeout: Duration) -> HeaderValue {
    let nanos = timeout.as_nanos();
    let units = [(1, b'n'), (1_000, b'u'), (1_000_000, b'm'), (1_000_000_000, b'S')];
    let (amount, unit) = units
        .into_iter()
        .map(|(size, unit)| (nanos / size, unit))
        .find(|(amount, _)| *amount <= MOST)
        .unwrap_or((MOST, b'S'));
    let mut text = [0u8; 9];
    let mut rest = &mut text[..];
    let written = match write!(rest, "{amount}{}", unit as char) {
        Ok(()) => 9 - rest.len(),
        Err(_) => 0,
    };
    text.get(..written)
        .and_then(|text| HeaderValue::from_bytes(text).ok())
        .unwrap_or_else(|| HeaderValue::from_static("99999999S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    #[test]
    fn parses_every_unit() {
        assert_eq!(parse(&value("2H")), Some(Duration::from_secs(7200)));
        assert_eq!(parse(&value("3M")), Some(Duration::from_secs(180)));
        assert_eq!(parse(&value("4S")), Some(Duration::from_secs(4)));
        assert_eq!(parse(&value("5m")), Some(Duration::from_millis(5)));
        assert_eq!(parse(&value("6u")), Some(Duration::from_micros(6)));
        assert_eq!(parse(&value("99999999n")), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn refuses_what_the_grammar_does_not_have() {
        for text in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1.5S", " 1S"] {
            assert_eq!(parse(&value(text)), None, "{text:?}");
        }
    }

    #[test]
    fn formats_in_the_finest_unit_that_fits() {
        assert_eq!(format(Duration::from_nanos(17)), "17n");
        assert_eq!(format(Duration::from_millis(100)), "100000u");
        assert_eq!(format(Duration::from_secs(100)), "100000m");
        assert_eq!(format(Duration::from_secs(1_000_000)), "1000000S");
        assert_eq!(format(Duration::MAX), "99999999S");
    }
}
