//! A virtual machine without a disk: Debian's cloud kernel, and an initramfs
//! of busybox, the program under test, and what it is tested with. Both
//! packages are fetched with the host's own apt, once, and unpacked, not
//! installed.

use hatchery_tests::run::run;
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's names for the kernel (which depends on the newest) and busybox.
const KERNEL: &str = "linux-image-cloud-amd64";
const BUSYBOX: &str = "busybox-static";

/// Modules that quotas, loop devices and xfs need.
const MODULES: [&str; 5] = [
    "libcrc32c.ko",
    "loop.ko",
    "quota_tree.ko",
    "quota_v2.ko",
    "xfs.ko",
];

/// Programs from the host.
const PROGRAMS: [&str; 4] = ["mkfs.ext4", "mkfs.xfs", "lsattr", "chattr"];

/// How long the guest has, in seconds: it is emulated.
const TIME: &str = "240";

/// Kernel and busybox, unpacked.
pub(super) struct Guest {
    packages: PathBuf,
    kernel: PathBuf,
}

impl Guest {
    /// Fetched into `folder`, unless they are there.
    ///
    /// # Errors
    /// The host's apt has none: why.
    pub(super) fn fetch(folder: &Path) -> Result<Self, String> {
        let about = run(&["apt-cache", "depends", KERNEL])?;
        let real = about
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image"));
        let real = real.ok_or_else(|| format!("{KERNEL} depends on no kernel: {about}"))?;
        let real = format!("linux-image{real}");
        let packages = folder.join(&real);
        if !packages.exists() {
            let staging = folder.join(format!(".new-{real}"));
            let _ = fs::remove_dir_all(&staging);
            fs::create_dir_all(&staging).unwrap();
            let text = staging.to_str().unwrap();
            for package in [&real, BUSYBOX] {
                let script = "cd \"$0\" && apt-get download -q \"$1\" && \
                              dpkg-deb -x \"$1\"_*.deb . && rm \"$1\"_*.deb";
                run(&["sh", "-c", script, text, package])?;
            }
            fs::rename(&staging, &packages).unwrap();
        }
        let kernel = find(&packages.join("boot"), &|name| name.starts_with("vmlinuz-"));
        Ok(Self {
            kernel: kernel.first().expect("the package holds a kernel").clone(),
            packages,
        })
    }

    /// What the guest says when it boots this program with these files in its
    /// root.
    pub(super) fn boot(&self, program: &Path, init: &str, files: &[(&Path, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for folder in [
            "bin",
            "proc",
            "sys",
            "dev",
            "work",
            "modules",
            "etc/ssl/certs",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("init"), init).unwrap();
        run(&["chmod", "755", root.join("init").to_str().unwrap()]).unwrap();
        let busybox = self.packages.join("bin/busybox");
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for module in find(&self.packages.join("lib/modules"), &|n| {
            MODULES.contains(&n)
        }) {
            let name = module.file_name().unwrap();
            fs::copy(&module, root.join("modules").join(name)).unwrap();
        }
        let target = root.join("bin/hatchery");
        let (from, to) = (program.to_str().unwrap(), target.to_str().unwrap());
        run(&["strip", "--strip-all", "-o", to, from]).unwrap();
        add_libraries(program, &root);
        for name in PROGRAMS {
            let path = run(&["sh", "-c", "command -v \"$0\"", name]).unwrap();
            let path = fs::canonicalize(path.trim()).unwrap();
            let target = root.join("bin").join(name);
            fs::copy(&path, target).unwrap();
            add_libraries(&path, &root);
        }
        for (from, to) in files {
            let to = root.join(to);
            run(&["cp", "-a", from.to_str().unwrap(), to.to_str().unwrap()]).unwrap();
        }
        let initramfs = folder.path().join("initramfs");
        let text = initramfs.to_str().unwrap();
        let pack = ["bsdtar", "--format=newc", "-cf", text, "-C"];
        run(&[&pack[..], &[root.to_str().unwrap(), "."]].concat()).unwrap();
        self.emulate(text)
    }

    fn emulate(&self, initramfs: &str) -> String {
        let kernel = self.kernel.to_str().unwrap();
        let machine = [
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-smp",
            "2",
            "-m",
            "1536",
        ];
        let devices = ["-nodefaults", "-no-user-config", "-display", "none"];
        let console = ["-serial", "stdio", "-no-reboot"];
        let system = ["-kernel", kernel, "-initrd", initramfs];
        // A busy host lends too little time for the kernel's test of its timer.
        let append = ["-append", "console=ttyS0 quiet panic=-1 no_timer_check"];
        let argv = [
            &["timeout", "--kill-after=5", TIME][..],
            &machine,
            &devices,
            &console,
            &system,
            &append,
        ];
        match run(&argv.concat()) {
            Ok(said) | Err(said) => said,
        }
    }
}

/// Copies the shared libraries of a program to where they are here.
fn add_libraries(program: &Path, root: &Path) {
    let said = run(&["ldd", program.to_str().unwrap()]).unwrap();
    for line in said.lines() {
        // "libx.so => /lib/libx.so (0x…)" or "/lib64/ld.so (0x…)".
        let path = line.rsplit("=> ").next().unwrap_or(line);
        let path = path.trim().split(" (").next().unwrap_or_default();
        if !path.starts_with('/') {
            continue;
        }
        let target = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, &target).unwrap();
    }
}

/// Files below a folder whose names are wanted.
fn find(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(find(&entry.path(), wanted)),
            Ok(kind) if kind.is_file() && wanted(&name) => found.push(entry.path()),
            _ => (),
        }
    }
    found
}
