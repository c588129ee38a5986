//! The command line: one file per command, with its arguments and its implementation. Errors go to standard error,
//! results to standard output; exit status 0 done, 1 failed, 2 bad usage or bad input, 130 interrupted.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::paths;
use crate::printable::{escaped_json, is_printable, printable_lines};
use crate::reading::replay::Run;
use crate::runlog::{self, Manifest};
use crate::session::listing;
use crate::sources::{self, Pattern};

mod failure;
mod panics;
mod table;
mod destination;
mod source;
mod starts;
mod threads;
mod saved;
mod appearance;
mod train;
mod sweep;
mod live_source;
mod detach;
mod attach;
mod control;
mod review;
mod check;
mod keys;
mod capacity;
mod doctor;
mod export;
mod import;
mod runs;
mod show;
mod decided;
mod verdict;
mod claims;
mod report;
mod snapshot;

use failure::Failure;

/// What a log of another program may be, as the help texts say.
macro_rules! other_logs {
    () => {
        "a log of another program: a TensorBoard folder, an offline W&B run, a .csv, .jsonl or trainer_state.json"
    };
}

/// The help of an argument that names a run.
const RUN_HELP: &str = concat!(
    "The run: an id, a unique part of one, `latest`, `latest~1` for the one before, a folder, or ",
    other_logs!()
);
/// The help of an argument that names runs.
const RUNS_HELP: &str = concat!(
    "The runs: each an id, a unique part of one, `latest`, `latest~1`, a folder of one run or of several, the name of a \
     sweep for all its runs, or ",
    other_logs!()
);

/// Trains plain and residual networks side by side and shows what a residual connection does.
///
/// Without a command, the default experiment is trained live, with the options of `train`: a plain network of 56 layers
/// beside a residual one that differs only in its shortcuts.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = concat!("\
Examples:
  skiplane                                       train the default experiment on the dashboard
  skiplane train quick                           train another experiment
  skiplane review latest                         open the last run again
  skiplane --headless --set training.batch=32    train without the dashboard, with another batch size

RUN is a run id, a unique part of one, `latest`, `latest~1` for the one before, a folder, or ", other_logs!(), ".
Exit status: 0 done, 1 failed, 2 bad usage or bad input, 130 interrupted.")
)]
struct CommandLine {
    #[command(flatten)]
    train: train::TrainOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Sweep(sweep::SweepArgs),
    Attach(attach::AttachArgs),
    Control(control::ControlArgs),
    Review(review::ReviewArgs),
    Runs(runs::RunsArgs),
    Show(show::ShowArgs),
    Verdict(verdict::VerdictArgs),
    Claims(claims::ClaimsArgs),
    Report(report::ReportArgs),
    Snapshot(Box<snapshot::SnapshotArgs>),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Check(check::CheckArgs),
    Keys(keys::KeysArgs),
    Doctor(doctor::DoctorArgs),
}

/// Where runs are kept.
#[derive(Clone, Debug, Default, Args)]
struct RunsFolder {
    /// The folder of runs; default: `runs` in the working directory if it exists, otherwise the user's data folder.
    #[arg(long = "runs", value_name = "DIR")]
    runs: Option<PathBuf>,
}

impl RunsFolder {
    /// The folder.
    fn path(&self) -> Result<PathBuf, Failure> {
        Ok(paths::runs_folder(self.runs.as_deref())?.0)
    }

    /// The folders of the runs that the user names; the name of a sweep stands for all of its runs.
    fn resolve_all(&self, names: &[String]) -> Result<Vec<PathBuf>, Failure> {
        let mut folders = Vec::new();
        for name in names {
            match self.resolve(name) {
                Ok(folder) => folders.push(folder),
                Err(not_one) => {
                    let runs = sweep::plan::of_sweep(&listing::read_all(&self.path()?)?, name);
                    if runs.is_empty() {
                        return Err(not_one);
                    }
                    folders.extend(runs.into_iter().rev().map(|run| run.summary.path));
                }
            }
        }
        Ok(folders)
    }

    /// The folder of the run that the user names.
    fn resolve(&self, run: &str) -> Result<PathBuf, Failure> {
        Ok(runlog::resolve(&self.path()?, run)?)
    }

    /// The runs that the user names, of this program or of others.
    fn find_all(&self, names: &[String], foreign: &ForeignArgs) -> Result<Vec<Run>, Failure> {
        let mut runs = Vec::new();
        for name in names {
            let path = Path::new(name);
            let own = if path.is_dir() { runlog::runs_in(path)? } else { Vec::new() };
            match foreign.find(path) {
                // A folder of runs need not have logs of other programs beside them.
                Err(_) if !own.is_empty() => {}
                Ok(Some(run)) => runs.push(run),
                Ok(None) => {
                    runs.extend(self.resolve_all(std::slice::from_ref(name))?.into_iter().map(Run::Own))
                }
                Err(neither) => return Err(neither),
            }
            runs.extend(own.into_iter().map(Run::Own));
        }
        Ok(runs)
    }

    /// The run that the user names.
    fn find(&self, name: &str, foreign: &ForeignArgs) -> Result<Run, Failure> {
        match foreign.find(Path::new(name))? {
            Some(run) => Ok(run),
            None => Ok(Run::Own(self.resolve(name)?)),
        }
    }
}

/// How logs of other programs are read.
#[derive(Clone, Debug, Default, Args)]
struct ForeignArgs {
    /// In a log of another program, which tags are of layers: a tag with `{layer}` in the place of the layer's name, and
    /// `*` for anything, such as `grad_norm/{layer}` or `*/{layer}.weight`. May be given several times. Default: what
    /// looks like names of layers; `skiplane show PATH` tells.
    #[arg(long, value_name = "PATTERN")]
    layers: Vec<Pattern>,
}

impl ForeignArgs {
    /// The logs of another program at a path; none if there is nothing, or a run of this program.
    fn find(&self, path: &Path) -> Result<Option<Run>, Failure> {
        if !path.exists() || path.join(Manifest::FILE).is_file() {
            return Ok(None);
        }
        Ok(Some(Run::Foreign(sources::find(path, &self.reading())?)))
    }

    /// How they are read.
    fn reading(&self) -> sources::Reading {
        sources::Reading { layers: self.layers.clone(), indexes: paths::indexes_folder() }
    }
}

/// Runs the command line; returns the exit status.
pub fn main() -> ExitCode {
    panics::tell_safely();
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // Help and version are errors to clap, and go to standard output.
            let status = if error.use_stderr() { 2 } else { 0 };
            // A message may quote the name of a file.
            let is_plain = env::args_os().all(|word| is_printable(&word.to_string_lossy()));
            let _ = if is_plain { error.print() } else { tell(&mut io::stderr(), &error.to_string()) };
            return ExitCode::from(status);
        }
    };
    let CommandLine { train, command } = command_line;
    let command = command.unwrap_or_else(|| Command::Train(Box::new(train.of_default())));
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                let _ = tell(&mut io::stderr(), &format!("error: {message}"));
            }
            failure.status()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    // Dashboard and browser need standard output for themselves.
    match command {
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Attach(args) => attach::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Runs(args) => runs::run(&args),
        command => print(command),
    }
}

fn print(command: Command) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match command {
        Command::Train(_)
        | Command::Sweep(_)
        | Command::Attach(_)
        | Command::Review(_)
        | Command::Runs(_) => {}
        Command::Control(args) => control::run(&args, &mut out)?,
        Command::Show(args) => show::run(&args, &mut out)?,
        Command::Verdict(args) => return verdict::run(&args, &mut out),
        Command::Claims(args) => claims::run(&args, &mut out)?,
        Command::Report(args) => report::run(&args, &mut out)?,
        Command::Snapshot(args) => snapshot::run(&args, &mut out)?,
        Command::Export(args) => export::run(&args, &mut out)?,
        Command::Import(args) => import::run(&args, &mut out)?,
        Command::Check(args) => check::run(&args, &mut out)?,
        Command::Keys(args) => keys::run(&args, &mut out)?,
        Command::Doctor(args) => doctor::run(&args, &mut out)?,
    }
    Ok(out.flush()?)
}

/// Reports what was skipped while reading a run, on standard error.
fn warn(message: &str) {
    let _ = tell(&mut io::stderr(), &format!("warning: {message}"));
}

/// Prints a value as JSON.
fn write_json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escaped_json(&serde_json::to_string_pretty(value)?))
}

/// Prints text that may quote a file, a log or a socket, followed by a newline.
fn tell(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", printable_lines(text.trim_end()))
}
