//! Finds the records of an offline run of W&B in its blocks. The layout is that of the log of LevelDB
//! (wandb, core/pkg/leveldb/record.go): blocks of 32 KiB hold chunks, each with a CRC-32 of its kind and data, a length
//! and a kind; a record is one chunk, or a first, any number of middle ones and a last one. A chunk does not cross the
//! end of a block; where less than a header is left, zeros fill it. It does not know what is in a record.

use std::borrow::Cow;

/// What a file begins with: the name of the format, a number that tells the order of bytes, and the version.
pub(super) const HEADER: usize = 7;
const BLOCK: u64 = 32 << 10;
/// Checksum, length and kind.
const CHUNK_HEADER: usize = 7;
/// Longer records are taken as damaged.
const LONGEST: usize = 64 << 20;
/// How many bytes may be looked at in search of the next chunk of a damaged block. Bytes that were made to look like
/// chunks would otherwise be looked at thousands of times.
const MOST_SEARCHED: usize = 1 << 20;

/// What is at the start of some bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame<'a> {
    /// A record with this data, which takes this many bytes.
    Whole(usize, Cow<'a, [u8]>),
    /// No record for this many bytes, and why.
    Damaged(usize, String),
    /// A record that is not yet there as a whole.
    Incomplete,
}

/// Why a file is not one of W&B that can be read, by its header.
pub(super) fn wrong_header(header: &[u8; HEADER]) -> Option<String> {
    match header {
        [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0] => None,
        [b':', b'W', b'&', b'B', 0xe1, 0xbe, version] => {
            Some(format!("expected version 0 of the format of W&B, found version {version}"))
        }
        _ => Some("expected a file of W&B, found another header".to_owned()),
    }
}

/// Which part of a record a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    First,
    Middle,
    Last,
}

/// What is at some place in a block.
enum Chunk<'a> {
    /// A chunk with this data, which ends at this place.
    Whole(Kind, &'a [u8], usize),
    /// No chunk, and why.
    Damaged(&'static str),
    /// A chunk that is not yet there as a whole.
    Incomplete,
}

/// Looks at the record at the start of `bytes`, which begin at byte `at` of the file and end it if `is_whole`.
pub(super) fn frame(bytes: &[u8], at: u64, is_whole: bool) -> Frame<'_> {
    let mut place = 0;
    let mut begun: Option<Vec<u8>> = None;
    loop {
        place = after_padding(place, at);
        let start = place;
        let (kind, data) = match chunk(bytes, place, at) {
            Chunk::Whole(kind, data, end) => {
                place = end;
                (kind, data)
            }
            Chunk::Damaged(reason) => return damaged(bytes, place, at, is_whole, reason),
            // Its length may be wrong: then there are chunks in what seems to be its data.
            Chunk::Incomplete if is_whole => return torn(bytes, place, at),
            Chunk::Incomplete => return Frame::Incomplete,
        };
        match (kind, &mut begun) {
            (Kind::Full, None) => return Frame::Whole(place, Cow::Borrowed(data)),
            (Kind::First, None) => begun = Some(data.to_vec()),
            (Kind::Middle | Kind::Last, Some(record)) if record.len() + data.len() > LONGEST => {
                return Frame::Damaged(place, format!("expected a record of at most {LONGEST} bytes"));
            }
            (Kind::Middle, Some(record)) => record.extend_from_slice(data),
            (Kind::Last, Some(record)) => {
                record.extend_from_slice(data);
                return Frame::Whole(place, Cow::Owned(std::mem::take(record)));
            }
            (Kind::Full | Kind::First, Some(_)) => {
                return Frame::Damaged(start, "expected the rest of a record, found another one".to_owned());
            }
            (Kind::Middle | Kind::Last, None) => {
                return Frame::Damaged(place, "expected a record, found the rest of one".to_owned());
            }
        }
    }
}

/// How many bytes there are from a place to the end of its block.
fn left_in_block(place: usize, at: u64) -> usize {
    (BLOCK - at.wrapping_add(place as u64) % BLOCK) as usize
}

/// The place at which the next chunk begins.
fn after_padding(place: usize, at: u64) -> usize {
    let left = left_in_block(place, at);
    if left < CHUNK_HEADER { place + left } else { place }
}

fn chunk(bytes: &[u8], place: usize, at: u64) -> Chunk<'_> {
    let Some(rest) = bytes.get(place..) else { return Chunk::Incomplete };
    let Some(([a, b, c, d, low, high, kind], after)) = rest.split_first_chunk::<CHUNK_HEADER>() else {
        return Chunk::Incomplete;
    };
    let expected = u32::from_le_bytes([*a, *b, *c, *d]);
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let kind = match kind {
        1 => Kind::Full,
        2 => Kind::First,
        3 => Kind::Middle,
        4 => Kind::Last,
        _ => return Chunk::Damaged("expected a chunk of a record, found one of an unknown kind"),
    };
    if CHUNK_HEADER + length > left_in_block(place, at) {
        return Chunk::Damaged("expected a chunk within its block, found one that crosses its end");
    }
    // The checksum is also that of the kind, the last byte of the header.
    let checked = rest.get(CHUNK_HEADER - 1..CHUNK_HEADER + length);
    let (Some(data), Some(checked)) = (after.get(..length), checked) else { return Chunk::Incomplete };
    if crc32fast::hash(checked) != expected {
        return Chunk::Damaged("expected a chunk with its checksum, found another one");
    }
    Chunk::Whole(kind, data, place + CHUNK_HEADER + length)
}

/// What to leave out where there is a damaged chunk at a place: all up to the next record in its block, or else up to the
/// next block.
#[cold]
fn damaged<'a>(bytes: &'a [u8], place: usize, at: u64, is_whole: bool, reason: &str) -> Frame<'a> {
    // Some file systems show the end of a file as zeros until its data has come in.
    let rest = bytes.get(place..).unwrap_or_default();
    if is_whole && rest.iter().all(|byte| *byte == 0) {
        return Frame::Incomplete;
    }
    let end = place + left_in_block(place, at);
    match next_record(bytes, place, at) {
        Some(next) => Frame::Damaged(next, reason.to_owned()),
        None if end <= bytes.len() => Frame::Damaged(end, reason.to_owned()),
        // A block that is not there to its end may still get records that are whole.
        None => Frame::Incomplete,
    }
}

/// What to leave out where the chunk at a place goes on behind the end of the file.
#[cold]
fn torn(bytes: &[u8], place: usize, at: u64) -> Frame<'_> {
    let reason = "expected a chunk of a record, found another one within it".to_owned();
    next_record(bytes, place, at).map_or(Frame::Incomplete, |next| Frame::Damaged(next, reason))
}

/// Where the next record begins behind a place, in its block.
fn next_record(bytes: &[u8], place: usize, at: u64) -> Option<usize> {
    let end = bytes.len().min(place + left_in_block(place, at));
    let mut searched = 0;
    for next in place + 1..end {
        let header = bytes.get(next..).and_then(<[u8]>::first_chunk::<CHUNK_HEADER>);
        let Some([.., low, high, 1 | 2]) = header else { continue };
        searched += usize::from(u16::from_le_bytes([*low, *high]));
        if searched > MOST_SEARCHED {
            return None;
        }
        if let Chunk::Whole(..) = chunk(bytes, next, at) {
            return Some(next);
        }
    }
    None
}

/// A file with these records, for tests.
#[cfg(test)]
pub(super) fn framed<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut file = b":W&B\xe1\xbe\0".to_vec();
    for mut record in records {
        let mut is_first = true;
        loop {
            file.resize(after_padding(file.len(), 0), 0);
            let (data, rest) = record.split_at(record.len().min(left_in_block(file.len(), 0) - CHUNK_HEADER));
            let checked =
                [&[[3, 4, 2, 1][usize::from(rest.is_empty()) + 2 * usize::from(is_first)]], data].concat();
            file.extend(crc32fast::hash(&checked).to_le_bytes());
            file.extend((data.len() as u16).to_le_bytes());
            file.extend(checked);
            (record, is_first) = (rest, false);
            if rest.is_empty() {
                break;
            }
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file, the bytes that are damaged, and those that are left.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize, usize) {
        let (mut records, mut damaged, mut place) = (Vec::new(), 0, HEADER.min(bytes.len()));
        loop {
            let before = place;
            match frame(&bytes[place..], place as u64, true) {
                Frame::Whole(count, data) => {
                    records.push(data.into_owned());
                    place += count;
                }
                Frame::Damaged(count, _) => {
                    damaged += count;
                    place += count;
                }
                Frame::Incomplete => return (records, damaged, bytes.len() - place),
            }
            assert!(place > before && place <= bytes.len());
        }
    }

    /// Records that end at, before and after the end of a block, and one over three blocks.
    fn records() -> Vec<Vec<u8>> {
        let lengths = [32_700, 34, 5, 32_768 - 7 - 12 - 7 - 3, 70_000, 0, 1, 20, 65_000];
        lengths.iter().enumerate().map(|(index, length)| vec![index as u8 + b'a'; *length]).collect()
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let records = records();
        let file = framed(records.iter().map(Vec::as_slice));
        assert_eq!(read(&file), (records, 0, 0));
    }

    #[test]
    fn records_are_the_same_however_the_bytes_arrive() {
        let records = records();
        let file = framed(records.iter().map(Vec::as_slice));
        for step in [1_000, 32_768, 50_001] {
            let (mut place, mut there, mut read) = (HEADER, HEADER, Vec::new());
            while place < file.len() {
                match frame(&file[place..there], place as u64, step == 1_000) {
                    Frame::Whole(count, data) => {
                        place += count;
                        read.push(data.into_owned());
                    }
                    Frame::Damaged(_, reason) => panic!("{reason}"),
                    Frame::Incomplete => there = file.len().min(there + step),
                }
            }
            assert!(read == records);
        }
    }

    #[test]
    fn a_torn_tail_is_incomplete_at_every_byte() {
        let records = [vec![1; 32_740], vec![2; 40], vec![3; 9]];
        let file = framed(records.iter().map(Vec::as_slice));
        // Of the first record, which is long, some ends stand for all.
        for end in (0..32_700).step_by(1000).chain(32_700..file.len()) {
            let (whole, damaged, left) = read(&file[..end]);
            assert_eq!((damaged, &whole[..]), (0, &records[..whole.len()]));
            assert!(left < 70 || whole.is_empty());
        }
    }

    #[test]
    fn a_flipped_byte_costs_its_record_alone() {
        let records: Vec<Vec<u8>> =
            (0..20u8).map(|index| vec![index + b'a'; 3 + usize::from(index)]).collect();
        let file = framed(records.iter().map(Vec::as_slice));
        for place in HEADER..file.len() {
            let mut bytes = file.clone();
            bytes[place] ^= 0x20;
            let (whole, damaged, left) = read(&bytes);
            let lost = records.iter().filter(|record| !whole.contains(record)).count();
            assert_eq!((whole.len(), lost), (19, 1), "byte {place}");
            assert!(damaged + left > 0);
        }
    }

    #[test]
    fn a_damaged_block_ends_with_it() {
        let records = records();
        let mut file = framed(records.iter().map(Vec::as_slice));
        file[32_768..65_536].fill(0);
        let (whole, damaged, left) = read(&file);
        assert_eq!((&whole[0], whole.last(), left), (&records[0], records.last(), 0));
        assert!(damaged >= 32_768);
    }

    #[test]
    fn other_files_are_told_by_their_headers() {
        assert_eq!(wrong_header(b":W&B\xe1\xbe\0"), None);
        assert!(wrong_header(b":W&B\xe1\xbe\x02").is_some_and(|reason| reason.ends_with("version 2")));
        assert!(wrong_header(b"epoch,l").is_some());
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>, at: u64) {
            let _ = (read(&bytes), frame(&bytes, at, false), frame(&bytes, at, true));
        }
    }
}
