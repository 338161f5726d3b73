//! The mounts of a check, in its own mount namespace: gone with it.

use super::processes::failed;
use rustix::fd::AsRawFd as _;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags as Propagation};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where everything of the check is mounted; /run is an empty one.
const PLACE: &str = "/run/hatchery-check";

/// Most of the memory that the machine may write to while it is looked at.
const WRITTEN_MAX: &str = "mode=0755,size=1g";

/// Mounts beneath these stay as they are: devices, the new /proc, and the
/// control groups, which systemd-nspawn has to write to.
const KEPT: [&str; 3] = ["/proc", "/dev", "/sys/fs/cgroup"];

/// Makes the host read-only for this process, and mounts a throw-away view of
/// the tree at `root`. Returns where.
pub(super) fn prepare(root: &Path) -> Result<PathBuf, String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tree = rustix::fs::openat(CWD, root, flags, Mode::empty())
        .map_err(|e| failed(&format!("open {}", root.display()))(e.into()))?;
    let private = Propagation::REC | Propagation::PRIVATE;
    rustix::mount::mount_change("/", private)
        .map_err(|e| failed("make the mounts private")(e.into()))?;
    mount("proc", Path::new("/proc"), "")?;
    make_read_only().map_err(failed("make the host read-only for the check"))?;
    mount("tmpfs", Path::new("/run"), WRITTEN_MAX)?;
    mount("tmpfs", Path::new("/tmp"), "mode=1777")?;

    let place = Path::new(PLACE);
    for folder in ["lower", "upper", "work", "root"] {
        fs::create_dir_all(place.join(folder)).map_err(failed("make a folder in /run"))?;
    }
    // By its handle: the tree may lie in the old /run or /tmp.
    let handle = format!("/proc/self/fd/{}", tree.as_raw_fd());
    rustix::mount::mount_bind(handle.as_str(), place.join("lower"))
        .map_err(|e| failed(&format!("bind {}", root.display()))(e.into()))?;
    let layers = format!("lowerdir={PLACE}/lower,upperdir={PLACE}/upper,workdir={PLACE}/work");
    let merged = place.join("root");
    mount("overlay", &merged, &layers)?;
    Ok(merged)
}

fn mount(kind: &str, target: &Path, options: &str) -> Result<(), String> {
    let options = std::ffi::CString::new(options).map_err(|e| e.to_string())?;
    rustix::mount::mount(
        kind,
        target,
        kind,
        MountFlags::empty(),
        Some(options.as_c_str()),
    )
    .map_err(|e| failed(&format!("mount {kind} on {}", target.display()))(e.into()))
}

/// Makes every mount but the kept ones read-only in this namespace. The file
/// systems themselves stay writable for everybody else.
fn make_read_only() -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for (point, options) in table.lines().filter_map(mount_point) {
        if KEPT.iter().any(|kept| point.starts_with(kept)) {
            continue;
        }
        let mut flags = MountFlags::BIND | MountFlags::RDONLY;
        for (name, flag) in [
            ("nosuid", MountFlags::NOSUID),
            ("nodev", MountFlags::NODEV),
            ("noexec", MountFlags::NOEXEC),
        ] {
            if options.split(',').any(|option| option == name) {
                flags |= flag;
            }
        }
        match rustix::mount::mount_remount(&point, flags, "") {
            Err(errno) if point == Path::new("/") => return Err(errno.into()),
            // A mount below another one cannot be reached, by anybody.
            _ => (),
        }
    }
    Ok(())
}

/// Mount point and options of a line of mountinfo (proc(5)).
fn mount_point(line: &str) -> Option<(PathBuf, &str)> {
    let mut fields = line.split(' ').skip(4);
    let point = fields.next()?;
    let options = fields.next()?;
    // Space, tab, newline and backslash are written as octal escapes.
    let point = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(point.to_owned(), |text, (from, to)| text.replace(from, to));
    Some((point.into(), options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read() {
        let line = "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime,nodev master:1 - ext3 /dev/root rw";
        let (point, options) = mount_point(line).unwrap();
        assert_eq!(point, Path::new("/mnt/a b"));
        assert_eq!(options, "rw,noatime,nodev");
        assert!(mount_point("36 35").is_none());
    }
}
