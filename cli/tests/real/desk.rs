//! A folder with a recipe of a small Debian, whose packages come from the
//! host's own mirror, and a cache of its own for each build that wants one.

use crate::hatchery::{Ran, run};
use hatchery_tests::run::run as run_program;
use hatchery_tests::{Need, host};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const NEEDS: [Need; 2] = [Need::Root, Need::Network];

/// The time of all builds: 2026-01-02, day 20455.
pub(super) const EPOCH: &str = "1767312000";
pub(super) const EPOCH_DAY: &str = "20455";

/// A folder to build in.
pub(super) struct Desk {
    folder: PathBuf,
    formats: &'static str,
}

impl Desk {
    /// With a recipe of the usual packages and these `lines`, and its lock.
    pub(super) fn new(folder: &Path, formats: &'static str, lines: &str) -> Self {
        let desk = Self {
            folder: folder.to_owned(),
            formats,
        };
        desk.recipe("", lines);
        let shared = shared_cache();
        let ran = desk.run(&["plan", "real.toml", "--cache-dir", shared.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        desk
    }

    /// A desk elsewhere with the same recipe and lock.
    pub(super) fn copy_to(&self, folder: &Path) -> Self {
        for name in ["real.toml", "real.lock"] {
            fs::copy(self.path(name), folder.join(name)).unwrap();
        }
        Self {
            folder: folder.to_owned(),
            formats: self.formats,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes the recipe, with these packages and lines besides the usual.
    pub(super) fn recipe(&self, packages: &str, lines: &str) {
        let text = format!(
            "name = \"real\"\ndistribution = \"debian\"\nrelease = \"trixie\"\n\
             variant = \"essential\"\nmirrors = [\"{}\"]\n\
             packages = [\"dbus\", \"libnss-resolve\", \"systemd-resolved\", \"systemd-sysv\"{packages}]\n\
             archive = {{ formats = [{}], zstd_level = 1, xz_level = 0 }}\n{lines}\n",
            host::mirror()
                .expect("the host's mirror")
                .trim_end_matches('/'),
            self.formats,
        );
        fs::write(self.path("real.toml"), text).unwrap();
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.folder, arguments)
    }

    /// Downloads into the shared cache, and copies what was downloaded, and
    /// nothing else, into this desk's own.
    pub(super) fn fill_cache(&self) {
        let shared = shared_cache();
        let marker = shared.join("filled");
        let lock = fs::read(self.path("real.lock")).unwrap();
        if fs::read(&marker).ok().as_ref() != Some(&lock) {
            let cache = shared.to_str().unwrap();
            let output = self.path("filling");
            let output = output.to_str().unwrap();
            let arguments = ["build", "real.toml", "--locked", "--no-sign"];
            let ran =
                self.run(&[&arguments[..], &["--cache-dir", cache, "--output", output]].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            fs::remove_dir_all(output).unwrap();
            fs::write(marker, lock).unwrap();
        }
        let own = self.path("cache/hatchery");
        fs::create_dir_all(&own).unwrap();
        let from = shared.join("sha256");
        run_program(&["cp", "-r", from.to_str().unwrap(), own.to_str().unwrap()]).unwrap();
    }

    /// The build's arguments.
    pub(super) const BUILD: [&'static str; 4] = ["build", "real.toml", "--locked", "--no-sign"];

    /// The digests of what was built.
    pub(super) fn image(&self) -> BTreeMap<String, String> {
        digests(&self.path("images/real"))
    }
}

/// Name and SHA-256 of each file in a folder.
pub(super) fn digests(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let sum = run_program(&["sha256sum", path.to_str().unwrap()]).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, sum.split(' ').next().unwrap().to_owned())
        })
        .collect()
}

/// Where all tests download to, once.
fn shared_cache() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    fs::create_dir_all(&path).unwrap();
    path
}
