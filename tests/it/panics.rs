//! A panic in each thread beside the one that draws, and a hang-up: what the user sees, what goes on, what is kept, and with
//! which status it ends. A debug build panics where it is asked to.
#![cfg(debug_assertions)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use portable_pty::CommandBuilder;
use skiplane::event::{Kind, Outcome, Value};
use skiplane::metric::known;
use skiplane::order::Order;
use skiplane::runlog::{State, summarize};
use skiplane::session::control::send;
use skiplane::units::{LaneIdx, Step};

use crate::cli::folder_with_a_run;
use crate::dashboard::{Background, endless, start};
use crate::pseudo_terminal::{PATIENCE, Terminal};
use crate::replay::{finished, new_run, step};
use crate::runlog::lane_started;

/// What a thread that is asked to panic says.
const SAID: &str = "asked to panic";

/// Starts the binary, in which a thread will panic.
fn start_panicking(thread: &str, arguments: &[&str], folder: &Path) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(arguments);
    command.cwd(folder);
    command.env("XDG_CONFIG_HOME", folder);
    command.env("SKIPLANE_PANICS_IN", thread);
    command.env("RUST_BACKTRACE", "0");
    Terminal::start(command, (100, 30))
}

/// The dashboard is drawn, nothing was printed over it, and it answers.
fn assert_usable(terminal: &mut Terminal) {
    terminal.press("6");
    terminal.wait_for("must be equal");
    terminal.press("1");
    terminal.wait_for("error %");
    let text = terminal.text();
    assert!(!text.contains("thread '") && !text.contains("RUST_BACKTRACE"), "{text}");
}

/// The bytes of a lane's log.
fn bytes(run: &Background, lane: &str) -> u64 {
    fs::metadata(run.0.join(format!("{lane}.jsonl"))).map_or(0, |log| log.len())
}

/// Waits until a lane's log has grown, whatever the status of the run says.
fn wait_for_records(run: &Background, lane: &str) {
    let (before, end) = (bytes(run, lane), Instant::now() + PATIENCE);
    while bytes(run, lane) < before + 20_000 {
        assert!(Instant::now() < end, "nothing is written");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn of_a_lane_whose_thread_panics_everything_is_kept_and_the_others_go_on() {
    for thread in ["lane-plain", "batches-plain"] {
        let folder = tempfile::tempdir().unwrap();
        let file = endless(folder.path());
        let mut terminal = start_panicking(thread, &["train", &file], folder.path());
        terminal.wait_for("the lane's thread panicked");
        let run = Background::find(folder.path());
        wait_for_records(&run, "residual");
        assert_usable(&mut terminal);
        assert!(terminal.text().contains("failed"), "{}", terminal.text());
        terminal.press("qs");
        assert_eq!(terminal.finish(), 1, "{}", terminal.text());
        terminal.assert_restored();
        let told = terminal.text();
        assert!(
            told.contains("lane plain failed: the lane's thread panicked") && told.contains(SAID),
            "{told}"
        );
        let lanes = summarize(&run.0, SystemTime::now()).unwrap().lanes;
        assert_eq!((lanes[0].state, lanes[0].step), (State::Failed, Step(2)), "{thread}");
        assert!(lanes[0].reason.as_ref().is_some_and(|reason| reason.contains(SAID)), "{lanes:?}");
        assert_eq!((lanes[1].state, lanes[1].lost_records), (State::Stopped, 0));
        assert!(lanes[1].step > Step(2));
    }
}

#[test]
fn training_goes_on_if_a_thread_beside_it_panics() {
    for thread in ["status", "control", "orders", "log-to-disk"] {
        let folder = tempfile::tempdir().unwrap();
        let file = endless(folder.path());
        let mut terminal = start_panicking(thread, &["train", &file], folder.path());
        terminal.wait_for("running");
        let run = Background::find(folder.path());
        wait_for_records(&run, "plain");
        // More often than connections are accepted at once.
        for _ in 0..10 {
            let answer = send(&run.0, &Order::Resume.into());
            assert_eq!(answer.is_ok(), !["control", "orders"].contains(&thread), "{thread}: {answer:?}");
            let problem = answer.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(problem.contains("taking the order panicked"), thread == "orders", "{problem}");
        }
        let again = crate::cli::skiplane(folder.path(), &["train", "--resume", "latest", "--headless"]);
        assert_eq!(again.status.code(), Some(2), "the run is still locked: {again:?}");
        assert_usable(&mut terminal);
        wait_for_records(&run, "residual");
        terminal.press("qs");
        assert_eq!(terminal.finish(), 0, "{thread}: {}", terminal.text());
        terminal.assert_restored();
        let written = String::from_utf8_lossy(terminal.written()).into_owned();
        assert!(written.contains(SAID), "{thread}: {}", terminal.text());
        let lanes = summarize(&run.0, SystemTime::now()).unwrap().lanes;
        let ended = fs::read_to_string(run.0.join("residual.jsonl")).unwrap();
        assert!(ended.lines().last().unwrap().contains("lane_finished"), "{thread}: {lanes:?}");
    }
}

#[test]
fn a_viewer_goes_on_if_a_thread_beside_it_panics() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let output = crate::cli::skiplane(folder.path(), &["train", &file, "--detach"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = Background::find(folder.path());
    let mut terminal = start_panicking("changes", &["attach", "latest"], folder.path());
    terminal.wait_for("running");
    run.wait_for_steps();
    assert_usable(&mut terminal);
    terminal.press("q");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    assert!(terminal.text().contains(SAID), "{}", terminal.text());
    run.stop();
}

#[test]
fn the_list_of_runs_says_that_it_is_no_longer_up_to_date() {
    let (folder, _) = folder_with_a_run();
    let mut terminal = start_panicking("runs", &["runs"], folder.path());
    terminal.wait_for("no longer listed");
    let text = terminal.text();
    assert!(text.contains("quick") && !text.contains("thread '"), "{text}");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    assert!(String::from_utf8_lossy(terminal.written()).contains(SAID), "{}", terminal.text());
}

/// A run so long that its heatmap is merged, and zooming into it reads records again.
#[test]
fn a_range_whose_reading_panics_is_drawn_as_it_is_and_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = new_run(&folder.path().join("runs"), "long");
    let mut log = run.create_log(LaneIdx(0)).unwrap();
    log.append(&lane_started("plain")).unwrap();
    for number in 1..=5_000 {
        let mut step = step(number, 2.0);
        let Kind::Measured(values) = &mut step.kind else { unreachable!() };
        values.insert(known::WEIGHT_GRADIENT_NORM, Value::Numbers(vec![0.25; 4]));
        log.append(&step).unwrap();
    }
    log.append(&finished(5_000, Outcome::Completed)).unwrap();
    let mut terminal = start_panicking("ranges", &["review", "latest"], folder.path());
    terminal.wait_for("1 overview");
    terminal.press("3");
    terminal.wait_for("weight_gradient_norm");
    terminal.press("zzzz");
    terminal.wait_for(" to 5,000");
    terminal.read_for(Duration::from_secs(1));
    assert!(!terminal.text().contains("thread '"), "{}", terminal.text());
    terminal.press("?");
    terminal.wait_for("Showing");
    terminal.press("?q");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    let written = String::from_utf8_lossy(terminal.written()).into_owned();
    // At most one for each range that was shown.
    assert!((1..=4).contains(&written.matches(SAID).count()), "{}", terminal.text());
}

fn hang_up(terminal: &Terminal) {
    let process = terminal.process_id().to_string();
    assert!(Command::new("kill").args(["-HUP", &process]).status().unwrap().success());
}

#[test]
fn a_hang_up_ends_a_review_and_gives_the_terminal_back() {
    let (folder, _) = folder_with_a_run();
    for arguments in [&["review", "latest"][..], &["runs"]] {
        let mut terminal = start(arguments, folder.path(), (100, 30));
        terminal.wait_for("quick");
        hang_up(&terminal);
        assert_eq!(terminal.finish(), 130, "{}", terminal.text());
        terminal.assert_restored();
    }
}

#[test]
fn a_hang_up_of_a_dashboard_that_trains_detaches_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (100, 30));
    terminal.wait_for("running");
    let run = Background::find(folder.path());
    hang_up(&terminal);
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    run.wait_for_steps();
    run.stop();
}
