//! A repository as it is found: its release file verified, its indexes
//! fetched by digest, condensed and kept.

use super::Repository;
use super::index::{Index, IndexError, Store, condense};
use super::release::{Priority, RELEASE_MAX, Release, ReleaseError};
use crate::plan::{PlannedIndex, PlannedRepository};
use hatchery_image::keyring::{KeyringError, Policy};
use hatchery_image::progress::Interrupted;
use hatchery_image::{Architecture, Fingerprint, Progress, RelativePath, Sha256};
use hatchery_transfer::{Cache, Client, Failure, Location, Request, TransferError};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, Read};

/// Longest compressed index that is fetched, in bytes. Debian's main has 10 MB.
const COMPRESSED_MAX: u64 = 256 << 20;

/// Longest index that is decompressed, in bytes. Debian's main has 57 MB.
const INDEX_MAX: u64 = 1 << 30;

/// Memory that decompressing xz may take: `xz -9` needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// What everything is fetched with.
pub(crate) struct Fetching<'a> {
    pub(crate) client: &'a Client,
    pub(crate) cache: &'a Cache,
    pub(crate) store: Store,
    pub(crate) architecture: Architecture,
    pub(crate) accept_expired: bool,
    pub(crate) now: Timestamp,
    pub(crate) progress: &'a Progress,
}

/// What was found.
pub(crate) struct Fetched {
    pub(crate) planned: PlannedRepository,
    pub(crate) priority: Priority,
    pub(crate) indexes: Vec<Index>,
}

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Its suite does not make a path.
    #[error("{0:?} is not a suite")]
    Suite(String),
    /// No release file that can be believed.
    #[error("no mirror has a release file that can be used")]
    Release(#[source] TransferError),
    /// A component that it does not have.
    #[error("it has no component {wanted}; it has {}", .found.join(", "))]
    Component {
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// An architecture that it does not have.
    #[error("it has no packages for {wanted}; it has {}", .found.join(", "))]
    Architecture {
        /// What was asked for.
        wanted: Architecture,
        /// What there is.
        found: Vec<String>,
    },
    /// Its release file lists no index.
    #[error("its release file lists no index {0} in a form that can be read (gz, xz or plain)")]
    NoIndex(String),
    /// An index cannot be fetched.
    #[error("cannot fetch the index of packages")]
    Fetch(#[source] TransferError),
    /// An index cannot be decompressed.
    #[error("cannot decompress {path}")]
    Decompress {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An index is not as long as the release file says.
    #[error("{path} does not have the {expected} bytes that the release file says")]
    Length {
        /// Which.
        path: String,
        /// What it should have.
        expected: u64,
    },
    /// An index cannot be read.
    #[error("cannot read {path}")]
    Index {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: IndexError,
    },
}

/// Why one mirror's release file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unbelieved {
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] KeyringError),
    /// What was signed is not what was asked for.
    #[error(transparent)]
    Content(#[from] ReleaseError),
    /// What was signed is not text.
    #[error("the release file is not UTF-8")]
    Encoding,
}

/// How an index is compressed, in the order in which forms are looked for.
/// Debian's main is 13.2 MB with gzip and 9.7 MB with xz, and takes 0.2 s less
/// to read with gzip: from 150 Mbit/s on that is the quicker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    Xz,
    Plain,
}

impl Form {
    const ALL: [Self; 3] = [Self::Gzip, Self::Xz, Self::Plain];

    fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::Plain => "",
        }
    }
}

/// One index, as the release file lists it.
struct Listed {
    /// Path beneath the suite's folder, without a compression's suffix.
    path: String,
    form: Form,
    digest: Sha256,
    size: u64,
    /// Length when decompressed, if it is listed, too.
    plain_size: Option<u64>,
}

impl Fetching<'_> {
    pub(crate) fn fetch(&self, repository: &Repository) -> Result<Fetched, RepositoryError> {
        let folder = folder(&repository.suite)?;
        let (release, signer, mirror) = self.release(repository, &folder)?;
        let listed = choose(&release, repository, self.architecture)?;
        // The mirror whose release file was believed is asked first.
        let mut locations = repository.locations.clone();
        locations.sort_by_key(|location| *location != mirror);
        let mut indexes = Vec::new();
        let mut planned = Vec::new();
        for listed in &listed {
            self.progress.check()?;
            let path = format!("{folder}{}{}", listed.path, listed.form.suffix());
            planned.push(PlannedIndex {
                path: path
                    .parse()
                    .map_err(|_| RepositoryError::NoIndex(path.clone()))?,
                sha256: listed.digest,
            });
            indexes.push(self.index(listed, &folder, &path, &release, &locations)?);
        }
        Ok(Fetched {
            planned: PlannedRepository {
                suite: repository.suite.clone(),
                components: repository.components.clone(),
                locations,
                date: release.date,
                signer: Some(signer),
                indexes: planned,
            },
            priority: release.priority,
            indexes,
        })
    }

    /// The first release file that can be believed. A mirror whose file is
    /// not (a portal that answers everything, a mirror that was forgotten) is
    /// as good as one that is down.
    fn release(
        &self,
        repository: &Repository,
        folder: &str,
    ) -> Result<(Release, Fingerprint, Location), RepositoryError> {
        let request = Request {
            locations: repository.locations.clone(),
            path: format!("{folder}InRelease"),
            sha256: None,
            size: None,
            limit: RELEASE_MAX,
        };
        let check = |location: &Location, bytes: Vec<u8>| {
            let verified =
                repository
                    .keyring
                    .verify_clearsigned(&bytes, Policy::Standard, self.now)?;
            let signer = verified.signer().clone();
            let text = std::str::from_utf8(&verified).map_err(|_| Unbelieved::Encoding)?;
            let release = Release::parse(text)?;
            release.check(&repository.suite, self.accept_expired, self.now)?;
            Ok::<_, Unbelieved>((release, signer, location.clone()))
        };
        self.client
            .get_checked(&request, self.progress, check)
            .map_err(|error| match error {
                TransferError::Interrupted(stop) => stop.into(),
                error => RepositoryError::Release(error),
            })
    }

    /// One index, from the store or fetched anew.
    fn index(
        &self,
        listed: &Listed,
        folder: &str,
        path: &str,
        release: &Release,
        locations: &[Location],
    ) -> Result<Index, RepositoryError> {
        let architecture = self.architecture.debian();
        if let Some(index) = self.store.find(listed.digest, architecture) {
            return Ok(index);
        }
        let file = self.download(listed, folder, path, release, locations)?;
        let failed = |source| RepositoryError::Index {
            path: path.to_owned(),
            source,
        };
        let limit = listed.plain_size.unwrap_or(INDEX_MAX).min(INDEX_MAX);
        let reader =
            decompressed(file, listed.form).map_err(|source| RepositoryError::Decompress {
                path: path.to_owned(),
                source,
            })?;
        let condensed = condense(reader.take(limit + 1), architecture).map_err(failed)?;
        let is_expected = listed
            .plain_size
            .is_none_or(|size| size == condensed.length);
        if condensed.length > limit || !is_expected {
            return Err(RepositoryError::Length {
                path: path.to_owned(),
                expected: listed.plain_size.unwrap_or(limit),
            });
        }
        if let Some(why) = &condensed.why {
            self.progress.warn(format!(
                "{} packages of {path} cannot be used; the first: {why}",
                condensed.left_out
            ));
        }
        let index = Index::new(condensed.text).map_err(|_| failed(IndexError::TooMany))?;
        self.store.keep(listed.digest, architecture, &index);
        Ok(index)
    }

    /// The file of an index: by its digest, which is the same while a mirror
    /// is being updated, or else by its name.
    fn download(
        &self,
        listed: &Listed,
        folder: &str,
        path: &str,
        release: &Release,
        locations: &[Location],
    ) -> Result<File, RepositoryError> {
        let mut request = Request {
            locations: locations.to_vec(),
            path: path.to_owned(),
            sha256: Some(listed.digest),
            size: Some(listed.size),
            limit: COMPRESSED_MAX,
        };
        let download = |request: &Request| {
            self.client
                .download(request, self.cache, self.progress)
                .map_err(|error| match error {
                    TransferError::Interrupted(stop) => RepositoryError::Interrupted(stop),
                    error => RepositoryError::Fetch(error),
                })
        };
        if release.by_hash {
            let parent = listed
                .path
                .rsplit_once('/')
                .map_or("", |(parent, _)| parent);
            let slash = if parent.is_empty() { "" } else { "/" };
            request.path = format!("{folder}{parent}{slash}by-hash/SHA256/{}", listed.digest);
            match download(&request) {
                // Partial copies of an archive often have no such folder.
                Err(RepositoryError::Fetch(error)) if error.is_missing() => {
                    path.clone_into(&mut request.path);
                }
                other => return other,
            }
        }
        download(&request)
    }
}

/// Where a suite's files are, beneath a location: with a final `/`, or empty.
fn folder(suite: &str) -> Result<String, RepositoryError> {
    let invalid = || RepositoryError::Suite(suite.chars().take(100).collect());
    let Some(flat) = suite.strip_suffix('/') else {
        let path: RelativePath = suite.parse().map_err(|_| invalid())?;
        return Ok(format!("dists/{path}/"));
    };
    let flat = flat.trim_start_matches("./").trim_end_matches('/');
    if flat.is_empty() || flat == "." {
        return Ok(String::new());
    }
    let path: RelativePath = flat.parse().map_err(|_| invalid())?;
    Ok(format!("{path}/"))
}

/// The indexes to read, each in the best form that is listed.
fn choose(
    release: &Release,
    repository: &Repository,
    architecture: Architecture,
) -> Result<Vec<Listed>, RepositoryError> {
    if repository.suite.ends_with('/') {
        return Ok(vec![listed(release, "Packages")?]);
    }
    let native = architecture.debian();
    if !release.architectures.is_empty() && !release.architectures.iter().any(|a| a == native) {
        return Err(RepositoryError::Architecture {
            wanted: architecture,
            found: release.architectures.clone(),
        });
    }
    let mut found = Vec::new();
    for component in &repository.components {
        // That of security updates calls them `updates/main`.
        let known = |c: &String| c.rsplit('/').next() == Some(component);
        if !release.components.is_empty() && !release.components.iter().any(known) {
            return Err(RepositoryError::Component {
                wanted: component.clone(),
                found: release.components.clone(),
            });
        }
        found.push(listed(
            release,
            &format!("{component}/binary-{native}/Packages"),
        )?);
        let all = format!("{component}/binary-all/Packages");
        if release.all_apart {
            // Optional: an archive may list the architecture and have none.
            found.extend(listed(release, &all).ok());
        }
    }
    Ok(found)
}

fn listed(release: &Release, path: &str) -> Result<Listed, RepositoryError> {
    let form = Form::ALL
        .into_iter()
        .find(|form| {
            release
                .files
                .contains_key(&format!("{path}{}", form.suffix()))
        })
        .ok_or_else(|| RepositoryError::NoIndex(path.to_owned()))?;
    let (digest, size) = release.files[&format!("{path}{}", form.suffix())];
    Ok(Listed {
        path: path.to_owned(),
        form,
        digest,
        size,
        plain_size: release.files.get(path).map(|(_, size)| *size),
    })
}

/// The text of an index as a stream.
fn decompressed(file: File, form: Form) -> io::Result<Box<dyn Read>> {
    Ok(match form {
        Form::Xz => {
            // Its digest was verified: checking sums again would only cost time.
            let flags = liblzma::stream::CONCATENATED | liblzma::stream::IGNORE_CHECK;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, flags)?;
            let file = io::BufReader::new(file);
            Box::new(liblzma::read::XzDecoder::new_stream(file, stream))
        }
        Form::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Form::Plain => Box::new(file),
    })
}

impl RepositoryError {
    /// Why release files were not believed, mirror by mirror; empty if that
    /// was not the problem.
    pub fn unbelieved(&self) -> impl Iterator<Item = &Unbelieved> {
        let attempts = match self {
            Self::Release(TransferError::Everywhere { attempts, .. }) => attempts.as_slice(),
            _ => &[],
        };
        attempts
            .iter()
            .filter_map(|attempt| match &attempt.failure {
                Failure::Refused(source) => source.downcast_ref(),
                _ => None,
            })
    }
}
