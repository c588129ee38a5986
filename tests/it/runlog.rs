//! A log loses no whole records, whatever happens to the file.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use skiplane::event::*;
use skiplane::experiment::{
    Data, Experiment, Lane, Optimizer, Recording, Schedule, Setting, Settings, Training,
};
use skiplane::metric::{Axis, Metric, Points, Shape, known};
use skiplane::model::Description;
use skiplane::order::{Order, Positive, RateChange};
use skiplane::runlog::{Entry, LogReader, LogWriter, RunLogError, read_record};
use skiplane::structure::{Block, Layer, Structure, kind, shortcut};
use skiplane::units::{BlockIdx, ImageShape, LayerIdx, Step};

const LAYERS: usize = 4;
const BLOCKS: usize = 1;
const HEADS: usize = 2;

/// A network of a stem, one block of two convolutions and a head.
pub(crate) fn description() -> Description {
    let layer = |name: &str, kind: &str, block: Option<usize>, depth| Layer {
        name: name.to_owned(),
        kind: kind.to_owned(),
        stage: block.map(|_| 1),
        block: block.map(BlockIdx),
        depth: Some(depth),
        output: if kind == kind::HEAD { vec![4] } else { vec![4, 16, 16] },
        parameters: Some(152),
        multiply_adds: Some(36_864),
        frozen: false,
    };
    let layers = vec![
        layer("conv1", kind::STEM, None, 1),
        layer("layer1.0.conv1", kind::CONVOLUTION, Some(0), 2),
        layer("layer1.0.conv2", kind::CONVOLUTION, Some(0), 3),
        layer("linear", kind::HEAD, None, 4),
    ];
    let block = Block {
        name: "layer1.0".to_owned(),
        stage: Some(1),
        shortcut: Some(shortcut::IDENTITY.to_owned()),
        layers: vec![LayerIdx(1), LayerIdx(2)],
    };
    Description {
        input: ImageShape { channels: 1, height: 16, width: 16 }.into(),
        classes: 10,
        structure: Structure { layers, blocks: vec![block] },
        measured: Vec::new(),
        heads: 0,
    }
}

pub(crate) fn experiment(lanes: &[&str]) -> Experiment {
    let lane = |name: &&str| {
        let settings = Settings::default()
            .with("depth", Setting::Whole(8))
            .with("width", Setting::Whole(4))
            .with("shortcut", "identity".into());
        Lane::new(*name, "resnet", settings)
    };
    Experiment {
        question: "does it, \"really\"?".to_owned(),
        seed: 3,
        data: Data { flip: true, ..Data::named("glyphs") },
        training: Training {
            steps: 6,
            batch: 8,
            evaluate_every: 2,
            evaluate_images: 16,
            checkpoint_every: 0,
            optimizer: Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4 },
            schedule: Schedule::Cosine { minimum: 0.0, warmup: 2 },
        },
        statistics: Recording { every: 1, histograms_every: 2, layers: Vec::new() },
        probes: Default::default(),
        lanes: lanes.iter().map(lane).collect(),
    }
}

fn length_of(axis: &str) -> usize {
    match axis {
        "block" => BLOCKS,
        "head" => HEADS,
        _ => LAYERS,
    }
}

/// The axis of a known metric that is neither that of layers nor that of blocks.
pub(crate) fn heads() -> Axis {
    Axis { name: "head".to_owned(), points: Points::Numbers((0..HEADS).map(|head| head as f64).collect()) }
}

pub(crate) fn lane_started(lane: &str) -> RunEvent {
    let experiment = experiment(&[lane]);
    let Description { input, classes, structure, .. } = description();
    let started = LaneStarted {
        version: FORMAT_VERSION,
        lane: lane.to_owned(),
        structure,
        recorded: None,
        declared: MetricsDeclared { metrics: known::ALL.to_vec(), axes: vec![heads()] },
        steps: Some(experiment.training.steps),
        activation_bytes: Some(1_835_008),
        provenance: Some(Provenance {
            experiment,
            input,
            classes,
            train_images: 64,
            test_images: 32,
            initial_weights: "00ff".to_owned(),
            batch_order: "ff00".to_owned(),
            data_set: Some("abcd".to_owned()),
        }),
    };
    RunEvent::new(Step(0), 1.5, Kind::LaneStarted(Box::new(started)))
}

fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => any::<f32>(),
        4 => -10.0f32..10.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(-0.0),
        1 => Just(f32::MIN_POSITIVE / 3.0),
    ]
}

/// Up to the greatest step or count that is accepted.
fn any_step() -> impl Strategy<Value = u64> {
    0..=1u64 << 48
}

fn any_time() -> impl Strategy<Value = f64> {
    0.0..1e9f64
}

/// Values of some metrics of a shape.
fn any_values(shapes: &'static [Shape]) -> impl Strategy<Value = Values> {
    let value = |metric: Metric| {
        let length: usize = metric.axes().iter().map(|axis| length_of(axis)).product();
        let numbers = vec(any_f32(), length);
        let histograms = vec(any_histogram(), length);
        (any_f32(), numbers, histograms).prop_map(move |(number, numbers, histograms)| {
            let value = match metric.shape() {
                Shape::Scalar => Value::Number(number),
                Shape::Numbers => Value::Numbers(numbers),
                Shape::Histograms => Value::Histograms(histograms),
            };
            (metric, value)
        })
    };
    let all: Vec<Metric> =
        known::ALL.iter().copied().filter(|metric| shapes.contains(&metric.shape())).collect();
    let count = all.len();
    proptest::sample::subsequence(all, 1..=count)
        .prop_flat_map(move |some| some.into_iter().map(value).collect::<Vec<_>>())
        .prop_map(|values| values.into_iter().collect())
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (0u8..60, vec(any::<u32>(), 0..5), 0u32..3).prop_map(|(first, counts, non_finite)| Histogram {
        first,
        counts,
        non_finite,
    })
}

/// Events of a lane after its first; steps are numbered when they are combined.
fn any_event() -> impl Strategy<Value = RunEvent> {
    let event = |step: u64, at_ms: f64, kind: Kind| RunEvent::new(Step(step), at_ms, kind);
    let step = (any_values(&[Shape::Scalar, Shape::Numbers]), any_time(), any_time()).prop_map(
        |(values, at_ms, step_ms)| {
            let time =
                Time { at_ms, step_ms: Some(step_ms), statistics_ms: Some(step_ms / 7.0), ..Time::default() };
            RunEvent { step: Step(0), time, kind: Kind::Measured(values) }
        },
    );
    let histograms = (any_values(&[Shape::Histograms]), any_time())
        .prop_map(move |(values, at_ms)| event(0, at_ms, Kind::Measured(values)));
    let checksums = any::<Option<(u32, u32)>>();
    let checkpoint = (any_step(), ".{0,20}", checksums, any_time());
    let checkpoint = checkpoint.prop_map(move |(step, file, checksums, at_ms)| {
        let checksums = checksums.map(|(network, optimizer)| Checksums { network, optimizer });
        event(step, at_ms, Kind::CheckpointWritten(CheckpointWritten { file, checksums }))
    });
    let pass = prop_oneof![Just(Pass::Forward), Just(Pass::Backward), Just(Pass::Update)];
    let layer = proptest::option::of((0..LAYERS).prop_map(LayerIdx));
    let non_finite = (any_step(), layer, pass, any_time()).prop_map(move |(step, layer, pass, at_ms)| {
        event(step, at_ms, Kind::NonFiniteFound(NonFiniteFound { layer, pass }))
    });
    let moment = (any_step(), any_time(), any::<bool>()).prop_map(move |(step, at_ms, pauses)| {
        event(step, at_ms, if pauses { Kind::Paused } else { Kind::Resumed })
    });
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Stopped),
        Just(Outcome::Diverged),
        any::<String>().prop_map(|reason| Outcome::Failed { reason }),
    ];
    let finished = (any_step(), outcome, any_time()).prop_map(move |(step, outcome, at_ms)| {
        event(step, at_ms, Kind::LaneFinished(LaneFinished { outcome }))
    });
    let resumed = (proptest::option::of(".{0,20}"), any_time()).prop_map(move |(checkpoint, at_ms)| {
        event(0, at_ms, Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() }))
    });
    let lost = (any_step(), any_step(), any_step(), any_time());
    let lost = lost.prop_map(move |(records, first, last, at_ms)| {
        event(last, at_ms, Kind::RecordsLost(RecordsLost { records, first: Step(first) }))
    });
    prop_oneof![
        4 => step,
        1 => any_order(),
        1 => resumed,
        1 => lost,
        2 => histograms,
        1 => checkpoint,
        1 => non_finite,
        1 => moment,
        1 => finished,
    ]
}

/// An order or a note.
pub(crate) fn any_order() -> impl Strategy<Value = RunEvent> {
    let positive = (f32::MIN_POSITIVE..f32::MAX).prop_map(|x| Positive::try_from(f64::from(x)).unwrap());
    let order = prop_oneof![
        Just(Order::Stop),
        Just(Order::StopLane),
        any::<NonZeroU64>().prop_map(Order::Step),
        positive.clone().prop_map(|x| Order::LearningRate(RateChange::Factor(x))),
        positive.prop_map(|x| Order::LearningRate(RateChange::Value(x))),
        "[a-z_]{1,40}".prop_map(|name| Order::Probe(name.try_into().unwrap())),
    ];
    let order = (any_step(), order, any_time()).prop_map(|(step, order, at_ms)| {
        RunEvent::new(Step(step), at_ms, Kind::OrderTaken(OrderTaken { order }))
    });
    let note = (any_step(), any::<String>(), any_time()).prop_map(|(step, text, at_ms)| {
        RunEvent::new(Step(step), at_ms, Kind::NoteTaken(NoteTaken { text }))
    });
    prop_oneof![order, note]
}

/// The events of a lane, its first event included.
pub(crate) fn any_events(most: usize) -> impl Strategy<Value = Vec<RunEvent>> {
    vec(any_event(), 0..most).prop_map(|mut events| {
        let mut last = 0;
        for event in &mut events {
            match event.kind {
                Kind::Measured(_) => {
                    last += 1;
                    event.step = Step(last);
                }
                Kind::LaneResumed(_) => {
                    last /= 2;
                    event.step = Step(last);
                }
                _ => {}
            }
        }
        events.insert(0, lane_started("plain"));
        events
    })
}

/// Events as text that is equal if they are, including NaN.
pub(crate) fn shown(events: &[RunEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// A record of an event, as text, with its checksum and newline.
pub(crate) fn sealed(json: &str) -> String {
    let body = json.strip_suffix('}').unwrap();
    format!("{body},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(body.as_bytes()))
}

/// Writes a log and returns its bytes.
pub(crate) fn written(events: &[RunEvent], path: &Path) -> Vec<u8> {
    let _ = fs::remove_file(path);
    let mut writer = LogWriter::create(path).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

/// An event as its record has it, without what the reader found out of the others.
pub(crate) fn as_written(mut event: RunEvent) -> RunEvent {
    if let Kind::LaneResumed(resumed) = &mut event.kind {
        resumed.from = None;
    }
    event
}

/// Everything in a log: the events, and the number of bad lines.
fn read(bytes: &[u8]) -> (Vec<RunEvent>, usize, u64) {
    let mut reader = LogReader::new(bytes, Path::new("memory.jsonl"));
    let (mut events, mut others) = (Vec::new(), 0);
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            // Events without a record have an empty range of bytes.
            Entry::Event { bytes, .. } if bytes.is_empty() => {}
            Entry::Event { event, .. } => events.push(as_written(event)),
            Entry::UnknownKind { .. } | Entry::Bad(_) => others += 1,
            Entry::Replaced { reason } => panic!("{reason}"),
        }
    }
    (events, others, reader.torn_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(events in any_events(12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.jsonl");
        let bytes = written(&events, &path);
        let (read, others, torn) = read(&bytes);
        prop_assert_eq!(shown(&read), shown(&events));
        prop_assert_eq!((others, torn), (0, 0));
        // The first record is there twice, and each line is JSON with the checksum of what precedes it.
        let lines: Vec<&str> = std::str::from_utf8(&bytes).unwrap().lines().collect();
        prop_assert_eq!(lines.len(), events.len() + 1);
        prop_assert_eq!(lines[0], lines[1]);
        for line in lines {
            let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
            let checksum = json.as_object_mut().unwrap().remove("crc32").unwrap();
            let (body, _) = line.rsplit_once(",\"crc32\":").unwrap();
            prop_assert_eq!(checksum, format!("{:08x}", crc32fast::hash(body.as_bytes())));
        }
    }

    #[test]
    fn the_bytes_of_a_record_are_the_same_writing_and_reading(events in any_events(6)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.jsonl");
        let mut writer = LogWriter::create(&path).unwrap();
        let ranges: Vec<_> = events.iter().map(|event| writer.append(event).unwrap()).collect();
        let mut reader = LogReader::open(&path).unwrap();
        for (at, (event, range)) in events.iter().zip(ranges).enumerate() {
            let Some(Entry::Event { bytes, .. }) = reader.next_entry().unwrap() else { panic!("no event") };
            // The bytes of the first are those of both copies, of which a reader returns one.
            let end = if at == 0 { range.end / 2 } else { range.end };
            prop_assert_eq!(&bytes, &(range.start..end));
            prop_assert_eq!(reader.position().offset(), end);
            prop_assert_eq!(format!("{:?}", read_record(&path, range, reader.position().declared()).unwrap()), format!("{event:?}"));
        }
    }

    #[test]
    fn corruption_never_panics_and_spoils_only_its_records(
        events in any_events(8),
        hits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = written(&events, &folder.path().join("plain.jsonl"));
        let first = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
        let after = bytes.len() - first;
        for (at, byte) in &hits {
            bytes[first + at.index(after)] = *byte;
        }
        let (read, others, torn) = read(&bytes);
        // Each change damages only its own record; only a line without a newline may be waited for.
        prop_assert!(read.len() + hits.len() + usize::from(torn > 0) >= events.len());
        prop_assert!(read.len() + others + usize::from(torn > 0) <= events.len() + 2 * hits.len());
        let originals = shown(&events);
        prop_assert!(shown(&read).iter().all(|event| originals.contains(event)));
    }

    #[test]
    fn any_bytes_at_all_are_read_without_panic(bytes in vec(any::<u8>(), 0..400), json in "[\\[\\]{}:,\"a-z_0-9\n]{0,200}") {
        read(&bytes);
        read(json.as_bytes());
    }
}

#[test]
fn a_log_is_followed_over_a_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let events = [lane_started("plain"), RunEvent::new(Step(0), 0.0, Kind::Paused)];
    let bytes = written(&events, &folder.path().join("whole.jsonl"));
    let mut file = fs::File::create(&path).unwrap();
    let mut reader = LogReader::open(&path).unwrap();
    let mut seen = Vec::new();
    for part in bytes.chunks(bytes.len() / 7) {
        file.write_all(part).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            let Entry::Event { event, .. } = entry else { panic!("{entry:?}") };
            seen.push(event);
        }
        // A second reader continues from the same position, as one in another process would.
        reader = LogReader::open_at(&path, reader.position().clone()).unwrap();
    }
    assert_eq!(shown(&seen), shown(&events));
}

#[test]
fn a_replaced_log_is_told_from_one_that_grew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    written(&[lane_started("plain")], &path);
    let mut reader = LogReader::open(&path).unwrap();
    reader.next_entry().unwrap();
    fs::write(&path, b"").unwrap();
    let error = LogReader::open_at(&path, reader.position().clone()).unwrap_err().to_string();
    assert!(error.contains("it was replaced"), "{error}");
}

/// How one record after a good first event is read.
fn second_line(record: &str) -> Entry {
    let bytes = sealed(&serde_json::to_string(&lane_started("plain")).unwrap()) + record;
    let bytes = bytes.into_bytes();
    let mut reader = LogReader::new(bytes.as_slice(), Path::new("memory.jsonl"));
    reader.next_entry().unwrap();
    reader.next_entry().unwrap().unwrap()
}

#[test]
fn columns_and_histograms_are_as_long_as_the_list_of_recorded_layers() {
    let started = |recorded: &[usize]| {
        let mut event = lane_started("plain");
        if let Kind::LaneStarted(started) = &mut event.kind {
            started.recorded = Some(recorded.iter().copied().map(LayerIdx).collect());
        }
        event
    };
    let step = |step: u64, layers: usize, blocks: usize| {
        let values = Values::from_iter([
            (known::ACTIVATION_STD, vec![1.0; layers]),
            (known::BRANCH_RATIO, vec![1.0; blocks]),
        ]);
        RunEvent::new(Step(step), 0.0, Kind::Measured(values))
    };
    let histograms = |step: u64, layers: usize| {
        let layers = Value::Histograms(vec![Histogram::default(); layers]);
        let values = Values::from_iter([(known::WEIGHTS, layers)]);
        RunEvent::new(Step(step), 0.0, Kind::Measured(values))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let reasons = |events: &[RunEvent]| {
        let bytes = written(events, &path);
        let mut reader = LogReader::new(bytes.as_slice(), Path::new("memory.jsonl"));
        let mut reasons = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            reasons.extend(if let Entry::Bad(bad) = entry { Some(bad.reason) } else { None });
        }
        reasons
    };
    assert!(reasons(&[started(&[1, 3]), step(1, 2, 1), histograms(1, 2), step(2, 2, 1)]).is_empty());
    assert_eq!(
        reasons(&[started(&[1, 3]), step(1, 4, 1), step(2, 2, 2), histograms(2, 4), step(3, 2, 1)]),
        [
            "expected `activation_std` of 2 layers, found 4 values",
            "expected `branch_ratio` of 1 blocks, found 2 values",
            "expected `weights` of 2 layers, found 4 histograms",
        ]
    );
    for (recorded, expected) in [
        ([3, 1], "expected ascending layers in `recorded`, found 1 after 3"),
        ([1, 1], "expected ascending layers in `recorded`, found 1 after 1"),
        ([1, 4], "expected a layer below 4, found 4"),
    ] {
        let bytes = written(&[started(&recorded), step(1, 2, 1)], &path);
        let mut reader = LogReader::new(bytes.as_slice(), Path::new("memory.jsonl"));
        let told = match reader.next_entry() {
            Ok(Some(Entry::Bad(bad))) => bad.reason,
            Err(error) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn contradictions_are_bad_records_that_say_why() {
    let step = |step: u64, statistics: &str| {
        format!(
            r#"{{"step_finished":{{"step":{step},"loss":1,"error":0,"learning_rate":0.1,"statistics":{statistics},
            "time":{{"at_ms":0,"step_ms":0,"statistics_ms":0}}}}}}"#
        )
        .replace('\n', " ")
    };
    let cases = [
        (step(1, r#"{"activation_std":[1,2,3]}"#), "expected `activation_std` of 4 layers, found 3 values"),
        (step(1, r#"{"branch_ratio":[1,2]}"#), "expected `branch_ratio` of 1 blocks, found 2 values"),
        (step((1 << 48) + 1, "{}"), "expected a step of at most 281474976710656, found 281474976710657"),
        (
            r#"{"records_lost":{"records":1000000000000000000,"first":1,"last":2,"time":{"at_ms":0}}}"#
                .to_owned(),
            "expected at most 281474976710656 records",
        ),
        (
            r#"{"non_finite_found":{"step":1,"layer":4,"pass":"forward","time":{"at_ms":0}}}"#.to_owned(),
            "expected a layer below 4, found 4",
        ),
        (
            r#"{"histograms_taken":{"step":1,"layers":[],"time":{"at_ms":0}}}"#.to_owned(),
            "expected `activations` of 4 layers, found 0 histograms",
        ),
        (serde_json::to_string(&lane_started("x")).unwrap(), "expected one `lane_started`, found a second"),
        (r#"{"paused":{"step":}"#.to_owned(), "EOF while parsing a value at column 18"),
        (r#"{"paused":{"step":{}}}"#.to_owned(), "invalid type: map, expected u64"),
        (r#"{"paused":{"step":1,"time":{"at_ms":0}}}}"#.to_owned(), "found the end of an object"),
        (r#"{"paused":{"step":1,"time":{"at_ms":0}},"resumed":1}"#.to_owned(), "trailing"),
        ("\u{1b}[2J}".to_owned(), "expected value at column 1"),
        ("}".to_owned(), "EOF"),
    ];
    let no_records = [
        ("\n".to_owned(), "expected a checksum at its end, found none"),
        ("{\"paused\":{\"step\":1,\"time\":{\"at_ms\":0}}}\n".to_owned(), "expected a checksum at its end"),
        ("{\"paused\":{},\"crc32\":\"00000000\"}\n".to_owned(), "expected bytes with the checksum 00000000"),
    ];
    let cases = cases.into_iter().map(|(json, expected)| (sealed(&json), expected)).chain(no_records);
    for (line, expected) in cases {
        match second_line(&line) {
            Entry::Bad(bad) => {
                assert!(bad.reason.contains(expected), "{line}: {}", bad.reason);
                assert_eq!((bad.line, bad.bytes.end - bad.bytes.start), (2, line.len() as u64));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn kinds_and_statistics_of_newer_versions_are_passed_over() {
    let entry = second_line(&sealed(r#"{"landscape_drawn":{"anything":[1,2,3]}}"#));
    assert_eq!(entry, Entry::UnknownKind { line: 2, kind: "landscape_drawn".to_owned() });
    let line = r#"{"step_finished":{"step":1,"loss":"NaN","error":0,"learning_rate":0.1,"new_field":7,
        "statistics":{"curvature":["x"]},"time":{"at_ms":0,"step_ms":0,"statistics_ms":0}}}"#;
    let Entry::Event { event: RunEvent { kind: Kind::Measured(values), .. }, .. } =
        second_line(&sealed(&line.replace('\n', " ")))
    else {
        panic!("no step")
    };
    assert!(values.number(known::LOSS).is_some_and(f32::is_nan));
    assert_eq!(values.iter().count(), 3);
}

#[test]
fn a_newer_format_is_refused() {
    let json = r#"{"lane_started":{"version":4,"everything":"different"}}"#;
    for line in [sealed(json), format!("{json}\n")] {
        let mut reader = LogReader::new(line.as_bytes(), Path::new("new.jsonl"));
        for _ in 0..2 {
            let error = reader.next_entry().unwrap_err();
            assert!(matches!(error, RunLogError::Newer { found: 4, .. }), "{error}");
        }
    }
}

#[test]
fn an_endless_line_is_skipped_without_being_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jsonl");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(sealed(&serde_json::to_string(&lane_started("plain")).unwrap()).as_bytes()).unwrap();
    // A sparse file: 40 MiB of zeros in one line.
    file.seek(SeekFrom::Current(40 << 20)).unwrap();
    let paused = r#"{"paused":{"step":3,"time":{"at_ms":0}}}"#;
    file.write_all(format!("\n{}", sealed(paused)).as_bytes()).unwrap();
    // And one followed by a record without a newline between them.
    file.seek(SeekFrom::Current(20 << 20)).unwrap();
    file.write_all(sealed(paused).as_bytes()).unwrap();
    let mut reader = LogReader::open(&path).unwrap();
    reader.next_entry().unwrap();
    for expected in [(40 << 20) + 1, 20 << 20] {
        let Some(Entry::Bad(bad)) = reader.next_entry().unwrap() else { panic!("not bad") };
        assert!(bad.reason.ends_with(&format!("at most 16777216 bytes, found {expected}")), "{}", bad.reason);
        assert_eq!(bad.bytes.end - bad.bytes.start, expected);
        let Some(Entry::Event { event, bytes }) = reader.next_entry().unwrap() else {
            panic!("lost the next")
        };
        assert_eq!((event.step, bytes.start), (Step(3), bad.bytes.end));
    }
    assert_eq!((reader.next_entry().unwrap(), reader.torn_bytes()), (None, 0));
}

#[test]
fn a_log_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    written(&[lane_started("plain")], &path);
    assert_eq!(LogWriter::create(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}
