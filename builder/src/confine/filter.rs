//! The system calls that behave differently for programs inside a tree.
//!
//! Flushing answers success without doing anything: a build that dies is
//! thrown away whole, and what it makes is synced once when it becomes
//! visible. What changes the host or the kernel answers `EPERM`, as in
//! Docker's default profile, under which Debian's packages are installed in
//! container builds every day; capabilities ([`super::enclosure`]) forbid the
//! rest. Files opened with `O_SYNC` stay synchronous.
//!
//! The filter is written out instead of compiled by seccompiler, because
//! that kills processes of another architecture: the i386 programs of an i386
//! image on an amd64 host pass unfiltered here.

use nix::libc;
use seccompiler::{BpfProgram, sock_filter};

/// Answered with success.
const FLUSH: &[libc::c_long] = &[
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_msync,
    #[cfg(not(any(target_arch = "arm", target_arch = "powerpc64")))]
    libc::SYS_sync_file_range,
];

/// Answered with `EPERM`.
const FORBIDDEN: &[libc::c_long] = &[
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    // Keyrings are not namespaced.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Time.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];

/// `AUDIT_ARCH_…` of this program.
const NATIVE: u32 = {
    #[cfg(target_arch = "x86_64")]
    {
        0xc000_003e
    }
    #[cfg(target_arch = "aarch64")]
    {
        0xc000_00b7
    }
    #[cfg(target_arch = "riscv64")]
    {
        0xc000_00f3
    }
    #[cfg(target_arch = "x86")]
    {
        0x4000_0003
    }
    #[cfg(target_arch = "arm")]
    {
        0x4000_0028
    }
    #[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
    {
        0xc000_0015
    }
    #[cfg(target_arch = "s390x")]
    {
        0x8000_0016
    }
};

// Classic BPF: see linux/bpf_common.h, linux/seccomp.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The filter.
pub(super) fn program() -> BpfProgram {
    let mut program = vec![
        instruction(LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE),
        instruction(JUMP_IF_EQUAL, 1, 0, NATIVE),
        instruction(RETURN, 0, 0, ALLOW),
        instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER),
    ];
    let answers = [(FLUSH, ERRNO), (FORBIDDEN, ERRNO | libc::EPERM as u32)];
    for (numbers, answer) in answers {
        for number in numbers {
            let number = u32::try_from(*number).expect("system call numbers are small");
            program.push(instruction(JUMP_IF_EQUAL, 0, 1, number));
            program.push(instruction(RETURN, 0, 0, answer));
        }
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}
