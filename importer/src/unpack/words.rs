//! What the process that unpacks says in words, as it may be shown.
//!
//! That process reads what others made and is not to be trusted: whatever it
//! says must neither steer a terminal nor be endless. Both sides make words
//! so: the helper, so that a message is never too long to be sent, and
//! whoever listens to it, because it might not.

/// Longest text, in bytes: what an error says of two long paths.
pub(super) const TEXT_MAX: usize = 3 << 10;

/// Most messages of one error: its own and those of its causes.
pub(super) const CAUSES_MAX: usize = 8;

/// A text without what is not printed (control characters, and those that
/// change the direction of others), and cut where it is too long.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let before = out.len();
        let escaped = c.escape_debug();
        if escaped.len() == 1 || matches!(c, '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(escaped);
        }
        if out.len() > TEXT_MAX {
            out.truncate(before);
            out.push('…');
            break;
        }
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
    fn nothing_that_steers_a_terminal_is_left() {
        let bad = "a\x1b]0;title\x07b\r\nc\u{202e}d\u{9b}2J\u{feff}";
        let shown = plain(bad);
        assert_eq!(
            shown,
            "a\\u{1b}]0;title\\u{7}b\\r\\nc\\u{202e}d\\u{9b}2J\\u{feff}"
        );
        assert!(!shown.contains(char::is_control));
        for good in [
            "usr/bin/\"x y\" isn't there",
            "a\\x1b is escaped once",
            "Größe 日本 …",
        ] {
            assert_eq!(plain(good), good);
        }
    }

    #[test]
    fn what_is_long_is_cut_once() {
        for text in ["x".repeat(1 << 20), "é\x1b\"".repeat(1 << 18)] {
            let cut = plain(&text);
            assert!(cut.len() <= TEXT_MAX + '…'.len_utf8() && cut.ends_with('…'));
            assert_eq!(plain(&cut), cut);
        }
        let fits = "x".repeat(TEXT_MAX);
        assert_eq!(plain(&fits), fits);
        assert_eq!(plain_chain(&vec![fits; 100]).len(), CAUSES_MAX);
    }
}
