//! What a record says: numbers, times and names.

/// A number without sign.
pub(super) fn number(value: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(value).ok();
    let digits = text.filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|t| t.parse().ok());
    number.ok_or("its pax header has a number that is none")
}

/// A pax time: seconds with a fraction, maybe before 1970.
pub(super) fn seconds(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || whole.starts_with('+') {
        return None;
    }
    let negative = whole.starts_with('-');
    let whole: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if negative && nanoseconds > 0 {
        return Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((whole, nanoseconds))
}

/// The name of an extended attribute, in which GNU tar escapes `=` and `%`.
pub(super) fn unescaped(name: &str) -> Vec<u8> {
    name.replace("%3D", "=").replace("%25", "%").into_bytes()
}

/// A name as in a URL.
pub(super) fn url_decoded(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    Some(out)
}
