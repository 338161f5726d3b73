//! What a recipe asks of Arch Linux, and where it is looked for.
//!
//! Mirrors are templates, as in pacman.conf: `$repo` and `$arch` stand for
//! the names of a repository and of the architecture. An archive-style mirror
//! keeps the state of each day in a folder `YYYY/MM/DD` before `$repo`.

use super::keyring::keyring;
use crate::family::{RepositoryKeyError, keys};
use crate::host::Source;
use crate::plan::{Wanted, WantedRepository};
use crate::recipe::{self, Arch, Pacman, Recipe, SigLevel};
use hatchery_image::keyring::{KeyringError, Policy};
use hatchery_image::{Architecture, Keyring};
use hatchery_transfer::Location;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

/// Where the name of a repository goes in a mirror's address.
const REPO: &str = "$repo";

/// Where the name of the architecture goes.
const ARCH: &str = "$arch";

/// What follows an address that does not say where the repository's name goes.
const LAYOUT: &str = "$repo/os/$arch";

/// What a plan calls its release when it is not that of one day.
const ROLLING: &str = "rolling";

/// Which states of an archive-style mirror may hold a package that was the
/// newest on some day: that of the next one, made in its first hours, and
/// those around it.
const DAYS: [i32; 3] = [1, 0, 2];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Architecture.
    pub architecture: Architecture,
    /// The day whose state is wanted; none: the newest.
    pub snapshot: Option<Date>,
    /// What to install: packages, groups, or what packages provide.
    pub packages: Vec<String>,
    /// pacman's own settings.
    pub pacman: Pacman,
    /// Where packages come from; of two with the same name, the first one's.
    pub repositories: Vec<Repository>,
    /// What is put into the tree before the first package.
    pub hooks: Vec<recipe::File>,
}

/// A repository somewhere.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name, such as `core`, which is also that of its database.
    pub name: String,
    /// Where it lies.
    pub locations: Vec<Location>,
    /// Mirrors, without a day, that keep each day's state.
    pub archives: Vec<Location>,
    /// Whose signatures count.
    pub keyring: Keyring,
    /// How strict to be with them.
    pub policy: Policy,
    /// What must be signed.
    pub sig_level: SigLevel,
}

/// What is known of mirrors besides what the recipe says.
#[derive(Clone, Copy, Debug)]
pub struct Mirrors<'a> {
    /// Those that the user named: tried first, as archive-style ones if a
    /// snapshot is wanted.
    pub named: &'a [Location],
    /// Those of a host that is an Arch Linux itself: tried next.
    pub host: &'a [Source],
    /// The day whose state is wanted.
    pub snapshot: Option<Date>,
    /// Whether exact packages are wanted, which may have left the mirrors.
    pub is_locked: bool,
}

impl Request {
    /// What `recipe` asks for.
    ///
    /// # Errors
    /// A key that is missing or cannot be read.
    pub fn of(
        recipe: &Recipe,
        arch: &Arch,
        mirrors: &Mirrors<'_>,
    ) -> Result<Self, RepositoryKeyError> {
        // Read once, so that repositories share what is known of its keys.
        let mut shared = None;
        let mut own = || match &shared {
            Some(known) => Ok(Keyring::clone(known)),
            None => keyring().inspect(|read| shared = Some(read.clone())),
        };
        let repositories: Result<_, _> = recipe
            .repositories
            .iter()
            .map(|r| repository(r, recipe, arch, mirrors, &mut own))
            .collect();
        let packages = recipe.effective_packages();
        Ok(Self {
            architecture: recipe.architecture,
            snapshot: mirrors.snapshot,
            packages: packages.iter().map(ToString::to_string).collect(),
            pacman: arch.pacman.clone(),
            repositories: repositories?,
            hooks: recipe.hooks().cloned().collect(),
        })
    }

    /// What decides which packages are taken, for a lock.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut packages = self.packages.clone();
        packages.sort();
        packages.dedup();
        let release = self.snapshot.map(|day| day.to_string());
        let Pacman {
            ignore_pkg,
            ignore_group,
            ..
        } = &self.pacman;
        let ignored = ignore_pkg.iter().map(ToString::to_string);
        let groups = ignore_group.iter().map(|g| format!("group {g}"));
        Wanted {
            distribution: recipe::Distribution::Arch.id().to_owned(),
            release: release.unwrap_or_else(|| ROLLING.to_owned()),
            architecture: self.architecture,
            variant: String::new(),
            recommends: false,
            packages,
            ignored: ignored.chain(groups).collect(),
            repositories: self
                .repositories
                .iter()
                .map(|r| WantedRepository {
                    suite: r.name.clone(),
                    components: Vec::new(),
                })
                .collect(),
        }
    }

    /// Where the packages of a repository whose database is of `date` may be:
    /// on its mirrors, and on those that keep the days after it.
    #[must_use]
    pub fn locations(&self, name: &str, date: Timestamp) -> Vec<Location> {
        let Some(repository) = self.repositories.iter().find(|r| r.name == name) else {
            return Vec::new();
        };
        let mut locations = repository.locations.clone();
        let day = Offset::UTC.to_datetime(date).date();
        for archive in &repository.archives {
            let days = DAYS.iter().filter_map(|n| day.checked_add(n.days()).ok());
            let places = days.map(|day| expanded(archive, name, self.architecture, Some(day)));
            locations.extend(places);
        }
        locations
    }
}

fn repository(
    written: &recipe::Repository,
    recipe: &Recipe,
    arch: &Arch,
    mirrors: &Mirrors<'_>,
    own_keys: &mut dyn FnMut() -> Result<Keyring, KeyringError>,
) -> Result<Repository, RepositoryKeyError> {
    let name = written.suite.as_str().to_owned();
    if written.key.is_none() && recipe.is_arch_arm() && written.sig_level != SigLevel::Never {
        return Err(RepositoryKeyError::Missing {
            repository: name,
            of: "Arch Linux ARM",
        });
    }
    let own = |address: &str| {
        let text = address.replace(REPO, &name);
        let text = text.replace(ARCH, recipe.architecture.machine());
        // One that cannot be fetched from is passed over: others may do.
        Location::parse(&text).ok()
    };
    let place =
        |location: &Location| expanded(location, &name, recipe.architecture, mirrors.snapshot);
    let archives = arch.snapshots.iter();
    let archives: Vec<_> = archives
        .filter_map(|m| Location::parse(m.as_str()).ok())
        .collect();
    let mut locations: Vec<Location> = Vec::new();
    if written.shares_mirrors {
        locations.extend(mirrors.named.iter().map(place));
        if mirrors.snapshot.is_some() {
            locations.extend(archives.iter().map(place));
        }
    }
    // A state of the past is not on the mirrors of today, but its packages
    // may be.
    if mirrors.snapshot.is_none() || mirrors.is_locked || !written.shares_mirrors {
        if written.shares_mirrors && !recipe.is_arch_arm() {
            locations.extend(mirrors.host.iter().filter_map(|s| own(&s.uri)));
        }
        locations.extend(written.mirrors.iter().filter_map(|m| own(m.as_str())));
    }
    Ok(Repository {
        locations,
        archives: match mirrors.is_locked && written.shares_mirrors {
            true => archives,
            false => Vec::new(),
        },
        keyring: keys(written, "keys/archlinux.pgp", own_keys)?,
        policy: match written.key {
            Some(_) => Policy::Standard,
            None => Policy::Arch,
        },
        sig_level: written.sig_level,
        name,
    })
}

/// An address with the names filled in, and the day before that of the
/// repository.
fn expanded(
    location: &Location,
    repository: &str,
    architecture: Architecture,
    day: Option<Date>,
) -> Location {
    let fill = |path: &str| {
        let mut template = match path.contains(REPO) {
            true => path.to_owned(),
            false => format!("{}/{LAYOUT}", path.trim_end_matches('/')),
        };
        if let Some(day) = day {
            let dated = format!("{}/{REPO}", day.strftime("%Y/%m/%d"));
            template = template.replacen(REPO, &dated, 1);
        }
        let filled = template.replace(REPO, repository);
        filled.replace(ARCH, architecture.machine())
    };
    match location {
        Location::Http(url) => {
            let mut url = url.clone();
            let path = fill(url.path());
            url.set_path(&format!("{}/", path.trim_end_matches('/')));
            Location::Http(url)
        }
        Location::Folder(folder) => match folder.to_str() {
            Some(path) => Location::Folder(fill(path).into()),
            None => location.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_filled_in_with_and_without_a_day() {
        let day = Some("2026-11-01".parse().unwrap());
        for (address, day, wanted) in [
            ("http://m.example", None, "http://m.example/core/os/x86_64/"),
            (
                "http://m.example/arch/$repo/os/$arch",
                None,
                "http://m.example/arch/core/os/x86_64/",
            ),
            (
                "http://m.example/$arch/$repo",
                None,
                "http://m.example/x86_64/core/",
            ),
            ("/srv/arch", None, "/srv/arch/core/os/x86_64"),
            (
                "https://a.example/repos",
                day,
                "https://a.example/repos/2026/11/01/core/os/x86_64/",
            ),
            ("/srv/$repo/os/$arch", day, "/srv/2026/11/01/core/os/x86_64"),
        ] {
            let location = Location::parse(address).unwrap();
            let found = expanded(&location, "core", Architecture::Amd64, day);
            assert_eq!(found.to_string(), wanted);
        }
    }
}
