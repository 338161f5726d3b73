//! Our tree, of the packages of a pocket Arch.

use crate::build::fixture::chain;
use crate::fidelity::scratch;
use hatchery_builder::arch::{self, Repository, Request};
use hatchery_builder::confine::Confinement;
use hatchery_builder::family::BootstrapOptions;
use hatchery_builder::plan::Plan;
use hatchery_builder::recipe::{Pacman, SigLevel};
use hatchery_image::keyring::Policy;
use hatchery_image::{Architecture, Keyring};
use hatchery_tests::pacstrap::Pacstrap;
use hatchery_tests::warnings::Warnings;
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

/// A tree of ours, and what was said while it was made.
pub(crate) struct Ours {
    _folder: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) warnings: Vec<String>,
}

/// What is asked for: these packages from what pacstrap would install from.
pub(crate) fn request(from: &Pacstrap, packages: &[&str]) -> Request {
    let repository = |name: &String| Repository {
        name: name.clone(),
        locations: vec![Location::from(
            from.top.join(name).join("os/x86_64").as_path(),
        )],
        archives: Vec::new(),
        keyring: Keyring::parse(&from.key.public()).unwrap(),
        policy: Policy::Standard,
        sig_level: SigLevel::Required,
    };
    Request {
        architecture: Architecture::Amd64,
        snapshot: None,
        packages: packages.iter().map(ToString::to_string).collect(),
        pacman: Pacman::default(),
        repositories: from.repositories.iter().map(repository).collect(),
        hooks: Vec::new(),
    }
}

/// Plans and installs; or everything that a user is told.
pub(crate) fn install(request: &Request) -> Result<Ours, String> {
    let (progress, warnings) = Warnings::listen();
    let client = Client::new().unwrap();
    let plan = arch::plan(request, &client, now(), &progress).map_err(|e| chain(&e))?;
    let folder = scratch();
    let root = folder.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let confinement = confinement(&root, plan.source_date_epoch);
    let options = BootstrapOptions {
        work: &folder.path().join("work"),
        client: &client,
        cache: &cache,
        confinement: &confinement,
        threads: 2,
        unpacked: &|| (),
        now: now(),
    };
    arch::bootstrap(&plan, request, &options, &progress).map_err(|e| chain(&e))?;
    Ok(Ours {
        _folder: folder,
        root,
        plan,
        warnings: warnings.all(),
    })
}

/// Runs programs in a tree.
pub(crate) fn confinement(root: &Path, epoch: i64) -> Confinement {
    Confinement {
        helper: vec![HELPER.into(), "__confine".into()],
        root: root.to_owned(),
        network: false,
        source_date_epoch: epoch,
    }
}

#[expect(clippy::disallowed_methods, reason = "keys of today are tested")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
