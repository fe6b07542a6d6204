//! Numbers as JSON writes them, to integers and floats, exactly.

/// Where the number that begins at `start` ends, if there is one.
///
/// RFC 8259, section 6: no plus, no leading zeros, digits on both sides of a point.
pub(super) fn end(json: &[u8], start: usize) -> Option<usize> {
    let digits = |at: usize| {
        let rest = json.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let some_digits = |at: usize| Some(digits(at)).filter(|end| *end > at);
    let is = |at: usize, bytes: &[u8]| json.get(at).is_some_and(|byte| bytes.contains(byte));
    let mut at = start + usize::from(is(start, b"-"));
    at = if is(at, b"0") { at + 1 } else { some_digits(at)? };
    if is(at, b".") {
        at = some_digits(at + 1)?;
    }
    if is(at, b"eE") {
        at += 1;
        at += usize::from(is(at, b"+-"));
        at = some_digits(at)?;
    }
    // What is no part of the number must not look like one, as the second zero of "00".
    (!is(at, b"0123456789.eE+-")).then_some(at)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
}

/// The integer that begins at `start`, and where it ends, if it is short and written plainly.
#[inline]
pub(super) fn short_integer(json: &[u8], start: usize) -> Option<(Integer, usize)> {
    /// So many digits never overflow.
    const MOST: usize = 18;
    let negative = json.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let mut magnitude = 0;
    let mut at = first;
    for byte in json.get(first..)?.iter().take(MOST + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        magnitude = magnitude * 10 + u64::from(digit);
        at += 1;
    }
    let digits = at - first;
    if digits == 0 || digits > MOST || (digits > 1 && json.get(first) == Some(&b'0')) {
        return None;
    }
    match json.get(at) {
        Some(b'.' | b'e' | b'E' | b'+' | b'-') => None,
        _ => Some((Integer { negative, magnitude }, at)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotInteger {
    Fraction,
    Range,
}

/// The integer that a number is, which may have an exponent or a fraction of zeros.
pub(super) fn integer(number: &[u8]) -> Result<Integer, NotInteger> {
    let (negative, rest) = match number.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let split = |at: Option<usize>| match at.and_then(|at| rest.split_at_checked(at)) {
        Some((before, after)) => (before, after.get(1..).unwrap_or_default()),
        None => (rest, &[][..]),
    };
    let (mantissa, exponent) = split(rest.iter().position(|byte| matches!(byte, b'e' | b'E')));
    let exponent = self::exponent(exponent);
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let fraction = mantissa.len().saturating_sub(point + 1) as i64;
    let digits = || mantissa.iter().filter(|byte| **byte != b'.');
    // Without the zeros at the end, what is left is an integer or it is not.
    let zeros = digits().rev().take_while(|byte| **byte == b'0').count();
    let significant = digits().count() - zeros;
    if significant == 0 {
        return Ok(Integer { negative: false, magnitude: 0 });
    }
    let shift = exponent - fraction + zeros as i64;
    if shift < 0 {
        return Err(NotInteger::Fraction);
    }
    let mut magnitude = 0_u64;
    let more = std::iter::repeat_n(&b'0', shift.min(32) as usize);
    for digit in digits().take(significant).chain(more) {
        magnitude = magnitude
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or(NotInteger::Range)?;
    }
    Ok(Integer { negative, magnitude })
}

fn exponent(text: &[u8]) -> i64 {
    /// Further than any mantissa is long.
    const MOST: i64 = 1 << 48;
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let add = |value: i64, digit: &u8| (value * 10 + i64::from(digit - b'0')).min(MOST);
    sign * digits.iter().fold(0, add)
}

impl Integer {
    pub(super) fn signed(self, least: i64, most: i64) -> Result<i64, NotInteger> {
        let value = if self.negative {
            0_i64.checked_sub_unsigned(self.magnitude)
        } else {
            i64::try_from(self.magnitude).ok()
        };
        value.filter(|value| (least..=most).contains(value)).ok_or(NotInteger::Range)
    }

    pub(super) fn unsigned(self, most: u64) -> Result<u64, NotInteger> {
        let negative = self.negative && self.magnitude != 0;
        if negative || self.magnitude > most { Err(NotInteger::Range) } else { Ok(self.magnitude) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_the_rfc_s() {
        for good in ["0", "-0", "10", "1.5", "0.5e-3", "1E+9", "1e9", "-12.75"] {
            assert_eq!(end(good.as_bytes(), 0), Some(good.len()), "{good}");
            assert_eq!(end(format!("{good},").as_bytes(), 0), Some(good.len()), "{good}");
        }
        for bad in ["", "-", "+1", "01", "00", "1.", ".5", "1e", "1e+", "--1", "1.5.5", "x", "1-"] {
            assert_eq!(end(bad.as_bytes(), 0), None, "{bad}");
        }
    }

    #[test]
    fn integers_are_exact() {
        let whole = |text: &str| {
            integer(text.as_bytes()).map(|Integer { negative, magnitude }| {
                if negative { -i128::from(magnitude) } else { i128::from(magnitude) }
            })
        };
        assert_eq!(whole("18446744073709551615"), Ok(u64::MAX.into()));
        assert_eq!(whole("18446744073709551616"), Err(NotInteger::Range));
        assert_eq!(whole("-9223372036854775808"), Ok(i64::MIN.into()));
        assert_eq!(whole("9007199254740993.0"), Ok(9_007_199_254_740_993));
        assert_eq!(whole("1.5e1"), Ok(15));
        assert_eq!(whole("1500e-2"), Ok(15));
        assert_eq!(whole("0.00e5"), Ok(0));
        assert_eq!(whole("0e999999999999"), Ok(0));
        assert_eq!(whole("1e0000000001"), Ok(10));
        assert_eq!(whole("10e-0000000001"), Ok(1));
        assert_eq!(whole("1e999999999999"), Err(NotInteger::Range));
        assert_eq!(whole("1e-999999999999"), Err(NotInteger::Fraction));
        assert_eq!(whole("1.5"), Err(NotInteger::Fraction));
        assert_eq!(whole("15e-2"), Err(NotInteger::Fraction));
        for text in ["0", "-0", "7", "-123456789012345678", "1234567890123456789"] {
            if let Some((short, end)) = short_integer(text.as_bytes(), 0) {
                assert_eq!(end, text.len());
                assert_eq!(short.magnitude, integer(text.as_bytes()).unwrap().magnitude);
            } else {
                assert_eq!(text.len(), 19);
            }
        }
        for other in ["1.0", "1e5", "01", "-", "", "1-"] {
            assert_eq!(short_integer(other.as_bytes(), 0), None, "{other}");
        }
    }
}
