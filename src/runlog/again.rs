//! Reads records again by their places, as writing or reading gave them, without what stands before them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::reader::MAX_LINE;
use super::{RunLogError, record};
use crate::event::{RunEvent, StepFinished};
use crate::units::Step;

/// Reads one record again, by the bytes that writing or reading it gave.
///
/// # Errors
/// Where it cannot be read or is no longer there.
pub fn read_record(path: &Path, bytes: Range<u64>) -> Result<RunEvent, RunLogError> {
    let mut found = None;
    read_records(path, bytes.clone(), |event, _| {
        found.get_or_insert(event);
    })?;
    found.ok_or_else(|| {
        RunLogError::malformed(path, format!("expected a record at byte {}, found none", bytes.start))
    })
}

/// Reads the whole records in a range of bytes, one after the other, and hands each over with the byte that it begins
/// at; the first of a log, which is written twice, once.
///
/// # Errors
/// Where they cannot be read or are no longer there; those before were handed over.
pub fn read_records(
    path: &Path,
    bytes: Range<u64>,
    mut each: impl FnMut(RunEvent, u64),
) -> Result<(), RunLogError> {
    let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
    file.seek(SeekFrom::Start(bytes.start)).map_err(RunLogError::io("read", path))?;
    let mut source = BufReader::new(file.take(bytes.end.saturating_sub(bytes.start)));
    let (mut at, mut line, mut started) = (bytes.start, Vec::new(), false);
    while at < bytes.end {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        let length =
            (&mut source).take(limit).read_until(b'\n', &mut line).map_err(RunLogError::io("read", path))?;
        let record = line.strip_suffix(b"\n").unwrap_or(&line);
        let event = record::parse_line(record)
            .map_err(|e| RunLogError::malformed(path, format!("expected a record at byte {at}: {e}")))?;
        let repeated = started && matches!(event, RunEvent::LaneStarted(_));
        started |= matches!(event, RunEvent::LaneStarted(_));
        if !repeated {
            each(event, at);
        }
        at += length as u64;
    }
    Ok(())
}

/// Parses whole records, one after the other, and hands each over; the first of a log, which is written twice, once.
///
/// # Errors
/// Where one is none, in words; those before were handed over.
pub fn parse_records(bytes: &[u8], mut each: impl FnMut(RunEvent)) -> Result<(), String> {
    let mut started = false;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let event = record::parse_line(line.strip_suffix(b"\n").unwrap_or(line))?;
        let is_start = matches!(event, RunEvent::LaneStarted(_));
        if !(started && is_start) {
            each(event);
        }
        started |= is_start;
    }
    Ok(())
}

/// The last record of a step with statistics that is not after `step`, looked for from a byte at which a record
/// begins; none where there is none up to the end of the log or to where the lane was resumed.
///
/// # Errors
/// Where the log cannot be read.
pub fn find_step(path: &Path, from: u64, step: Step) -> Result<Option<StepFinished>, RunLogError> {
    let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
    file.seek(SeekFrom::Start(from)).map_err(RunLogError::io("read", path))?;
    let (mut source, mut line, mut found) = (BufReader::new(file), Vec::new(), None);
    loop {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        (&mut source).take(limit).read_until(b'\n', &mut line).map_err(RunLogError::io("read", path))?;
        let Some(record) = line.strip_suffix(b"\n") else { return Ok(found) };
        match record::parse_line(record) {
            Ok(RunEvent::StepFinished(next)) if next.step > step => return Ok(found),
            Ok(RunEvent::StepFinished(next)) if !next.statistics.is_empty() => found = Some(next),
            Ok(RunEvent::LaneResumed(_)) => return Ok(found),
            // Other events stand between steps, and what is damaged was told when the log was folded.
            _ => {}
        }
        if found.as_ref().is_some_and(|found| found.step == step) {
            return Ok(found);
        }
    }
}
