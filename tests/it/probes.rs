//! Probes in training: they are run where the experiment says, change nothing, obey orders, and are resumed.

use std::collections::VecDeque;
use std::path::Path;

use skiplane::datasets::{self, BatchOrder, Dataset};
use skiplane::event::{Kind, Outcome, RunEvent, Time};
use skiplane::experiment::{Available, Experiment, ProbeEntry, parse};
use skiplane::metric::Metric;
use skiplane::model::{self, NamedTensor, Network};
use skiplane::order::{Order, Taken};
use skiplane::trainer::{self, Drawn, Place, Resumed, Sink, Task, train};
use skiplane::units::Step;

/// Every probe, on data small enough for all of them at every step.
const PROBES: &str = r#"
[probe.lesion]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
[probe.lens]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
[probe.linear]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 24
[probe.rank]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
[probe.cka]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
lanes = true
[probe.signal]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
[probe.surface]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
points = 3
plane = true
[probe.gradient_noise]
at = [0, 1, 2, 3, 4, 5, 6]
batches = 2
[probe.hessian]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 16
iterations = 2
[probe.pictures]
at = [0, 1, 2, 3, 4, 5, 6]
examples = 20
mistakes = 3
"#;

/// Lanes with batch norm and random decisions.
const IMAGES: &str = r#"
[data]
name = "glyphs"
train_images = 48
test_images = 24
crop = true
[training]
steps = 6
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
evaluate_every = 3
evaluate_images = 32
[statistics]
every = 1
histograms_every = 3
layers = ["layer1.*", "fc"]
[[lane]]
name = "plain"
architecture = "resnet"
depth = 8
width = 4
shortcut = "none"
[[lane]]
name = "dropped"
architecture = "resnet"
depth = 8
width = 4
shortcut = "identity"
survival = 0.5
[[lane]]
name = "dropout"
architecture = "resnet"
depth = 8
width = 4
shortcut = "dropout"
[[lane]]
name = "dense"
architecture = "densenet"
depth = 10
growth = 4
"#;

const VECTORS: &str = r#"
[data]
name = "spirals"
train_images = 48
test_images = 24
[training]
steps = 6
batch = 16
optimizer = { kind = "adam", learning_rate = 0.01 }
evaluate_every = 3
[statistics]
[[lane]]
name = "plain"
architecture = "mlp"
depth = 3
width = 16
shortcut = "none"
[[lane]]
name = "residual"
architecture = "mlp"
depth = 2
width = 16
shortcut = "identity"
"#;

const SEQUENCES: &str = r#"
[data]
name = "recall"
train_images = 48
test_images = 24
[training]
steps = 6
batch = 16
optimizer = { kind = "adamw", learning_rate = 0.01 }
evaluate_every = 3
[statistics]
[[lane]]
name = "none"
architecture = "transformer"
depth = 1
width = 32
residual = "none"
[[lane]]
name = "rezero"
architecture = "transformer"
depth = 2
width = 32
residual = "rezero"
[[lane]]
name = "streams"
architecture = "transformer"
depth = 2
width = 32
residual = "hyper-dynamic"
"#;

fn experiment(text: &str) -> Experiment {
    let (datasets, architectures) = (datasets::available(), model::available());
    let available = Available { datasets, architectures, probes: trainer::probes() };
    parse(text, "x.toml", &available, &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// A sink that gives one order at a poll and others between steps, and is paused never.
#[derive(Default)]
struct Told {
    events: Vec<RunEvent>,
    polls: usize,
    order: Option<(usize, Order)>,
    /// Orders to give after so many steps.
    after: VecDeque<Taken>,
    /// The places of the polls.
    places: Vec<Place>,
}

impl Sink for Told {
    fn accept(&mut self, event: RunEvent) {
        self.events.push(event);
    }

    fn poll(&mut self, step: Step, place: Place) -> Option<Order> {
        if place == Place::AtEnd {
            return None;
        }
        if place == Place::BetweenSteps
            && let Some(taken) = self.after.pop_front_if(|taken| taken.step == step)
        {
            return Some(taken.order);
        }
        if let Some((_, order)) = self.order.take_if(|(at, _)| *at == self.polls) {
            return Some(order);
        }
        self.polls += 1;
        self.places.push(place);
        None
    }

    fn wait(&mut self, _: Step, _: Place) -> Order {
        Order::Resume
    }

    fn warn(&mut self, problem: String) {
        panic!("{problem}");
    }
}

/// One lane of an experiment.
struct Lane<'a> {
    experiment: &'a Experiment,
    dataset: &'a Dataset,
    name: &'a str,
    network: Box<dyn Network>,
}

impl<'a> Lane<'a> {
    fn new(experiment: &'a Experiment, dataset: &'a Dataset, at: usize) -> Lane<'a> {
        let lane = &experiment.lanes[at];
        let (shape, classes) = (dataset.shape, dataset.classes.len());
        let optimizer = &experiment.training.optimizer;
        let network = model::build(lane, shape, classes, experiment.seed, optimizer, 1).unwrap();
        Lane { experiment, dataset, name: &lane.name, network }
    }

    fn train(&mut self, resumed: Option<Resumed>, sink: &mut Told, folder: &Path) -> Outcome {
        let Experiment { training, seed, .. } = self.experiment;
        let order = BatchOrder::new(self.dataset.train.len(), training.batch, *seed).unwrap();
        let task = Task {
            lane: self.name,
            experiment: self.experiment,
            dataset: self.dataset,
            order: &order,
            initial_weights: String::new(),
            resumed,
            folder,
            clock: &|| 0.0,
        };
        let mut batches = Drawn::new(self.experiment, self.dataset, order.clone());
        train(&mut *self.network, &mut batches, &task, sink)
    }
}

/// The events without what the experiment's text has changed: the lane's start.
fn after_start(events: &[RunEvent]) -> Vec<RunEvent> {
    let is_one = |event: &&RunEvent| {
        !matches!(event.kind, Kind::LaneStarted(_) | Kind::LaneResumed(_) | Kind::CheckpointWritten(_))
    };
    let timeless = |event: &RunEvent| RunEvent { time: Time::default(), ..event.clone() };
    events.iter().filter(is_one).map(timeless).collect()
}

fn is_of_probe(event: &RunEvent) -> bool {
    event.time.probe_ms.is_some()
}

/// Numbers of an event as bits, since NaN is not equal to itself.
fn text(events: &[RunEvent]) -> Vec<String> {
    events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
}

#[test]
fn training_has_the_same_bits_with_every_probe_at_every_step_and_without() {
    for lanes in [IMAGES, VECTORS, SEQUENCES] {
        let (with, without) = (experiment(&format!("{lanes}{PROBES}")), experiment(lanes));
        let probes: Vec<&str> = trainer::probes().iter().map(|probe| probe.name).collect();
        assert_eq!(with.probes.len(), probes.len(), "the experiment has every probe of {probes:?}");
        let dataset = datasets::load(&with.data, with.seed).unwrap();
        for at in 0..with.lanes.len() {
            let folder = tempfile::tempdir().unwrap();
            let results = [&with, &without].map(|experiment| {
                let mut lane = Lane::new(experiment, &dataset, at);
                let mut sink = Told::default();
                assert_eq!(lane.train(None, &mut sink, folder.path()), Outcome::Completed);
                (sink.events, [lane.network.state(), lane.network.optimizer_state()])
            });
            let [(probed, weights), (unprobed, other_weights)]: [(Vec<RunEvent>, [Vec<NamedTensor>; 2]); 2] =
                results;
            assert!(weights == other_weights, "{}: other weights", with.lanes[at].name);
            let training: Vec<RunEvent> =
                probed.iter().filter(|event| !is_of_probe(event)).cloned().collect();
            assert_eq!(
                text(&after_start(&training)),
                text(&after_start(&unprobed)),
                "{}",
                with.lanes[at].name
            );
            // Every probe at every step from 0 to 6, and what it measures is declared.
            let measured = probed.iter().filter(|event| is_of_probe(event));
            assert_eq!(measured.clone().count(), 7 * probes.len());
            let Kind::LaneStarted(started) = &probed[0].kind else { panic!("another first event") };
            let mut declared = skiplane::event::Declared::default();
            declared.note(&probed[0]).unwrap();
            for event in measured {
                let Kind::Measured(values) = &event.kind else { panic!("a probe measures") };
                for (metric, value) in values.iter() {
                    assert!(started.declared.metrics.contains(&metric), "{metric} is not declared");
                    assert_eq!(declared.mismatch(metric, value), None);
                }
            }
        }
    }
}

/// What was measured at a step, as the reader of a log finds it.
fn measured_at(events: &[RunEvent], step: Step) -> Vec<Metric> {
    let of_step = events.iter().filter(|event| event.step == step && event.time.step_ms.is_none());
    let metrics = of_step.filter_map(|event| match &event.kind {
        Kind::Measured(values) => Some(values.iter().map(|(metric, _)| metric)),
        _ => None,
    });
    metrics.flatten().collect()
}

#[test]
fn a_lane_that_is_stopped_within_a_probe_goes_on_with_it() {
    let text_of = format!("{}{PROBES}", VECTORS.replace("steps = 6", "steps = 2"));
    let experiment = experiment(&text_of);
    let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut whole = Told::default();
    let mut lane = Lane::new(&experiment, &dataset, 1);
    assert_eq!(lane.train(None, &mut whole, folder.path()), Outcome::Completed);
    let weights = lane.network.state();
    let within = whole.places.iter().filter(|place| **place == Place::WithinEvaluation).count();
    assert!(within > 30, "orders are obeyed between the batches of a probe");
    let mut stopped_within = 0;
    for at in (0..whole.places.len()).step_by(3) {
        let mut first = Told { order: Some((at, Order::Stop)), ..Told::default() };
        let mut lane = Lane::new(&experiment, &dataset, 1);
        assert_eq!(lane.train(None, &mut first, folder.path()), Outcome::Stopped, "poll {at}");
        let step = first.events.last().unwrap().step;
        let resumed = Resumed {
            step,
            checkpoint: Some(String::new()),
            measured: measured_at(&first.events, step),
            declared: match &first.events[0].kind {
                Kind::LaneStarted(started) => started.declared.metrics.clone(),
                _ => Vec::new(),
            },
            taken: Vec::new(),
            again: VecDeque::new(),
            ..Resumed::default()
        };
        let mut second = Told::default();
        assert_eq!(lane.train(Some(resumed), &mut second, folder.path()), Outcome::Completed);
        assert!(lane.network.state() == weights, "poll {at}");
        let stops = |event: &RunEvent| matches!(event.kind, Kind::OrderTaken(_) | Kind::LaneFinished(_));
        let all: Vec<RunEvent> = first.events.iter().chain(&second.events).cloned().collect();
        let [all, expected] = [&all, &whole.events].map(|events| {
            let mut events = after_start(events);
            events.retain(|event| !stops(event));
            text(&events)
        });
        assert_eq!(all, expected, "poll {at}");
        stopped_within += usize::from(whole.places[at] == Place::WithinEvaluation);
    }
    assert!(stopped_within > 10);
}

/// Every probe, ordered after each of these steps.
fn ordered(steps: &[u64]) -> VecDeque<Taken> {
    let probe = |name: &str| Order::Probe(name.to_owned().try_into().unwrap());
    let all = |step: &u64| {
        let step = Step(*step);
        trainer::probes().into_iter().map(move |entry| Taken { step, order: probe(entry.name) })
    };
    steps.iter().flat_map(all).collect()
}

#[test]
fn a_probe_that_is_ordered_measures_what_a_planned_one_does_and_changes_nothing() {
    let at_steps = |entry: ProbeEntry| format!("[probe.{}]\nat = [0, 2]\n", entry.name);
    let planned: String = trainer::probes().into_iter().map(at_steps).collect();
    let texts = [VECTORS.to_owned(), format!("{VECTORS}{planned}")];
    let [(events, weights), (expected, of_planned)] = texts.map(|text| {
        let experiment = experiment(&text);
        let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let after = if experiment.probes.is_empty() { ordered(&[0, 2, 2]) } else { VecDeque::new() };
        let mut sink = Told { after, ..Told::default() };
        let mut lane = Lane::new(&experiment, &dataset, 1);
        assert_eq!(lane.train(None, &mut sink, folder.path()), Outcome::Completed);
        assert!(sink.after.is_empty());
        (sink.events, lane.network.state())
    });
    assert!(weights == of_planned);
    // Each order has a record; what a step's records already have is not measured again.
    let probes = trainer::probes().len();
    let count = |is_one: fn(&RunEvent) -> bool| events.iter().filter(|event| is_one(event)).count();
    assert_eq!(count(|event| matches!(event.kind, Kind::OrderTaken(_))), 3 * probes);
    assert_eq!(count(is_of_probe), 2 * probes);
    assert_eq!(count(|event| matches!(event.kind, Kind::MetricsDeclared(_))), 2 * probes);
    // What is measured was declared before, and is what a planned probe measures.
    let mut declared = skiplane::event::Declared::default();
    for event in &events {
        declared.note(event).unwrap();
        if let Kind::Measured(values) = &event.kind {
            for (metric, value) in values.iter() {
                assert!(declared.metrics().contains(&metric), "{metric} is not declared");
                assert_eq!(declared.mismatch(metric, value), None);
            }
        }
    }
    let measured = |events: &[RunEvent]| {
        let is_measured = |event: &&RunEvent| matches!(event.kind, Kind::Measured(_));
        text(&after_start(&events.iter().filter(is_measured).cloned().collect::<Vec<_>>()))
    };
    assert_eq!(measured(&events), measured(&expected));
}

#[test]
fn an_ordered_probe_that_a_stop_interrupts_has_no_trace_and_one_that_is_repeated_the_same() {
    let experiment = experiment(&VECTORS.replace("steps = 6", "steps = 2"));
    let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let train = |resumed: Option<Resumed>, sink: &mut Told| {
        let mut lane = Lane::new(&experiment, &dataset, 1);
        lane.train(resumed, sink, folder.path())
    };
    let after = ordered(&[1]);
    let mut whole = Told { after: after.clone(), ..Told::default() };
    assert_eq!(train(None, &mut whole), Outcome::Completed);
    // A lane that goes on from its beginning obeys the same orders again.
    let from_start = Resumed { again: after.clone(), ..Resumed::default() };
    let declared = match &whole.events[0].kind {
        Kind::LaneStarted(started) => started.declared.metrics.clone(),
        _ => Vec::new(),
    };
    let mut again = Told::default();
    assert_eq!(train(Some(Resumed { declared, ..from_start }), &mut again), Outcome::Completed);
    assert_eq!(text(&after_start(&again.events)), text(&after_start(&whole.events)));
    let mut within = 0;
    for at in 0..whole.places.len() {
        let mut sink = Told { after: after.clone(), order: Some((at, Order::Stop)), ..Told::default() };
        assert_eq!(train(None, &mut sink), Outcome::Stopped, "poll {at}");
        // Everything up to the stop, and nothing of a probe that had begun.
        let [.., stop, _] = &sink.events[..] else { panic!("no end") };
        assert!(matches!(&stop.kind, Kind::OrderTaken(taken) if taken.order == Order::Stop), "poll {at}");
        let before = text(&after_start(&sink.events[..sink.events.len() - 2]));
        assert_eq!(before, text(&after_start(&whole.events))[..before.len()], "poll {at}");
        within += usize::from(stop.step == Step(1) && whole.places[at] == Place::WithinEvaluation);
    }
    assert!(within > 10, "{within}");
}

#[test]
fn probes_are_run_when_they_are_due() {
    let steps = |at: &str| {
        let text = format!("{}\n[probe.lesion]\n{at}\n", VECTORS);
        let experiment = experiment(&text);
        let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Told::default();
        Lane::new(&experiment, &dataset, 1).train(None, &mut sink, folder.path());
        let is_probe = |event: &&RunEvent| is_of_probe(event);
        sink.events.iter().filter(is_probe).map(|event| event.step.0).collect::<Vec<_>>()
    };
    assert_eq!(steps(""), [6]);
    assert_eq!(steps("at = \"end\""), [6]);
    assert_eq!(steps("at = \"evaluations\""), [0, 3, 6]);
    assert_eq!(steps("at = [2, 5, 100]"), [2, 5]);
}

#[test]
fn wrong_probes_are_told_with_the_nearest_that_is_right() {
    let (datasets, architectures) = (datasets::available(), model::available());
    let available = Available { datasets, architectures, probes: trainer::probes() };
    let message =
        |probe: &str| parse(&format!("{VECTORS}{probe}"), "x.toml", &available, &[]).unwrap_err().to_string();
    let cases = [
        ("[probe.lesions]", "probe.lesions: unknown key; the nearest known one is `lesion`"),
        ("[probe.lesion]\nat = \"start\"", "probe.lesion.at: expected `end`, `evaluations` or an array of"),
        ("[probe.lesion]\nat = [3, 3]", "probe.lesion.at: expected ascending steps, found 3 after 3"),
        ("[probe.lesion]\nat = [-1]", "probe.lesion.at: expected whole numbers of at least 0, found `-1`"),
        ("[probe.lesion]\nat = []", "probe.lesion.at: expected 1 to 1,000 steps, found 0"),
        ("[probe.lesion]\nsplit = \"tset\"", "probe.lesion.split: expected `train` or `test`, found `tset`"),
        (
            "[probe.lesion]\nexample = 3",
            "probe.lesion.example: unknown key; the nearest known one is `examples`",
        ),
    ];
    for (probe, expected) in cases {
        let found = message(probe);
        assert!(found.contains(expected), "{probe}\n  expected: {expected}\n  found:    {found}");
    }
    assert!(message("[probe]\nlesion = 3").contains("probe.lesion: expected a table, found `3`"));
}

/// An experiment without probes is written as it was before there were any.
#[test]
fn an_experiment_is_written_with_its_probes_or_as_before() {
    let (with, without) = (experiment(&format!("{VECTORS}{PROBES}")), experiment(VECTORS));
    assert!(!without.to_toml().unwrap().contains("probe"));
    assert!(!serde_json::to_string(&without).unwrap().contains("probe"));
    assert_eq!(experiment(&with.to_toml().unwrap()), with);
    let json = serde_json::to_string(&with).unwrap();
    assert_eq!(serde_json::from_str::<Experiment>(&json).unwrap(), with);
    for at in ["\"evaluations\"", "\"end\"", "[0, 5]"] {
        let one = experiment(&format!("{VECTORS}\n[probe.lesion]\nat = {at}\n"));
        assert_eq!(experiment(&one.to_toml().unwrap()), one);
    }
}
