//! From the target of a request to what it asks for.
//!
//! Owns the rules on paths; touches no disk. Ours are `/catalog.json` (and
//! `/keys.pgp` and `/keys.json` beside it),
//! `/images/<name>/<architecture>/<version or channel>/<file>`, and the pages
//! for people, whose paths end with a slash (see `page`); the others belong to
//! the protocol that reads them. Every part is parsed into a
//! name that cannot hold a separator, or compared with a fixed one. So nothing
//! here normalises: where nginx resolves `a/../b` and merges `//`, a target
//! that needs either is refused.

use crate::page::{self, View};
use crate::protocols::{hub, oci, streams};
use hatchery_image::{Architecture, Channel, ImageName, RelativePath, Version};
use hyper::http::{HeaderMap, Uri, Version as HttpVersion, header};
use percent_encoding::percent_decode_str;

/// Longest target that is looked at, in bytes. The longest that can mean
/// something is three names of 63 and a file name of 255, each byte of them
/// percent-encoded.
pub(crate) const TARGET_MAX: usize = 2048;

/// What a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The signed catalog.
    Catalog,
    /// Certificates of the keys that sign it.
    Certificates,
    /// Statements of keys that handed over.
    Successions,
    /// A file of a version of an image.
    File(ImageFile),
    /// Something in nspawn.org's layout.
    Hub(hub::Wanted),
    /// Something of simplestreams.
    Streams(streams::Wanted),
    /// Something of OCI distribution.
    Oci(oci::Wanted),
    /// A page for people.
    Page(page::Wanted),
}

impl Route {
    /// Whether it leads to what is made from many manifests or by rendering.
    pub(crate) fn is_made(&self) -> bool {
        match self {
            Self::Page(_) | Self::Streams(_) | Self::Hub(hub::Wanted::List) => true,
            Self::Oci(wanted) => wanted.is_made(),
            _ => false,
        }
    }
}

/// A file of an image, at a version or a channel: the two look alike, and the
/// store never gives one name to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFile {
    pub(crate) image: ImageName,
    pub(crate) architecture: Architecture,
    pub(crate) at: Version,
    /// One part, not hidden.
    pub(crate) file: RelativePath,
}

impl ImageFile {
    /// The third part, read as a channel.
    pub(crate) fn channel(&self) -> Option<Channel> {
        self.at.as_str().parse().ok()
    }
}

/// Why a target leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the target is longer than {TARGET_MAX} bytes")]
    TooLong,
    #[error("the target is malformed: {0}")]
    Malformed(&'static str),
    #[error("no file has such a path")]
    Nothing,
}

/// Whether a target is short enough to be looked at.
pub(crate) fn check_length(uri: &Uri) -> Result<(), TargetError> {
    match uri.path().len() + uri.query().map_or(0, str::len) {
        ..=TARGET_MAX => Ok(()),
        _ => Err(TargetError::TooLong),
    }
}

/// Reads the target of a request. An absolute one counts by its path alone,
/// and a query is dropped, as stock clients expect; only OCI's lists have one.
/// `view` is asked for a page alone: what else than its path decides what it
/// shows.
pub(crate) fn route(
    uri: &Uri,
    view: impl FnOnce() -> Result<View, TargetError>,
) -> Result<Route, TargetError> {
    check_length(uri)?;
    let Some(path) = uri.path().strip_prefix('/') else {
        return Err(TargetError::Malformed("it does not start with '/'"));
    };
    let parts = path.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let route = match parts[..] {
        ["catalog.json"] => Some(Route::Catalog),
        ["keys.pgp"] => Some(Route::Certificates),
        ["keys.json"] => Some(Route::Successions),
        ["storage", ref rest @ ..] => hub::route(rest).map(Route::Hub),
        ["streams", ref rest @ ..] => streams::route(rest).map(Route::Streams),
        ["v2", ref rest @ ..] => oci::route(rest, uri.query()).map(Route::Oci),
        ["images", image, architecture, at, file] if !file.is_empty() && file != page::CHANGES => {
            image_file(image, architecture, at, file).map(Route::File)
        }
        _ => match page::route(&parts) {
            Some(asked) => Some(Route::Page(asked.seen_by(view()?))),
            None => None,
        },
    };
    route.ok_or(TargetError::Nothing)
}

fn image_file(image: &str, architecture: &str, at: &str, file: &str) -> Option<ImageFile> {
    let parsed: Architecture = architecture.parse().ok()?;
    // `x86_64` is read elsewhere, but a file has one path here.
    if parsed.debian() != architecture || file.is_empty() || file.starts_with('.') {
        return None;
    }
    Some(ImageFile {
        image: image.parse().ok()?,
        architecture: parsed,
        at: at.parse().ok()?,
        file: file.parse().ok()?,
    })
}

/// One part of the path, decoded once.
fn part(raw: &str) -> Result<String, TargetError> {
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| TargetError::Malformed("it is not UTF-8"))?;
    if decoded.contains('%') {
        return Err(TargetError::Malformed(
            "a '%' in it escapes nothing, or twice",
        ));
    }
    if decoded.contains(['/', '\\']) {
        return Err(TargetError::Malformed("it hides a separator"));
    }
    if decoded.contains(char::is_control) {
        return Err(TargetError::Malformed("it holds a control character"));
    }
    if decoded == "." || decoded == ".." {
        return Err(TargetError::Malformed("it leads upwards"));
    }
    Ok(decoded.into_owned())
}

/// HTTP/1.1 wants exactly one Host, unless the target is absolute (RFC 9112,
/// section 3.2); nginx answers 400 too.
pub(crate) fn check_host(
    version: HttpVersion,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), TargetError> {
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 {
        return Err(TargetError::Malformed("there are several Host headers"));
    }
    if version == HttpVersion::HTTP_11 && hosts == 0 && uri.authority().is_none() {
        return Err(TargetError::Malformed("there is no Host header"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str) -> Result<Route, TargetError> {
        let target = target
            .parse()
            .expect("hyper would not hand over this target");
        route(&target, || Ok(view()))
    }

    fn view() -> View {
        let url = "http://mirror/".parse().unwrap();
        View::new(url, jiff::Timestamp::UNIX_EPOCH)
    }

    fn file() -> Route {
        Route::File(ImageFile {
            image: "debian".parse().unwrap(),
            architecture: Architecture::Amd64,
            at: "20261122.3fa9c1".parse().unwrap(),
            file: "debian.tar.zst".parse().unwrap(),
        })
    }

    #[test]
    fn what_exists_is_found_in_every_honest_spelling() {
        for target in [
            "/images/debian/amd64/20261122.3fa9c1/debian.tar.zst",
            "/images/debian/amd64/20261122.3fa9c1/debian.tar.zst?x=1",
            "http://mirror.example/images/debian/amd64/20261122.3fa9c1/debian.tar.zst",
            "/images/%64ebian/amd64/20261122%2e3fa9c1/debian.tar.zst",
        ] {
            assert_eq!(of(target), Ok(file()), "{target}");
        }
        assert_eq!(of("/catalog.json"), Ok(Route::Catalog));
        assert_eq!(of("/keys.pgp"), Ok(Route::Certificates));
        assert_eq!(of("/keys.json"), Ok(Route::Successions));
    }

    #[test]
    fn what_could_mean_another_file_is_malformed() {
        for target in [
            "/images/debian/amd64/20261122.3fa9c1/..",
            "/images/debian/amd64/../amd64/1/debian.tar.zst",
            "/images/./debian/amd64/1/debian.tar.zst",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2fetc/passwd",
            "/images/debian/amd64/1/a%2fb",
            "/images/debian/amd64/1/a%5cb",
            "/%252e%252e/etc/passwd",
            "/images/debian/amd64/1/debian.tar.zst%00",
            "/images/debian/amd64/1/debian%0a.tar.zst",
            "/images/debian/amd64/1/%zz",
            "/images/debian/amd64/1/debian%",
            "/images/debian/amd64/1/%ff",
        ] {
            assert!(
                matches!(of(target), Err(TargetError::Malformed(_))),
                "{target}: {:?}",
                of(target)
            );
        }
    }

    #[test]
    fn the_rest_leads_nowhere() {
        for target in [
            "//",
            "//catalog.json",
            "/images//",
            "/images/debian/amd64//",
            "/images/debian/amd64/1//",
            "/images/debian/amd64/1/changes/x",
            "/images/debian/x86_64/1/",
            "/catalog.json/",
            "/Catalog.json",
            "/repository.json",
            "/.lock",
            "/images/debian/amd64/1/.hidden",
            "/images/debian/amd64/1/%2ehidden",
            "/images/debian/x86_64/1/debian.tar.zst",
            "/images/debian/amd64/.%23hatchery-00/debian.tar.zst",
            "/images/Debian/amd64/1/debian.tar.zst",
            "/images/debian/amd64/1/a/b",
        ] {
            assert_eq!(of(target), Err(TargetError::Nothing), "{target}");
        }
        let long = format!("/images/{}", "a".repeat(TARGET_MAX));
        assert_eq!(of(&long), Err(TargetError::TooLong));
        let query = format!("/catalog.json?{}", "a".repeat(TARGET_MAX));
        assert_eq!(of(&query), Err(TargetError::TooLong));
    }

    #[test]
    fn a_request_names_one_host() {
        let check = |version, hosts: &[&'static str], target: &str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, header::HeaderValue::from_static(host));
            }
            check_host(version, &target.parse().unwrap(), &headers).is_ok()
        };
        assert!(check(HttpVersion::HTTP_11, &["a"], "/"));
        assert!(!check(HttpVersion::HTTP_11, &[], "/"));
        assert!(!check(HttpVersion::HTTP_11, &["a", "b"], "/"));
        assert!(check(HttpVersion::HTTP_10, &[], "/"));
        assert!(check(HttpVersion::HTTP_2, &[], "http://a/"));
    }
}
