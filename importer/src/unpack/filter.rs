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

/// What of `fcntl` is needed: copies of a handle and its flags. Another part
/// of it has the kernel send any signal to any process (`F_SETOWN`,
/// `F_SETSIG`), or holds up whoever opens the archive (`F_SETLEASE`).
const HANDLES: [libc::c_int; 4] = [
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
];

/// Allowed where an argument of the call has this value.
fn conditions() -> Vec<(libc::c_long, u8, SeccompCmpOp, u64)> {
    use SeccompCmpOp::{Eq, MaskedEq};
    // Threads of this process, which end with it: a process of its own would
    // outlive the import. And no namespaces. `clone3`, whose flags a filter
    // cannot see, is not there, upon which the C library uses this one.
    let looked_at = (NAMESPACES | libc::CLONE_THREAD) as u64;
    let only_threads = (
        libc::SYS_clone,
        0,
        MaskedEq(looked_at),
        libc::CLONE_THREAD as u64,
    );
    let own = u64::from(std::process::id());
    let mut all = vec![
        only_threads,
        // A thread's name.
        (libc::SYS_prctl, 0, Eq, libc::PR_SET_NAME as u64),
        // To abort. Root may send a signal to every process of root's.
        (libc::SYS_tgkill, 0, Eq, own),
    ];
    all.extend(HANDLES.map(|command| (libc::SYS_fcntl, 1, Eq, command as u64)));
    all
}

/// The filter for this architecture, if there is a compiler for it.
fn program() -> Option<Result<BpfProgram, seccompiler::BackendError>> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    Some(compiled(architecture))
}

fn compiled(architecture: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    for (call, argument, operator, value) in conditions() {
        let length = match operator {
            SeccompCmpOp::MaskedEq(_) => SeccompCmpArgLen::Qword,
            _ => SeccompCmpArgLen::Dword,
        };
        let condition = SeccompCondition::new(argument, length, operator, value)?;
        let rule = SeccompRule::new(vec![condition])?;
        rules.entry(call).or_default().push(rule);
    }
    let otherwise = SeccompAction::Errno(libc::ENOSYS as u32);
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, architecture)?.try_into()
}

/// Allows this process and the threads that it will have nothing else.
pub(super) fn apply() -> Result<(), Errno> {
    let Some(program) = program() else {
        return Ok(());
    };
    let program = program.map_err(|_| Errno::INVAL)?;
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
            let program = program().unwrap().unwrap();
            assert!(program.len() > ALLOWED.len());
        }
    }

    /// Signals to others, processes that stay, and handles that send signals:
    /// what a parser that was taken over could still do to the host.
    #[test]
    #[expect(unsafe_code, reason = "nothing safe makes these calls")]
    #[expect(clippy::disallowed_methods, reason = "somebody to send signals to")]
    fn nothing_reaches_another_process() {
        let mut other = std::process::Command::new("sleep");
        let mut other = other.arg("60").spawn().unwrap();
        let pid = other.id();
        // The filter holds for this thread and those that it starts.
        let tried = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            apply().unwrap();
            let is_copied = ours.try_clone().is_ok();
            let sum = std::thread::spawn(|| 3 + 4).join().ok();
            let signals =
                rustix::fs::fcntl_setfl(&ours, rustix::fs::OFlags::from_bits_retain(0x2000));
            // SAFETY: numbers alone; a signal to a process of this test.
            let killed = unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, libc::SIGKILL) };
            // SAFETY: as fork; a child that came to be would end at once.
            let forked = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
            if forked == 0 {
                // SAFETY: it ends the child and touches nothing.
                unsafe { libc::_exit(0) };
            }
            (is_copied, sum, signals, killed, forked)
        });
        let tried = tried.join().unwrap();
        let ended = other.try_wait().unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(tried, (true, Some(7), Err(Errno::NOSYS), -1, -1));
        assert_eq!(ended, None, "the other process lives");
    }
}
