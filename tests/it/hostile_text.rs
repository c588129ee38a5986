//! Nothing from a file, a log, a socket or a file's name reaches the terminal as a command: runs every command of the
//! real binary on a run in which every text is hostile.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

use jiff::Timestamp;
use serde_json::Value;
use skiplane::event::*;
use skiplane::metric::{DeclarationText, Metric};
use skiplane::runlog::{NewRun, RunFolder};
use skiplane::units::{LaneIdx, LayerIdx, Step};

use crate::cli::skiplane;
use crate::replay::{finished, step};
use crate::runlog::{experiment, lane_started};

/// Colours, a title, a bell, a cleared screen, a C1 introducer, changes of direction, ends of lines; all but NUL and a
/// slash, which file names cannot contain.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{1b}c\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{feff}\u{2028}\u{7f}\u{8}\r\t\n";

/// Whether a text may reach a terminal: no control characters but newlines, and nothing that changes direction.
fn is_clean(text: &str) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}'];
    let is_turning = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') || turns.contains(&c);
    !text.contains(|c: char| (c.is_control() && c != '\n') || is_turning(c))
}

/// The text without colour sequences: a CSI of digits and semicolons that ends in `m`.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        match part.split_once('m') {
            Some((colour, rest)) if colour.chars().all(|c| c.is_ascii_digit() || c == ';') => {
                plain.push_str(rest)
            }
            _ => plain.extend(["\u{1b}[", part]),
        }
    }
    plain
}

fn hostile(name: &str) -> String {
    format!("{name}{HOSTILE}")
}

/// Makes every text of a JSON value hostile, except file names.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) => *text = format!("{text}{HOSTILE}\0"),
        Value::Array(values) => values.iter_mut().for_each(poison),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "log").for_each(|(_, value)| poison(value));
        }
        _ => {}
    }
}

/// An unknown metric of layers.
fn hostile_metric() -> Metric {
    let declaration = DeclarationText {
        name: hostile("entropy"),
        over: vec!["layer".to_owned()],
        unit: hostile("bits"),
        about: hostile("of attention"),
        ..DeclarationText::default()
    };
    Metric::declare(&declaration).unwrap()
}

/// The lane's beginning, with names of its own.
fn started(lane: &str) -> RunEvent {
    let mut event = lane_started(lane);
    let Kind::LaneStarted(started) = &mut event.kind else { unreachable!() };
    let provenance = started.provenance.as_mut().unwrap();
    provenance.experiment.question = hostile("why?");
    provenance.experiment.data.name = hostile("glyphs");
    provenance.experiment.lanes[0].architecture = hostile("resnet");
    provenance.initial_weights = hostile(lane);
    provenance.batch_order = hostile(lane);
    started.structure.layers.iter_mut().for_each(|layer| layer.name = hostile(&layer.name));
    started.structure.layers.iter_mut().for_each(|layer| layer.kind = hostile(&layer.kind));
    started.structure.blocks.iter_mut().for_each(|block| block.name = hostile(&block.name));
    started.declared.metrics.push(hostile_metric());
    event
}

/// A run in `runs/`, whose lanes end as given.
fn hostile_run(root: &Path, ends: [Outcome; 2]) -> PathBuf {
    let names = ["plain", "residual"].map(hostile);
    let mut experiment = experiment(&[&names[0], &names[1]]);
    experiment.question = hostile("why?");
    let run = NewRun {
        name: &hostile("name"),
        experiment: &experiment,
        instruction_set: hostile("avx"),
        threads: 1,
        command: vec![hostile("skiplane")],
        started: Timestamp::from_millisecond(1_795_436_170_250).unwrap(),
        sweep: None,
    };
    let run = RunFolder::create(&root.join("runs"), run).unwrap();
    for (index, (name, end)) in names.iter().zip(ends).enumerate() {
        let mut log = run.create_log(LaneIdx(index)).unwrap();
        log.append(&started(name)).unwrap();
        log.append(&step(1, f32::NAN)).unwrap();
        let found = NonFiniteFound { layer: Some(LayerIdx(2)), pass: Pass::Forward };
        let written = CheckpointWritten { file: hostile("checkpoints/x"), checksums: None };
        let values = Values::from_iter([(hostile_metric(), vec![0.5; 4])]);
        for kind in [Kind::NonFiniteFound(found), Kind::CheckpointWritten(written), Kind::Measured(values)] {
            log.append(&RunEvent::new(Step(1), 110.0, kind)).unwrap();
        }
        log.append(&finished(1, end)).unwrap();
        let log = run.log(LaneIdx(index)).unwrap();
        let kind = crate::runlog::sealed(&format!("{{\"{}\":{{\"step\":1}}}}", HOSTILE.escape_default()));
        let text = fs::read_to_string(&log).unwrap() + &kind + "{\"step_finished\":" + HOSTILE + "}\n";
        fs::write(log, text).unwrap();
    }
    let manifest = run.path().join("run.json");
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    poison(&mut json);
    fs::write(&manifest, json.to_string()).unwrap();
    let mut notes = serde_json::json!({"version": 1, "note": "note", "tags": ["a", "b"]});
    poison(&mut notes);
    fs::write(run.path().join("notes.json"), notes.to_string()).unwrap();
    let path = root.join("runs").join(hostile("name"));
    fs::rename(run.path(), &path).unwrap();
    path
}

/// Runs a command and returns its output, after checking that it is safe, except for colours if those are wanted.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = skiplane(folder, arguments);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for text in [&out, &err] {
        let text = if arguments.contains(&"ansi") { without_colours(text) } else { text.clone() };
        assert!(is_clean(&text), "{arguments:?}: {text:?}");
    }
    assert!(!(out.is_empty() && err.is_empty()), "{arguments:?} said nothing");
    out + &err
}

/// Asserts that a text contains the hostile one, whole.
fn assert_hostile(text: &str, name: &str) {
    assert!(text.contains(&hostile(name)), "{text:?}");
}

#[test]
fn a_hostile_run_is_shown_as_plain_text() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let run = hostile_run(folder, [Outcome::Failed { reason: hostile("disk full") }, Outcome::Completed]);
    let run = run.to_str().unwrap();
    let toml = format!("{run}/experiment.toml");
    let page = printed(folder, &["show", run]);
    assert!(
        page.contains("failed") && page.contains("disk full") && page.contains("name\u{fffd}[31m"),
        "{page}"
    );
    let table = printed(folder, &["runs", "--plain"]);
    assert!(table.contains("residual\u{fffd}[31m"), "{table}");
    for view in ["overview", "profile", "heatmap", "layer", "shortcut", "findings"] {
        for format in ["text", "ansi", "svg"] {
            printed(folder, &["snapshot", run, "--view", view, "--format", format, "--size", "200x50"]);
        }
    }
    let (wrong, nowhere) = (hostile("x"), hostile("./nowhere"));
    let commands: &[&[&str]] = &[
        &["attach", run],
        &["review", run],
        &["control", run, "pause"],
        &["train", "--resume", run, "--headless"],
        &["train", &toml, "--headless"],
        &["check", &toml],
        &["check", &nowhere],
        &["check", "--set", &wrong],
        &["show", &wrong],
        &["show", &nowhere],
        &["show", "latest", "--runs", &nowhere],
        &["show", run, &wrong],
        &["doctor", "--runs", &nowhere],
        &["runs", "--filter", &wrong],
        &["runs", "--plain", "--sort", &wrong],
        &["export", run, "--format", &wrong],
        &["export", run, "--format", "csv", "--out", &nowhere.replace("nowhere", "no/where")],
        &["export", run, "--format", "csv", "--out", &toml],
        &[&wrong],
    ];
    for command in commands {
        printed(folder, command);
    }
}

#[test]
fn data_for_programs_says_the_same_and_is_plain() {
    let root = tempfile::tempdir().unwrap();
    let run =
        hostile_run(root.path(), [Outcome::Failed { reason: hostile("disk full") }, Outcome::Completed]);
    let run = run.to_str().unwrap();
    let values = |arguments: &[&str]| {
        let output = skiplane(root.path(), arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(is_clean(&text), "{arguments:?}: {text:?}");
        text
    };
    for arguments in [&["show", run, "--json"][..], &["runs", "--json"]] {
        let value: Value = serde_json::from_str(&values(arguments)).unwrap();
        let run = value.get(0).unwrap_or(&value);
        assert_hostile(run["manifest"]["question"].as_str().unwrap(), "why?");
        assert_hostile(run["lanes"][0]["reason"].as_str().unwrap(), "disk full");
    }
    let rows = values(&["export", run, "--format", "jsonl"]);
    let names: String = rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["name"].as_str().unwrap().to_owned())
        .collect();
    assert_hostile(&names, "disk full");
    assert_hostile(&names, "checkpoints/x");
    let table = values(&["export", run, "--format", "csv"]);
    assert!(table.contains(r"disk full\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J"), "{table}");
}

#[test]
fn a_run_that_is_no_longer_itself_is_refused_in_plain_text() {
    let root = tempfile::tempdir().unwrap();
    let run = hostile_run(root.path(), [Outcome::Stopped, Outcome::Stopped]);
    // An experiment that can be read; the run's other texts stay hostile.
    fs::write(run.join("experiment.toml"), experiment(&["a", "b"]).to_toml().unwrap()).unwrap();
    let text = printed(root.path(), &["train", "--resume", run.to_str().unwrap(), "--headless"]);
    assert!(text.contains("expected the experiment and data the run was started with"), "{text}");
    assert!(text.contains("were plain\u{fffd}[31m"), "{text}");
}

#[test]
fn an_answer_is_shown_as_plain_text() {
    let root = tempfile::tempdir().unwrap();
    let run = hostile_run(root.path(), [Outcome::Completed, Outcome::Completed]);
    let short = root.path().join("s");
    let listener = UnixListener::bind(&short).unwrap();
    fs::rename(&short, run.join("control.sock")).unwrap();
    let answers = [serde_json::json!({"error": HOSTILE}).to_string(), HOSTILE.to_owned()];
    let served = thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for _ in 0..2 {
        let text = printed(root.path(), &["control", run.to_str().unwrap(), "pause"]);
        assert!(text.contains("refused the order"), "{text}");
    }
    served.join().unwrap();
}
