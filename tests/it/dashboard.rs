//! The real binary in a real pseudo-terminal: what a person sees from the first frame to the last, and the
//! state of the terminal afterwards.

use std::fs;
use std::path::Path;

use portable_pty::CommandBuilder;

use crate::pseudo_terminal::Terminal;

/// Starts the binary with `arguments`, in `folder`, on a screen of that many columns and rows.
fn start(arguments: &[&str], folder: &Path, size: (u16, u16)) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(arguments);
    command.cwd(folder);
    Terminal::start(command, size)
}

/// An experiment that goes on until it is stopped.
fn endless(folder: &Path) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let text = fs::read_to_string(file).unwrap().replace("steps = 60", "steps = 1000000");
    let endless = folder.join("endless.toml");
    fs::write(&endless, text).unwrap();
    fs::create_dir(folder.join("runs")).unwrap();
    endless.to_str().unwrap().to_owned()
}

/// Starts an experiment of a few seconds, whose run is kept in the folder.
fn start_quick(folder: &Path) -> Terminal {
    fs::create_dir(folder.join("runs")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    start(&["train", file.to_str().unwrap()], folder, (100, 30))
}

/// Every view's key, and words that only its screen shows.
const VIEWS: [(&str, &str); 6] = [
    ("1", "batch error"),
    ("2", "decades/layer"),
    ("3", "weight_gradient_norm"),
    ("4", "over time, in signed powers of two"),
    ("5", "branch_cosine"),
    ("6", "must be equal"),
];

#[test]
fn a_run_is_watched_in_every_view_resized_stopped_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (120, 40));
    terminal.wait_for("1 overview");
    terminal.wait_for("resnet-14");
    for (key, words) in VIEWS {
        terminal.press(key);
        terminal.wait_for(words);
    }
    terminal.resize(80, 24);
    terminal.press("1");
    terminal.wait_for("running");
    terminal.resize(18, 4);
    terminal.wait_for("too small");
    terminal.resize(120, 40);
    terminal.wait_for("batch error");
    terminal.press("?");
    terminal.wait_for("Showing");
    terminal.press("?");
    terminal.press("q");
    terminal.wait_for("go on without the dashboard");
    terminal.press("s");
    let status = terminal.finish();
    terminal.assert_restored();
    assert_eq!(status, 0, "{}", terminal.text());

    let mut terminal = start(&["review", "latest"], folder.path(), (120, 40));
    terminal.wait_for("stopped");
    for (key, words) in VIEWS {
        terminal.press(key);
        terminal.wait_for(words);
    }
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
}

#[test]
fn a_termination_signal_gives_the_terminal_back_and_ends_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (100, 30));
    terminal.wait_for("running");
    let process = terminal.process_id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap();
    assert!(sent.success());
    terminal.finish();
    terminal.assert_restored();
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["show", "latest"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("stopped"), "{shown:?}");
}

#[test]
fn a_live_dashboard_can_be_left_while_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = start_quick(folder.path());
    terminal.wait_for("1 overview");
    terminal.press("q");
    terminal.wait_for("go on without the dashboard");
    terminal.press("g");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
    assert!(terminal.text().contains("opens the run again"), "{}", terminal.text());
}

#[test]
fn training_goes_on_to_its_end_when_the_terminal_is_closed_and_a_review_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = start_quick(folder.path());
    terminal.wait_for("running");
    terminal.close();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("completed");
    terminal.close();
}
