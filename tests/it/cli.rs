//! The real binary: what it prints where, and its exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use skiplane::event::*;
use skiplane::metric::known;
use skiplane::runlog::RunFolder;
use skiplane::units::{LaneIdx, LayerIdx, Step};

use crate::replay::{finished, new_run, step};
use crate::runlog::lane_started;

/// Runs the binary in a folder.
pub(crate) fn skiplane(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("HOME", folder)
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The output of a command that succeeds and prints nothing on standard error.
pub(crate) fn output(folder: &Path, arguments: &[&str]) -> String {
    let output = skiplane(folder, arguments);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    text(&output.stdout)
}

/// The error of a command that fails and prints nothing else.
pub(crate) fn refused(folder: &Path, arguments: &[&str], status: i32) -> String {
    let output = skiplane(folder, arguments);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(status), String::new()), "{arguments:?}");
    text(&output.stderr)
}

/// A folder with `runs/` that contains one run of two lanes, of which the second diverged.
pub(crate) fn folder_with_a_run() -> (tempfile::TempDir, RunFolder) {
    let folder = tempfile::tempdir().unwrap();
    let run = new_run(&folder.path().join("runs"), "quick");
    let mut plain = run.create_log(LaneIdx(0)).unwrap();
    plain.append(&lane_started("plain")).unwrap();
    for number in 1..=3 {
        let mut step = step(number, 2.5 / number as f32);
        let Kind::Measured(values) = &mut step.kind else { unreachable!() };
        values.insert(known::ACTIVATION_STD, Value::Numbers(vec![1.0, 0.5, 1e-10, f32::INFINITY]));
        values.insert(known::BRANCH_RATIO, Value::Numbers(vec![0.25]));
        plain.append(&step).unwrap();
    }
    let evaluated = Values::default().with(known::TEST_LOSS, 2.0).with(known::TEST_ERROR, 0.75);
    plain.append(&RunEvent::new(Step(3), 320.0, Kind::Measured(evaluated))).unwrap();
    plain.append(&finished(3, Outcome::Completed)).unwrap();
    let mut residual = run.create_log(LaneIdx(1)).unwrap();
    residual.append(&lane_started("residual")).unwrap();
    residual.append(&step(1, f32::NAN)).unwrap();
    let found = NonFiniteFound { layer: Some(LayerIdx(2)), pass: Pass::Forward };
    residual.append(&RunEvent::new(Step(1), 110.0, Kind::NonFiniteFound(found))).unwrap();
    residual.append(&finished(1, Outcome::Diverged)).unwrap();
    (folder, run)
}

#[test]
fn bad_usage_and_bad_input_end_with_status_two() {
    let (folder, _) = folder_with_a_run();
    let folder = folder.path();
    fs::write(folder.join("bad.toml"), "[data]\nname = \"glyphs\"\n[training]\nsteps = \"many\"\n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["runs", "--jsno"], "unexpected argument '--jsno'"),
        (&["export", "latest"], "--format"),
        (&["export", "latest", "--format", "xml"], "invalid value 'xml'"),
        (&["show", "qiuck"], "did you mean 20261123-121610-quick?"),
        (&["show", "./nowhere"], "could not read ./nowhere/run.json"),
        (&["show", "latest", "--runs", "elsewhere"], "no run in elsewhere yet"),
        (&["check", "missing.toml"], "could not read the experiment missing.toml"),
        (&["check", "runs"], "expected a TOML file"),
        (&["snapshot", "latest", "--view", "overview", "--step", "99999"], "the last step, found 99999"),
        (
            &["snapshot", "latest", "--view", "overview", "--size", "20x5"],
            "--size: expected at least 36x10, found 20x5",
        ),
        (&["snapshot", "latest", "--view", "hetmap"], "[possible values: overview, profile, heatmap"),
        (
            &["check", "qiuck"],
            "no experiment `qiuck`: expected a file, or one of plain-vs-residual, depth, quick",
        ),
        (&["train", "qiuck"], "did you mean quick?"),
        (&["keys", "resnett"], "expected an architecture, a data set or a probe (resnet, densenet"),
        (
            &["check", "bad.toml"],
            "bad.toml:4: training.steps: expected a whole number of at least 1, found `many`",
        ),
        (&["check", "--set", "training.batch"], "expected KEY=VALUE"),
        (&["check", "--threads", "1025"], "expected a whole number from 1 to 1024"),
        (&["train", "--threads", "99999999999"], "expected a whole number from 1 to 1024"),
        (&["--threads", "0"], "expected a whole number from 1 to 1024"),
        (
            &["check", "--steps", "1000000000001"],
            "--set training.steps=1000000000001: training.steps: expected at most 1,000,000,000,000 steps",
        ),
        (
            &["check", "--set", "lane.plain.depth=57"],
            "--set lane.plain.depth=57: lane.plain.depth: expected 6n+2",
        ),
    ];
    for (arguments, expected) in cases {
        let error = refused(folder, arguments, 2);
        assert!(error.starts_with("error: ") && error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn help_and_version_are_no_errors_and_every_help_has_an_example() {
    let folder = tempfile::tempdir().unwrap();
    assert!(output(folder.path(), &["--version"]).starts_with("skiplane "));
    let help = output(folder.path(), &["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let help = output(folder.path(), &[command, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("skiplane {command}")), "{help}");
    }
}

#[test]
fn runs_are_listed() {
    let (folder, _) = folder_with_a_run();
    let table = output(folder.path(), &["runs"]);
    let expected = "\
RUN                    STATE     LANE      STEP    LOSS  TRAIN   TEST  TIME
20261123-121610-quick  finished  plain      3/6  0.8333      -  75.0%  0.3s
                       diverged  residual   1/6     NaN      -      -  0.1s
";
    assert_eq!(table, expected);
    let json: serde_json::Value = serde_json::from_str(&output(folder.path(), &["runs", "--json"])).unwrap();
    assert_eq!(json[0]["id"], "20261123-121610-quick");
    assert_eq!(json[0]["state"], "diverged");
    assert_eq!(json[0]["lanes"][1]["loss"], "NaN");
}

#[test]
fn a_run_is_shown() {
    let (folder, _) = folder_with_a_run();
    let page = output(folder.path(), &["show", "latest"]);
    for expected in
        ["20261123-121610-quick, diverged", "does it, \"really\"?", "2026-11-23T12:16:10.250Z", "608"]
    {
        assert!(page.contains(expected), "{expected} is missing in\n{page}");
    }
    assert!(page.contains("critical  non_finite  the loss is NaN"), "{page}");
    let json: serde_json::Value =
        serde_json::from_str(&output(folder.path(), &["show", "latest", "--json"])).unwrap();
    assert_eq!(json["experiment"]["training"]["steps"], 6);
    assert_eq!(json["networks"][0]["parameters"], 608);
    assert_eq!(json["fairness"][0]["equal"], true);
}

/// Rows of a table in the order of its columns.
fn csv(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

#[test]
fn an_export_holds_a_row_for_every_value() {
    let (folder, _) = folder_with_a_run();
    let table = output(folder.path(), &["export", "latest", "--format", "csv"]);
    let rows = csv(&table);
    assert_eq!(rows[0].join(","), "run,lane,step,kind,index,name,statistic,value");
    assert!(rows.iter().all(|row| row.len() == 8));
    // 3 steps of 6 scalars, 4 layers and a block; an evaluation of 3 scalars; 2 events; then the other lane.
    assert_eq!(rows.len(), 1 + 3 * (6 + 4 + 1) + 3 + 2 + 6 + 3);
    let quick = "20261123-121610-quick";
    for expected in [
        format!("{quick},plain,1,scalar,,,loss,2.5"),
        format!("{quick},plain,2,layer,2,layer1.0.conv2,activation_std,1e-10"),
        format!("{quick},plain,2,layer,3,linear,activation_std,inf"),
        format!("{quick},plain,3,block,0,layer1.0,branch_ratio,0.25"),
        format!("{quick},plain,3,scalar,,,test_error,0.75"),
        format!("{quick},plain,3,event,,completed,lane_finished,350.0"),
        format!("{quick},residual,1,scalar,,,loss,NaN"),
        format!("{quick},residual,1,event,,forward/2,non_finite_found,110.0"),
    ] {
        assert!(table.lines().any(|line| line == expected), "{expected}");
    }
}

#[test]
fn both_formats_say_the_same() {
    let (folder, _) = folder_with_a_run();
    let table = output(folder.path(), &["export", "latest", "--format", "csv"]);
    let lines = output(folder.path(), &["export", "latest", "--format", "jsonl"]);
    let rows = csv(&table);
    let objects: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), rows.len() - 1);
    for (object, row) in objects.iter().zip(&rows[1..]) {
        for (column, cell) in rows[0].iter().zip(row) {
            let value = match &object[*column] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(&value, cell, "{column} of {object}");
        }
    }
}

#[test]
fn an_export_to_a_file_replaces_it_whole() {
    let (folder, _) = folder_with_a_run();
    let file = folder.path().join("out.csv");
    fs::write(&file, "old").unwrap();
    assert_eq!(output(folder.path(), &["export", "latest", "--format", "csv", "--out", "out.csv"]), "");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        output(folder.path(), &["export", "latest", "--format", "csv"])
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    let error =
        refused(folder.path(), &["export", "latest", "--format", "csv", "--out", "no/such/folder.csv"], 1);
    assert!(error.contains("could not write no/such/folder.csv"), "{error}");
}

#[test]
fn broken_records_are_warned_of_and_the_rest_exported() {
    let (folder, run) = folder_with_a_run();
    let log = run.log(LaneIdx(0)).unwrap();
    let text_of_log = fs::read_to_string(&log).unwrap();
    // One with the right checksum, so that its content is checked; and one with a wrong checksum.
    let hostile = |line: &str| {
        let (body, _) = line.rsplit_once(",\"crc32\":").unwrap();
        crate::runlog::sealed(&(body.replacen("\"step\":2", "\"step\":\"\\u001b[2J\"", 1) + "}"))
    };
    let lines = text_of_log.lines().map(|line| match line {
        line if line.contains("\"measured\":{\"step\":2") => hostile(line),
        line if line.contains("\"measured\":{\"step\":1") => line.replace("loss", "lass") + "\n",
        line => format!("{line}\n"),
    });
    fs::write(&log, lines.collect::<String>()).unwrap();
    let output = skiplane(folder.path(), &["export", "latest", "--format", "csv"]);
    assert_eq!(output.status.code(), Some(0));
    let warning = text(&output.stderr);
    assert!(
        warning.contains("2 bad records were skipped") && warning.contains("plain.jsonl:3:"),
        "{warning}"
    );
    assert!(!warning.contains('\u{1b}'));
    assert!(text(&output.stdout).lines().any(|line| line.contains(",plain,3,scalar,")));
}

#[test]
fn check_prints_an_experiment_that_checks_again() {
    let folder = tempfile::tempdir().unwrap();
    let first =
        output(folder.path(), &["check", "--set", "lane.*.depth=20", "--steps", "100", "--seed", "5"]);
    assert!(
        first.contains("depth = 20") && first.contains("steps = 100") && first.contains("seed = 5"),
        "{first}"
    );
    assert!(first.contains("# memory of the whole run: ") && first.contains("memory, alone"), "{first}");
    fs::write(folder.path().join("again.toml"), &first).unwrap();
    assert_eq!(output(folder.path(), &["check", "again.toml"]), first);
}

#[test]
fn keys_are_listed_with_values_defaults_and_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let all = output(folder.path(), &["keys"]);
    for name in ["resnet", "transformer", "glyphs", "recall"] {
        assert!(all.lines().any(|line| line.starts_with(name)), "{name}: {all}");
    }
    let resnet = output(folder.path(), &["keys", "resnet"]);
    for part in [
        "trains on images",
        "  depth: 6n+2 (9n+2 with block = \"bottleneck\"), at most 2000; required\n",
        "  order: post, bn-after, relu-before, relu-only, pre; else post\n",
        "  survival: a number from 0 to 1; optional\n      the probability",
    ] {
        assert!(resnet.contains(part), "{part}: {resnet}");
    }
    let dashboard = output(folder.path(), &["keys", "dashboard"]);
    for row in ["palette", "ten_steps_back", "quit"] {
        assert!(dashboard.lines().any(|line| line.starts_with(row)), "{row}: {dashboard}");
    }
    assert!(dashboard.contains(": ctrl-p") && dashboard.trim_end().ends_with("config.toml"), "{dashboard}");
    assert!(output(folder.path(), &["keys", "glyphs"]).contains("is generated, is of images"));
    assert!(
        output(folder.path(), &["keys", "csv"]).contains("is read from the file at `path`, is of vectors")
    );
}

#[test]
fn a_batch_larger_than_the_data_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path(), &["check", "--set", "training.batch=1000000"], 2);
    assert!(error.contains("--set training.batch=1000000: training.batch: expected at most 4000"), "{error}");
}

#[test]
fn the_doctor_knows_where_runs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let page = output(folder.path(), &["doctor"]);
    assert!(
        page.contains("output is not a terminal") && page.contains("in the user's data folder"),
        "{page}"
    );
    let page = output(folder.path(), &["doctor", "--runs", "here"]);
    assert!(page.contains("here (given by --runs), writable"), "{page}");
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let (folder, run) = folder_with_a_run();
    let log = run.log(LaneIdx(0)).unwrap();
    let mut records = fs::read_to_string(&log).unwrap();
    for number in 4..3000 {
        records.push_str(&crate::runlog::sealed(&serde_json::to_string(&step(number, 1.0)).unwrap()));
    }
    fs::write(&log, records).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["export", "latest", "--format", "csv"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_page_names_no_layer_twice_in_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let run = new_run(&folder.path().join("runs"), "quick");
    for (lane, name) in ["plain", "residual"].into_iter().enumerate() {
        let mut log = run.create_log(LaneIdx(lane)).unwrap();
        log.append(&lane_started(name)).unwrap();
        let found = NonFiniteFound { layer: Some(LayerIdx(2)), pass: Pass::Forward };
        log.append(&RunEvent::new(Step(1), 110.0, Kind::NonFiniteFound(found))).unwrap();
        log.append(&finished(1, Outcome::Diverged)).unwrap();
    }
    let Kind::LaneStarted(started) = lane_started("plain").kind else { unreachable!() };
    let layer = &started.structure.layers[2].name;
    let page = output(folder.path(), &["show", "latest"]);
    let found: Vec<&str> = page.lines().filter(|line| line.contains("non_finite")).collect();
    assert_eq!(found.len(), 2, "{page}");
    assert!(found.iter().all(|line| line.matches(layer.as_str()).count() == 1), "{found:?}");
}

#[test]
fn a_snapshot_is_one_frame_of_the_asked_size() {
    let (folder, _) = folder_with_a_run();
    for view in ["overview", "profile", "heatmap", "shortcut"] {
        let frame = output(folder.path(), &["snapshot", "latest", "--view", view, "--size", "80x24"]);
        assert_eq!(frame.lines().count(), 24, "{frame}");
        assert!(frame.contains(view) && !frame.contains('\u{1b}'), "{frame}");
    }
    let ascii = output(folder.path(), &["snapshot", "latest", "--view", "overview", "--ascii"]);
    assert!(ascii.is_ascii(), "{ascii}");
    let svg = output(folder.path(), &["snapshot", "latest", "--view", "profile", "--format", "svg"]);
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{}", &svg[..40]);
    let ansi = output(folder.path(), &["snapshot", "latest", "--view", "profile", "--format", "ansi"]);
    assert!(ansi.contains("\u{1b}["));
    let error = refused(folder.path(), &["snapshot", "latest", "--view", "prfile"], 2);
    assert!(error.contains("[possible values: overview, profile"), "{error}");
    for size in ["80", "0x24", "80x", "99999x24", "x"] {
        let error = refused(folder.path(), &["snapshot", "latest", "--view", "profile", "--size", size], 2);
        assert!(error.contains("expected columns x rows"), "{error}");
    }
}

#[test]
fn experiments_of_the_program_go_by_their_names_and_files_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = skiplane(folder.path(), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let steps = |text: &str| text.lines().find(|line| line.contains("steps =")).unwrap().trim().to_owned();
    assert_ne!(steps(&said(&["check", "quick"])), "steps = 7");
    let own = include_str!("../../experiments/quick.toml");
    let line = own.lines().find(|line| line.starts_with("steps =")).unwrap();
    fs::write(folder.path().join("quick.toml"), own.replace(line, "steps = 7")).unwrap();
    assert_eq!(steps(&said(&["check", "quick"])), "steps = 7");
}

#[test]
fn a_run_goes_by_any_part_of_its_id() {
    let (folder, _) = folder_with_a_run();
    let shown = skiplane(folder.path(), &["show", "121610"]);
    assert!(shown.status.success());
    let latest = skiplane(folder.path(), &["show", "latest"]);
    assert_eq!(shown.stdout, latest.stdout);
    let error = refused(folder.path(), &["show", "latest~1"], 2);
    assert!(error.contains("latest~1"), "{error}");
}
