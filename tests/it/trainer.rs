//! The training loop emits all events in order, carries out orders between steps and batches, and stops where it must.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use skiplane::datasets::{BatchOrder, Dataset, Examples, NO_LABEL};
use skiplane::event::{Kind, Outcome, Pass, RunEvent, Value};
use skiplane::experiment::{Experiment, Schedule};
use skiplane::metric::known;
use skiplane::model::{TensorData, Wanted};
use skiplane::order::Order;
use skiplane::trainer::{Drawn, Place, Resumed, Sink, Task, read_checkpoint, train};
use skiplane::units::{InputShape, LayerIdx, Step};

use crate::fakes::{Call, FakeNetwork, dataset};

/// A sink with orders for certain polls.
#[derive(Default)]
struct Recorder {
    events: Vec<RunEvent>,
    polls: usize,
    orders: Vec<(usize, Order)>,
    while_paused: VecDeque<Order>,
    warnings: Vec<String>,
}

impl Sink for Recorder {
    fn accept(&mut self, event: RunEvent) {
        self.events.push(event);
    }

    fn poll(&mut self, _: Step, place: Place) -> Option<Order> {
        if place == Place::AtEnd {
            return None;
        }
        let at = self.orders.iter().position(|(poll, _)| *poll == self.polls);
        match at {
            Some(at) => Some(self.orders.remove(at).1),
            None => {
                self.polls += 1;
                None
            }
        }
    }

    fn wait(&mut self, _: Step, _: Place) -> Order {
        self.while_paused.pop_front().unwrap_or(Order::Stop)
    }

    fn warn(&mut self, problem: String) {
        self.warnings.push(problem);
    }
}

impl Recorder {
    /// The events in short form, in order.
    fn story(&self) -> Vec<String> {
        let word = |event: &RunEvent| {
            let step = event.step;
            match &event.kind {
                Kind::LaneStarted(e) => format!("{} started", e.lane),
                Kind::MetricsDeclared(e) => format!("{:?} declared", e.metrics),
                Kind::Measured(values) => match values.iter().next().map(|(metric, _)| metric.name()) {
                    Some("loss") => format!("step {step}"),
                    Some("activations") => format!("histograms {step}"),
                    Some("train_loss") => format!("train at {step}"),
                    Some("train_batch_loss") => format!("train in batch mode at {step}"),
                    Some("test_loss") => format!("test at {step}"),
                    other => panic!("{other:?}"),
                },
                Kind::CheckpointWritten(_) => format!("checkpoint {step}"),
                Kind::NonFiniteFound(_) => format!("not finite at {step}"),
                Kind::Paused => format!("paused {step}"),
                Kind::Resumed => format!("resumed {step}"),
                Kind::OrderTaken(e) => format!("ordered at {step}: {}", e.order),
                Kind::NoteTaken(e) => format!("noted at {step}: {}", e.text),
                Kind::LaneResumed(_) => format!("goes on from {step}"),
                Kind::RecordsLost(e) => format!("lost {}", e.records),
                Kind::LaneFinished(e) => format!("finished {step} {:?}", e.outcome),
            }
        };
        self.events.iter().map(word).collect()
    }
}

fn experiment() -> Experiment {
    let mut experiment = crate::runlog::experiment(&["plain"]);
    let training = &mut experiment.training;
    (training.steps, training.batch) = (4, 4);
    (training.evaluate_every, training.evaluate_images, training.checkpoint_every) = (0, 10, 0);
    training.schedule = Schedule::Steps { at: vec![2], factor: 0.5, warmup: 0 };
    (experiment.statistics.every, experiment.statistics.histograms_every) = (1, 0);
    experiment
}

fn run(network: &mut FakeNetwork, experiment: &Experiment, sink: &mut Recorder, folder: &Path) -> Outcome {
    run_from(Step(0), network, experiment, &dataset(), sink, folder)
}

fn run_from(
    step: Step,
    network: &mut FakeNetwork,
    experiment: &Experiment,
    dataset: &Dataset,
    sink: &mut Recorder,
    folder: &Path,
) -> Outcome {
    let ticks = Cell::new(0.0);
    let clock = || {
        ticks.set(ticks.get() + 1.0);
        ticks.get()
    };
    let order = BatchOrder::new(dataset.train.len(), experiment.training.batch, experiment.seed).unwrap();
    let task = Task {
        lane: "plain",
        experiment,
        dataset,
        order: &order,
        initial_weights: "hash".to_owned(),
        resumed: (step > Step(0)).then(|| Resumed { step, ..Resumed::default() }),
        folder,
        clock: &clock,
    };
    train(network, &mut Drawn::new(experiment, dataset, order.clone()), &task, sink)
}

#[test]
fn everything_is_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.training.evaluate_every = 3;
    experiment.training.checkpoint_every = 2;
    experiment.statistics.histograms_every = 2;
    let mut sink = Recorder::default();
    let outcome = run(&mut FakeNetwork::new(), &experiment, &mut sink, folder.path());
    assert_eq!(outcome, Outcome::Completed);
    let evaluation = |step| {
        // Ten training images contain two whole batches of four.
        [format!("train at {step}"), format!("train in batch mode at {step}"), format!("test at {step}")]
    };
    // Before the first update there are no running statistics to evaluate by.
    let mut expected = vec!["plain started".to_owned(), "train in batch mode at 0".to_owned()];
    expected.extend(
        ["step 1", "histograms 1", "step 2", "histograms 2", "checkpoint 2", "step 3"].map(String::from),
    );
    expected.extend(evaluation(3));
    expected.extend(["step 4", "histograms 4"].map(String::from));
    expected.extend(evaluation(4));
    expected.extend(["checkpoint 4", "finished 4 Completed"].map(String::from));
    assert_eq!(sink.story(), expected);
}

#[test]
fn events_hold_what_the_network_gave() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment();
    let mut sink = Recorder::default();
    let mut network = FakeNetwork::new();
    run(&mut network, &experiment, &mut sink, folder.path());
    let Kind::LaneStarted(started) = &sink.events[0].kind else { panic!("the first event is another") };
    let started = started.provenance.as_ref().unwrap();
    assert_eq!((started.train_images, started.test_images, &*started.initial_weights), (20, 10, "hash"));
    assert_eq!(started.batch_order, BatchOrder::new(20, 4, experiment.seed).unwrap().hash(4));
    assert_eq!(&started.experiment, &experiment);
    let step = &sink.events[3];
    let Kind::Measured(values) = &step.kind else { panic!("the fourth event is another") };
    let number = |metric| values.number(metric);
    assert_eq!((step.step, number(known::LOSS), number(known::ERROR)), (Step(3), Some(97.0), Some(0.25)));
    assert_eq!(values.numbers(known::WEIGHT_NORM), Some(&[3.0; 4][..]));
    // The clock advances with each reading: at the start, and before and after each step.
    assert_eq!((step.time.at_ms, step.time.step_ms, step.time.statistics_ms), (7.0, Some(1.0), Some(0.25)));
    let Kind::Measured(values) = &sink.events[5].kind else { panic!("the sixth event is another") };
    assert_eq!(
        values.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>(),
        [Value::Number(0.5), Value::Number(0.5)]
    );
}

#[test]
fn each_step_trains_on_its_batch_at_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment();
    let mut network = FakeNetwork::new();
    run(&mut network, &experiment, &mut Recorder::default(), folder.path());
    let mut order = BatchOrder::new(20, 4, experiment.seed).unwrap();
    let base = experiment.training.optimizer.learning_rate();
    let trained: Vec<Call> =
        network.calls.lock().unwrap().iter().filter(|c| matches!(c, Call::Trained { .. })).cloned().collect();
    let expected: Vec<Call> = (1..=4)
        .map(|step| Call::Trained {
            labels: order.indices(Step(step)).iter().map(|&index| (index % 10) as u16).collect(),
            learning_rate: if step <= 2 { base } else { base * 0.5 },
            wanted: Wanted { scalars: true, histograms: false },
        })
        .collect();
    assert_eq!(trained, expected);
}

/// A sequence has several labels, or none at some of its positions.
#[test]
fn loss_and_error_are_means_over_what_is_labelled() {
    let split = |sequences: usize| {
        let labels = (0..5 * sequences).map(|at| if at % 5 < 3 { NO_LABEL } else { 1 });
        Examples::sequences(vec![0; 5 * sequences], labels.collect(), 5)
    };
    let shape = InputShape::Sequence { context: 5, vocabulary: 2 };
    let classes = ["a", "b"].map(str::to_owned).to_vec();
    let sequences = Dataset::new(shape, classes, split(20), split(10));
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Recorder::default();
    let mut network = FakeNetwork::new();
    run_from(Step(0), &mut network, &experiment(), &sequences, &mut sink, folder.path());
    let measured: Vec<_> = sink
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::Measured(values) => Some(values),
            _ => None,
        })
        .collect();
    let of = |metric| measured.iter().filter_map(|values| values.number(metric)).collect::<Vec<_>>();
    // One of the two labels of each of four sequences is wrong.
    assert_eq!(of(known::ERROR), [0.125; 4]);
    assert_eq!((of(known::TEST_LOSS), of(known::TEST_ERROR)), (vec![0.5], vec![0.5]));
    let calls = network.calls.lock().unwrap();
    let evaluated = calls.iter().map(|call| match call {
        Call::Evaluated { labelled, .. } => *labelled,
        Call::Trained { .. } => 0,
    });
    // Of ten training sequences only whole batches are used with batch statistics.
    assert_eq!(evaluated.sum::<usize>(), 2 * (10 + 8 + 10));
}

#[test]
fn orders_are_obeyed_between_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Recorder {
        orders: vec![(1, Order::Checkpoint), (2, Order::Pause), (3, Order::Stop)],
        while_paused: [Order::Pause, Order::Checkpoint, Order::Resume].into(),
        ..Recorder::default()
    };
    let outcome = run(&mut FakeNetwork::new(), &experiment(), &mut sink, folder.path());
    assert_eq!(outcome, Outcome::Stopped);
    let expected = [
        "plain started",
        "step 1",
        "checkpoint 1",
        "step 2",
        "paused 2",
        "checkpoint 2",
        "resumed 2",
        "step 3",
        "checkpoint 3",
        "ordered at 3: stop",
        "finished 3 Stopped",
    ];
    assert_eq!(sink.story(), expected);
}

#[test]
fn a_paused_lane_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Recorder { orders: vec![(0, Order::Pause)], ..Recorder::default() };
    run(&mut FakeNetwork::new(), &experiment(), &mut sink, folder.path());
    assert_eq!(
        sink.story(),
        ["plain started", "paused 0", "checkpoint 0", "ordered at 0: stop", "finished 0 Stopped"]
    );
}

#[test]
fn an_evaluation_is_left_between_two_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.training.evaluate_every = 1;
    let mut sink = Recorder { orders: vec![(1, Order::Stop)], ..Recorder::default() };
    let mut network = FakeNetwork::new();
    run(&mut network, &experiment, &mut sink, folder.path());
    assert_eq!(network.calls.lock().unwrap().len(), 2, "two batches were looked at");
    assert_eq!(sink.story(), ["plain started", "checkpoint 0", "ordered at 0: stop", "finished 0 Stopped"]);
}

#[test]
fn what_is_not_finite_ends_the_lane() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Recorder::default();
    let mut network = FakeNetwork { diverges_at: Some(2), ..FakeNetwork::new() };
    assert_eq!(run(&mut network, &experiment(), &mut sink, folder.path()), Outcome::Diverged);
    assert_eq!(sink.story(), ["plain started", "step 1", "step 2", "not finite at 2", "finished 2 Diverged"]);
    let Kind::NonFiniteFound(found) = &sink.events[3].kind else { panic!("the fourth event is another") };
    assert_eq!((found.layer, found.pass), (Some(LayerIdx(2)), Pass::Backward));
}

#[test]
fn checkpoints_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Recorder::default();
    run(&mut FakeNetwork::new(), &experiment(), &mut sink, folder.path());
    let file = sink.events.iter().find_map(|event| match &event.kind {
        Kind::CheckpointWritten(e) => Some(e.file.clone()),
        _ => None,
    });
    assert_eq!(file.as_deref(), Some("checkpoints/plain-00000004.safetensors"));
    let checkpoint = read_checkpoint(&folder.path().join(file.unwrap())).unwrap();
    assert_eq!((&*checkpoint.lane, checkpoint.step), ("plain", Step(4)));
    assert_eq!(checkpoint.state[0].data, TensorData::I64(vec![4]));
    assert_eq!(checkpoint.optimizer[0].name, "optimizer.first_moment.w");
}

#[test]
fn a_checkpoint_that_cannot_be_written_does_not_end_training() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("checkpoints"), b"in the way").unwrap();
    let mut sink = Recorder::default();
    assert_eq!(run(&mut FakeNetwork::new(), &experiment(), &mut sink, folder.path()), Outcome::Completed);
    assert!(sink.warnings[0].starts_with("no checkpoint of step 4: "), "{:?}", sink.warnings);
    assert!(!sink.story().iter().any(|word| word.starts_with("checkpoint")));
}

#[test]
fn a_folder_of_checkpoints_that_cannot_be_put_on_the_disk_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let checkpoints = folder.path().join("checkpoints");
    fs::create_dir(&checkpoints).unwrap();
    let mode = |mode| fs::set_permissions(&checkpoints, fs::Permissions::from_mode(mode)).unwrap();
    // Files can be made in it, but it cannot be opened.
    mode(0o300);
    if fs::File::open(&checkpoints).is_ok() {
        eprintln!("skipped: to root every folder opens");
        return;
    }
    let mut sink = Recorder::default();
    assert_eq!(run(&mut FakeNetwork::new(), &experiment(), &mut sink, folder.path()), Outcome::Completed);
    mode(0o700);
    let [warning] = sink.warnings.as_slice() else { panic!("{:?}", sink.warnings) };
    let expected = format!("the checkpoint of step 4 may not be on the disk: {}: ", checkpoints.display());
    assert!(warning.starts_with(&expected), "{warning}");
    assert!(sink.story().contains(&"checkpoint 4".to_owned()), "it is there all the same");
}

#[test]
fn a_lane_that_goes_on_makes_the_remaining_steps_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (experiment, dataset) = (experiment(), dataset());
    let mut whole = FakeNetwork::new();
    run(&mut whole, &experiment, &mut Recorder::default(), folder.path());
    let mut sink = Recorder::default();
    let mut rest = FakeNetwork { steps: 2, ..FakeNetwork::new() };
    run_from(Step(2), &mut rest, &experiment, &dataset, &mut sink, folder.path());
    // Its log declares nothing; one of an earlier version may lack current metrics.
    let story = sink.story();
    assert!(story[1].contains("weight_norm") && story[1].ends_with("declared"), "{story:?}");
    assert_eq!([&story[0], &story[2], &story[3]], ["goes on from 2", "step 3", "step 4"]);
    let calls = |network: &FakeNetwork| network.calls.lock().unwrap().clone();
    assert_eq!(calls(&rest), calls(&whole)[2..]);
}

#[test]
fn a_paused_lane_makes_the_steps_that_are_ordered_and_changes_its_rate_from_the_next_one_on() {
    let folder = tempfile::tempdir().unwrap();
    let rate = |text: &str| Order::LearningRate(text.parse().unwrap());
    let mut sink = Recorder {
        orders: vec![(1, Order::Pause), (2, Order::Pause), (3, rate("x2"))],
        while_paused: [rate("0.25"), Order::Step(1.try_into().unwrap()), Order::Resume].into(),
        ..Recorder::default()
    };
    let mut network = FakeNetwork::new();
    assert_eq!(run(&mut network, &experiment(), &mut sink, folder.path()), Outcome::Completed);
    let expected = [
        "plain started",
        "step 1",
        "paused 1",
        "ordered at 1: learning rate 0.25",
        "ordered at 1: 1 step",
        "resumed 1",
        "step 2",
        "paused 2",
        "resumed 2",
        "step 3",
        "ordered at 3: learning rate x2",
        "step 4",
    ];
    assert_eq!(sink.story()[..expected.len()], expected);
    // The schedule halves the rate after step 2, also after orders.
    let base = experiment().training.optimizer.learning_rate();
    let rates: Vec<f64> = network.calls.lock().unwrap().iter().filter_map(rate_of).collect();
    assert_eq!(rates, [base, 0.25, 0.125, 0.25]);
}

fn rate_of(call: &Call) -> Option<f64> {
    match call {
        Call::Trained { learning_rate, .. } => Some(*learning_rate),
        Call::Evaluated { .. } => None,
    }
}

#[test]
fn a_rate_that_cannot_be_is_warned_of_and_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.training.schedule = Schedule::Cosine { minimum: 0.0, warmup: 0 };
    let rate = |text: &str| Order::LearningRate(text.parse().unwrap());
    // The cosine's last rate is zero, which has no ratio to another.
    let mut sink = Recorder {
        orders: vec![(0, rate("1e30")), (1, rate("x1e30")), (3, rate("0.1"))],
        ..Recorder::default()
    };
    assert_eq!(run(&mut FakeNetwork::new(), &experiment, &mut sink, folder.path()), Outcome::Completed);
    let [overflow, zero] = sink.warnings.as_slice() else { panic!("{:?}", sink.warnings) };
    assert!(
        overflow.starts_with("learning rate x1e30 was not carried out: expected a rate that an f32 can hold"),
        "{overflow}"
    );
    assert!(zero.contains("expected a scheduled rate above zero at step 4, found 0"), "{zero}");
    assert_eq!(sink.story().iter().filter(|word| word.starts_with("ordered")).count(), 1);
}
