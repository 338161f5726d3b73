//! Shell patterns as pacman has them for names of packages and groups, and for
//! paths: fnmatch(3) without flags, so that `*` matches everything.
//!
//! Tested against pacman's own choices by the tests of the resolver.

/// Whether any pattern matches. Unlike with [`Patterns`], none can say no.
pub(super) fn any_matches(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// Patterns of paths and hooks, the last of which that matches decides; a
/// leading `!` says no.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    negated: bool,
    text: String,
}

impl Patterns {
    pub(super) fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let pattern = |text: S| {
            let text = text.as_ref();
            let rest = text.strip_prefix('!');
            // A backslash keeps a name that begins with `!` from being one.
            let plain = rest.unwrap_or(text).strip_prefix('\\');
            Pattern {
                negated: rest.is_some(),
                text: plain.or(rest).unwrap_or(text).to_owned(),
            }
        };
        Self(patterns.into_iter().map(pattern).collect())
    }

    /// Whether the last pattern that matches says yes.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let text = String::from_utf8_lossy(text);
        let last = self.0.iter().rev().find(|p| matches(&p.text, &text));
        last.is_some_and(|p| !p.negated)
    }
}

/// Whether a pattern matches the whole of a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The rest of the pattern after the last `*`, and how much of the text
    // that one has taken: going back any further is never needed.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        if let Some(length) = one(&pattern[p..], text[t]) {
            p += length;
            t += 1;
            continue;
        }
        let Some((after, taken)) = star else {
            return false;
        };
        star = Some((after, taken + 1));
        (p, t) = (after, taken + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of the pattern's first element if it matches this character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    let (fits, length) = match pattern {
        ['?', ..] => (true, 1),
        ['\\', escaped, ..] => (*escaped == c, 2),
        // One that nothing follows matches nothing.
        ['\\'] | [] => (false, 1),
        ['[', rest @ ..] => match bracket(rest, c) {
            Some((fits, length)) => (fits, length + 1),
            None => (c == '[', 1),
        },
        [plain, ..] => (*plain == c, 1),
    };
    fits.then_some(length)
}

/// Whether a bracket expression, without its `[`, matches, and its length;
/// none if it does not end.
fn bracket(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some('!' | '^'));
    let first = usize::from(negated);
    let (mut at, mut found) = (first, false);
    loop {
        match &pattern[at..] {
            [] => return None,
            [']', ..] if at > first => return Some((found != negated, at + 1)),
            ['[', ':', rest @ ..] => {
                let end = rest.windows(2).position(|pair| pair == [':', ']'])?;
                let class: String = rest[..end].iter().collect();
                found |= in_class(&class, c)?;
                at += 2 + end + 2;
            }
            _ => {
                let (low, length) = member(&pattern[at..])?;
                at += length;
                let mut high = low;
                if let ['-', end @ ..] = &pattern[at..]
                    && end.first().is_some_and(|c| *c != ']')
                {
                    let (last, length) = member(end)?;
                    high = last;
                    at += 1 + length;
                }
                found |= (low..=high).contains(&c);
            }
        }
    }
}

/// A character of a bracket expression, and how many it is written with.
fn member(pattern: &[char]) -> Option<(char, usize)> {
    match pattern {
        ['\\', escaped, ..] => Some((*escaped, 2)),
        [c, ..] if *c != '\\' => Some((*c, 1)),
        _ => None,
    }
}

/// Whether a character is in a class such as `digit`; none if there is no
/// such class.
fn in_class(class: &str, c: char) -> Option<bool> {
    Some(match class {
        "alnum" => c.is_ascii_alphanumeric(),
        "alpha" => c.is_ascii_alphabetic(),
        "blank" => c == ' ' || c == '\t',
        "cntrl" => c.is_ascii_control(),
        "digit" => c.is_ascii_digit(),
        "graph" => c.is_ascii_graphic(),
        "lower" => c.is_ascii_lowercase(),
        "print" => c.is_ascii_graphic() || c == ' ',
        "punct" => c.is_ascii_punctuation(),
        "space" => c.is_ascii_whitespace() || c == '\u{b}',
        "upper" => c.is_ascii_uppercase(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_with_fnmatch() {
        for (pattern, text, expected) in [
            ("linux", "linux", true),
            ("linux", "linux-lts", false),
            ("linux*", "linux-lts", true),
            ("*-lts", "linux-lts", true),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxxbxx", false),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[!]x]", "]", false),
            ("[a-]", "-", true),
            ("[x", "[x", true),
            ("[[:digit:]]", "5", true),
            ("[![:digit:]a]", "5", false),
            ("[[:alpha:]-]x", "-x", true),
            ("[\\]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a\\", "a", false),
            ("!a", "a", false),
            ("*", ".a/b", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(5_000)));
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
