//! Where things lie in a repository, the same for whoever writes, serves or
//! reads one:
//!
//! ```text
//! catalog.json                         the signed catalog
//! images/NAME/ARCHITECTURE/VERSION/    one version: manifest, archives, settings, …
//! images/NAME/ARCHITECTURE/CHANNEL/    a server's redirect to the version
//! ```

use crate::{Architecture, ImageName};

/// The signed catalog.
pub const CATALOG: &str = "catalog.json";

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
