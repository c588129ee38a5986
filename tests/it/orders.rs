//! Orders change a run as if they had been planned, and are repeated when its steps are repeated.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use skiplane::datasets::{self, BatchOrder};
use skiplane::event::{Kind, LaneStarted, Outcome, RunEvent};
use skiplane::experiment::{Experiment, Schedule};
use skiplane::metric::known;
use skiplane::model;
use skiplane::order::{Note, Order, Taken};
use skiplane::reading::effective;
use skiplane::runlog::{Entry, LogReader, LogWriter};
use skiplane::session::live::{Setup, start};
use skiplane::trainer::{Drawn, Place, Sink, Task, train};
use skiplane::units::{LaneIdx, Step};

use crate::end_to_end::without_times;
use crate::fakes::dataset;
use crate::live::{experiment, resume, setup};

/// A sink that writes a log and returns each order at its step.
struct Giving {
    log: LogWriter,
    orders: VecDeque<Taken>,
}

impl Sink for Giving {
    fn accept(&mut self, event: RunEvent) {
        self.log.append(&event).unwrap();
    }

    fn poll(&mut self, step: Step, place: Place) -> Option<Order> {
        let is_due = |taken: &mut Taken| place != Place::WithinEvaluation && taken.step == step;
        self.orders.pop_front_if(is_due).map(|taken| taken.order)
    }

    fn wait(&mut self, _: Step, _: Place) -> Order {
        unreachable!("nothing is paused")
    }

    fn warn(&mut self, problem: String) {
        panic!("{problem}");
    }
}

/// Trains a lane in this thread, uninterrupted, into a folder; returns its log.
fn train_lane(folder: &Path, lane: &str, experiment: &Experiment, orders: &[Taken]) -> std::path::PathBuf {
    let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
    let described = experiment.lanes.iter().find(|other| other.name == lane).unwrap();
    let (optimizer, classes) = (&experiment.training.optimizer, dataset.classes.len());
    let network = model::build(described, dataset.shape, classes, experiment.seed, optimizer, 1);
    let mut network = network.unwrap();
    let order = BatchOrder::new(dataset.train.len(), experiment.training.batch, experiment.seed).unwrap();
    let task = Task {
        lane,
        experiment,
        dataset: &dataset,
        order: &order,
        initial_weights: network.shared_weights_hash(),
        resumed: None,
        folder,
        clock: &|| 0.0,
    };
    let log = folder.join(format!("{lane}.jsonl"));
    let mut sink = Giving { log: LogWriter::create(&log).unwrap(), orders: orders.iter().cloned().collect() };
    let mut batches = Drawn::new(experiment, &dataset, order.clone());
    assert_eq!(train(&mut *network, &mut batches, &task, &mut sink), Outcome::Completed);
    assert!(sink.orders.is_empty(), "{:?} were never given", sink.orders);
    log
}

/// The effective orders and notes of a log.
pub(crate) fn taken_in(log: &Path) -> Vec<Taken> {
    let mut taken = Vec::new();
    effective(log, |event, _| taken.extend(event.as_taken())).unwrap();
    taken
}

/// The log of a lane, without times, as if trained uninterrupted with these orders.
pub(crate) fn uninterrupted(log: &Path, orders: &[Taken]) -> String {
    let started = started(log);
    let folder = tempfile::tempdir().unwrap();
    let experiment = started.experiment().unwrap();
    without_times(&train_lane(folder.path(), &started.lane, experiment, orders))
}

fn started(log: &Path) -> LaneStarted {
    match LogReader::open(log).unwrap().next_entry().unwrap() {
        Some(Entry::Event { event: RunEvent { kind: Kind::LaneStarted(started), .. }, .. }) => *started,
        other => panic!("expected the lane's start, found {other:?}"),
    }
}

fn rate(step: u64, text: &str) -> Taken {
    Taken { step: Step(step), order: Order::LearningRate(text.parse().unwrap()) }
}

/// A small real experiment of 12 steps with this schedule.
fn small(schedule: Schedule) -> Experiment {
    let mut experiment = crate::runlog::experiment(&["residual"]);
    experiment.data.name = "glyphs".to_owned();
    (experiment.data.train_images, experiment.data.test_images) = (Some(32), Some(16));
    let training = &mut experiment.training;
    (training.steps, training.batch) = (12, 8);
    (training.evaluate_every, training.evaluate_images, training.checkpoint_every) = (4, 16, 6);
    training.schedule = schedule;
    experiment
}

/// A log's records without the first, which describes the experiment, and without orders; and its learning rates.
fn course(log: &Path) -> (Vec<String>, Vec<f32>) {
    let is_course = |line: &&str| !line.contains("lane_started") && !line.contains("order_taken");
    let records = without_times(log).lines().filter(is_course).map(str::to_owned).collect();
    let mut rates = Vec::new();
    let told = effective(log, |event, _| {
        if let Kind::Measured(values) = &event.kind {
            rates.extend(values.number(known::LEARNING_RATE));
        }
    });
    told.unwrap();
    (records, rates)
}

#[test]
fn ordered_rates_give_the_weights_of_a_schedule_that_was_written_so() {
    let planned = small(Schedule::Steps { at: vec![3, 9], factor: 0.1, warmup: 0 });
    let base = planned.training.optimizer.learning_rate();
    let constant = small(Schedule::Constant { warmup: 0 });
    let root = tempfile::tempdir().unwrap();
    let log = |name: &str, experiment: &Experiment, orders: &[Taken]| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        course(&train_lane(&folder, "residual", experiment, orders))
    };
    let (expected, rates) = log("planned", &planned, &[]);
    assert_eq!((rates[2], rates[3]), (base as f32, (base * 0.1) as f32));
    // Records of checkpoints contain checksums of all weights.
    assert!(expected.iter().filter(|record| record.contains("checksums")).count() == 2);
    let (value, later) = (format!("{:e}", base * 0.1), format!("{:e}", base * (0.1 * 0.1)));
    let values = [rate(3, &value), rate(9, &later)];
    let factors = [rate(3, "x0.1"), rate(9, "x0.1")];
    for (name, orders) in [("values", values), ("factors", factors)] {
        assert!(log(name, &constant, &orders) == (expected.clone(), rates.clone()), "{name}");
    }
    let (records, _) = log("once", &constant, &[rate(3, "x0.1")]);
    assert_ne!(records, expected, "the second fall was not ordered");
}

#[test]
fn a_changed_rate_goes_on_with_the_schedule() {
    let cosine = small(Schedule::Cosine { minimum: 0.1, warmup: 2 });
    let root = tempfile::tempdir().unwrap();
    let rates = |name: &str, orders: &[Taken]| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        course(&train_lane(&folder, "residual", &cosine, orders)).1
    };
    let scheduled = rates("scheduled", &[]);
    let ordered = rates("ordered", &[rate(4, "0.02"), rate(8, "x0.5")]);
    for (at, (scheduled_rate, found)) in scheduled.iter().zip(&ordered).enumerate() {
        let factor = match at {
            0..4 => 1.0,
            4..8 => 0.02 / scheduled[4],
            _ => 0.5 * 0.02 / scheduled[4],
        };
        assert!((found / (scheduled_rate * factor) - 1.0).abs() < 1e-6, "step {}: {found}", at + 1);
    }
    assert_eq!(ordered[4], 0.02, "the step after the order has the rate to the last bit");
}

#[test]
fn a_lane_that_was_stopped_alone_stays_so_while_others_have_something_left_to_do() {
    let root = tempfile::tempdir().unwrap();
    let experiment = experiment(&["a", "b"], 1_000_000);
    let (setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    let mut live = start(setup).unwrap();
    live.orders().send(&Order::Stop.for_lane("a")).unwrap();
    while live.orders().send(&Order::Checkpoint.for_lane("a")).is_ok() {
        std::thread::yield_now();
    }
    live.stop();
    assert_eq!(live.join(), [Outcome::Stopped, Outcome::Stopped]);
    let ordered = |lane| taken_in(&folder.log(LaneIdx(lane)).unwrap()).pop().map(|taken| taken.order);
    assert_eq!([ordered(0), ordered(1)], [Some(Order::StopLane), Some(Order::Stop)]);

    let log = fs::read(folder.log(LaneIdx(0)).unwrap()).unwrap();
    let (again, _) = Setup::resume(Arc::new(dataset()), folder.clone(), 2, false).unwrap();
    let [note] = again.notes.as_slice() else { panic!("{:?}", again.notes) };
    assert!(note.starts_with("lane a was stopped individually and stays stopped"), "{note}");
    drop(again);
    let mut live = resume(&folder);
    assert_eq!(live.orders().send(&Order::Pause.for_lane("a")).unwrap_err().to_string(), "lane a is over");
    live.orders().send(&Order::Stop.for_lane("b")).unwrap();
    assert_eq!(live.join(), [Outcome::Stopped, Outcome::Stopped]);
    assert!(fs::read(folder.log(LaneIdx(0)).unwrap()).unwrap() == log, "nothing happened in it");

    // By now no other lane has steps left.
    let mut live = resume(&folder);
    live.stop();
    live.join();
    assert!(fs::read(folder.log(LaneIdx(0)).unwrap()).unwrap().len() > log.len());
}

#[test]
fn orders_before_the_checkpoint_are_kept_and_those_after_it_are_obeyed_again() {
    let root = tempfile::tempdir().unwrap();
    let mut experiment = experiment(&["a"], 30);
    experiment.training.checkpoint_every = 10;
    let (setup, _) = setup(root.path(), &experiment, 64);
    let folder = setup.folder.clone();
    let mut live = start(setup).unwrap();
    // Notes come first, since both are taken at the same place between two steps.
    live.orders().send(&Order::Note(Note::cut("first").unwrap()).into()).unwrap();
    live.join();
    let log = folder.log(LaneIdx(0)).unwrap();
    let before = taken_in(&log);
    // Wherever the order was taken, the end of the log is removed as by a crash, and the last checkpoint's files with
    // it.
    for file in fs::read_dir(folder.checkpoints()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let text = fs::read_to_string(&log).unwrap();
    let kept: Vec<&str> = text.lines().take_while(|line| !line.contains("lane_finished")).collect();
    fs::write(&log, kept.join("\n") + "\n").unwrap();
    assert_eq!(resume(&folder).join(), [Outcome::Completed]);
    assert_eq!(taken_in(&log), before, "from the initial weights");
    assert_eq!(fs::read_to_string(&log).unwrap().matches("note_taken").count(), 2);
}
