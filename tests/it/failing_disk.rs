//! Training goes on if its log cannot be written, and nothing is lost as long as memory suffices.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use skiplane::event::Kind;
use skiplane::runlog::{Entry, LogReader};

use crate::end_to_end::without_times;

const EXPERIMENT: &str = r#"question = "is it all there?"
[data]
name = "glyphs"
train_images = 64
test_images = 32
[training]
steps = STEPS
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05 }
schedule = { kind = "constant" }
evaluate_every = 10
evaluate_images = 32
[statistics]
every = 1
histograms_every = 10
[[lane]]
name = "plain"
architecture = "resnet"
depth = 8
width = 4
shortcut = "none"
"#;

/// The steps of a short run.
const SHORT: u64 = 40;
/// Enough steps to move a folder meanwhile; if they end before that is noticed, it is noticed at the end.
const LONG: u64 = 1500;

/// A training process whose standard output and error are read line by line.
struct Training {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Training {
    /// Starts one of this many steps whose files may grow to `blocks` blocks of 512 bytes, or without limit.
    fn start(folder: &Path, steps: u64, blocks: Option<u64>) -> Training {
        fs::write(folder.join("experiment.toml"), EXPERIMENT.replace("STEPS", &steps.to_string())).unwrap();
        let limit = blocks.map(|blocks| format!("ulimit -S -f {blocks};")).unwrap_or_default();
        let script = format!("{limit} exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_skiplane")])
            .args(["train", "experiment.toml", "--headless", "--runs", "runs"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, lines) = channel();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let again = told.clone();
        thread::spawn(move || BufReader::new(out).lines().try_for_each(|line| told.send(line.unwrap())));
        thread::spawn(move || BufReader::new(errors).lines().try_for_each(|line| again.send(line.unwrap())));
        Training { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `text`.
    fn wait_for(&mut self, text: &str) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("`{text}` never came: {:#?}", self.seen));
            self.seen.push(line);
            if self.seen.last().unwrap().contains(text) {
                return;
            }
        }
    }

    /// Waits for its end and returns its exit code and all its lines.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.seen.extend(self.lines.iter());
        (code, self.seen.join("\n"))
    }
}

/// The folder of the only run.
fn run(folder: &Path) -> PathBuf {
    fs::read_dir(folder.join("runs")).unwrap().next().unwrap().unwrap().path()
}

fn log(folder: &Path) -> PathBuf {
    run(folder).join("plain.jsonl")
}

/// What an undisturbed run leaves.
fn undisturbed(steps: u64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = Training::start(folder.path(), steps, None).end();
    assert_eq!(code, Some(0), "{told}");
    without_times(&log(folder.path()))
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), SHORT, Some(96));
    training.wait_for("the log cannot be written: ");
    assert!(fs::metadata(log(folder.path())).unwrap().len() <= 48 << 10);
    let pid = Pid::from_child(&training.child);
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum }).unwrap();
    training.wait_for("the log can be written again; all ");
    let (code, told) = training.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("records are held in memory") && !told.contains("lost"), "{told}");
    assert_eq!(without_times(&log(folder.path())), undisturbed(SHORT));
}

#[test]
fn a_disk_that_stays_full_fails_the_command_and_leaves_a_true_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = Training::start(folder.path(), SHORT, Some(96)).end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("plain step 40: finished"), "{told}");
    assert!(told.contains("records could not be written to the log: "), "{told}");
    let left = without_times(&log(folder.path()));
    let whole = undisturbed(SHORT);
    assert!(whole.starts_with(&left) && left.lines().count() > 1 && left.len() < whole.len());
    let mut reader = LogReader::open(&log(folder.path())).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert!(matches!(entry, Entry::Event { .. }), "{entry:?}");
    }
    assert_eq!(reader.torn_bytes(), 0, "part of a record was left");
}

#[test]
fn training_goes_on_in_a_folder_that_is_moved() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), LONG, None);
    training.wait_for("started: ");
    let (here, away) = (run(folder.path()), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();
    training.wait_for("the run's folder is now ");
    assert!(!here.exists(), "a ghost of the folder was made");
    let (code, told) = training.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(!here.exists() && fs::read_dir(folder.path().join("runs")).unwrap().next().is_none());
    assert_eq!(without_times(&away.join("plain.jsonl")), undisturbed(LONG));
    let checkpoint = away.join(format!("checkpoints/plain-{LONG:08}.safetensors"));
    assert!(checkpoint.is_file() && away.join("status.json").is_file());
}

#[test]
fn training_goes_on_in_a_folder_that_is_moved_away_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), LONG, None);
    training.wait_for("started: ");
    let (here, away) = (run(folder.path()), folder.path().join("away"));
    let name = here.file_name().unwrap().to_str().unwrap();
    fs::rename(&here, &away).unwrap();
    training.wait_for("the run's folder is now ");
    fs::rename(&away, &here).unwrap();
    training.wait_for(&format!("runs/{name}"));
    let (code, told) = training.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(!away.exists(), "a ghost of the other place was made");
    assert_eq!(without_times(&here.join("plain.jsonl")), undisturbed(LONG));
    assert!(here.join(format!("checkpoints/plain-{LONG:08}.safetensors")).is_file());
}

#[test]
fn a_folder_that_is_deleted_is_told_of_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), LONG, None);
    training.wait_for("started: ");
    let here = run(folder.path());
    fs::remove_dir_all(&here).unwrap();
    training.wait_for("the log cannot be written: the run's folder was deleted or unmounted");
    let (code, told) = training.end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("records could not be written to the log"), "{told}");
    assert!(!here.exists(), "a ghost of the folder was made");
}

#[test]
fn a_log_that_was_removed_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), LONG, None);
    training.wait_for("started: ");
    fs::remove_file(log(folder.path())).unwrap();
    let (code, told) = training.end();
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(without_times(&log(folder.path())), undisturbed(LONG));
}

#[test]
fn a_log_that_is_cut_is_gone_on_with_behind_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = Training::start(folder.path(), LONG, None);
    // Only the beginning would be rewritten.
    training.wait_for("step 10: ");
    let log = log(folder.path());
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    training.wait_for("the log was cut to 0 of ");
    let (code, told) = training.end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("records are missing from the log, which marks where"), "{told}");
    let mut reader = LogReader::open(&log).unwrap();
    let (mut lost, mut finished, mut bad) = (0, false, 0);
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Event { event, .. } => match event.kind {
                Kind::RecordsLost(missing) => lost += missing.records,
                Kind::LaneFinished(_) => finished = true,
                _ => {}
            },
            Entry::Bad(_) => bad += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0 && finished && bad == 1, "{lost} {finished} {bad}");
    assert!(told.contains(&format!("and {lost} records are gone")), "{told}");
    let shown = Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["runs", "--plain", "--runs", "runs"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("finished, lacks "), "{shown}");
}

#[test]
fn a_file_system_that_is_unmounted_takes_nothing_to_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    fs::create_dir(&runs).unwrap();
    let command = |name: &str, arguments: &[&str]| {
        let run = Command::new(name).args(arguments).arg(&runs).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    if !command("mount", &["-t", "tmpfs", "tmpfs"]) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let mut training = Training::start(folder.path(), LONG, None);
    training.wait_for("started: ");
    assert!(command("umount", &["-l"]));
    training.wait_for("the log cannot be written: the run's folder was deleted or unmounted");
    let (code, told) = training.end();
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 0, "something was written where it was mounted");
}
