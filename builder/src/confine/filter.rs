//! The system calls that behave differently for programs inside a tree.
//!
//! Flushing answers success without doing anything: a build that dies is
//! thrown away whole, and what it makes is synced once when it becomes
//! visible. What changes the host or the kernel answers `EPERM`, as in
//! Docker's default profile, under which Debian's packages are installed in
//! container builds every day; capabilities ([`super::enclosure`]) forbid the
//! rest. Files opened with `O_SYNC` stay synchronous.
//!
//! A user namespace would give back every capability inside it, so none can be
//! made: `clone` is looked into, and `clone3`, whose flags a filter cannot see,
//! answers `ENOSYS`, upon which the C library uses `clone` (Docker's way, too).
//!
//! The filter is written out instead of compiled by seccompiler, because
//! that kills processes of another architecture: the i386 programs of an i386
//! image run on an amd64 host here, kept from namespaces and mounts only.

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

/// `AUDIT_ARCH_I386`, and what its programs are kept from: mount, umount2,
/// pivot_root, unshare and setns by their numbers there. amd64 hosts run them.
#[cfg(target_arch = "x86_64")]
const I386: (u32, [u32; 5]) = (0x4000_0003, [21, 52, 217, 310, 346]);

/// `clone` and `clone3` of i386.
#[cfg(target_arch = "x86_64")]
const I386_CLONE: (u32, u32) = (120, 435);

/// Numbers from here on are x32's, another way to the same calls.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Where the flags of `clone` are: the low half of its first argument.
#[cfg(not(target_arch = "s390x"))]
const OFFSET_FLAGS: u32 = 16;
/// The low half of its second argument.
#[cfg(target_arch = "s390x")]
const OFFSET_FLAGS: u32 = 28;

// Classic BPF: see linux/bpf_common.h, linux/seccomp.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
#[cfg(target_arch = "x86_64")]
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_SET: u16 = 0x45;
const RETURN: u16 = 0x06;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const DENY: u32 = ERRNO | libc::EPERM as u32;

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Answers a system call of this number so.
fn answer(program: &mut BpfProgram, number: u32, answer: u32) {
    program.push(instruction(JUMP_IF_EQUAL, 0, 1, number));
    program.push(instruction(RETURN, 0, 0, answer));
}

/// Lets processes be made, and no user namespaces.
fn without_user_namespaces(program: &mut BpfProgram, clone: u32, clone3: u32) {
    answer(program, clone3, ERRNO | libc::ENOSYS as u32);
    program.extend([
        instruction(JUMP_IF_EQUAL, 0, 4, clone),
        instruction(LOAD_WORD, 0, 0, OFFSET_FLAGS),
        instruction(JUMP_IF_SET, 0, 1, libc::CLONE_NEWUSER as u32),
        instruction(RETURN, 0, 0, DENY),
        instruction(RETURN, 0, 0, ALLOW),
    ]);
}

/// What programs of another architecture are kept from.
fn foreign() -> BpfProgram {
    let mut program = BpfProgram::new();
    #[cfg(target_arch = "x86_64")]
    {
        let (architecture, numbers) = I386;
        program.push(instruction(JUMP_IF_EQUAL, 1, 0, architecture));
        program.push(instruction(RETURN, 0, 0, ALLOW));
        program.push(instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER));
        for number in numbers {
            answer(&mut program, number, DENY);
        }
        without_user_namespaces(&mut program, I386_CLONE.0, I386_CLONE.1);
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}

/// The filter.
pub(super) fn program() -> BpfProgram {
    let foreign = foreign();
    let over = u8::try_from(foreign.len()).expect("it is a few instructions");
    let mut program = vec![
        instruction(LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE),
        instruction(JUMP_IF_EQUAL, over, 0, NATIVE),
    ];
    program.extend(foreign);
    program.push(instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER));
    #[cfg(target_arch = "x86_64")]
    program.extend([
        instruction(JUMP_IF_AT_LEAST, 0, 1, X32),
        instruction(RETURN, 0, 0, DENY),
    ]);
    let number = |number: libc::c_long| u32::try_from(number).expect("system calls are few");
    for (calls, said) in [(FLUSH, ERRNO), (FORBIDDEN, DENY)] {
        for call in calls {
            answer(&mut program, number(*call), said);
        }
    }
    without_user_namespaces(
        &mut program,
        number(libc::SYS_clone),
        number(libc::SYS_clone3),
    );
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}
