//! The real binary in a real pseudo-terminal: what the user sees from the first frame to the last, and the state of the
//! terminal afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use portable_pty::CommandBuilder;
use skiplane::order::Order;
use skiplane::runlog::{LogWriter, RunFolder, RunLock, State, Status, summarize};
use skiplane::session::control::send;
use skiplane::units::LaneIdx;

use crate::pseudo_terminal::{PATIENCE, Terminal};

/// Starts the binary with `arguments`, in `folder`, on a screen of that many columns and rows.
pub(crate) fn start(arguments: &[&str], folder: &Path, size: (u16, u16)) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(arguments);
    command.cwd(folder);
    // Not those of whoever runs the tests.
    command.env("XDG_CONFIG_HOME", folder);
    ["TMUX", "STY"].iter().for_each(|name| command.env_remove(name));
    Terminal::start(command, size)
}

/// An experiment that runs until it is stopped.
pub(crate) fn endless(folder: &Path) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let text = fs::read_to_string(file).unwrap().replace("steps = 60", "steps = 1000000");
    let endless = folder.join("endless.toml");
    fs::write(&endless, text).unwrap();
    fs::create_dir(folder.join("runs")).unwrap();
    endless.to_str().unwrap().to_owned()
}

/// Starts an experiment of a few seconds, whose run is kept in the folder.
pub(crate) fn start_quick(folder: &Path) -> Terminal {
    fs::create_dir(folder.join("runs")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    start(&["train", file.to_str().unwrap()], folder, (100, 30))
}

/// Every view's key, and words that only its screen shows.
const VIEWS: [(&str, &str); 6] = [
    ("1", "this batch"),
    ("2", "a layer toward the head"),
    ("3", "weight_gradient_norm"),
    ("4", "over time, in bins 2^k"),
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
    terminal.wait_for("this batch");
    terminal.press("?");
    terminal.wait_for("Showing");
    terminal.press("?");
    terminal.press("q");
    terminal.wait_for("detach: keep training");
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

/// A run that trains in the background; killed if the test ends before it.
pub(crate) struct Background(pub(crate) PathBuf);

impl Background {
    /// The only run in a folder.
    pub(crate) fn find(folder: &Path) -> Background {
        let mut runs = fs::read_dir(folder.join("runs")).unwrap();
        Background(runs.next().unwrap().unwrap().path())
    }

    pub(crate) fn state(&self) -> State {
        summarize(&self.0, SystemTime::now()).unwrap().state
    }

    /// Waits until its first lane has made more steps.
    pub(crate) fn wait_for_steps(&self) {
        let step = || summarize(&self.0, SystemTime::now()).unwrap().lanes[0].step;
        let (before, end) = (step(), Instant::now() + PATIENCE);
        while step().0 <= before.0 + 2 {
            assert!(Instant::now() < end, "it makes no steps");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its status says that it has ended.
    pub(crate) fn wait_for_exit(&self) {
        let end = Instant::now() + PATIENCE;
        while Status::read(&self.0).is_none_or(|status| status.exit.is_none()) {
            assert!(Instant::now() < end, "it is {:?}", self.state());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(self) {
        send(&self.0, &Order::Stop.into()).unwrap();
        self.wait_for_exit();
        assert_eq!(self.state(), State::Stopped);
        let output = fs::read_to_string(self.0.join("output.log")).unwrap();
        assert!(output.contains("residual step") && output.contains("stopped"), "{output}");
        assert!(!output.contains('\u{1b}'), "it is no plain text: {output:?}");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(status) = Status::read(&self.0).filter(|status| status.exit.is_none()) {
            let _ = std::process::Command::new("kill").args(["-KILL", &status.pid.to_string()]).status();
        }
    }
}

#[test]
fn a_detached_dashboard_gives_the_shell_back_and_trains_on() {
    for keys in ["d", "qd"] {
        let folder = tempfile::tempdir().unwrap();
        let file = endless(folder.path());
        let mut terminal = start(&["train", &file], folder.path(), (100, 30));
        terminal.wait_for("running");
        let run = Background::find(folder.path());
        terminal.press(keys);
        assert_eq!(terminal.finish(), 0, "{}", terminal.text());
        terminal.assert_restored();
        assert!(terminal.text().contains("  skiplane attach 2"), "{}", terminal.text());
        run.wait_for_steps();

        let mut terminal = start(&["attach", "latest"], folder.path(), (100, 30));
        terminal.wait_for("running");
        terminal.press(" ");
        terminal.wait_for("paused");
        terminal.press(" ");
        terminal.wait_for("running");
        terminal.press("q");
        assert_eq!(terminal.finish(), 0);
        terminal.assert_restored();
        run.stop();
    }
}

#[test]
fn warnings_are_told_again_after_the_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (100, 30));
    terminal.wait_for("running");
    let run = Background::find(folder.path());
    let moved = Background(run.0.with_file_name("moved"));
    fs::rename(&run.0, &moved.0).unwrap();
    terminal.wait_for("the run's folder is now");
    terminal.press("qs");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    // The dashboard is gone from the screen, so this was printed after it.
    let told = terminal.text();
    assert!(told.contains("warning: ") && told.contains("the run's folder is now"), "{told}");
    assert!(!told.contains("1 overview"), "{told}");
}

#[test]
fn a_run_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    for arguments in [&["train", &file][..], &["train", &file, "--headless"]] {
        let mut terminal = start(arguments, folder.path(), (100, 30));
        terminal.wait_for(if arguments.len() == 2 { "running" } else { "loss" });
        let run = Background::find(folder.path());
        let headless = (arguments.len() == 3).then(|| terminal.process_id());
        let _process = terminal.hang_up();
        run.wait_for_steps();
        run.wait_for_steps();
        if let Some(process) = headless {
            assert_eq!(Status::read(&run.0).unwrap().pid, process, "it is another process");
        }
        let path = run.0.clone();
        run.stop();
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
fn a_run_in_the_background_is_followed_and_seen_to_stop_and_to_crash() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let output = crate::cli::skiplane(folder.path(), &["train", &file, "--detach"]);
    let run = Background::find(folder.path());
    let id = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), id.trim_end()),
        (Some(0), run.0.file_name().unwrap().to_str().unwrap())
    );
    let mut terminal = start(&["attach", id.trim_end()], folder.path(), (100, 30));
    terminal.wait_for("running");
    send(&run.0, &Order::Stop.into()).unwrap();
    terminal.wait_for("stopped");
    run.wait_for_exit();

    let output = crate::cli::skiplane(folder.path(), &["train", "--resume", "latest", "--detach"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    terminal.wait_for("running");
    // Killed before its first step it would leave a stopped run, not a crashed one.
    run.wait_for_steps();
    let process = Status::read(&run.0).unwrap().pid.to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    terminal.wait_for("process gone");
    terminal.wait_for("crashed");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
}

#[test]
fn what_cannot_be_trained_is_told_by_the_process_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["train", "missing.toml"][..], &["train", "missing.toml", "--detach"]] {
        let mut terminal = start(arguments, folder.path(), (100, 30));
        assert_eq!(terminal.finish(), 2);
        assert!(terminal.text().contains("could not read the experiment"), "{}", terminal.text());
    }
}

/// A run of one lane in a folder, which the test itself writes.
fn written_run(root: &Path) -> (RunFolder, RunLock, LogWriter) {
    let run = crate::replay::new_run(root, "written");
    let lock = RunLock::take(run.path()).unwrap().unwrap();
    let mut log = run.create_log(LaneIdx(0)).unwrap();
    log.append(&crate::runlog::lane_started("plain")).unwrap();
    (run, lock, log)
}

#[test]
#[ignore = "measures time: cargo test --test it from_a_step -- --ignored --nocapture"]
fn from_a_step_in_the_log_to_the_screen() {
    let root = tempfile::tempdir().unwrap();
    let (run, _lock, mut log) = written_run(root.path());
    let mut terminal = start(&["attach", run.path().to_str().unwrap()], root.path(), (120, 40));
    terminal.wait_for("running");
    let mut times: Vec<f64> = (1..=100)
        .map(|step| {
            // Not in step with the frames.
            thread::sleep(Duration::from_micros(150_000 + step * 7919 % 100_000));
            let begun = Instant::now();
            log.append(&crate::replay::step(step, 2.0)).unwrap();
            terminal.wait_for(&format!("step {step}/"));
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("ms from append to frame: median {:.1}, 95% {:.1}, most {:.1}", times[50], times[95], times[99]);
}

#[test]
fn training_goes_on_to_its_end_when_the_terminal_is_closed_and_a_review_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = start_quick(folder.path());
    terminal.wait_for("running");
    terminal.close();
    let mut terminal = start(&["attach", "latest"], folder.path(), (100, 30));
    terminal.wait_for("finished");
    terminal.close();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("finished");
    terminal.close();
}

#[test]
#[cfg(debug_assertions)]
fn a_panic_while_drawing_detaches() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let panicking = |arguments: &[&str]| {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
        command.args(arguments);
        command.cwd(folder.path());
        // With text as a file may contain it: a title sequence for the terminal.
        command.env("SKIPLANE_DRAWING_PANICS", "asked to panic\x1b]0;owned\x07 while drawing");
        Terminal::start(command, (100, 30))
    };
    let mut terminal = panicking(&["train", file.to_str().unwrap()]);
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    let told = terminal.text();
    let written = String::from_utf8_lossy(terminal.written()).into_owned();
    assert!(written.contains("it panicked: asked to panic\u{fffd}]0;owned\u{fffd} while drawing"), "{told}");
    assert!(!written.contains("\u{1b}]0;owned"), "{told}");
    assert!(told.contains("  skiplane attach 2"), "{told}");
    let run = Background::find(folder.path());
    run.wait_for_exit();
    assert_eq!(run.state(), State::Finished);
    let output = fs::read_to_string(run.0.join("output.log")).unwrap();
    assert!(
        output.contains("asked to panic\u{fffd}]0;owned") && output.contains("skiplane::tui::"),
        "{output}"
    );
    assert!(!output.contains(['\u{1b}', '\u{7}']), "{output:?}");

    let mut terminal = panicking(&["review", "latest"]);
    assert_eq!(terminal.finish(), 101, "where nothing trains, nothing goes on");
    terminal.assert_restored();
    let written = String::from_utf8_lossy(terminal.written()).into_owned();
    assert!(written.contains("asked to panic\u{fffd}]0;owned"), "{}", terminal.text());
    assert!(!written.contains("\u{1b}]0;owned"), "{}", terminal.text());
}

#[test]
fn the_key_that_suspends_gives_the_terminal_back_until_the_job_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut command = CommandBuilder::new("bash");
    let script = "\"$0\" train \"$1\"; echo suspended $?; read -r line; fg; echo over $?";
    command.args(["-m", "-c", script, env!("CARGO_BIN_EXE_skiplane"), &file]);
    command.cwd(folder.path());
    let mut terminal = Terminal::start(command, (100, 30));
    terminal.wait_for("running");
    let run = Background::find(folder.path());
    terminal.press("\x1a");
    terminal.wait_for("suspended");
    terminal.assert_restored();
    terminal.press("\r");
    terminal.wait_for("1 overview");
    run.wait_for_steps();
    terminal.press("qs");
    terminal.wait_for("over 0");
    terminal.finish();
    terminal.assert_restored();
}
