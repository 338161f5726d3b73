//! Debian's own packages, which the pocket's are made from: chosen, fetched
//! and verified as a build does.

use super::names::{ROOTS, SKIPPED};
use crate::host;
use hatchery_builder::debian::deb::Deb;
use hatchery_builder::debian::relation::alternatives;
use hatchery_builder::debian::{self, Repository, Request, Role, Variant};
use hatchery_image::{Architecture, Progress};
use hatchery_transfer::{Cache, Client, Location, TransferError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

/// The release: its systemd is young enough for every setting.
const RELEASE: &str = "trixie";
/// Connections at once.
const DOWNLOADS: usize = 8;

/// Packages by name, and which of them each one needs.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) debs: BTreeMap<String, Deb>,
    pub(super) needs: BTreeMap<String, BTreeSet<String>>,
}

/// Fetches what the pocket is made from; downloads are kept in `cache`.
pub(super) fn fetch(cache: &Path) -> Closure {
    let cache = Cache::open(cache).expect("a cache");
    let client = Client::new().expect("a client");
    let silent = Progress::silent();
    let plan = debian::plan(&request(), &client, &cache, now(), &silent).expect("a plan");
    let opened = Mutex::new(BTreeMap::new());
    let done = |_, file| {
        let deb = Deb::open(file).expect("a package that was verified");
        let name = deb.control().package().to_owned();
        opened.lock().expect("no thread failed").insert(name, deb);
        Ok::<_, TransferError>(())
    };
    let fetched = client.download_all(&plan.requests(), &cache, DOWNLOADS, &done, &silent);
    fetched.expect("packages of the host's mirror");
    reach(opened.into_inner().expect("no thread failed"))
}

fn request() -> Request {
    let mirror = host::mirror().expect("the host's mirror");
    Request {
        distribution: "debian".to_owned(),
        release: RELEASE.to_owned(),
        // Arch has no other.
        architecture: Architecture::Amd64,
        variant: Variant::Essential,
        packages: ROOTS.map(str::to_owned).to_vec(),
        recommends: false,
        repositories: vec![Repository {
            suite: RELEASE.to_owned(),
            components: vec!["main".to_owned()],
            locations: vec![Location::parse(&mirror).expect("the host's mirror")],
            keyring: debian::keyring().expect("Debian's keys"),
            role: Role::Base,
        }],
        accept_expired: true,
    }
}

/// Leaves only what is needed once Debian's machinery is gone.
fn reach(mut debs: BTreeMap<String, Deb>) -> Closure {
    debs.retain(|name, _| !SKIPPED.contains(&name.as_str()));
    let mut providers: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, deb) in &debs {
        let provided = deb.control().field("Provides").unwrap_or_default();
        for virtual_name in alternatives(provided).flatten() {
            providers.entry(virtual_name).or_insert(name);
        }
    }
    providers.extend(debs.keys().map(|name| (name.as_str(), name.as_str())));
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut todo: Vec<&str> = ROOTS.to_vec();
    while let Some(name) = todo.pop() {
        if needs.contains_key(name) {
            continue;
        }
        let deb = debs.get(name);
        let deb = deb.unwrap_or_else(|| panic!("{name} is not in the plan"));
        let mut needed = BTreeSet::new();
        for field in ["Pre-Depends", "Depends"] {
            let field = deb.control().field(field).unwrap_or_default();
            for group in alternatives(field) {
                let found = group.iter().find_map(|one| providers.get(one));
                needed.extend(found.map(|&n| n.to_owned()));
                todo.extend(found.copied());
            }
        }
        needs.insert(name.to_owned(), needed);
    }
    debs.retain(|name, _| needs.contains_key(name));
    Closure { debs, needs }
}

#[expect(clippy::disallowed_methods, reason = "packages of today are taken")]
fn now() -> Timestamp {
    Timestamp::now()
}
