//! What the process that unpacks says in words, as it may be shown.
//!
//! That process reads what others made and is not to be trusted: whatever it
//! says must neither steer a terminal nor be endless. Both sides make words
//! so: the helper, so that a message is never too long to be sent, and
//! whoever listens to it, because it might not.

use hatchery_image::shown;

/// Longest text, in bytes: what an error says of two long paths.
pub(super) const TEXT_MAX: usize = 3 << 10;

/// Most messages of one error: its own and those of its causes.
pub(super) const CAUSES_MAX: usize = 8;

/// A text as it may be shown, and cut where it is too long.
pub(super) fn plain(text: &str) -> String {
    let mut out = shown::text(text);
    if out.len() > TEXT_MAX {
        out.truncate(out.floor_char_boundary(TEXT_MAX));
        out.push('…');
    }
    out
}

/// The same of an error and its causes.
pub(super) fn plain_chain(chain: &[String]) -> Vec<String> {
    chain
        .iter()
        .take(CAUSES_MAX)
        .map(|text| plain(text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_once() {
        for text in ["x".repeat(1 << 20), "é\x1b\"".repeat(1 << 18)] {
            let cut = plain(&text);
            assert!(cut.len() <= TEXT_MAX + '…'.len_utf8() && cut.ends_with('…'));
            assert_eq!(plain(&cut), cut);
        }
        let fits = "x".repeat(TEXT_MAX);
        assert_eq!(plain(&fits), fits);
        assert_eq!(plain("a\x1b\u{202e}"), "a\\u{1b}\\u{202e}");
        assert_eq!(plain_chain(&vec![fits; 100]).len(), CAUSES_MAX);
    }
}
