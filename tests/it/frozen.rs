//! A terminal that is not read, as when a connection hangs: training, orders and the end of the process don't wait for
//! it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use skiplane::order::Order;
use skiplane::runlog::{RunFolder, State};
use skiplane::session::control;

use crate::dashboard::{Background, endless, start};
use crate::pseudo_terminal::{PATIENCE, Terminal};

/// An endless run, on a terminal that is no longer read.
fn frozen(folder: &Path) -> (Terminal, Background) {
    let file = endless(folder);
    let mut terminal = start(&["train", &file], folder, (100, 30));
    terminal.wait_for("running");
    terminal.freeze();
    (terminal, Background::find(folder))
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Waits until its lanes were stopped.
fn wait_until_stopped(run: &Background) {
    let end = Instant::now() + PATIENCE;
    while run.state() != State::Stopped {
        assert!(Instant::now() < end, "it is {:?}", run.state());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(fs::read_dir(run.0.join(RunFolder::CHECKPOINTS)).unwrap().next().is_some(), "no checkpoint");
}

#[test]
fn a_signal_stops_with_a_checkpoint_and_gives_the_terminal_back_late() {
    for name in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut terminal, run) = frozen(folder.path());
        signal(name, terminal.process_id());
        assert_eq!(terminal.wait(), 130);
        wait_until_stopped(&run);
        terminal.thaw();
        terminal.finish();
        terminal.assert_restored();
    }
}

#[test]
fn a_hang_up_detaches() {
    let folder = tempfile::tempdir().unwrap();
    let (mut terminal, run) = frozen(folder.path());
    signal("-HUP", terminal.process_id());
    run.wait_for_steps();
    terminal.thaw();
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
    run.wait_for_steps();
    run.stop();
}

#[test]
fn a_closed_terminal_detaches() {
    let folder = tempfile::tempdir().unwrap();
    let (terminal, run) = frozen(folder.path());
    let _process = terminal.hang_up();
    run.wait_for_steps();
    run.wait_for_steps();
    run.stop();
}

#[test]
fn control_and_keys_are_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut terminal, run) = frozen(folder.path());
    control::send(&run.0, &Order::Stop.into()).unwrap();
    wait_until_stopped(&run);
    // If the dashboard has not yet seen that the lanes have ended, it asks; `s` answers.
    terminal.press("2qs");
    assert_eq!(terminal.wait(), 0);
    terminal.thaw();
    terminal.finish();
    terminal.assert_restored();
}

#[test]
fn whoever_reads_on_sees_what_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let (mut terminal, run) = frozen(folder.path());
    run.wait_for_steps();
    terminal.press("2");
    run.wait_for_steps();
    terminal.thaw();
    terminal.wait_for("a layer");
    assert!(terminal.text().contains("1 overview"), "{}", terminal.text());
    signal("-TERM", terminal.process_id());
    assert_eq!(terminal.finish(), 130);
    terminal.assert_restored();
}
