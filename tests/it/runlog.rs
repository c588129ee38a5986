//! The log loses nothing that was written whole, whatever happens to the file.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use skiplane::event::*;
use skiplane::experiment::{Data, Experiment, Lane, Optimizer, Recording, Schedule, Shortcut, Training};
use skiplane::runlog::{Entry, LogReader, LogWriter, RunLogError, read_record};
use skiplane::statistic::{Statistic, Subject};
use skiplane::topology::{Block, Layer, LayerKind, ShortcutKind, Topology};
use skiplane::units::{BlockIdx, ImageShape, LayerIdx, Step};

const LAYERS: usize = 4;
const BLOCKS: usize = 1;

/// A network of a stem, one block of two convolutions and a head.
pub(crate) fn topology() -> Topology {
    let output = ImageShape { channels: 4, height: 16, width: 16 };
    let layer = |name: &str, kind, block, depth| Layer {
        name: name.to_owned(),
        kind,
        block,
        depth,
        output,
        parameters: 152,
        multiply_adds: 36_864,
    };
    Topology {
        input: ImageShape { channels: 1, ..output },
        classes: 10,
        layers: vec![
            layer("conv1", LayerKind::Stem, None, 1),
            layer("layer1.0.conv1", LayerKind::Convolution, Some(BlockIdx(0)), 2),
            layer("layer1.0.conv2", LayerKind::Convolution, Some(BlockIdx(0)), 3),
            layer("linear", LayerKind::Head, None, 4),
        ],
        blocks: vec![Block {
            name: "layer1.0".to_owned(),
            stage: 1,
            shortcut: ShortcutKind::Identity,
            layers: vec![LayerIdx(1), LayerIdx(2)],
        }],
    }
}

pub(crate) fn experiment(lanes: &[&str]) -> Experiment {
    let lane = |name: &&str| Lane {
        name: (*name).to_owned(),
        architecture: "resnet".to_owned(),
        depth: 8,
        width: 4,
        shortcut: Shortcut::Identity,
    };
    Experiment {
        question: "does it, \"really\"?".to_owned(),
        seed: 3,
        data: Data {
            name: "glyphs".to_owned(),
            path: None,
            train_images: None,
            test_images: None,
            crop: false,
            flip: true,
            transpose: false,
        },
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
        lanes: lanes.iter().map(lane).collect(),
    }
}

pub(crate) fn lane_started(lane: &str) -> RunEvent {
    RunEvent::LaneStarted(Box::new(LaneStarted {
        version: FORMAT_VERSION,
        lane: lane.to_owned(),
        experiment: experiment(&[lane]),
        topology: topology(),
        train_images: 64,
        test_images: 32,
        initial_weights: "00ff".to_owned(),
        batch_order: "ff00".to_owned(),
        data_set: Some("abcd".to_owned()),
        recorded: None,
        time: At { at_ms: 1.5 },
    }))
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

/// Up to the greatest step, or count, that is believed.
fn any_step() -> impl Strategy<Value = u64> {
    0..=1u64 << 48
}

fn any_time() -> impl Strategy<Value = f64> {
    0.0..1e9f64
}

fn any_columns() -> impl Strategy<Value = Columns> {
    let column = |statistic: Statistic| {
        let length = match statistic.subject() {
            Subject::Layer => LAYERS,
            Subject::Block => BLOCKS,
        };
        vec(any_f32(), length).prop_map(move |column| (statistic, column))
    };
    prop_oneof![
        1 => Just(Columns::default()),
        4 => proptest::sample::subsequence(Statistic::ALL, 0..=Statistic::ALL.len())
            .prop_flat_map(move |some| some.into_iter().map(column).collect::<Vec<_>>())
            .prop_map(|columns| columns.into_iter().collect()),
    ]
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (0u8..60, vec(any::<u32>(), 0..5), 0u32..3).prop_map(|(first, counts, non_finite)| Histogram {
        first,
        counts,
        non_finite,
    })
}

/// Events of a lane after its first; steps are numbered when they are put together.
fn any_event() -> impl Strategy<Value = RunEvent> {
    let step = (any_f32(), any_f32(), 0.0..1f64, any_columns(), any_time(), any_time()).prop_map(
        |(loss, error, learning_rate, statistics, at_ms, step_ms)| {
            let time = StepTime { at_ms, step_ms, statistics_ms: step_ms / 7.0 };
            RunEvent::StepFinished(StepFinished {
                step: Step(0),
                loss,
                error,
                learning_rate,
                statistics,
                time,
            })
        },
    );
    let layer = (any_histogram(), any_histogram(), any_histogram()).prop_map(|(a, g, w)| LayerHistograms {
        activations: a,
        weight_gradients: g,
        weights: w,
    });
    let histograms = (any_step(), vec(layer, LAYERS), any_time()).prop_map(|(step, layers, at_ms)| {
        RunEvent::HistogramsTaken(HistogramsTaken { step: Step(step), layers, time: At { at_ms } })
    });
    let split = prop_oneof![Just(Split::Train), Just(Split::Test)];
    let mode = prop_oneof![Just(Mode::Eval), Just(Mode::Batch)];
    let evaluation = (any_step(), split, mode, any::<usize>(), any_f32(), any_f32(), any_time()).prop_map(
        |(step, split, mode, images, loss, error, at_ms)| {
            let time = At { at_ms };
            RunEvent::EvaluationFinished(EvaluationFinished {
                step: Step(step),
                split,
                mode,
                images,
                loss,
                error,
                time,
            })
        },
    );
    let checksums = any::<Option<(u32, u32)>>();
    let checkpoint = (any_step(), ".{0,20}", checksums, any_time());
    let checkpoint = checkpoint.prop_map(|(step, file, checksums, at_ms)| {
        let checksums = checksums.map(|(network, optimizer)| Checksums { network, optimizer });
        let (step, time) = (Step(step), At { at_ms });
        RunEvent::CheckpointWritten(CheckpointWritten { step, file, checksums, time })
    });
    let pass = prop_oneof![Just(Pass::Forward), Just(Pass::Backward), Just(Pass::Update)];
    let layer = proptest::option::of((0..LAYERS).prop_map(LayerIdx));
    let non_finite = (any_step(), layer, pass, any_time()).prop_map(|(step, layer, pass, at_ms)| {
        RunEvent::NonFiniteFound(NonFiniteFound { step: Step(step), layer, pass, time: At { at_ms } })
    });
    let moment = (any_step(), any_time())
        .prop_map(|(step, at_ms)| Moment { step: Step(step), time: At { at_ms } })
        .prop_flat_map(|m| prop_oneof![Just(RunEvent::Paused(m)), Just(RunEvent::Resumed(m))]);
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Stopped),
        Just(Outcome::Diverged),
        any::<String>().prop_map(|reason| Outcome::Failed { reason }),
    ];
    let finished = (any_step(), outcome, any_time()).prop_map(|(step, outcome, at_ms)| {
        RunEvent::LaneFinished(LaneFinished { step: Step(step), outcome, time: At { at_ms } })
    });
    let resumed = (proptest::option::of(".{0,20}"), any_time()).prop_map(|(checkpoint, at_ms)| {
        RunEvent::LaneResumed(LaneResumed {
            step: Step(0),
            checkpoint,
            changes: Vec::new(),
            time: At { at_ms },
        })
    });
    let lost = (any_step(), any_step(), any_step(), any_time()).prop_map(|(records, first, last, at_ms)| {
        let (first, last) = (Step(first), Step(last));
        RunEvent::RecordsLost(RecordsLost { records, first, last, time: At { at_ms } })
    });
    prop_oneof![
        4 => step,
        1 => resumed,
        1 => lost,
        2 => histograms,
        1 => evaluation,
        1 => checkpoint,
        1 => non_finite,
        1 => moment,
        1 => finished,
    ]
}

/// The events of a lane, its first event included.
pub(crate) fn any_events(most: usize) -> impl Strategy<Value = Vec<RunEvent>> {
    vec(any_event(), 0..most).prop_map(|mut events| {
        let mut last = 0;
        for event in &mut events {
            match event {
                RunEvent::StepFinished(step) => {
                    last += 1;
                    step.step = Step(last);
                }
                RunEvent::LaneResumed(resumed) => {
                    last /= 2;
                    resumed.step = Step(last);
                }
                _ => {}
            }
        }
        events.insert(0, lane_started("plain"));
        events
    })
}

/// Events as text that is equal where they are, NaN included.
pub(crate) fn shown(events: &[RunEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// A record of an event, as text, with its checksum and newline.
pub(crate) fn sealed(json: &str) -> String {
    let body = json.strip_suffix('}').unwrap();
    format!("{body},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(body.as_bytes()))
}

/// Writes a log and gives its bytes.
pub(crate) fn written(events: &[RunEvent], path: &Path) -> Vec<u8> {
    let _ = fs::remove_file(path);
    let mut writer = LogWriter::create(path).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

/// Everything in a log: the events, and how many lines were none.
fn read(bytes: &[u8]) -> (Vec<RunEvent>, usize, u64) {
    let mut reader = LogReader::new(bytes, Path::new("memory.jsonl"));
    let (mut events, mut others) = (Vec::new(), 0);
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            // What no record tells stands at no bytes.
            Entry::Event { bytes, .. } if bytes.is_empty() => {}
            Entry::Event { event, .. } => events.push(event),
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
        // The first record stands there twice, and each line is JSON with the checksum of what precedes it.
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
            // Those of the first are of both its copies, of which a reader takes one.
            let end = if at == 0 { range.end / 2 } else { range.end };
            prop_assert_eq!(&bytes, &(range.start..end));
            prop_assert_eq!(reader.position().offset(), end);
            prop_assert_eq!(format!("{:?}", read_record(&path, range).unwrap()), format!("{event:?}"));
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
        // Each hit spoils its own record alone; only what has no newline behind it may be waited for.
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
    let events = [lane_started("plain"), RunEvent::Paused(Moment { step: Step(0), time: At::default() })];
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
        // A second reader goes on from the same place, as one in another process would.
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

/// What becomes of one record that follows a good first event.
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
        if let RunEvent::LaneStarted(started) = &mut event {
            started.recorded = Some(recorded.iter().copied().map(LayerIdx).collect());
        }
        event
    };
    let step = |step: u64, layers: usize, blocks: usize| {
        RunEvent::StepFinished(StepFinished {
            step: Step(step),
            loss: 1.0,
            error: 0.5,
            learning_rate: 0.1,
            statistics: Columns::from_iter([
                (Statistic::ActivationStd, vec![1.0; layers]),
                (Statistic::BranchRatio, vec![1.0; blocks]),
            ]),
            time: Default::default(),
        })
    };
    let histograms = |step: u64, layers: usize| {
        let layers = vec![LayerHistograms::default(); layers];
        RunEvent::HistogramsTaken(HistogramsTaken { step: Step(step), layers, time: Default::default() })
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
            "expected histograms of 2 layers, found 4",
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
        (step(0, "{}"), "expected a step after 0, found 0"),
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
            "expected histograms of 4 layers, found 0",
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
    let Entry::Event { event: RunEvent::StepFinished(step), .. } =
        second_line(&sealed(&line.replace('\n', " ")))
    else {
        panic!("no step")
    };
    assert!(step.loss.is_nan() && step.statistics.is_empty());
}

#[test]
fn a_newer_format_is_refused() {
    let json = r#"{"lane_started":{"version":3,"everything":"different"}}"#;
    for line in [sealed(json), format!("{json}\n")] {
        let mut reader = LogReader::new(line.as_bytes(), Path::new("new.jsonl"));
        for _ in 0..2 {
            let error = reader.next_entry().unwrap_err();
            assert!(matches!(error, RunLogError::Newer { found: 3, .. }), "{error}");
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
    // And one that a record follows without a newline.
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
        assert_eq!((event.step(), bytes.start), (Step(3), bad.bytes.end));
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
