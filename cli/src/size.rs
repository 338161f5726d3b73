//! Sizes in bytes as systemd writes them: `16G` is 16 × 1024³.

#[cfg(feature = "import")]
use hatchery_importer::import::DiskLimit;
use std::fmt;

/// A text that is no size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidSize(String);

impl fmt::Display for InvalidSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a size; write bytes, or a number with K, M, G or T (powers of 1024), such as 16G",
            self.0
        )
    }
}

impl std::error::Error for InvalidSize {}

/// Reads `17179869184`, `16G`, `1.5G` or `16GiB`.
pub(crate) fn parse(text: &str) -> Result<u64, InvalidSize> {
    let fail = || InvalidSize(text.to_owned());
    let number_ends = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_ends);
    let unit: u64 = match suffix.strip_suffix("iB").unwrap_or(suffix) {
        "" if suffix.is_empty() => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(fail()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| fail())?;
    let mut bytes = whole.checked_mul(unit).ok_or_else(fail)?;
    if number.contains('.') {
        // Nine digits are more than any size needs, and cannot overflow.
        if fraction.is_empty() || fraction.len() > 9 || unit == 1 {
            return Err(fail());
        }
        let numerator: u64 = fraction.parse().map_err(|_| fail())?;
        let denominator = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| fail())?);
        let part = u128::from(numerator) * u128::from(unit) / denominator;
        bytes = u64::try_from(part)
            .ok()
            .and_then(|part| bytes.checked_add(part))
            .ok_or_else(fail)?;
    }
    Ok(bytes)
}

/// Reads a disk limit: a size or `infinity`.
#[cfg(feature = "import")]
pub(crate) fn parse_limit(text: &str) -> Result<DiskLimit, InvalidSize> {
    match text {
        "infinity" | "none" => Ok(DiskLimit::Infinity),
        _ => parse(text).map(DiskLimit::Bytes),
    }
}

/// Writes a size for people: `49.1 MiB`.
pub(crate) fn human(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_systemd() {
        assert_eq!(parse("16G"), Ok(17_179_869_184));
        assert_eq!(parse("1.5K"), Ok(1536));
        assert_eq!(parse("16GiB"), parse("16G"));
        assert_eq!(parse("512"), Ok(512));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in [
            "",
            "G",
            "16GB",
            "16g",
            "-1",
            "1.5",
            "16 G",
            "iB",
            "99999999T",
            "1.G",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
