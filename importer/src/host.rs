//! What this host can run: its kernel, its control groups; and whether a
//! guest can be booted on it.

use hatchery_image::manifest::{Cgroup, Requires};
use std::path::Path;

/// `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const CGROUP2: u64 = 0x6367_7270;

/// First systemd that runs on the unified hierarchy only.
pub(crate) const UNIFIED_SINCE: u32 = 258;

/// How control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// Version 2 only.
    Unified,
    /// Version 1, with version 2 beside it for systemd's own use.
    Hybrid,
    /// Version 1.
    Legacy,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: String,
    /// Its control groups.
    pub hierarchy: Hierarchy,
}

/// Why a guest cannot be booted on a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// The guest needs the unified hierarchy.
    #[error(
        "its {guest} runs on the unified control group hierarchy only, and this host has the {} one; \
         boot the host with systemd.unified_cgroup_hierarchy=1{}",
        if matches!(.hierarchy, Hierarchy::Hybrid) { "hybrid" } else { "legacy" },
        if matches!(.hierarchy, Hierarchy::Hybrid) {
            ", or start the machine with SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 in systemd-nspawn's environment"
        } else { "" }
    )]
    Hierarchy {
        /// What asks for it.
        guest: String,
        /// What the host has.
        hierarchy: Hierarchy,
    },
    /// The host's kernel is too old.
    #[error(
        "it needs Linux {needed} or newer, and this host runs {kernel}; \
         update the host's kernel, or take an image of an older release"
    )]
    Kernel {
        /// Oldest kernel that will do.
        needed: String,
        /// The host's.
        kernel: String,
    },
}

impl Host {
    /// This host.
    #[must_use]
    pub fn current() -> Self {
        let release = rustix::system::uname();
        Self {
            kernel: release.release().to_string_lossy().into_owned(),
            hierarchy: hierarchy(Path::new("/sys/fs/cgroup")),
        }
    }

    /// Whether a guest that needs this can be booted here.
    ///
    /// # Errors
    /// It cannot: why, and a way out.
    pub fn can_boot(&self, requires: &Requires) -> Result<(), Unsuitable> {
        if let Some(needed) = &requires.kernel
            && version(&self.kernel) < version(needed)
        {
            return Err(Unsuitable::Kernel {
                needed: needed.clone(),
                kernel: self.kernel.clone(),
            });
        }
        let is_new = requires.systemd.is_some_and(|v| v >= UNIFIED_SINCE);
        let unified = is_new || requires.cgroup == Cgroup::Unified;
        if unified && self.hierarchy != Hierarchy::Unified {
            return Err(Unsuitable::Hierarchy {
                guest: match requires.systemd {
                    Some(version) => format!("systemd {version}"),
                    None => "init".to_owned(),
                },
                hierarchy: self.hierarchy,
            });
        }
        Ok(())
    }
}

fn hierarchy(mount: &Path) -> Hierarchy {
    let is_unified =
        |path: &Path| rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type as u64 == CGROUP2);
    if is_unified(mount) {
        Hierarchy::Unified
    } else if is_unified(&mount.join("unified")) {
        Hierarchy::Hybrid
    } else {
        Hierarchy::Legacy
    }
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kernel: &str, hierarchy: Hierarchy) -> Host {
        Host {
            kernel: kernel.to_owned(),
            hierarchy,
        }
    }

    fn guest(systemd: u32, kernel: &str) -> Requires {
        Requires {
            systemd: Some(systemd),
            kernel: Some(kernel.to_owned()),
            cgroup: Cgroup::Any,
        }
    }

    #[test]
    fn kernels_are_compared_as_numbers() {
        let host = host("5.10.0-28-amd64", Hierarchy::Unified);
        assert!(host.can_boot(&guest(257, "5.4")).is_ok());
        assert!(host.can_boot(&guest(257, "5.10")).is_ok());
        let text = host.can_boot(&guest(258, "5.14")).unwrap_err().to_string();
        assert!(
            text.contains("5.14") && text.contains("5.10.0-28"),
            "{text}"
        );
    }

    #[test]
    fn a_new_systemd_needs_the_unified_hierarchy() {
        let new = guest(258, "5.4");
        assert!(host("6.1", Hierarchy::Unified).can_boot(&new).is_ok());
        assert!(
            host("6.1", Hierarchy::Hybrid)
                .can_boot(&guest(257, "5.4"))
                .is_ok()
        );
        let hybrid = host("6.1", Hierarchy::Hybrid).can_boot(&new).unwrap_err();
        let text = hybrid.to_string();
        assert!(
            text.contains("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"),
            "{text}"
        );
        let legacy = host("6.1", Hierarchy::Legacy).can_boot(&new).unwrap_err();
        let text = legacy.to_string();
        assert!(
            text.contains("legacy") && !text.contains("NSPAWN"),
            "{text}"
        );
    }

    #[test]
    fn this_host_is_known() {
        assert!(version(&Host::current().kernel) > (2, 6));
    }
}
