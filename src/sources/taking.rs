//! Takes all records of some bytes, for the tests of the formats. Knows no format.

use proptest::prelude::*;

use super::{Measured, Other, Parser, Said, Tags, Taken};

/// What was taken from where, and what it says, with names for tags.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) at: usize,
    pub(super) taken: Taken,
    pub(super) step: Option<i64>,
    pub(super) time: Option<f64>,
    /// Names and numbers, in order of the names; as text, so that NaN is equal to itself.
    pub(super) numbers: Vec<String>,
    pub(super) other: Vec<Other>,
}

/// Takes all pieces. The bytes arrive in parts of these sizes, in turn.
pub(super) fn pieces<P: Parser + Default>(bytes: &[u8], sizes: &[usize]) -> Vec<Piece> {
    from(&mut P::default(), bytes, 0, sizes)
}

/// Takes all pieces from a byte on.
pub(super) fn from<P: Parser>(parser: &mut P, bytes: &[u8], start: usize, sizes: &[usize]) -> Vec<Piece> {
    let (mut tags, mut said) = (Tags::default(), Said::default());
    let mut found = Vec::new();
    let (mut at, mut there) = (start, start);
    for size in sizes.iter().cycle().map(|size| (*size).max(1)) {
        there = (there + size).min(bytes.len());
        loop {
            said.clear();
            let is_whole = there == bytes.len();
            let taken = parser.take(&bytes[at..there], at as u64, is_whole, &mut tags, &mut said);
            let length = match &taken {
                Taken::Record(length) => *length,
                Taken::Bad(length, why) => {
                    assert!(said == Said::default() && !why.is_empty(), "{why}: {said:?}");
                    *length
                }
                Taken::Incomplete => break,
            };
            assert!(length > 0 && at + length <= there, "{length} bytes of {}", there - at);
            found.push(piece(at, taken, &said, &tags));
            at += length;
        }
        if there == bytes.len() {
            break;
        }
    }
    found
}

fn piece(at: usize, taken: Taken, said: &Said, tags: &Tags) -> Piece {
    let mut heard: Vec<_> = said.values.iter().map(|(tag, _)| tag.0).collect();
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), said.values.len(), "each tag once");
    let number = |(tag, value): &(super::Tag, Measured)| match value {
        Measured::Number(number) => format!("{}={number}", tags.names()[tag.0 as usize]),
        other => format!("{other:?}"),
    };
    // Their order is that of the tags, which depends on what was read before.
    let mut numbers: Vec<_> = said.values.iter().map(number).collect();
    numbers.sort();
    Piece { at, taken, step: said.step, time: said.at, numbers, other: said.other.clone() }
}

/// Records that say something, as text: the step, then names and numbers.
pub(super) fn told(pieces: &[Piece]) -> Vec<String> {
    let told = |piece: &Piece| {
        let step = piece.step.map(|step| format!("{step}:")).into_iter();
        let time = piece.time.map(|time| format!("@{time}")).into_iter();
        let other = piece.other.iter().map(|other| match other {
            Other::Unshown(kind) => format!("({kind})"),
            Other::Config(settings) => format!("{settings:?}"),
            other => format!("{other:?}"),
        });
        let bad = matches!(piece.taken, Taken::Bad(..)).then(|| "bad".to_owned()).into_iter();
        step.chain(time)
            .chain(piece.numbers.iter().cloned())
            .chain(other)
            .chain(bad)
            .collect::<Vec<_>>()
            .join(" ")
    };
    pieces.iter().map(told).filter(|told| !told.is_empty()).collect()
}

/// Checks that a file that is cut at any byte is read up to the last record that is whole, and no further.
pub(super) fn is_read_up_to_any_cut<P: Parser + Default>(bytes: &[u8]) {
    let whole = pieces::<P>(bytes, &[bytes.len()]);
    for cut in 0..bytes.len() {
        let read = pieces::<P>(&bytes[..cut], &[cut]);
        let complete = whole.iter().take_while(|piece| match piece.taken {
            Taken::Record(length) | Taken::Bad(length, _) => piece.at + length <= cut,
            Taken::Incomplete => false,
        });
        let kept: Vec<_> = complete.cloned().collect();
        assert_eq!(read.get(..kept.len()), Some(kept.as_slice()), "cut at {cut}");
        assert_eq!(told(&read), told(&kept), "cut at {cut}");
    }
}

/// Checks that bytes are read alike in parts and at once, and that reading can begin at any record.
pub(super) fn is_read_alike_in_parts<P: Parser + Default>(
    bytes: &[u8],
    sizes: &[usize],
) -> Result<(), TestCaseError> {
    let whole = pieces::<P>(bytes, &[bytes.len()]);
    prop_assert_eq!(&pieces::<P>(bytes, sizes), &whole);
    let Some(middle) = whole.get(whole.len() / 2).filter(|piece| piece.at > 0) else { return Ok(()) };
    let mut parser = P::default();
    let (mut tags, mut said) = (Tags::default(), Said::default());
    parser.take(bytes, 0, true, &mut tags, &mut said);
    let later = from(&mut parser, bytes, middle.at, &[bytes.len()]);
    prop_assert_eq!(told(&later), told(&whole[whole.len() / 2..]));
    Ok(())
}
