//! Reads the log of another program as the events of a lane, as `runlog::LogReader` reads a log of this one: record by
//! record, on from where it stopped, and anew where what was read has been replaced.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::files::{Files, MOST_BYTES, More, Place};
use super::find::natural;
use super::parser::{Parser, Taken};
use super::said::{Found, Measured, Said, Tags};
use super::source::Source;
use super::steps::Steps;
use super::translation::{Held, Renamed, Translation};
use crate::event::{Declared, LaneStarted};
use crate::runlog::{BadRecord, Entry, RunLogError};

/// Bytes of a log that are searched for tags before its lane is started, at least ...
const SURVEY: u64 = 1 << 20;
/// ... and records since the last new tag.
const QUIET: u64 = 4_096;
/// The longest beginning from which a format learns what follows.
const HEAD: u64 = 1 << 20;
/// Records that are read before their events are passed on, at most.
const AT_ONCE: usize = 1_024;

/// A place between two records, from which another reader can continue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    place: Place,
    surveyed: Vec<Found>,
    later: Vec<Box<str>>,
    held: Held,
    records: u64,
}

impl Position {
    /// The number of bytes before it.
    pub fn offset(&self) -> u64 {
        self.place.bytes()
    }

    /// How the lane starts, and what is declared before this place.
    pub fn started(&self, source: &Source) -> (LaneStarted, Declared) {
        let Position { surveyed, later, held, .. } = self.clone();
        Translation::new(&source.lane, &source.layers, surveyed, &later, held).into_started()
    }
}

/// Reads the records of a log.
#[derive(Debug)]
pub struct SourceReader {
    source: Arc<Source>,
    files: Files,
    parser: Box<dyn Parser>,
    tags: Tags,
    said: Said,
    /// None as long as there is nothing to start the lane with.
    translation: Option<Translation>,
    ready: VecDeque<Entry>,
    records: u64,
    counts_steps: bool,
}

impl SourceReader {
    /// Reads a log from its beginning.
    pub fn open(source: &Arc<Source>) -> SourceReader {
        SourceReader {
            files: Files::new(source.at.clone()),
            parser: (source.format.parser)(),
            source: Arc::clone(source),
            tags: Tags::default(),
            said: Said::default(),
            translation: None,
            ready: VecDeque::new(),
            records: 0,
            counts_steps: false,
        }
    }

    /// Reads a log from a position on.
    ///
    /// # Errors
    /// If what was read before is no longer there.
    pub fn open_at(source: &Arc<Source>, position: Position) -> Result<SourceReader, RunLogError> {
        let Position { place, surveyed, later, held, records } = position;
        let files = Files::at(source.at.clone(), &place).map_err(|error| source.failed(error))?;
        let mut reader = SourceReader { files, records, ..SourceReader::open(source) };
        reader.learn()?;
        let names = surveyed.iter().map(|(name, _)| &**name);
        reader.tags = Tags::of(names.chain(later.iter().map(|name| &**name)));
        reader.translation = Some(Translation::new(&source.lane, &source.layers, surveyed, &later, held));
        Ok(reader)
    }

    /// Goes back to a byte at which a record begins that was read before.
    pub(super) fn seek(&mut self, to: u64) -> Result<(), RunLogError> {
        self.files.seek(to).map_err(|error| self.source.failed(error))?;
        self.learn()
    }

    /// Whether the first record with numbers names no step, so that steps are counted.
    pub(super) fn counts_steps(&self) -> bool {
        self.counts_steps
    }

    /// Has the parser take the first record of the log, from which it may learn what follows.
    fn learn(&mut self) -> Result<(), RunLogError> {
        let head = self.files.head(HEAD).map_err(|error| self.source.failed(error))?;
        let mut unused = Said::default();
        let _ = self.parser.take(&head, 0, false, &mut Tags::default(), &mut unused);
        Ok(())
    }

    /// The next event, or what is found in place of one. None means that there is none yet.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, RunLogError> {
        if self.translation.is_none() && !self.start()? {
            return Ok(None);
        }
        while self.ready.is_empty() {
            if !self.read_on().map_err(|error| self.source.failed(error))? {
                break;
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The place after the last record that was read; every event before it must have been taken.
    pub fn position(&self) -> Option<Position> {
        let translation = self.translation.as_ref().filter(|_| self.ready.is_empty())?;
        let surveyed = translation.surveyed();
        Some(Position {
            place: self.files.place().ok()?,
            surveyed: surveyed.to_owned(),
            later: self.tags.names().get(surveyed.len()..).unwrap_or_default().to_owned(),
            held: translation.held(),
            records: self.records,
        })
    }

    /// How many bytes were read as records.
    pub fn offset(&self) -> u64 {
        self.files.taken()
    }

    /// When the log begins, in milliseconds of Unix time, if it tells.
    pub fn begun_unix_ms(&self) -> Option<i64> {
        self.translation.as_ref()?.begun_unix_ms()
    }

    /// The number of bytes at the end that are no complete record yet.
    pub fn torn_bytes(&self) -> u64 {
        self.files.torn()
    }

    /// The name that the log gives its run.
    pub fn name(&self) -> Option<&str> {
        self.translation.as_ref()?.name()
    }

    /// The settings of the run, as far as the log has them.
    pub fn config(&self) -> &[(String, String)] {
        self.translation.as_ref().map_or(&[], Translation::config)
    }

    /// The tags that have other names here, and those that are not shown.
    pub fn renamed(&self) -> Vec<Renamed> {
        self.translation.as_ref().map(Translation::renamed).unwrap_or_default()
    }

    /// Searches the beginning of the log for its tags and starts the lane; false if there is nothing yet.
    fn start(&mut self) -> Result<bool, RunLogError> {
        let (surveyed, steps) = self.survey().map_err(|error| self.source.failed(error))?;
        if surveyed.is_empty() {
            return Ok(false);
        }
        let tags = Tags::of(surveyed.iter().map(|(name, _)| &**name));
        *self = SourceReader { counts_steps: self.counts_steps, tags, ..SourceReader::open(&self.source) };
        let held = Held::with(steps);
        let translation = Translation::new(&self.source.lane, &self.source.layers, surveyed, &[], held);
        self.ready.push_back(Entry::Event { event: translation.started(), bytes: 0..0 });
        self.translation = Some(translation);
        Ok(true)
    }

    /// The tags in the beginning of the log, in order of appearance, and what is known of the steps.
    fn survey(&mut self) -> io::Result<(Vec<Found>, Steps)> {
        *self = SourceReader::open(&self.source);
        let least = self.source.surveyed.load(Ordering::Relaxed).max(SURVEY);
        let (mut found, mut since) = (Vec::<Found>::new(), 0);
        let (mut steps, mut names_steps) = (Steps::default(), false);
        loop {
            let (bytes, at, is_whole) = self.files.bytes();
            self.said.clear();
            match self.parser.take(bytes, at, is_whole, &mut self.tags, &mut self.said) {
                Taken::Record(length) | Taken::Bad(length, _) => {
                    self.files.take(length.max(1));
                    since += 1;
                    // It cannot fail before there are values.
                    let _ = steps.note(&self.said.other);
                    if !self.said.values.is_empty() && !self.said.is_beside {
                        self.counts_steps |= self.said.step.is_none() && !names_steps;
                        names_steps |= self.said.step.is_some();
                    }
                    for (tag, value) in &self.said.values {
                        // Tags are numbered in the order in which they appear; one may have been without a value.
                        while found.len() <= tag.0 as usize && found.len() < self.tags.names().len() {
                            let name = self.tags.names()[found.len()].clone();
                            found.push((name, matches!(value, Measured::Histogram { .. })));
                            since = 0;
                        }
                    }
                    if since > QUIET && self.files.taken() >= least {
                        break;
                    }
                }
                Taken::Incomplete => match self.files.more()? {
                    More::Bytes if bytes_are_too_many(&self.files) => break,
                    More::Bytes | More::File(_) => {}
                    More::Nothing | More::Replaced(_) => break,
                },
            }
        }
        if !self.source.format.is_ordered {
            // What is shown first should tell of the training.
            let is_aside = |name: &str| name.starts_with("system/") || steps.is_axis(name);
            found.sort_by_key(|(name, _)| (is_aside(name), natural(name)));
        }
        steps.survey(&found);
        Ok((found, steps))
    }

    /// Reads some records; false if there are no more.
    fn read_on(&mut self) -> io::Result<bool> {
        for _ in 0..AT_ONCE {
            let begin = self.files.taken();
            let (bytes, at, is_whole) = self.files.bytes();
            self.said.clear();
            let taken = self.parser.take(bytes, at, is_whole, &mut self.tags, &mut self.said);
            match taken {
                Taken::Record(length) => {
                    self.files.take(length.max(1));
                    self.records += 1;
                    if !self.translate(begin) {
                        return Ok(true);
                    }
                }
                Taken::Bad(length, reason) => {
                    self.files.take(length.max(1));
                    self.records += 1;
                    self.pass_on();
                    self.bad(begin, reason);
                }
                Taken::Incomplete => match self.files.more()? {
                    More::Bytes if bytes_are_too_many(&self.files) => {
                        let length = self.files.bytes().0.len();
                        self.files.take(length);
                        self.bad(begin, format!("expected a record, found {length} bytes without an end"));
                    }
                    More::Bytes => {}
                    More::File(torn) => {
                        if torn > 0 {
                            let reason = format!(
                                "expected a whole record, found only {torn} bytes of it at the end of the file"
                            );
                            self.bad(begin, reason);
                        }
                    }
                    More::Nothing => {
                        if let Some(translation) = &mut self.translation {
                            translation.flush();
                        }
                        self.pass_on();
                        return Ok(false);
                    }
                    More::Replaced(reason) => {
                        self.ready.push_back(Entry::Replaced { reason });
                        return Ok(true);
                    }
                },
            }
        }
        self.pass_on();
        Ok(true)
    }

    /// Makes events of what a record says that begins at a byte; false if the log has to be read anew.
    fn translate(&mut self, begin: u64) -> bool {
        let Some(translation) = &mut self.translation else { return false };
        match translation.take(&mut self.said, &self.tags, begin) {
            Ok(Ok(())) => true,
            Ok(Err(reason)) => {
                self.pass_on();
                self.bad(begin, reason);
                true
            }
            Err(anew) => {
                // From now on all is searched that there is, so that this does not happen at each of many tags.
                self.source.surveyed.store(u64::MAX, Ordering::Relaxed);
                self.ready.push_back(Entry::Replaced { reason: anew.reason().to_owned() });
                false
            }
        }
    }

    /// Passes on the events that were made.
    fn pass_on(&mut self) {
        let end = self.files.taken();
        if let Some(translation) = &mut self.translation {
            let line = self.records;
            let unshown = translation.unshown().map(|kind| Entry::UnknownKind { line, kind });
            self.ready.extend(unshown);
            let events = translation.events().map(|(event, from)| Entry::Event { event, bytes: from..end });
            self.ready.extend(events);
        }
    }

    fn bad(&mut self, begin: u64, reason: String) {
        let (end, line) = (self.files.taken(), self.records.max(1));
        self.ready.push_back(Entry::Bad(BadRecord { line, bytes: begin..end.max(begin), reason }));
    }
}

/// Whether as many bytes were read as are kept for a record.
fn bytes_are_too_many(files: &Files) -> bool {
    files.bytes().0.len() >= MOST_BYTES
}
