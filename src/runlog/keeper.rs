//! Keeps a lane's log despite disk errors. If a record cannot be written, it and those after it are held in memory, at
//! the places they will have, and written when that is possible again. Records for which there is no room are counted,
//! and the log then says so in their place; the last checkpoint and the lane's end are always kept.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::held::{HELD, Held};
use super::writer::{Found, LogWriter, serialise};
use crate::event::{Kind, RecordsLost, RunEvent, Time};

/// The time between two checks of the file, or attempts to write.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a lane waits for a failing disk ...
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// ... and the time between its attempts.
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// The most orders that are kept when there is no room for the records between them.
const ORDERS: u64 = 64;

/// What records are written to.
pub(super) trait Store {
    /// The length of its whole records in bytes.
    fn length(&self) -> u64;

    /// Appends a whole record, or nothing on failure.
    fn write(&mut self, record: &[u8]) -> io::Result<()>;

    /// Checks that what is written can still be found.
    fn check(&mut self) -> io::Result<()>;

    /// What was found since the last call.
    fn take_found(&mut self) -> Found {
        Found::default()
    }
}

impl Store for LogWriter {
    fn length(&self) -> u64 {
        LogWriter::length(self)
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        LogWriter::write(self, record)
    }

    fn check(&mut self) -> io::Result<()> {
        LogWriter::check(self)
    }

    fn take_found(&mut self) -> Found {
        LogWriter::take_found(self)
    }
}

/// The log of one lane, which takes events whatever the state of the disk.
#[derive(Debug)]
pub struct LogKeeper(Keeper<LogWriter>);

impl LogKeeper {
    /// Keeps a log.
    pub fn new(writer: LogWriter) -> LogKeeper {
        let next = writer.next_number();
        LogKeeper(Keeper { next, ..Keeper::new(writer) })
    }

    /// Bytes of the records in the log.
    pub fn length(&self) -> u64 {
        self.0.store.length()
    }

    /// The records that wait to be written.
    pub fn held(&self) -> Arc<Held> {
        Arc::clone(&self.0.held)
    }

    /// Appends an event, or holds it. Returns the range of bytes that its record has or will have in the log; none if
    /// it is lost.
    pub fn append(&mut self, event: &RunEvent) -> Option<Range<u64>> {
        self.0.append(event, Instant::now())
    }

    /// Records that the log lacks for good.
    pub fn lost(&self) -> u64 {
        self.0.all_lost
    }

    /// Takes the messages about the log since the last call.
    pub fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.news)
    }

    /// The file, so that another thread can sync it; none while records are held.
    pub fn file(&self) -> Option<io::Result<std::fs::File>> {
        self.0.trouble.is_none().then(|| self.0.store.file())
    }

    /// Writes what is held, retrying for a while, and syncs the file.
    ///
    /// # Errors
    /// What is missing in the log, in words.
    pub fn finish(&mut self) -> Result<(), String> {
        self.0.settle(LAST_PATIENCE);
        if let Some(missing) = self.0.missing() {
            self.0.give_all_up();
            return Err(missing);
        }
        self.0.store.sync().map_err(|error| format!("the end of the log may not be on the disk: {error}"))
    }
}

#[derive(Debug)]
struct Keeper<S> {
    store: S,
    held: Arc<Held>,
    /// Why records are held, if they are.
    trouble: Option<String>,
    /// The records that are held, and those that were held and have been written.
    waiting: u64,
    rescued: u64,
    /// What found no room since the log could last be written, to be written after what is held: the numbers of lost
    /// records, and between them orders, the last checkpoint and the lane's end.
    overflow: VecDeque<RunEvent>,
    /// The total number of lost records.
    all_lost: u64,
    /// The number of the next record that finds room.
    next: u64,
    /// When the file was last checked, or writing to it last failed.
    tried: Option<Instant>,
    news: Vec<String>,
    buffer: Vec<u8>,
}

impl<S: Store> Keeper<S> {
    fn new(store: S) -> Keeper<S> {
        Keeper {
            store,
            held: Arc::default(),
            trouble: None,
            waiting: 0,
            rescued: 0,
            overflow: VecDeque::new(),
            all_lost: 0,
            next: 1,
            tried: None,
            news: Vec::new(),
            buffer: Vec::new(),
        }
    }

    fn append(&mut self, event: &RunEvent, now: Instant) -> Option<Range<u64>> {
        if self.tried.is_none_or(|tried| now.duration_since(tried) >= PAUSE) {
            self.tried = Some(now);
            self.tend(event.time.at_ms);
        }
        let place = self.write_or_hold(event, now);
        self.note_found();
        place
    }

    fn write_or_hold(&mut self, event: &RunEvent, now: Instant) -> Option<Range<u64>> {
        self.buffer.clear();
        if let Err(error) = serialise(event, self.next, &mut self.buffer) {
            self.news.push(format!("a record of step {} cannot be written: {error}", event.step));
            self.all_lost += 1;
            return None;
        }
        if self.trouble.is_none() {
            let start = self.store.length();
            match self.store.write(&self.buffer) {
                Ok(()) => {
                    self.next += 1;
                    return Some(start..self.store.length());
                }
                Err(error) => {
                    self.tried = Some(now);
                    self.begin_holding(&error);
                }
            }
        }
        self.hold(event)
    }

    /// Checks whether the log is still there or, if records are held, whether they can be written.
    fn tend(&mut self, at_ms: f64) {
        let checked = self.store.check();
        match (checked, self.trouble.is_some()) {
            (Ok(()), false) => {}
            (Err(error), false) => self.begin_holding(&error),
            (Ok(()), true) => match self.write_held(at_ms) {
                Ok(()) => {}
                Err(error) => self.trouble = Some(error.to_string()),
            },
            (Err(error), true) => self.trouble = Some(error.to_string()),
        }
    }

    fn begin_holding(&mut self, error: &io::Error) {
        self.trouble = Some(error.to_string());
        self.news.push(format!(
            "the log cannot be written: {error}; training continues, records are held in memory and written as \
             soon as possible"
        ));
    }

    fn note_found(&mut self) {
        let Found { news, lost } = self.store.take_found();
        self.news.extend(news);
        self.all_lost += lost;
    }

    fn hold(&mut self, event: &RunEvent) -> Option<Range<u64>> {
        if self.overflow.is_empty() {
            if let Some(place) = self.held.push(self.store.length(), &self.buffer) {
                self.next += 1;
                self.waiting += 1;
                return Some(place);
            }
            self.news.push(format!(
                "{} MiB of records wait to be written; from step {} on they are lost until there is space",
                HELD >> 20,
                event.step
            ));
        }
        match &event.kind {
            Kind::CheckpointWritten(_) => {
                // One is enough to go on from.
                let earlier = |event: &RunEvent| matches!(event.kind, Kind::CheckpointWritten(_));
                if self.overflow.iter().any(earlier) {
                    for event in std::mem::take(&mut self.overflow) {
                        match &event.kind {
                            Kind::OrderTaken(_) => self.overflow.push_back(event),
                            _ => self.give_up(&event),
                        }
                    }
                }
                self.overflow.push_back(event.clone());
            }
            // Without it, the lane could not go on unchanged from a checkpoint before it.
            Kind::OrderTaken(_) if self.kept_back() < ORDERS => self.overflow.push_back(event.clone()),
            Kind::LaneFinished(_) => self.overflow.push_back(event.clone()),
            _ => self.give_up(event),
        }
        None
    }

    /// Counts a record, or all records that it counts itself, as lost at the end of the overflow.
    fn give_up(&mut self, event: &RunEvent) {
        let (step, time) = (event.step, Time::at(event.time.at_ms));
        let (records, first) = match &event.kind {
            Kind::RecordsLost(lost) => (lost.records, lost.first),
            _ => {
                self.all_lost += 1;
                (1, event.step)
            }
        };
        if let Some(last) = self.overflow.back_mut()
            && let Kind::RecordsLost(lost) = &mut last.kind
        {
            lost.records += records;
            (last.step, last.time) = (step, time);
            return;
        }
        let kind = Kind::RecordsLost(RecordsLost { records, first });
        self.overflow.push_back(RunEvent { step, time, kind });
    }

    /// Counts everything not written as lost, because the lane ends.
    fn give_all_up(&mut self) {
        self.all_lost += self.waiting + self.kept_back();
    }

    /// The records in the overflow that are to be written.
    fn kept_back(&self) -> u64 {
        self.overflow.iter().filter(|event| !matches!(event.kind, Kind::RecordsLost(_))).count() as u64
    }

    /// Writes what is held, then the overflow.
    fn write_held(&mut self, at_ms: f64) -> io::Result<()> {
        while let Some(record) = self.held.first() {
            self.store.write(&record)?;
            self.held.pop();
            self.waiting -= 1;
            self.rescued += 1;
        }
        let mut lost_here = String::new();
        while let Some(event) = self.overflow.front_mut() {
            let before = match &event.kind {
                Kind::RecordsLost(lost) => lost.records,
                _ => 0,
            };
            if before > 0 {
                event.time = Time::at(at_ms);
            }
            self.buffer.clear();
            serialise(event, self.next + before, &mut self.buffer)?;
            self.store.write(&self.buffer)?;
            self.next += before + 1;
            match self.overflow.pop_front() {
                Some(RunEvent {
                    step: last,
                    kind: Kind::RecordsLost(RecordsLost { records, first }),
                    ..
                }) => {
                    lost_here += &format!("; {records} of steps {first} to {last} are lost");
                }
                _ => self.rescued += 1,
            }
        }
        let held = self.rescued;
        (self.trouble, self.rescued) = (None, 0);
        self.news
            .push(format!("the log can be written again; all {held} held records were written{lost_here}"));
        Ok(())
    }

    /// Tries to write what is held until that succeeds or `patience` is over.
    fn settle(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        let at_ms = self.overflow.back().map_or(0.0, |event| event.time.at_ms);
        loop {
            self.tend(at_ms);
            self.note_found();
            if self.trouble.is_none() || Instant::now() >= end {
                return;
            }
            thread::sleep(LAST_PAUSE);
        }
    }

    /// What is missing in the log, in words; none if nothing is.
    fn missing(&self) -> Option<String> {
        let missing = self.waiting + self.kept_back() + self.all_lost;
        (missing > 0).then(|| match &self.trouble {
            Some(error) => format!("{missing} records could not be written to the log: {error}"),
            None => format!("{missing} records are missing from the log, which marks where"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reread::parse_records;
    use super::*;
    use crate::event::{CheckpointWritten, Declared, LaneFinished, LaneResumed, OrderTaken, Outcome};
    use crate::units::Step;

    /// A disk of a given number of bytes.
    #[derive(Debug)]
    struct Disk {
        room: usize,
        bytes: Vec<u8>,
        away: bool,
        writes: usize,
    }

    impl Store for Disk {
        fn length(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn write(&mut self, record: &[u8]) -> io::Result<()> {
            self.writes += 1;
            if self.bytes.len() + record.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(record);
            Ok(())
        }

        fn check(&mut self) -> io::Result<()> {
            if self.away { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
        }
    }

    fn paused(step: u64) -> RunEvent {
        RunEvent::new(Step(step), step as f64, Kind::Paused)
    }

    /// A record of about this many bytes.
    fn resumed(step: u64, length: usize) -> RunEvent {
        let checkpoint = Some("x".repeat(length));
        RunEvent::new(
            Step(step),
            0.0,
            Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() }),
        )
    }

    fn steps(bytes: &[u8]) -> Vec<u64> {
        let mut steps = Vec::new();
        parse_records(bytes, &mut Declared::default(), |event, _| steps.push(event.step.0)).unwrap();
        steps
    }

    const FULL: &str = "the log cannot be written: no storage space; training continues, records are held in \
                        memory and written as soon as possible";

    #[test]
    fn what_a_full_disk_refuses_is_held_at_its_place_and_written_when_there_is_room() {
        let mut keeper = Keeper::new(Disk { room: 300, bytes: Vec::new(), away: false, writes: 0 });
        let mut now = Instant::now();
        let mut places: Vec<Range<u64>> =
            (1..=10).map(|step| keeper.append(&paused(step), now).unwrap()).collect();
        let written = steps(&keeper.store.bytes).len();
        assert!((2..9).contains(&written));
        assert_eq!(keeper.store.writes, written + 1, "a full disk was tried again at once");
        assert_eq!(std::mem::take(&mut keeper.news), [FULL]);
        keeper.store.room = 1 << 20;
        places.extend(keeper.append(&paused(11), now));
        assert_eq!(steps(&keeper.store.bytes).len(), written);
        now += PAUSE;
        places.extend(keeper.append(&paused(12), now));
        assert_eq!(steps(&keeper.store.bytes), (1..=12).collect::<Vec<_>>());
        let held = 11 - written;
        let again = format!("the log can be written again; all {held} held records were written");
        assert_eq!((&keeper.news[..], keeper.missing()), (&[again][..], None));
        for (place, step) in places.into_iter().zip(1..) {
            assert_eq!(steps(&keeper.store.bytes[place.start as usize..place.end as usize]), [step]);
        }
        assert!(keeper.held.first().is_none());
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_log_says_where() {
        let mut keeper = Keeper::new(Disk { room: 0, bytes: Vec::new(), away: false, writes: 0 });
        let now = Instant::now();
        let long = |step: u64| resumed(step, HELD / 4);
        assert!((1..=3).all(|step| keeper.append(&long(step), now).is_some()));
        assert!((4..=6).all(|step| keeper.append(&long(step), now).is_none()));
        // This one would have had room, but nothing is written after lost records before their count.
        assert_eq!(keeper.append(&paused(7), now), None);
        assert_eq!(keeper.news.len(), 2, "{:?}", keeper.news);
        assert!(
            keeper.news[1].starts_with("64 MiB of records wait to be written; from step 4 on they are lost")
        );
        let missing = keeper.missing().unwrap();
        assert_eq!(missing, "7 records could not be written to the log: no storage space");
        // Room for two of them: these are written, the others keep waiting.
        keeper.store.room = HELD * 3 / 5;
        assert_eq!(keeper.append(&paused(8), now + PAUSE), None);
        assert_eq!(steps(&keeper.store.bytes), [1, 2]);
        keeper.store.room = 2 * HELD;
        let place = keeper.append(&paused(9), now + 2 * PAUSE).unwrap();
        assert_eq!(steps(&keeper.store.bytes), [1, 2, 3, 8, 9]);
        assert_eq!(place.end, keeper.store.length());
        let mut lost = Vec::new();
        parse_records(&keeper.store.bytes, &mut Declared::default(), |event, _| {
            lost.extend(matches!(event.kind, Kind::RecordsLost(_)).then_some(event))
        })
        .unwrap();
        let expected = Kind::RecordsLost(RecordsLost { records: 5, first: Step(4) });
        assert_eq!(lost, [RunEvent::new(Step(8), 9.0, expected)]);
        let news = keeper.news.last().unwrap();
        let expected =
            "the log can be written again; all 3 held records were written; 5 of steps 4 to 8 are lost";
        assert_eq!(news, expected);
        assert_eq!(keeper.missing().unwrap(), "5 records are missing from the log, which marks where");
    }

    #[test]
    fn the_last_checkpoint_the_orders_and_the_end_are_not_given_up() {
        let mut keeper = Keeper::new(Disk { room: 0, bytes: Vec::new(), away: false, writes: 0 });
        let now = Instant::now();
        let checkpoint = |step: u64| {
            let file = format!("checkpoints/{step}");
            let written = CheckpointWritten { file, checksums: Default::default() };
            RunEvent::new(Step(step), 0.0, Kind::CheckpointWritten(written))
        };
        assert!(keeper.append(&resumed(1, HELD - 1000), now).is_some());
        assert!(keeper.append(&resumed(2, 1000), now).is_none());
        for step in 3..=5 {
            keeper.append(&checkpoint(step), now);
            if step == 4 {
                let order = crate::order::Order::LearningRate("x0.5".parse().unwrap());
                let order = Kind::OrderTaken(OrderTaken { order });
                keeper.append(&RunEvent::new(Step(step), 0.0, order), now);
            }
            keeper.append(&paused(step), now);
        }
        let finished = Kind::LaneFinished(LaneFinished { outcome: Outcome::Completed });
        keeper.append(&RunEvent::new(Step(5), 0.0, finished), now);
        keeper.store.room = 2 * HELD;
        keeper.settle(Duration::ZERO);
        let mut found = Vec::new();
        let mut declared = Declared::default();
        parse_records(&keeper.store.bytes, &mut declared, |event, _| found.push(event.kind.name())).unwrap();
        let lost = "records_lost";
        let expected =
            ["lane_resumed", lost, "order_taken", lost, "checkpoint_written", lost, "lane_finished"];
        assert_eq!(found, expected);
        // No numbers are missing but those that the log says are lost.
        let mut numbers =
            keeper.store.bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
                match super::super::record::frame(line) {
                    super::super::record::Frame::Sealed(sealed) => sealed.number,
                    other => panic!("{other:?}"),
                }
            });
        assert_eq!(numbers.by_ref().collect::<Vec<_>>(), [1, 6, 7, 9, 10, 12, 13].map(Some));
        assert_eq!((keeper.all_lost, keeper.missing().is_some()), (6, true));
    }

    #[test]
    fn a_log_that_is_away_is_noticed_within_a_second() {
        let mut keeper = Keeper::new(Disk { room: 1 << 20, bytes: Vec::new(), away: false, writes: 0 });
        let now = Instant::now();
        keeper.append(&paused(1), now);
        keeper.store.away = true;
        keeper.append(&paused(2), now + PAUSE / 2);
        keeper.append(&paused(3), now + PAUSE);
        keeper.append(&paused(4), now + PAUSE);
        assert_eq!(steps(&keeper.store.bytes), [1, 2]);
        keeper.store.away = false;
        keeper.append(&paused(5), now + 2 * PAUSE);
        assert_eq!(steps(&keeper.store.bytes), [1, 2, 3, 4, 5]);
        assert_eq!(keeper.news.len(), 2);
        keeper.store.away = true;
        keeper.append(&paused(6), now + 3 * PAUSE);
        keeper.settle(Duration::from_millis(1));
        assert!(keeper.missing().unwrap().starts_with("1 records could not be written"));
    }
}
