//! `skiplane train`: trains the lanes of an experiment, on the dashboard or without it.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use signal_hook::consts::SIGINT;

use super::appearance::AppearanceArgs;
use super::capacity;
use super::check::memory::RunMemory;
use super::check::networks;
use super::detach::{self, Waiting};
use super::failure::Failure;
use super::live_source::LiveSource;
use super::source::{Changes, ExperimentArgs, load_data};
use super::threads::ThreadsArgs;
use super::{RunsFolder, starts, tell, warn};
use crate::app::{Action, App, LaneLabel};
use crate::datasets::Dataset;
use crate::experiment::Checked;
use crate::headless::{self, Reporter, Stopper};
use crate::nn::kernels::InstructionSet;
use crate::paths;
use crate::reading::{IndexWriter, Opened};
use crate::runlog::{ManifestLane, NewRun, RunFolder};
use crate::session::live::{self, Live, Setup};
use crate::tui::{self, Parting};
use crate::units::LaneIdx;

/// Trains the lanes of an experiment side by side.
///
/// On a terminal, the dashboard shows them live; `d` detaches it, and training continues in the background, as it does
/// if the terminal is lost. Everything is written to the run's folder before it is shown; `skiplane review latest`
/// opens it again. SIGINT and SIGTERM stop all lanes with a checkpoint.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  skiplane train quick
  skiplane train experiments/depth.toml --headless --threads 4 > depth.log
  skiplane train --resume latest
  skiplane train experiments/depth.toml --detach
  skiplane train --set training.batch=32 --set lane.*.depth=20 --name small")]
pub(super) struct TrainArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    options: TrainOptions,
}

/// How an experiment is trained.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrainOptions {
    #[command(flatten)]
    changes: Changes,
    /// Resumes a run that crashed, failed or was stopped: each lane from its last checkpoint, in the same folder.
    ///
    /// The result is bit-identical to an uninterrupted run, on any number of threads, with AVX2 as with AVX-512; the
    /// baseline instruction set rounds differently. Damaged checkpoints are skipped. If the experiment or the data have
    /// changed since the run was started, it is refused.
    ///
    /// RUN is an id, a unique part of one, `latest`, `latest~1` for the one before, or a folder.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["set", "seed", "steps", "name"])]
    resume: Option<String>,
    /// Resumes a run even if its experiment or data have changed since it was started.
    ///
    /// The changes are logged. Its lanes must still be the same networks.
    #[arg(long, requires = "resume")]
    force: bool,
    /// Shows no dashboard: a progress bar per lane on a terminal, plain lines otherwise.
    #[arg(long)]
    headless: bool,
    /// Prints plain lines for screen readers: a line for each change, and an answer to each line that is typed; `help`
    /// lists what can be.
    #[arg(long, conflicts_with_all = ["headless", "detach"])]
    plain: bool,
    /// Trains in the background and prints the run's id. `skiplane attach` shows the run; its output goes to
    /// `output.log` in its folder.
    #[arg(long)]
    detach: bool,
    /// The run's name, after its start time; default: the experiment's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    folder: RunsFolder,
    #[command(flatten)]
    appearance: AppearanceArgs,
    /// Whether the tour is shown, if it never was.
    #[arg(skip)]
    tour: bool,
}

/// The mark that the tour was shown.
const TOURED: &str = "toured";

impl TrainOptions {
    /// The command that a call without one means.
    pub(super) fn of_default(self) -> TrainArgs {
        TrainArgs { experiment: ExperimentArgs::default(), options: TrainOptions { tour: true, ..self } }
    }
}

/// A run that has been started, and its folder.
struct Started {
    live: Live,
    app: App,
    folder: RunFolder,
    /// Keeps the indexes of its logs up to date.
    index_writer: IndexWriter,
    at: Timestamp,
    /// Listens for signals from before the first step.
    stopper: Stopper,
    /// What its lanes start from, in words.
    starts: Vec<String>,
    /// What was printed about a resumed run, to be shown on the dashboard, too.
    notes: Vec<String>,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    Dashboard,
    Headless,
    Plain,
    Detached,
}

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let TrainArgs { experiment, options: args } = args;
    if experiment.experiment.is_some() && args.resume.is_some() {
        let message =
            "expected an experiment or `--resume RUN`, found both; a resumed run uses its own experiment";
        return Err(Failure::Input(anyhow::anyhow!(message)));
    }
    let face = match args {
        TrainOptions { detach: true, .. } => Face::Detached,
        TrainOptions { headless: true, .. } => Face::Headless,
        TrainOptions { plain: true, .. } => Face::Plain,
        _ if io::stdout().is_terminal() && tui::has_screen() => Face::Dashboard,
        _ => Face::Headless,
    };
    let waiting = Waiting::find();
    if waiting.is_none() && !matches!(face, Face::Headless | Face::Plain) {
        return wait_for_child(args);
    }
    let started = match &args.resume {
        None => start(experiment, args)?,
        Some(run) => match resume(args, run)? {
            Some(started) => started,
            None => return Ok(()),
        },
    };
    match face {
        Face::Dashboard => dashboard(args, started, waiting),
        Face::Headless => {
            never_wait_for_terminal();
            headless(started)
        }
        Face::Plain => {
            never_wait_for_terminal();
            plain(started)
        }
        Face::Detached => detach(started, waiting),
    }
}

/// Waits until the process that trains ends or leaves the terminal.
fn wait_for_child(args: &TrainOptions) -> Result<(), Failure> {
    match detach::start_and_wait()? {
        detach::Parting::Ended(0) => Ok(()),
        detach::Parting::Ended(status) => Err(Failure::Told(status)),
        detach::Parting::Killed(signal) => Err(Failure::Killed(signal)),
        detach::Parting::Detached(run) if args.detach => Ok(tell(&mut io::stdout(), &run)?),
        detach::Parting::Detached(run) => {
            let run = match &args.folder.runs {
                Some(folder) => folder.join(run).display().to_string(),
                None => run,
            };
            let commands =
                format!("  skiplane attach {run}\n  skiplane control {run} pause|resume|checkpoint|stop");
            Ok(tell(&mut io::stdout(), &format!("training continues in the background\n{commands}"))?)
        }
    }
}

/// Loads the data and checks that the experiment fits it, and that the run fits into memory.
fn load(checked: &Checked, threads: usize) -> Result<Arc<Dataset>, Failure> {
    let dataset = load_data(checked)?;
    let networks = networks(checked, dataset.shape, dataset.classes.len())?;
    capacity::check_run(checked, &RunMemory::of(&checked.experiment, &dataset, &networks, threads))?;
    Ok(Arc::new(dataset))
}

/// Checks everything before anything is written, then starts the lanes.
fn start(experiment: &ExperimentArgs, args: &TrainOptions) -> Result<Started, Failure> {
    let (name, mut checked) = experiment.read(&args.changes)?;
    let threads = args.threads.count();
    let dataset = load(&checked, threads)?;
    let starts = starts::find(&mut checked, &dataset, &args.folder)?;
    let experiment = &checked.experiment;
    let at = Timestamp::now();
    let run = NewRun {
        name: args.name.as_deref().unwrap_or(&name),
        experiment,
        instruction_set: InstructionSet::detect().name().to_owned(),
        threads,
        command: command_line(),
        started: at,
        sweep: None,
    };
    let folder = RunFolder::create(&args.folder.path()?, run)?;
    let app = App::new(labels(&folder));
    let stopper = Stopper::hear()?;
    let live = live::start(Setup::new(experiment.clone(), dataset, folder.clone(), threads))?;
    let index_writer = IndexWriter::start(live.folder().reach(), LaneIdx(0));
    Ok(Started { live, app, folder, index_writer, at, stopper, starts, notes: Vec::new() })
}

/// Resumes the lanes of an earlier run that have steps left; none if no lane has.
fn resume(args: &TrainOptions, run: &str) -> Result<Option<Started>, Failure> {
    let folder = RunFolder::open(&args.folder.resolve(run)?)?;
    let experiment = Some(folder.path().join(RunFolder::EXPERIMENT));
    let (_, checked) = ExperimentArgs { experiment }.read(&Changes::default())?;
    let threads = args.threads.count();
    let dataset = load(&checked, threads)?;
    let (mut setup, opened) = Setup::resume(dataset, folder.clone(), threads, args.force)?;
    if setup.is_over() {
        let id = folder.id();
        tell(&mut io::stdout(), &format!("run {id}: all lanes have ended, nothing to resume"))?;
        return Ok(None);
    }
    let mut notes = std::mem::take(&mut setup.notes);
    let (before, now) = (&folder.manifest().instruction_set, InstructionSet::detect());
    if !now.gives_bits_of(before) {
        notes.push(format!(
            "the run was started with {before} instructions and continues with {now}: from the next step on its \
             numbers differ from those of an uninterrupted run"
        ));
    }
    notes.iter().for_each(|note| warn(note));
    // The events' times continue from earlier ones.
    let since = SignedDuration::try_from_secs_f64((setup.clock)() / 1e3).unwrap_or_default();
    let at = Timestamp::now().checked_sub(since).unwrap_or(Timestamp::UNIX_EPOCH);
    let Opened { mut app, mut library, .. } = opened;
    // More of their events will be folded.
    (0..app.lanes().len()).for_each(|lane| library.prepare(&mut app, LaneIdx(lane)));
    let stopper = Stopper::hear()?;
    let live = live::start(setup)?;
    let index_writer = IndexWriter::start(live.folder().reach(), LaneIdx(0));
    Ok(Some(Started { live, app, folder, index_writer, at, stopper, starts: Vec::new(), notes }))
}

/// The lanes' labels.
pub(super) fn labels(folder: &RunFolder) -> Vec<LaneLabel> {
    let label = |lane: &ManifestLane| LaneLabel { run: folder.id().to_owned(), lane: lane.name.clone() };
    folder.manifest().lanes.iter().map(label).collect()
}

/// The command line, for repeating the run; without the program's folder.
pub(super) fn command_line() -> Vec<String> {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    std::iter::once("skiplane".to_owned()).chain(words).collect()
}

fn dashboard(args: &TrainOptions, mut started: Started, waiting: Option<Waiting>) -> Result<(), Failure> {
    let setup = args.appearance.setup();
    if args.tour && paths::is_first_time(TOURED) {
        started.app.act(Action::SetTour(Some(0)));
    }
    let notes = std::mem::take(&mut started.notes);
    let mut source = LiveSource::new(&mut started.live, &mut started.index_writer, notes);
    let Parting { ending, reports } = tui::run_beside(&mut started.app, &mut source, setup);
    never_wait_for_terminal();
    // On the dashboard they were shown only briefly.
    source.warnings().iter().for_each(|warning| warn(warning));
    if let Err(error) = &ending {
        let output = started.folder.path().join(detach::OUTPUT);
        let more = if reports.is_empty() { String::new() } else { format!("; more in {}", output.display()) };
        warn(&format!("the dashboard failed, training continues: {error}{more}"));
    }
    if let Ok(tui::Ending::Stop | tui::Ending::Signal(_)) = ending {
        started.live.stop();
    }
    if let Ok(tui::Ending::Detach | tui::Ending::Lost) | Err(_) = ending {
        leave_terminal(started.live.folder(), waiting);
    }
    for report in reports {
        // Errors are ignored: standard error may be closed.
        let _ = tell(&mut io::stderr(), &report);
    }
    match ending {
        Ok(tui::Ending::Left | tui::Ending::Browse) => end(started, headless::Ending::Finished),
        Ok(tui::Ending::Signal(_)) => {
            headless(started)?;
            Err(Failure::Interrupted)
        }
        Ok(tui::Ending::Stop | tui::Ending::Detach | tui::Ending::Lost) | Err(_) => headless(started),
    }
}

/// Tells the run in lines for screen readers, and answers those that are typed.
fn plain(mut started: Started) -> Result<(), Failure> {
    let notes = std::mem::take(&mut started.notes);
    let mut source = LiveSource::new(&mut started.live, &mut started.index_writer, notes);
    let is_asked = || started.stopper.is_asked().then_some(SIGINT);
    let input = io::BufReader::new(io::stdin());
    let ending = tui::plain(&mut started.app, &mut source, input, &mut io::stdout(), &is_asked);
    match ending {
        Ok(tui::Ending::Stop) => started.live.stop(),
        Ok(tui::Ending::Signal(_)) => {
            started.live.stop();
            headless(started)?;
            return Err(Failure::Interrupted);
        }
        Ok(_) => return end(started, headless::Ending::Finished),
        // Training goes on if its lines are not read.
        Err(_) => {}
    }
    headless(started)
}

/// Continues without the terminal, reporting the run's events until it ends.
fn detach(started: Started, waiting: Option<Waiting>) -> Result<(), Failure> {
    leave_terminal(started.live.folder(), waiting);
    headless(started)
}

/// Makes sure that training does not block on a terminal that is not read.
fn never_wait_for_terminal() {
    // If that fails, output may block on the terminal.
    let _ = detach::never_wait_for_terminal();
}

/// Leaves the terminal, or stays on it if that fails.
fn leave_terminal(folder: &RunFolder, waiting: Option<Waiting>) {
    if let Err(error) = detach::leave_terminal(folder, waiting) {
        warn(&format!("training stays on this terminal: {error}"));
    }
}

/// Reports the run's events until it ends.
fn headless(started: Started) -> Result<(), Failure> {
    let Started { mut live, app, folder, mut index_writer, at, stopper, starts, .. } = started;
    let on_terminal = io::stdout().is_terminal();
    let lines = |app| Reporter::lines(app, at, headless::standard_output());
    let mut reporter = if on_terminal && tui::has_screen() { Reporter::bars(app) } else { lines(app) };
    reporter.say(None, &format!("run {} in {}", folder.id(), folder.path().display()));
    starts.iter().for_each(|start| reporter.say(None, start));
    let ending = loop {
        match headless::watch(&mut live, &mut reporter, &mut index_writer, &stopper) {
            // Lines that go into a file continue there.
            headless::Ending::HungUp if !on_terminal => {}
            headless::Ending::HungUp => {
                let app = reporter.into_app();
                // If that fails, there is nowhere to report it.
                let _ = detach::leave_terminal(live.folder(), None);
                reporter = lines(app);
                reporter.say(None, "the terminal is gone, training continues");
            }
            ending => break ending,
        }
    };
    reporter.say(None, &format!("`skiplane review {}` opens the run again", folder.id()));
    outcome(live, reporter.into_app(), index_writer, ending)
}

/// Prints where the run is, after the dashboard has left the screen.
fn end(started: Started, ending: headless::Ending) -> Result<(), Failure> {
    let Started { live, app, folder, index_writer, .. } = started;
    let _ = tell(&mut io::stdout(), &format!("run {0}; `skiplane review {0}` opens it again", folder.id()));
    outcome(live, app, index_writer, ending)
}

/// A failed lane makes the whole command fail, and so does an incomplete log; a diverged lane is a result.
fn outcome(
    mut live: Live,
    mut app: App,
    index_writer: IndexWriter,
    ending: headless::Ending,
) -> Result<(), Failure> {
    let failed = live.failure();
    // The lanes have ended, and their logs are complete.
    live.drain(|lane, event, offset| app.apply_at(lane, event, offset));
    index_writer.finish(&app, |lane| live.delivered(lane));
    match (failed, ending) {
        (Some(failed), _) => Err(Failure::Failed(anyhow::anyhow!(failed))),
        (None, headless::Ending::Interrupted) => Err(Failure::Interrupted),
        (None, headless::Ending::Finished | headless::Ending::HungUp) => Ok(()),
    }
}
