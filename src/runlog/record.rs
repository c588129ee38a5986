//! Records: lines of a log, each a JSON object that ends with its number and the checksum of all bytes before it.
//! Seals, checks and parses records, and finds them inside damaged lines. Knows nothing of files.

use std::fmt;
use std::ops::Range;

use memchr::memmem;
use serde::Deserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use super::{earlier, event_parser, step_parser};
use crate::event::{Declared, Kind, RunEvent};

/// The text between an event and the number of its record; earlier versions have no number.
const NUMBER: &[u8] = b",\"record\":";
/// The text between that and the digits of the checksum ...
const KEY: &[u8] = b",\"crc32\":\"";
/// ... whose number is this, in lower-case hex ...
const DIGITS: usize = 8;
/// ... and what follows them.
const CLOSE: &[u8] = b"\"}";
/// The length of all three in bytes.
pub(super) const TRAILER: usize = KEY.len() + DIGITS + CLOSE.len();
/// How many bytes the search for records inside a damaged line may read, as a multiple of the line's length: ordinary
/// lines need a few; the search of a maliciously slow one is abandoned.
const SEARCH_BUDGET: usize = 64;
/// The longest name of an unknown kind that counts as one, in bytes.
const LONGEST_KIND: usize = 64;

/// Completes a record that was serialised as a whole object at the end of `buffer`, from byte `start` on: inserts its
/// number and the checksum, and appends a newline.
pub(super) fn seal(buffer: &mut Vec<u8>, start: usize, number: u64) {
    debug_assert_eq!(buffer.last(), Some(&b'}'));
    buffer.pop();
    buffer.extend_from_slice(NUMBER);
    buffer.extend_from_slice(number.to_string().as_bytes());
    let checksum = crc32fast::hash(&buffer[start..]);
    buffer.extend_from_slice(KEY);
    for digit in (0..DIGITS).rev() {
        buffer.push(b"0123456789abcdef"[(checksum >> (4 * digit)) as usize & 15]);
    }
    buffer.extend_from_slice(CLOSE);
    buffer.push(b'\n');
}

/// A line, without its newline, classified by its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A record with the right checksum.
    Sealed(Sealed<'a>),
    /// It ends with a wrong checksum.
    Damaged {
        /// The checksum it ends with.
        written: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// It does not end with a checksum: it is of format 1, damaged, or not a record.
    Bare,
}

/// A record with the right checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    /// The bytes before number and trailer: an object that is not closed.
    pub(super) body: &'a [u8],
    /// Its number in the log, if it has one.
    pub(super) number: Option<u64>,
    /// The checksum of both.
    pub(super) checksum: u32,
}

/// Checks a line, given without its newline.
pub(super) fn frame(line: &[u8]) -> Frame<'_> {
    let Some(at) = line.len().checked_sub(TRAILER) else { return Frame::Bare };
    let (body, trailer) = line.split_at(at);
    let Some(written) = written_checksum(trailer) else { return Frame::Bare };
    let computed = crc32fast::hash(body);
    if written == computed {
        let (body, number) = apart(body);
        Frame::Sealed(Sealed { body, number, checksum: written })
    } else {
        Frame::Damaged { written, computed }
    }
}

/// Splits a record without its trailer into its event, not closed, and its number, if it has one.
pub(super) fn apart(bytes: &[u8]) -> (&[u8], Option<u64>) {
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = bytes.split_at(bytes.len() - digits);
    let number = || std::str::from_utf8(digits).ok()?.parse().ok();
    match before.strip_suffix(NUMBER).zip(number()) {
        Some((event, number)) => (event, Some(number)),
        None => (bytes, None),
    }
}

/// The checksum in the trailer at the start of `bytes`.
pub(super) fn written_checksum(bytes: &[u8]) -> Option<u32> {
    let trailer = bytes.get(..TRAILER)?;
    let digits = trailer.strip_prefix(KEY)?.strip_suffix(CLOSE)?;
    digits.iter().try_fold(0, |sum, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u32::from(value))
    })
}

/// The places of the whole records inside a line that is not one itself, in order: a damaged newline joins two records,
/// and a torn record may precede a whole one.
pub(super) fn whole_records(line: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut budget = line.len().saturating_mul(SEARCH_BUDGET);
    let mut from = 0;
    for at in memmem::find_iter(line, KEY) {
        if at < from {
            continue;
        }
        let Some(written) = written_checksum(&line[at..]) else { continue };
        let Some(left) = budget.checked_sub(at - from) else { break };
        budget = left;
        if let Some(start) = record_start(line, from..at, written, &mut budget) {
            from = at + TRAILER;
            found.push(start..from);
        }
    }
    found
}

/// The start in `within` of the record that ends at its end and has this checksum.
fn record_start(line: &[u8], within: Range<usize>, checksum: u32, budget: &mut usize) -> Option<usize> {
    let begins = memmem::FinderRev::new(b"{\"");
    // The nearest first, because what precedes it is damaged; last the start of the range, for a record of which only
    // the newline is damaged, or of a kind that this version does not know.
    let known = begins.rfind_iter(&line[within.clone()]).map(|at| within.start + at);
    let known = known.filter(|&at| begins_with_a_kind(&line[at..]));
    for start in known.chain([within.start, within.start + 1]) {
        if start >= within.end {
            continue;
        }
        *budget = budget.checked_sub(within.end - start)?;
        if crc32fast::hash(&line[start..within.end]) == checksum {
            return Some(start);
        }
    }
    None
}

/// Whether bytes begin like an event of a kind that this version knows.
pub(super) fn begins_with_a_kind(bytes: &[u8]) -> bool {
    let Some(name) = bytes.strip_prefix(b"{\"") else { return false };
    let is = |kind: &&str| name.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.starts_with(b"\":{"));
    Kind::NAMES.iter().chain(earlier::KINDS).any(is)
}

/// The body of a line of format 1, which has no checksum: all but the closing brace.
pub(super) fn bare_body(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    line.strip_suffix(b"}").unwrap_or(line)
}

/// Parses a line of any format, given without its newline, and registers what it declares.
pub(super) fn parse_line(line: &[u8], declared: &mut Declared) -> Result<RunEvent, String> {
    let event = match frame(line) {
        Frame::Sealed(sealed) => parse_event(sealed.body, declared),
        Frame::Bare => parse_event(bare_body(line), declared),
        Frame::Damaged { written, computed } => return Err(damage(written, computed)),
    };
    let event = event.map_err(|error| reason(&error))?;
    declared.note(&event)?;
    Ok(event)
}

/// The message for a wrong checksum.
pub(super) fn damage(written: u32, computed: u32) -> String {
    format!("expected bytes with the checksum {written:08x}, found {computed:08x}")
}

/// The message of a JSON error, with the column but without the line, which is always the first.
pub(super) fn reason(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// Parses the body of a record: an object with one key, an event's kind, that is not closed. Values are interpreted by
/// earlier declarations.
///
/// # Errors
/// If it is anything else.
pub(super) fn parse_event(body: &[u8], declared: &Declared) -> Result<RunEvent, serde_json::Error> {
    // It also accepts a closed object, which followed by a checksum would not be JSON.
    if !body.ends_with(b"}}}")
        && let Some(event) = step_parser::parse(body, declared)
    {
        return Ok(event);
    }
    parse_by_serde(body, declared)
}

/// As [`parse_event`], for any JSON form.
pub(super) fn parse_by_serde(body: &[u8], declared: &Declared) -> Result<RunEvent, serde_json::Error> {
    parse_member(body, event_parser::Event(declared))
}

/// The kind of a well-formed event that this version does not know.
pub(super) fn unknown_kind(body: &[u8]) -> Option<String> {
    let kind = parse_member(body, KindAlone).ok()?;
    (kind.len() <= LONGEST_KIND && !is_known(&kind)).then_some(kind)
}

fn is_known(kind: &str) -> bool {
    Kind::NAMES.contains(&kind) || earlier::KINDS.contains(&kind)
}

/// What is read from an object's only member.
pub(super) trait Member<'de> {
    type Value;

    fn read<A: MapAccess<'de>>(self, map: &mut A) -> Result<Self::Value, A::Error>;
}

/// Its name, whatever its value.
struct KindAlone;

impl<'de> Member<'de> for KindAlone {
    type Value = String;

    fn read<A: MapAccess<'de>>(self, map: &mut A) -> Result<String, A::Error> {
        let kind = map.next_key()?.ok_or_else(|| A::Error::custom("expected a kind"))?;
        map.next_value::<IgnoredAny>()?;
        Ok(kind)
    }
}

/// Parses the only member of an object that is not closed.
fn parse_member<'de, M: Member<'de>>(body: &'de [u8], of: M) -> Result<M::Value, serde_json::Error> {
    let mut member = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    match json.deserialize_map(Unclosed(of, &mut member)) {
        Ok(()) => Err(serde_json::Error::custom("expected a checksum, found the end of an object")),
        // Only the end of the object is missing.
        Err(error) if error.is_eof() => member.ok_or(error),
        Err(error) => Err(error),
    }
}

/// Keeps what was read of an object, because serde_json returns an error for one that is not closed.
struct Unclosed<'a, 'de, M: Member<'de>>(M, &'a mut Option<M::Value>);

impl<'de, M: Member<'de>> Visitor<'de> for Unclosed<'_, 'de, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        *self.1 = Some(self.0.read(&mut map)?);
        Ok(())
    }
}
