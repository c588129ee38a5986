//! A claim with the runs that are to decide it, and what they come to.

use std::path::{Path, PathBuf};

use super::RunsFolder;
use super::failure::Failure;
use super::source::{Changes, Text};
use super::sweep::plan::{experiment_run, of_sweep, rules};
use crate::app::{App, HistoryKey, Lane, Need};
use crate::claims::{self, Judged, Rules, Subject, Verdict};
use crate::experiment::{Claim, Experiment, Sweep};
use crate::reading::{self, Opened};
use crate::runlog::{Known, Listed, RunFolder, SweepName};
use crate::session::listing;

/// A claim, and what its rules came to.
pub(super) struct Decided {
    /// The name of its sweep.
    pub(super) name: String,
    pub(super) claim: Claim,
    /// The experiments of its sweep, each with its run.
    pub(super) runs: Vec<(Experiment, Option<Known>)>,
    pub(super) verdict: Verdict,
    /// What the rules came to, those that confirm and those that refute, in the order of the claim.
    pub(super) judged: [Vec<Judged>; 2],
    /// The lanes of its runs.
    pub(super) app: App,
}

impl Decided {
    /// The claim of a sweep, given by its file, by its name, or by one of its runs.
    pub(super) fn find(given: &str, folder: &RunsFolder) -> Result<Decided, Failure> {
        let listed = listing::read_all(&folder.path()?)?;
        let not_a_file = match Text::find(Path::new(given)) {
            Ok(text) => return Decided::of(text, &listed),
            Err(failure) => failure,
        };
        let newest = of_sweep(&listed, given).first().map(|run| run.summary.path.clone());
        let Some(path) = newest.or_else(|| folder.resolve(given).ok()) else { return Err(not_a_file) };
        let run = RunFolder::open(&path)?;
        let Some(SweepName { name, set }) = run.manifest().sweep.clone() else {
            let id = run.id();
            let message = format!("run {id}: expected a run of a sweep, found one that was trained alone");
            return Err(Failure::Input(anyhow::anyhow!(message)));
        };
        let sweep = Text::read(&path.join(RunFolder::SWEEP))?.expand(&Changes::written(&set))?;
        Decided::judge(name, sweep, &listed)
    }

    /// The claim of a text.
    pub(super) fn of(text: Text, listed: &[Listed]) -> Result<Decided, Failure> {
        let sweep = text.expand(&Changes::default())?;
        Decided::judge(text.name, sweep, listed)
    }

    /// Judges a claim by those of the runs that are of its sweep.
    fn judge(name: String, sweep: Sweep, listed: &[Listed]) -> Result<Decided, Failure> {
        let Some(claim) = sweep.claim else {
            let message = format!("sweep {name}: expected a `[claim]` with rules, found none");
            return Err(Failure::Input(anyhow::anyhow!(message)));
        };
        let known = of_sweep(listed, &name);
        let with_run = |experiment: Experiment| {
            let run = experiment_run(&known, &experiment).cloned();
            (experiment, run)
        };
        let runs: Vec<(Experiment, Option<Known>)> =
            sweep.points.into_iter().map(|point| with_run(point.checked.experiment)).collect();
        let rules = rules(&claim, runs.iter().map(|(experiment, _)| experiment))?;
        let Opened { mut app, mut library, .. } = reading::open(&folders(&runs))?;
        let needs = needs(&rules, &app);
        library.answer(&mut app, &needs);
        let mut opened = app.lanes().iter();
        let mut lanes: Vec<(Subject, Option<&Lane>)> = Vec::new();
        for (experiment, run) in &runs {
            for subject in Subject::all_of(experiment) {
                lanes.push((subject, run.as_ref().and_then(|_| opened.next())));
            }
        }
        let (verdict, judged) = claims::judge(&rules, &lanes);
        Ok(Decided { name, claim, runs, verdict, judged, app })
    }

    /// The folders of its runs.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        folders(&self.runs)
    }

    /// How many of its experiments were trained, at least in part.
    pub(super) fn trained(&self) -> usize {
        self.runs.iter().filter(|(_, run)| run.is_some()).count()
    }
}

fn folders(runs: &[(Experiment, Option<Known>)]) -> Vec<PathBuf> {
    runs.iter().filter_map(|(_, run)| Some(run.as_ref()?.summary.path.clone())).collect()
}

/// The histories that rules ask for and that are not in memory.
fn needs(rules: &Rules, app: &App) -> Vec<Need> {
    let of_lane = |lane: &Lane| {
        let keys =
            claims::metrics_of(rules.all(), lane).into_iter().map(|metric| HistoryKey { metric, slot: 0 });
        let idx = lane.idx();
        keys.filter(|key| lane.is_saved(*key)).map(|key| Need::History { lane: idx, key }).collect::<Vec<_>>()
    };
    app.lanes().iter().flat_map(of_lane).collect()
}
