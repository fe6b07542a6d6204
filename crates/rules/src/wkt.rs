//! Times as one number, so that they compare as one.

use prost_reflect::{DynamicMessage, Value};

/// A `google.protobuf.Duration` or `Timestamp` in nanoseconds.
pub(crate) fn nanoseconds(message: &DynamicMessage) -> i128 {
    let seconds = message.get_field_by_name("seconds").and_then(|v| v.as_i64()).unwrap_or(0);
    let nanos = message.get_field_by_name("nanos").and_then(|v| v.as_i32()).unwrap_or(0);
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// The paths of a `google.protobuf.FieldMask`.
pub(crate) fn paths(message: &DynamicMessage) -> Vec<String> {
    let paths = message.get_field_by_name("paths");
    let paths = paths.as_deref().and_then(Value::as_list).unwrap_or_default();
    paths.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A time as a person reads it: `90s`, `0.5s`.
pub(crate) fn seconds(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let whole = nanoseconds.unsigned_abs();
    let fraction = format!("{:09}", whole % 1_000_000_000);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}s", whole / 1_000_000_000),
        fraction => format!("{sign}{}.{fraction}s", whole / 1_000_000_000),
    }
}

/// A point in time as RFC 3339 has it, in UTC.
pub(crate) fn instant(nanoseconds: i128) -> String {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's "days from civil", the other way: eras of 400 years from March of year 0.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
