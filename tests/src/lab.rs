//! `lab`, an image of a few hundred KiB that every client accepts, and keys
//! to sign it with.

use hatchery_image::archive::{PackOptions, pack};
use hatchery_image::files::{ImageFiles, file_name};
use hatchery_image::manifest::{Distribution, FORMAT, File, FileRole, Manifest, Requires, Tool};
use hatchery_image::signer::{Home, Protection, Signer};
use hatchery_image::{Architecture, ImageName, Progress, Sha256};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Length of the largest file in it, which does not compress, in bytes.
pub const NOISE: usize = 256 << 10;
/// To what times in it are clamped.
const SOURCE_DATE_EPOCH: i64 = 0;
/// Its settings.
pub const NSPAWN: &str = "[Exec]\nBoot=yes\n";

/// A new key without a passphrase in a home of its own. Its agent runs until
/// [`Signer::stop_agent`]. Ask for `gpg` first.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn key(home: &Path, user_id: &str) -> Signer {
    let home = Home::create(home).expect("a GnuPG home");
    home.new_key(user_id, Protection::None, None)
        .expect("a new key");
    Signer::find(home.path(), None).expect("the key that was made")
}

/// A version of the image, as `build` leaves it, in the new folder
/// `directory`; its file `etc/content` holds `content`.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn image(directory: &Path, version: &str, content: &str, signer: &Signer) -> ImageFiles {
    let rootfs = tempfile::tempdir().expect("a temporary folder");
    make_rootfs(rootfs.path(), content).expect("a small tree");
    let mut files = pack_tree(rootfs.path(), directory, "lab", version, |_| ());
    files.sign(signer).expect("a signature");
    files
}

/// An image of any tree, as `build` leaves it but unsigned, in the new folder
/// `directory`, with a manifest that `edit` has changed.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn pack_tree(
    rootfs: &Path,
    directory: &Path,
    name: &str,
    version: &str,
    edit: impl FnOnce(&mut Manifest),
) -> ImageFiles {
    fs::create_dir(directory).expect("a new folder for the image");
    let options = PackOptions {
        source_date_epoch: SOURCE_DATE_EPOCH,
        zstd_level: 1,
        xz_level: Some(0),
        threads: 2,
        traces: Vec::new(),
        frames: None,
    };
    let silent = Progress::silent();
    let packed = pack(rootfs, directory, name, &options, &silent).expect("archives");
    let name: ImageName = name.parse().expect("a name");
    let nspawn = file_name(&name, FileRole::Nspawn);
    fs::write(directory.join(&nspawn), NSPAWN).expect("the settings");
    let mut manifest = Manifest {
        format: FORMAT,
        name,
        version: version.parse().expect("a version"),
        architecture: Architecture::Amd64,
        distribution: Distribution {
            id: "lab".into(),
            release: "1".into(),
        },
        source_date_epoch: SOURCE_DATE_EPOCH,
        tool: Tool {
            name: "hatchery".into(),
            version: "0".into(),
        },
        recipe: Sha256::of(b"recipe"),
        lock: Sha256::of(b"lock"),
        tar: packed.tar,
        archives: packed.archives,
        files: vec![File {
            file: nspawn.parse().expect("a file name"),
            role: FileRole::Nspawn,
            size: NSPAWN.len() as u64,
            sha256: Sha256::of(NSPAWN.as_bytes()),
        }],
        unpacked: packed.unpacked,
        disk_limit: None,
        requires: Requires::default(),
        packages: Vec::new(),
    };
    edit(&mut manifest);
    ImageFiles::write(directory, manifest, None).expect("manifest and digests")
}

fn make_rootfs(root: &Path, content: &str) -> std::io::Result<()> {
    for folder in ["etc", "usr/bin"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("etc/os-release"), "ID=lab\n")?;
    fs::write(root.join("etc/content"), content)?;
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n")?;
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(root.join("usr/bin/tool"), mode)?;
    symlink("usr/bin", root.join("bin"))?;
    fs::write(root.join("usr/noise"), noise(NOISE))
}

/// Bytes that repeat nowhere, the same at each call.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
