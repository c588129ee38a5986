//! `skiplane sweep`: trains the experiments of a sweep that were not trained yet, as many at a time as there are cores.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::source::{Changes, Text};
use super::threads::ThreadsArgs;
use super::{RunsFolder, tell, warn};
use crate::app::{Action, App};
use crate::headless::{Stopper, SweepReporter};
use crate::tui::{self, Parting, Setup};
use crate::views;
use plan::Plan;
use sweeping::{Message, Sweeping};

pub(super) mod plan;
mod progress;
mod sweeping;

/// The view that a sweep begins with.
const FIRST_VIEW: &str = "sweep";

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
    /// Shows no dashboard: one progress bar on a terminal, plain lines otherwise.
    #[arg(long)]
    headless: bool,
    /// The sweep's name, by which its runs belong together; default: the file's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    folder: RunsFolder,
    #[command(flatten)]
    appearance: AppearanceArgs,
}

pub(super) fn run(args: &SweepArgs) -> Result<(), Failure> {
    let text = Text::find(&args.sweep)?;
    let cores = args.threads.count();
    let plan = Plan::make(text, &args.changes, args.name.as_deref(), &args.folder)?;
    plan.notes.iter().for_each(|note| warn(note));
    plan.check_memory(cores)?;
    let root = args.folder.path()?;
    let stopper = Stopper::hear()?;
    let (mut app, mut sweeping) = Sweeping::new(&plan, &root, cores)?;
    let on_terminal = io::stdout().is_terminal();
    let has_screen = on_terminal && tui::has_screen();
    let has_dashboard = has_screen && io::stdin().is_terminal() && !args.headless && !sweeping.is_over();
    let mut is_stopped = has_dashboard && dashboard(&mut app, &mut sweeping, args.appearance.setup());
    let reporter = SweepReporter::new(has_screen);
    if is_stopped {
        sweeping.stop();
    } else if !has_dashboard {
        reporter.say(&plan.summary());
    }
    is_stopped |= report(&mut app, &mut sweeping, &stopper, &reporter);
    drop(reporter);
    let mut out = io::BufWriter::new(io::stdout().lock());
    // What is saved by now tells the result, whoever trained it.
    plan.write_results(&root, &mut out)?;
    out.flush()?;
    match sweeping.failed() {
        Some(problem) => Err(Failure::Failed(anyhow::anyhow!(problem))),
        None if is_stopped => Err(Failure::Interrupted),
        None => Ok(()),
    }
}

/// Shows a sweep on the dashboard until the user leaves. Returns whether it is to be stopped.
fn dashboard(app: &mut App, sweeping: &mut Sweeping<'_>, setup: Setup) -> bool {
    if let Some(kind) = views::kind_named(FIRST_VIEW).filter(|kind| views::fitting(app).contains(kind)) {
        app.act(Action::SelectView(kind));
    }
    let Parting { ending, reports } = tui::run_beside(app, sweeping, setup);
    // There they were shown only briefly.
    sweeping.shown().iter().for_each(|problem| warn(problem));
    if let Err(error) = &ending {
        warn(&format!("the dashboard failed, training continues: {error}"));
    }
    for report in reports {
        // Errors are ignored: standard error may be closed.
        let _ = tell(&mut io::stderr(), &report);
    }
    matches!(ending, Ok(tui::Ending::Stop | tui::Ending::Signal(_)))
}

/// Trains what is left, and reports it; returns whether a signal has stopped it.
fn report(app: &mut App, sweeping: &mut Sweeping<'_>, stopper: &Stopper, reporter: &SweepReporter) -> bool {
    let mut is_stopped = false;
    loop {
        sweeping.go_on(app);
        while let Some(Message::Progress(text) | Message::Problem(text)) = sweeping.message() {
            reporter.say(&text);
        }
        if sweeping.is_over() {
            return is_stopped;
        }
        reporter.tick(sweeping.share(app), sweeping.text(app));
        sweeping.wait();
        if stopper.is_asked() && !is_stopped {
            is_stopped = true;
            reporter.say("stopping with a checkpoint of each lane; a second signal ends at once");
            sweeping.stop();
        }
    }
}
