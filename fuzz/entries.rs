//! What each fuzz target does with its bytes; `tests/it/corpus.rs` does the same with the files of `fuzz/corpus`. An
//! entry passes the bytes to a parser, as if from an untrusted file, and panics unless the result is an error or a
//! valid value that the rest of the program can rely on.

use std::fs;
use std::path::Path;

use skiplane::app::specimen::Specimen;
use skiplane::app::{Action, Answer, App, Lane, LaneLabel, Need};
use skiplane::claims::{self, Rules, Subject, Verdict};
use skiplane::datasets::{self, Batch, Dataset, Examples, Inputs, NO_LABEL};
use skiplane::event::{Checksums, Declared, Kind};
use skiplane::experiment::{self, Available, Claim, Data, RuleText};
use skiplane::model::{self, NamedTensor, TensorData};
use skiplane::printable::is_printable;
use skiplane::reading;
use skiplane::reading::replay::Run;
use skiplane::runlog::{Entry, LogReader, Manifest, Notes, RunFolder, Status, parse_records};
use skiplane::runs_list::Filter;
use skiplane::sources;
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::trainer::{self, read_checkpoint, read_resumable};
use skiplane::units::LaneIdx;
use skiplane::views;
use skiplane::views::Format;

/// An entry with the name of its target and of its corpus.
pub(crate) type Named = (&'static str, fn(&[u8]));

/// All of them. A new parser is one line here, one function below, one target, and one folder of the corpus.
pub(crate) const ALL: &[Named] = &[
    ("log", log),
    ("index", index),
    ("manifest", manifest),
    ("status", status),
    ("notes", notes),
    ("experiment", experiment),
    ("sweep", sweep),
    ("rule", rule),
    ("filter", filter),
    ("idx", idx),
    ("cifar", cifar),
    ("csv", csv),
    ("text", text),
    ("checkpoint", checkpoint),
    ("source", source),
];

/// A lane's log: every byte is accounted for, and what is accepted can be folded and equals what serde_json parses.
/// Once as it is, once with the right checksum appended to each line, which a fuzzer cannot find by itself.
pub(crate) fn log(bytes: &[u8]) {
    read_log(bytes);
    let mut sealed = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let body = body(line.strip_suffix(b"\n").unwrap_or(line));
        sealed.extend_from_slice(body);
        sealed.extend_from_slice(format!(",\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(body)).as_bytes());
    }
    read_log(&sealed);
}

/// A line without its checksum, or without the brace that closes it.
fn body(line: &[u8]) -> &[u8] {
    const TRAILER: usize = 20;
    match line.len().checked_sub(TRAILER) {
        Some(at) if line[at..].starts_with(b",\"crc32\":\"") => &line[..at],
        _ => line.strip_suffix(b"}").unwrap_or(line),
    }
}

/// An event without the number of its record.
fn without_number(body: &[u8]) -> &[u8] {
    let digits = body.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match body[..body.len() - digits].strip_suffix(b",\"record\":") {
        Some(event) if digits > 0 => event,
        _ => body,
    }
}

fn read_log(bytes: &[u8]) {
    let mut reader = LogReader::new(bytes, Path::new("fuzz.jsonl"));
    let mut app = App::new(vec![LaneLabel { run: "fuzz".to_owned(), lane: "fuzz".to_owned() }]);
    let mut end = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        let place = match entry {
            Entry::Event { event, bytes: place } => {
                app.apply(LaneIdx(0), &event);
                if place.is_empty() {
                    // Not from a record, but from what surrounds its place.
                    assert!(matches!(event.kind, Kind::RecordsLost(_) | Kind::LaneResumed(_)), "{event:?}");
                    assert_eq!(place.end, reader.position().offset());
                    continue;
                }
                let line = &bytes[place.start as usize..place.end as usize];
                // With a blank it is not in the form that the fast parser reads.
                let event_alone = without_number(body(line.trim_ascii_end())).trim_ascii_start();
                let object = [b"{ ", &event_alone[1..], b"}"].concat();
                let (mut again, mut declared) = (None, reader.position().declared().clone());
                parse_records(&object, &mut declared, |event, _| again = Some(event))
                    .expect("an event is JSON");
                let mut event = event;
                if let Kind::LaneResumed(resumed) = &mut event.kind {
                    // What the reader found out of the other records.
                    resumed.from = None;
                }
                assert_eq!(format!("{:?}", Some(event)), format!("{again:?}"));
                place
            }
            Entry::Bad(bad) => {
                assert!(bad.line > 0);
                bad.bytes
            }
            Entry::UnknownKind { .. } => end..reader.position().offset(),
            Entry::Replaced { reason } => panic!("a slice was replaced: {reason}"),
        };
        assert!(end <= place.start && place.start < place.end, "{place:?} after {end}");
        assert_eq!(place.end, reader.position().offset());
        end = place.end;
    }
    assert!(reader.position().offset() + reader.torn_bytes() <= bytes.len() as u64);
}

/// The log of another program in any format: what is taken of it is folded, and names reach the screen without control
/// characters. Once as it is, and once as the content of a record with the right checksums, which a fuzzer cannot find by
/// itself.
pub(crate) fn source(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let length = (bytes.len() as u64).to_le_bytes();
    let masked =
        |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let event = [&length[..], &masked(&length), bytes, &masked(bytes)].concat();
    let cut = &bytes[..bytes.len().min(32_000)];
    let chunk = [&[1][..], cut].concat();
    let mut record = b":W&B\xe1\xbe\0".to_vec();
    record.extend(crc32fast::hash(&chunk).to_le_bytes());
    record.extend((cut.len() as u16).to_le_bytes());
    record.extend(&chunk);
    for (name, bytes) in [
        ("raw.tfevents", bytes),
        ("framed/raw.tfevents", &event),
        ("raw.wandb", bytes),
        ("framed.wandb", &record),
        ("metrics.csv", bytes),
        ("metrics.jsonl", bytes),
        ("trainer_state.json", bytes),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        let Ok(found) = sources::find(&path, &sources::Reading::default()) else { continue };
        let Ok(opened) = reading::open_runs(&[Run::Foreign(found)]) else { continue };
        let mut app = opened.app;
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        for view in &views::kinds() {
            app.act(Action::SelectView(*view));
            let frame = views::snapshot(&app, (80, 24), &theme, Format::Text);
            assert!(frame.lines().all(is_printable), "{frame:?}");
        }
    }
}

/// The sections of a lane's index, without the checksums, which a fuzzer cannot find: what is accepted can be drawn and
/// folded further.
pub(crate) fn index(bytes: &[u8]) {
    index_is_taken(bytes);
}

/// As [`index`]; returns whether the sections were accepted.
pub(crate) fn index_is_taken(bytes: &[u8]) -> bool {
    let specimen = Specimen { steps: 12, ..Specimen::new("plain", 8, "none") };
    let events = specimen.events();
    let Some(first) = events.first() else { return false };
    let mut declared = Declared::default();
    declared.note(first).expect("known metrics");
    let Kind::LaneStarted(started) = first.kind.clone() else { return false };
    let sections = sections(bytes);
    let read = |name: &str| sections.iter().find(|(own, _)| own == name).map(|(_, bytes)| bytes.clone());
    let label = LaneLabel { run: "fuzz".to_owned(), lane: "plain".to_owned() };
    let Some(lane) = Lane::from_sections(LaneIdx(0), label, *started, declared, &read) else { return false };
    let mut app = App::of_lanes(vec![lane]);
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
    let draw = |app: &mut App| {
        for view in &views::kinds() {
            app.act(Action::SelectView(*view));
            views::snapshot(app, (80, 24), &theme, Format::Text);
        }
    };
    // A lane with pending histories can be drawn, and answers fit in.
    draw(&mut app);
    let pending = app.lanes()[0].saved_histories();
    for key in pending {
        let lane = &app.lanes()[0];
        let bytes = lane.section_of(key).and_then(|name| read(&name));
        let Some(history) = bytes.and_then(|bytes| lane.history_from(key, &bytes)) else { return false };
        app.answer(Answer::History { lane: LaneIdx(0), key, history });
    }
    let needs = views::needs(&app);
    assert!(!needs.iter().any(|need| matches!(need, Need::History { .. })));
    draw(&mut app);
    app.act(Action::MoveStep(-3));
    draw(&mut app);
    events.iter().skip(1).for_each(|event| app.apply(LaneIdx(0), event));
    draw(&mut app);
    true
}

/// Sections one after the other: the length of the name (1 byte), the name, the length of the rest (2 bytes), the rest.
fn sections(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut sections = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let Some((name, rest)) = rest.split_at_checked(usize::from(length)) else { break };
        let Some((length, rest)) = rest.split_first_chunk() else { break };
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        sections.push((String::from_utf8_lossy(name).into_owned(), part.to_vec()));
        bytes = rest;
    }
    sections
}

/// A run's `run.json`: no file that it names lies outside the folder.
pub(crate) fn manifest(bytes: &[u8]) {
    in_folder(&[(Manifest::FILE, bytes)], |folder| {
        if let Ok(run) = RunFolder::open(folder) {
            for lane in 0..run.manifest().lanes.len() {
                let log = run.log(LaneIdx(lane)).unwrap_or_default();
                assert_eq!(log.parent(), Some(folder), "{}", log.display());
            }
        }
    });
}

/// A run's `status.json`.
pub(crate) fn status(bytes: &[u8]) {
    in_folder(&[("status.json", bytes)], |folder| drop(Status::read(folder)));
}

/// A run's notes.
pub(crate) fn notes(bytes: &[u8]) {
    in_folder(&[(Notes::FILE, bytes)], |folder| drop(Notes::read(folder)));
}

/// An experiment: an accepted one is accepted again after writing it back.
pub(crate) fn experiment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (datasets, architectures) = (datasets::available(), model::available());
    let available = Available { datasets, architectures, probes: trainer::probes() };
    if let Ok(read) = experiment::parse(text, "fuzz.toml", &available, &[]) {
        let again = read.to_toml().expect("an accepted experiment can be written");
        let again = experiment::parse(&again, "again.toml", &available, &[]);
        assert_eq!(again.expect("what was written is accepted"), read);
    }
}

/// A sweep: each of its experiments is accepted alone, and the rules of its claim can be read and judged.
pub(crate) fn sweep(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (datasets, architectures) = (datasets::available(), model::available());
    let available = Available { datasets, architectures, probes: trainer::probes() };
    let Ok(sweep) = experiment::expand(text, "fuzz.toml", &available, &[]) else { return };
    assert!(experiment::is_sweep(text));
    // A sweep may have thousands.
    for point in sweep.points.iter().take(8) {
        assert_eq!(point.values.len(), sweep.keys.len());
        let alone = point.checked.experiment.to_toml().expect("an accepted experiment can be written");
        let alone = experiment::parse(&alone, "alone.toml", &available, &[]);
        assert_eq!(alone.expect("what was written is accepted"), point.checked.experiment);
    }
    let experiments = sweep.points.iter().map(|point| &point.checked.experiment);
    let subjects: Vec<Subject> = experiments.flat_map(Subject::all_of).collect();
    if let Some(claim) = &sweep.claim {
        judge(claim, &subjects);
    }
}

/// A rule of a claim about the lanes of a specimen, one of which diverged.
pub(crate) fn rule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lanes = [None, Some(5)].map(|diverges_at| {
        let specimen = Specimen { steps: 12, diverges_at, ..Specimen::new("plain", 8, "none") };
        let mut lane = Lane::new(LaneIdx(0), LaneLabel { run: "fuzz".to_owned(), lane: "plain".to_owned() });
        specimen.events().iter().for_each(|event| lane.apply(event, None));
        lane
    });
    let experiment = lanes[0].experiment().expect("a specimen has one");
    let subjects = Subject::all_of(experiment);
    let text = RuleText { rule: text.to_owned(), ..RuleText::default() };
    let claim = Claim { confirm: vec![text.clone()], refute: vec![text], ..Claim::default() };
    if let Some(rules) = judge(&claim, &subjects) {
        let [lane] = <[Subject; 1]>::try_from(subjects).expect("a specimen is one lane");
        let (verdict, _) = claims::judge(&rules, &lanes.map(|measured| (lane.clone(), Some(measured))));
        // What it confirms, it refutes as well.
        assert_ne!(verdict, Verdict::Confirmed);
    }
}

/// The rules of a claim, if they are accepted. Before anything was trained, they show nothing or hold for any lanes; what
/// is refused can be printed.
fn judge(claim: &Claim, subjects: &[Subject]) -> Option<Rules> {
    match Rules::of(claim, subjects) {
        Ok(rules) => {
            let nothing = subjects.iter().map(|subject| (subject.clone(), None::<Lane>));
            let (_, judged) = claims::judge(&rules, &nothing.collect::<Vec<_>>());
            assert_eq!(judged.map(|rules| rules.len()), [claim.confirm.len(), claim.refute.len()]);
            Some(rules)
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.to_string().lines().all(is_printable), "{problem}");
            }
            None
        }
    }
}

/// A filter of the runs browser.
pub(crate) fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = text.parse::<Filter>() {
        assert!(!error.to_string().is_empty());
    }
}

/// A folder of IDX files. The first two bytes split the others between images and labels.
pub(crate) fn idx(bytes: &[u8]) {
    let Some((&[low, high], rest)) = bytes.split_first_chunk() else { return };
    let (images, labels) = rest.split_at((usize::from(low) | usize::from(high) << 8).min(rest.len()));
    let names = ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"].map(|name| (name, images));
    let other = ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"].map(|name| (name, labels));
    in_folder(&[names, other].concat(), |folder| load("idx", folder));
    // Compressed, if these bytes are.
    let names = ["train-images.gz", "t10k-images.gz"].map(|name| (name, images));
    let other = ["train-labels.gz", "t10k-labels.gz"].map(|name| (name, labels));
    in_folder(&[names, other].concat(), |folder| load("idx", folder));
}

/// A folder of CIFAR-10's binary files.
pub(crate) fn cifar(bytes: &[u8]) {
    let names = ["data_batch_1.bin", "test_batch.bin"];
    in_folder(&names.map(|name| (name, bytes)), |folder| load("cifar10", folder));
}

/// A table.
pub(crate) fn csv(bytes: &[u8]) {
    in_folder(&[("table.csv", bytes)], |folder| load("csv", &folder.join("table.csv")));
}

/// A text.
pub(crate) fn text(bytes: &[u8]) {
    in_folder(&[("text.txt", bytes)], |folder| load("text", &folder.join("text.txt")));
}

/// A checkpoint, for both network and optimiser. A valid one with a flipped bit is rejected.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let names = ["fuzz-00000001.safetensors", "fuzz-00000001.optimizer.safetensors"];
    in_folder(&names.map(|name| (name, bytes)), |folder| {
        let path = folder.join(names[0]);
        if let Ok(read) = read_checkpoint(&path) {
            let values = |tensor: &NamedTensor| match &tensor.data {
                TensorData::F32(values) => values.len(),
                TensorData::I64(values) => values.len(),
            };
            assert!(read.state.iter().all(|tensor| values(tensor) <= bytes.len() / 4));

            let checksum = crc32fast::hash(bytes);
            let checksums = Some(Checksums { network: checksum, optimizer: checksum });
            let resume = || read_resumable(&path, &read.lane, read.step, checksums);
            // As text, because NaN equals nothing.
            assert_eq!(format!("{:?}", resume().expect("it is as it was written")), format!("{read:?}"));
            let (mut flipped, bit) = (bytes.to_vec(), checksum as usize % (8 * bytes.len()));
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.join(names[bit % 2]), flipped).expect("a file in it");
            assert!(resume().is_err(), "bit {bit} was flipped");
        }
    });
}

/// A data set from a folder or a file: what it says of itself is true, and can be printed.
fn load(name: &str, path: &Path) {
    let data = Data { path: Some(path.to_owned()), ..Data::named(name) };
    match datasets::load(&data, 0) {
        Err(error) => assert!(is_printable(&error.to_string()), "{error}"),
        Ok(dataset) => {
            assert!(dataset.classes.iter().all(|class| is_printable(class)));
            for split in [&dataset.train, &dataset.test] {
                check_split(&dataset, split);
            }
        }
    }
}

/// Whole examples with valid labels, and a batch of them with nothing that is not finite.
fn check_split(dataset: &Dataset, split: &Examples) {
    let is_class = |label: u16| usize::from(label) < dataset.classes.len();
    assert!(split.labels.iter().all(|&label| is_class(label) || label == NO_LABEL));
    let (mut batch, examples) = (Batch::default(), split.len().min(9));
    dataset.evaluation_batch(split, 0..examples, &mut batch);
    let values = match &batch.inputs {
        Inputs::Numbers(numbers) => {
            assert!(numbers.iter().all(|number| number.is_finite()) && !batch.labels.contains(&NO_LABEL));
            numbers.len()
        }
        Inputs::Tokens(tokens) => {
            assert!(tokens.iter().all(|&token| is_class(token)) && tokens.len() == batch.labels.len());
            tokens.len()
        }
    };
    assert_eq!(values, examples * dataset.shape.len());
}

/// Writes files into a temporary folder, which is removed at the end.
fn in_folder(files: &[(&str, &[u8])], look: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file in it");
    }
    look(folder.path());
}
