//! Has an import be bound by limits.
//!
//! ext4 lets whoever has `CAP_SYS_RESOURCE` in the host's own user namespace
//! write past a project's limit (the kernel's `ignore_hardlimit`), and into
//! the blocks that are kept for root. An import has neither for as long as it
//! unpacks. (A machine has neither either if it is in a user namespace of its
//! own, as `machinectl start` has it; where it is not, the limit does not bind
//! its root, which is said when it is set.)

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// The calling thread, and those that it starts meanwhile, cannot write past a
/// limit until this is dropped.
#[derive(Debug)]
pub(crate) struct Bound(Option<CapabilitySets>);

impl Bound {
    pub(crate) fn new() -> Self {
        // Who cannot be asked or changed has no such right to begin with.
        let Ok(before) = capabilities(None) else {
            return Self(None);
        };
        let bound = CapabilitySets {
            effective: before.effective - CapabilitySet::SYS_RESOURCE,
            ..before
        };
        Self(set_capabilities(None, bound).is_ok().then_some(before))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = set_capabilities(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_is_given_back() {
        let has = || capabilities(None).unwrap().effective;
        let before = has();
        let bound = Bound::new();
        let meanwhile = std::thread::spawn(has).join().unwrap();
        assert!(!meanwhile.contains(CapabilitySet::SYS_RESOURCE));
        drop(bound);
        assert_eq!(has(), before);
    }
}
