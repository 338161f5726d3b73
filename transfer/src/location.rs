//! Where a repository lies: a web address or a folder, as a typed value.
//!
//! Paths beneath a location are `RelativePath`s; they are percent-encoded
//! here and nowhere else. Passwords in an address are never displayed.

use hatchery_image::RelativePath;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// A place where a repository lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `http://` or `https://`, always ending in `/`.
    Http(Url),
    /// A folder on this host (`file://` or a path), always absolute.
    Folder(PathBuf),
}

/// A text that is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a location: {why}")]
pub struct InvalidLocation {
    text: String,
    why: &'static str,
}

impl Location {
    /// Reads `http://…`, `https://…`, `file:///…` or an absolute path.
    ///
    /// # Errors
    /// Another scheme, a relative path, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidLocation> {
        let fail = |why| InvalidLocation {
            text: text.chars().take(200).collect(),
            why,
        };
        if text.contains('\0') {
            return Err(fail("it contains a NUL"));
        }
        if text.starts_with('/') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let mut url = Url::parse(text).map_err(|_| {
            fail("expected http://, https://, file:/// or a path that begins with /")
        })?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fail("it has a query or a fragment"));
        }
        match url.scheme() {
            "http" | "https" => {
                if !url.path().ends_with('/') {
                    let path = format!("{}/", url.path());
                    url.set_path(&path);
                }
                Ok(Self::Http(url))
            }
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| fail("a file:// address names no host"))?;
                Ok(Self::Folder(path))
            }
            _ => Err(fail("only http, https and file are supported")),
        }
    }

    /// The same location with a deeper base, such as `dists/trixie`.
    #[must_use]
    pub fn beneath(&self, path: &RelativePath) -> Self {
        match self {
            Self::Http(base) => {
                let mut url = join(base, path);
                let with_slash = format!("{}/", url.path());
                url.set_path(&with_slash);
                Self::Http(url)
            }
            Self::Folder(folder) => Self::Folder(path.beneath(folder)),
        }
    }

    /// The address of a file beneath it, for people: without a password.
    #[must_use]
    pub fn describe(&self, path: &RelativePath) -> String {
        match self {
            Self::Http(base) => displayed(&join(base, path)),
            Self::Folder(folder) => path.beneath(folder).display().to_string(),
        }
    }
}

/// The address of `path` beneath `base`.
pub(crate) fn join(base: &Url, path: &RelativePath) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.as_str().split('/'));
    }
    // Stores that speak S3 take a plain `+` for a space.
    if path.as_str().contains('+') {
        let encoded = url.path().replace('+', "%2B");
        url.set_path(&encoded);
    }
    url
}

/// An address without its password.
pub(crate) fn displayed(url: &Url) -> String {
    if url.password().is_none() {
        return url.to_string();
    }
    let mut url = url.clone();
    let _ = url.set_password(Some("…"));
    url.to_string().replace("%E2%80%A6", "…")
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(&displayed(url)),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Location {
    type Err = InvalidLocation;
    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        Self::parse(text)
    }
}

impl From<&Path> for Location {
    /// A folder; a relative path is taken as beneath `/`.
    fn from(path: &Path) -> Self {
        Self::Folder(Path::new("/").join(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, path: &str) -> String {
        Location::parse(base)
            .unwrap()
            .describe(&path.parse().unwrap())
    }

    #[test]
    fn locations_are_read() {
        assert_eq!(
            Location::parse("https://mirror.example/debian").unwrap(),
            Location::Http(Url::parse("https://mirror.example/debian/").unwrap())
        );
        let folder = Location::Folder("/srv/a b".into());
        assert_eq!(Location::parse("/srv/a b").unwrap(), folder);
        assert_eq!(Location::parse("file:///srv/a%20b").unwrap(), folder);
        for text in [
            "",
            "mirror.example/debian",
            "srv/debian",
            "ftp://mirror.example/",
            "file://other-host/srv",
            "http://mirror.example/?a",
            "http://mirror.example/#a",
            "https://",
        ] {
            assert!(Location::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_encoded_once() {
        assert_eq!(
            url("http://m/debian", "pool/g++_1%3a2~rc1+b1_amd64.deb"),
            "http://m/debian/pool/g%2B%2B_1%253a2~rc1%2Bb1_amd64.deb"
        );
        assert_eq!(url("http://m", "a b?c#d"), "http://m/a%20b%3Fc%23d");
        assert_eq!(url("/srv", "a/b"), "/srv/a/b");
    }

    #[test]
    fn a_base_may_be_deepened() {
        let base = Location::parse("http://m/debian").unwrap();
        let deeper = base.beneath(&"dists/trixie".parse().unwrap());
        assert_eq!(deeper.to_string(), "http://m/debian/dists/trixie/");
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = url("https://user:secret@m/", "a");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.starts_with("https://user:"), "{shown}");
    }
}
