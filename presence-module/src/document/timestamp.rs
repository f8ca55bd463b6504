//! Instants as documents write them (RFC 3863 §4.1.7, RFC 3339 §5.6, `xs:dateTime`), to be compared.
//!
//! Only reading: publishers' timestamps are kept as they wrote them, and none is ever added.

/// Returns the milliseconds since 1970 that `text` names; `None` if it is no RFC 3339 `date-time` since then.
pub fn unix_ms(text: &str) -> Option<u64> {
    date_time_ms(text).and_then(|ms| u64::try_from(ms).ok())
}

/// Returns the milliseconds since 1970 that `text` names, negative before; `None` if it is no `xs:dateTime` of the years
/// 0000 to 9999.
pub fn date_time_ms(text: &str) -> Option<i64> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't') {
        return None;
    }
    let [year, month, day] = fields(date, b'-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time.get(..8)?, b':', [2, 2, 2])?;
    // A leap second counts as the one that follows it, and 24:00:00 is the midnight that ends the day.
    let in_day = hour <= 23 || (hour, minute, second) == (24, 0, 0);
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) || !in_day || minute > 59 || second > 60
    {
        return None;
    }
    let (fraction_ms, zone) = fraction(&time[8..])?;
    let local_s = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((local_s - offset_s(zone)?) * 1_000 + fraction_ms)
}

fn fields<const N: usize>(text: &str, separator: u8, widths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut rest = text;
    for (index, width) in widths.into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(char::from(separator))?;
        }
        numbers[index] = number(rest.get(..width)?)?;
        rest = &rest[width..];
    }
    rest.is_empty().then_some(numbers)
}

fn number(digits: &str) -> Option<i64> {
    // `parse` alone would take a sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Splits what follows the seconds into milliseconds and the zone.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return None;
    }
    let first_three = digits.bytes().take(length).chain(*b"00").take(3);
    Some((first_three.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')), &digits[length..]))
}

/// The zone is mandatory in RFC 3339, and forgotten in the field: without one it is UTC.
fn offset_s(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => return None,
    };
    let [hours, minutes] = fields(offset, b':', [2, 2])?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts days in the proleptic Gregorian calendar, years beginning in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(unix_ms(text), expected, "{text:?}");
    }

    #[test]
    fn instants_are_read_with_their_zone_and_fraction() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2025-03-04T08:15:00Z", Some(1_741_076_100_000));
        check(" 2025-03-04t10:15:00+02:00\n", Some(1_741_076_100_000));
        check("2025-03-04T02:45:00-05:30", Some(1_741_076_100_000));
        check("2025-03-04T08:15:00.5Z", Some(1_741_076_100_500));
        check("2025-03-04T08:15:00.1239Z", Some(1_741_076_100_123));
        check("2025-03-04T08:15:00", Some(1_741_076_100_000));
        check("2000-02-29T12:00:00Z", Some(951_825_600_000));
        check("2016-12-31T23:59:60Z", Some(1_483_228_800_000));
        check("2016-12-31T24:00:00Z", Some(1_483_228_800_000));
    }

    #[test]
    fn instants_before_1970_are_negative() {
        assert_eq!(date_time_ms("1969-12-31T23:59:59Z"), Some(-1_000));
        assert_eq!(date_time_ms("1970-01-01T00:30:00+01:00"), Some(-1_800_000));
        assert_eq!(date_time_ms("0001-01-01T00:00:00"), Some(-62_135_596_800_000));
        assert_eq!(date_time_ms("1969-12-31"), None);
    }

    #[test]
    fn a_day_that_no_calendar_has_is_none() {
        for day in ["2025-02-29", "1900-02-29", "2025-04-31", "2025-06-31", "2025-09-31", "2025-11-31", "2025-01-32"] {
            check(&format!("{day}T00:00:00Z"), None);
        }
    }

    #[test]
    fn what_is_no_instant_since_1970_is_none() {
        for text in ["", "2025-03-04", "2025-03-04 08:15:00Z", "2025-13-04T08:15:00Z", "2025-03-00T08:15:00Z"] {
            check(text, None);
        }
        for text in ["2025-03-04T24:15:00Z", "2025-03-04T08:15:00.Z", "2025-03-04T08:15:00+2", "+025-03-04T08:15:00Z"] {
            check(text, None);
        }
        for text in ["1969-12-31T23:59:59Z", "2025-03-04T08:15:0éZ", "é025-03-04T08:15:00Z", "2025-03-04T08:15:00Zz"]
        {
            check(text, None);
        }
    }
}
