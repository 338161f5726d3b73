//! The system calls that the process that unpacks may make: to place files
//! beneath handles, to read and write them, and what the C library needs for
//! memory and threads. It can start no program, make no socket and no
//! namespace, and change no mount.
//!
//! Everything else answers `ENOSYS`, as a kernel does that does not know the
//! call: the C library then does without, as it does on old kernels. On
//! architectures for which there is no filter compiler, there is no filter.

use nix::libc;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // Files.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_fsetxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    // The other process.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads and time.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Flags of `clone` that make a namespace.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// The filter for this architecture, if one can be made.
fn program() -> Option<BpfProgram> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads, and no namespaces. `clone3`, whose flags a filter cannot see,
    // is not there, upon which the C library uses this one.
    let only_threads = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(NAMESPACES as u64),
        0,
    );
    // A thread's name.
    let name = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        libc::PR_SET_NAME as u64,
    );
    for (call, condition) in [
        (libc::SYS_clone, only_threads.ok()?),
        (libc::SYS_prctl, name.ok()?),
    ] {
        rules.insert(call, vec![SeccompRule::new(vec![condition]).ok()?]);
    }
    let otherwise = SeccompAction::Errno(libc::ENOSYS as u32);
    let filter = SeccompFilter::new(rules, otherwise, SeccompAction::Allow, architecture);
    filter.ok()?.try_into().ok()
}

/// Allows this process and the threads that it will have nothing else.
pub(super) fn apply() -> Result<(), Errno> {
    let Some(program) = program() else {
        return Ok(());
    };
    seccompiler::apply_filter(&program).map_err(|error| match error {
        seccompiler::Error::Seccomp(source) | seccompiler::Error::Prctl(source) => {
            Errno::from_io_error(&source).unwrap_or(Errno::PERM)
        }
        _ => Errno::INVAL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_filter_for_the_usual_architectures() {
        if ["x86_64", "aarch64", "riscv64"].contains(&std::env::consts::ARCH) {
            assert!(program().is_some_and(|program| program.len() > ALLOWED.len()));
        }
    }
}
