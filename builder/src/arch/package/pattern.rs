//! Patterns as pacman has them: fnmatch(3) without flags, so that `*` matches
//! `/` too; the last one that matches decides, and a leading `!` says no.

/// Patterns in the order of a pacman.conf.
#[derive(Clone, Debug, Default)]
pub(in crate::arch) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    negated: bool,
    text: Vec<u8>,
}

impl Patterns {
    pub(in crate::arch) fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let pattern = |text: S| {
            let text = text.as_ref();
            let rest = text.strip_prefix('!');
            // A backslash keeps a name that begins with `!` from being one.
            let plain = rest.unwrap_or(text).strip_prefix('\\');
            Pattern {
                negated: rest.is_some(),
                text: plain.or(rest).unwrap_or(text).as_bytes().to_vec(),
            }
        };
        Self(patterns.into_iter().map(pattern).collect())
    }

    /// Whether the last pattern that matches says yes.
    pub(in crate::arch) fn matches(&self, text: &[u8]) -> bool {
        let last = self.0.iter().rev().find(|p| matches(&p.text, text));
        last.is_some_and(|p| !p.negated)
    }
}

/// fnmatch(3).
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // The last `*` and what it began to match with: to go back to.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        match one(&pattern[p..], text[t]) {
            Some(One::Star) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(One::Matches(length)) => {
                p += length;
                t += 1;
                continue;
            }
            None => {}
        }
        let Some((after, began)) = star else {
            return false;
        };
        star = Some((after, began + 1));
        (p, t) = (after, began + 1);
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

enum One {
    Star,
    /// The first element of the pattern, so long, matches.
    Matches(usize),
}

/// What the first element of a pattern does with a byte.
fn one(pattern: &[u8], byte: u8) -> Option<One> {
    match pattern {
        [b'*', ..] => Some(One::Star),
        [b'?', ..] => Some(One::Matches(1)),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(One::Matches(2)),
        [b'[', rest @ ..] => match bracket(rest, byte) {
            Some((true, length)) => Some(One::Matches(length + 1)),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(One::Matches(1)),
        },
        [plain, ..] => (*plain == byte).then_some(One::Matches(1)),
        [] => None,
    }
}

/// Whether a bracket expression, without its `[`, matches, and its length;
/// none if it never ends.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((found != negated, at + 1));
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|b| *b != b']') {
            high = pattern[at + 1];
            at += 2;
        }
        found |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_with_fnmatch() {
        for (pattern, text, expected) in [
            ("usr/share/man/*", "usr/share/man/man1/a.1", true),
            ("*.la", "usr/lib/x.la", true),
            ("*.la", "usr/lib/x.lab", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns = Patterns::new(["usr/share/*", "!usr/share/locale/de/*", "*/de/x"]);
        assert!(patterns.matches(b"usr/share/a"));
        assert!(!patterns.matches(b"usr/share/locale/de/a"));
        assert!(patterns.matches(b"usr/share/locale/de/x"));
        assert!(!patterns.matches(b"etc/a"));
    }
}
