//! A writable view of a tree that must not change: an overlay whose upper
//! layer lies in the build's work folder.
//!
//! What bootstrapping made is kept in the cache as a plain folder, and the
//! settings of each image are written to a layer above it. A rebuild in which
//! only settings changed so starts from the finished bootstrap without
//! copying it, and a first build pays nothing for keeping it.
//!
//! The mount is made in the build's own mount namespace
//! ([`crate::userns::enter`]), so that a killed build leaves none behind.
//! Paths reach the kernel as `/proc/self/fd/N`: overlay's option string has
//! no quoting for commas and colons that is the same on all kernels.

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Why there is no layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A folder for it could not be made or opened.
    #[error("cannot {doing} {path} for a writable layer")]
    Folder {
        /// `make` or `open`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel did not mount it.
    #[error("cannot mount an overlay of {lower} on {target}")]
    Mount {
        /// The tree beneath.
        lower: PathBuf,
        /// Where.
        target: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A mounted layer; unmounted when dropped.
#[derive(Debug)]
pub struct Layer {
    target: PathBuf,
}

impl Layer {
    /// Mounts a writable view of `lower` at `work/root`, with its changes in
    /// `work`, which must be empty. `user_namespace` says whether the caller
    /// is root only in its own user namespace.
    ///
    /// # Errors
    /// A folder cannot be made, or the kernel has no overlay (for this file
    /// system).
    pub fn mount(lower: &Path, work: &Path, user_namespace: bool) -> Result<Self, LayerError> {
        let lower_fd = open(lower)?;
        let upper_fd = open(&make(work, "upper")?)?;
        let scratch_fd = open(&make(work, "scratch")?)?;
        copy_attributes(&lower_fd, &upper_fd).map_err(|source| LayerError::Folder {
            doing: "set the owner and mode of",
            path: work.join("upper"),
            source,
        })?;
        let target = make(work, "root")?;
        // The view must read like a plain tree, whatever the module's defaults;
        // in a user namespace these features are off anyway.
        let extra = if user_namespace {
            ",userxattr"
        } else {
            ",index=off,redirect_dir=off,metacopy=off"
        };
        let options = format!(
            "lowerdir=/proc/self/fd/{},upperdir=/proc/self/fd/{},workdir=/proc/self/fd/{}{extra}",
            lower_fd.as_raw_fd(),
            upper_fd.as_raw_fd(),
            scratch_fd.as_raw_fd(),
        );
        let options = std::ffi::CString::new(options).expect("numbers and letters hold no NUL");
        rustix::mount::mount(
            "overlay",
            &target,
            "overlay",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .map_err(|e| LayerError::Mount {
            lower: lower.to_owned(),
            target: target.clone(),
            source: e.into(),
        })?;
        Ok(Self { target })
    }

    /// The writable tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.target
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.target, UnmountFlags::DETACH);
    }
}

fn make(work: &Path, name: &str) -> Result<PathBuf, LayerError> {
    let path = work.join(name);
    fs::create_dir(&path).map_err(|source| LayerError::Folder {
        doing: "make",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

fn open(path: &Path) -> Result<OwnedFd, LayerError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|e| LayerError::Folder {
        doing: "open",
        path: path.to_owned(),
        source: e.into(),
    })
}

/// The view's root directory is the upper one, so it must look like the lower.
fn copy_attributes(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    rustix::fs::fchown(
        to,
        Some(rustix::process::Uid::from_raw(stat.st_uid)),
        Some(rustix::process::Gid::from_raw(stat.st_gid)),
    )?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    Ok(())
}
