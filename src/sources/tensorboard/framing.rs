//! Finds and writes the records of a file in the TFRecord format: a length, its checksum, that many bytes and their
//! checksum, all in little endian. It does not know what is in a record.
//!
//! The checksums are CRC-32C, turned right by 15 bits, plus a constant (tensorflow/core/lib/hash/crc32c.h), so that data
//! that holds checksums does not have checksums that are easily met by chance.

use std::io::{self, Write};
use std::sync::LazyLock;

use crc32c::crc32c;

/// The length and its checksum.
pub(super) const HEADER: usize = 12;
/// The checksum of the data.
const FOOTER: usize = 4;
/// Longer records are taken as damaged. The longest that are written hold graphs, of less than 2 GiB in theory but of
/// some megabytes in logs of training.
const LONGEST: u64 = 64 << 20;

/// The checksums of the lengths of short records, such as those of scalars are: half of the time for checksums would be
/// spent on them.
static SHORT: LazyLock<[u32; 256]> =
    LazyLock::new(|| std::array::from_fn(|length| checksum(&(length as u64).to_le_bytes())));

/// What is at the start of some bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame<'a> {
    /// A record with this data.
    Whole(&'a [u8]),
    /// No record for this many bytes, and why.
    Damaged(usize, String),
    /// A record that is not yet there as a whole.
    Incomplete,
}

/// The bytes that a record of `data` takes.
pub(super) fn framed_length(data: &[u8]) -> usize {
    HEADER + data.len() + FOOTER
}

/// Looks at the record at the start of `bytes`; `is_whole` says that the file ends with them.
#[inline]
pub(super) fn frame(bytes: &[u8], is_whole: bool) -> Frame<'_> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Frame::Incomplete };
    let Some(length) = length(header) else { return damaged_header(bytes, header, is_whole) };
    let Some((data, rest)) = bytes.get(HEADER..).and_then(|rest| rest.split_at_checked(length)) else {
        return Frame::Incomplete;
    };
    let Some(expected) = rest.first_chunk::<FOOTER>() else { return Frame::Incomplete };
    let (expected, found) = (u32::from_le_bytes(*expected), checksum(data));
    if expected != found {
        let reason = format!("expected data with the checksum {expected:08x}, found {found:08x}");
        return Frame::Damaged(framed_length(data), reason);
    }
    Frame::Whole(data)
}

/// Writes a record.
pub(super) fn write_frame(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&checksum(&length).to_le_bytes())?;
    out.write_all(data)?;
    out.write_all(&checksum(data).to_le_bytes())
}

/// The length of the data, where it has its checksum and is not too long.
#[inline]
fn length(header: &[u8; HEADER]) -> Option<usize> {
    let (length, expected) = header.split_first_chunk::<8>()?;
    let expected = u32::from_le_bytes(*expected.first_chunk()?);
    let number = u64::from_le_bytes(*length);
    // Lengths are compared first: that is all the search needs to do at most places.
    if number > LONGEST {
        return None;
    }
    let number = number as usize;
    let found = SHORT.get(number).copied().unwrap_or_else(|| checksum(&length[..]));
    (found == expected).then_some(number)
}

/// Searches for the next record. Where there is none, as many bytes are left as may be the start of a header. A length
/// that has its checksum is enough: that happens by chance once in 2^70 bytes.
#[cold]
fn damaged_header<'a>(bytes: &[u8], header: &[u8; HEADER], is_whole: bool) -> Frame<'a> {
    // Some file systems show the end of a file as zeros until its data has come in.
    if is_whole && bytes.iter().all(|byte| *byte == 0) {
        return Frame::Incomplete;
    }
    let next = bytes.windows(HEADER).enumerate().skip(1).find(|(_, window)| {
        let header = window.first_chunk();
        header.is_some_and(|header| length(header).is_some())
    });
    let end = next.map_or(bytes.len().saturating_sub(HEADER - 1), |(place, _)| place);
    let found = u64::from_le_bytes(*header.first_chunk().unwrap_or(&[0; 8]));
    let reason = if found > LONGEST {
        format!("expected the length of a record, at most {LONGEST}, found {found}")
    } else {
        format!("expected the length of a record with its checksum, found {found} without it")
    };
    Frame::Damaged(end, reason)
}

/// The checksum of some bytes.
#[inline]
fn checksum(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A record, for tests.
#[cfg(test)]
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_frame(&mut record, data);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `take` makes of a file: the data of its records and the bytes that are damaged.
    fn read(mut bytes: &[u8]) -> (Vec<&[u8]>, usize, usize) {
        let (mut records, mut damaged) = (Vec::new(), 0);
        loop {
            let taken = match frame(bytes, true) {
                Frame::Whole(data) => {
                    records.push(data);
                    framed_length(data)
                }
                Frame::Damaged(count, _) => {
                    damaged += count;
                    count
                }
                Frame::Incomplete => return (records, damaged, bytes.len()),
            };
            assert!(taken > 0);
            bytes = &bytes[taken..];
        }
    }

    #[test]
    fn a_record_of_the_real_writer_has_these_checksums() {
        // The first record of any event file but for its time: `brain.Event:2`.
        let known = [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22];
        assert_eq!(framed(&[0; 24])[..12], known);
    }

    #[test]
    fn a_torn_tail_is_incomplete_at_every_byte() {
        let whole = framed(b"some data");
        for end in 0..whole.len() {
            assert_eq!(frame(&whole[..end], true), Frame::Incomplete);
        }
        assert_eq!(frame(&whole, true), Frame::Whole(b"some data"));
        assert_eq!(frame(&[0; 100], true), Frame::Incomplete, "zeros may be data that has not come in");
        assert!(matches!(frame(&[0; 100], false), Frame::Damaged(89, _)));
    }

    #[test]
    fn a_flipped_byte_costs_its_record_alone() {
        let datas = [&b"first"[..], b"", b"third, which is longer", b"fourth"];
        let file: Vec<u8> = datas.iter().flat_map(|data| framed(data)).collect();
        let mut start = 0;
        for (index, data) in datas.iter().enumerate().take(3) {
            for place in start..start + framed_length(data) {
                let mut bytes = file.clone();
                bytes[place] ^= 0x10;
                let (records, damaged, left) = read(&bytes);
                let others = datas.iter().enumerate().filter(|(other, _)| *other != index);
                assert_eq!(records, others.map(|(_, data)| *data).collect::<Vec<_>>(), "byte {place}");
                assert_eq!((damaged, left), (framed_length(data), 0));
            }
            start += framed_length(data);
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_damaged() {
        let length = (LONGEST + 1).to_le_bytes();
        let mut bytes = [&length[..], &checksum(&length).to_le_bytes(), &[7; 40]].concat();
        assert!(matches!(frame(&bytes, false), Frame::Damaged(41, _)), "all but eleven bytes");
        bytes.extend(framed(b"next"));
        assert!(matches!(frame(&bytes, false), Frame::Damaged(52, _)));
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            let (_, damaged, left) = read(&bytes);
            proptest::prop_assert!(damaged + left <= bytes.len());
        }
    }
}
