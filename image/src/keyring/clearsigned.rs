//! The cleartext signature framework, RFC 9580 section 7, read strictly:
//!
//! ```text
//! -----BEGIN PGP SIGNED MESSAGE-----
//! Hash: SHA256
//!
//! the text, with "- " before lines that start with "-"
//! -----BEGIN PGP SIGNATURE-----
//! …
//! -----END PGP SIGNATURE-----
//! ```
//!
//! gpg and sequoia skip what stands before and after the message, and gpg
//! 2.2 even exits with 0 for it; a reader that then parses the whole file has
//! been fooled. Here the file is the message, from its first byte to the
//! newline after the last line, or it is refused.

use super::KeyringError;

const BEGIN_MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &[u8] = b"-----END PGP SIGNATURE-----";

/// A clearsigned text, taken apart but not verified.
#[derive(Debug)]
pub(super) struct Clearsigned<'a> {
    /// The lines that the signature covers, without their ends, dash escapes
    /// and blanks at the end of lines, which it does not cover.
    lines: Vec<&'a [u8]>,
    /// The armored signature.
    pub(super) signature: &'a [u8],
}

impl<'a> Clearsigned<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, KeyringError> {
        let mut reader = Lines {
            rest: text,
            number: 0,
        };
        if reader.next() != Some(BEGIN_MESSAGE) {
            return reader.fail("it does not start a signed message");
        }
        headers(&mut reader)?;
        let (lines, armored) = body(&mut reader)?;
        signature(&mut reader)?;
        Ok(Self {
            lines,
            signature: armored,
        })
    }

    /// What the signature covers: lines with CRLF between them.
    pub(super) fn digested(&self) -> Vec<u8> {
        self.lines.join(b"\r\n".as_slice())
    }

    /// The same for readers: lines that each end with a line feed. Whether
    /// the last one did is not covered by the signature; only a text of which
    /// it covers no byte at all is empty.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = self.lines.join(b"\n".as_slice());
        if self.lines.len() > 1 || !text.is_empty() {
            text.push(b'\n');
        }
        text
    }
}

fn headers(reader: &mut Lines<'_>) -> Result<(), KeyringError> {
    loop {
        match reader.next() {
            Some(b"") => return Ok(()),
            // Only a hint at the digest; the signature itself says which.
            Some(line) if line.starts_with(b"Hash: ") => {}
            Some(_) => return reader.fail("only 'Hash:' and then an empty line may stand here"),
            None => return reader.fail("the signed text is missing"),
        }
    }
}

/// The lines of the text, and the armored block that follows them.
fn body<'a>(reader: &mut Lines<'a>) -> Result<(Vec<&'a [u8]>, &'a [u8]), KeyringError> {
    let mut lines = Vec::new();
    loop {
        let armored = reader.rest;
        let Some(line) = reader.next() else {
            return reader.fail("the signature is missing");
        };
        if line == BEGIN_SIGNATURE {
            return Ok((lines, armored));
        }
        let line = match line.strip_prefix(b"- ") {
            Some(escaped) => escaped,
            None if line.starts_with(b"-") => {
                return reader.fail("it starts with '-' and is not escaped");
            }
            None => line,
        };
        let line = without_blanks(line);
        if line.iter().any(|b| matches!(b, 0 | b'\r')) {
            return reader.fail("it holds a NUL or a carriage return");
        }
        lines.push(line);
    }
}

/// The rest of the armored block, which must end the file.
fn signature(reader: &mut Lines<'_>) -> Result<(), KeyringError> {
    loop {
        match reader.next() {
            Some(END_SIGNATURE) => break,
            Some(line) if line.starts_with(b"-") => {
                return reader.fail("another block starts inside the signature");
            }
            Some(_) => {}
            None => return reader.fail("the end of the signature is missing"),
        }
    }
    if !reader.rest.is_empty() {
        reader.number += 1;
        return reader.fail("it stands after the end of the signature");
    }
    Ok(())
}

fn without_blanks(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    &line[..end.map_or(0, |i| i + 1)]
}

struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its line feed and a carriage return before it.
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, rest) = match self.rest.iter().position(|&b| b == b'\n') {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T, KeyringError> {
        Err(KeyringError::Clearsigned {
            line: self.number,
            problem,
        })
    }
}
