//! What keeping the log costs in a training step: `cargo bench --bench log -- LOG..`. The events of real logs are
//! appended to a new one, over and over, as the lanes of a run do it: serialised, with a checksum, written to the file.

use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use skiplane::event::{Kind, RunEvent};
use skiplane::metric::Shape;
use skiplane::runlog::{Entry, LogKeeper, LogReader, LogWriter};

/// Warm-up rounds.
const WARM_UP: usize = 20;

/// Measures what keeping the log costs in a training step.
#[derive(Debug, Parser)]
#[command(name = "log", max_term_width = 100)]
struct Arguments {
    /// Logs with statistics, from lanes of different depths.
    logs: Vec<PathBuf>,
    /// Where the new log is written; the system's folder of temporary files where not given.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Steps that are measured.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    steps: usize,
    /// Ignored: what `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The steps with statistics of a log, and its layers.
fn steps(log: &Path) -> anyhow::Result<(usize, Vec<RunEvent>)> {
    let (mut layers, mut steps) = (0, Vec::new());
    let mut reader = LogReader::open(log)?;
    while let Some(entry) = reader.next_entry()? {
        let Entry::Event { event, .. } = entry else { continue };
        match &event.kind {
            Kind::LaneStarted(start) => layers = start.structure.layers.len(),
            Kind::Measured(values) if values.iter().any(|(metric, _)| metric.shape() == Shape::Numbers) => {
                steps.push(event);
            }
            _ => {}
        }
    }
    ensure!(!steps.is_empty(), "{}: expected steps with statistics, found none", log.display());
    Ok((layers, steps))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let mut out = io::stdout();
    writeln!(
        out,
        "layers  bytes a record  bytes a layer  us a record  99 % below  step ms  share of the step"
    )?;
    for (index, log) in arguments.logs.iter().enumerate() {
        let (layers, steps) = steps(log)?;
        let step_ms = steps.iter().filter_map(|step| step.time.step_ms);
        let step_ms = median(step_ms.map(|ms| Duration::from_secs_f64(ms / 1e3)).collect());
        let mut keeper = LogKeeper::new(LogWriter::create(&folder.path().join(format!("{index}.jsonl")))?);
        let (mut times, mut bytes) = (Vec::new(), 0);
        for (turn, event) in steps.iter().cycle().take(WARM_UP + arguments.steps).enumerate() {
            let start = Instant::now();
            let place = black_box(keeper.append(black_box(event)));
            let time = start.elapsed();
            if turn >= WARM_UP {
                times.push(time);
                bytes += place.map_or(0, |place| place.end - place.start);
            }
        }
        ensure!(keeper.finish().is_ok(), "the log could not be written");
        let record = bytes as f64 / times.len() as f64;
        times.sort();
        let [middle, most] =
            [times.len() / 2, times.len() * 99 / 100].map(|at| times[at].as_secs_f64() * 1e6);
        let step_ms = step_ms.as_secs_f64() * 1e3;
        writeln!(
            out,
            "{layers:>6} {record:>15.0} {:>14.0} {middle:>12.1} {most:>11.1} {step_ms:>8.1} {:>17.3} %",
            record / layers as f64,
            middle / step_ms / 10.0
        )?;
    }
    Ok(())
}
