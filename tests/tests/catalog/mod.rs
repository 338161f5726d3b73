//! What a hostile mirror, or whoever stands before it, can try with catalogs
//! and keys: a test a trick, against the real importer and with GnuPG's own
//! keys. Each is refused with a message of its own; no machine is made, and
//! what was seen before is not lowered.

mod envelope;
mod fixture;
mod keys;
mod listing;
mod memory;
mod network;
mod revocation;
mod succession;
mod unknown;
