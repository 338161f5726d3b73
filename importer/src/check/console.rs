//! The console of the machine that is being checked: its last lines are kept
//! for the case that it does not come up.

use std::collections::VecDeque;
use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Lines that are kept.
const LINES_MAX: usize = 40;

/// Longest line that is kept, in characters.
const LINE_MAX: usize = 300;

/// The console's last lines, read in the background.
#[derive(Clone, Debug, Default)]
pub(super) struct Console(Arc<Mutex<VecDeque<String>>>);

impl Console {
    /// Reads until the stream ends.
    pub(super) fn read(stream: PipeReader) -> Self {
        let console = Self::default();
        let lines = Arc::clone(&console.0);
        thread::spawn(move || collect(stream, &lines));
        console
    }

    /// What it said last.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

fn collect(mut stream: impl Read, lines: &Mutex<VecDeque<String>>) {
    let mut buffer = [0; 4096];
    let mut line = Vec::new();
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        for byte in &buffer[..n] {
            match byte {
                b'\n' => {
                    keep(&line, lines);
                    line.clear();
                }
                _ if line.len() < LINE_MAX * 4 => line.push(*byte),
                _ => (),
            }
        }
    }
    keep(&line, lines);
}

fn keep(line: &[u8], lines: &Mutex<VecDeque<String>>) {
    let text = plain(&String::from_utf8_lossy(line));
    if text.is_empty() {
        return;
    }
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(text);
}

/// A line without escape sequences and control characters, which could do
/// things to the terminal that it is shown on.
pub(super) fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            skip_escape(&mut characters);
        } else if !c.is_control() && text.chars().count() < LINE_MAX {
            text.push(c);
        }
    }
    text.trim().to_owned()
}

/// Skips the rest of an escape sequence (ECMA-48): CSI up to its final byte,
/// OSC up to BEL or ST, otherwise one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
        Some(']') => {
            while let Some(c) = characters.next() {
                if c == '\u{7}' || (c == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out() {
        let line = "\u{1b}[0;1;31mFAILED\u{1b}[0m \u{1b}]0;title\u{7}x\u{1b}]3008;a=b\u{1b}\\y\r";
        assert_eq!(plain(line), "FAILED xy");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let lines = Mutex::default();
        let text: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
        collect(text.as_bytes(), &lines);
        let lines = lines.into_inner().unwrap();
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(lines.back().unwrap(), "line 99");
    }
}
