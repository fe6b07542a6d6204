//! From when until when a certificate is valid: the one field that rustls does not tell of one's
//! own certificate.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

/// The validity of a certificate (RFC 5280, section 4.1.2.5), in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    not_before: i64,
    not_after: i64,
}

impl Validity {
    /// Read out of a certificate in DER; `None` if it is damaged, which is for rustls to report.
    pub(crate) fn of(cert: &[u8]) -> Option<Self> {
        const CONTEXT_0: u8 = 0xa0;
        let (cert, _) = sequence(cert)?;
        let (mut fields, _) = sequence(cert)?;
        // The version stands first, but only where it is not 1.
        if fields.first() == Some(&CONTEXT_0) {
            (_, _, fields) = element(fields)?;
        }
        // Serial number, signature algorithm, issuer.
        for _ in 0..3 {
            (_, _, fields) = element(fields)?;
        }
        let (validity, _) = sequence(fields)?;
        let (tag, not_before, rest) = element(validity)?;
        let not_before = time(tag, not_before)?;
        let (tag, not_after, _) = element(rest)?;
        Some(Self { not_before, not_after: time(tag, not_after)? })
    }

    /// Where a moment lies: before (`Less`), within (`Equal`) or after the validity (`Greater`).
    pub(crate) fn at(self, moment: SystemTime) -> Ordering {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        if seconds < self.not_before {
            Ordering::Less
        } else if seconds > self.not_after {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// Splits off one DER element: its tag, its content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, input) = input.split_first()?;
    let (&first, input) = input.split_first()?;
    let (length, input) = if first < 0x80 {
        (usize::from(first), input)
    } else {
        let (digits, input) = input.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > size_of::<u32>() {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), input)
    };
    let (content, rest) = input.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn sequence(input: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    let (tag, content, rest) = element(input)?;
    (tag == SEQUENCE).then_some((content, rest))
}

/// UTCTime or GeneralizedTime, which RFC 5280 allows only in UTC and with seconds.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let mut pairs = text.strip_suffix(b"Z")?.chunks(2).map(|pair| match pair {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from((a - b'0') * 10 + (b - b'0'))),
        _ => None,
    });
    let mut next = || pairs.next().flatten();
    let year = match tag {
        UTC_TIME => match next()? {
            year @ 0..50 => 2000 + year,
            year => 1900 + year,
        },
        GENERALIZED_TIME => next()? * 100 + next()?,
        _ => return None,
    };
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March so that
/// the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let before_month = (153 * month + 2) / 5;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn days_follow_the_calendar() {
        for (date, expected) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 1, 1), 20_454),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"491231235959Z"), time(0x18, b"20491231235959Z"));
        assert_eq!(time(0x18, b"19700102000001Z"), Some(86_401));
        assert_eq!(time(0x17, b"7001010000Z"), None);
        assert_eq!(time(0x17, b"700101000000+0100"), None);
        assert_eq!(time(0x02, b"700101000000Z"), None);
    }

    #[test]
    fn a_certificate_is_placed_in_time() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2055, 6, 30);
        let cert = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let validity = Validity::of(cert.der()).unwrap();
        let day = |count: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(count * 86_400);
        assert_eq!(validity.at(day(18_261)), Ordering::Less);
        assert_eq!(validity.at(day(18_262)), Ordering::Equal);
        assert_eq!(validity.at(day(31_226)), Ordering::Equal);
        assert_eq!(validity.at(day(31_227)), Ordering::Greater);
        // Damage of any length is no validity, and no panic.
        for length in 0..cert.der().len().min(60) {
            assert_eq!(Validity::of(&cert.der()[..length]), None);
        }
    }
}
