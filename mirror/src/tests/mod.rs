//! The server, asked over real connections on loopback.

mod client;
mod conversation;
mod fixture;
mod hostile;
mod hub;
mod images;
mod oci;
mod pages;
mod patience;
mod protocols;
mod semantics;
mod stopping;
mod streams;
mod told;

pub(crate) use fixture::noise;
