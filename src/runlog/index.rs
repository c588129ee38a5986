//! The index: a file beside a lane's log that saves reading the log. It has named sections of bytes, and the position in
//! the log up to which they were made. Without an index, or with one that does not fit, the log is read instead. Knows
//! nothing of the content of the sections.
//!
//! Layout, in native byte order: the magic, the length of the table and its CRC-32; the table (postcard); then
//! the sections one after the other, each with its CRC-32 in the table. Written to a temporary file that is then renamed.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Position;

/// Identifies an index, its layout and its byte order.
const MAGIC: u64 = u64::from_be_bytes(*b"skidx\x00\x01\x0a");
/// The longest table that is read.
const MOST_TABLE: u64 = 4 << 20;
/// The longest section that is read.
const MOST_SECTION: u64 = 1 << 30;
/// Bytes of the log before the position that are compared.
const ANCHOR: u64 = 4 << 10;

/// The header of an index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexHead<P = Position> {
    /// What made the sections, and its version; those of others are rejected.
    pub maker: String,
    /// The position in the log up to which the sections were made.
    pub position: P,
}

#[derive(Debug, Serialize, Deserialize)]
struct Table<P> {
    head: IndexHead<P>,
    /// By which the log is known again up to the position, see [`anchors_of`].
    anchors: [u32; 2],
    sections: Vec<Place>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    name: String,
    length: u64,
    crc: u32,
}

/// An index that fits its log.
#[derive(Debug)]
pub struct Index<P = Position> {
    file: File,
    head: IndexHead<P>,
    sections: Vec<(String, Range<u64>, u32)>,
}

/// The path of the index of a log.
pub fn index_of(log: &Path) -> PathBuf {
    log.with_extension("index")
}

impl<P: DeserializeOwned> Index<P> {
    /// Opens an index; none if it is missing, damaged, by another maker, or if its log has other anchors at the position
    /// up to which it was made.
    pub fn open(
        path: &Path,
        maker: &str,
        anchors_at: impl FnOnce(&P) -> io::Result<[u32; 2]>,
    ) -> Option<Index<P>> {
        let metadata = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let start = read_range(&file, 0..16).ok()?;
        let (magic, rest) = start.split_first_chunk()?;
        let (length, crc) = rest.split_first_chunk()?;
        let length = u64::from(u32::from_ne_bytes(*length));
        if u64::from_ne_bytes(*magic) != MAGIC || length > MOST_TABLE {
            return None;
        }
        let table = read_range(&file, 16..16 + length).ok()?;
        if crc32fast::hash(&table).to_ne_bytes() != crc {
            return None;
        }
        let Table { head, anchors, sections } = postcard::from_bytes(&table).ok()?;
        let mut end = start.len() as u64 + length;
        let mut places = Vec::with_capacity(sections.len());
        for Place { name, length, crc } in sections {
            let place = end..end.checked_add(length).filter(|_| length <= MOST_SECTION)?;
            end = place.end;
            places.push((name, place, crc));
        }
        let fits =
            head.maker == maker && end == metadata.len() && anchors_at(&head.position).ok()? == anchors;
        fits.then(|| Index { file, head, sections: places })
    }

    /// Its header.
    pub fn head(&self) -> &IndexHead<P> {
        &self.head
    }

    /// The bytes of a section; none if it is missing or damaged.
    pub fn section(&self, name: &str) -> Option<Vec<u8>> {
        let (_, place, crc) = self.sections.iter().find(|(own, ..)| own == name)?;
        let bytes = read_range(&self.file, place.clone()).ok()?;
        (crc32fast::hash(&bytes) == *crc).then_some(bytes)
    }
}

/// Writes an index, replacing an existing one; returns its length.
///
/// # Errors
/// If the folder cannot be written to.
pub fn write_index<P: Serialize>(
    path: &Path,
    permissions: Option<Permissions>,
    head: IndexHead<P>,
    anchors: [u32; 2],
    sections: &[(String, Vec<u8>)],
) -> io::Result<u64> {
    let place = |(name, bytes): &(String, Vec<u8>)| Place {
        name: name.clone(),
        length: bytes.len() as u64,
        crc: crc32fast::hash(bytes),
    };
    let table = Table { head, anchors, sections: sections.iter().map(place).collect() };
    let table = postcard::to_stdvec(&table).map_err(io::Error::other)?;
    let length = u32::try_from(table.len()).map_err(io::Error::other)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".index-");
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(&MAGIC.to_ne_bytes())?;
    file.write_all(&length.to_ne_bytes())?;
    file.write_all(&crc32fast::hash(&table).to_ne_bytes())?;
    file.write_all(&table)?;
    for (_, bytes) in sections {
        file.write_all(bytes)?;
    }
    let written = file.as_file().metadata()?.len();
    // Not synced: an index torn by a power failure is detected and rebuilt.
    file.persist(path).map_err(|error| error.error)?;
    Ok(written)
}

/// CRC-32 of the first bytes of a log, and of the last ones before `end`: both stay unchanged while a log grows.
///
/// # Errors
/// If the log cannot be read.
pub fn anchors_of(log: &Path, end: u64) -> io::Result<[u32; 2]> {
    let file = File::open(log)?;
    let anchor = |start: u64| {
        let bytes = read_range(&file, start..start + ANCHOR.min(end - start))?;
        Ok(crc32fast::hash(&bytes))
    };
    let first: io::Result<u32> = anchor(0);
    Ok([first?, anchor(end.saturating_sub(ANCHOR))?])
}

/// The bytes in a range of a file, into memory that is not written twice.
fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    // No more than the file has, whatever a damaged table says.
    if range.end > file.metadata()?.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = range.start + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
    }
    // The allocator may have given more room than was asked for.
    bytes.truncate(length);
    Ok(bytes)
}
