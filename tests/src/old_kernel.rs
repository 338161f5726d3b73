//! A kernel as old as Linux 4.4, as far as a program can tell: every system
//! call that is newer answers `ENOSYS`.
//!
//! Calls are numbered in the order in which they came, so one comparison
//! tells. The filter is that of a thread and of what it starts.

use seccompiler::{BpfProgram, sock_filter};

/// The last number of Linux 4.4, `mlock2`.
#[cfg(target_arch = "x86_64")]
const LAST: u32 = 325;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const LAST: u32 = 284;

/// `clone3`, of the same number everywhere. To everything but `ENOSYS` the C
/// library says that it cannot start a program, so filters answer that.
const CLONE3: u32 = 435;

// Classic BPF: see linux/bpf_common.h, linux/seccomp.h.
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const RETURN: u16 = 0x06;
const OFFSET_NUMBER: u32 = 0;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// What newer calls answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Answer {
    /// `EPERM`, as old seccomp filters do.
    Forbidden = 1,
    /// `ENOSYS`, as an old kernel does.
    Unknown = 38,
}

/// Runs something in a thread in which all system calls that are newer than
/// Linux 4.4 answer so, in the programs that it starts as well.
///
/// # Panics
/// When the filter cannot be set, or when what runs does.
pub fn with_old_kernel<T: Send>(answer: Answer, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            seccompiler::apply_filter(&program(answer)).expect("a filter for system calls");
            run()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn program(answer: Answer) -> BpfProgram {
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        instruction(LOAD_WORD, 0, 0, OFFSET_NUMBER),
        instruction(JUMP_IF_EQUAL, 0, 1, CLONE3),
        instruction(RETURN, 0, 0, ERRNO | Answer::Unknown as u32),
        instruction(JUMP_IF_GREATER, 0, 1, LAST),
        instruction(RETURN, 0, 0, ERRNO | answer as u32),
        instruction(RETURN, 0, 0, ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    #[test]
    fn what_is_newer_is_not_there() {
        let ask = || {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            openat2(CWD, ".", flags, Mode::empty(), ResolveFlags::BENEATH)
        };
        assert_eq!(
            with_old_kernel(Answer::Unknown, ask).err(),
            Some(Errno::NOSYS)
        );
        assert_eq!(
            with_old_kernel(Answer::Forbidden, ask).err(),
            Some(Errno::PERM)
        );
        // Only there.
        assert!(ask().is_ok());
    }
}
