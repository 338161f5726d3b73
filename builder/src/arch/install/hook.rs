//! One hook file, as alpm-hooks(5) describes it.
//!
//! Nothing here runs anything or touches a disk.

use crate::arch::pattern::Patterns;

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    PreTransaction,
    PostTransaction,
}

/// A hook that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Hook {
    pub(super) triggers: Vec<Trigger>,
    pub(super) when: Option<When>,
    pub(super) description: Option<String>,
    /// Program and arguments.
    pub(super) exec: Vec<String>,
    pub(super) depends: Vec<String>,
    pub(super) abort_on_fail: bool,
    pub(super) needs_targets: bool,
}

/// What sets a hook off.
#[derive(Clone, Debug, Default)]
pub(super) struct Trigger {
    /// Whether installing is among its operations.
    pub(super) on_install: bool,
    /// Whether it has any operation.
    has_operation: bool,
    pub(super) kind: Option<Kind>,
    pub(super) targets: Patterns,
    names: Vec<String>,
}

/// What targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Path,
    Package,
}

/// The section that a line is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Trigger,
    Action,
}

impl Hook {
    /// Reads a hook.
    ///
    /// # Errors
    /// What pacman, too, would not accept, with the line's number.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut hook = Self::default();
        let mut section = Section::None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = match name {
                    "Trigger" => {
                        hook.triggers.push(Trigger::default());
                        Section::Trigger
                    }
                    "Action" => Section::Action,
                    _ => return Err(wrong("a section that is not known")),
                };
                continue;
            }
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (line, None),
            };
            let known = match section {
                Section::Trigger => hook.triggers.last_mut().map(|t| t.set(key, value)),
                Section::Action => Some(hook.set(key, value)),
                Section::None => None,
            };
            known
                .unwrap_or(Err("a key outside of any section"))
                .map_err(wrong)?;
        }
        hook.check()?;
        Ok(hook)
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), &'static str> {
        match (key, value) {
            ("When", Some("PreTransaction")) => self.when = Some(When::PreTransaction),
            ("When", Some("PostTransaction")) => self.when = Some(When::PostTransaction),
            ("Description", Some(text)) => self.description = Some(text.to_owned()),
            ("Exec", Some(command)) => {
                self.exec = words(command).ok_or("a command whose quotes do not end")?;
                // It is run from the root, and not looked for in PATH.
                if let Some(program) = self.exec.first_mut()
                    && !program.starts_with('/')
                {
                    program.insert(0, '/');
                }
            }
            ("Depends", Some(package)) => self.depends.push(package.to_owned()),
            ("AbortOnFail", _) => self.abort_on_fail = true,
            ("NeedsTargets", _) => self.needs_targets = true,
            _ => return Err("a key or value that is not known in [Action]"),
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        // Without any trigger, it only hides another hook of its name.
        if self.triggers.is_empty() {
            return Ok(());
        }
        for trigger in &mut self.triggers {
            if trigger.names.is_empty() || trigger.kind.is_none() || !trigger.has_operation {
                return Err("a [Trigger] needs Type, Operation and Target".to_owned());
            }
            trigger.targets = Patterns::new(&trigger.names);
        }
        if self.exec.is_empty() || self.when.is_none() {
            return Err("[Action] needs When and Exec".to_owned());
        }
        Ok(())
    }
}

impl Trigger {
    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), &'static str> {
        match (key, value) {
            ("Operation", Some("Install")) => {
                self.on_install = true;
                self.has_operation = true;
            }
            ("Operation", Some("Upgrade" | "Remove")) => self.has_operation = true,
            // File is the older word.
            ("Type", Some("Path" | "File")) => self.kind = Some(Kind::Path),
            ("Type", Some("Package")) => self.kind = Some(Kind::Package),
            ("Target", Some(target)) => self.names.push(target.to_owned()),
            _ => return Err("a key or value that is not known in [Trigger]"),
        }
        Ok(())
    }
}

/// Splits a command as pacman does: at blanks, with `'` and `"` around words.
/// A `\` stands for itself except before a quote: within quotes that which
/// would end them, outside either.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = command.chars().peekable();
    while letters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    while letters.peek().is_some() {
        let mut word = String::new();
        let mut quote = None;
        loop {
            match (letters.next(), quote) {
                (None, None) => break,
                (None, Some(_)) => return None,
                (Some(c), Some(q)) if c == q => quote = None,
                (Some('\\'), Some(q)) => word.push(letters.next_if_eq(&q).unwrap_or('\\')),
                (Some(c), Some(_)) => word.push(c),
                (Some(c @ ('\'' | '"')), None) => quote = Some(c),
                (Some('\\'), None) => {
                    let escaped = letters.next_if(|c| matches!(c, '\'' | '"'));
                    word.push(escaped.unwrap_or('\\'));
                }
                (Some(c), None) if c.is_ascii_whitespace() => break,
                (Some(c), None) => word.push(c),
            }
        }
        words.push(word);
        while letters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: &str = "# a hook\n[Trigger]\nType = Path\nOperation = Install\nOperation=Upgrade\n\
        Target = usr/lib/*.so\nTarget = !usr/lib/x.so\n\n[Action]\nDescription = Doing it...\n\
        When = PostTransaction\nExec = /bin/sh -c 'echo \"a b\"' x\\ y\nNeedsTargets\nDepends = bash\n";

    #[test]
    fn a_hook_is_read() {
        let hook = Hook::parse(HOOK).unwrap();
        assert_eq!(hook.when, Some(When::PostTransaction));
        assert_eq!(hook.exec, ["/bin/sh", "-c", "echo \"a b\"", "x\\", "y"]);
        assert!(hook.needs_targets && !hook.abort_on_fail);
        assert_eq!(hook.depends, ["bash"]);
        let hook = Hook::parse(&HOOK.replace("/bin/sh", "sh")).unwrap();
        assert_eq!(hook.exec[0], "/sh");
        let trigger = &hook.triggers[0];
        assert!(trigger.on_install && trigger.kind == Some(Kind::Path));
        assert!(trigger.targets.matches(b"usr/lib/y.so"));
        assert!(!trigger.targets.matches(b"usr/lib/x.so"));
    }

    #[test]
    fn commands_are_split_as_pacman_does() {
        for (command, expected) in [
            ("  a \t b ", &["a", "b"][..]),
            (r#"'a b'"c d"e"#, &["a bc de"]),
            (r"'a \' b \\ \x'", &[r"a ' b \\ \x"]),
            (r#""a \" 'b' \'""#, &[r#"a " 'b' \'"#]),
            (r#"\'a \"b \c \\d"#, &["'a", "\"b", r"\c", r"\\d"]),
            ("'' x", &["", "x"]),
            (r"a\ b", &[r"a\", "b"]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        assert!(words(r"'a \'").is_none() && words("a'").is_none());
    }

    #[test]
    fn an_empty_file_only_hides_another_one() {
        assert!(Hook::parse("").unwrap().triggers.is_empty());
    }

    #[test]
    fn what_pacman_refuses_is_refused() {
        for (from, to) in [
            ("Type = Path\n", ""),
            ("When = PostTransaction\n", ""),
            ("Operation = Install\nOperation=Upgrade\n", ""),
            ("[Action]", "[Acton]"),
            ("NeedsTargets", "NeedTargets"),
            ("x\\ y", "'x"),
        ] {
            assert!(Hook::parse(&HOOK.replace(from, to)).is_err(), "{from}");
        }
    }
}
