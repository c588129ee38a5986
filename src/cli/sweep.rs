//! `skiplane sweep`: trains the experiments of a sweep that were not trained yet, as many at a time as there are cores.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use crossbeam_channel::Select;
use jiff::Timestamp;

use super::failure::Failure;
use super::source::{Changes, Text};
use super::threads::ThreadsArgs;
use super::train::{command_line, labels};
use super::{RunsFolder, warn};
use crate::app::App;
use crate::event::Outcome;
use crate::headless::{Stopper, SweepReporter};
use crate::nn::kernels::InstructionSet;
use crate::reading::{IndexWriter, Opened};
use crate::runlog::{NewRun, RunFolder, SweepFile};
use crate::session::live::{SessionError, Setup};
use crate::session::sweep::{Going, Job, Queue};
use crate::units::LaneIdx;
use plan::{Plan, Planned, Todo};

pub(super) mod plan;

/// How long to wait before signals are looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Trains the experiments of a sweep: every combination of the values in `[sweep]`.
///
/// Each becomes a run of its own, which all other commands show. What was trained before is not trained again: a run
/// that was interrupted goes on from its last checkpoint, and after values or seeds are added, only what is new is
/// trained. Each core computes one lane. `skiplane check SWEEP` shows the plan with its costs.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane check experiments/depths.toml
  skiplane sweep experiments/depths.toml
  skiplane sweep experiments/depths.toml --set training.steps=50 --name trial --headless")]
pub(super) struct SweepArgs {
    /// The sweep: a file with a table `[sweep]`, or the name of a built-in one.
    #[arg(value_name = "SWEEP")]
    sweep: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Shows no terminal interface: plain lines, or one progress bar on a terminal.
    #[arg(long)]
    headless: bool,
    /// The sweep's name, by which its runs belong together; default: the file's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

pub(super) fn run(args: &SweepArgs) -> Result<(), Failure> {
    let text = Text::find(&args.sweep)?;
    let cores = args.threads.count();
    let plan = Plan::make(text, &args.changes, args.name.as_deref(), &args.folder)?;
    plan.notes.iter().for_each(|note| warn(note));
    plan.check_memory(cores)?;
    let root = args.folder.path()?;
    let stopper = Stopper::hear()?;
    let on_terminal = io::stdout().is_terminal() && !args.headless;
    let mut sweeping = Sweeping::new(&plan, &root, cores, on_terminal);
    let ending = sweeping.train(&stopper);
    let failed = sweeping.failed.take();
    drop(sweeping);
    let mut out = io::BufWriter::new(io::stdout().lock());
    // What is saved by now tells the result, whoever trained it.
    plan.write_results(&root, &mut out)?;
    out.flush()?;
    match (failed, ending) {
        (Some(problem), _) => Err(Failure::Failed(anyhow::anyhow!(problem))),
        (None, Ending::Interrupted) => Err(Failure::Interrupted),
        (None, Ending::Finished) => Ok(()),
    }
}

/// How the training of a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Finished,
    Interrupted,
}

/// A sweep in training.
struct Sweeping<'a> {
    plan: &'a Plan,
    /// The experiments that are trained, by their places in the plan; a job each.
    jobs: Vec<usize>,
    queue: Queue<'a, Folded>,
    reporter: SweepReporter,
    /// What went wrong, the first of all.
    failed: Option<String>,
}

/// The state of a run that trains, for its findings and the indexes of its logs.
struct Folded {
    app: App,
    /// From its start on.
    indexes: Option<IndexWriter>,
}

impl<'a> Sweeping<'a> {
    fn new(plan: &'a Plan, root: &'a Path, cores: usize, on_terminal: bool) -> Sweeping<'a> {
        let jobs: Vec<usize> = (0..plan.points.len()).filter(|at| !plan.points[*at].is_done()).collect();
        let job = |at: &usize| -> Job<'a, Folded> {
            let planned = &plan.points[*at];
            Box::new(move || prepare(plan, planned, root, cores))
        };
        let queue = Queue::new(jobs.iter().map(job).collect(), cores);
        let costs = jobs.iter().map(|at| plan.points[*at].lane_costs()).collect();
        let reporter = SweepReporter::new(costs, on_terminal);
        Sweeping { plan, jobs, queue, reporter, failed: None }
    }

    /// Trains everything, unless a signal ends it.
    fn train(&mut self, stopper: &Stopper) -> Ending {
        self.reporter.say(&self.plan.summary());
        let mut ending = Ending::Finished;
        loop {
            self.start_all();
            if self.queue.is_over() {
                return ending;
            }
            let mut select = Select::new();
            self.queue.watch(&mut select);
            // After a timeout, everything is looked at.
            let _ = select.ready_timeout(PATIENCE);
            if stopper.is_asked() && ending == Ending::Finished {
                ending = Ending::Interrupted;
                self.reporter.say("stopping with a checkpoint of each lane; a second signal ends at once");
                self.queue.stop();
            }
            for going in self.queue.going() {
                drain(going, &mut self.reporter);
            }
            while let Some(ended) = self.queue.take_ended() {
                self.retire(ended);
            }
            self.reporter.tick();
        }
    }

    /// Starts runs as long as cores have nothing to do.
    fn start_all(&mut self) {
        while let Some((job, started)) = self.queue.start_next() {
            let about = self.plan.spelled(&self.plan.points[self.jobs[job]]);
            match started {
                Ok(Going { live, kept, .. }) => {
                    self.reporter.started(live.folder().id(), &about);
                    kept.indexes = Some(IndexWriter::start(live.folder().reach()));
                }
                // Another process trains it, or its folder cannot be written: the others go on.
                Err(error) => self.fail(job, format!("{about}: {error}")),
            }
        }
    }

    fn fail(&mut self, job: usize, problem: String) {
        self.reporter.failed(job, &problem);
        self.failed.get_or_insert(problem);
    }

    /// Takes leave of a run that has ended.
    fn retire(&mut self, mut going: Going<Folded>) {
        let outcomes = going.live.join();
        drain(&mut going, &mut self.reporter);
        let Going { job, live, kept: Folded { app, indexes } } = going;
        if let Some(indexes) = indexes {
            indexes.finish(&app, |lane| live.delivered(lane));
        }
        let id = live.folder().id().to_owned();
        let names: Vec<&str> = live.lanes().collect();
        let failed = names.iter().zip(outcomes).find_map(|(name, outcome)| match outcome {
            Outcome::Failed { reason } => Some(format!("run {id}: lane {name} failed: {reason}")),
            _ => None,
        });
        let missing = live.missing().into_iter().next();
        let missing = missing.map(|(lane, what)| format!("run {id}: lane {}: {what}", names[lane.0]));
        match failed.or(missing) {
            Some(problem) => self.fail(job, problem),
            None => self.reporter.ended(job, &id, &app),
        }
    }
}

/// Folds and reports what has happened in a run.
fn drain(
    Going { job, live, kept: Folded { app, indexes } }: &mut Going<Folded>,
    reporter: &mut SweepReporter,
) {
    live.drain(|lane, event, offset| {
        app.apply_at(lane, event, offset);
        reporter.event(*job, lane, event, app);
    });
    if let Some(indexes) = indexes {
        indexes.offer(app, |lane| live.delivered(lane));
    }
    let names: Vec<String> = live.lanes().map(str::to_owned).collect();
    let id = live.folder().id().to_owned();
    for warning in live.take_warnings() {
        let name = names.get(warning.lane.0).map(String::as_str).unwrap_or_default();
        reporter.warn(&id, &format!("lane {name}: {}", warning.problem));
    }
    for problem in live.take_problems() {
        reporter.warn(&id, &problem);
    }
}

/// Makes the folder of a new run, or opens that of one that goes on.
fn prepare(
    plan: &Plan,
    planned: &Planned,
    root: &Path,
    cores: usize,
) -> Result<(Setup, Folded), SessionError> {
    let experiment = planned.experiment();
    let dataset = Arc::clone(&planned.dataset);
    let threads = cores.min(experiment.lanes.len());
    if let Todo::Resume(path) = &planned.todo {
        let folder = RunFolder::open(path)?;
        let (setup, Opened { mut app, mut library, .. }) = Setup::resume(dataset, folder, threads, false)?;
        // More of their events will be folded.
        (0..app.lanes().len()).for_each(|lane| library.prepare(&mut app, LaneIdx(lane)));
        return Ok((setup, Folded { app, indexes: None }));
    }
    let run = NewRun {
        name: &plan.of.name,
        experiment,
        instruction_set: InstructionSet::detect().name().to_owned(),
        threads,
        command: command_line(),
        started: Timestamp::now(),
        sweep: Some(SweepFile { of: &plan.of, text: &plan.text }),
    };
    let folder = RunFolder::create(root, run)?;
    let app = App::new(labels(&folder));
    Ok((Setup::new(experiment.clone(), dataset, folder, threads), Folded { app, indexes: None }))
}
