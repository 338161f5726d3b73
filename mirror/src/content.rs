//! Types of content, by the names that a store publishes.

/// Suffixes and their media types; the first that fits counts.
const TYPES: [(&str, &str); 13] = [
    (".tar.zst", "application/zstd"),
    (".zst", "application/zstd"),
    (".tar.xz", "application/x-xz"),
    (".xz", "application/x-xz"),
    (".spdx.json", "application/spdx+json"),
    (".json", "application/json"),
    (".pgp", "application/pgp-keys"),
    (".gpg", "application/pgp-signature"),
    (".asc", "application/pgp-signature"),
    (".nspawn", "text/plain; charset=utf-8"),
    (".lock", "text/plain; charset=utf-8"),
    (".tar", "application/x-tar"),
    ("SHA256SUMS", "text/plain; charset=utf-8"),
];

/// The media type of a file. Nothing here is ever sent with a
/// `Content-Encoding`: archives are what they are, compressed.
pub(crate) fn media_type(name: &str) -> &'static str {
    TYPES
        .iter()
        .find(|(suffix, _)| name.ends_with(suffix))
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_suffix() {
        for (name, expected) in [
            ("debian.tar.zst", "application/zstd"),
            ("debian.tar.xz", "application/x-xz"),
            ("debian.manifest.json", "application/json"),
            ("debian.spdx.json", "application/spdx+json"),
            ("SHA256SUMS", "text/plain; charset=utf-8"),
            ("SHA256SUMS.gpg", "application/pgp-signature"),
            ("keys.pgp", "application/pgp-keys"),
            ("debian.nspawn", "text/plain; charset=utf-8"),
            ("debian", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
