//! Where pacman in the image finds packages, and whom it trusts.
//!
//! The package's own `pacman.conf` is kept up to its repositories, so that
//! what a newer pacman sets there stays; the repositories are the recipe's.
//! Mirrors are never those that the build itself used, only what the recipe
//! names. Every signature is required: nothing here weakens what pacman asks
//! of packages unless the recipe does for a repository of its own.
//!
//! pacman's keyring holds a secret master key, which each machine must make
//! for itself. That takes some 20 seconds, so it is done after the first boot
//! and not during it, in a folder that is renamed when it is whole; archiso's
//! `pacman-init.service` does it before anything else starts.

use super::{Context, PUBLIC, Result, SettingsError};
use crate::recipe::{Key, Pacman, Recipe, Repository, SigLevel};
use hatchery_image::Keyring;
use std::fmt::Write as _;

/// pacman's configuration.
const CONFIG: &str = "etc/pacman.conf";

/// The list of the distribution's mirrors.
const MIRRORS: &str = "etc/pacman.d/mirrorlist";

/// What makes pacman's keyring.
const PACMAN_KEY: &str = "usr/bin/pacman-key";

/// Where `pacman-key --populate` finds keys to trust.
const KEYRINGS: &str = "usr/share/pacman/keyrings";

/// The unit that makes the keyring, and the link that starts it.
const UNIT: &str = "etc/systemd/system/pacman-init.service";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants/pacman-init.service";

const UNIT_TEXT: &str = "\
[Unit]
Description=Make this machine's own keyring of pacman
Documentation=man:pacman-key(8)
ConditionPathExists=!/etc/pacman.d/gnupg

[Service]
# Not oneshot: the boot does not wait for it.
Type=exec
ExecStart=/bin/sh -ec '\\
    rm -rf /etc/pacman.d/gnupg.new; \\
    mkdir -m 755 /etc/pacman.d/gnupg.new; \\
    pacman-key --gpgdir /etc/pacman.d/gnupg.new --init; \\
    pacman-key --gpgdir /etc/pacman.d/gnupg.new --populate; \\
    gpgconf --homedir /etc/pacman.d/gnupg.new --kill all; \\
    mv -T /etc/pacman.d/gnupg.new /etc/pacman.d/gnupg'

[Install]
WantedBy=multi-user.target
";

pub(super) fn apply(context: &Context<'_>, pacman: &Pacman) -> Result<()> {
    let rootfs = &context.rootfs;
    let Some(config) = rootfs.text(CONFIG)? else {
        return Ok(());
    };
    let text = config_text(&config, context.recipe, pacman);
    rootfs.write(CONFIG, text.as_bytes(), PUBLIC)?;
    let text = mirrors_text(context.recipe);
    rootfs.write(MIRRORS, text.as_bytes(), PUBLIC)?;
    if !rootfs.exists(PACMAN_KEY)? {
        return Ok(());
    }
    for (n, key) in keys(context.recipe).iter().enumerate() {
        write_key(context, n + 1, key)?;
    }
    rootfs.write(UNIT, UNIT_TEXT.as_bytes(), PUBLIC)?;
    rootfs.link(WANTS, "../pacman-init.service")?;
    Ok(())
}

/// The options of a pacman.conf, and the recipe's repositories.
fn config_text(old: &str, recipe: &Recipe, pacman: &Pacman) -> String {
    let is_repository = |line: &&str| line.starts_with('[') && *line != "[options]";
    let key = |line: &str| line.split('=').next().unwrap_or("").trim().to_owned();
    let options = old.lines().take_while(|line| !is_repository(&line.trim()));
    let options = options.filter(|line| key(line) != "SigLevel");
    let mut text: String = options.flat_map(|line| [line, "\n"]).collect();
    let mut set = |key: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    set("SigLevel", SigLevel::Required.pacman());
    for (key, globs) in [
        ("IgnorePkg", &pacman.ignore_pkg),
        ("IgnoreGroup", &pacman.ignore_group),
        ("NoExtract", &pacman.no_extract),
    ] {
        globs.iter().for_each(|glob| set(key, glob.as_str()));
    }
    for repository in &recipe.repositories {
        let _ = write!(text, "\n[{}]\n", repository.suite);
        if !repository.sig_level.is_default() {
            let _ = writeln!(text, "SigLevel = {}", repository.sig_level.pacman());
        }
        if repository.shares_mirrors {
            let _ = writeln!(text, "Include = /{MIRRORS}");
        } else {
            servers(repository, &mut text);
        }
    }
    text
}

fn mirrors_text(recipe: &Recipe) -> String {
    let mut text = String::new();
    let own = recipe.repositories.iter().find(|r| r.shares_mirrors);
    own.into_iter().for_each(|own| servers(own, &mut text));
    text
}

/// The mirrors that a machine elsewhere can reach.
fn servers(repository: &Repository, text: &mut String) {
    for mirror in &repository.mirrors {
        if !mirror.as_str().starts_with("file:") {
            let _ = writeln!(text, "Server = {mirror}");
        }
    }
}

/// The keys of the recipe, each once.
fn keys(recipe: &Recipe) -> Vec<&Key> {
    let mut keys: Vec<&Key> = Vec::new();
    for key in recipe.repositories.iter().filter_map(|r| r.key.as_ref()) {
        if !keys.iter().any(|known| known.content == key.content) {
            keys.push(key);
        }
    }
    keys
}

/// Writes a key where the keyring of a machine is made from, as one that its
/// own master key will vouch for.
fn write_key(context: &Context<'_>, number: usize, key: &Key) -> Result<()> {
    let bytes = key.content.bytes();
    let keyring = Keyring::parse(bytes).map_err(|source| SettingsError::Key {
        name: key.name.clone(),
        source,
    })?;
    let trusted: String = keyring
        .fingerprints()
        .iter()
        .map(|fingerprint| format!("{fingerprint}:4:\n"))
        .collect();
    let path = format!("{KEYRINGS}/image-{number}");
    let rootfs = &context.rootfs;
    rootfs.write(&format!("{path}.gpg"), bytes, PUBLIC)?;
    rootfs.write(&format!("{path}-trusted"), trusted.as_bytes(), PUBLIC)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::Architecture;
    use std::path::Path;

    #[test]
    fn options_are_kept_and_repositories_are_the_recipes() {
        let recipe = "name = \"x\"\ndistribution = \"arch\"\n\
            mirrors = [\"file:///srv/$repo\", \"https://m.example/$repo/os/$arch\"]\n\
            [pacman]\nignore_pkg = [\"linux\"]\n\
            [[repository]]\nname = \"own\"\nmirrors = [\"http://own.example/x\"]\nsig_level = \"never\"\n";
        let recipe = Recipe::parse(recipe, Path::new("x.toml"), Architecture::Amd64).unwrap();
        let crate::recipe::Family::Arch(arch) = &recipe.family else {
            panic!("{:?}", recipe.family);
        };
        let old =
            "#\n[options]\nDownloadUser = alpm\nSigLevel = Never\n#[testing]\n[core]\nServer = x\n";
        assert_eq!(
            config_text(old, &recipe, &arch.pacman),
            "#\n[options]\nDownloadUser = alpm\n#[testing]\nSigLevel = Required DatabaseOptional\n\
             IgnorePkg = linux\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\n\
             Include = /etc/pacman.d/mirrorlist\n\n[own]\nSigLevel = Never\n\
             Server = http://own.example/x\n"
        );
        assert_eq!(
            mirrors_text(&recipe),
            "Server = https://m.example/$repo/os/$arch\n"
        );
    }
}
