//! The recipe's script, run inside the tree as the last thing.

use super::{Context, Result, SettingsError};
use crate::confine::Confinement;
use crate::rootfs::Access;

/// Where it lies while it runs. `/tmp` and `/run` are other file systems then.
pub(super) const PLACE: &str = ".post-install";

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let Some(script) = &context.recipe.post_install else {
        return Ok(());
    };
    let bytes = script.content.bytes();
    context.rootfs.write(PLACE, bytes, Access::root(0o700))?;
    let path = format!("/{PLACE}");
    let argv: &[&str] = if bytes.starts_with(b"#!") {
        &[&path]
    } else {
        &["/bin/sh", "-e", &path]
    };
    let confinement = Confinement {
        network: script.network,
        ..context.confinement.clone()
    };
    let ran = confinement.run(argv, None, &[], context.progress);
    context.rootfs.remove(PLACE)?;
    ran.map(|_| ()).map_err(|source| SettingsError::Program {
        doing: "run the post_install script",
        source,
    })
}
