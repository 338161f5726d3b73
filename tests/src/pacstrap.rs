//! pacstrap, the bootstrap of Arch's that ours is compared with: installs
//! from repositories in a folder and leaves nothing but the tree.
//!
//! Of pacstrap 28 and pacman 6 or 7: `-G` and `-M` copy no keyring and no
//! list of mirrors of the host's into the tree, and `-c` keeps packages in the
//! cache that the configuration names, which is thrown away. `HookDir` is the
//! tree's own: pacman looks for `/etc/pacman.d/hooks` on the host otherwise,
//! whatever its root is. Whom to trust is
//! said by a GnuPG home with the one key, in a keybox, which pacman takes for
//! read-only: it asks no server for keys that are missing. (`pacman-key
//! --init` would take seconds.) Mounts are made in a mount namespace, so that none can be left.

use crate::pocket::{Key, PkgRepository, Pocket};
use crate::run::run;
use crate::tree;
use hatchery_image::Sha256;
use hatchery_image::signer::Home;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// With what trees are made. When it changes, so do their names.
const RECIPE: &str = "1";

/// What pacstrap needs besides root.
pub const PROGRAMS: [&str; 2] = ["pacstrap", "pacman"];

/// Repositories, and whom to trust about them.
#[derive(Clone, Debug)]
pub struct Pacstrap {
    /// The folder that `$repo/os/$arch` is beneath.
    pub top: PathBuf,
    /// Names of the repositories, the first one first.
    pub repositories: Vec<String>,
    /// Whose signatures count.
    pub key: Key,
    /// More lines of the section `[options]`.
    pub options: Vec<String>,
}

/// Where pacman finds things: elsewhere than we do, if it runs in a machine.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The folder of its configuration.
    pub folder: &'a Path,
    /// The tree that it changes.
    pub root: &'a Path,
    /// The folder that `$repo/os/$arch` is beneath.
    pub top: &'a Path,
}

impl Pacstrap {
    /// From the pocket.
    #[must_use]
    pub fn of(pocket: &Pocket) -> Self {
        Self {
            top: pocket.path().to_owned(),
            repositories: Pocket::REPOSITORIES.map(str::to_owned).to_vec(),
            key: pocket.key(),
            options: Vec::new(),
        }
    }

    /// From one small repository beneath `top`.
    #[must_use]
    pub fn from_one(top: &Path, repository: &PkgRepository) -> Self {
        Self {
            top: top.to_owned(),
            repositories: vec![repository.name().to_owned()],
            key: repository.key().clone(),
            options: Vec::new(),
        }
    }

    /// Writes a configuration of pacman's for these repositories, and what it
    /// names, into a folder: `pacman.conf`.
    ///
    /// # Panics
    /// When gpg does not take the key.
    pub fn configure(&self, folder: &Path, view: &View<'_>) {
        let home = folder.join("gnupg");
        let home = Home::create(&home).expect("a GnuPG home");
        let path = text(home.path().expect("a private home"));
        for (file, bytes) in [
            ("key", self.key.public()),
            ("trust", format!("{}:6:\n", self.key.fingerprint()).into()),
        ] {
            fs::write(folder.join(file), bytes).expect("the key");
        }
        let gpg = ["gpg", "--batch", "--quiet", "--homedir", path];
        let (key, trust) = (folder.join("key"), folder.join("trust"));
        run(&[&gpg[..], &["--import", text(&key)]].concat()).expect("the key in a home");
        let import = ["--import-ownertrust", text(&trust)];
        run(&[&gpg[..], &import].concat()).expect("trust in the key");
        home.stop_agent().expect("no agent");
        let cache = folder.join("cache");
        fs::create_dir_all(&cache).expect("a cache");
        fs::write(folder.join("pacman.conf"), self.text(view)).expect("a configuration");
    }

    fn text(&self, view: &View<'_>) -> String {
        let folder = view.folder.display();
        let mut text = format!(
            "[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseOptional\n\
             LocalFileSigLevel = Required\nGPGDir = {folder}/gnupg\nCacheDir = {folder}/cache\n\
             HookDir = {}\n",
            view.root.join("etc/pacman.d/hooks").display()
        );
        for line in &self.options {
            let _ = writeln!(text, "{line}");
        }
        let top = view.top.display();
        for repository in &self.repositories {
            let _ = write!(
                text,
                "\n[{repository}]\nServer = file://{top}/$repo/os/$arch\n"
            );
        }
        text
    }

    /// Installs packages into the new folder `target`; what pacstrap and
    /// pacman said. Ask for [`crate::Need::Root`], gpg and [`PROGRAMS`] first.
    ///
    /// # Errors
    /// It failed: what it said.
    ///
    /// # Panics
    /// When it could not even be prepared.
    pub fn run(&self, target: &Path, packages: &[&str]) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let view = View {
            folder: folder.path(),
            root: target,
            top: &self.top,
        };
        self.configure(folder.path(), &view);
        fs::create_dir_all(target).expect("a folder for the tree");
        let configuration = folder.path().join("pacman.conf");
        let around = ["unshare", "--mount", "pacstrap", "-c", "-G", "-M", "-C"];
        let what = [text(&configuration), text(target)];
        run(&[&around[..], &what, packages].concat())
    }
}

/// The tree that pacstrap makes of packages of the pocket, made in `folder`
/// unless it is there. It must not be changed: see [`tree::copy`].
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn untouched(folder: &Path, pocket: &Pocket, packages: &[&str]) -> PathBuf {
    let what = format!("{RECIPE} {} {packages:?}", pocket.path().display());
    let state = Sha256::of(what.as_bytes()).to_string();
    let name = format!("pacstrap-{}", packages.join("-"));
    tree::keep(folder, &name, &state[..16], |staging| {
        let said = Pacstrap::of(pocket).run(staging, packages);
        said.expect("a tree by pacstrap");
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary names are UTF-8")
}
