//! Layers compressed with gzip, for clients that do not read zstd. They are
//! made on request (see `derive`), and kept in the store beside the versions:
//!
//! ```text
//! ROOT/derived/gzip/list              <tar> <layer> <size>, a line each, sorted
//! ROOT/derived/gzip/<layer>.tar.gz
//! ```
//!
//! `<tar>` is the digest of the tar that an image's archives hold, `<layer>`
//! that of its compressed bytes. The list is switched last when a layer is
//! added, and first when one is removed. Nothing signed names these files, and
//! nothing depends on them: clients compare a layer with its digest, and what
//! it unpacks to with the tar's.

use hatchery_image::Sha256;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of what is derived, and the one in it for what is here.
pub(crate) const FOLDER: [&str; 2] = ["derived", "gzip"];
/// File name of the list.
pub(crate) const LIST: &str = "list";
/// Largest list that is read, in bytes: some 28,000 layers of about 145 bytes.
pub(crate) const LIST_MAX: u64 = 4 << 20;

/// A layer that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Digest of its compressed bytes.
    pub(crate) sha256: Sha256,
    /// How many these are.
    pub(crate) size: u64,
}

/// The layers that are kept, by the digest of their tar.
pub(crate) type Layers = BTreeMap<Sha256, Layer>;

/// Where the list lies, beneath the store's root.
pub(crate) fn list_path() -> PathBuf {
    folder().join(LIST)
}

/// Where a layer lies, beneath the store's root.
pub(crate) fn layer_path(layer: Sha256) -> PathBuf {
    folder().join(file_name(layer))
}

/// What the file of a layer is called.
pub(crate) fn file_name(layer: Sha256) -> String {
    format!("{layer}.tar.gz")
}

/// The digest of the layer that a file is called after.
pub(crate) fn layer_of(file: &Path) -> Option<Sha256> {
    let name = file.file_name()?.to_str()?;
    name.strip_suffix(".tar.gz")?.parse().ok()
}

/// The bytes of a list.
pub(crate) fn render(layers: &Layers) -> Vec<u8> {
    let lines = layers.iter();
    let lines = lines.map(|(tar, Layer { sha256, size })| format!("{tar} {sha256} {size}\n"));
    lines.collect::<String>().into_bytes()
}

/// What a list says; none where it is damaged.
pub(crate) fn parse(bytes: &[u8]) -> Option<Layers> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = |line: &str| {
        let mut parts = line.split(' ');
        let tar = parts.next()?.parse().ok()?;
        let sha256 = parts.next()?.parse().ok()?;
        let size = parts.next()?.parse().ok()?;
        parts
            .next()
            .is_none()
            .then_some((tar, Layer { sha256, size }))
    };
    text.lines().map(line).collect()
}

fn folder() -> PathBuf {
    FOLDER.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_or_not_at_all() {
        let layer = |text: &[u8], size| Layer {
            sha256: Sha256::of(text),
            size,
        };
        let layers = Layers::from([
            (Sha256::of(b"a"), layer(b"x", 1)),
            (Sha256::of(b"b"), layer(b"y", u64::MAX)),
        ]);
        let text = String::from_utf8(render(&layers)).unwrap();
        assert_eq!(parse(text.as_bytes()), Some(layers));
        assert_eq!(parse(b""), Some(Layers::new()));
        for damaged in [
            text.replace(' ', "  "),
            text.replace('\n', " 1\n"),
            text[1..].to_owned(),
            "\n".into(),
        ] {
            assert_eq!(parse(damaged.as_bytes()), None, "{damaged}");
        }
    }

    #[test]
    fn a_layer_is_called_by_its_digest() {
        let layer = Sha256::of(b"x");
        assert_eq!(layer_of(&layer_path(layer)), Some(layer));
        for other in ["list", "x.tar.gz", ".#hatchery-00"] {
            assert_eq!(layer_of(Path::new(other)), None);
        }
    }
}
