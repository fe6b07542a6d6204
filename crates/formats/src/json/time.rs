//! `Timestamp` and `Duration` as text.

const NANOS: i32 = 1_000_000_000;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// What `duration.proto` allows, either way: about ten thousand years.
const MOST_SECONDS: i64 = 315_576_000_000;

pub(super) const TIMESTAMP_RANGE: &str =
    "a timestamp is between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z";
pub(super) const DURATION_RANGE: &str =
    "a duration is at most 315576000000 seconds, and its seconds and nanos have the same sign";

/// Appends RFC 3339 in UTC, with as many digits as it takes of 0, 3, 6 and 9; false if it is out of
/// range.
pub(super) fn write_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> bool {
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) || !(0..NANOS).contains(&nanos) {
        return false;
    }
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400) as u32;
    digits(year, 4, out);
    out.push(b'-');
    digits(month, 2, out);
    out.push(b'-');
    digits(day, 2, out);
    out.push(b'T');
    digits(second / 3600, 2, out);
    out.push(b':');
    digits(second / 60 % 60, 2, out);
    out.push(b':');
    digits(second % 60, 2, out);
    fraction(nanos.unsigned_abs(), out);
    out.push(b'Z');
    true
}

/// Appends seconds with an `s`, as [`write_timestamp`] does.
pub(super) fn write_duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> bool {
    let range = -MOST_SECONDS..=MOST_SECONDS;
    let opposite = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if opposite || !range.contains(&seconds) || nanos.unsigned_abs() >= NANOS.unsigned_abs() {
        return false;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(seconds.unsigned_abs()).as_bytes());
    fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    true
}

fn fraction(nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    if nanos.is_multiple_of(1_000_000) {
        digits(nanos / 1_000_000, 3, out);
    } else if nanos.is_multiple_of(1000) {
        digits(nanos / 1000, 6, out);
    } else {
        digits(nanos, 9, out);
    }
}

fn digits(value: u32, count: u32, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        out.push(b'0' + (value / 10_u32.pow(place) % 10) as u8);
    }
}

/// Seconds and nanos of RFC 3339, in capitals, with at most nine digits.
pub(super) fn read_timestamp(text: &str) -> Result<(i64, i32), &'static str> {
    const SYNTAX: &str = "a timestamp is written as in \"2030-01-31T09:30:00.5Z\" or with an offset such as \"+02:00\"";
    let mut rest = text.as_bytes();
    let rest = &mut rest;
    let parse = |rest: &mut &[u8]| {
        let year = number(rest, 4)?;
        expect(rest, b'-')?;
        let month = number(rest, 2)?;
        expect(rest, b'-')?;
        let day = number(rest, 2)?;
        expect(rest, b'T')?;
        let hour = number(rest, 2)?;
        expect(rest, b':')?;
        let minute = number(rest, 2)?;
        expect(rest, b':')?;
        let second = number(rest, 2)?;
        let nanos = read_fraction(rest)?;
        let (sign, rest_of) = rest.split_first()?;
        *rest = rest_of;
        let offset = match sign {
            b'Z' => 0,
            b'+' | b'-' => {
                let hours = number(rest, 2)?;
                expect(rest, b':')?;
                let minutes = number(rest, 2)?;
                let offset =
                    i64::from((hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?) * 60;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };
        let valid = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        (valid && rest.is_empty()).then_some(())?;
        let seconds =
            days(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Some((seconds - offset, nanos.cast_signed()))
    };
    let (seconds, nanos) = parse(rest).ok_or(SYNTAX)?;
    if (FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        Ok((seconds, nanos))
    } else {
        Err(TIMESTAMP_RANGE)
    }
}

/// Seconds and nanos of a number of seconds with an `s`, with at most nine digits.
pub(super) fn read_duration(text: &str) -> Result<(i64, i32), &'static str> {
    const SYNTAX: &str = "a duration is written in seconds, as in \"1.5s\"";
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let parse = |rest: &mut &[u8]| {
        let mut seconds = 0_i64;
        for _ in 0..whole {
            // Whatever is over the range stays over it.
            seconds = seconds.saturating_mul(10).saturating_add(number(rest, 1)?.into());
        }
        let nanos = read_fraction(rest)?;
        (whole > 0 && *rest == b"s").then_some((seconds, nanos.cast_signed()))
    };
    let (seconds, nanos) = parse(&mut rest).ok_or(SYNTAX)?;
    if seconds > MOST_SECONDS {
        return Err(DURATION_RANGE);
    }
    Ok(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

fn expect(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    (*first == byte).then_some(())
}

fn number(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (text, after) = rest.split_at_checked(digits)?;
    *rest = after;
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// Nanoseconds of a point and one to nine digits, or of nothing.
fn read_fraction(rest: &mut &[u8]) -> Option<u32> {
    let Some(after) = rest.strip_prefix(b".") else { return Some(0) };
    *rest = after;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = (1..=9).contains(&digits).then(|| number(rest, digits))??;
    Some(value * 10_u32.pow(9 - digits as u32))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, for years of it that begin in March,
/// so that the leap day is the last one.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// The year, month and day of a day since 1970-01-01, for years 1 to 9999.
fn date(days: i64) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(seconds: i64, nanos: i32) -> String {
        let mut out = Vec::new();
        assert!(write_timestamp(seconds, nanos, &mut out), "{seconds} {nanos}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_there_and_back() {
        assert_eq!(timestamp(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(FIRST_SECOND, 1_000), "0001-01-01T00:00:00.000001Z");
        assert_eq!(timestamp(LAST_SECOND, 999_999_999), "9999-12-31T23:59:59.999999999Z");
        for seconds in (FIRST_SECOND..LAST_SECOND).step_by(86_400 * 13 + 12_345) {
            assert_eq!(
                read_timestamp(&timestamp(seconds, 120_000_000)),
                Ok((seconds, 120_000_000))
            );
        }
        for (seconds, nanos) in [(FIRST_SECOND - 1, 0), (LAST_SECOND + 1, 0), (0, -1), (0, NANOS)] {
            assert!(!write_timestamp(seconds, nanos, &mut Vec::new()));
        }
    }

    #[test]
    fn timestamps_are_read_strictly() {
        assert_eq!(read_timestamp("1970-01-01T02:00:00.5+02:00"), Ok((0, 500_000_000)));
        assert_eq!(read_timestamp("1969-12-31T16:00:00-08:00"), Ok((0, 0)));
        for wrong in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01 00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00+2:00",
            "1970-01-01T00:00:00+0200",
            "1970-01-01T00:00:00Z ",
            "+970-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
        ] {
            assert!(read_timestamp(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_there_and_back() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (0, -1, "-0.000000001s"),
            (-1, -10_000, "-1.000010s"),
            (MOST_SECONDS, 999_999_999, "315576000000.999999999s"),
        ] {
            let mut out = Vec::new();
            assert!(write_duration(seconds, nanos, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
            assert_eq!(read_duration(text), Ok((seconds, nanos)));
        }
        for (seconds, nanos) in [(1, -1), (-1, 1), (MOST_SECONDS + 1, 0), (0, NANOS), (0, -NANOS)] {
            assert!(!write_duration(seconds, nanos, &mut Vec::new()));
        }
        for wrong in ["", "s", "1", "-s", "1.s", ".5s", "+1s", " 1s", "1.0123456789s", "1e3s"] {
            assert!(read_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read_duration("99999999999999999999s"), Err(DURATION_RANGE));
    }
}
