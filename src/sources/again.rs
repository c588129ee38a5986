//! Reads what a log of another program says of some steps again, as `runlog::reread` does for a log of this one.

use std::sync::Arc;

use super::reader::SourceReader;
use super::source::Source;
use crate::event::{Kind, RunEvent, Values};
use crate::metric::Shape;
use crate::runlog::{Entry, RunLogError};
use crate::units::Step;

/// A log that is read again from a byte on, with the layers and metrics that it begins with. Where records name no steps,
/// they are counted from the beginning.
fn again(source: &Arc<Source>, from: u64) -> Result<SourceReader, RunLogError> {
    let mut reader = SourceReader::open(source);
    // What comes first is how the lane starts.
    reader.next_entry()?;
    if !reader.counts_steps() {
        reader.seek(from)?;
    }
    Ok(reader)
}

/// What was measured over axes at the last step that is not after `step`, searched from a byte at which a record begins.
///
/// # Errors
/// If the log cannot be read.
pub fn find_step(source: &Arc<Source>, from: u64, step: Step) -> Result<Option<(Step, Values)>, RunLogError> {
    let mut reader = again(source, from)?;
    let (mut found, mut beyond) = (None::<(Step, Values)>, 0);
    while let Some(entry) = reader.next_entry()? {
        let (at, values) = match entry {
            Entry::Event { event: RunEvent { step, kind: Kind::Measured(values), .. }, .. } => (step, values),
            Entry::Replaced { .. } => break,
            _ => continue,
        };
        if !values.iter().any(|(metric, _)| metric.shape() == Shape::Numbers) {
            continue;
        }
        let last = found.as_ref().map(|(last, _)| *last);
        match () {
            () if at > step => {
                beyond += 1;
                if beyond > 1 || last == Some(step) {
                    break;
                }
            }
            () if last.is_some_and(|last| at < last) => break,
            () => {
                let same = found.take().filter(|(last, _)| *last == at);
                found = Some((at, same.map(|(_, values)| values).unwrap_or_default().and(values)));
            }
        }
    }
    Ok(found)
}

/// Reads what was measured from one step to another again, from a byte of the log on and up to another, and passes it to
/// `each` in the order of the log.
///
/// # Errors
/// If the log cannot be read, or there are more than `most` events.
pub fn read_steps(
    source: &Arc<Source>,
    bytes: std::ops::Range<u64>,
    steps: (Step, Step),
    most: u64,
    mut each: impl FnMut(RunEvent),
) -> Result<(), RunLogError> {
    let mut reader = again(source, bytes.start)?;
    let mut read = 0;
    while let Some(entry) = reader.next_entry()? {
        let (event, of) = match entry {
            Entry::Event { event, bytes } => (event, bytes),
            Entry::Replaced { .. } => break,
            _ => continue,
        };
        if of.start >= bytes.end {
            break;
        }
        let is_wanted = match event.kind {
            Kind::Measured(_) => (steps.0..=steps.1).contains(&event.step),
            Kind::LaneResumed(_) => true,
            _ => false,
        };
        if is_wanted {
            read += 1;
            if read > most {
                let reason = format!("expected at most {most} records of steps {} to {}", steps.0, steps.1);
                return Err(RunLogError::Malformed { path: source.path().to_owned(), reason });
            }
            each(event);
        }
    }
    Ok(())
}
