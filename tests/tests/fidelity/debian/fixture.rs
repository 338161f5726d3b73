//! Our tree and mmdebstrap's, of the same packages from the same mirror.

use crate::fidelity::scratch;
use hatchery_builder::confine::Confinement;
use hatchery_builder::debian::{self, Repository, Request, Role, Variant};
use hatchery_builder::family::BootstrapOptions;
use hatchery_builder::plan::Plan;
use hatchery_image::{Architecture, Progress, Sha256};
use hatchery_tests::{Need, host, tree};
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

pub(super) const NEEDS: [Need; 3] = [Need::Root, Need::Network, Need::Program("mmdebstrap")];

/// Both trees, and what is in them.
pub(super) struct Pair {
    _folder: TempDir,
    pub(super) ours: PathBuf,
    pub(super) theirs: PathBuf,
    pub(super) plan: Plan,
}

/// Makes the trees of a release's minbase with these packages.
pub(super) fn pair(release: &str, label: &str, packages: &[&str]) -> Pair {
    let (client, cache) = (Client::new().unwrap(), cache());
    let plan = plan(release, packages, &client, &cache);
    let state = Sha256::of(plan.to_lock_text().as_bytes()).to_string();
    let what = tree::Untouched {
        name: &format!("judge-{release}-{label}"),
        release,
        packages: &packages.join(","),
        epoch: plan.source_date_epoch,
        state: &state[..16],
    };
    let theirs = tree::untouched(&folder("trees"), &what);
    let own = scratch();
    let ours = own.path().join("tree");
    std::fs::create_dir(&ours).unwrap();
    let confinement = confinement(&ours, plan.source_date_epoch);
    let work = own.path().join("work");
    let options = BootstrapOptions {
        work: &work,
        client: &client,
        cache: &cache,
        confinement: &confinement,
        threads: 2,
        unpacked: &|| (),
        now: now(),
    };
    debian::bootstrap(&plan, &options, &Progress::silent()).unwrap();
    Pair {
        _folder: own,
        ours,
        theirs,
        plan,
    }
}

fn plan(release: &str, packages: &[&str], client: &Client, cache: &Cache) -> Plan {
    let mirror = host::mirror().unwrap();
    let request = Request {
        distribution: "debian".to_owned(),
        release: release.to_owned(),
        architecture: Architecture::Amd64,
        variant: Variant::Minbase,
        packages: packages.iter().map(ToString::to_string).collect(),
        recommends: false,
        repositories: vec![Repository {
            suite: release.to_owned(),
            components: vec!["main".to_owned()],
            locations: vec![Location::parse(&mirror).unwrap()],
            keyring: debian::keyring().unwrap(),
            role: Role::Base,
        }],
        // Mirrors of testing may lag behind.
        accept_expired: true,
    };
    debian::plan(&request, client, cache, now(), &Progress::silent()).unwrap()
}

/// Runs programs in a tree.
pub(super) fn confinement(root: &Path, epoch: i64) -> Confinement {
    Confinement {
        helper: vec![HELPER.into(), "__confine".into()],
        root: root.to_owned(),
        network: false,
        source_date_epoch: epoch,
    }
}

/// Downloads, which all tests share.
pub(super) fn cache() -> Cache {
    Cache::open(&folder("cache")).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[expect(clippy::disallowed_methods, reason = "packages of today are tested")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
