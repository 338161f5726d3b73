//! What the parent tells the helper, and what the helper answers.
//!
//! The helper reads from its standard input the length of a JSON text in
//! decimal digits, a line end, the text ([`Spec`]), and then the standard
//! inputs of the programs one after another. It answers on its standard
//! output with frames: one byte of kind, the payload's length as four bytes
//! (little endian), the payload. Both ends are the same executable.

use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Longest JSON text that the helper reads, in bytes: thousands of programs.
const SPEC_MAX: u64 = 16 << 20;

/// Most bytes for a program's standard input.
pub(super) const STDIN_MAX: u64 = 64 << 20;

/// Longest payload of a frame, in bytes: what one read from a pipe yields.
pub(super) const FRAME_MAX: usize = 1 << 16;

/// Everything that the helper needs to know.
#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    /// The parent's process id, to notice that it died before the helper
    /// could ask to be told.
    pub(super) parent: i32,
    /// The tree; the bytes of its path.
    pub(super) root: Vec<u8>,
    /// Whether to stay in the host's network namespace.
    pub(super) network: bool,
    /// Run one after another until one fails.
    pub(super) programs: Vec<SpecProgram>,
}

/// One program.
#[derive(Serialize, Deserialize)]
pub(super) struct SpecProgram {
    pub(super) argv: Vec<String>,
    /// The whole environment.
    pub(super) env: Vec<(String, String)>,
    /// Bytes of standard input that follow the JSON text; none: `/dev/null`.
    pub(super) stdin: Option<u64>,
    /// Whether it gets the descriptor [`super::STATUS_FD`].
    pub(super) status: bool,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of standard output.
    Stdout = 1,
    /// Bytes of standard error.
    Stderr = 2,
    /// Bytes written to the status descriptor.
    Status = 3,
    /// The program ended: its raw wait status, four bytes.
    Exited = 4,
    /// The confinement could not be set up: a text.
    Failed = 5,
    /// The program could not be started: a text.
    Unstarted = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> io::Result<Self> {
        [
            Self::Stdout,
            Self::Stderr,
            Self::Status,
            Self::Exited,
            Self::Failed,
            Self::Unstarted,
        ]
        .into_iter()
        .find(|k| *k as u8 == byte)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unknown kind of frame"))
    }
}

pub(super) fn write_spec(to: &mut impl Write, spec: &Spec) -> io::Result<()> {
    let text = serde_json::to_vec(spec)?;
    writeln!(to, "{}", text.len())?;
    to.write_all(&text)
}

pub(super) fn read_spec(from: &mut impl Read) -> io::Result<Spec> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut length = 0u64;
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            digit @ b'0'..=b'9' => length = length * 10 + u64::from(digit - b'0'),
            _ => return Err(invalid("not a request of this program")),
        }
        if length > SPEC_MAX {
            return Err(invalid("a request that is too long"));
        }
    }
    let mut text = Vec::new();
    from.take(length).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

pub(super) fn write_frame(to: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let payload = &payload[..payload.len().min(FRAME_MAX)];
    let length = u32::try_from(payload.len()).expect("FRAME_MAX fits");
    let mut frame = Vec::with_capacity(payload.len() + 5);
    frame.push(kind as u8);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(payload);
    to.write_all(&frame)
}

/// The next frame's kind; its payload replaces what is in `payload`. None at
/// the end.
pub(super) fn read_frame(from: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<Kind>> {
    let mut head = [0; 5];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let kind = Kind::from_byte(head[0])?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > FRAME_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame that is too long",
        ));
    }
    payload.resize(length, 0);
    from.read_exact(payload)?;
    Ok(Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let spec = Spec {
            parent: 7,
            root: b"/tmp/\xff".to_vec(),
            network: true,
            programs: vec![],
        };
        write_spec(&mut bytes, &spec).unwrap();
        bytes.extend_from_slice(b"rest");
        let mut from = &bytes[..];
        let read = read_spec(&mut from).unwrap();
        assert_eq!((read.parent, read.root), (7, b"/tmp/\xff".to_vec()));
        assert_eq!(from, b"rest");

        let mut bytes = Vec::new();
        write_frame(&mut bytes, Kind::Stderr, b"oh").unwrap();
        let mut from = &bytes[..];
        let mut payload = Vec::new();
        assert_eq!(
            read_frame(&mut from, &mut payload).unwrap(),
            Some(Kind::Stderr)
        );
        assert_eq!(payload, b"oh");
        assert_eq!(read_frame(&mut from, &mut payload).unwrap(), None);
    }

    #[test]
    fn other_input_is_refused() {
        assert!(read_spec(&mut &b"hello\n"[..]).is_err());
        assert!(read_spec(&mut &b"99999999999999999999\n{}"[..]).is_err());
        assert!(read_frame(&mut &b"\x09\0\0\0\0"[..], &mut Vec::new()).is_err());
        assert!(read_frame(&mut &b"\x01\xff\xff\xff\xff"[..], &mut Vec::new()).is_err());
    }
}
