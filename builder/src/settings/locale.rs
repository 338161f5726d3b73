//! `LANG`, and the locale itself where the C library has it not built in.
//!
//! `/etc/locale.conf` is systemd's file; Debian's programs read
//! `/etc/default/locale`, which from trixie on is a link to it. So it is made
//! one in every release.

use super::{Context, PUBLIC, Result, SettingsError};
use crate::recipe::{Distribution, Locale};

/// The list of what `locale-gen` generates.
const GENERATED: &str = "etc/locale.gen";

/// The list of what it could generate.
const SUPPORTED: &str = "usr/share/i18n/SUPPORTED";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let Some(locale) = &context.recipe.locale else {
        return Ok(());
    };
    if !locale.is_builtin() {
        generate(context, locale)?;
    }
    let rootfs = &context.rootfs;
    let text = format!("LANG={locale}\n");
    rootfs.write("etc/locale.conf", text.as_bytes(), PUBLIC)?;
    match context.recipe.distribution {
        Distribution::Arch => {}
        Distribution::Debian => rootfs.link("etc/default/locale", "../locale.conf")?,
    }
    Ok(())
}

fn generate(context: &Context<'_>, locale: &Locale) -> Result<()> {
    let missing = |needed: &str, hint: &str| SettingsError::Missing {
        what: format!("locale = \"{locale}\""),
        needed: needed.to_owned(),
        hint: hint.to_owned(),
    };
    let supported = context.rootfs.text(SUPPORTED)?.ok_or_else(|| {
        missing(
            SUPPORTED,
            "; it comes with the package locales, or with glibc",
        )
    })?;
    let line = entry(&supported, locale)
        .ok_or_else(|| missing("such locale", ", as /usr/share/i18n/SUPPORTED lists them"))?;
    let mut list = context.rootfs.text(GENERATED)?.unwrap_or_default();
    if !list.lines().any(|l| l.trim() == line) {
        if !list.is_empty() && !list.ends_with('\n') {
            list.push('\n');
        }
        list.push_str(line);
        list.push('\n');
        context.rootfs.rewrite(GENERATED, list.as_bytes(), PUBLIC)?;
    }
    context
        .confinement
        .run(&["locale-gen"], None, &[], context.progress)
        .map_err(|source| SettingsError::Program {
            doing: "generate the locale",
            source,
        })?;
    Ok(())
}

/// The line for a locale: its name with or without the charset, as old and
/// young locales are listed, and the charset.
fn entry<'s>(supported: &'s str, locale: &Locale) -> Option<&'s str> {
    let without = locale.as_str().replace(".UTF-8", "");
    supported.lines().map(str::trim).find(|line| {
        line.split_once(' ').is_some_and(|(name, charset)| {
            charset == "UTF-8" && (name == locale.as_str() || name == without)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_found_however_they_are_listed() {
        let supported = "aa_DJ ISO-8859-1\nde_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\nca_ES@valencia UTF-8\naz_IR UTF-8\n";
        let line = |name: &str| entry(supported, &name.parse().unwrap());
        assert_eq!(line("de_DE.UTF-8"), Some("de_DE.UTF-8 UTF-8"));
        assert_eq!(line("az_IR.UTF-8"), Some("az_IR UTF-8"));
        assert_eq!(line("ca_ES.UTF-8@valencia"), Some("ca_ES@valencia UTF-8"));
        assert_eq!(line("aa_DJ.UTF-8"), None);
    }
}
