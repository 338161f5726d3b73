//! Both ends of the wire: what is published, and what stock clients make of it.

mod fixture;
mod publish;
mod pull;
