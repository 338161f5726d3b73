//! Asking web servers: connections, redirects and what an answer announces.
//!
//! Redirects are followed here rather than by reqwest, because where one may
//! lead depends on who sent it: never from `https` to `http`, never to
//! another scheme, and from a server that is not itself on this host or link
//! never to a loopback or link-local address, whatever name it goes by.

use crate::error::{Failure, Stop};
use crate::location::displayed;
use crate::names::Names;
use crate::watch::Watch;
use crate::{Driver, Settings};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE,
    LOCATION, RANGE,
};
use reqwest::{Response, StatusCode};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use url::{Host, Url};

/// Redirects that are followed in a row.
const HOPS_MAX: usize = 5;

/// Longest ETag that is remembered, in bytes.
const ETAG_MAX: usize = 256;

/// Connections to web servers. Clients are made when they are first needed:
/// to read the certificates of this host's authorities takes longer than a
/// small download from the next room, and only `https` needs them.
#[derive(Clone)]
pub(crate) struct Web {
    names: Names,
    connect: Duration,
    system_proxy: bool,
    clients: Arc<[OnceLock<reqwest::Client>; 4]>,
    /// Whether there is one transfer after another.
    one_by_one: bool,
    /// Who makes the clients, one after the other.
    making: Arc<Mutex<()>>,
}

/// What a client may do.
#[derive(Clone, Copy)]
struct Purpose {
    /// For where others lead us: resolves no name to this host or link.
    guarded: bool,
    /// With the certificates of this host's authorities.
    roots: bool,
}

/// Where to go on.
pub(crate) struct Resume {
    /// How many bytes are there already.
    pub(crate) offset: u64,
    /// The strong ETag that they came with.
    pub(crate) etag: Option<String>,
}

/// An answer whose body is yet to come.
pub(crate) struct Opening {
    pub(crate) response: Response,
    /// Where in the file the body begins.
    pub(crate) offset: u64,
    /// How long the body is announced to be.
    pub(crate) length: Option<u64>,
    /// Its strong ETag, if it has one.
    pub(crate) etag: Option<String>,
}

impl Web {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            names: Names::of_host(),
            connect: settings.connect,
            system_proxy: settings.system_proxy,
            one_by_one: settings.driver == Driver::Caller,
            clients: Arc::default(),
            making: Arc::default(),
        }
    }

    /// The client for an address.
    fn client(&self, url: &Url, guarded: bool) -> Result<&reqwest::Client, Failure> {
        let roots = url.scheme() == "https" || self.asks_proxy_by_tls(url);
        let purpose = Purpose { guarded, roots };
        let place = &self.clients[usize::from(guarded) * 2 + usize::from(roots)];
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = place.get() {
            return Ok(client);
        }
        // With roots it fails where this host has none.
        let client = self.make(purpose).map_err(|source| match roots {
            true => Failure::NoRoots,
            false => Failure::Connect(source),
        })?;
        Ok(place.get_or_init(|| client))
    }

    /// Whether the user's proxy for this address is itself reached by TLS.
    fn asks_proxy_by_tls(&self, url: &Url) -> bool {
        self.system_proxy
            && url.as_str().parse().is_ok_and(|uri| {
                let proxy = Matcher::from_env().intercept(&uri);
                proxy.is_some_and(|proxy| proxy.uri().scheme_str() == Some("https"))
            })
    }

    fn make(&self, purpose: Purpose) -> reqwest::Result<reqwest::Client> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hatchery/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect)
            .tcp_nodelay(true);
        if !self.system_proxy {
            builder = builder.no_proxy();
        }
        if self.one_by_one {
            // The frames and windows of HTTP/2 only cost both sides time.
            builder = builder.http1_only();
        }
        if !purpose.roots {
            builder = builder.tls_certs_only([]);
        }
        builder = if purpose.guarded {
            builder.dns_resolver(Arc::new(Guard(self.names.clone())))
        } else {
            builder.dns_resolver(Arc::new(self.names.clone()))
        };
        builder.build()
    }

    /// Asks for a file, from where `resume` left off.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        resume: Option<&Resume>,
        settings: &Settings,
        watch: Watch<'_>,
    ) -> Result<Opening, Stop> {
        let mut url = url.clone();
        let mut guarded = false;
        for _ in 0..=HOPS_MAX {
            let client = self.client(&url, guarded)?;
            let request = client.get(url.clone()).headers(range(resume));
            let response = watch
                .within(settings.stall, request.send())
                .await?
                .map_err(|e| Stop::Here(broken(e)))?;
            if !response.status().is_redirection() {
                return Ok(opening(response, resume)?);
            }
            guarded = guarded || !response.remote_addr().is_some_and(|a| is_near(a.ip()));
            url = follow(&url, &response, guarded)?;
        }
        Err(redirect(&url, "after too many other redirects").into())
    }
}

fn range(resume: Option<&Resume>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(Resume { offset, etag }) = resume.filter(|r| r.offset > 0) {
        headers.insert(
            RANGE,
            HeaderValue::from_str(&format!("bytes={offset}-"))
                .expect("digits are valid in a header"),
        );
        if let Some(etag) = etag.as_ref().and_then(|e| HeaderValue::from_str(e).ok()) {
            headers.insert(IF_RANGE, etag);
        }
    }
    headers
}

pub(crate) fn broken(error: reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Connect(error.without_url())
    } else {
        Failure::Broken(error.without_url())
    }
}

fn redirect(to: &Url, why: &'static str) -> Failure {
    Failure::Redirect {
        to: displayed(to).chars().take(200).collect(),
        why,
    }
}

/// Where a redirect leads, if it may lead there.
fn follow(from: &Url, response: &Response, guarded: bool) -> Result<Url, Failure> {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| from.join(text).ok())
        .ok_or_else(|| Failure::Status(response.status()))?;
    match (from.scheme(), target.scheme()) {
        ("http" | "https", "https") | ("http", "http") => {}
        ("https", "http") => return Err(redirect(&target, "which is not encrypted")),
        _ => return Err(redirect(&target, "which is neither http nor https")),
    }
    let near = match target.host() {
        Some(Host::Ipv4(address)) => is_near(address.into()),
        Some(Host::Ipv6(address)) => is_near(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    };
    if guarded && near {
        return Err(redirect(&target, "which is on this host or link"));
    }
    Ok(target)
}

/// Loopback, link-local, or an address that means this host.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            a.is_loopback() || a.is_link_local() || a.octets()[0] == 0 || a.is_multicast()
        }
        IpAddr::V6(a) => {
            a.is_loopback() || a.is_unicast_link_local() || a.is_unspecified() || a.is_multicast()
        }
    }
}

/// Reads what an answer announces.
fn opening(response: Response, resume: Option<&Resume>) -> Result<Opening, Failure> {
    let wanted = resume.map_or(0, |r| r.offset);
    let offset = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if wanted > 0 => match first_byte(&response) {
            Some(first) if first == wanted => first,
            _ => return Err(Failure::Range),
        },
        StatusCode::PARTIAL_CONTENT => return Err(Failure::Range),
        status => return Err(Failure::Status(status)),
    };
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    if let Some(encoding) = header(CONTENT_ENCODING).filter(|e| *e != "identity") {
        return Err(Failure::Encoded(encoding.chars().take(40).collect()));
    }
    let etag = header(ETAG)
        .filter(|e| e.starts_with('"') && e.len() <= ETAG_MAX)
        .map(str::to_owned);
    Ok(Opening {
        offset,
        length: response.content_length(),
        etag,
        response,
    })
}

/// `A` of `Content-Range: bytes A-B/C` (RFC 9110, 14.4).
fn first_byte(response: &Response) -> Option<u64> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = value.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

/// Resolves names, but to nothing on this host or link. Only `localhost`
/// passes: redirects to it are refused by name, so that it can only be the
/// proxy that the user set up.
struct Guard(Names);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = names.resolve(name).await?;
            let kept: Vec<SocketAddr> = found
                .filter(|a| host == "localhost" || !is_near(a.ip()))
                .collect();
            if kept.is_empty() {
                return Err(format!("{host} is on this host or link").into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_addresses_are_known_in_every_spelling() {
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.0.1",
        ] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["192.0.2.1", "10.0.0.1", "2001:db8::1"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    fn redirected(from: &str, to: &str, guarded: bool) -> Result<Url, Failure> {
        let answer = hyper::Response::builder()
            .status(302)
            .header(LOCATION, to)
            .body("")
            .expect("a redirect");
        follow(&Url::parse(from).unwrap(), &answer.into(), guarded)
    }

    #[test]
    fn redirects_never_leave_encryption_nor_http() {
        let https = "https://mirror.example.org/catalog.json";
        for (from, to, why) in [
            (
                https,
                "http://mirror.example.org/catalog.json",
                "not encrypted",
            ),
            (https, "//other.example.org/x", ""),
            (https, "file:///etc/passwd", "neither http nor https"),
            (
                "http://mirror.example.org/",
                "https://other.example.org/",
                "",
            ),
            (
                "http://mirror.example.org/",
                "data:,x",
                "neither http nor https",
            ),
        ] {
            match redirected(from, to, true) {
                Ok(_) => assert_eq!(why, "", "{from} {to}"),
                Err(failure) => {
                    assert!(!why.is_empty(), "{from} {to}: {failure}");
                    assert!(failure.to_string().contains(why), "{failure}");
                }
            }
        }
    }

    #[test]
    fn redirects_of_a_server_elsewhere_never_lead_to_this_host_or_link() {
        for host in [
            "127.0.0.1",
            "localhost",
            "LOCALHOST.",
            "x.localhost",
            "0",
            "0x7f.1",
            "[::1]",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "169.254.169.254",
            "224.0.0.1",
        ] {
            let to = format!("http://{host}:8080/x");
            let from = "http://192.0.2.1/catalog.json";
            let refused = redirected(from, &to, true);
            let text = refused.unwrap_err().to_string();
            assert!(text.contains("on this host or link"), "{host}: {text}");
            assert!(redirected(from, &to, false).is_ok(), "{host}");
        }
    }

    #[test]
    fn the_guard_resolves_nothing_near() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime.block_on(Guard(Names::of_host()).resolve("127.0.0.1".parse().unwrap()));
        assert!(found.is_err());
    }
}
