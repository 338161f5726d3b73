//! What only one family of distributions understands, and the repositories,
//! which each names in its own way.

use super::super::written::{Written, WrittenRepository};
use super::super::{
    Arch, Component, Debian, Distribution, Family, Key, Recipe, RecipeError, Repository, SigLevel,
    SourcePath,
};
use super::{Context, Step};
use hatchery_image::Architecture;

/// What an Arch mirror's address must hold.
const REPO: &str = "$repo";

/// Arch Linux's own repositories that are used unless others are named.
const ARCH: [&str; 2] = ["core", "extra"];

/// Those of Arch Linux ARM.
const ARCH_ARM: [&str; 3] = ["core", "extra", "alarm"];

/// What no repository can be called: the section of pacman.conf for everything
/// else, and what is installed.
const RESERVED: [&str; 2] = ["options", "local"];

impl Context<'_> {
    /// The family's own part, and where packages come from.
    pub(super) fn family(
        &mut self,
        written: &Written,
        architecture: Architecture,
    ) -> Result<(Family, Vec<Repository>), RecipeError> {
        self.foreign_keys(written)?;
        let key = match &written.key {
            Some(path) => Some(self.key(&["key".into()], path)?),
            None => None,
        };
        match written.distribution {
            Distribution::Debian => {
                let debian = self.debian(written)?;
                let repositories = self.suites(written, &debian, key)?;
                Ok((Family::Debian(debian), repositories))
            }
            Distribution::Arch => {
                let arch = self.arch(written, architecture)?;
                let repositories = self.named(written, architecture, key)?;
                Ok((Family::Arch(arch), repositories))
            }
        }
    }

    /// Refuses keys that the recipe's distribution has no use for.
    fn foreign_keys(&self, written: &Written) -> Result<(), RecipeError> {
        let (others, keys): (_, &[_]) = match written.distribution {
            Distribution::Arch => (
                "Debian's; Arch Linux has no such thing",
                &[
                    ("release", written.release.is_some()),
                    ("variant", written.variant.is_some()),
                    ("components", written.components.is_some()),
                    ("recommends", written.recommends),
                    ("accept_expired", written.accept_expired),
                ],
            ),
            Distribution::Debian => (
                "Arch Linux's; Debian has no such thing",
                &[
                    ("pacman", !written.pacman.is_empty()),
                    ("snapshots", !written.snapshots.is_empty()),
                ],
            ),
        };
        match keys.iter().find(|(_, is_there)| *is_there) {
            Some((key, _)) => {
                Err(self.wrong(&[Step::Key(key)], format!("the key {key:?} is {others}")))
            }
            None => Ok(()),
        }
    }

    fn debian(&self, written: &Written) -> Result<Debian, RecipeError> {
        for (n, package) in written.packages.iter().enumerate() {
            let name = package.as_str();
            let allowed =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
            if name.len() < 2 || !name.bytes().all(allowed) {
                let message = format!(
                    "{name:?} is not the name of a Debian package: two or more of a-z, 0-9, '+', '-' and '.'"
                );
                return Err(self.wrong(&["packages".into(), n.into()], message));
            }
        }
        let release = written.release.clone().ok_or_else(|| {
            self.wrong(
                &[],
                "the key \"release\" is missing; for Debian it is a code name such as \"trixie\"",
            )
        })?;
        let components = match &written.components {
            None => vec!["main".parse().expect("main is a component")],
            Some(list) if list.is_empty() => {
                return Err(self.wrong(&["components".into()], "at least one component is needed"));
            }
            Some(list) => list.clone(),
        };
        Ok(Debian {
            release,
            variant: written.variant.unwrap_or_default(),
            components,
            recommends: written.recommends,
        })
    }

    /// Debian's repositories: the release itself, then those that are named.
    fn suites(
        &mut self,
        written: &Written,
        debian: &Debian,
        key: Option<Key>,
    ) -> Result<Vec<Repository>, RecipeError> {
        self.has_mirrors(written)?;
        let mut repositories = vec![Repository {
            mirrors: written.mirrors.clone(),
            shares_mirrors: true,
            suite: debian.release.clone(),
            components: debian.components.clone(),
            key,
            sig_level: SigLevel::default(),
        }];
        for (n, one) in written.repository.iter().enumerate() {
            let at = |key| [Step::from("repository"), n.into(), Step::Key(key)];
            for (key, is_there) in [
                ("name", one.name.is_some()),
                ("sig_level", one.sig_level.is_some()),
            ] {
                if is_there {
                    let message = format!(
                        "{key:?} is Arch Linux's; a repository of Debian has a \"suite\", and is always signed"
                    );
                    return Err(self.wrong(&at(key), message));
                }
            }
            let suite = one.suite.clone().ok_or_else(|| {
                self.wrong(
                    &at("suite")[..2],
                    "the key \"suite\" is missing, such as \"trixie-updates\"",
                )
            })?;
            let components = self.components(n, one, &repositories[0].components)?;
            repositories.push(Repository {
                suite,
                components,
                ..self.repository(n, one, &repositories[0])?
            });
        }
        Ok(repositories)
    }

    fn components(
        &self,
        n: usize,
        written: &WrittenRepository,
        own: &[Component],
    ) -> Result<Vec<Component>, RecipeError> {
        match &written.components {
            None => Ok(own.to_vec()),
            Some(list) if list.is_empty() => Err(self.wrong(
                &["repository".into(), n.into(), "components".into()],
                "at least one component is needed",
            )),
            Some(list) => Ok(list.clone()),
        }
    }

    fn arch(&self, written: &Written, architecture: Architecture) -> Result<Arch, RecipeError> {
        use Architecture::{Amd64, Arm64, Armhf};
        if !matches!(architecture, Amd64 | Arm64 | Armhf) {
            let message = format!(
                "there is no Arch Linux for {architecture}: it is amd64, and arm64 and armhf as \
                 Arch Linux ARM"
            );
            return Err(self.wrong(&["architecture".into()], message));
        }
        Ok(Arch {
            pacman: written.pacman.clone(),
            snapshots: written.snapshots.clone(),
        })
    }

    /// Arch's repositories: its own ones unless the recipe names them itself,
    /// then those that are named.
    fn named(
        &mut self,
        written: &Written,
        architecture: Architecture,
        key: Option<Key>,
    ) -> Result<Vec<Repository>, RecipeError> {
        self.has_mirrors(written)?;
        for (n, mirror) in written.mirrors.iter().enumerate() {
            if !mirror.as_str().contains(REPO) {
                let message = format!(
                    "the address has to say where the name of a repository goes: {mirror}/$repo/os/$arch"
                );
                return Err(self.wrong(&["mirrors".into(), n.into()], message));
            }
        }
        let own: &[_] = match architecture {
            Architecture::Amd64 => &ARCH,
            _ => &ARCH_ARM,
        };
        let own_ones = own.iter().map(|name| Repository {
            mirrors: written.mirrors.clone(),
            shares_mirrors: true,
            suite: name.parse().expect("these are names of repositories"),
            components: Vec::new(),
            key: key.clone(),
            sig_level: SigLevel::default(),
        });
        let mut repositories: Vec<Repository> = own_ones.collect();
        for (n, one) in written.repository.iter().enumerate() {
            let at = |key| [Step::from("repository"), n.into(), Step::Key(key)];
            for (key, is_there) in [
                ("suite", one.suite.is_some()),
                ("components", one.components.is_some()),
            ] {
                if is_there {
                    let message =
                        format!("{key:?} is Debian's; a repository of Arch Linux has a \"name\"");
                    return Err(self.wrong(&at(key), message));
                }
            }
            let name = one.name.clone().ok_or_else(|| {
                self.wrong(
                    &at("name")[..2],
                    "the key \"name\" is missing, such as \"multilib\"",
                )
            })?;
            if name.as_str().contains('/') {
                return Err(self.wrong(&at("name"), "the name of a repository has no '/'"));
            }
            if RESERVED.contains(&name.as_str()) {
                let message = format!("{name} is no repository: pacman means something else by it");
                return Err(self.wrong(&at("name"), message));
            }
            let repository = Repository {
                suite: name,
                sig_level: one.sig_level.unwrap_or_default(),
                ..self.repository(n, one, &repositories[0])?
            };
            // As in a pacman.conf that is changed: the same name is the same
            // repository.
            match repositories
                .iter_mut()
                .find(|r| r.suite == repository.suite)
            {
                Some(same) => *same = repository,
                None => repositories.push(repository),
            }
        }
        Ok(repositories)
    }

    fn has_mirrors(&self, written: &Written) -> Result<(), RecipeError> {
        if written.mirrors.is_empty() {
            let message = "the key \"mirrors\" needs at least one address; the first is what the image itself will use";
            return Err(self.wrong(&["mirrors".into()], message));
        }
        Ok(())
    }

    /// What every further repository has.
    fn repository(
        &mut self,
        n: usize,
        written: &WrittenRepository,
        main: &Repository,
    ) -> Result<Repository, RecipeError> {
        let shares_mirrors = written.mirrors.is_empty();
        let mirrors = match shares_mirrors {
            true => main.mirrors.clone(),
            false => written.mirrors.iter().cloned().collect(),
        };
        let at = [Step::from("repository"), n.into(), "key".into()];
        let key = match &written.key {
            Some(path) => Some(self.key(&at, path)?),
            None => main.key.clone(),
        };
        Ok(Repository {
            mirrors,
            shares_mirrors,
            key,
            ..main.clone()
        })
    }

    fn key(&mut self, at: &[Step<'_>], path: &SourcePath) -> Result<Key, RecipeError> {
        let name = path.as_path().file_name();
        Ok(Key {
            name: name.map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            content: self.source(at, path, |budget, path| Ok(budget.file(path)?.0))?,
        })
    }
}

impl Recipe {
    /// Whether this is Arch Linux ARM, which has keys and mirrors of its own.
    #[must_use]
    pub fn is_arch_arm(&self) -> bool {
        self.distribution == Distribution::Arch && self.architecture != Architecture::Amd64
    }
}
