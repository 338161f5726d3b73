//! Writes the data of a file to where it belongs, leaving holes between.

use super::error::system;
use super::{Entry, Extent, Node, PlaceError};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are moved at a time from a reader into a file.
const BUFFER: usize = 256 << 10;

/// Where a file's bytes come from.
pub(super) enum Body<'b> {
    Reader(&'b mut dyn Read),
    Slice(&'b [u8]),
}

/// Fills an empty file.
pub(super) fn fill(
    file: &File,
    entry: &Entry<'_>,
    body: Body<'_>,
    buffer: &mut Vec<u8>,
) -> Result<(), PlaceError> {
    let Node::File { size, extents } = entry.node else {
        unreachable!("only files are filled");
    };
    let whole = [Extent {
        offset: 0,
        length: size,
    }];
    let parts = extents.unwrap_or(&whole);
    let expected = checked_length(parts, size).ok_or_else(|| PlaceError::BadExtents {
        path: entry.path.to_vec(),
    })?;
    let got = match body {
        Body::Slice(data) => fill_from_slice(file, parts, data),
        Body::Reader(reader) => {
            buffer.resize(BUFFER, 0);
            fill_from_reader(file, parts, reader, buffer)
        }
    };
    let got = got.map_err(|failure| match failure {
        Failure::Read(source) => PlaceError::Body {
            path: entry.path.to_vec(),
            source,
        },
        Failure::Write(source) => PlaceError::System {
            doing: "write",
            path: entry.path.to_vec(),
            source,
        },
    })?;
    if got != expected {
        return Err(PlaceError::Short {
            path: entry.path.to_vec(),
            expected,
            got,
        });
    }
    if extents.is_some() {
        rustix::fs::ftruncate(file, size).map_err(system("set the size of", entry.path))?;
    }
    Ok(())
}

/// The sum of the extents' lengths, if they are in order, apart and inside.
fn checked_length(parts: &[Extent], size: u64) -> Option<u64> {
    let (mut end, mut sum) = (0_u64, 0);
    for part in parts {
        if part.offset < end {
            return None;
        }
        end = part.offset.checked_add(part.length)?;
        sum += part.length;
    }
    (end <= size).then_some(sum)
}

enum Failure {
    Read(io::Error),
    Write(io::Error),
}

/// Writes the parts; how many bytes there were.
fn fill_from_slice(file: &File, parts: &[Extent], mut data: &[u8]) -> Result<u64, Failure> {
    let mut total = 0;
    for part in parts {
        let length = usize::try_from(part.length).map_or(data.len(), |n| n.min(data.len()));
        let (now, rest) = data.split_at(length);
        file.write_all_at(now, part.offset)
            .map_err(Failure::Write)?;
        total += length as u64;
        data = rest;
    }
    Ok(total)
}

/// Writes the parts; how many bytes there were.
fn fill_from_reader(
    file: &File,
    parts: &[Extent],
    reader: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<u64, Failure> {
    let mut total = 0;
    for part in parts {
        let mut done = 0;
        while done < part.length {
            let want =
                usize::try_from(part.length - done).map_or(buffer.len(), |n| n.min(buffer.len()));
            let n = match reader.read(&mut buffer[..want]) {
                Ok(0) => return Ok(total),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Failure::Read(e)),
            };
            file.write_all_at(&buffer[..n], part.offset + done)
                .map_err(Failure::Write)?;
            done += n as u64;
            total += n as u64;
        }
    }
    Ok(total)
}
