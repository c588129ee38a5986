//! What opening a saved run costs: `cargo bench --bench opening -- --help`. Makes its own logs, then starts the real
//! program in a pseudo-terminal and reads what it draws. A figure is the time from the start of the process to the end
//! of its first whole frame, or from a key to the end of the next frame.

use std::fs;
use std::io::{self, Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use serde::Serialize;
use skiplane::app::specimen::{Specimen, structure};
use skiplane::event::*;
use skiplane::metric::{Metric, known};
use skiplane::runlog::{NewRun, RunFolder};
use skiplane::structure::Structure;
use skiplane::units::{LaneIdx, Step};

/// What ends a frame: the end of a synchronised update.
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";
/// The time between two keys, about that of a held key.
const BETWEEN_KEYS: Duration = Duration::from_millis(40);
/// The longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(120);
/// Columns and rows of the terminal.
const SCREEN: (u16, u16) = (120, 40);

/// Measures how fast saved runs open.
#[derive(Debug, Parser)]
#[command(name = "opening", max_term_width = 100)]
struct Arguments {
    /// The log that is made and opened; may be given several times.
    #[arg(long, value_enum, default_values_t = [Log::Million, Log::Gigabyte])]
    log: Vec<Log>,
    /// Times that each is opened, with an index and without.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Keys that are pressed: moves of the cursor by turns with changes of the view.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    keys: usize,
    /// Instead measures keys while the default experiment trains both of its lanes on all cores.
    #[arg(long)]
    training: bool,
    /// Only makes the log, as a run in this folder of runs.
    #[arg(long, value_name = "RUNS")]
    make: Option<PathBuf>,
    /// The program; the one that is built beside this bench where not given.
    #[arg(long, value_name = "PROGRAM", default_value = env!("CARGO_BIN_EXE_skiplane"))]
    program: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A synthetic log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Log {
    /// A million scalars: 5,000 steps of one lane with 14 statistics of 14 layers, loss, error, learning rate and time.
    Million,
    /// About 1 GB: two lanes of 110 layers, every statistic at every step.
    Gigabyte,
}

/// What was measured of one log.
#[derive(Debug, Serialize)]
struct Measured {
    log: Log,
    megabytes: f64,
    index_megabytes: f64,
    without_index_ms: Vec<f64>,
    with_index_ms: Vec<f64>,
    key_p50_ms: f64,
    key_p99_ms: f64,
    key_max_ms: f64,
    resident_megabytes: f64,
    peak_megabytes: f64,
    peak_without_index_megabytes: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(runs) = &arguments.make {
        for log in &arguments.log {
            writeln!(io::stdout(), "{}", make(*log, runs)?.display())?;
        }
        return Ok(());
    }
    let mut out = io::stdout().lock();
    if arguments.training {
        let times = press_while_training(&arguments)?;
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
        writeln!(
            out,
            "key to frame while two lanes train: p50 {p50:.1} ms, p99 {p99:.1} ms, longest {most:.1} ms"
        )?;
        return Ok(());
    }
    for log in &arguments.log {
        let runs = tempfile::tempdir()?;
        let run = make(*log, runs.path())?;
        let measured = measure(&arguments, *log, &run)?;
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(&measured)?)?;
        } else {
            tell(&measured, &mut out)?;
        }
    }
    Ok(())
}

fn tell(measured: &Measured, out: &mut dyn Write) -> io::Result<()> {
    let Measured { log, megabytes, index_megabytes, .. } = measured;
    writeln!(out, "{log:?}: logs {megabytes:.1} MB, indexes {index_megabytes:.1} MB")?;
    let mut line = |name: &str, all: &[f64]| {
        let (middle, least, most) = (quantile(all, 0.5), quantile(all, 0.0), quantile(all, 1.0));
        writeln!(out, "  {name:<40} {middle:8.1} ms  ({least:.1} to {most:.1})")
    };
    line("start to first frame, without index", &measured.without_index_ms)?;
    line("start to first frame, with index", &measured.with_index_ms)?;
    let rate = megabytes / quantile(&measured.without_index_ms, 0.5) * 1e3;
    writeln!(out, "  read, folded and indexed {:>17} {rate:8.0} MB/s", "")?;
    let Measured { key_p50_ms, key_p99_ms, key_max_ms, .. } = measured;
    writeln!(
        out,
        "  key to frame: p50 {key_p50_ms:.1} ms, p99 {key_p99_ms:.1} ms, longest {key_max_ms:.1} ms"
    )?;
    let Measured { resident_megabytes, peak_megabytes, peak_without_index_megabytes, .. } = measured;
    writeln!(
        out,
        "  memory after all keys {resident_megabytes:.0} MB, peak {peak_megabytes:.0} MB, peak without index \
         {peak_without_index_megabytes:.0} MB"
    )
}

/// Opens and closes the help while both lanes train, in each view; returns the milliseconds to the frames that show it.
fn press_while_training(arguments: &Arguments) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let mut command = CommandBuilder::new(&arguments.program);
    command.args([
        "train",
        "--set",
        "training.steps=100000",
        "--colors",
        "256",
        "--background",
        "dark",
        "--runs",
    ]);
    command.arg(folder.path());
    command.env("XDG_STATE_HOME", folder.path());
    command.env("XDG_CONFIG_HOME", folder.path());
    let mut screen = Screen::start(command)?;
    while !screen.parser.screen().contents().contains("following") {
        screen.frame()?;
    }
    // The tour of the first start.
    screen.press("\x1b")?;
    thread::sleep(Duration::from_secs(2));
    let mut times = Vec::with_capacity(arguments.keys);
    for at in 0..arguments.keys {
        if at % 20 == 0 {
            screen.press(["1", "2", "3", "4", "5", "a", "C"][at / 20 % 7])?;
        }
        thread::sleep(BETWEEN_KEYS);
        while let Ok((_, bytes)) = screen.output.try_recv() {
            screen.parser.process(&bytes);
        }
        let pressed = Instant::now();
        screen.press("?")?;
        let opens = at % 2 == 0;
        loop {
            let end = screen.frame()?;
            if screen.parser.screen().contents().contains("Keys (") == opens {
                times.push((end - pressed).as_secs_f64() * 1e3);
                break;
            }
        }
    }
    screen.press("q")?;
    thread::sleep(Duration::from_millis(200));
    screen.press("s")?;
    while screen.output.recv_timeout(PATIENCE).is_ok() {}
    screen.child.wait()?;
    Ok(times)
}

fn measure(arguments: &Arguments, log: Log, run: &Path) -> anyhow::Result<Measured> {
    let last = steps(log).to_string();
    let (mut without_index_ms, mut with_index_ms) = (Vec::new(), Vec::new());
    let mut peak_without_index: f64 = 0.0;
    // Once without measuring, so that the files are in the page cache.
    Screen::open(&arguments.program, run, &last)?.quit()?;
    for _ in 0..arguments.rounds.max(1) {
        for entry in files(run, "index")? {
            fs::remove_file(entry)?;
        }
        let screen = Screen::open(&arguments.program, run, &last)?;
        without_index_ms.push(screen.opened_ms);
        peak_without_index = peak_without_index.max(screen.memory("VmHWM")?);
        screen.quit()?;
        ensure!(!files(run, "index")?.is_empty(), "no index was written");
        let screen = Screen::open(&arguments.program, run, &last)?;
        with_index_ms.push(screen.opened_ms);
        screen.quit()?;
    }
    let mut screen = Screen::open(&arguments.program, run, &last)?;
    let keys = screen.press_all(arguments.keys)?;
    let (resident, peak) = (screen.memory("VmRSS")?, screen.memory("VmHWM")?);
    screen.quit()?;
    Ok(Measured {
        log,
        megabytes: size(run, "jsonl")?,
        index_megabytes: size(run, "index")?,
        without_index_ms,
        with_index_ms,
        key_p50_ms: quantile(&keys, 0.5),
        key_p99_ms: quantile(&keys, 0.99),
        key_max_ms: quantile(&keys, 1.0),
        resident_megabytes: resident,
        peak_megabytes: peak,
        peak_without_index_megabytes: peak_without_index,
    })
}

fn quantile(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn files(run: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(run)?.map(|entry| entry.map(|entry| entry.path()));
    let all: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    Ok(all.into_iter().filter(|path| path.extension().is_some_and(|e| e == extension)).collect())
}

/// Megabytes of the files with an extension.
fn size(run: &Path, extension: &str) -> io::Result<f64> {
    files(run, extension)?.iter().map(|file| Ok(fs::metadata(file)?.len() as f64 / 1e6)).sum()
}

/// The program in a pseudo-terminal.
struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    opened_ms: f64,
    /// Kept open for as long as the program runs.
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Screen {
    /// Opens a run and waits for a whole frame that shows its last step.
    fn open(program: &Path, run: &Path, last: &str) -> anyhow::Result<Screen> {
        let mut command = CommandBuilder::new(program);
        // The terminal is not asked for its colours, since nothing answers here.
        command.args(["review", "--colors", "256", "--background", "dark"]);
        command.arg(run);
        let started = Instant::now();
        let mut screen = Screen::start(command)?;
        loop {
            let end = screen.frame()?;
            if screen.parser.screen().contents().contains(last) {
                screen.opened_ms = (end - started).as_secs_f64() * 1e3;
                return Ok(screen);
            }
        }
    }

    /// Starts a program in a pseudo-terminal.
    fn start(mut command: CommandBuilder) -> anyhow::Result<Screen> {
        let (columns, rows) = SCREEN;
        let pair =
            native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })?;
        command.env("TERM", "xterm-256color");
        let mut reader = pair.master.try_clone_reader()?;
        let keys = pair.master.take_writer()?;
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                    break;
                }
            }
        });
        let [rows, columns] = [rows, columns].map(|cells| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN));
        let parser = vt100::Parser::new(rows, columns, 0);
        Ok(Screen { child, keys, output, parser, opened_ms: 0.0, _master: pair.master })
    }

    fn press(&mut self, key: &str) -> io::Result<()> {
        self.keys.write_all(key.as_bytes())?;
        self.keys.flush()
    }

    /// Reads to the end of the next frame and says when it came.
    fn frame(&mut self) -> anyhow::Result<Instant> {
        let mut seen = Vec::new();
        loop {
            let (at, bytes) = self.output.recv_timeout(PATIENCE).context("the program drew no frame")?;
            self.parser.process(&bytes);
            seen.extend_from_slice(&bytes);
            if seen.windows(END_OF_FRAME.len()).any(|window| window == END_OF_FRAME) {
                return Ok(at);
            }
        }
    }

    /// Presses keys one after the other; returns the milliseconds to the frame of each.
    fn press_all(&mut self, count: usize) -> anyhow::Result<Vec<f64>> {
        // Cursor to the left and by pages, layers, all views, statistics.
        let cycle =
            ["\x1b[D", "2", "\x1b[5~", "3", "\x1b[D", "4", "\x1b[A", "5", "s", "6", "\x1b[D", "1", "s"];
        let mut times = Vec::with_capacity(count);
        for key in cycle.iter().cycle().take(count) {
            thread::sleep(BETWEEN_KEYS);
            while self.output.try_recv().is_ok() {}
            let pressed = Instant::now();
            self.press(key)?;
            times.push((self.frame()? - pressed).as_secs_f64() * 1e3);
        }
        Ok(times)
    }

    /// A figure of the process's memory, in megabytes.
    fn memory(&self, which: &str) -> anyhow::Result<f64> {
        let id = self.child.process_id().context("the program has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find(|line| line.starts_with(which)).context("no such figure")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    fn quit(mut self) -> anyhow::Result<()> {
        self.press("q")?;
        while self.output.recv_timeout(PATIENCE).is_ok() {}
        if !self.child.wait()?.success() {
            bail!("the program failed");
        }
        Ok(())
    }
}

/// The steps of each lane.
fn steps(log: Log) -> u64 {
    match log {
        Log::Million => 5_000,
        Log::Gigabyte => 20_000,
    }
}

/// Makes a run in a folder of runs and returns its path.
fn make(log: Log, runs: &Path) -> anyhow::Result<PathBuf> {
    let lanes: &[(&str, usize, &str)] = match log {
        Log::Million => &[("plain", 14, "none")],
        Log::Gigabyte => &[("plain", 110, "none"), ("residual", 110, "identity")],
    };
    let specimens: Vec<Specimen> = lanes
        .iter()
        .map(|(name, depth, shortcut)| Specimen {
            steps: steps(log),
            ..Specimen::new(name, *depth, shortcut)
        })
        .collect();
    let experiment = skiplane::app::specimen::experiment(steps(log), &specimens.iter().collect::<Vec<_>>());
    let run = NewRun {
        name: "opening",
        experiment: &experiment,
        instruction_set: "none".to_owned(),
        threads: 1,
        command: vec!["made up".to_owned()],
        started: Timestamp::now(),
        sweep: None,
    };
    let folder = RunFolder::create(runs, run)?;
    for (lane, (specimen, (_, depth, shortcut))) in specimens.iter().zip(lanes).enumerate() {
        let structure = structure(*depth, 8, shortcut);
        write_lane(&folder, LaneIdx(lane), specimen, &structure, log)?;
    }
    Ok(folder.path().to_owned())
}

fn write_lane(
    folder: &RunFolder,
    lane: LaneIdx,
    specimen: &Specimen,
    structure: &Structure,
    log: Log,
) -> anyhow::Result<()> {
    let mut writer = folder.create_log(lane)?;
    // The first event describes the lane. The others are made one at a time, since all of them would not fit into
    // memory.
    let short = Specimen { breaks_off_at: Some(0), ..specimen.clone() };
    let mut events = short.events();
    writer.append(&events.remove(0))?;
    let of =
        |metric: Metric| if metric.is_of_layers() { structure.layers.len() } else { structure.blocks.len() };
    let of_layers = || known::ALL.iter().copied().filter(|metric| metric.is_of_layers());
    let of_blocks = || known::ALL.iter().copied().filter(|metric| metric.is_of_blocks()).take(2);
    let metrics: Vec<Metric> = match log {
        Log::Million => of_layers().take(14).collect(),
        Log::Gigabyte => of_layers().take(18).chain(of_blocks()).collect(),
    };
    let mut noise = 0x2545_F491_4F6C_DD1D_u64 ^ lane.0 as u64;
    let mut next = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 40) as f32 / (1 << 24) as f32
    };
    for step in 1..=specimen.steps {
        let slope = 1.0 / (1.0 + step as f32 / 500.0);
        let columns = metrics.iter().map(|metric| {
            let values: Vec<f32> = (0..of(*metric)).map(|_| slope * (0.5 + next())).collect();
            (*metric, values)
        });
        let columns: Values = columns.collect();
        let values = Values::default()
            .with(known::LOSS, 2.3 * slope + 0.1 * next())
            .with(known::ERROR, 0.9 * slope + 0.1 * next())
            .with(known::LEARNING_RATE, 0.05)
            .and(columns);
        let time = Time {
            at_ms: step as f64 * 52.25,
            step_ms: Some(51.5),
            statistics_ms: Some(1.25),
            ..Time::default()
        };
        writer.append(&RunEvent { step: Step(step), time, kind: Kind::Measured(values) })?;
    }
    let finished = Kind::LaneFinished(LaneFinished { outcome: Outcome::Completed });
    writer.append(&RunEvent::new(Step(specimen.steps), specimen.steps as f64 * 52.25, finished))?;
    writer.finish()?;
    Ok(())
}
