//! Reads a lane's log record by record. Broken records are skipped and reported with their place; an incomplete record
//! at the end stays unread, because its writer may be in the middle of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::{memchr, memmem};
use serde::{Deserialize, Serialize};

use super::RunLogError;
use super::consistency::{Accepted, Consistency};
use super::following::{End, Look, Seen};
use super::numbering::{Numbering, Place};
use super::record::{self, Frame};
use crate::event::{Declared, FORMAT_VERSION, Kind, RecordsLost, RunEvent, Time};
use crate::units::Step;

/// The longest line that is kept in memory; a longer one is a bad record.
pub(crate) const MAX_LINE: usize = 16 << 20;
/// Bytes read from the source at once: dozens of records of a deep network, and little compared to what is read of
/// them.
const CHUNK: usize = 1 << 20;
/// The most lines that are examined to distinguish a moved record from a gap.
const LOOK_AHEAD: usize = 16;
/// The first version whose records end with checksums.
const SEALED_SINCE: u32 = 2;

/// A part of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An event. Two kinds are also inferred from the surrounding records, without a record of their own and with an
    /// empty range of bytes: [`Kind::RecordsLost`] if record numbers are missing, and [`Kind::LaneResumed`] if steps
    /// go back after something that is missing.
    Event {
        /// What happened.
        event: RunEvent,
        /// The bytes of its record.
        bytes: Range<u64>,
    },
    /// An event of a kind that only newer versions know.
    UnknownKind {
        /// Its line, from 1.
        line: u64,
        /// Its kind.
        kind: String,
    },
    /// Bytes that are not a record, or a record that contradicts earlier ones.
    Bad(BadRecord),
    /// The file at this path is no longer the one that was read: it is another file, or shorter than what was read.
    /// Everything read from it is void; no more entries follow.
    Replaced {
        /// What was expected and what was found.
        reason: String,
    },
}

/// Bytes that were skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    /// The line in which they begin, from 1.
    pub line: u64,
    /// The bytes.
    pub bytes: Range<u64>,
    /// What was expected and what was found.
    pub reason: String,
}

/// A place between two records, from which another reader can continue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    offset: u64,
    line: u64,
    /// The checksum of the record that ends here, if it has one.
    checksum: Option<u32>,
    framing: Framing,
    numbering: Numbering,
    consistency: Consistency,
}

/// Whether the records of a log have checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Framing {
    /// No record has shown it yet.
    #[default]
    Unknown,
    /// They have none (format 1).
    Bare,
    /// One had one; a record without is bad.
    Sealed,
}

impl Position {
    /// The number of bytes before it, all of complete records.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The end of the records before it.
    fn end(&self) -> End {
        End { offset: self.offset, checksum: self.checksum }
    }

    /// The number of lines before it.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What the lane declared before it.
    pub fn declared(&self) -> &Declared {
        self.consistency.declared()
    }

    /// The number of the record that comes next.
    pub fn next_number(&self) -> u64 {
        self.numbering.next()
    }
}

/// Reads the records of a log.
#[derive(Debug)]
pub struct LogReader<R> {
    source: R,
    /// The file, for messages.
    path: PathBuf,
    position: Position,
    /// Bytes read from the source and not consumed yet; begins at `position` unless a long line is being skipped.
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    start: usize,
    /// Where the search for its end continues.
    searched: usize,
    /// Bytes of a line longer than [`MAX_LINE`] that were discarded.
    skipped: u64,
    /// Fragments of the line at `start` that were not returned yet.
    fragments: VecDeque<Fragment>,
    /// Whether the last check for more found nothing.
    ended: bool,
    /// Checks for more after the end of what was read; none if the source is not a file.
    look: Option<LookAgain<R>>,
    seen: Seen,
}

type LookAgain<R> = fn(&mut LogReader<R>) -> io::Result<Look<()>>;

/// A record, or what is found in place of one: a line or, if that is damaged, a fragment of it.
#[derive(Clone, Debug)]
struct Fragment {
    /// Bytes in the buffer, including the newline.
    length: usize,
    /// Whether a newline ends it.
    ends_line: bool,
    found: Found,
}

#[derive(Clone, Debug)]
enum Found {
    /// A record with a correct checksum.
    Sealed(u32),
    /// A line without a checksum.
    Bare,
    /// Not a record, and why.
    Bad(String),
}

impl LogReader<File> {
    /// Opens a log at its beginning.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<LogReader<File>, RunLogError> {
        LogReader::open_at(path, Position::default())
    }

    /// Opens a log where another reader stopped.
    ///
    /// # Errors
    /// If it cannot be opened, or what was read is no longer there.
    pub fn open_at(path: &Path, position: Position) -> Result<LogReader<File>, RunLogError> {
        let (file, seen) = Seen::open(path, position.end())?;
        Ok(LogReader { position, seen, look: Some(LogReader::look_again), ..LogReader::new(file, path) })
    }

    /// Checks the path for more to read, and continues with that.
    fn look_again(&mut self) -> io::Result<Look<()>> {
        let (end, torn) = (self.position.end(), self.torn_bytes());
        Ok(match self.seen.look_again(&self.path, end, torn)? {
            Look::Nothing => Look::Nothing,
            Look::Replaced(reason) => Look::Replaced(reason),
            Look::More(file) => {
                self.source = file;
                self.forget_torn();
                Look::More(())
            }
        })
    }
}

impl<R: Read> LogReader<R> {
    /// A reader of any source; `path` is its name in messages.
    pub fn new(source: R, path: &Path) -> LogReader<R> {
        LogReader {
            source,
            path: path.to_owned(),
            position: Position::default(),
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            skipped: 0,
            fragments: VecDeque::new(),
            ended: false,
            look: None,
            seen: Seen::default(),
        }
    }

    /// Reads the next complete record, or what is found in place of one. None means that there is none yet: a later
    /// call finds what was appended to the source in the meantime.
    ///
    /// # Errors
    /// If the source cannot be read, or is of a newer format.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, RunLogError> {
        if let Some(look) = self.look.filter(|_| self.ended) {
            match look(self).map_err(RunLogError::io("read", &self.path))? {
                Look::Nothing => return Ok(None),
                Look::More(()) => self.ended = false,
                Look::Replaced(reason) => return Ok(Some(Entry::Replaced { reason })),
            }
        }
        loop {
            if !self.fragments.is_empty() {
                if let Some(entry) = self.take_fragment()? {
                    return Ok(Some(entry));
                }
            } else if let Some(length) = self.find_line_end() {
                self.cut_line(length);
            } else if !self.fill().map_err(RunLogError::io("read", &self.path))? {
                self.ended = true;
                return Ok(None);
            }
        }
    }

    /// The place after the last record read. What follows it when [`LogReader::next_entry`] returns none is incomplete.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The number of bytes after [`LogReader::position`] that are not a complete line yet.
    pub fn torn_bytes(&self) -> u64 {
        self.skipped + (self.buffer.len() - self.start) as u64
    }

    /// Discards what was read after the position.
    fn forget_torn(&mut self) {
        self.buffer.clear();
        (self.start, self.searched, self.skipped) = (0, 0, 0);
    }

    /// The length of the line at `start`, including its newline, if its end is in the buffer. A line that is too long
    /// also ends where a record may begin after zeros, which a power failure leaves in a file.
    fn find_line_end(&mut self) -> Option<usize> {
        let newline = memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at + 1);
        let end = newline.unwrap_or(self.buffer.len());
        let mut length = newline.map(|end| end - self.start);
        if self.skipped > 0 || end - self.start > MAX_LINE {
            let behind_zeros = memmem::find(&self.buffer[self.start..end], b"\0{\"");
            length = behind_zeros.map(|at| at + 1).or(length);
        }
        self.searched = end;
        length
    }

    /// Reads more from the source; false at its end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() > MAX_LINE || (self.skipped > 0 && self.buffer.len() > 2) {
            // The last bytes may be the first of the sequence that ends a line that is too long.
            let thrown = self.buffer.len() - 2;
            self.buffer.drain(..thrown);
            self.skipped += thrown as u64;
        }
        self.searched = self.buffer.len();
        let before = self.buffer.len();
        (&mut self.source).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        Ok(self.buffer.len() > before)
    }

    /// Splits the line at `start` into fragments: a single record, if nothing is wrong.
    fn cut_line(&mut self, length: usize) {
        let line = &self.buffer[self.start..self.start + length];
        let (line, ends_line) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
        let whole = |found| Fragment { length, ends_line, found };
        if self.skipped > 0 {
            let reason = too_long(self.skipped + length as u64);
            return self.fragments.push_back(whole(Found::Bad(reason)));
        }
        let reason = match record::frame(line) {
            _ if length > MAX_LINE => Some(too_long(length as u64)),
            Frame::Sealed(sealed) => return self.fragments.push_back(whole(Found::Sealed(sealed.checksum))),
            Frame::Bare if self.position.framing == Framing::Bare => {
                return self.fragments.push_back(whole(Found::Bare));
            }
            Frame::Damaged { written, computed } => Some(record::damage(written, computed)),
            Frame::Bare => None,
        };
        let records = record::whole_records(line);
        if records.is_empty() && reason.is_none() && self.position.framing == Framing::Unknown {
            return self.fragments.push_back(whole(Found::Bare));
        }
        let reason = reason.unwrap_or_else(|| "expected a checksum at its end, found none".to_owned());
        let mut fragments = apart(line, &records, &reason);
        match fragments.back_mut() {
            Some(last) => (last.length, last.ends_line) = (last.length + usize::from(ends_line), ends_line),
            None => fragments.push_back(whole(Found::Bad(reason))),
        }
        self.fragments = fragments;
    }

    /// Returns the next fragment of the line at `start`, or what is missing before it; none for the second copy of the
    /// first record.
    fn take_fragment(&mut self) -> Result<Option<Entry>, RunLogError> {
        let Some(Fragment { length, ends_line, found }) = self.fragments.front().cloned() else {
            return Ok(None);
        };
        let fragment = &self.buffer[self.start..self.start + length];
        let fragment = if ends_line { &fragment[..length - 1] } else { fragment };
        let (parsed, number, checksum) = match found {
            Found::Sealed(checksum) => {
                let (body, number) = record::apart(&fragment[..fragment.len() - record::TRAILER]);
                (self.parse(fragment, body, true)?, number, Some(checksum))
            }
            Found::Bare => (self.parse(fragment, record::bare_body(fragment), false)?, None, None),
            Found::Bad(reason) => (Parsed::Bad(reason), None, None),
        };
        if checksum.is_some() {
            self.position.framing = Framing::Sealed;
        }
        let judged = match self.judge(parsed, number, checksum, length)? {
            Judged::Missing(event) => {
                let at = self.position.offset;
                return Ok(Some(Entry::Event { event, bytes: at..at }));
            }
            Judged::Is(parsed) => Some(parsed),
            Judged::Repeated => None,
        };
        let bytes = self.position.offset..self.position.offset + self.skipped + length as u64;
        let line = self.position.line + 1;
        let entry = judged.map(|parsed| match parsed {
            Parsed::Event(event) => Entry::Event { event, bytes: bytes.clone() },
            Parsed::UnknownKind(kind) => Entry::UnknownKind { line, kind },
            Parsed::Bad(reason) => Entry::Bad(BadRecord { line, bytes: bytes.clone(), reason }),
        });
        self.start += length;
        self.searched = self.start;
        self.skipped = 0;
        self.position.offset = bytes.end;
        self.position.line += u64::from(ends_line);
        self.position.checksum = checksum.filter(|_| ends_line);
        self.fragments.pop_front();
        Ok(entry)
    }

    /// Checks a record of `length` bytes against earlier ones, and notes it unless something is missing before it.
    fn judge(
        &mut self,
        parsed: Parsed,
        number: Option<u64>,
        checksum: Option<u32>,
        length: usize,
    ) -> Result<Judged, RunLogError> {
        if checksum.is_none() && matches!(parsed, Parsed::Bad(_)) {
            self.position.consistency.lose();
            return Ok(Judged::Is(parsed));
        }
        let starts = matches!(&parsed, Parsed::Event(RunEvent { kind: Kind::LaneStarted(_), .. }));
        let explained = match &parsed {
            Parsed::Event(RunEvent { kind: Kind::RecordsLost(lost), .. }) => lost.records,
            _ => 0,
        };
        let next = self.position.numbering.next();
        let misplaced =
            |found: u64| format!("expected record {next}, found record {found}, which is out of place");
        match (self.position.numbering.place(number, explained), number) {
            // The copy of the first record has the same number.
            _ if starts => {}
            (Place::Behind(missing), Some(found)) => {
                if self.stand_behind(next..found, length).map_err(RunLogError::io("read", &self.path))? {
                    return Ok(Judged::Is(Parsed::Bad(misplaced(found))));
                }
                self.position.numbering.skip(missing);
                let step_after = match &parsed {
                    Parsed::Event(event) => Some((event.step, event.time.at_ms)),
                    _ => None,
                };
                return Ok(Judged::Missing(self.missing(missing, step_after)));
            }
            (Place::Late, Some(found)) => return Ok(Judged::Is(Parsed::Bad(misplaced(found)))),
            _ => {}
        }
        self.accept(parsed, number, checksum, length)
    }

    /// The event for missing records before a record of this step and time.
    fn missing(&mut self, records: u64, after: Option<(Step, f64)>) -> RunEvent {
        self.position.consistency.lose();
        let first = self.position.consistency.last_step();
        let (last, at_ms) = after.unwrap_or((first, 0.0));
        let kind = Kind::RecordsLost(RecordsLost { records, first });
        RunEvent { step: last, time: Time::at(at_ms), kind }
    }

    /// Notes a record of `length` bytes that is in its place.
    fn accept(
        &mut self,
        parsed: Parsed,
        number: Option<u64>,
        checksum: Option<u32>,
        length: usize,
    ) -> Result<Judged, RunLogError> {
        let Position { offset, numbering, consistency, .. } = &mut self.position;
        let end = *offset + self.skipped + length as u64;
        let Parsed::Event(mut event) = parsed else {
            if matches!(parsed, Parsed::Bad(_)) {
                consistency.lose();
            }
            numbering.take(number);
            return Ok(Judged::Is(parsed));
        };
        if let Some(resumed) = consistency.missed_resumption(&event) {
            return Ok(Judged::Missing(resumed));
        }
        let accepted = consistency.accept(&mut event, checksum, end);
        // A `lane_started` that does not fit belongs to another log, and so does its number.
        if accepted == Ok(Accepted::New) || !matches!(event.kind, Kind::LaneStarted(_)) {
            numbering.take(number);
        }
        Ok(match accepted {
            Ok(Accepted::New) => Judged::Is(Parsed::Event(event)),
            Ok(Accepted::Repeated) => Judged::Repeated,
            Err(reason) => Judged::Is(Parsed::Bad(reason)),
        })
    }

    /// Whether records with these numbers follow the fragment at `start`, which means that it was moved to too early a
    /// place. Examines the next record that is not late, and does not wait for one.
    fn stand_behind(&mut self, missing: Range<u64>, length: usize) -> io::Result<bool> {
        let mut from = length;
        for _ in 0..LOOK_AHEAD {
            let end = loop {
                if let Some(at) = memchr(b'\n', &self.buffer[self.start + from..]) {
                    break from + at;
                }
                if self.buffer.len() - self.start > MAX_LINE || !self.fill()? {
                    return Ok(false);
                }
            };
            if let Frame::Sealed(sealed) = record::frame(&self.buffer[self.start + from..self.start + end])
                && let Some(number) = sealed.number.filter(|number| *number >= missing.start)
                && number != missing.end
            {
                return Ok(number < missing.end);
            }
            from = end + 1;
        }
        Ok(false)
    }

    /// Parses a record with a correct checksum, or without one, from its line and the body of its event.
    fn parse(&self, line: &[u8], body: &[u8], sealed: bool) -> Result<Parsed, RunLogError> {
        let begins = self.position.framing == Framing::Unknown;
        if (begins || sealed)
            && line.starts_with(b"{\"lane_started\"")
            && let Ok(AnyStart { lane_started: Versioned { version } }) = serde_json::from_slice(line)
            && version > u64::from(FORMAT_VERSION)
        {
            return Err(RunLogError::Newer { path: self.path.clone(), found: version });
        }
        match record::parse_event(body, self.position.consistency.declared()) {
            Ok(RunEvent { kind: Kind::LaneStarted(start), .. })
                if !sealed && start.version >= SEALED_SINCE =>
            {
                Ok(Parsed::Bad("expected a checksum at its end, found none".to_owned()))
            }
            Ok(event) => Ok(Parsed::Event(event)),
            Err(error) => {
                // Values cannot be interpreted before anything was declared.
                let begins = self.position.consistency.begins() && record::begins_with_a_kind(body);
                let bad = || match begins {
                    true => Parsed::Bad("expected `lane_started` first, found another event".to_owned()),
                    false => Parsed::Bad(record::reason(&error)),
                };
                Ok(record::unknown_kind(body).map_or_else(bad, Parsed::UnknownKind))
            }
        }
    }
}

/// Splits a bad line into the records in it and the bytes between them.
fn apart(line: &[u8], records: &[Range<usize>], reason: &str) -> VecDeque<Fragment> {
    let mut fragments = VecDeque::new();
    let mut push = |length: usize, found| {
        if length > 0 {
            fragments.push_back(Fragment { length, ends_line: false, found });
        }
    };
    let mut at = 0;
    for record in records {
        push(record.start - at, Found::Bad(between(&line[at..record.start], at > 0, reason)));
        let checksum = record::written_checksum(&line[record.end - record::TRAILER..record.end]);
        push(record.len(), Found::Sealed(checksum.unwrap_or_default()));
        at = record.end;
    }
    push(line.len() - at, Found::Bad(between(&line[at..], false, reason)));
    fragments
}

fn too_long(length: u64) -> String {
    format!("expected a line of at most {MAX_LINE} bytes, found {length}")
}

/// Describes what is wrong with bytes that are not a record.
fn between(bytes: &[u8], behind_record: bool, reason: &str) -> String {
    let zeros = bytes.iter().filter(|&&byte| byte == 0).count();
    match bytes {
        [byte] if behind_record => format!("expected the end of a line, found byte {byte:#04x}"),
        _ if zeros > 0 => format!("expected a record, found one with {zeros} zero bytes"),
        _ => reason.to_owned(),
    }
}

/// What a record turns out to be, given earlier ones.
enum Judged {
    /// A record in its place, or a bad one.
    Is(Parsed),
    /// Not to be returned yet: this is missing before it.
    Missing(RunEvent),
    /// The second copy of the first record.
    Repeated,
}

enum Parsed {
    Event(RunEvent),
    UnknownKind(String),
    Bad(String),
}

/// The head of a `lane_started` of any version.
#[derive(Deserialize)]
struct AnyStart {
    lane_started: Versioned,
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}
