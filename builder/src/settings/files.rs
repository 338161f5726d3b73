//! Files and folders of the recipe.

use super::accounts::Database;
use super::{Context, Result, SettingsError};
use crate::recipe::{Body, File, FolderNode};
use crate::rootfs::Access;

const FOLDER: u32 = 0o755;
const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;

pub(super) fn apply(context: &Context<'_>) -> Result<()> {
    let accounts = Database::read(&context.rootfs)?;
    for file in &context.recipe.files {
        context.progress.check()?;
        let (uid, gid) = accounts
            .owner(&file.owner)
            .map_err(SettingsError::Accounts)?;
        place(context, file, |mode| Access { mode, uid, gid })?;
    }
    Ok(())
}

fn place(context: &Context<'_>, file: &File, access: impl Fn(u32) -> Access) -> Result<()> {
    let rootfs = &context.rootfs;
    let kind = |executable| if executable { PROGRAM } else { PLAIN };
    match &file.body {
        Body::File {
            content,
            executable,
        } => {
            let mode = file.mode.map_or(kind(*executable), |m| m.bits());
            rootfs.write(file.path.relative(), content.bytes(), access(mode))?;
        }
        Body::Folder(entries) => {
            let base = file.path.relative();
            if !base.is_empty() {
                rootfs.folder(base, access(FOLDER))?;
            }
            for entry in entries {
                let path = match base {
                    "" => entry.path.to_string(),
                    _ => format!("{base}/{}", entry.path),
                };
                match &entry.node {
                    FolderNode::Folder => rootfs.folder(&path, access(FOLDER))?,
                    FolderNode::Link(target) => rootfs.link_of(&path, target, access(FOLDER))?,
                    FolderNode::File {
                        content,
                        executable,
                    } => rootfs.write(&path, content.bytes(), access(kind(*executable)))?,
                }
            }
        }
    }
    Ok(())
}
