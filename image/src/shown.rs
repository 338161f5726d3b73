//! What others wrote, as it may be shown: paths and texts of archives,
//! manifests, journals, servers and programs.
//!
//! None of it may steer a terminal, or turn what stands beside it around
//! (`U+202E` and its like). Every message that quotes such a text has it from
//! here. What has been made so stays as it is when it is made so again.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Longest part of a path in an archive that a message shows, in bytes.
const SHOWN_MAX: usize = 300;

/// A text whose characters that are not printed are escaped: those that
/// control, those that change the direction of others, those without a width.
#[must_use]
pub fn text(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same of one of several lines: their ends stay, and tabs.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// A path in an archive or a tree, cut where it is too long; what is no UTF-8
/// is escaped, too.
#[must_use]
pub fn bytes(path: &[u8]) -> String {
    if path.len() > SHOWN_MAX {
        let (head, _) = path.split_at(SHOWN_MAX);
        return format!("{}… ({} bytes)", whole(head), path.len());
    }
    whole(path)
}

/// A path of this host.
#[must_use]
pub fn path(path: &Path) -> String {
    whole(path.as_os_str().as_bytes())
}

fn whole(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&text(chunk.valid()));
        out.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    out
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Those that are escaped for source code alone.
        if matches!(c, ' '..='~') || stays(c) {
            out.push(c);
        } else {
            // Behind another character, one that combines with it stays.
            let pair = ['x', c].iter().collect::<String>();
            out.extend(pair.escape_debug().skip(1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: &str = "a\x1b]0;title\x07b\r\nc\u{202e}d\u{9b}2J\u{feff}";

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let shown = "a\\u{1b}]0;title\\u{7}b\\r\\nc\\u{202e}d\\u{9b}2J\\u{feff}";
        assert_eq!(text(BAD), shown);
        assert_eq!(text(shown), shown);
        assert_eq!(bytes(BAD.as_bytes()), shown);
        assert_eq!(path(Path::new(BAD)), shown);
        assert_eq!(lines(BAD), shown.replace("\\n", "\n"));
    }

    #[test]
    fn what_is_printed_stays() {
        for good in [
            "usr/bin/\"x y\" isn't there",
            "a\\x1b is escaped once",
            "Größe 日本 …",
            "Gro\u{308}ße ที่นี่ \u{2764}\u{fe0f}",
        ] {
            assert_eq!(text(good), good);
            assert_eq!(bytes(good.as_bytes()), good);
        }
        assert_eq!(lines("a\n\tb"), "a\n\tb");
    }

    #[test]
    fn a_path_may_be_long_and_of_any_bytes() {
        assert_eq!(bytes(b"etc/\xff\xfe\x01"), "etc/\\xff\\xfe\\u{1}");
        let long = bytes(&[b'x'; 4000]);
        assert!(long.len() < 400 && long.ends_with("… (4000 bytes)"));
        let cut = bytes("é".repeat(151).as_bytes());
        assert!(cut.starts_with(&"é".repeat(150)), "{cut}");
    }
}
