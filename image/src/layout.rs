//! Where things lie in a repository, the same for whoever writes, serves or
//! reads one:
//!
//! ```text
//! catalog.json                         the signed catalog
//! keys.pgp                             certificates of the keys that sign it
//! keys.json                            statements of keys that handed over
//! images/NAME/ARCHITECTURE/VERSION/    one version: manifest, archives, settings, …
//! images/NAME/ARCHITECTURE/CHANNEL/    a server's redirect to the version
//! ```

use crate::{Architecture, ImageName};

/// The signed catalog.
pub const CATALOG: &str = "catalog.json";

/// Certificates of the keys that sign the catalog, binary, one after the other.
/// Not signed: nothing of it counts but what belongs to a pinned primary key.
pub const CERTIFICATES: &str = "keys.pgp";

/// Statements of keys that handed over to others; absent until one did.
pub const SUCCESSIONS: &str = "keys.json";

/// Largest [`CERTIFICATES`] that is read, in bytes. A certificate of ours takes
/// less than a kilobyte; the largest of a person, with all that others say
/// about it, some hundred.
pub const CERTIFICATES_MAX: u64 = 1 << 20;

/// Folder of the images.
pub const IMAGES: &str = "images";

/// Folder of a version (or channel) of an image, without a slash at its end.
#[must_use]
pub fn version_path(name: &ImageName, architecture: Architecture, at: &str) -> String {
    format!("{IMAGES}/{name}/{architecture}/{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_a_folder_of_its_own() {
        let name = "debian".parse().unwrap();
        let path = version_path(&name, Architecture::Amd64, "20261122.3fa9c1");
        assert_eq!(path, "images/debian/amd64/20261122.3fa9c1");
    }
}
