//! pacman in a machine that is not booted: the pocket's own, which is newer
//! than the host's may be, in a tree of the pocket.

use crate::pacstrap::{Pacstrap, View};
use crate::pocket::Pocket;
use crate::run::run;
use crate::tree;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where the machine has pacman's configuration.
const CONFIGURATION: &str = "/mnt";

/// Where it has the repositories.
const REPOSITORIES: &str = "/srv/http";

/// The machine.
#[derive(Debug)]
pub struct Inside {
    _folder: TempDir,
    root: PathBuf,
    configuration: PathBuf,
    repositories: PathBuf,
}

impl Inside {
    /// A copy of this tree of the pocket. Ask for [`crate::Need::Nspawn`] and
    /// gpg first.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(tree: &Path, pocket: &Pocket) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("tree");
        tree::copy(tree, &root);
        let configuration = folder.path().join("pacman");
        fs::create_dir(&configuration).expect("a folder");
        let view = View {
            folder: Path::new(CONFIGURATION),
            root: Path::new("/"),
            top: Path::new(REPOSITORIES),
        };
        Pacstrap::of(pocket).configure(&configuration, &view);
        Self {
            _folder: folder,
            root,
            configuration,
            repositories: pocket.path().to_owned(),
        }
    }

    /// Its tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs pacman in it; what it said.
    ///
    /// # Errors
    /// It failed: what it said.
    pub fn pacman(&self, arguments: &[&str]) -> Result<String, String> {
        let root = format!("--directory={}", self.root.display());
        let bind = format!("--bind={}:{CONFIGURATION}", self.configuration.display());
        let repositories = self.repositories.display();
        let repositories = format!("--bind-ro={repositories}:{REPOSITORIES}");
        let machine = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"];
        let settings = ["--pipe", "--resolv-conf=off", &root, &bind, &repositories];
        let configuration = format!("--config={CONFIGURATION}/pacman.conf");
        let pacman = ["pacman", &configuration, "--noconfirm"];
        run(&[&machine[..], &settings, &pacman, arguments].concat())
    }

    /// Asserts that pacman finds nothing missing, changed or wrong but for
    /// what changes in every tree of the pocket: accounts, and a file that a
    /// scriptlet of the pocket made before its package came.
    ///
    /// # Panics
    /// When it does.
    pub fn assert_sound(&self) {
        let said = self.pacman(&["-Dk"]).expect("a database without errors");
        assert!(said.contains("No database errors"), "{said}");
        let said = self.pacman(&["-Qkk"]).expect("a check of all files");
        let known = |line: &str| {
            let files = ["passwd", "group", "shadow", "gshadow", "pocket/late.conf"];
            let changed = |file: &&str| line.contains(&format!("/etc/{file} ("));
            line.ends_with(" 0 altered files") || files.iter().any(changed)
        };
        let wrong: Vec<&str> = said.lines().filter(|line| !known(line)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Asserts that pacman installs more, and runs its scriptlets.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_installs_more(&self) {
        let said = self.pacman(&["-Sy", "pocket-user", "less"]);
        said.expect("two more packages");
        let said = self.pacman(&["-Q", "pocket-user", "less"]);
        let said = said.expect("two more packages in the database");
        assert!(said.starts_with("pocket-user 2:1.0-3\n"), "{said}");
        let notes = fs::read_to_string(self.root.join("var/lib/pocket/user"));
        assert_eq!(
            notes.expect("the notes of a scriptlet"),
            "pre_install 2:1.0-3 in /\npost_install 2:1.0-3, umask 0022\n"
        );
    }
}
