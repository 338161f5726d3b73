//! Where clients find the server: what the commands on its pages begin with.
//!
//! Either the configuration says it, which is needed behind a proxy that speaks
//! TLS or puts a path before ours, or the request does: its authority or Host,
//! and whether the listener speaks TLS. Either way it can only hold what means
//! nothing to a shell or to HTML. `X-Forwarded-…` are not read: anybody can
//! send them, and what they say is for the operator to say.

use crate::target::TargetError;
use hyper::http::{HeaderMap, Uri, header};
use serde::Deserialize;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Longest URL, in bytes.
const URL_MAX: usize = 512;
/// Longest name of a host, in bytes (RFC 1035, section 2.3.4).
const HOST_MAX: usize = 253;
/// What stands for a host that an HTTP/1.0 request does not name.
const UNNAMED: &str = "MIRROR";

/// An absolute URL of the server's root, without query or user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    is_secure: bool,
    /// Host, and port where it is not the scheme's own.
    authority: String,
    /// Empty, or `/` and one or more parts; no slash at its end.
    path: String,
}

/// Why a text is no URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no public URL: {why}; write it like https://images.example.org/")]
pub struct InvalidPublicUrl {
    text: String,
    why: &'static str,
}

impl PublicUrl {
    /// Where this request came to.
    pub(crate) fn of_request(
        is_secure: bool,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, TargetError> {
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => match headers.get(header::HOST).map(|host| host.to_str()) {
                Some(Ok(host)) => Some(host),
                Some(Err(_)) => return Err(TargetError::Malformed("its Host is not ASCII")),
                None => None,
            },
        };
        let authority = match host {
            Some(host) => authority(host, is_secure).map_err(TargetError::Malformed)?,
            None => UNNAMED.to_owned(),
        };
        Ok(Self {
            is_secure,
            authority,
            path: String::new(),
        })
    }

    /// Whether it is reached over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Its host, and port where it is not the scheme's own.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether nothing stands before our paths.
    pub(crate) fn is_root(&self) -> bool {
        self.path.is_empty()
    }
}

/// With a slash at its end.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}/", self.authority, self.path)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        parse(text).map_err(|why| InvalidPublicUrl {
            text: text.chars().take(100).collect(),
            why,
        })
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = InvalidPublicUrl;

    fn try_from(text: String) -> Result<Self, InvalidPublicUrl> {
        text.parse()
    }
}

fn parse(text: &str) -> Result<PublicUrl, &'static str> {
    if text.len() > URL_MAX {
        return Err("it is longer than 512 bytes");
    }
    let (is_secure, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err("it starts with neither https:// nor http://");
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let mut parts = path.split('/').skip(1);
    if parts.any(|part| matches!(part, "" | "." | "..") || !part.bytes().all(is_plain)) {
        return Err("the parts of its path may hold letters, digits, '-', '.', '_' and '~' only");
    }
    Ok(PublicUrl {
        is_secure,
        authority: authority(host, is_secure)?,
        path: path.to_owned(),
    })
}

/// A host and perhaps a port, in lower case, without the scheme's own port.
fn authority(text: &str, is_secure: bool) -> Result<String, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("it has a '[' without a ']'")?;
            let address: Ipv6Addr = address
                .parse()
                .map_err(|_| "it has no IPv6 address in []")?;
            (format!("[{address}]"), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            if !is_name(name) {
                return Err("its host is no name of a host");
            }
            (name.to_ascii_lowercase(), port)
        }
    };
    let Some(port) = port.strip_prefix(':') else {
        let none = port.is_empty();
        return none.then_some(host).ok_or("something follows its host");
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = port.parse().map_err(|_| "its port is none")?;
    if !digits || port == 0 {
        return Err("its port is none");
    }
    let own = if is_secure { 443 } else { 80 };
    Ok(if port == own {
        host
    } else {
        format!("{host}:{port}")
    })
}

/// Underscores are no part of host names, and are in those of many containers.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    text.len() <= HOST_MAX && labels.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::http::HeaderValue;

    #[test]
    fn what_an_operator_writes() {
        for (text, expected) in [
            ("https://images.example.org", "https://images.example.org/"),
            ("https://Images.Example.org/", "https://images.example.org/"),
            ("http://10.0.0.1:8080/", "http://10.0.0.1:8080/"),
            (
                "https://[2001:DB8::1]:8443/a/b-c",
                "https://[2001:db8::1]:8443/a/b-c/",
            ),
            ("https://example.org:443/x/", "https://example.org/x/"),
            ("http://build_1:80", "http://build_1/"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), expected);
        }
    }

    #[test]
    fn what_means_more_than_a_place_is_refused() {
        let long = format!("https://example.org/{}", "a".repeat(URL_MAX));
        for text in [
            "",
            "example.org",
            "ftp://example.org/",
            "https:///",
            "https://user@example.org/",
            "https://example.org:/",
            "https://example.org:+80/",
            "https://example.org:0/",
            "https://example.org:65536/",
            "https://example.org/?a",
            "https://example.org/#a",
            "https://example.org//a",
            "https://example.org/a/../b",
            "https://example.org/$(id)",
            "https://-x/",
            "https://a..b/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[x]/",
            "https://ex ample.org/",
            "https://example.org/<script>",
            "https://bücher.example/",
            &long,
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_says_where_it_came_to() {
        let of = |is_secure, target: &str, host: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(header::HOST, HeaderValue::from_static(host));
            }
            let url = PublicUrl::of_request(is_secure, &target.parse().unwrap(), &headers);
            url.map(|url| url.to_string()).ok()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of(false, "/", Some("a:8080")), text("http://a:8080/"));
        assert_eq!(of(true, "/", Some("a:8080")), text("https://a:8080/"));
        // The target's own host wins (RFC 9112, section 3.2.2).
        assert_eq!(of(false, "http://b/", Some("a")), text("http://b/"));
        assert_eq!(of(false, "/", None), text("http://MIRROR/"));
        for host in [
            "", "a b", "a/b", "a;id", "'a'", "<b>", "user@a", "$(id)", "a:b",
        ] {
            assert_eq!(of(false, "/", Some(host)), None, "{host}");
        }
    }
}
