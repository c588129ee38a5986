//! Reads records again by their places, as returned when they were written or read, without reading what precedes them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::reader::MAX_LINE;
use super::step_parser::step_of;
use super::{RunLogError, record};
use crate::event::{Declared, Kind, LaneStarted, RunEvent, Values};
use crate::metric::Shape;
use crate::units::Step;

/// Reads one record again, by the range of bytes returned when it was written or read.
///
/// # Errors
/// If it cannot be read or is no longer there.
pub fn read_record(path: &Path, bytes: Range<u64>, declared: &Declared) -> Result<RunEvent, RunLogError> {
    let mut found = None;
    read_records(path, bytes.clone(), &mut declared.clone(), |event, _| {
        found.get_or_insert(event);
    })?;
    found.ok_or_else(|| {
        RunLogError::malformed(path, format!("expected a record at byte {}, found none", bytes.start))
    })
}

/// Reads the complete records in a range of bytes in order, and passes each to `each` with the byte at which it
/// begins; the first of a log, which is written twice, only once.
///
/// # Errors
/// If they cannot be read or are no longer there; earlier ones have been passed on.
pub fn read_records(
    path: &Path,
    bytes: Range<u64>,
    declared: &mut Declared,
    mut each: impl FnMut(RunEvent, u64),
) -> Result<(), RunLogError> {
    let mut lines = Lines::open(path, bytes)?;
    let mut once = Once::default();
    while let Some((at, record, _)) = lines.next()? {
        let event = record::parse_line(record, declared)
            .map_err(|e| RunLogError::malformed(path, format!("expected a record at byte {at}: {e}")))?;
        once.pass(event, |event| each(event, at));
    }
    Ok(())
}

/// Parses complete records in order, and passes each to `each`; the first of a log, which is written twice, only once.
///
/// # Errors
/// If a line is not a record, with the reason; earlier ones have been passed on.
pub fn parse_records(
    bytes: &[u8],
    declared: &mut Declared,
    mut each: impl FnMut(RunEvent, u64),
) -> Result<(), String> {
    let (mut once, mut at) = (Once::default(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let record = line.strip_suffix(b"\n").unwrap_or(line);
        once.pass(record::parse_line(record, declared)?, |event| each(event, at));
        at += line.len() as u64;
    }
    Ok(())
}

/// The start of the lane, with which its log begins, without reading on; none if both copies of the record are damaged.
///
/// # Errors
/// If the log cannot be read.
pub fn first_event(path: &Path) -> Result<Option<LaneStarted>, RunLogError> {
    let mut lines = Lines::open(path, 0..u64::MAX)?;
    for _ in 0..2 {
        let Some((_, record, true)) = lines.next()? else { break };
        if let Ok(RunEvent { kind: Kind::LaneStarted(started), .. }) =
            record::parse_line(record, &mut Declared::default())
        {
            return Ok(Some(*started));
        }
    }
    Ok(None)
}

/// What was measured over axes at the last step that is not after `step`, searched from a byte at which a record
/// begins up to the end of the log or to where steps are repeated; none if nothing was found. A record that comes too
/// early is skipped.
///
/// # Errors
/// If the log cannot be read.
pub fn find_step(
    path: &Path,
    from: u64,
    step: Step,
    declared: &Declared,
) -> Result<Option<(Step, Values)>, RunLogError> {
    let mut lines = Lines::open(path, from..u64::MAX)?;
    let (mut found, mut beyond) = (None::<(Step, Values)>, 0);
    let mut declared = declared.clone();
    while let Some((_, record, true)) = lines.next()? {
        let last = found.as_ref().map(|(last, _)| *last);
        // What is behind the step need not be read.
        let mut behind = step_of(record).is_some_and(|at| at > step);
        if !behind {
            // Damage was reported when the log was folded.
            let Ok(RunEvent { step: at, kind, .. }) = record::parse_line(record, &mut declared) else {
                continue;
            };
            match kind {
                Kind::Measured(_) if at > step => behind = true,
                Kind::Measured(_) if last.is_some_and(|last| at < last) => break,
                Kind::Measured(values)
                    if values.iter().any(|(metric, _)| metric.shape() == Shape::Numbers) =>
                {
                    let same = found.take().filter(|(last, _)| *last == at);
                    let before = same.map(|(_, values)| values).unwrap_or_default();
                    found = Some((at, before.and(values)));
                }
                Kind::LaneResumed(_) => break,
                _ => {}
            }
        }
        beyond += u32::from(behind);
        if behind && (beyond > 1 || last == Some(step)) {
            break;
        }
    }
    Ok(found)
}

/// Reads what was measured from one step to another again, from the bytes of a log that hold these steps, and passes it to
/// `each` in the order of the log. Steps that were made again come again; before that comes the return to the
/// checkpoint.
///
/// # Errors
/// If the log cannot be read, or if the steps were made again so often that there are more than `most` records.
pub fn read_steps(
    path: &Path,
    bytes: Range<u64>,
    steps: (Step, Step),
    most: u64,
    declared: &Declared,
    mut each: impl FnMut(RunEvent),
) -> Result<(), RunLogError> {
    let mut lines = Lines::open(path, bytes)?;
    let (mut declared, mut read) = (declared.clone(), 0);
    while let Some((_, record, true)) = lines.next()? {
        // What is outside need not be read, and damage was reported when the log was folded.
        if step_of(record).is_some_and(|step| step < steps.0 || step > steps.1) {
            continue;
        }
        let Ok(event) = record::parse_line(record, &mut declared) else { continue };
        if matches!(event.kind, Kind::Measured(_) | Kind::LaneResumed(_)) {
            read += 1;
            if read > most {
                let found = format!("expected at most {most} records of steps {} to {}", steps.0, steps.1);
                return Err(RunLogError::malformed(path, found));
            }
            each(event);
        }
    }
    Ok(())
}

/// The byte at which a line begins, the line, and whether a newline ends it.
type Line<'a> = (u64, &'a [u8], bool);

/// The lines in a range of a log's bytes, each of bounded length.
struct Lines {
    path: PathBuf,
    source: BufReader<Take<File>>,
    at: u64,
    line: Vec<u8>,
}

impl Lines {
    fn open(path: &Path, bytes: Range<u64>) -> Result<Lines, RunLogError> {
        let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
        file.seek(SeekFrom::Start(bytes.start)).map_err(RunLogError::io("read", path))?;
        let source = BufReader::new(file.take(bytes.end.saturating_sub(bytes.start)));
        Ok(Lines { path: path.to_owned(), source, at: bytes.start, line: Vec::new() })
    }

    /// The next line; none at the end.
    fn next(&mut self) -> Result<Option<Line<'_>>, RunLogError> {
        self.line.clear();
        let mut limited = (&mut self.source).take(MAX_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        let at = self.at;
        self.at += read.map_err(RunLogError::io("read", &self.path))? as u64;
        Ok(match self.line.strip_suffix(b"\n") {
            Some(record) => Some((at, record, true)),
            None => (!self.line.is_empty()).then_some((at, self.line.as_slice(), false)),
        })
    }
}

/// Passes on the first event of a log, which is written twice, only once.
#[derive(Default)]
struct Once {
    started: bool,
}

impl Once {
    fn pass(&mut self, event: RunEvent, each: impl FnOnce(RunEvent)) {
        let starts = matches!(event.kind, Kind::LaneStarted(_));
        if !(starts && self.started) {
            each(event);
        }
        self.started |= starts;
    }
}
