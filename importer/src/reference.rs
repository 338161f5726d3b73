//! What a user writes to name an image: `debian`, `debian@VERSION` or
//! `debian:CHANNEL`. Without either it is the channel `latest`.

use hatchery_image::ImageName;
use hatchery_image::catalog::Selector;
use hatchery_image::name::InvalidName;
use std::fmt;
use std::str::FromStr;

/// An image and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The image.
    pub image: ImageName,
    /// Which of its versions.
    pub selector: Selector,
}

/// A text that names no image.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} names no image; write NAME, NAME@VERSION or NAME:CHANNEL")]
pub struct InvalidReference {
    text: String,
    #[source]
    source: InvalidName,
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |source| InvalidReference {
            text: text.chars().take(200).collect(),
            source,
        };
        let (image, selector) = if let Some((image, version)) = text.split_once('@') {
            (image, Selector::Version(version.parse().map_err(invalid)?))
        } else if let Some((image, channel)) = text.split_once(':') {
            (image, Selector::Channel(channel.parse().map_err(invalid)?))
        } else {
            (text, Selector::default())
        };
        let image = image.parse().map_err(invalid)?;
        Ok(Self { image, selector })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Version(version) => write!(f, "{}@{version}", self.image),
            Selector::Channel(channel) => write!(f, "{}:{channel}", self.image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read() {
        let shown = |text: &str| text.parse::<Reference>().unwrap().to_string();
        assert_eq!(shown("debian"), "debian:latest");
        assert_eq!(shown("debian:stable"), "debian:stable");
        assert_eq!(shown("debian@20261122.3fa9c1"), "debian@20261122.3fa9c1");
        assert_eq!(shown("debian@1:2".replace(':', ".").as_str()), "debian@1.2");
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "@1",
            ":x",
            "debian@",
            "debian:",
            "debian@1:2",
            "a@b@c",
            "../x",
            "Debian",
            "a/b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
