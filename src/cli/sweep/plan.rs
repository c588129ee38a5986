//! The plan of a sweep: its experiments with what they cost, and what of them was trained before.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::claims::{RuleError, Rules, Subject};
use crate::cli::check::memory::RunMemory;
use crate::cli::check::{multiply_adds_of_step, networks};
use crate::cli::failure::Failure;
use crate::cli::source::{Changes, Text, available, load_data};
use crate::cli::table::{Align, Table, bytes};
use crate::cli::{RunsFolder, capacity, starts};
use crate::datasets::Dataset;
use crate::experiment::{Checked, Claim, Data, Experiment, Point, Sweep};
use crate::model::Description;
use crate::printable::{grouped, percent};
use crate::runlog::{Known, LaneSummary, Listed, RunSummary, State, SweepName};
use crate::session::listing;

/// The experiments of a sweep, each with what is left to do.
pub(in crate::cli) struct Plan {
    /// Its name, and what was changed on the command line.
    pub(in crate::cli) of: SweepName,
    /// The text of its file.
    pub(in crate::cli) text: String,
    /// The keys that vary.
    pub(in crate::cli) keys: Vec<String>,
    pub(in crate::cli) points: Vec<Planned>,
    /// What it is to decide.
    pub(in crate::cli) claim: Option<Claim>,
    /// What lanes start from, in words.
    pub(in crate::cli) notes: Vec<String>,
}

/// An experiment of a sweep.
pub(in crate::cli) struct Planned {
    /// The value of each key that varies.
    pub(in crate::cli) values: Vec<String>,
    pub(in crate::cli) dataset: Arc<Dataset>,
    pub(in crate::cli) todo: Todo,
    checked: Checked,
    networks: Vec<Description>,
}

/// What is left to do for an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Todo {
    /// Everything.
    Train,
    /// The rest of the run in this folder.
    Resume(PathBuf),
    /// Nothing: the run in this folder has ended.
    Nothing(PathBuf),
}

/// Data sets that were loaded, each with what it was loaded for.
type Loaded = Vec<((Data, Option<u64>), Arc<Dataset>)>;

impl Plan {
    /// Checks every experiment of a sweep, and finds what was trained before under its name.
    pub(in crate::cli) fn make(
        text: Text,
        changes: &Changes,
        name: Option<&str>,
        folder: &RunsFolder,
    ) -> Result<Plan, Failure> {
        let Sweep { keys, points, claim } = text.expand(changes)?;
        if let Some(claim) = &claim {
            // Before anything is trained for them, the rules are read.
            rules(claim, points.iter().map(|point| &point.checked.experiment))?;
        }
        let set = changes.overrides().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let of = SweepName { name: name.unwrap_or(&text.name).to_owned(), set };
        let runs = of_sweep(&listing::read_all(&folder.path()?)?, &of.name);
        let (mut loaded, mut notes, mut planned) = (Loaded::new(), Vec::new(), Vec::new());
        for Point { values, mut checked } in points {
            let dataset = load(&checked, &mut loaded)?;
            let networks = networks(&checked, dataset.shape, dataset.classes.len())?;
            for note in starts::find(&mut checked, &dataset, folder)? {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            let todo =
                experiment_run(&runs, &checked.experiment).map_or(Todo::Train, |run| left_of(&run.summary));
            planned.push(Planned { values, checked, dataset, networks, todo });
        }
        Ok(Plan { of, text: text.text, keys, points: planned, claim, notes })
    }

    /// Checks that as many experiments as are trained at a time fit into the memory.
    pub(in crate::cli) fn check_memory(&self, cores: usize) -> Result<(), Failure> {
        for planned in self.points.iter().filter(|planned| !planned.is_done()) {
            let Planned { checked, dataset, networks, .. } = planned;
            let memory = RunMemory::of(&checked.experiment, dataset, networks, 1);
            let at_once = cores.div_ceil(networks.len().max(1)) as u64;
            capacity::check_run(checked, &memory.of_several(at_once))?;
        }
        Ok(())
    }

    /// How much is to be done, in words.
    pub(in crate::cli) fn summary(&self) -> String {
        let count = |wanted: fn(&Todo) -> bool| self.points.iter().filter(|at| wanted(&at.todo)).count();
        let new = count(|todo| *todo == Todo::Train);
        let rest = count(|todo| matches!(todo, Todo::Resume(_)));
        let done = count(|todo| matches!(todo, Todo::Nothing(_)));
        format!("sweep {}: {new} runs to train, {rest} to go on with, {done} that have ended", self.of.name)
    }

    /// The values of an experiment, in words.
    pub(in crate::cli) fn spelled(&self, planned: &Planned) -> String {
        let pairs = self.keys.iter().zip(&planned.values).map(|(key, value)| {
            // What is set for all lanes is known by its own name.
            let key = key.strip_prefix("lane.*.").unwrap_or(key);
            format!("{key}={value}")
        });
        pairs.collect::<Vec<String>>().join(" ")
    }

    /// Writes the experiments with what they cost.
    pub(in crate::cli) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        use Align::{Left, Right};
        let columns = [
            ("experiment", Left),
            ("lanes", Right),
            ("parameters", Right),
            ("multiply-adds", Right),
            ("memory", Right),
            ("state", Left),
        ];
        let mut table = Table::new(&columns);
        let mut all = 0.0;
        for planned in &self.points {
            let cost: f64 = planned.lane_costs().iter().map(|(cost, steps)| cost * *steps as f64).sum();
            let memory = RunMemory::of(&planned.checked.experiment, &planned.dataset, &planned.networks, 1);
            let parameters =
                planned.networks.iter().filter_map(|network| network.structure.parameters()).sum();
            if !planned.is_done() {
                all += cost;
            }
            table.row([
                self.spelled(planned),
                planned.networks.len().to_string(),
                grouped(parameters),
                format!("{cost:.2e}"),
                bytes(memory.total()),
                match &planned.todo {
                    Todo::Train => "to be trained".to_owned(),
                    Todo::Resume(_) => "to be continued".to_owned(),
                    Todo::Nothing(_) => "ended".to_owned(),
                },
            ]);
        }
        table.write("", out)?;
        writeln!(out, "{}; {all:.2e} multiply-adds", self.summary())
    }

    /// Writes the last figures of every lane that was trained under the sweep's name.
    pub(in crate::cli) fn write_results(&self, root: &Path, out: &mut dyn Write) -> Result<(), Failure> {
        use Align::{Left, Right};
        let runs = of_sweep(&listing::read_all(root)?, &self.of.name);
        let columns = [
            ("EXPERIMENT", Left),
            ("LANE", Left),
            ("STATE", Left),
            ("TRAIN", Right),
            ("TEST", Right),
            ("RUN", Left),
        ];
        let mut table = Table::new(&columns);
        for planned in &self.points {
            let Some(run) = experiment_run(&runs, planned.experiment()) else { continue };
            for (at, lane) in run.summary.lanes.iter().enumerate() {
                let LaneSummary { name, state, train_error, test_error, .. } = lane;
                let [train, test] =
                    [train_error, test_error].map(|error| error.map_or("-".to_owned(), percent));
                let first = |text: String| if at == 0 { text } else { String::new() };
                table.row([
                    first(self.spelled(planned)),
                    name.clone(),
                    state.name().to_owned(),
                    train,
                    test,
                    first(run.summary.id.clone()),
                ]);
            }
        }
        Ok(table.write("", out)?)
    }
}

impl Planned {
    /// The checked experiment.
    pub(in crate::cli) fn experiment(&self) -> &Experiment {
        &self.checked.experiment
    }

    /// Whether nothing is left to do.
    pub(in crate::cli) fn is_done(&self) -> bool {
        matches!(self.todo, Todo::Nothing(_))
    }

    /// The multiply-adds of a step of each lane, and its steps.
    pub(in crate::cli) fn lane_costs(&self) -> Vec<(f64, u64)> {
        let training = &self.experiment().training;
        let cost = |network| (multiply_adds_of_step(network, training.batch) as f64, training.steps);
        self.networks.iter().map(cost).collect()
    }
}

/// Loads the data of an experiment, unless it was loaded before.
fn load(checked: &Checked, loaded: &mut Loaded) -> Result<Arc<Dataset>, Failure> {
    let Experiment { data, seed, .. } = &checked.experiment;
    // Examples that are read from files don't depend on the seed.
    let key = (data.clone(), data.path.is_none().then_some(*seed));
    if let Some((_, dataset)) = loaded.iter().find(|(known, _)| *known == key) {
        return Ok(Arc::clone(dataset));
    }
    let dataset = Arc::new(load_data(checked)?);
    loaded.push((key, Arc::clone(&dataset)));
    Ok(dataset)
}

/// The runs of a sweep, the newest first, each with its experiment completed.
pub(in crate::cli) fn of_sweep(listed: &[Listed], name: &str) -> Vec<Known> {
    let known = listed.iter().filter_map(|listed| listed.known.as_deref().ok());
    let is_of_sweep =
        |known: &&Known| known.summary.manifest.sweep.as_ref().is_some_and(|sweep| sweep.name == name);
    let mut runs: Vec<Known> = known.filter(is_of_sweep).cloned().collect();
    // They are compared with experiments that have every default.
    let available = available();
    for run in &mut runs {
        run.experiment = run.experiment.take().map(|experiment| experiment.completed(&available));
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.summary.manifest.started_unix_ms));
    runs
}

/// The run of an experiment: one that has ended, else the newest.
pub(in crate::cli) fn experiment_run<'a>(runs: &'a [Known], experiment: &Experiment) -> Option<&'a Known> {
    let is_it =
        |run: &&Known| run.experiment.as_ref().is_some_and(|of_run| starts::is_of(of_run, experiment));
    let same: Vec<&Known> = runs.iter().filter(is_it).collect();
    let ended = same.iter().find(|run| matches!(left_of(&run.summary), Todo::Nothing(_)));
    ended.or(same.first()).copied()
}

/// What is left of a run.
fn left_of(run: &RunSummary) -> Todo {
    let is_done = |lane: &LaneSummary| matches!(lane.state, State::Finished | State::Diverged);
    if run.lanes.iter().all(is_done) {
        Todo::Nothing(run.path.clone())
    } else {
        Todo::Resume(run.path.clone())
    }
}

/// Reads the rules of a claim, and checks them against the lanes of these experiments.
pub(in crate::cli) fn rules<'a>(
    claim: &Claim,
    experiments: impl Iterator<Item = &'a Experiment>,
) -> Result<Rules, Failure> {
    let subjects: Vec<Subject> = experiments.flat_map(Subject::all_of).collect();
    Rules::of(claim, &subjects).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(RuleError::to_string).collect();
        Failure::Input(anyhow::anyhow!(problems.join("\n")))
    })
}
