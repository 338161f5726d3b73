//! Which preinst scripts do anything when a package is installed for the first
//! time, as far as their text shows.
//!
//! Most are made by debhelper and only deal with upgrades. To leave those out
//! saves starting a shell for each. Whatever is not recognised is run.

use crate::debian::control::Control;

/// The package's preinst, if it does anything.
pub(crate) fn preinst(control: &Control) -> Option<&[u8]> {
    let script = control.file("preinst")?;
    (!is_idle(&script.bytes)).then_some(&script.bytes)
}

/// Whether a script does nothing when called with `install` and no version.
fn is_idle(script: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(script) else {
        return false;
    };
    let mut lines = text.lines().map(str::trim);
    if !lines
        .next()
        .is_some_and(|first| first.starts_with("#!") && first.contains("sh"))
    {
        return false;
    }
    while let Some(line) = lines.next() {
        let idle = line.is_empty()
            || line.starts_with('#')
            || matches!(line, "set -e" | "set -eu" | "set -u" | "exit 0")
            || is_idle_helper(line)
            || (is_false_condition(line) && skip_block(&mut lines));
        if !idle {
            return false;
        }
    }
    true
}

/// `dpkg-maintscript-helper` compares with the version that is upgraded from.
fn is_idle_helper(line: &str) -> bool {
    let Some(arguments) = line.strip_prefix("dpkg-maintscript-helper ") else {
        return false;
    };
    arguments.ends_with(r#"-- "$@""#) && !arguments.contains([';', '&', '|', '`', '(', '>', '<'])
}

/// An `if` that wants an earlier version, or an upgrade.
fn is_false_condition(line: &str) -> bool {
    let condition = line
        .strip_prefix("if ")
        .and_then(|rest| rest.strip_suffix("then"))
        .map(|rest| rest.trim_end().trim_end_matches(';').trim_end());
    let Some(condition) = condition else {
        return false;
    };
    let unclear = ["||", " -o ", ";", "`", "!"];
    if unclear.iter().any(|word| condition.contains(word)) {
        return false;
    }
    let wants = [
        r#"[ -n "$2" ]"#,
        r#"[ "$1" = upgrade ]"#,
        r#"[ "$1" = "upgrade" ]"#,
    ];
    condition
        .split("&&")
        .any(|part| wants.contains(&part.trim()))
}

/// Skips to the matching `fi`. False if there is an `else`, or no end.
fn skip_block<'l>(lines: &mut impl Iterator<Item = &'l str>) -> bool {
    let mut depth = 1;
    for line in lines {
        let word = line.split([' ', ';', '\t']).next().unwrap_or_default();
        match word {
            "if" if !(line.ends_with("fi") || line.contains("; fi")) => depth += 1,
            "fi" => depth -= 1,
            "else" | "elif" if depth == 1 => return false,
            _ if line.contains("<<") => return false,
            _ => {}
        }
        if depth == 0 {
            return matches!(line, "fi" | "fi;");
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(text: &str) -> bool {
        is_idle(format!("#!/bin/sh\n{text}").as_bytes())
    }

    #[test]
    fn what_debhelper_makes_for_upgrades_is_idle() {
        assert!(idle(
            "set -e\n# Automatically added by dh_installdeb/13.24.2\n\
             dpkg-maintscript-helper rm_conffile /etc/securetty 1:4.7-1\\~ -- \"$@\"\n\
             # End automatically added section\n"
        ));
        assert!(idle(
            "set -e\nif [ \"$1\" = \"install\" ] && [ -n \"$2\" ] && [ -e \"/etc/init.d/cron\" ] ; \
             then\n\tchmod +x \"/etc/init.d/cron\" >/dev/null || true\nfi\nexit 0\n"
        ));
        assert!(idle(
            "if [ -z \"$DPKG_ROOT\" ] && [ \"$1\" = upgrade ] && [ -d /run/systemd/system ] ; then\n\
             \tif true; then\n\t\trm x\n\telse\n\t\ttrue\n\tfi\nfi\n"
        ));
    }

    #[test]
    fn everything_else_is_run() {
        for text in [
            "mkdir -p /var/lib/python\n",
            "exit 1\n",
            "if [ \"$1\" = install ]; then\ntouch x\nfi\n",
            "if [ \"$1\" = upgrade ]; then\nrm x\nelse\ntouch x\nfi\n",
            "if [ \"$1\" = upgrade ] || true; then\nrm x\nfi\n",
            "if ! [ \"$1\" = upgrade ]; then\nrm x\nfi\n",
            "if [ ! \"$1\" = upgrade ]; then\nrm x\nfi\n",
            "if [ \"$1\" = upgrade ]; then\nrm x\nfi; touch x\n",
            "if [ \"$1\" = upgrade ]; then\nrm x\n",
            "dpkg-maintscript-helper rm_conffile /etc/x 1 -- \"$@\"; touch x\n",
            "set -e; touch x\n",
        ] {
            assert!(!idle(text), "{text:?}");
        }
        assert!(!is_idle(b"\x7fELF"));
        assert!(!is_idle(b"#!/usr/bin/perl\n"));
        assert!(!is_idle(b""));
    }
}
