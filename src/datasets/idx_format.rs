//! One file in the IDX format of MNIST (LeCun, Cortes, Burges 1998), raw or gzip-compressed: two zero bytes,
//! a type, the number of dimensions, each dimension as four bytes, big-endian, then the values.
//! Raw and compressed files are told apart by content. Memory grows with the bytes read, not with what a header claims.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::files::{self, MAX_BYTES};
use super::{DatasetError, FileError};
use crate::printable::grouped;

/// The most images or labels of a file; EMNIST's largest split has 814,255.
const MAX_ITEMS: u64 = 10_000_000;
/// The longest side of an image with plausible dimensions.
const MAX_SIDE: u64 = 1024;
const REMEDY: &str = "get the file again, or check that it is the right one";

/// What a file must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Three dimensions of bytes: images, rows, columns.
    Images,
    /// One dimension of bytes.
    Labels,
}

impl Kind {
    fn dimensions(self) -> usize {
        match self {
            Kind::Images => 3,
            Kind::Labels => 1,
        }
    }

    fn magic(self) -> [u8; 4] {
        [0, 0, 8, self.dimensions() as u8]
    }

    fn described(self) -> &'static str {
        match self {
            Kind::Images => "an IDX file of images (00 00 08 03)",
            Kind::Labels => "an IDX file of labels (00 00 08 01)",
        }
    }
}

/// The values of a file.
#[derive(Debug)]
pub(super) struct Values {
    /// The dimensions, as many as the kind has; none of them is 0.
    pub(super) dimensions: Vec<usize>,
    /// The values, as many as the product of the dimensions.
    pub(super) bytes: Vec<u8>,
}

/// Reads a whole file of a kind.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Values, DatasetError> {
    let wrong = |expected: String, found: String| DatasetError::file(path, expected, found, REMEDY);
    let opened = files::open(path)?;
    let len = opened.len;
    let mut content = Content::sniff(opened.file, len).map_err(|error| broken(path, kind, &error))?;

    let mut header = Vec::new();
    let header_len = 4 + 4 * kind.dimensions();
    content.read_at_most(header_len, &mut header).map_err(|error| broken(path, kind, &error))?;
    if header.is_empty() {
        return Err(wrong(kind.described().into(), "an empty file".into()));
    }
    if header.len() < 4 || header[..4] != kind.magic() {
        return Err(wrong(kind.described().into(), describe_magic(&header, kind)));
    }
    if header.len() < header_len {
        return Err(wrong(format!("a header of {header_len} bytes"), format!("{} bytes", header.len())));
    }
    let (dimensions, total) =
        dimensions(&header[4..], kind).map_err(|(expected, found)| wrong(expected.to_owned(), found))?;

    let expected = format!("{} bytes for {}", grouped(header_len as u64 + total), shown(&dimensions));
    if let Content::Raw(_) = content
        && len != header_len as u64 + total
    {
        return Err(wrong(expected, format!("{} bytes", grouped(len))));
    }
    let mut bytes = Vec::new();
    // Asking for one byte more shows a file that is too long, and makes gzip check its checksum.
    content.read_at_most(total as usize + 1, &mut bytes).map_err(|error| broken(path, kind, &error))?;
    match bytes.len() as u64 {
        found if found > total => Err(wrong(expected, "more once unpacked".into())),
        found if found < total => {
            Err(wrong(expected, format!("{} bytes once unpacked", grouped(header_len as u64 + found))))
        }
        _ => Ok(Values { dimensions: dimensions.iter().map(|&d| d as usize).collect(), bytes }),
    }
}

/// The content of a file, decompressed if necessary.
enum Content {
    Raw(io::Take<File>),
    Gzip(Box<MultiGzDecoder<BufReader<io::Take<File>>>>),
}

impl Content {
    fn sniff(mut file: File, len: u64) -> io::Result<Content> {
        let mut start = Vec::new();
        (&mut file).take(2).read_to_end(&mut start)?;
        file.rewind()?;
        let file = file.take(len);
        Ok(match start[..] {
            [0x1f, 0x8b] => Content::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(file)))),
            _ => Content::Raw(file),
        })
    }

    /// Reads up to `most` bytes, fewer at the end of the file; the vector grows with the bytes read.
    fn read_at_most(&mut self, most: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Content::Raw(file) => file.take(most as u64).read_to_end(into),
            Content::Gzip(unpacked) => unpacked.take(most as u64).read_to_end(into),
        }
    }
}

/// The dimensions and their product, or what was expected and what was found.
fn dimensions(header: &[u8], kind: Kind) -> Result<(Vec<u64>, u64), (&'static str, String)> {
    let dimensions: Vec<u64> = header
        .chunks_exact(4)
        .map(|bytes| bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
        .collect();
    let found = || format!("dimensions {}", shown(&dimensions));
    if dimensions.contains(&0) {
        return Err(("dimensions of at least 1", found()));
    }
    if dimensions[0] > MAX_ITEMS {
        return Err(("at most 10,000,000 images or labels", found()));
    }
    if kind == Kind::Images && dimensions[1..].iter().any(|&side| side > MAX_SIDE) {
        return Err(("images of at most 1024x1024 pixels", found()));
    }
    let product = dimensions.iter().try_fold(1_u64, |product, &dimension| product.checked_mul(dimension));
    match product {
        Some(product) if product <= MAX_BYTES => Ok((dimensions, product)),
        _ => Err(("at most 1,073,741,824 bytes of values", found())),
    }
}

fn shown(dimensions: &[u64]) -> String {
    dimensions.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

fn describe_magic(header: &[u8], wanted: Kind) -> String {
    let other = if wanted == Kind::Images { Kind::Labels } else { Kind::Images };
    match header {
        [a, b, c, d, ..] if [*a, *b, *c, *d] == other.magic() => other.described().to_owned(),
        [0, 0, kind @ (0x09 | 0x0b..=0x0e), _, ..] => {
            format!("an IDX file of values that are not unsigned bytes (type {kind:02x})")
        }
        [0x80, 2..=5, ..] => "a Python pickle".to_owned(),
        [b'P', b'K', ..] => "a zip archive".to_owned(),
        _ => {
            let bytes: Vec<_> = header.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("a file that begins with {}", bytes.join(" "))
        }
    }
}

/// An error while reading or decompressing.
fn broken(path: &Path, kind: Kind, error: &io::Error) -> DatasetError {
    let found = match error.kind() {
        io::ErrorKind::UnexpectedEof => "gzip data that ends too early".to_owned(),
        _ => format!("data that cannot be unpacked or read ({error})"),
    };
    DatasetError::File(Box::new(FileError {
        path: path.to_owned(),
        expected: kind.described().to_owned(),
        found,
        remedy: REMEDY.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn images(count: u32, side: u32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3];
        bytes.extend([count, side, side].iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend((0..count * side * side).map(|at| at as u8));
        bytes
    }

    fn read_bytes(bytes: &[u8], kind: Kind) -> Result<Values, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some-file");
        fs::write(&path, bytes).unwrap();
        read(&path, kind).map_err(|error| error.to_string())
    }

    #[test]
    fn raw_and_packed_files_read_alike() {
        for bytes in [images(3, 4), gzip(&images(3, 4))] {
            let values = read_bytes(&bytes, Kind::Images).unwrap();
            assert_eq!(values.dimensions, [3, 4, 4]);
            assert_eq!(values.bytes, (0..48).collect::<Vec<u8>>());
        }
        let labels = read_bytes(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9], Kind::Labels).unwrap();
        assert_eq!((labels.dimensions, labels.bytes), (vec![2], vec![7, 9]));
    }

    #[test]
    fn broken_files_are_errors_that_say_what_was_found() {
        let good = images(3, 4);
        let packed = gzip(&good);
        let long = [&good[..], &[0]].concat();
        let header = |dimensions: [u32; 3]| {
            let dimensions = dimensions.iter().flat_map(|d| d.to_be_bytes());
            [0, 0, 8, 3].into_iter().chain(dimensions).collect::<Vec<u8>>()
        };
        let cases: &[(&[u8], &str)] = &[
            (&[], "expected an IDX file of images (00 00 08 03), found an empty file; get"),
            (&gzip(&[]), "found an empty file"),
            (&good[..good.len() - 1], "expected 64 bytes for 3 x 4 x 4, found 63 bytes; get"),
            (&good[..9], "expected a header of 16 bytes, found 9 bytes"),
            (&long, "expected 64 bytes for 3 x 4 x 4, found 65 bytes"),
            (&gzip(&good[..63]), "expected 64 bytes for 3 x 4 x 4, found 63 bytes once unpacked"),
            (&gzip(&long), "expected 64 bytes for 3 x 4 x 4, found more once unpacked"),
            (&packed[..packed.len() - 1], "found gzip data that ends too early"),
            (&[&packed[..], &[1]].concat(), "found "),
            (b"\x00\x00\x08\x01\0\0\0\x01\x05", "found an IDX file of labels (00 00 08 01)"),
            (b"\x00\x00\x0d\x03\0\0\0\x01", "values that are not unsigned bytes (type 0d)"),
            (b"\x80\x04abc", "found a Python pickle"),
            (b"GIF89a", "found a file that begins with 47 49 46 38"),
            (&header([u32::MAX; 3]), "found dimensions 4294967295 x 4294967295 x 4294967295"),
            (&header([10_000_000, 1024, 1024]), "expected at most 1,073,741,824 bytes of values"),
            (&header([1, 65536, 65536]), "expected images of at most 1024x1024 pixels"),
            (&header([0, 28, 28]), "expected dimensions of at least 1"),
            (&gzip(&header([1000, 1024, 1024])), "found 16 bytes once unpacked"),
        ];
        for (bytes, expected) in cases {
            let message = read_bytes(bytes, Kind::Images).unwrap_err();
            assert!(message.contains(expected) && message.contains("some-file: expected"), "{message}");
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked_beyond_what_its_header_says() {
        let mut bytes = images(1, 4);
        bytes.extend(std::iter::repeat_n(0, 1 << 24));
        let message = read_bytes(&gzip(&bytes), Kind::Images).unwrap_err();
        assert!(message.contains("found more once unpacked"), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_give_values_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_bytes(&bytes, Kind::Images);
            let _ = read_bytes(&[&[0, 0, 8, 1], &bytes[..]].concat(), Kind::Labels);
            let _ = read_bytes(&[&[0, 0, 8, 3], &bytes[..]].concat(), Kind::Images);
            let _ = read_bytes(&[&[0x1f, 0x8b, 8], &bytes[..]].concat(), Kind::Images);
        }

        #[test]
        fn a_changed_file_never_panics_and_never_reads_as_more_than_it_holds(
            packed in any::<bool>(), at in any::<prop::sample::Index>(), with in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let good = images(2, 4);
            let mut bytes = if packed { gzip(&good) } else { good.clone() };
            let at = at.index(bytes.len());
            bytes[at] = with;
            bytes.truncate(cut.index(bytes.len()) + 1);
            if let Ok(values) = read_bytes(&bytes, Kind::Images) {
                prop_assert!(values.bytes.len() <= good.len());
                prop_assert_eq!(values.dimensions.iter().product::<usize>(), values.bytes.len());
            }
        }
    }
}
