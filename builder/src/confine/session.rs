//! The builder's end of a conversation with one helper process.

use super::executable;
use super::spec::{self, Kind, Spec, SpecProgram};
use super::{ConfineError, Confinement, ENVIRONMENT, OUTPUT_MAX, Output, Program, Said};
use crate::run::{self, Streams, Tail};
use hatchery_image::Progress;
use hatchery_image::progress::Interrupted;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};

/// How often the wish to stop is looked at.
const STOP_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Longest line on the status descriptor, in bytes; the rest is cut off.
const STATUS_LINE_MAX: usize = 4096;

pub(super) fn run(
    confinement: &Confinement,
    programs: &[Program<'_>],
    said: &mut dyn FnMut(Said<'_>),
    progress: &Progress,
) -> Result<Output, ConfineError> {
    let failed = |doing| {
        let root = confinement.root.clone();
        move |source| ConfineError::Helper {
            doing,
            root,
            source,
        }
    };
    let resolv_conf = confinement.network && !has_resolv_conf(confinement);
    let mut argv = confinement.helper.clone();
    if let Some(program) = argv.first_mut() {
        *program = executable::guarded(program).map_err(failed("copy"))?;
    }
    let child = run::spawn(&argv, &[], Streams::pipes()).map_err(failed("start"))?;
    let mut helper = Helper { child: Some(child) };
    helper
        .ask(confinement, programs)
        .map_err(failed("write to"))?;
    let mut conversation = Conversation::default();
    let end = helper.listen(&mut conversation, said, progress);
    if end.is_err() {
        drop(helper);
    } else {
        let (status, words) = helper.wait().map_err(failed("wait for"))?;
        if !conversation.is_complete(programs.len()) {
            let text = format!("its helper ended with {}: {words}", run::describe(status));
            conversation.failure.get_or_insert(text);
        }
    }
    if resolv_conf {
        remove_resolv_conf(confinement);
    }
    match end {
        Err(End::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(End::Io(source)) => return Err(failed("read from")(source)),
        Ok(()) => {}
    }
    conversation.judge(confinement, programs)
}

enum End {
    Interrupted(Interrupted),
    Io(io::Error),
}

/// The helper; dropped, it is told to end, and everything inside with it.
struct Helper {
    child: Option<Child>,
}

impl Helper {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("only taken by wait and drop")
    }

    fn ask(&mut self, confinement: &Confinement, programs: &[Program<'_>]) -> io::Result<()> {
        let epoch = confinement.source_date_epoch.to_string();
        let spec = Spec {
            parent: std::process::id().cast_signed(),
            root: confinement.root.as_os_str().as_bytes().to_vec(),
            network: confinement.network,
            programs: programs.iter().map(|p| describe(p, &epoch)).collect(),
        };
        let stdin = self.child().stdin.take();
        let mut stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
        spec::write_spec(&mut stdin, &spec)?;
        for bytes in programs.iter().filter_map(|p| p.stdin) {
            if bytes.len() as u64 > spec::STDIN_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            stdin.write_all(bytes)?;
        }
        Ok(())
    }

    fn listen(
        &mut self,
        conversation: &mut Conversation,
        said: &mut dyn FnMut(Said<'_>),
        progress: &Progress,
    ) -> Result<(), End> {
        let stdout = self.child().stdout.take();
        let stdout = stdout.ok_or_else(|| End::Io(io::ErrorKind::BrokenPipe.into()))?;
        let mut from = io::BufReader::with_capacity(2 * spec::FRAME_MAX, stdout);
        let mut payload = Vec::new();
        loop {
            progress.check().map_err(End::Interrupted)?;
            if from.buffer().is_empty() {
                let mut fds = [PollFd::new(from.get_ref(), PollFlags::IN)];
                match poll(&mut fds, Some(&STOP_INTERVAL)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(e) => return Err(End::Io(e.into())),
                }
            }
            match spec::read_frame(&mut from, &mut payload).map_err(End::Io)? {
                Some(kind) => conversation.hear(kind, &payload, said),
                None => return Ok(()),
            }
        }
    }

    fn wait(mut self) -> io::Result<(ExitStatus, String)> {
        let mut child = self.child.take().expect("taken once");
        let mut words = Tail::default();
        let mut stderr = Vec::new();
        if let Some(from) = child.stderr.take() {
            // Only words for an error that is known already.
            let _ = from.take(spec::FRAME_MAX as u64).read_to_end(&mut stderr);
        }
        words.push(&stderr);
        Ok((child.wait()?, words.finish()))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Not SIGKILL: it first sees to the end of everything inside.
        if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = child.wait();
    }
}

fn describe(program: &Program<'_>, epoch: &str) -> SpecProgram {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut env: Vec<(String, String)> = ENVIRONMENT.iter().map(own).collect();
    env.push(own(&("SOURCE_DATE_EPOCH", epoch)));
    env.extend(program.env.iter().map(own));
    SpecProgram {
        argv: program.argv.iter().map(|&a| a.to_owned()).collect(),
        env,
        stdin: program.stdin.map(|bytes| bytes.len() as u64),
        status: program.status,
    }
}

/// What was heard so far.
#[derive(Default)]
struct Conversation {
    stdout: Vec<u8>,
    tail: Tail,
    status_line: Vec<u8>,
    done: usize,
    /// Raw wait status of the program that failed.
    failed: Option<i32>,
    /// Why the next program did not start.
    unstarted: Option<String>,
    /// The helper's own failure.
    failure: Option<String>,
}

impl Conversation {
    fn hear(&mut self, kind: Kind, payload: &[u8], said: &mut dyn FnMut(Said<'_>)) {
        match kind {
            Kind::Stdout => {
                let room = OUTPUT_MAX - self.stdout.len();
                self.stdout.extend(payload.iter().take(room));
                self.tail.push(payload);
            }
            Kind::Stderr => self.tail.push(payload),
            Kind::Status => self.hear_status(payload, said),
            Kind::Exited => {
                let raw = payload.try_into().map_or(-1, i32::from_le_bytes);
                if raw != 0 {
                    self.failed = Some(raw);
                    return;
                }
                said(Said::Done(self.done));
                self.done += 1;
                self.status_line.clear();
            }
            Kind::Failed => self.failure = Some(String::from_utf8_lossy(payload).into_owned()),
            Kind::Unstarted => {
                self.unstarted = Some(String::from_utf8_lossy(payload).into_owned());
            }
        }
    }

    fn hear_status(&mut self, payload: &[u8], said: &mut dyn FnMut(Said<'_>)) {
        for &byte in payload {
            if byte == b'\n' {
                said(Said::Status(&String::from_utf8_lossy(&self.status_line)));
                self.status_line.clear();
            } else if self.status_line.len() < STATUS_LINE_MAX {
                self.status_line.push(byte);
            }
        }
    }

    fn is_complete(&self, programs: usize) -> bool {
        self.done == programs
            || self.failed.is_some()
            || self.unstarted.is_some()
            || self.failure.is_some()
    }

    fn judge(
        self,
        confinement: &Confinement,
        programs: &[Program<'_>],
    ) -> Result<Output, ConfineError> {
        let tail = self.tail.finish();
        if let Some(text) = self.failure {
            return Err(ConfineError::Setup {
                root: confinement.root.clone(),
                text,
            });
        }
        let index = self.done;
        let argv = || {
            let program = programs.get(index);
            program.map_or_else(String::new, |p| run::quote(&p.argv))
        };
        if let Some(text) = self.unstarted {
            return Err(ConfineError::Unstarted {
                index,
                argv: argv(),
                text,
            });
        }
        if let Some(raw) = self.failed {
            return Err(ConfineError::Failed {
                index,
                argv: argv(),
                status: run::describe(ExitStatus::from_raw(raw)),
                tail,
            });
        }
        Ok(Output {
            stdout: self.stdout,
            tail,
        })
    }
}

/// `/etc` of the tree, wherever links lead inside it.
fn etc(confinement: &Confinement) -> rustix::io::Result<std::os::fd::OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open(&confinement.root, flags, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(&root, "etc", flags, Mode::empty(), resolve)
}

fn has_resolv_conf(confinement: &Confinement) -> bool {
    etc(confinement)
        .and_then(|etc| rustix::fs::statat(&etc, "resolv.conf", AtFlags::SYMLINK_NOFOLLOW))
        .is_ok()
}

/// Removes the empty file over which the helper bound the host's.
fn remove_resolv_conf(confinement: &Confinement) {
    let Ok(etc) = etc(confinement) else { return };
    let Ok(stat) = rustix::fs::statat(&etc, "resolv.conf", AtFlags::SYMLINK_NOFOLLOW) else {
        return;
    };
    if stat.st_size == 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        let _ = rustix::fs::unlinkat(&etc, "resolv.conf", AtFlags::empty());
    }
}
