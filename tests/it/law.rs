//! The central property, for unknown metrics: folding live, folding from the log, reading an index, and answers that
//! come late and in any order all give the same screens, cell by cell.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use skiplane::app::{Action, App, LaneLabel};
use skiplane::event::*;
use skiplane::metric::{Axis, DeclarationText, Metric, Points, Scale, Shape, known, probed};
use skiplane::reading::{self, Opened};
use skiplane::runlog::LogWriter;
use skiplane::structure::{Block, Layer, Structure};
use skiplane::theme::Theme;
use skiplane::units::{BlockIdx, LaneIdx, LayerIdx, Step};
use skiplane::views::{self, Format};

const LAYERS: usize = 5;
const BLOCKS: usize = 2;

fn axes() -> Vec<Axis> {
    let names = |names: &[&str]| Points::Names(names.iter().map(|name| (*name).to_owned()).collect());
    let mut axes = vec![
        Axis { name: "head".to_owned(), points: names(&["a", "b", "c"]) },
        Axis { name: "alpha".to_owned(), points: Points::Numbers(vec![-1.0, 0.0, 0.5, 2.0]) },
        Axis { name: "beta".to_owned(), points: Points::Numbers(vec![-1.0, 0.0]) },
        Axis { name: "compared".to_owned(), points: names(&["block 0", "block 1"]) },
        Axis { name: "pair".to_owned(), points: names(&["1-1", "2-1", "2-2"]) },
    ];
    // Those of further probes have two points each.
    for name in probed::ALL.iter().flat_map(|metric| metric.axes()) {
        if !["layer", "block", "bin"].contains(name) && axes.iter().all(|axis| axis.name != *name) {
            axes.push(Axis { name: (*name).to_owned(), points: Points::Numbers(vec![1.0, 2.0]) });
        }
    }
    axes
}

/// An unknown metric.
fn any_metric() -> impl Strategy<Value = Metric> {
    let over = prop_oneof![
        2 => Just(vec![]),
        3 => Just(vec!["layer"]),
        1 => Just(vec!["block"]),
        1 => Just(vec!["alpha"]),
        1 => Just(vec!["layer", "head"]),
        1 => Just(vec!["head", "alpha"]),
        1 => Just(vec!["layer", "bin"]),
    ];
    let scale = prop_oneof![Just(Scale::Linear), Just(Scale::Log), Just(Scale::Signed)];
    (0u8..40, over, scale).prop_map(|(name, over, scale)| {
        let over: Vec<String> = over.into_iter().map(str::to_owned).collect();
        let name = format!("m{name}_{}_{scale:?}", over.join("_"));
        Metric::declare(&DeclarationText { name, over, scale, ..DeclarationText::default() }).unwrap()
    })
}

/// What a lane declares: some unknown metrics, and some that the views are made for.
fn any_metrics() -> impl Strategy<Value = Vec<Metric>> {
    let known = proptest::sample::subsequence(known::ALL.to_vec(), 0..12);
    let probed = proptest::sample::subsequence(probed::ALL.to_vec(), 0..6);
    (vec(any_metric(), 0..6), known, probed).prop_map(|(new, known, probed)| {
        let mut all: Vec<Metric> = Vec::new();
        for metric in new.into_iter().chain(known).chain(probed) {
            if !all.iter().any(|other| other.name() == metric.name()) {
                all.push(metric);
            }
        }
        all
    })
}

fn started(metrics: &[Metric]) -> RunEvent {
    let layer = |at: usize| Layer {
        name: format!("h.{at}"),
        kind: if at.is_multiple_of(2) { "attention".to_owned() } else { "convolution".to_owned() },
        block: (at < 4).then_some(BlockIdx(at / 2)),
        output: vec![8; at],
        ..Layer::default()
    };
    let block = |at: usize| Block {
        name: format!("block {at}"),
        shortcut: (at == 1).then(|| "identity".to_owned()),
        layers: vec![LayerIdx(2 * at), LayerIdx(2 * at + 1)],
        ..Block::default()
    };
    let started = LaneStarted {
        version: FORMAT_VERSION,
        lane: "gpt".to_owned(),
        structure: Structure {
            layers: (0..LAYERS).map(layer).collect(),
            blocks: (0..BLOCKS).map(block).collect(),
        },
        declared: MetricsDeclared { metrics: metrics.to_vec(), axes: axes() },
        ..LaneStarted::default()
    };
    RunEvent::new(Step(0), 1.0, Kind::LaneStarted(Box::new(started)))
}

/// Endless numbers, some of which are extreme.
fn number(seed: u64) -> f32 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed >> 7);
    match mixed % 97 {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => 1e20,
        3 => 0.0,
        _ => ((mixed >> 20) % 2_000) as f32 / 500.0 - 2.0,
    }
}

fn value(metric: Metric, declared: &Declared, seed: u64) -> Value {
    let width = declared.width(metric).unwrap();
    let numbers = (0..width).map(|at| number(seed * 31 + at as u64));
    match metric.shape() {
        Shape::Scalar => Value::Number(number(seed)),
        Shape::Numbers => Value::Numbers(numbers.collect()),
        Shape::Histograms => {
            let of =
                |at| Histogram { first: (seed % 40) as u8, counts: vec![at as u32 + 1, 3, 1], non_finite: 0 };
            Value::Histograms((0..width).map(of).collect())
        }
    }
}

/// A lane's events: some of its metrics at each step, and occasionally a return to an earlier step.
fn events(metrics: &[Metric], steps: u64, seed: u64) -> Vec<RunEvent> {
    let mut declared = Declared::default();
    let mut events = vec![started(metrics)];
    declared.note(&events[0]).unwrap();
    let mut step = 0;
    for turn in 0..steps {
        step += 1 + number(seed + turn).abs() as u64 % 3;
        let mut values = Values::default();
        for (at, metric) in metrics.iter().enumerate() {
            let seed = seed.wrapping_add(turn * 131 + at as u64 * 7);
            if !seed.is_multiple_of(5) {
                values.insert(*metric, value(*metric, &declared, seed));
            }
        }
        if !values.is_empty() {
            events.push(RunEvent::new(Step(step), 10.0 * (turn + 1) as f64, Kind::Measured(values)));
        }
        if (seed + turn) % 41 == 17 {
            step /= 2;
            let resumed = LaneResumed::default();
            step = if resumed.checkpoint.is_none() { 0 } else { step };
            events.push(RunEvent::new(Step(step), 10.0 * (turn + 1) as f64, Kind::LaneResumed(resumed)));
        }
    }
    events
}

fn frame(app: &App) -> String {
    views::snapshot(app, (100, 32), &Theme::default(), Format::Ansi)
}

/// User actions before a frame is compared.
fn act(app: &mut App, turn: usize) {
    let actions = [
        Action::SelectNextStatistic,
        Action::MoveStep(-3),
        Action::MoveLayer(1),
        Action::CycleScale,
        Action::SelectNextHistogram,
        Action::CycleAxis,
    ];
    app.act(actions[turn % actions.len()]);
}

fn write(folder: &Path, events: &[RunEvent]) {
    fs::write(folder.join("run.json"), r#"{"version":3,"lanes":[{"name":"gpt","log":"gpt.jsonl"}]}"#)
        .unwrap();
    let mut log = LogWriter::create(&folder.join("gpt.jsonl")).unwrap();
    for event in events {
        log.append(event).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_way_to_a_state_gives_the_same_screens(
        metrics in any_metrics(), steps in 1u64..90, seed: u64, order: u64,
    ) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run");
        fs::create_dir(&folder).unwrap();
        let events = events(&metrics, steps, seed % 1_000_000);
        write(&folder, &events);
        let label = LaneLabel { run: "run".to_owned(), lane: "gpt".to_owned() };
        let mut live = App::new(vec![label]);
        events.iter().for_each(|event| live.apply(LaneIdx(0), event));
        live.source_ended(LaneIdx(0));

        let open = || {
            let Opened { mut app, library, replay } = reading::open(std::slice::from_ref(&folder)).unwrap();
            assert_eq!(replay.report(), Default::default());
            app.source_ended(LaneIdx(0));
            (app, library)
        };
        let (mut read, mut from_log) = open();
        reading::write_indexes(&folder).unwrap();
        let (mut kept, mut indexed) = open();
        let (mut late, mut lazy) = open();

        for turn in 0..12 {
            let view = views::ALL[turn % views::ALL.len()].kind();
            for app in [&mut live, &mut read, &mut kept, &mut late] {
                app.act(Action::SelectView(view));
                act(app, turn);
            }
            for (app, library) in [(&mut read, &mut from_log), (&mut kept, &mut indexed)] {
                views::supply(app, |app, needs| library.answer(app, needs));
            }
            // One at a time in some order, with frames in between, as if answers came late.
            let mut rounds = 0..3;
            views::supply(&mut late, |late, needs| {
                rounds.next().expect("no needs without end");
                let mut needs = needs.to_vec();
                while !needs.is_empty() {
                    frame(late);
                    let need = needs.swap_remove(order as usize % needs.len());
                    lazy.answer(late, &[need]);
                }
                true
            });
            let expected = frame(&live);
            prop_assert_eq!(&frame(&read), &expected, "from the log, {}", view);
            prop_assert_eq!(&frame(&kept), &expected, "through the index, {}", view);
            prop_assert_eq!(&frame(&late), &expected, "answered late, {}", view);
        }
    }
}
