//! Tar archives block by block, so that anything can be said in them. Nothing
//! of the library that is tested is used.

/// A tar block, in bytes.
pub(crate) const BLOCK: usize = 512;

/// The time of everything: seconds since 1970.
pub(crate) const TIME: u64 = 1_000_000_000;

/// The format that a header claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Ustar,
    Gnu,
    V7,
}

/// A header of root's, checksum included.
pub(crate) fn header(name: &[u8], kind: u8, size: u64, link: &[u8], magic: Magic) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    put(&mut block, 0, &name[..name.len().min(100)]);
    put(&mut block, 100, b"0000755\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{size:011o}\0").as_bytes());
    put(&mut block, 136, format!("{TIME:011o}\0").as_bytes());
    block[156] = kind;
    put(&mut block, 157, &link[..link.len().min(100)]);
    match magic {
        Magic::Ustar => put(&mut block, 257, b"ustar\x0000"),
        Magic::Gnu => put(&mut block, 257, b"ustar  \0"),
        Magic::V7 => {}
    }
    if magic != Magic::V7 {
        put(&mut block, 329, b"0000000\0");
        put(&mut block, 337, b"0000000\0");
    }
    sum(&mut block);
    block
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Puts a header's checksum right.
pub(crate) fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|b| u32::from(*b)).sum();
    put(block, 148, format!("{sum:06o}\0 ").as_bytes());
}

/// The same entry with other bytes in its (first) header, whose checksum is
/// put right.
pub(crate) fn edited(mut entry: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    put(&mut entry, at, bytes);
    sum(&mut entry);
    entry
}

/// A header and data, padded.
pub(crate) fn entry(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    with_data(
        header(name, kind, data.len() as u64, b"", Magic::Ustar),
        data,
    )
}

/// Data after a header.
pub(crate) fn with_data(mut header: Vec<u8>, data: &[u8]) -> Vec<u8> {
    header.extend_from_slice(data);
    header.resize(header.len().next_multiple_of(BLOCK), 0);
    header
}

pub(crate) fn file(name: &[u8], data: &[u8]) -> Vec<u8> {
    entry(name, b'0', data)
}

pub(crate) fn folder(name: &[u8]) -> Vec<u8> {
    entry(name, b'5', b"")
}

pub(crate) fn symlink(name: &[u8], target: &[u8]) -> Vec<u8> {
    header(name, b'2', 0, target, Magic::Ustar)
}

pub(crate) fn hard(name: &[u8], target: &[u8]) -> Vec<u8> {
    header(name, b'1', 0, target, Magic::Ustar)
}

pub(crate) fn device(name: &[u8], kind: u8, major: u32, minor: u32) -> Vec<u8> {
    let block = edited(
        entry(name, kind, b""),
        329,
        format!("{major:07o}").as_bytes(),
    );
    edited(block, 337, format!("{minor:07o}").as_bytes())
}

/// One pax record, its length counted.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = 3 + key.len() + value.len();
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut bytes = format!("{length} {key}=").into_bytes();
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
    bytes
}

/// A pax header with any bytes as its records.
pub(crate) fn pax_raw(records: &[u8]) -> Vec<u8> {
    entry(b"PaxHeaders/x", b'x', records)
}

/// A pax header.
pub(crate) fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
    pax_raw(&records)
}

/// A pax header with one record.
pub(crate) fn pax1(key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    pax(&[(key, value.as_ref())])
}

/// A global pax header.
pub(crate) fn global(key: &str, value: &[u8]) -> Vec<u8> {
    entry(b"pax_global_header", b'g', &record(key, value))
}

/// GNU's long name (`L`) or long link target (`K`) of the next entry.
pub(crate) fn long(kind: u8, text: &[u8]) -> Vec<u8> {
    let data = [text, b"\0"].concat();
    let header = header(b"././@LongLink", kind, data.len() as u64, b"", Magic::Gnu);
    with_data(header, &data)
}

/// The end of a tar.
pub(crate) fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

/// Entries, and the end.
pub(crate) fn tar(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), end()].concat()
}
