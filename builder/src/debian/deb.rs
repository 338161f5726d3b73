//! A Debian binary package, opened: deb(5).
//!
//! An `ar` archive of `debian-binary`, `control.tar` and `data.tar`, the
//! latter two compressed. The members' headers and the control files are read
//! at once, within limits; the data is handed out as a stream of its tar.
//! Nothing is written here and nothing trusted: the caller has compared the
//! whole file's digest with the signed index.
//!
//! dpkg-deb also takes bzip2 and old lzma, which no package of a supported
//! release uses; they are refused by name.

use super::control::{Control, ControlError, ControlFile};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;

/// What an `ar` archive starts with.
const MAGIC: &[u8; 8] = b"!<arch>\n";

/// Length of a member's header in bytes.
const HEADER: u64 = 60;

/// Most members that are looked at: the three, and some that start with `_`.
const MEMBERS_MAX: usize = 16;

/// Most bytes that a package's control files may take together. The largest
/// in Debian, kernels' and games' md5sums, take about 3 MiB.
const CONTROL_MAX: u64 = 64 << 20;

/// Most control files: a package has about ten.
const CONTROL_FILES_MAX: usize = 1000;

/// Most memory that decompressing xz may take: `xz -9` needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 128 << 20;

/// Largest window that decompressing zstd may take, as a power of two: what
/// `zstd -19` as dpkg uses it needs, 8 MiB, and some more.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Compressed bytes are read this many at a time.
const BUFFER: usize = 128 << 10;

/// A file that is no package that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It cannot be read.
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    /// It is no such archive, or is cut off.
    #[error("not a Debian package: {0}")]
    Format(&'static str),
    /// Compressed in a way that is not supported.
    #[error("its member {0:?} is compressed in a way that is not supported")]
    Compression(String),
    /// The control files cannot be read.
    #[error("cannot read its control files")]
    ControlTar(#[source] io::Error),
    /// The control files say something wrong.
    #[error("its control files are wrong")]
    Control(#[from] ControlError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    offset: u64,
    size: u64,
    compression: Compression,
}

/// A package whose control files have been read.
#[derive(Debug)]
pub struct Deb {
    file: File,
    control: Control,
    data: Member,
}

impl Deb {
    /// Reads headers and control files.
    ///
    /// # Errors
    /// It is no package, or one that breaks a limit.
    pub fn open(file: File) -> Result<Self, DebError> {
        let size = file.metadata().map_err(DebError::Read)?.len();
        let (control, data) = members(&file, size)?;
        let tar = decompressed(&file, control).map_err(DebError::ControlTar)?;
        let files = read_control(tar).map_err(DebError::ControlTar)?;
        Ok(Self {
            control: Control::new(files)?,
            file,
            data,
        })
    }

    /// Its control files.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// The whole file, and its control files.
    #[must_use]
    pub fn into_parts(self) -> (File, Control) {
        (self.file, self.control)
    }

    /// The decompressed tar stream of its data.
    ///
    /// # Errors
    /// The decompressor cannot be set up.
    pub fn data(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        decompressed(&self.file, self.data)
    }
}

/// Where `control.tar` and `data.tar` lie.
fn members(file: &File, size: u64) -> Result<(Member, Member), DebError> {
    let mut magic = [0; 8];
    read_at(file, &mut magic, 0)?;
    if &magic != MAGIC {
        return Err(DebError::Format("it does not start like an ar archive"));
    }
    let (mut offset, mut control, mut version) = (8, None, false);
    for _ in 0..MEMBERS_MAX {
        if offset >= size {
            break;
        }
        let mut header = [0; HEADER as usize];
        read_at(file, &mut header, offset)?;
        let (name, length) = parse_header(&header)?;
        let start = offset + HEADER;
        let end = start.checked_add(length).filter(|end| *end <= size);
        let end = end.ok_or(DebError::Format("a member is cut off"))?;
        let member = |compression| Member {
            offset: start,
            size: length,
            compression,
        };
        if !version {
            check_version(file, name, start, length)?;
            version = true;
        } else if let Some(suffix) = name
            .strip_prefix("control.tar")
            .filter(|_| control.is_none())
        {
            control = Some(member(compression(name, suffix)?));
        } else if let (Some(suffix), Some(control)) = (name.strip_prefix("data.tar"), control) {
            return Ok((control, member(compression(name, suffix)?)));
        } else if !name.starts_with('_') {
            return Err(DebError::Format(
                "it has a member that does not belong there",
            ));
        }
        // Members start at even offsets.
        offset = end + end % 2;
    }
    Err(DebError::Format("control.tar or data.tar is missing"))
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<(), DebError> {
    file.read_exact_at(buffer, offset)
        .map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => DebError::Format("it is cut off"),
            _ => DebError::Read(e),
        })
}

/// Name and length of a member, from its header.
fn parse_header(header: &[u8; HEADER as usize]) -> Result<(&str, u64), DebError> {
    let text = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).ok();
    let name = text(0..16).map(|n| n.trim_end().trim_end_matches('/'));
    let length = text(48..58).and_then(|n| n.trim_end().parse().ok());
    match (name, length, &header[58..]) {
        (Some(name), Some(length), b"`\n") => Ok((name, length)),
        _ => Err(DebError::Format("a member's header is damaged")),
    }
}

fn check_version(file: &File, name: &str, start: u64, length: u64) -> Result<(), DebError> {
    let mut text = [0; 2];
    if name != "debian-binary" || length < 4 {
        return Err(DebError::Format("its first member is not debian-binary"));
    }
    read_at(file, &mut text, start)?;
    if &text != b"2." {
        return Err(DebError::Format("its format is not 2.x"));
    }
    Ok(())
}

fn compression(name: &str, suffix: &str) -> Result<Compression, DebError> {
    match suffix {
        "" => Ok(Compression::None),
        ".gz" => Ok(Compression::Gzip),
        ".xz" => Ok(Compression::Xz),
        ".zst" => Ok(Compression::Zstd),
        _ => Err(DebError::Compression(name.to_owned())),
    }
}

fn decompressed(file: &File, member: Member) -> io::Result<Box<dyn Read + Send + '_>> {
    let span = Span {
        file,
        offset: member.offset,
        end: member.offset + member.size,
    };
    let input = BufReader::with_capacity(BUFFER, span);
    Ok(match member.compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Xz => {
            // The file's digest was verified: to check the sums in it again
            // would take a tenth of the time.
            let flags = liblzma::stream::CONCATENATED | liblzma::stream::IGNORE_CHECK;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// A part of a file as a stream.
struct Span<'f> {
    file: &'f File,
    offset: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let n = self.file.read_at(&mut buffer[..length], self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

fn read_control(tar: impl Read) -> io::Result<Vec<ControlFile>> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "they are too long or too many");
    let mut archive = tar::Archive::new(tar.take(CONTROL_MAX));
    let mut files: Vec<ControlFile> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes().into_owned();
        let name = path.strip_prefix(b"./").unwrap_or(&path);
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let name = name.to_owned();
        let size = usize::try_from(entry.size()).map_err(|_| too_long())?;
        if files.len() == CONTROL_FILES_MAX || size as u64 > CONTROL_MAX {
            return Err(too_long());
        }
        let mode = entry.header().mode()?;
        let mtime = entry.header().mtime()?.cast_signed();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push(ControlFile {
            name,
            mode,
            mtime,
            bytes,
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek as _, Write as _};

    fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn ar_of(members: &[(&str, &[u8])]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(MAGIC).unwrap();
        for (name, bytes) in members {
            writeln!(
                file,
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
                0,
                0,
                0,
                100_644,
                bytes.len()
            )
            .unwrap();
            file.write_all(bytes).unwrap();
            if bytes.len() % 2 == 1 {
                file.write_all(b"\n").unwrap();
            }
        }
        file.rewind().unwrap();
        file
    }

    const CONTROL: &str = "Package: p\nVersion: 1\nArchitecture: all\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(bytes).unwrap();
        to.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut to = liblzma::write::XzEncoder::new(Vec::new(), 0);
        to.write_all(bytes).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn every_compression_is_read() {
        let control = tar_of(&[("./control", CONTROL), ("./postinst", "#!/bin/sh\n")]);
        let data = tar_of(&[("./a", "hello")]);
        let variants: [(&str, Vec<u8>); 4] = [
            ("data.tar", data.clone()),
            ("data.tar.gz", gzip(&data)),
            ("data.tar.xz", xz(&data)),
            ("data.tar.zst", zstd::encode_all(&data[..], 3).unwrap()),
        ];
        for (name, bytes) in variants {
            let file = ar_of(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar.gz/", &gzip(&control)),
                ("_extra", b"x"),
                (name, &bytes),
            ]);
            let deb = Deb::open(file).unwrap();
            assert_eq!(deb.control().package(), "p");
            assert_eq!(deb.control().file("postinst").unwrap().mode, 0o755);
            let mut read = Vec::new();
            deb.data().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, data, "{name}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let control = tar_of(&[("./control", CONTROL)]);
        let refused =
            |members: &[(&str, &[u8])]| Deb::open(ar_of(members)).unwrap_err().to_string();
        let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
        assert!(refused(&[]).contains("is missing"));
        assert!(refused(&[("x", b"2.0\n")]).contains("first member"));
        assert!(refused(&[("debian-binary", b"3.0\n")]).contains("2.x"));
        assert!(refused(&[binary, ("data.tar", b"")]).contains("does not belong"));
        assert!(refused(&[binary, ("control.tar", &control)]).contains("is missing"));
        assert!(
            refused(&[binary, ("control.tar", &control), ("data.tar.bz2", b"")])
                .contains("data.tar.bz2")
        );
        let mut file = ar_of(&[binary, ("control.tar", &control), ("data.tar", b"abcd")]);
        let length = file.metadata().unwrap().len();
        file.set_len(length - 2).unwrap();
        file.rewind().unwrap();
        assert!(Deb::open(file).unwrap_err().to_string().contains("cut off"));
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(b"<html>not found</html>").unwrap();
        assert!(
            Deb::open(text)
                .unwrap_err()
                .to_string()
                .contains("ar archive")
        );
    }
}
