//! A run of the list: what was listed, and what filter, sort order and groups need.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::filter::{Field, Key, Subject};
use crate::experiment::{Experiment, Lane, Optimizer, Schedule};
use crate::printable::printable;
use crate::runlog::{Known, LaneSummary, Listed, Notes, RunSummary, State};

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    listed: Listed,
    /// All text that is searched for words without a key, in lower case.
    words: String,
    command: String,
    group_key: Option<u64>,
}

impl Run {
    /// The run that was listed.
    pub fn new(listed: Listed) -> Run {
        let mut words = vec![listed.id.as_str()];
        let (mut command, mut group_key) = (String::new(), None);
        match &listed.known {
            Ok(known) => {
                let manifest = &known.summary.manifest;
                words.extend([&*manifest.experiment, &*manifest.question, known.notes.note()]);
                words.extend(known.notes.tags().iter().map(String::as_str));
                command = manifest.command.join(" ");
                group_key = group_key_of(known);
            }
            Err(reason) => words.push(reason),
        }
        let words = words.join("\n").to_lowercase();
        Run { listed, words, command, group_key }
    }

    /// The name of its folder.
    pub fn id(&self) -> &str {
        &self.listed.id
    }

    /// What was listed.
    pub fn listed(&self) -> &Listed {
        &self.listed
    }

    /// What is known of it; none if it cannot be read.
    pub fn known(&self) -> Option<&Known> {
        self.listed.known.as_deref().ok()
    }

    /// Why it cannot be read.
    pub fn problem(&self) -> Option<&str> {
        self.listed.known.as_ref().err().map(String::as_str)
    }

    /// Its state; none if it cannot be read.
    pub fn state(&self) -> Option<State> {
        self.listed.state()
    }

    /// Its note and tags.
    pub fn notes(&self) -> Option<&Notes> {
        self.known().map(|known| &known.notes)
    }

    /// Its lanes.
    pub fn lanes(&self) -> &[LaneSummary] {
        self.known().map_or(&[], |known| &known.summary.lanes)
    }

    /// What the experiment says about a lane.
    pub fn lane_setting(&self, lane: usize) -> Option<&Lane> {
        let name = &self.lanes().get(lane)?.name;
        self.known()?.experiment.as_ref()?.lanes.iter().find(|setting| setting.name == *name)
    }

    /// A key shared by runs that differ only in their seed and ended alike; none if the run isn't over or its
    /// experiment is unknown.
    pub fn group_key(&self) -> Option<u64> {
        self.group_key
    }

    /// The seed of its experiment.
    pub fn seed(&self) -> Option<u64> {
        self.known().map(|known| known.summary.manifest.seed)
    }

    /// When it started, in milliseconds since 1970.
    pub fn started_ms(&self) -> Option<i64> {
        self.known().map(|known| known.summary.manifest.started_unix_ms)
    }

    /// Milliseconds from its start to its last record.
    pub fn duration_ms(&self) -> Option<f64> {
        self.lanes().iter().map(|lane| lane.elapsed_ms).reduce(f64::max)
    }

    /// The command line.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// A label to show beside its start time: its id without that.
    pub fn label(&self) -> String {
        let id = self.id();
        let is_time = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        let label = match id.splitn(3, '-').collect::<Vec<_>>().as_slice() {
            [date, time, label] if is_time(date, 8) && is_time(time, 6) && !label.is_empty() => *label,
            _ => id,
        };
        printable(label)
    }
}

/// Equal for runs of one experiment that differ only in their seed and whose lanes ended alike. Valid only within this
/// process.
fn group_key_of(known: &Known) -> Option<u64> {
    let RunSummary { state, manifest, lanes, .. } = &known.summary;
    if !state.is_over() {
        return None;
    }
    let seedless = Experiment { seed: 0, ..known.experiment.clone()? };
    let mut hasher = DefaultHasher::new();
    // The derived `Debug` form includes every field, and distinguishes any two numbers.
    format!("{seedless:?}").hash(&mut hasher);
    manifest.experiment.hash(&mut hasher);
    for lane in lanes {
        // Different seeds diverge at different steps; otherwise runs are alike only if they ended at the same step.
        let step = (lane.state != State::Diverged).then_some(lane.step);
        (lane.state, step).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// A run at a point in time, for a filter.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The run.
    pub run: &'a Run,
    /// The time in milliseconds since 1970.
    pub now_ms: i64,
}

impl Subject for At<'_> {
    fn words(&self) -> &str {
        &self.run.words
    }

    fn lane_count(&self) -> usize {
        self.run.lanes().len()
    }

    fn field(&self, key: Key, lane: Option<usize>) -> Field<'_> {
        if key == Key::State {
            return Field::State(self.run.state());
        }
        if key == Key::Id {
            return Field::Text(self.run.id());
        }
        let Some(known) = self.run.known() else { return Field::Missing };
        if key.entry().of_lane {
            return lane.map_or(Field::Missing, |lane| of_lane(self.run, key, lane));
        }
        match known.experiment.as_ref().map_or(Field::Missing, |experiment| of_experiment(experiment, key)) {
            Field::Missing => of_run(self, known, key),
            field => field,
        }
    }
}

fn of_run<'a>(at: &At<'a>, known: &'a Known, key: Key) -> Field<'a> {
    let manifest = &known.summary.manifest;
    match key {
        Key::Name => Field::Text(&manifest.experiment),
        Key::Sweep => manifest.sweep.as_ref().map_or(Field::Missing, |sweep| Field::Text(&sweep.name)),
        Key::Question => Field::Text(&manifest.question),
        Key::Note => Field::Text(known.notes.note()),
        Key::Tag => Field::Texts(known.notes.tags()),
        Key::Seed => Field::Number(manifest.seed as f64),
        Key::Steps => Field::Number(manifest.steps as f64),
        Key::Started => Field::Time(manifest.started_unix_ms),
        Key::Age => Field::Number(at.now_ms.saturating_sub(manifest.started_unix_ms) as f64),
        Key::Duration => number(at.run.duration_ms()),
        Key::Lanes => Field::Number(known.summary.lanes.len() as f64),
        Key::Host => Field::Text(&manifest.host),
        Key::System => Field::Text(&manifest.os),
        Key::Command => Field::Text(&at.run.command),
        Key::Version => Field::Text(&manifest.skiplane),
        Key::Threads => Field::Number(manifest.threads as f64),
        _ => Field::Missing,
    }
}

fn of_experiment(experiment: &Experiment, key: Key) -> Field<'_> {
    let optimizer = &experiment.training.optimizer;
    match key {
        Key::Data => Field::Text(&experiment.data.name),
        Key::Batch => Field::Number(experiment.training.batch as f64),
        Key::Optimizer => Field::Text(optimizer_name(optimizer)),
        Key::LearningRate => Field::Number(optimizer.learning_rate()),
        Key::WeightDecay => Field::Number(match *optimizer {
            Optimizer::Sgd { weight_decay, .. }
            | Optimizer::Adam { weight_decay, .. }
            | Optimizer::AdamW { weight_decay, .. } => weight_decay,
        }),
        Key::Schedule => Field::Text(schedule_name(&experiment.training.schedule)),
        _ => Field::Missing,
    }
}

fn of_lane(run: &Run, key: Key, index: usize) -> Field<'_> {
    let Some(lane) = run.lanes().get(index) else { return Field::Missing };
    let setting = run.lane_setting(index);
    match key {
        Key::Lane => Field::Text(&lane.name),
        Key::Step => Field::Number(lane.step.0 as f64),
        Key::Loss => lane.loss.map_or(Field::Missing, Field::Single),
        Key::Error => lane.error.map_or(Field::Missing, Field::Single),
        Key::Train => lane.train_error.map_or(Field::Missing, Field::Single),
        Key::Test => lane.test_error.map_or(Field::Missing, Field::Single),
        Key::Depth => number(setting.and_then(|lane| lane.settings.number("depth"))),
        Key::Width => number(setting.and_then(|lane| lane.settings.number("width"))),
        Key::Shortcut => {
            setting.and_then(|lane| lane.settings.word("shortcut")).map_or(Field::Missing, Field::Text)
        }
        Key::Architecture => setting.map_or(Field::Missing, |lane| Field::Text(&lane.architecture)),
        _ => Field::Missing,
    }
}

fn number(number: Option<f64>) -> Field<'static> {
    number.map_or(Field::Missing, Field::Number)
}

/// The optimizer's name in a file.
pub fn optimizer_name(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd { .. } => "sgd",
        Optimizer::Adam { .. } => "adam",
        Optimizer::AdamW { .. } => "adamw",
    }
}

/// The schedule's name in a file.
pub fn schedule_name(schedule: &Schedule) -> &'static str {
    match schedule {
        Schedule::Constant { .. } => "constant",
        Schedule::Steps { .. } => "steps",
        Schedule::Cosine { .. } => "cosine",
    }
}
