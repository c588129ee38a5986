//! A run of an unknown network, written by a script: `tests/logger.py`, in Python without libraries.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, thread};

use skiplane::app::{Action, App, ViewKind};
use skiplane::reading::{self, Opened};
use skiplane::theme::Theme;
use skiplane::tui::{Followed, Source};
use skiplane::units::Step;
use skiplane::views::{self, Format};

use crate::cli::output;

/// Starts the script; none if there is no Python.
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
fn start(folder: &Path, steps: u32, pause: f64) -> Option<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logger.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(folder).args([steps.to_string(), pause.to_string()]);
    match python.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("skipped: expected python3, found none ({error})");
            None
        }
    }
}

/// A run of 40 steps in a folder of runs.
fn run(root: &Path) -> Option<PathBuf> {
    let folder = root.join("runs/gpt");
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let status = start(&folder, 40, 0.0)?.wait().unwrap();
    assert!(status.success());
    Some(folder)
}

fn frame(app: &mut App, library: &mut reading::Library, view: ViewKind) -> String {
    app.act(Action::SelectView(view));
    views::supply(app, |app, needs| library.answer(app, needs));
    views::snapshot(app, (120, 40), &Theme::default(), Format::Text)
}

#[test]
fn it_is_drawn_by_every_view() {
    let root = tempfile::tempdir().unwrap();
    let Some(folder) = run(root.path()) else { return };
    let Opened { mut app, mut library, replay } = reading::open(&[folder]).unwrap();
    assert_eq!(replay.report(), Default::default());
    assert_eq!(app.lanes()[0].last_step(), Step(40));
    let names: Vec<&str> = app.statistics(false).iter().map(|metric| metric.name()).collect();
    assert_eq!(names, ["spectral_radius", "skew", "attention_entropy", "sharpness"]);
    for view in &views::fitting(&app) {
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots/foreign" }, {
            insta::assert_snapshot!(view.name, frame(&mut app, &mut library, *view));
        });
    }
    // Over heads and along a direction.
    for name in ["attention_entropy", "sharpness"] {
        let metric = app.statistics(false).into_iter().find(|metric| metric.name() == name);
        app.act(Action::SelectStatistic(metric.expect("it is declared")));
        for view in [views::kind_named("profile").unwrap(), views::kind_named("heatmap").unwrap()] {
            insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots/foreign" }, {
                insta::assert_snapshot!(format!("{name}-{view}"), frame(&mut app, &mut library, view));
            });
        }
    }
}

#[test]
fn the_command_line_knows_it_too() {
    let root = tempfile::tempdir().unwrap();
    let Some(_) = run(root.path()) else { return };
    let page = output(root.path(), &["show", "gpt"]);
    assert!(page.contains("gpt") && page.contains("finished"), "{page}");
    let list = output(root.path(), &["runs"]);
    assert!(list.contains("gpt") && list.contains("40"), "{list}");
    let table = output(root.path(), &["export", "gpt", "--format", "csv"]);
    for expected in [
        "gpt,gpt,40,scalar,,,tokens,81920.0",
        "gpt,gpt,1,layer,0,h.0.attn.qkv,spectral_radius,",
        "gpt,gpt,1,layer/head,1,h.0.attn.qkv/b,attention_entropy,",
        "gpt,gpt,10,alpha,4,1,sharpness,3.1",
        "gpt,gpt,40,event,,completed,lane_finished,2000.0",
    ] {
        assert!(table.lines().any(|line| line.starts_with(expected)), "{expected} is missing");
    }
    let frame = output(root.path(), &["snapshot", "gpt", "--view", "profile"]);
    assert!(frame.contains("spectral_radius"), "{frame}");
}

#[test]
fn it_is_followed_while_it_is_written() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("gpt");
    let Some(mut child) = start(&folder, 60, 0.02) else { return };
    let end = Instant::now() + Duration::from_secs(60);
    let opened = loop {
        match reading::open(std::slice::from_ref(&folder)) {
            Ok(opened) if opened.app.lanes()[0].started().is_some() => break opened,
            _ => assert!(Instant::now() < end, "no log came"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    let Opened { mut app, replay, library } = opened;
    let first = app.lanes()[0].last_step();
    let mut source = Followed::new(replay, library, folder);
    let mut seen = Vec::new();
    while app.lanes()[0].last_step() < Step(60) || !app.lanes()[0].state().is_over() {
        source.drain(&mut app);
        seen.push(app.lanes()[0].last_step());
        assert!(Instant::now() < end, "{seen:?}");
        thread::sleep(Duration::from_millis(5));
    }
    seen.dedup();
    assert!(seen.len() > 5 && seen[0] < Step(60), "from {first}: {seen:?}");
    assert!(child.wait().unwrap().success());
}
