//! How long ten thousand runs take to be listed, and how long the browser takes to answer a key among them. Makes the
//! runs itself, in a temporary folder: `cargo bench --bench listing`, or with `-- N` for N runs.
//!
//! - `read`: all runs read into memory, in this process.
//! - `plain`: the real binary from its start to its end, printing the table.
//! - `browser`: the real binary on a pseudo-terminal, from its start to the first rows and to the full table.
//! - `key`: from a key to the last byte of its frame on that terminal, a thousand moves of the cursor.
//! - `filter`, `move`: state and drawing alone, in this process.

#![expect(clippy::print_stdout, reason = "printing is what a bench is for")]

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use skiplane::experiment::{self, Available};
use skiplane::runlog::{LaneSummary, NewRun, Notes, RunFolder, State, Status};
use skiplane::runs_list::{Action, RunsList};
use skiplane::session::listing::{Found, read_all};
use skiplane::theme::Theme;
use skiplane::units::{LaneIdx, Step};
use skiplane::views::browser;

/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (120, 40);
/// Repetitions of long measurements; the least counts, as other work on the machine only adds to it.
const TIMES: usize = 5;
/// Moves of the cursor.
const MOVES: usize = 1_000;
/// The longest wait for a screen.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("runs");
    let begin = Instant::now();
    make(&root, count)?;
    println!("{count} runs of two lanes made in {:.1} s", begin.elapsed().as_secs_f64());
    read(&root)?;
    plain(folder.path())?;
    in_terminal(folder.path(), count)?;
    in_memory(&root)
}

/// Makes finished runs, each with a status; every third has a note and tags.
fn make(root: &Path, count: usize) -> Outcome {
    let available = Available {
        datasets: skiplane::datasets::available(),
        architectures: skiplane::model::available(),
        probes: skiplane::trainer::probes(),
    };
    let text = include_str!("../experiments/quick.toml");
    let experiment = experiment::parse(text, "quick.toml", &available, &[])?;
    let first: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let run = |started| NewRun {
        name: "quick",
        experiment: &experiment,
        instruction_set: "avx2".to_owned(),
        threads: 2,
        command: ["train", "experiments/quick.toml", "--headless"].map(str::to_owned).to_vec(),
        started,
        sweep: None,
    };
    let template = RunFolder::create(root, run(first))?;
    let manifest = fs::read_to_string(template.path().join("run.json"))?;
    let toml = fs::read_to_string(template.path().join(RunFolder::EXPERIMENT))?;
    let log = "{\"lane_started\":{\"version\":2}}\n".repeat(200);
    for at in 0..count {
        let started = first + SignedDuration::from_mins(at as i64);
        let id = format!("{}-quick", started.strftime("%Y%m%d-%H%M%S"));
        let path = root.join(&id);
        fs::create_dir_all(&path)?;
        let manifest = manifest
            .replace(template.id(), &id)
            .replace(&first.as_millisecond().to_string(), &started.as_millisecond().to_string())
            .replace("\"seed\": 0", &format!("\"seed\": {at}"));
        fs::write(path.join("run.json"), manifest)?;
        fs::write(path.join(RunFolder::EXPERIMENT), toml.replace("seed = 0", &format!("seed = {at}")))?;
        let mut lanes = Vec::new();
        for (index, lane) in experiment.lanes.iter().enumerate() {
            let name = template.log(LaneIdx(index)).unwrap_or_default();
            fs::write(path.join(name.file_name().unwrap_or_default()), &log)?;
            let loss = 2.5 / (1.0 + (at * 7 % 1_000) as f32);
            lanes.push(LaneSummary {
                state: State::Finished,
                step: Step(experiment.training.steps),
                loss: Some(loss),
                test_error: Some(loss / 2.5),
                log_bytes: log.len() as u64,
                ..LaneSummary::new(&lane.name, experiment.training.steps)
            });
        }
        Status::now(lanes, Duration::from_secs(1), Some(State::Finished)).write(&path)?;
        if at % 3 == 0 {
            let text = r#"{"version":1,"note":"one of three","tags":["baseline"]}"#;
            fs::write(path.join(Notes::FILE), text)?;
        }
    }
    Ok(())
}

fn least(times: impl Iterator<Item = Duration>) -> f64 {
    times.min().unwrap_or_default().as_secs_f64() * 1e3
}

fn read(root: &Path) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        let runs = read_all(root)?;
        times.push(begin.elapsed());
        assert!(runs.iter().all(|run| run.state() == Some(State::Finished)), "a run was not read");
    }
    println!("read     {:7.1} ms", least(times.into_iter()));
    Ok(())
}

fn plain(folder: &Path) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_skiplane"))
            .args(["runs", "--plain"])
            .current_dir(folder)
            .stdout(Stdio::null())
            .status()?;
        times.push(begin.elapsed());
        assert!(status.success());
    }
    println!("plain    {:7.1} ms", least(times.into_iter()));
    Ok(())
}

/// A terminal with a process in it.
struct Terminal {
    screen: vt100::Parser,
    output: Receiver<Vec<u8>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    /// Kept open, since the terminal exists only as long as it is.
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Terminal {
    fn start(folder: &Path) -> Result<Terminal, Box<dyn Error>> {
        let (cols, rows) = SIZE;
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
        // Otherwise the program asks the terminal for its background, and waits for an answer that never comes.
        command.args(["runs", "--background", "dark"]);
        command.env("TERM", "xterm-256color");
        command.cwd(folder);
        let child = pair.slave.spawn_command(command)?;
        let mut reader = pair.master.try_clone_reader()?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let cells = |count| std::num::NonZeroU16::new(count).ok_or("a terminal without cells");
        let screen = vt100::Parser::new(cells(rows)?, cells(cols)?, 0);
        Ok(Terminal { screen, output, keys: pair.master.take_writer()?, child, _master: pair.master })
    }

    fn wait_until(&mut self, shown: impl Fn(&str) -> bool) -> Outcome {
        while !shown(&self.screen.screen().contents()) {
            let bytes = self.output.recv_timeout(PATIENCE)?;
            self.screen.process(&bytes);
        }
        Ok(())
    }

    /// The time from a key to the end of the next frame.
    fn press(&mut self, keys: &[u8]) -> Result<Duration, Box<dyn Error>> {
        let begin = Instant::now();
        self.keys.write_all(keys)?;
        self.keys.flush()?;
        let mut frame = Vec::new();
        // A frame ends with the end of its synchronized update.
        while !frame.ends_with(b"\x1b[?2026l") {
            frame.extend(self.output.recv_timeout(PATIENCE)?);
        }
        let elapsed = begin.elapsed();
        self.screen.process(&frame);
        Ok(elapsed)
    }
}

fn in_terminal(folder: &Path, count: usize) -> Outcome {
    let all = skiplane::widgets::grouped(count as u64);
    let (mut first, mut full) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..TIMES {
        let begin = Instant::now();
        let mut terminal = Terminal::start(folder)?;
        terminal.wait_until(|text| text.contains("finished"))?;
        first.push(begin.elapsed());
        terminal.wait_until(|text| text.contains(&all) && !text.contains("reading"))?;
        full.push(begin.elapsed());
        if let Some(mut before) = last.replace(terminal) {
            before.keys.write_all(b"q")?;
            before.child.wait()?;
        }
    }
    let (first, full) = (least(first.into_iter()), least(full.into_iter()));
    println!("browser  {first:7.1} ms to the first rows, {full:.1} ms to the full table");
    let Some(mut terminal) = last else { return Ok(()) };
    // Drains earlier output, so that the next frame belongs to the key.
    std::thread::sleep(Duration::from_millis(300));
    terminal.output.try_iter().for_each(drop);
    let mut times = Vec::new();
    for at in 0..MOVES {
        let key: &[u8] = if at % 20 == 19 { b"\x1b[6~" } else { b"j" };
        times.push(terminal.press(key)?);
    }
    tell("key", &mut times);
    terminal.keys.write_all(b"q")?;
    terminal.child.wait()?;
    Ok(())
}

fn in_memory(root: &Path) -> Outcome {
    let mut list = RunsList::new();
    list.apply(Found::Runs(read_all(root)?));
    list.settle();
    let (theme, area) = (Theme::default(), Rect::new(0, 0, SIZE.0, SIZE.1));
    let mut buffer = Buffer::empty(area);
    let mut frame = |list: &mut RunsList, action| {
        let begin = Instant::now();
        list.act(action);
        buffer.reset();
        browser::draw(list, &browser::Status::default(), area, &mut buffer, &theme);
        begin.elapsed()
    };
    let mut moves: Vec<Duration> = (0..MOVES).map(|_| frame(&mut list, Action::MoveCursor(7))).collect();
    tell("move", &mut moves);
    frame(&mut list, Action::OpenFilter);
    let text = "depth>=8 (shortcut=identity or loss<0.5) tag=baseline not note~draft quick";
    let mut typed: Vec<Duration> = text.chars().map(|c| frame(&mut list, Action::Type(c))).collect();
    tell("filter", &mut typed);
    frame(&mut list, Action::Dismiss);
    let mut sorts: Vec<Duration> = (0..22).map(|_| frame(&mut list, Action::MoveSort(1))).collect();
    tell("sort", &mut sorts);
    let mut groups: Vec<Duration> = (0..20).map(|_| frame(&mut list, Action::ToggleGroups)).collect();
    tell("group", &mut groups);
    Ok(())
}

fn tell(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times[place.min(times.len() - 1)].as_secs_f64() * 1e3
    };
    println!(
        "{what:<8} {:7.2} ms median, {:.2} ms at the 99th percentile, {:.2} ms at most",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
