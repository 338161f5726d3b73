//! What a guest needs of its host, from the version of its systemd.
//!
//! Source: systemd's `README` and `NEWS`. 258 removed the legacy and hybrid
//! control group hierarchies and raised the oldest kernel to 5.4; before it
//! (208 to 257) the oldest kernel was 3.15 or less.

use hatchery_image::manifest::{Cgroup, Package, Requires};

/// First systemd without legacy control groups, and its oldest kernel.
const UNIFIED_ONLY: (u32, &str) = (258, "5.4");

/// Oldest kernel of the systemds before that.
const KERNEL_BEFORE: &str = "3.15";

/// What the packages of an image need of a host.
#[must_use]
pub fn requires(packages: &[Package]) -> Requires {
    let systemd = packages
        .iter()
        .find(|p| p.name == "systemd")
        .and_then(|p| upstream_major(&p.version));
    match systemd {
        Some(version) if version >= UNIFIED_ONLY.0 => Requires {
            systemd,
            kernel: Some(UNIFIED_ONLY.1.to_owned()),
            cgroup: Cgroup::Unified,
        },
        Some(_) => Requires {
            systemd,
            kernel: Some(KERNEL_BEFORE.to_owned()),
            cgroup: Cgroup::Any,
        },
        None => Requires::default(),
    }
}

/// `257` of `257.13-1~deb13u1`, `1:257-2` or `258~rc1-1`.
fn upstream_major(version: &str) -> Option<u32> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let digits = upstream
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(upstream.len());
    upstream[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::Sha256;

    fn with_systemd(version: &str) -> Requires {
        requires(&[Package {
            name: "systemd".to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            size: 0,
            installed_size: 0,
            sha256: Sha256::of(b""),
            licenses: Vec::new(),
        }])
    }

    #[test]
    fn only_systemd_258_and_later_need_the_unified_hierarchy() {
        assert_eq!(with_systemd("257.13-1~deb13u1").cgroup, Cgroup::Any);
        assert_eq!(with_systemd("258~rc1-1").cgroup, Cgroup::Unified);
        assert_eq!(with_systemd("1:260.1-2").systemd, Some(260));
        assert_eq!(with_systemd("258-1").kernel.as_deref(), Some("5.4"));
    }

    #[test]
    fn an_image_without_systemd_needs_nothing() {
        assert_eq!(requires(&[]), Requires::default());
    }
}
