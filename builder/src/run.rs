//! The one module of this crate that spawns processes.
//!
//! It starts a program with exactly the environment it is given and hands out
//! its pipes, or waits for it and returns its output or a failure that holds
//! argv, exit status and the last lines. It decides nothing about namespaces:
//! what runs inside a tree goes through [`crate::confine`], whose helper
//! process is started here.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// How many lines of a failed program's output an error shows.
pub(crate) const TAIL_LINES: usize = 20;

/// Longest line of them, in bytes; the rest is cut off.
pub(crate) const TAIL_LINE_MAX: usize = 500;

/// What a new process reads and writes.
pub(crate) struct Streams {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

impl Streams {
    /// Pipes to and from the process.
    pub(crate) fn pipes() -> Self {
        Self {
            stdin: Stdio::piped(),
            stdout: Stdio::piped(),
            stderr: Stdio::piped(),
        }
    }
}

/// Starts a program with this environment and no other.
pub(crate) fn spawn<A: AsRef<OsStr>>(
    argv: &[A],
    env: &[(&str, &str)],
    streams: Streams,
) -> io::Result<Child> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program was named"))?;
    #[expect(clippy::disallowed_methods, reason = "this is the run module")]
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(streams.stdin)
        .stdout(streams.stdout)
        .stderr(streams.stderr)
        .spawn()
}

/// An exit status in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// Program and arguments as a shell would read them.
pub(crate) fn quote<A: AsRef<OsStr>>(argv: &[A]) -> String {
    let words: Vec<String> = argv.iter().map(|a| quote_word(a.as_ref())).collect();
    words.join(" ")
}

fn quote_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The last lines of a text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    partial: Vec<u8>,
}

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let line = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = TAIL_LINE_MAX.saturating_sub(self.partial.len());
            self.partial.extend(line.iter().take(room));
            if line.len() < piece.len() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        if line.is_empty() {
            return;
        }
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The lines, without a final line end. Control characters other than tab
    /// are shown as `?`: the text ends up on a terminal.
    pub(crate) fn finish(mut self) -> String {
        self.end_line();
        let text: Vec<String> = self.lines.into();
        text.join("\n")
            .chars()
            .map(|c| match c {
                '\n' | '\t' => c,
                c if c.is_control() => '?',
                c => c,
            })
            .collect()
    }
}

/// A program of the host that could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was not started.
    #[error("cannot run {argv}")]
    Start {
        /// Program and arguments.
        argv: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("{argv} failed with {status}: {tail}")]
    Failed {
        /// Program and arguments.
        argv: String,
        /// Such as `exit status 1`.
        status: String,
        /// Its last lines.
        tail: String,
    },
}

/// A program of the host that waits on its standard input; see [`Waiting::go`].
pub(crate) struct Waiting {
    child: Child,
    argv: String,
}

/// Starts `script` with `/bin/sh` and these arguments (`$1`, …). The script is
/// to begin with `read`, so that it waits for [`Waiting::go`].
pub(crate) fn start_waiting(script: &str, arguments: &[OsString]) -> Result<Waiting, RunError> {
    let mut argv: Vec<OsString> = ["/bin/sh", "-c", script, "sh"].map(Into::into).to_vec();
    argv.extend_from_slice(arguments);
    let path = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];
    let child = spawn(&argv, &path, Streams::pipes()).map_err(|source| RunError::Start {
        argv: quote(&argv),
        source,
    })?;
    Ok(Waiting {
        child,
        argv: quote(arguments),
    })
}

impl Waiting {
    /// Lets the script go on, and waits for its end.
    pub(crate) fn go(mut self) -> Result<(), RunError> {
        use io::Write as _;
        let failed = |argv: &str| {
            let argv = argv.to_owned();
            move |source| RunError::Start { argv, source }
        };
        if let Some(mut stdin) = self.child.stdin.take() {
            // A script that is gone already explains itself by its status.
            let _ = stdin.write_all(b"\n");
        }
        let output = self.child.wait_with_output().map_err(failed(&self.argv))?;
        if output.status.success() {
            return Ok(());
        }
        let mut tail = Tail::default();
        tail.push(&output.stdout);
        tail.push(&output.stderr);
        Err(RunError::Failed {
            argv: self.argv,
            status: describe(output.status),
            tail: tail.finish(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        tail.push(b"\n\x1b[31mhal");
        tail.push(b"f");
        let text = tail.finish();
        assert_eq!(text.lines().count(), TAIL_LINES);
        assert!(text.starts_with("line 81\n"), "{text}");
        assert!(text.ends_with("\n?[31mhalf"), "{text}");
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 1000]);
        }
        assert_eq!(tail.finish().len(), TAIL_LINE_MAX);
    }

    #[test]
    fn arguments_are_quoted_where_needed() {
        assert_eq!(
            quote(&["dpkg", "--configure", "a b", "it's", ""]),
            r"dpkg --configure 'a b' 'it'\''s' ''"
        );
    }

    #[test]
    fn a_waiting_script_fails_with_its_words() {
        let waiting = start_waiting("read x; echo no \"$1\" >&2; exit 3", &["way".into()]).unwrap();
        let error = waiting.go().unwrap_err();
        assert!(
            matches!(&error, RunError::Failed { status, tail, .. }
                if status == "exit status 3" && tail == "no way"),
            "{error}"
        );
    }
}
