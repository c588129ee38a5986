//! A sweep in training: one state of all its lanes, those that were trained before, those that train and those that wait;
//! runs begin as cores become free. The source of the dashboard's events, and of those reported without one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Select;
use jiff::Timestamp;

use super::plan::{Plan, Planned, Todo};
use super::progress::Progress;
use crate::app::health::Severity;
use crate::app::{App, Lane, LaneLabel, Need};
use crate::claims;
use crate::cli::train::{command_line, labels};
use crate::event::Kind;
use crate::headless::finding_text;
use crate::metric::known;
use crate::nn::kernels::InstructionSet;
use crate::order::{LaneOrder, Order};
use crate::printable::percent;
use crate::reading::{self, IndexWriter, Library, Opened};
use crate::runlog::{NewRun, RunFolder, RunLogError, SweepFile};
use crate::session::live::{OrderError, SessionError, Setup};
use crate::session::sweep::{Going, Job, Queue};
use crate::tui::{Mode, Source};
use crate::units::LaneIdx;

/// How long to wait before it is looked whether a core has become free.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// A sweep in training.
pub(super) struct Sweeping<'a> {
    plan: &'a Plan,
    /// The place of the first lane of each experiment of the plan.
    first: Vec<LaneIdx>,
    /// The experiments that are trained, by their places in the plan; a job each.
    jobs: Vec<usize>,
    /// How many of these have ended.
    ended: usize,
    queue: Queue<'a, Kept>,
    library: Library,
    progress: Progress,
    messages: VecDeque<Message>,
    /// The problems that were shown on a dashboard, where they stay only briefly.
    shown: Vec<String>,
    /// What went wrong, the first of all.
    failed: Option<String>,
}

/// Something to be told.
pub(super) enum Message {
    /// A run has begun or ended.
    Progress(String),
    /// A warning or an error.
    Problem(String),
}

/// What is kept beside a run that trains.
struct Kept {
    /// What an earlier part of it left, until its lanes have their places.
    opened: Option<Opened>,
    /// From its start on.
    indexes: Option<IndexWriter>,
}

impl<'a> Sweeping<'a> {
    /// A sweep of which nothing is started yet, and the state of its lanes.
    ///
    /// # Errors
    /// If a run that was trained before cannot be read.
    pub(super) fn new(
        plan: &'a Plan,
        root: &'a Path,
        cores: usize,
    ) -> Result<(App, Sweeping<'a>), RunLogError> {
        let mut lanes = Vec::new();
        let mut first = Vec::new();
        for planned in &plan.points {
            first.push(LaneIdx(lanes.len()));
            let experiment = Arc::new(planned.experiment().clone());
            for lane in &experiment.lanes {
                let label = LaneLabel { run: plan.spelled(planned), lane: lane.name.clone() };
                lanes.push(Lane::planned(LaneIdx(lanes.len()), label, Arc::clone(&experiment)));
            }
        }
        let jobs: Vec<usize> = (0..plan.points.len()).filter(|at| !plan.points[*at].is_done()).collect();
        let costs = jobs.iter().flat_map(|at| {
            let costs = plan.points[*at].lane_costs().into_iter().enumerate();
            costs.map(|(lane, cost)| (LaneIdx(first[*at].0 + lane), cost))
        });
        let progress = Progress::new(costs);
        let job = |at: &usize| -> Job<'a, Kept> {
            let planned = &plan.points[*at];
            Box::new(move || prepare(plan, planned, root, cores))
        };
        let queue = Queue::new(jobs.iter().map(job).collect(), cores);
        let mut app = App::of_lanes(lanes);
        app.set_claim(plan.claim.clone());
        app.set_names(claims::names(app.lanes()));
        let mut sweeping = Sweeping {
            plan,
            first,
            jobs,
            ended: 0,
            queue,
            library: Library::default(),
            progress,
            messages: VecDeque::new(),
            shown: Vec::new(),
            failed: None,
        };
        for (at, planned) in plan.points.iter().enumerate() {
            if let Todo::Nothing(path) = &planned.todo {
                sweeping.open(&mut app, at, path)?;
            }
        }
        Ok((app, sweeping))
    }

    /// Opens a run that has ended: its histories are read when they are shown.
    fn open(&mut self, app: &mut App, at: usize, path: &Path) -> Result<(), RunLogError> {
        let opened = reading::open(&[path.to_owned()])?;
        app.place(self.first[at], opened.app.into_lanes());
        self.library.place(self.first[at], opened.library);
        Ok(())
    }

    /// Starts runs while cores have nothing to do, folds what has happened, and takes leave of runs that have ended.
    /// Returns whether anything has changed.
    pub(super) fn go_on(&mut self, app: &mut App) -> bool {
        let mut news = self.start_all(app);
        for going in self.queue.going() {
            news |= drain(going, self.first[self.jobs[going.job]], app, &mut self.messages);
        }
        while let Some(ended) = self.queue.take_ended() {
            self.retire(app, ended);
            news = true;
        }
        news | self.start_all(app)
    }

    fn start_all(&mut self, app: &mut App) -> bool {
        let mut news = false;
        while let Some((job, started)) = self.queue.start_next() {
            news = true;
            let planned = self.jobs[job];
            let (first, about) = (self.first[planned], self.plan.spelled(&self.plan.points[planned]));
            let going = match started {
                Ok(going) => going,
                // Another process trains it, or its folder cannot be written: the others go on.
                Err(error) => {
                    self.fail(format!("{about}: {error}"));
                    continue;
                }
            };
            let folder = going.live.folder();
            self.messages.push_back(Message::Progress(format!("run {}: {about}", folder.id())));
            going.kept.indexes = Some(IndexWriter::start(folder.reach(), first));
            let library = Library::of_logs(going.live.logs().map(Path::to_owned));
            let labels = labels(folder);
            let of_run = first.0..first.0 + labels.len();
            match going.kept.opened.take() {
                Some(opened) => {
                    app.place(first, opened.app.into_lanes());
                    app.lanes()[of_run].iter().for_each(|lane| self.progress.goes_on(lane));
                }
                None => {
                    let experiment = Arc::new(self.plan.points[planned].experiment().clone());
                    let lane = |label| Lane::planned(first, label, Arc::clone(&experiment));
                    app.place(first, labels.into_iter().map(lane));
                }
            }
            self.library.place(first, library);
        }
        news
    }

    fn fail(&mut self, problem: String) {
        self.ended += 1;
        self.messages.push_back(Message::Problem(format!("error: {problem}")));
        self.failed.get_or_insert(problem);
    }

    /// Takes leave of a run that has ended.
    fn retire(&mut self, app: &mut App, mut going: Going<Kept>) {
        let planned = self.jobs[going.job];
        let first = self.first[planned];
        let failed = going.live.failure();
        drain(&mut going, first, app, &mut self.messages);
        let Going { live, kept, .. } = going;
        if let Some(indexes) = kept.indexes {
            indexes.finish(app, |lane| live.delivered(lane));
        }
        let (id, path): (String, PathBuf) = (live.folder().id().to_owned(), live.folder().path().to_owned());
        if let Some(failed) = failed {
            return self.fail(format!("run {id}: {failed}"));
        }
        self.ended += 1;
        let lanes: Vec<String> =
            app.lanes().iter().skip(first.0).take(live.lanes().count()).map(result).collect();
        let text = format!("run {id} ended: {}; {}", lanes.join("; "), self.text(app));
        self.messages.push_back(Message::Progress(text));
        // From here on only what is shown of it takes memory. What was folded does as well.
        let _ = self.open(app, planned, &path);
    }

    /// The next message.
    pub(super) fn message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// The share of the work that is done, 0 to 1.
    pub(super) fn share(&self, app: &App) -> f64 {
        self.progress.share(app)
    }

    /// How many runs have ended, and the time that is left.
    pub(super) fn text(&self, app: &App) -> String {
        format!("{} of {} runs, {}", self.ended, self.jobs.len(), self.progress.text(app))
    }

    /// Stops the runs that train, with a checkpoint, and starts no more.
    pub(super) fn stop(&mut self) {
        self.queue.stop();
    }

    /// Whether nothing trains and nothing waits.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// Waits until a run has something to tell, but not long.
    pub(super) fn wait(&self) {
        let mut select = Select::new();
        self.queue.watch(&mut select);
        // After a timeout, everything is looked at.
        let _ = select.ready_timeout(PATIENCE);
    }

    /// The problems that were shown on a dashboard.
    pub(super) fn shown(&self) -> &[String] {
        &self.shown
    }

    /// What went wrong first.
    pub(super) fn failed(self) -> Option<String> {
        self.failed
    }
}

/// The state of a lane with its last errors, in words.
fn result(lane: &Lane) -> String {
    let [train, test] = [known::TRAIN_ERROR, known::TEST_ERROR].map(|metric| {
        let value = lane.scalar(metric).last().and_then(|row| row.last(0));
        value.map_or("unknown".to_owned(), percent)
    });
    format!("{} {}, training error {train}, test error {test}", lane.name(), lane.state().name())
}

/// Folds what has happened in a run whose lanes have their places from `first` on. Returns whether anything has.
fn drain(
    Going { live, kept, .. }: &mut Going<Kept>,
    first: LaneIdx,
    app: &mut App,
    messages: &mut VecDeque<Message>,
) -> bool {
    let mut news = false;
    let id = live.folder().id().to_owned();
    live.drain(|lane, event, offset| {
        news = true;
        let lane = LaneIdx(first.0 + lane.0);
        app.apply_at(lane, event, offset);
        if let Kind::NonFiniteFound(_) = &event.kind
            && let Some(lane) = app.lane(lane)
            && let Some(finding) = lane.health().findings().last()
            && (finding.step, finding.severity) == (event.step, Severity::Critical)
        {
            let text = format!("run {id}: lane {}: {}", lane.name(), finding_text(finding));
            messages.push_back(Message::Progress(text));
        }
    });
    if let Some(indexes) = &mut kept.indexes {
        indexes.offer(app, |lane| live.delivered(lane));
    }
    let problem = |problem: String| Message::Problem(format!("warning: run {id}: {problem}"));
    messages.extend(live.take_all_problems().into_iter().map(problem));
    news
}

/// Makes the folder of a new run, or opens that of one that goes on.
fn prepare(plan: &Plan, planned: &Planned, root: &Path, cores: usize) -> Result<(Setup, Kept), SessionError> {
    let experiment = planned.experiment();
    let dataset = Arc::clone(&planned.dataset);
    let threads = cores.min(experiment.lanes.len());
    if let Todo::Resume(path) = &planned.todo {
        let folder = RunFolder::open(path)?;
        let (setup, mut opened) = Setup::resume(dataset, folder, threads, false)?;
        // More of their events will be folded.
        let lanes = opened.app.lanes().len();
        (0..lanes).for_each(|lane| opened.library.prepare(&mut opened.app, LaneIdx(lane)));
        return Ok((setup, Kept { opened: Some(opened), indexes: None }));
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
    let setup = Setup::new(experiment.clone(), dataset, folder, threads);
    Ok((setup, Kept { opened: None, indexes: None }))
}

/// As the dashboard shows it.
impl Source for Sweeping<'_> {
    fn mode(&self) -> Mode {
        Mode::Live
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        self.queue.watch(select);
    }

    fn poll_every(&self) -> Option<Duration> {
        (!self.is_over()).then_some(PATIENCE)
    }

    fn drain(&mut self, app: &mut App) -> bool {
        self.go_on(app)
    }

    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        self.library.answer_soon(app, needs)
    }

    fn watch_answers<'a>(&'a self, select: &mut Select<'a>) {
        self.library.watch(select);
    }

    fn collect(&mut self, app: &mut App) -> bool {
        self.library.collect(app)
    }

    fn is_ended(&self) -> bool {
        self.is_over()
    }

    fn order(&mut self, LaneOrder { order, lane }: &LaneOrder) -> Result<(), String> {
        let is_for_all = matches!(
            order,
            Order::Pause
                | Order::Resume
                | Order::Checkpoint
                | Order::Step(_)
                | Order::Note(_)
                | Order::Probe(_)
        );
        if lane.is_some() || !is_for_all {
            return Err("a sweep trains its experiments as they are; `skiplane control RUN` orders one run"
                .to_owned());
        }
        let send = |going: &mut Going<Kept>| going.live.orders().send(&order.clone().into());
        let sent: Vec<Result<(), OrderError>> = self.queue.going().iter_mut().map(send).collect();
        // A run that has just ended takes no orders.
        if sent.iter().any(Result::is_ok) {
            return Ok(());
        }
        let refused = sent.into_iter().find_map(Result::err);
        Err(refused.map_or("no run trains at the moment".to_owned(), |error| error.to_string()))
    }

    fn problem(&mut self) -> Option<String> {
        while let Some(message) = self.message() {
            if let Message::Problem(problem) = message {
                self.shown.push(problem.clone());
                return Some(problem);
            }
        }
        None
    }

    fn progress(&self, app: &App) -> Option<String> {
        (!self.is_over()).then(|| self.text(app))
    }

    fn leaving(&self) -> &'static str {
        "keep training, with a progress bar here"
    }
}
