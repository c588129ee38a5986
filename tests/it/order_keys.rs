//! Orders from the keyboard, on the dashboard of the training process and on one that follows it and uses the socket.

use std::path::Path;

use skiplane::event::Kind;
use skiplane::metric::known;
use skiplane::order::{Order, Taken};
use skiplane::reading::effective;
use skiplane::runlog::RunFolder;
use skiplane::units::LaneIdx;

use crate::dashboard::{Background, endless, start};
use crate::orders::taken_in;
use crate::pseudo_terminal::Terminal;

/// Pauses, makes two steps, and orders a rate and a note, the rate for the selected lane only.
fn order_by_keys(terminal: &mut Terminal) {
    terminal.wait_for("running");
    terminal.press(" ");
    terminal.wait_for("/1,000,000 paused");
    for _ in 0..2 {
        let next = step_of(terminal) + 1;
        terminal.press(".");
        terminal.wait_for(&format!("step {next}/1,000,000 paused"));
    }
    terminal.press("R");
    terminal.wait_for("of every lane; Tab for plain alone");
    terminal.press("fast\r");
    terminal.wait_for("found `fast`");
    terminal.press("\x15x0.5\t");
    terminal.wait_for("of lane plain; Tab for every lane");
    terminal.press("\r");
    terminal.wait_for(": learning rate x0.5");
    terminal.press("mtwo words\r");
    terminal.wait_for(": note: two words");
    terminal.press("Pranks\r");
    terminal.wait_for("expected a probe");
    terminal.press("Prank\r");
    terminal.wait_for(": probe rank");
}

/// The step in the status line.
fn step_of(terminal: &Terminal) -> u64 {
    let text = terminal.text();
    let status = text.lines().rev().find_map(|line| line.trim_start().strip_prefix("step "));
    status.and_then(|rest| rest.split_once('/')?.0.replace(',', "").parse().ok()).unwrap()
}

/// Stops the selected lane, confirming the question.
fn stop_lane(terminal: &mut Terminal) {
    terminal.press("X");
    terminal.wait_for("Stop one lane?");
    terminal.press("n");
    terminal.press("Xy");
    terminal.wait_for(" stopped ");
}

/// The records of the keys' orders in both logs.
fn assert_ordered(run: &Path) {
    let folder = RunFolder::open(run).unwrap();
    let [plain, residual] = [0, 1].map(|lane| folder.log(LaneIdx(lane)).unwrap());
    let is_step = |taken: &Taken| matches!(taken.order, Order::Step(_));
    let words = |taken: &[Taken]| {
        let others = taken.iter().filter(|taken| !is_step(taken));
        others.map(|taken| taken.order.to_string()).collect::<Vec<_>>()
    };
    let (plain_taken, residual_taken) = (taken_in(&plain), taken_in(&residual));
    assert_eq!(
        words(&plain_taken),
        ["learning rate x0.5", "note: two words", "probe rank", "stop this lane"]
    );
    assert_eq!(words(&residual_taken), ["note: two words", "probe rank", "stop"]);
    for taken in [&plain_taken, &residual_taken] {
        // Two steps were made between the pause and the next order, and no more.
        let other = taken.iter().find(|taken| !is_step(taken)).unwrap();
        assert!(is_step(&taken[0]) && taken[0].step.0 + 2 == other.step.0, "{taken:?}");
    }
    let mut rates = Vec::new();
    let told = effective(&plain, |event, _| {
        if let Kind::Measured(values) = &event.kind {
            rates.extend(values.number(known::LEARNING_RATE).map(|rate| (event.step, rate)));
        }
    });
    told.unwrap();
    let ordered = plain_taken.iter().find(|taken| matches!(taken.order, Order::LearningRate(_))).unwrap();
    let at = rates.iter().position(|(step, _)| *step == ordered.step).unwrap();
    // Nothing else changes it this soon: the schedule has a million steps.
    if let Some((_, next)) = rates.get(at + 1) {
        assert!((next / rates[at].1 - 0.5).abs() < 0.01, "{next} after {}", rates[at].1);
    }
}

#[test]
fn keys_give_orders_to_the_run_that_trains_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (120, 40));
    order_by_keys(&mut terminal);
    stop_lane(&mut terminal);
    terminal.press("qs");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    assert_ordered(&Background::find(folder.path()).0);

    // In review no process takes orders, and the marks stay.
    let mut terminal = start(&["review", "latest"], folder.path(), (80, 24));
    terminal.wait_for(" stopped ");
    terminal.press("R");
    terminal.wait_for("no training here");
    assert!(terminal.text().contains('◆'), "{}", terminal.text());
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn keys_give_orders_over_the_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let output = crate::cli::skiplane(folder.path(), &["train", &file, "--detach"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = Background::find(folder.path());
    let mut terminal = start(&["attach", "latest"], folder.path(), (80, 24));
    order_by_keys(&mut terminal);
    stop_lane(&mut terminal);
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    let path = run.0.clone();
    run.stop();
    assert_ordered(&path);
}
