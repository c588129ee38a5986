//! Damage to a log costs only the records that it hits, and is reported.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use skiplane::event::*;
use skiplane::metric::known;
use skiplane::reading::effective;
use skiplane::runlog::{BadRecord, Entry, LogReader, LogWriter, Position, RunLogError};
use skiplane::units::Step;

use crate::replay::scalars;
use crate::runlog::{as_written, experiment, lane_started, sealed, shown, written};

fn step(step: u64) -> RunEvent {
    let std = vec![f32::NAN, 1.0 / step as f32, f32::INFINITY, 0.5];
    let values = scalars(2.5 / step as f32).and(Values::from_iter([(known::ACTIVATION_STD, std)]));
    let time =
        Time { at_ms: step as f64 * 10.0, step_ms: Some(10.0), statistics_ms: Some(0.25), ..Time::default() };
    RunEvent { step: Step(step), time, kind: Kind::Measured(values) }
}

fn paused(step: u64) -> RunEvent {
    RunEvent::new(Step(step), 1.0, Kind::Paused)
}

fn resumed(step: u64) -> RunEvent {
    RunEvent::new(Step(step), 1.0, Kind::LaneResumed(LaneResumed::default()))
}

/// A small log with records of several kinds, one of which rewinds the steps.
fn events() -> Vec<RunEvent> {
    vec![lane_started("plain"), step(1), step(2), paused(2), step(3), resumed(1), step(2), step(3)]
}

fn bytes_of(events: &[RunEvent]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    written(events, &folder.path().join("plain.jsonl"))
}

/// The bytes of each record, newlines included.
fn records(bytes: &[u8]) -> Vec<Range<usize>> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.scan(0, |start, end| Some(std::mem::replace(start, end)..end)).collect()
}

/// Everything read from a log.
#[derive(Debug, Default)]
struct Found {
    events: Vec<RunEvent>,
    places: Vec<Range<u64>>,
    /// Records missing by the numbers of their neighbours.
    missing: u64,
    /// Missing records inferred from steps that go back.
    resumed: Vec<(Step, LaneResumed)>,
    unknown: usize,
    bad: Vec<BadRecord>,
    torn: u64,
}

fn read(bytes: &[u8]) -> Found {
    let mut reader = LogReader::new(bytes, Path::new("memory.jsonl"));
    let mut found = Found::default();
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Event { event, bytes } if !bytes.is_empty() => {
                found.events.push(as_written(event));
                found.places.push(bytes);
            }
            Entry::Event { event: RunEvent { step, kind, .. }, .. } => match kind {
                Kind::RecordsLost(lost) => found.missing += lost.records,
                Kind::LaneResumed(resumed) => found.resumed.push((step, resumed)),
                other => panic!("{other:?}"),
            },
            Entry::UnknownKind { .. } => found.unknown += 1,
            Entry::Bad(bad) => found.bad.push(bad),
            Entry::Replaced { reason } => panic!("{reason}"),
        }
    }
    found.torn = reader.torn_bytes();
    assert_eq!(reader.position().offset() + found.torn, bytes.len() as u64, "bytes were passed over");
    found
}

/// The events that must be left if the records with these numbers, counting the copy of the first, are lost.
fn without(events: &[RunEvent], lost: &[usize]) -> Vec<RunEvent> {
    let start = if lost.contains(&0) && lost.contains(&1) { &[][..] } else { &events[..1] };
    let rest = events.iter().enumerate().skip(1).filter(|(at, _)| !lost.contains(&(at + 1)));
    start.iter().chain(rest.map(|(_, event)| event)).cloned().collect()
}

#[test]
fn cut_at_any_byte_a_log_loses_only_the_record_that_was_cut() {
    let events = events();
    let bytes = bytes_of(&events);
    let records = records(&bytes);
    assert_eq!(records.len(), events.len() + 1);
    for cut in 0..=bytes.len() {
        let found = read(&bytes[..cut]);
        let whole = records.iter().filter(|record| record.end <= cut).count();
        let lost: Vec<usize> = (whole..records.len()).collect();
        assert_eq!(shown(&found.events), shown(&without(&events, &lost)), "cut at {cut}");
        let start = records[..whole].last().map_or(0, |record| record.end);
        assert_eq!((found.bad.len(), found.torn), (0, (cut - start) as u64), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_its_record_alone_and_is_reported() {
    let events = events();
    let bytes = bytes_of(&events);
    for (number, record) in records(&bytes).into_iter().enumerate() {
        // Every byte with one of its bits, and every bit of the bytes around the places that matter most.
        let matters = |at: usize| at < record.start + 24 || at + 24 > record.end;
        let all = record.clone().flat_map(|at| (0..8).map(move |bit| (at, bit)));
        for (at, bit) in all.filter(|&(at, bit)| matters(at) || bit == at % 8) {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let found = read(&broken);
            let context = format!("bit {bit} of byte {at} in record {number}: {:?}", found.bad);
            let newline = at + 1 == record.end;
            let lost: &[usize] = if newline { &[] } else { &[number] };
            if at + 1 == bytes.len() {
                // Without its newline the last record may still be in the middle of being written.
                assert_eq!(shown(&found.events), shown(&events[..events.len() - 1]), "{context}");
                assert_eq!(found.torn, record.len() as u64, "{context}");
                continue;
            }
            assert_eq!(shown(&found.events), shown(&without(&events, lost)), "{context}");
            // One of two copies is not missed, nor a record that none follows.
            let missed = !newline && number > 1 && number < events.len();
            assert_eq!(found.missing, u64::from(missed), "{context}");
            assert!(!found.bad.is_empty() && found.torn == 0, "{context}");
            // What is reported is the record, or the newline, and nothing more.
            let reported = found.bad.first().unwrap().bytes.start..found.bad.last().unwrap().bytes.end;
            let place =
                if newline { at as u64..at as u64 + 1 } else { record.start as u64..record.end as u64 };
            assert_eq!(reported, place, "{context}");
            assert_eq!(found.bad[0].line, number as u64 + 1, "{context}");
        }
    }
}

#[test]
fn zeroed_blocks_cost_the_records_that_they_touch() {
    let events: Vec<RunEvent> = [lane_started("plain")].into_iter().chain((1..=80).map(step)).collect();
    let bytes = bytes_of(&events);
    let records = records(&bytes);
    const BLOCK: usize = 4096;
    assert!(bytes.len() > 4 * BLOCK, "{}", bytes.len());
    for start in (0..bytes.len() - BLOCK).step_by(512) {
        let zeroed = start..start + BLOCK;
        let mut broken = bytes.clone();
        broken[zeroed.clone()].fill(0);
        let found = read(&broken);
        let touched = |record: &Range<usize>| record.start < zeroed.end && zeroed.start < record.end;
        let lost: Vec<usize> = (0..records.len()).filter(|&at| touched(&records[at])).collect();
        let mut left = without(&events, &lost);
        // A record without its newline is not lost; at the very end it is torn.
        let last_touched = records[..=lost[lost.len() - 1]].last().unwrap();
        let first_touched = &records[lost[0]];
        if first_touched.end == zeroed.start + 1 {
            left = without(&events, &lost[1..]);
        }
        if lost.contains(&0) && lost.contains(&1) {
            assert_eq!(found.events, []);
            continue;
        }
        assert_eq!(shown(&found.events), shown(&left), "zeros from {start}");
        assert!(found.bad.len() == 1 && found.torn == 0, "zeros from {start}: {:?}", found.bad);
        assert!(found.bad[0].reason.contains("4096 zero bytes") || first_touched.end == zeroed.start + 1);
        assert_eq!(found.bad[0].bytes.end, last_touched.end as u64);
    }
}

/// A log whose records are rearranged, by their numbers from 1; the first is there twice.
fn arranged(bytes: &[u8], order: &[usize]) -> Found {
    let records = records(bytes);
    read(&order.iter().flat_map(|number| bytes[records[*number].clone()].to_vec()).collect::<Vec<_>>())
}

#[test]
fn deleted_records_are_missed_unless_the_log_says_that_they_are_lost() {
    let lost = |records, first, last| {
        let kind = Kind::RecordsLost(RecordsLost { records, first: Step(first) });
        RunEvent::new(Step(last), 1.0, kind)
    };
    let events = [lane_started("plain"), step(1), step(2), step(3), lost(2, 2, 3), step(4)];
    let bytes = bytes_of(&events);
    let all = arranged(&bytes, &[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((all.missing, all.bad.len(), all.events.len()), (0, 0, 6));
    let explained = arranged(&bytes, &[0, 1, 2, 5, 6]);
    assert_eq!((explained.missing, explained.bad.len(), explained.events.len()), (0, 0, 4));
    let more = arranged(&bytes, &[0, 1, 5, 6]);
    assert_eq!((more.missing, more.bad.len(), more.events.len()), (1, 0, 3));
    let unexplained = arranged(&bytes, &[0, 1, 2, 6]);
    assert_eq!((unexplained.missing, unexplained.bad.len()), (3, 0));
}

#[test]
fn a_record_that_was_moved_or_repeated_costs_itself_alone() {
    let events: Vec<RunEvent> = [lane_started("plain")].into_iter().chain((1..=9).map(step)).collect();
    let bytes = bytes_of(&events);
    let steps = |found: &Found| found.events[1..].iter().map(|event| event.step.0).collect::<Vec<_>>();
    // Record n + 1 is of step n, because the first is there twice.
    let forward = arranged(&bytes, &[0, 1, 2, 9, 3, 4, 5, 6, 7, 8, 10]);
    assert_eq!((steps(&forward), forward.missing), (vec![1, 2, 3, 4, 5, 6, 7, 9], 1));
    assert_eq!(forward.bad[0].reason, "expected record 3, found record 9, which is out of place");
    let back = arranged(&bytes, &[0, 1, 2, 4, 5, 6, 3, 7, 8, 9, 10]);
    assert_eq!((steps(&back), back.missing, back.bad.len()), (vec![1, 3, 4, 5, 6, 7, 8, 9], 1, 1));
    let twice = arranged(&bytes, &[0, 1, 2, 3, 4, 2, 3, 5, 6, 7, 8, 9, 10]);
    assert_eq!((steps(&twice), twice.missing, twice.bad.len()), ((1..=9).collect(), 0, 2));
}

#[test]
fn a_lost_resumption_is_known_from_steps_that_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let file = "checkpoints/plain-00000002.safetensors".to_owned();
    let written = CheckpointWritten { file: file.clone(), checksums: Default::default() };
    let resumed = LaneResumed { checkpoint: Some(file.clone()), ..LaneResumed::default() };
    let whole = [
        lane_started("plain"),
        step(1),
        step(2),
        RunEvent::new(Step(2), 1.0, Kind::CheckpointWritten(written)),
        step(3),
        step(4),
        RunEvent::new(Step(2), 1.0, Kind::LaneResumed(resumed)),
        step(3),
        step(4),
        step(5),
    ];
    let bytes = bytes_of(&whole);
    let place = records(&bytes)[7].clone();
    let mut flipped = bytes.clone();
    flipped[place.start + 20] ^= 1;
    let deleted = [&bytes[..place.start], &bytes[place.end..]].concat();
    for damaged in [flipped, deleted] {
        fs::write(&path, &damaged).unwrap();
        let mut steps = Vec::new();
        effective(&path, |event, bytes| {
            if !bytes.is_empty() && matches!(event.kind, Kind::Measured(_)) {
                steps.push(event.step.0);
            }
        })
        .unwrap();
        assert_eq!(steps, [1, 2, 3, 4, 5]);
        let found = read(&damaged);
        assert_eq!((found.missing, found.resumed.len()), (1, 1));
        let (step, again) = &found.resumed[0];
        assert_eq!((*step, again.checkpoint.as_ref()), (Step(2), Some(&file)));
    }
}

#[test]
fn zeros_at_the_end_are_torn() {
    let events = events();
    let mut bytes = bytes_of(&events);
    let whole = bytes.len();
    bytes.resize(whole + 3 * 4096, 0);
    let found = read(&bytes);
    assert_eq!(shown(&found.events), shown(&events));
    assert_eq!((found.bad.len(), found.torn), (0, 3 * 4096));
    // With a record after them they are bad, and the record is read.
    bytes.extend_from_slice(sealed(&serde_json::to_string(&step(4)).unwrap()).as_bytes());
    let found = read(&bytes);
    assert_eq!(shown(&found.events), shown(&[events, vec![step(4)]].concat()));
    assert_eq!(found.bad.len(), 1);
    assert_eq!(found.bad[0].bytes, whole as u64..whole as u64 + 3 * 4096);
    assert_eq!(found.bad[0].reason, "expected a record, found one with 12288 zero bytes");
}

#[test]
fn a_whole_record_behind_a_torn_one_is_read() {
    let events = events();
    let bytes = bytes_of(&events);
    let records = records(&bytes);
    for cut in 1..records[4].len() {
        let torn = records[4].start..records[4].start + cut;
        let log = [&bytes[..torn.end], &bytes[records[5].clone()]].concat();
        let found = read(&log);
        let expected = [&events[..3], &events[4..5]].concat();
        if cut == records[4].len() - 1 {
            assert_eq!(shown(&found.events), shown(&events[..5]), "only the newline was lost");
            continue;
        }
        assert_eq!(shown(&found.events), shown(&expected), "torn after {cut} bytes");
        assert_eq!(found.bad.len(), 1);
        assert_eq!(found.bad[0].bytes, torn.start as u64..torn.end as u64);
    }
}

#[test]
fn a_damaged_start_costs_nothing_while_its_copy_is_whole() {
    let events = events();
    let bytes = bytes_of(&events);
    let first = records(&bytes)[0].clone();
    for lost in [first.clone(), first.start + first.len()..first.end + first.len()] {
        let mut broken = bytes.clone();
        broken[lost.start + 9..lost.end - 30].fill(b'#');
        let found = read(&broken);
        assert_eq!(shown(&found.events), shown(&events));
        assert_eq!(found.bad.len(), 1);
    }
    // Without its start, each record of a log is reported as unreadable.
    let found = read(&bytes[2 * first.len()..]);
    assert_eq!((found.events.len(), found.bad.len()), (0, events.len() - 1));
    assert!(found.bad.iter().all(|bad| bad.reason.starts_with("expected `lane_started` first")));
}

/// Lines as the first formats had them, without checksums.
fn earlier_log(version: u32) -> Vec<String> {
    let shape = serde_json::json!({"channels": 4, "height": 16, "width": 16});
    let layer = |name: &str, kind: &str, block: Option<u32>, depth: u32| {
        serde_json::json!({"name": name, "kind": kind, "block": block, "depth": depth, "output": shape,
            "parameters": 152, "multiply_adds": 36864})
    };
    let topology = serde_json::json!({
        "input": {"channels": 1, "height": 16, "width": 16},
        "classes": 10,
        "layers": [
            layer("conv1", "stem", None, 1),
            layer("layer1.0.conv1", "convolution", Some(0), 2),
            layer("layer1.0.conv2", "convolution", Some(0), 3),
            layer("linear", "head", None, 4),
        ],
        "blocks": [{"name": "layer1.0", "stage": 1, "shortcut": "identity", "layers": [1, 2]}],
    });
    let started = serde_json::json!({"lane_started": {
        "version": version, "lane": "plain", "experiment": experiment(&["plain"]), "topology": topology,
        "train_images": 64, "test_images": 32, "initial_weights": "00ff", "batch_order": "ff00", "time": {"at_ms": 1.5},
    }});
    let step = r#"{"step_finished":{"step":1,"loss":2.5,"error":0.5,"learning_rate":0.1,"statistics":{"activation_std":["NaN",1.0,0.25,0.5]},"time":{"at_ms":10.0,"step_ms":10.0,"statistics_ms":0.25}}}"#;
    let paused = r#"{"paused":{"step":1,"time":{"at_ms":1.0}}}"#;
    [started.to_string().as_str(), step, paused].map(|line| format!("{line}\n")).to_vec()
}

#[test]
fn a_log_of_format_1_needs_no_checksums() {
    let lines = earlier_log(1);
    let found = read(lines.concat().as_bytes());
    let Kind::LaneStarted(started) = &found.events[0].kind else { panic!("{:?}", found.events[0]) };
    assert_eq!((started.lane.as_str(), started.steps, found.bad.len()), ("plain", Some(6), 0));
    let values = [scalars(2.5), Values::from_iter([(known::ACTIVATION_STD, vec![f32::NAN, 1.0, 0.25, 0.5])])];
    let [scalars, columns] = values;
    let time = Time { at_ms: 10.0, step_ms: Some(10.0), statistics_ms: Some(0.25), ..Time::default() };
    let step = RunEvent { step: Step(1), time, kind: Kind::Measured(scalars.and(columns)) };
    assert_eq!(shown(&found.events[1..]), shown(&[step, paused(1)]));
    let found = read([&lines[0], "nonsense\n", &lines[1], &lines[0]].concat().as_bytes());
    assert_eq!(found.events.len(), 2);
    let reasons: Vec<&str> = found.bad.iter().map(|bad| bad.reason.as_str()).collect();
    assert_eq!(reasons, ["expected ident at column 2", "expected one `lane_started`, found a second"]);
    // A start that claims checksums but has none is not a start.
    let found = read(earlier_log(2).concat().as_bytes());
    assert_eq!((found.events.len(), found.bad.len()), (0, 3));
}

#[test]
fn newer_versions_are_refused_only_where_they_are_meant() {
    let start = serde_json::to_string(&lane_started("plain")).unwrap();
    let newer = start.replace("\"version\":3", "\"version\":4");
    let refused = |log: &str| {
        let mut reader = LogReader::new(log.as_bytes(), Path::new("memory.jsonl"));
        matches!(reader.next_entry(), Err(RunLogError::Newer { found: 4, .. }))
    };
    assert!(refused(&sealed(&newer)));
    // The version alone is damaged.
    let broken = sealed(&start).replace("\"version\":3", "\"version\":4");
    assert!(!refused(&broken));
    let found =
        read((broken + &sealed(&start) + &sealed(&serde_json::to_string(&step(1)).unwrap())).as_bytes());
    assert_eq!((found.events.len(), found.bad.len()), (2, 1));
}

#[test]
fn hostile_lines_cost_neither_time_nor_stack() {
    let start = sealed(&serde_json::to_string(&lane_started("plain")).unwrap());
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let cases = [
        (format!("{{\"paused\":{}}}", deep("[", "]")), 0),
        (format!("{{\"paused\":{}}}", deep("{\"a\":", "}").replacen("}", "1}", 1)), 0),
        (format!("{{\"step_finished\":{{\"statistics\":{}}}}}", deep("[", "]")), 0),
        (format!("{{\"newer\":{}}}", deep("[", "]")), 1),
        (format!("{{\"{}\":1}}", "long".repeat(100)), 0),
        (r#"{"step_finished":{"step":1e400}}"#.to_owned(), 0),
        (r#"{"step_finished":{"step":-1}}"#.to_owned(), 0),
        (r#"{"step_finished":{"step":18446744073709551616}}"#.to_owned(), 0),
        (r#"{"step_finished":["step",1]}"#.to_owned(), 0),
        (r#"{"histograms_taken":{"step":1,"layers":[{"activations":{"first":256}}]}}"#.to_owned(), 0),
        (r#"{"lane_finished":{"step":1,"outcome":{"failed":{"reason":7}}}}"#.to_owned(), 0),
        (r#"{"lane_finished":"completed"}"#.to_owned(), 0),
    ];
    for (json, unknown) in cases {
        let log = format!("{start}{}{}", sealed(&json), sealed(&serde_json::to_string(&step(1)).unwrap()));
        let found = read(log.as_bytes());
        let shown = json.chars().take(40).collect::<String>();
        assert_eq!(
            (found.events.len(), found.unknown, found.bad.len()),
            (2, unknown, 1 - unknown),
            "{shown}"
        );
    }
    // A line full of what looks like records but isn't.
    let fake = "{\"paused\":{},\"crc32\":\"00000000\"}".repeat(200_000);
    let found =
        read(format!("{start}{fake}\n{}", sealed(r#"{"paused":{"step":1,"time":{"at_ms":0}}}"#)).as_bytes());
    assert_eq!((found.events.len(), found.bad.len()), (2, 1));
}

#[test]
fn a_position_is_saved_and_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let events = events();
    written(&events, &path);
    let (mut position, mut seen) = (Position::default(), Vec::new());
    loop {
        let mut reader = LogReader::open_at(&path, position.clone()).unwrap();
        let Some(entry) = reader.next_entry().unwrap() else { break };
        let Entry::Event { event, .. } = entry else { panic!("{entry:?}") };
        seen.push(as_written(event));
        let saved = serde_json::to_string(reader.position()).unwrap();
        position = serde_json::from_str(&saved).unwrap();
        assert_eq!(&position, reader.position());
    }
    assert_eq!(shown(&seen), shown(&events));
    // A different log of the same length is not continued.
    let other: Vec<RunEvent> = events.iter().cloned().chain([step(4)]).collect();
    let other = bytes_of(&[&other[..1], &other[2..]].concat());
    fs::write(&path, [other, vec![b'\n'; 4096]].concat()).unwrap();
    let error = LogReader::open_at(&path, position).unwrap_err().to_string();
    assert!(error.contains("it was replaced"), "{error}");
}

#[test]
fn a_followed_log_that_is_replaced_or_cut_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let replaced = |reader: &mut LogReader<fs::File>| {
        matches!(reader.next_entry().unwrap(), Some(Entry::Replaced { .. }))
    };
    let follow = || {
        written(&events(), &path);
        let mut reader = LogReader::open(&path).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            assert!(matches!(entry, Entry::Event { .. }), "{entry:?}");
        }
        reader
    };
    let mut cut = follow();
    fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    assert!(replaced(&mut cut) && replaced(&mut cut));

    let mut another = follow();
    let old = folder.path().join("old.jsonl");
    fs::rename(&path, &old).unwrap();
    assert!(another.next_entry().unwrap().is_none(), "a file that is away may come back");
    fs::copy(&old, &path).unwrap();
    assert!(replaced(&mut another));
    fs::rename(&old, &path).unwrap();
    assert!(another.next_entry().unwrap().is_none(), "it came back");

    let mut rewritten = follow();
    fs::write(&path, vec![b'\n'; 1 << 20]).unwrap();
    assert!(replaced(&mut rewritten));
}

#[test]
fn a_torn_end_that_is_cut_and_written_anew_is_read_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let start = bytes_of(&events()[..2]);
    fs::write(&path, &start).unwrap();
    let mut reader = LogReader::open(&path).unwrap();
    while reader.next_entry().unwrap().is_some() {}
    // Part of a record is written, then the disk is full.
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"{\"step_finished\":{\"step\":2,\"loss\"").unwrap();
    assert_eq!(reader.next_entry().unwrap(), None);
    assert!(reader.torn_bytes() > 0);
    let mut writer = LogWriter::reopen(&path, start.len() as u64).unwrap();
    writer.append(&paused(2)).unwrap();
    let Some(Entry::Event { event, .. }) = reader.next_entry().unwrap() else { panic!("no event") };
    assert_eq!(event, paused(2));
    assert_eq!((reader.next_entry().unwrap(), reader.torn_bytes()), (None, 0));
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("plain.jsonl");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    let error = LogReader::open(&link).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
    assert!(LogReader::open(folder.path()).is_err());
}

#[test]
fn a_log_that_is_written_on_loses_its_torn_end_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.jsonl");
    let events = events();
    let bytes = bytes_of(&events);
    let last = records(&bytes).pop().unwrap();
    for end in last.start..=bytes.len() {
        fs::write(&path, &bytes[..end]).unwrap();
        let whole = read(&bytes[..end]);
        let length = bytes[..end].len() as u64 - whole.torn;
        let mut writer = LogWriter::reopen(&path, length).unwrap();
        writer.append(&paused(3)).unwrap();
        let kept = if end + 1 >= bytes.len() { &events[..] } else { &events[..events.len() - 1] };
        let found = read(&fs::read(&path).unwrap());
        assert_eq!(shown(&found.events), shown(&[kept, &[paused(3)]].concat()), "cut at {end}");
        assert_eq!((found.bad.len(), found.torn), (0, 0));
    }
}
