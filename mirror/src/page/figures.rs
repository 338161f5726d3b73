//! Numbers and times as people read them. Sizes are in units of 1024, as
//! disk limits are; times are in UTC.

use jiff::{SignedDuration, Timestamp};

/// Units of 1024 each.
const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size, such as `1.5 GiB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Hundredths decide how it is rounded, so that 1023.99 KiB is 1.0 MiB.
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// What a size grew or shrank by.
pub(super) fn growth(before: u64, after: u64) -> String {
    match before.cmp(&after) {
        std::cmp::Ordering::Less => format!("+{}", size(after - before)),
        std::cmp::Ordering::Greater => format!("\u{2212}{}", size(before - after)),
        std::cmp::Ordering::Equal => "the same".to_owned(),
    }
}

/// A count, in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of something, in the singular or with an s.
pub(super) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number as u64))
}

/// A point in time on a page.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// For programs.
    pub(super) machine: String,
    /// The day.
    pub(super) day: String,
    /// The minute.
    pub(super) minute: String,
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self {
            machine: time.to_string(),
            day: time.strftime("%Y-%m-%d").to_string(),
            minute: time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

/// A span of time, rounded down to the largest unit that fits.
pub(super) fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs().unsigned_abs();
    let (number, unit) = match seconds {
        0..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(usize::try_from(number).unwrap_or(usize::MAX), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (17_179_869_184, "16.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(growth(1024, 3072), "+2.0 KiB");
        assert_eq!(growth(3072, 1024), "\u{2212}2.0 KiB");
        assert_eq!(growth(7, 7), "the same");
    }

    #[test]
    fn counts() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(counted(1, "package"), "1 package");
        assert_eq!(counted(2000, "package"), "2,000 packages");
    }

    #[test]
    fn times() {
        let time: Timestamp = "2026-11-22T16:15:59Z".parse().unwrap();
        let moment = Moment::from(time);
        assert_eq!(moment.machine, "2026-11-22T16:15:59Z");
        assert_eq!(moment.day, "2026-11-22");
        assert_eq!(moment.minute, "2026-11-22 16:15 UTC");
        for (seconds, expected) in [
            (59, "0 minutes"),
            (3599, "59 minutes"),
            (3600, "1 hour"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (-259_200, "3 days"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
