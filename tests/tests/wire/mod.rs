//! Both ends of the wire: what is published, and what stock clients make of it.

pub(crate) mod fixture;
mod hub;
mod incus;
mod oci;
mod page;
mod publish;
mod pull;
mod tls;
