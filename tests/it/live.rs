//! A live run delivers everything in its logs, whatever happens to its lanes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use skiplane::app::{App, LaneLabel};
use skiplane::datasets::{BatchOrder, Stored};
use skiplane::event::{Kind, Outcome, RunEvent};
use skiplane::experiment::Experiment;
use skiplane::metric::known;
use skiplane::model::Network;
use skiplane::order::Order;
use skiplane::reading;
use skiplane::runlog::{Entry, LogWriter, NewRun, RunFolder, State, Status, summarize};
use skiplane::session::live::{Live, SessionError, Setup, start};
use skiplane::trainer::{Batches, Drawn, Place, Sink, Task, train};
use skiplane::units::{LaneIdx, Step};

use crate::end_to_end::without_times;
use crate::fakes::{Call, FakeNetwork, dataset};

type Seen = BTreeMap<LaneIdx, Vec<RunEvent>>;
pub(crate) type Calls = Arc<Mutex<Vec<Call>>>;

pub(crate) fn experiment(lanes: &[&str], steps: u64) -> Experiment {
    let mut experiment = crate::runlog::experiment(lanes);
    (experiment.training.steps, experiment.training.batch) = (steps, 4);
    experiment.training.evaluate_every = 0;
    experiment
}

pub(crate) fn folder(root: &Path, experiment: &Experiment) -> RunFolder {
    let run = NewRun {
        name: "live",
        experiment,
        instruction_set: "none".to_owned(),
        threads: 2,
        command: Vec::new(),
        started: Timestamp::UNIX_EPOCH,
        sweep: None,
    };
    RunFolder::create(root, run).unwrap()
}

/// A run of fake networks: one whose name begins with `diverging` or `panicking` does so at step 3.
pub(crate) fn setup(
    root: &Path,
    experiment: &Experiment,
    capacity: usize,
) -> (Setup, BTreeMap<String, Calls>) {
    let calls: BTreeMap<String, Calls> =
        experiment.lanes.iter().map(|lane| (lane.name.clone(), Calls::default())).collect();
    let given = calls.clone();
    let mut setup = Setup::new(experiment.clone(), Arc::new(dataset()), folder(root, experiment), 2);
    setup.capacity = capacity;
    setup.build = Box::new(move |lane, _, _, _| {
        let at = |word: &str| lane.name.starts_with(word).then_some(3);
        let mut network = FakeNetwork::new();
        network.calls = Arc::clone(&given[&lane.name]);
        (network.diverges_at, network.panics_at) = (at("diverging"), at("panicking"));
        Ok(Box::new(network))
    });
    (setup, calls)
}

fn drain(live: &mut Live, seen: &mut Seen) {
    live.drain(|lane, event, _| seen.entry(lane).or_default().push(event.clone()));
}

/// Drains until nothing more comes, or until `enough`.
fn drain_until(live: &mut Live, seen: &mut Seen, enough: impl Fn(&Seen) -> bool) {
    while !live.is_finished() && !enough(seen) {
        let _ = live.wakeups().recv_timeout(Duration::from_secs(10));
        drain(live, seen);
    }
}

fn logged(folder: &RunFolder, lane: LaneIdx) -> Vec<RunEvent> {
    let mut reader = folder.read_log(lane).unwrap();
    let mut events = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Event { event, .. } => events.push(event),
            other => panic!("expected an event, found {other:?}"),
        }
    }
    assert_eq!(reader.torn_bytes(), 0);
    events
}

/// Otherwise an index that is written from the live fold would not be that of the log.
#[test]
fn what_is_folded_live_is_byte_for_byte_what_the_log_is_folded_to() {
    for capacity in [1, 64] {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment(&["a", "b"], 120);
        let (setup, _) = setup(root.path(), &experiment, capacity);
        let folder = setup.folder.clone();
        let label = |lane: &str| LaneLabel { run: folder.id().to_owned(), lane: lane.to_owned() };
        let mut app = App::new(vec![label("a"), label("b")]);
        let mut live = start(setup).unwrap();
        for _ in 0..10 {
            live.drain(|lane, event, offset| app.apply_at(lane, event, offset));
        }
        live.join();
        while !live.is_finished() {
            live.drain(|lane, event, offset| app.apply_at(lane, event, offset));
        }
        let opened = reading::open(&[folder.path().to_owned()]).unwrap();
        for (index, lane) in app.lanes().iter().enumerate() {
            let length = fs::metadata(folder.log(LaneIdx(index)).unwrap()).unwrap().len();
            assert_eq!(live.delivered(LaneIdx(index)), Some(length));
            assert!(lane.to_sections() == opened.app.lanes()[index].to_sections(), "channel of {capacity}");
        }
    }
}

#[test]
fn nothing_is_missing_though_the_channel_holds_one_event() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b", "c"], 300);
    let (setup, _) = setup(root.path(), &experiment, 1);
    let folder = setup.folder.clone();
    let mut live = start(setup).unwrap();
    let mut seen = Seen::new();
    for _ in 0..20 {
        drain(&mut live, &mut seen);
    }
    assert_eq!(live.join(), [Outcome::Completed, Outcome::Completed, Outcome::Completed]);
    assert!(!live.is_finished());
    drain(&mut live, &mut seen);
    drain(&mut live, &mut seen);
    assert!(live.is_finished());
    assert!(live.filled() > 0, "the channel was never full");
    for lane in 0..3 {
        let logged = logged(&folder, LaneIdx(lane));
        assert!(matches!(logged.last(), Some(RunEvent { kind: Kind::LaneFinished(_), .. })));
        assert!(seen[&LaneIdx(lane)] == logged, "lane {lane} was not seen as it is logged");
    }
    assert!(live.take_warnings().is_empty());
}

#[test]
fn a_roomy_channel_needs_no_log() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a"], 20);
    let (setup, _) = setup(root.path(), &experiment, 1024);
    let folder = setup.folder.clone();
    let mut live = start(setup).unwrap();
    let mut seen = Seen::new();
    drain_until(&mut live, &mut seen, |_| false);
    assert_eq!(live.filled(), 0);
    assert_eq!(seen[&LaneIdx(0)], logged(&folder, LaneIdx(0)));
}

#[test]
fn all_lanes_see_the_same_batches() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b"], 30);
    let (setup, calls) = setup(root.path(), &experiment, 64);
    start(setup).unwrap().join();
    let [a, b] = ["a", "b"].map(|lane| calls[lane].lock().unwrap().clone());
    assert_eq!(a, b);
    let dataset = dataset();
    let order = BatchOrder::new(dataset.train.len(), experiment.training.batch, experiment.seed).unwrap();
    let mut drawn = Drawn::new(&experiment, &dataset, order);
    let trained = a.iter().filter_map(|call| match call {
        Call::Trained { labels, .. } => Some(labels.clone()),
        Call::Evaluated { .. } => None,
    });
    // They equal those made without a thread, step by step.
    let expected: Vec<_> = (1..=30).map(|step| drawn.next(Step(step)).labels.clone()).collect();
    assert_eq!(trained.collect::<Vec<_>>(), expected);
}

#[test]
fn a_panic_while_a_batch_is_made_fails_the_lanes_at_its_step() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b"], 30);
    let (mut setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    let mut order = BatchOrder::new(20, 4, experiment.seed).unwrap();
    let step = (1..).find(|&step| order.indices(Step(step)).contains(&19)).unwrap();
    // The last image is missing.
    let mut broken = dataset();
    let Stored::Pixels(pixels) = &mut broken.train.inputs else { panic!("these are images") };
    pixels.truncate(19 * broken.shape.len());
    setup.dataset = Arc::new(broken);
    let outcomes = start(setup).unwrap().join();
    for (lane, outcome) in outcomes.iter().enumerate() {
        let Outcome::Failed { reason } = outcome else { panic!("{outcomes:?}") };
        assert!(reason.contains("panicked: range end index"), "{reason}");
        let events = logged(&folder, LaneIdx(lane));
        let ends = events.iter().filter(|event| matches!(event.kind, Kind::LaneFinished(_)));
        assert_eq!(ends.count(), 1);
        let steps = events.iter().filter(
            |event| matches!(&event.kind, Kind::Measured(values) if values.number(known::LOSS).is_some()),
        );
        assert_eq!(steps.count(), step as usize - 1);
    }
    assert_eq!(outcomes.len(), 2);
}

#[test]
fn threads_are_split_between_the_lanes_that_train() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b", "c"], 5);
    let told = |mut setup: Setup| {
        let threads: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let given = Arc::clone(&threads);
        setup.build = Box::new(move |lane, _, _, threads| {
            given.lock().unwrap().insert(lane.name.clone(), threads);
            Ok(Box::new(FakeNetwork::new()))
        });
        assert_eq!(start(setup).unwrap().join(), [const { Outcome::Completed }; 3]);
        threads.lock().unwrap().iter().map(|(lane, &threads)| (lane.clone(), threads)).collect::<Vec<_>>()
    };
    let named = |threads: &[(&str, usize)]| {
        threads.iter().map(|&(lane, threads)| (lane.to_owned(), threads)).collect::<Vec<_>>()
    };
    let (setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    assert_eq!(told(setup), named(&[("a", 1), ("b", 1), ("c", 1)]));
    // The second lane starts over, the others have nothing left to do.
    fs::write(folder.log(LaneIdx(1)).unwrap(), "").unwrap();
    let (resumed, _) = Setup::resume(Arc::new(dataset()), folder, 8, false).unwrap();
    assert_eq!(told(resumed), named(&[("b", 8)]));
}

/// A sink that writes a log and returns a stop at a given poll.
struct Stopping {
    log: LogWriter,
    records: usize,
    polls_left: usize,
}

impl Sink for Stopping {
    fn accept(&mut self, event: RunEvent) {
        self.log.append(&event).unwrap();
        self.records += 1;
    }

    fn poll(&mut self, _: Step, place: Place) -> Option<Order> {
        if place == Place::AtEnd {
            return None;
        }
        if self.polls_left == 0 {
            return Some(Order::Stop);
        }
        self.polls_left -= 1;
        None
    }

    fn wait(&mut self, _: Step, _: Place) -> Order {
        unreachable!("nothing is paused")
    }

    fn warn(&mut self, problem: String) {
        panic!("{problem}");
    }
}

/// Trains a fake network into the first lane's log until a poll at which it is stopped; returns the number of records
/// and whether it was stopped.
fn stop_at(poll: usize, folder: &RunFolder, experiment: &Experiment) -> (usize, Outcome) {
    let dataset = dataset();
    let order = BatchOrder::new(dataset.train.len(), experiment.training.batch, experiment.seed).unwrap();
    let task = Task {
        lane: "a",
        experiment,
        dataset: &dataset,
        order: &order,
        initial_weights: FakeNetwork::new().shared_weights_hash(),
        resumed: None,
        folder: folder.path(),
        clock: &|| 7.0,
    };
    let mut sink = Stopping { log: folder.create_log(LaneIdx(0)).unwrap(), records: 0, polls_left: poll };
    let mut batches = Drawn::new(experiment, &dataset, order.clone());
    let outcome = train(&mut FakeNetwork::new(), &mut batches, &task, &mut sink);
    (sink.records, outcome)
}

pub(crate) fn resume(folder: &RunFolder) -> Live {
    let (mut setup, _) = Setup::resume(Arc::new(dataset()), folder.clone(), 2, false).unwrap();
    setup.build = Box::new(|_, _, _, _| Ok(Box::new(FakeNetwork::new())));
    start(setup).unwrap()
}

#[test]
fn a_lane_that_was_stopped_anywhere_goes_on_as_if_it_never_was() {
    let root = tempfile::tempdir().unwrap();
    let mut experiment = experiment(&["a"], 5);
    experiment.training.evaluate_every = 2;
    experiment.training.checkpoint_every = 4;
    let whole = folder(root.path(), &experiment);
    assert_eq!(stop_at(usize::MAX, &whole, &experiment).1, Outcome::Completed);
    let whole = without_times(&whole.log(LaneIdx(0)).unwrap());
    let mut polls = 0;
    loop {
        let folder = folder(root.path(), &experiment);
        let (records, outcome) = stop_at(polls, &folder, &experiment);
        if outcome == Outcome::Completed {
            break;
        }
        assert_eq!(resume(&folder).join(), [Outcome::Completed]);
        let again = without_times(&folder.log(LaneIdx(0)).unwrap());
        let mut again: Vec<&str> = again.lines().collect();
        // The stop itself left the checkpoint before its own record and the end.
        assert!(again.remove(records - 3).starts_with(r#"{"checkpoint_written""#), "poll {polls}");
        assert_eq!(again, whole.lines().collect::<Vec<_>>(), "poll {polls}");
        polls += 1;
    }
    assert!(polls > 20, "only {polls} places to stop at were found");
}

#[test]
fn a_broken_checkpoint_is_passed_over_for_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let mut experiment = experiment(&["a"], 9);
    experiment.training.checkpoint_every = 2;
    let whole = folder(root.path(), &experiment);
    stop_at(usize::MAX, &whole, &experiment);
    let whole = without_times(&whole.log(LaneIdx(0)).unwrap());
    let folder = folder(root.path(), &experiment);
    stop_at(6, &folder, &experiment);
    // Checksums would detect all of these in the same way.
    forget_checksums(&folder);
    let file = |step: u64, what: &str| folder.checkpoints().join(format!("a-{step:08}{what}.safetensors"));
    // Step 6 is torn, step 4 has lost its optimiser, and step 2 is another lane's.
    fs::write(file(6, ""), "torn").unwrap();
    fs::remove_file(file(4, ".optimizer")).unwrap();
    let mut other = fs::read(file(2, "")).unwrap();
    let at = other.windows(10).position(|bytes| bytes == br#""lane":"a""#).unwrap();
    other[at + 8] = b'b';
    fs::write(file(2, ""), other).unwrap();
    let mut live = resume(&folder);
    assert_eq!(live.join(), [Outcome::Completed]);
    let problems: Vec<String> = live.take_warnings().into_iter().map(|warning| warning.problem).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (problem, (step, what)) in problems.iter().zip([
        (6, "expected a checkpoint"),
        (4, "a-00000004.optimizer.safetensors"),
        (2, "found one of lane `b` at step 2"),
    ]) {
        assert!(
            problem.contains(&format!("skipping the checkpoint of step {step}:")) && problem.contains(what),
            "{problem}"
        );
    }
    assert_eq!(without_times(&folder.log(LaneIdx(0)).unwrap()), whole, "from the initial weights");
}

/// Rewrites a log as an earlier version would have written it.
fn forget_checksums(folder: &RunFolder) {
    let events = logged(folder, LaneIdx(0));
    fs::remove_file(folder.log(LaneIdx(0)).unwrap()).unwrap();
    let mut log = folder.create_log(LaneIdx(0)).unwrap();
    for mut event in events {
        if let Kind::CheckpointWritten(written) = &mut event.kind {
            assert!(written.checksums.take().is_some());
        }
        log.append(&event).unwrap();
    }
}

fn flip_a_bit(file: &Path, byte: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[byte] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Stops a run of nine steps with a checkpoint every two at step 6, and returns it with an undisturbed run's log.
fn stopped_at_six(root: &Path) -> (RunFolder, String) {
    let mut experiment = experiment(&["a"], 9);
    experiment.training.checkpoint_every = 2;
    let whole = folder(root, &experiment);
    stop_at(usize::MAX, &whole, &experiment);
    let stopped = folder(root, &experiment);
    stop_at(6, &stopped, &experiment);
    (stopped, without_times(&whole.log(LaneIdx(0)).unwrap()))
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_passed_over_for_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let (folder, whole) = stopped_at_six(root.path());
    let file = |name: &str| folder.checkpoints().join(name);
    // The last byte belongs to a value, so only a checksum detects the change.
    let end = |file: &Path| fs::metadata(file).unwrap().len() as usize - 1;
    let flipped = [file("a-00000006.safetensors"), file("a-00000004.optimizer.safetensors")];
    flipped.iter().for_each(|file| flip_a_bit(file, end(file)));
    let mut live = resume(&folder);
    assert_eq!(live.join(), [Outcome::Completed]);
    let problems: Vec<String> = live.take_warnings().into_iter().map(|warning| warning.problem).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, (step, file)) in problems.iter().zip([6, 4].iter().zip(&flipped)) {
        let expected =
            format!("skipping the checkpoint of step {step}: {}: expected the checksum ", file.display());
        assert!(problem.starts_with(&expected), "{problem}");
    }
    let resumed = logged(&folder, LaneIdx(0))
        .into_iter()
        .find_map(|event| matches!(event.kind, Kind::LaneResumed(_)).then_some(event.step));
    assert_eq!(resumed, Some(Step(2)));
    assert_eq!(without_times(&folder.log(LaneIdx(0)).unwrap()), whole);
}

#[test]
fn a_checkpoint_without_checksums_is_gone_on_from_and_called_unverified_once() {
    let root = tempfile::tempdir().unwrap();
    let (folder, _) = stopped_at_six(root.path());
    forget_checksums(&folder);
    let mut live = resume(&folder);
    assert_eq!(live.join(), [Outcome::Completed]);
    let problems: Vec<String> = live.take_warnings().into_iter().map(|warning| warning.problem).collect();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.starts_with("the checkpoint of step 6 is unverified: "), "{problem}");
}

#[test]
fn a_run_is_trained_by_one_process_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a"], 1_000_000);
    let (setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    let mut live = start(setup).unwrap();
    let refused = Setup::resume(Arc::new(dataset()), folder.clone(), 1, false).map(drop).unwrap_err();
    assert!(matches!(refused, SessionError::Held { .. }), "{refused}");
    assert_eq!(summarize(folder.path(), SystemTime::now()).unwrap().state, State::Running);
    live.stop();
    live.join();
    let summary = summarize(folder.path(), SystemTime::now()).unwrap();
    assert_eq!(summary.state, State::Stopped);
    assert_eq!(Status::read(folder.path()).unwrap().lanes, summary.lanes);
    assert!(summary.lanes[0].log_bytes > 0);
    assert!(Setup::resume(Arc::new(dataset()), folder, 1, false).is_ok());
}

#[test]
fn lanes_that_diverge_or_panic_leave_the_others_alone() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["diverging", "panicking", "sound"], 50);
    let (setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    let outcomes = start(setup).unwrap().join();
    let Outcome::Failed { reason } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(reason.contains("panicked: ") && reason.contains("told to panic"), "{reason}");
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Diverged, &Outcome::Completed));
    for (lane, (outcome, step)) in outcomes.iter().zip([3, 2, 50]).enumerate() {
        let events = logged(&folder, LaneIdx(lane));
        let Some(RunEvent { step: last, kind: Kind::LaneFinished(finished), .. }) = events.last() else {
            panic!("the last event is another")
        };
        assert_eq!((&finished.outcome, *last), (outcome, Step(step)));
    }
}

#[test]
fn lanes_pause_go_on_and_stop_one_by_one() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b"], 1_000_000);
    let (setup, _) = setup(root.path(), &experiment, 64);
    let mut live = start(setup).unwrap();
    let mut seen = Seen::new();
    let has = |lane: usize, is: fn(&RunEvent) -> bool| {
        move |seen: &Seen| seen.get(&LaneIdx(lane)).is_some_and(|events| events.iter().any(is))
    };
    live.orders().send(&Order::Pause.for_lane("a")).unwrap();
    drain_until(&mut live, &mut seen, has(0, |event| matches!(event.kind, Kind::Paused)));
    // The other lane goes on meanwhile, although the paused one requested no more permits.
    let steps = seen.get(&LaneIdx(1)).map_or(0, Vec::len);
    drain_until(&mut live, &mut seen, |seen| seen.get(&LaneIdx(1)).map_or(0, Vec::len) > steps + 10);
    assert!(matches!(seen[&LaneIdx(0)].last(), Some(RunEvent { kind: Kind::Paused, .. })));
    live.orders().send(&Order::Checkpoint.for_lane("a")).unwrap();
    drain_until(&mut live, &mut seen, has(0, |event| matches!(event.kind, Kind::CheckpointWritten(_))));
    live.orders().send(&Order::Resume.for_lane("a")).unwrap();
    drain_until(&mut live, &mut seen, has(0, |event| matches!(event.kind, Kind::Resumed)));
    live.stop();
    assert_eq!(live.join(), [Outcome::Stopped, Outcome::Stopped]);
}

#[test]
fn a_batch_larger_than_the_data_starts_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut experiment = experiment(&["a"], 5);
    experiment.training.batch = 21;
    let (setup, _) = setup(root.path(), &experiment, 64);
    let Err(error) = start(setup) else { panic!("the run was started") };
    assert!(matches!(error, SessionError::Data(_)), "{error}");
    assert!(error.to_string().contains("at most the 20 examples"), "{error}");
}
