//! Spans of time as users write them: `90d`, `12w`, `18m`, `2y`.

use std::time::Duration;

/// Reads days, weeks, months of 30 days or years of 365 days.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let fail = || format!("{text:?} is not a time such as 90d, 12w, 18m or 2y");
    let (number, days) = match text.char_indices().last() {
        Some((at, 'd')) => (&text[..at], 1),
        Some((at, 'w')) => (&text[..at], 7),
        Some((at, 'm')) => (&text[..at], 30),
        Some((at, 'y')) => (&text[..at], 365),
        _ => return Err(fail()),
    };
    let number: u64 = number.parse().map_err(|_| fail())?;
    // OpenPGP counts seconds in 32 bits.
    let seconds = number.checked_mul(days * 86_400).ok_or_else(fail)?;
    if number == 0 || u32::try_from(seconds).is_err() {
        return Err(fail());
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_weeks_months_and_years() {
        assert_eq!(parse("2y"), Ok(Duration::from_secs(730 * 86_400)));
        assert_eq!(parse("90d"), Ok(Duration::from_secs(90 * 86_400)));
        for text in ["", "d", "0d", "-1d", "1", "1h", "999y", "2é"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
