//! Parses the text of a file into a checked [`Experiment`]. All problems of a file are reported at once, each with its
//! line and the nearest valid choice. A [`Available`] says what this build can train; this module knows neither data
//! sets nor networks.

use std::collections::BTreeMap;

use super::{Available, Data, Experiment, Recording, Training};
use node::{Node, Table, Value};
use problem::{Origin, Problem, Problems, Source};
use section::Section;
use start::Tuning;

mod problem;
mod node;
mod overrides;
mod section;
mod training;
mod declared;
mod data;
mod probes;
mod start;
mod lanes;
mod sweep;
mod claim;

pub use problem::ExperimentError;
pub use sweep::{Point, Sweep, expand, is_sweep};

/// The most patterns for layers or parameters.
const MOST_PATTERNS: usize = 64;
/// The most characters of a pattern; the name of a layer has about 20.
const LONGEST_PATTERN: usize = 100;

/// An experiment and where each of its values comes from.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The experiment.
    pub experiment: Experiment,
    /// Where its values come from.
    pub places: Places,
}

/// Where the values of an experiment come from, for problems that show only when its data is read.
#[derive(Clone, Debug, Default)]
pub struct Places {
    source: Source,
    origins: BTreeMap<String, Origin>,
}

impl Places {
    /// The place of a key such as `training.batch` or `lane.0.width`, or of the table that would hold it:
    /// `quick.toml:12` or `--set training.batch=64`.
    pub fn of(&self, key: &str) -> String {
        let mut key = key;
        loop {
            if let Some(origin) = self.origins.get(key) {
                return self.source.place(*origin);
            }
            match key.rsplit_once('.') {
                Some((parent, _)) => key = parent,
                None => return self.source.place(Origin::File),
            }
        }
    }

    /// The place of a lane's key, or of the one that is for all lanes, where the lane has none of its own.
    pub fn of_lane(&self, lane: usize, key: &str, of_all: &str) -> String {
        let own = format!("lane.{lane}.{key}");
        let is_own = self.origins.contains_key(&own) || !self.origins.contains_key(of_all);
        self.of(if is_own { &own } else { of_all })
    }

    /// Checks a batch against the number of images.
    ///
    /// # Errors
    /// Where the batch is larger than the training split, with the place of `batch`.
    pub fn check_images(&self, experiment: &Experiment, train_images: usize) -> Result<(), ExperimentError> {
        let batch = experiment.training.batch;
        if batch <= train_images {
            return Ok(());
        }
        let origin = self.origins.get("training.batch").copied().unwrap_or(Origin::File);
        let problems = Problems::default();
        note_batch(&problems, origin, batch, train_images);
        Err(self.source.error(problems.into_vec()))
    }
}

fn note_batch(problems: &Problems, origin: Origin, batch: usize, images: usize) {
    let message = format!("expected at most {images}, the number of training examples, found {batch}");
    problems.add(origin, "training.batch", message);
}

/// Parses and checks the text of an experiment. `source` names it in messages; `overrides` are dotted keys
/// with values, applied in their order.
///
/// # Errors
/// With every problem, its place and the nearest valid choice.
pub fn parse(
    text: &str,
    source: &str,
    available: &Available,
    overrides: &[(String, String)],
) -> Result<Experiment, ExperimentError> {
    check(text, source, available, overrides).map(|checked| checked.experiment)
}

/// Like [`parse`], but also says where each value comes from.
///
/// # Errors
/// As [`parse`].
pub fn check(
    text: &str,
    source: &str,
    available: &Available,
    overrides: &[(String, String)],
) -> Result<Checked, ExperimentError> {
    let source = source_of(source, overrides);
    let mut root = node::parse_file(text).map_err(|problem| source.error(vec![problem]))?;
    let problems = Problems::default();
    overrides::apply(&mut root, overrides, &problems);
    for key in sweep::KEYS {
        if let Some(node) = root.remove(key) {
            let message =
                "expected an experiment, found a sweep of several or a claim about it; use `skiplane sweep`";
            problems.add(node.origin, key, message.to_owned());
        }
    }
    checked(&root, &source, available, problems).map_err(|problems| source.error(problems))
}

fn source_of(name: &str, overrides: &[(String, String)]) -> Source {
    let overrides = overrides.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Source { name: name.to_owned(), overrides }
}

/// The experiment of a tree, unless it has problems, or there were some before.
fn checked(
    root: &Table,
    source: &Source,
    available: &Available,
    problems: Problems,
) -> Result<Checked, Vec<Problem>> {
    let experiment = experiment(root, available, &problems);
    let problems = problems.into_vec();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut origins = BTreeMap::new();
    collect_origins("", root, &mut origins);
    Ok(Checked { experiment, places: Places { source: source.clone(), origins } })
}

fn experiment(root: &Table, available: &Available, problems: &Problems) -> Experiment {
    let section = Section::new(String::new(), root, Origin::File, problems);
    let question = section.text("question", Some(""));
    let seed = section.integer("seed", 0, Some(0));
    let empty = Table::new();
    let below = |key| {
        let missing = section.node(key).is_none();
        let below = section.section(key);
        // For a missing table, an empty one reports which keys are missing.
        below.or_else(|| missing.then(|| Section::new(section.key(key), &empty, Origin::File, problems)))
    };
    let data = below("data").map(|data| {
        let read = data::data_set(&data, &available.datasets);
        data.finish();
        read
    });
    let mut tuning = Tuning::default();
    if let Some(start) = section.section("start") {
        tuning.start(&start);
        start.finish();
    }
    let training = below("training").map(|training| {
        let read = training::training(&training);
        check_batch(&training, &read, data.as_ref());
        tuning.training(&training, read.optimizer.learning_rate(), problems);
        training.finish();
        read
    });
    let statistics = below("statistics").map(|statistics| {
        let every = statistics.integer("every", 0, Some(1));
        let histograms_every = statistics.integer("histograms_every", 0, Some(20));
        let layers = patterns(&statistics, "layers", 1, "`[\"layer1.*\", \"fc\"]`");
        statistics.finish();
        Recording { every, histograms_every, layers }
    });
    let probes =
        section.section("probe").map(|probes| probes::all(probes, &available.probes)).unwrap_or_default();
    let kind = data.as_ref().and_then(|data| available.data_set(&data.name)).map(|entry| entry.kind);
    let rate = training.as_ref().map_or(1.0, |training| training.optimizer.learning_rate());
    let lanes =
        lanes::Reader { architectures: &available.architectures, kind, tuning: &tuning, rate, problems };
    let lanes = lanes.all(&section);
    section.finish();
    Experiment {
        question,
        seed,
        // What is not a table has been reported.
        data: data.unwrap_or_else(|| Data::named("")),
        training: training.unwrap_or_else(|| {
            // It is not a table, which has been reported; its missing keys are not problems of their own.
            training::training(&Section::new(String::new(), &empty, Origin::File, &Problems::default()))
        }),
        statistics: statistics.unwrap_or(Recording { every: 1, histograms_every: 20, layers: Vec::new() }),
        probes,
        lanes,
    }
}

/// The patterns of a key, at least as many as given; none where the key is missing.
fn patterns(section: &Section<'_>, key: &'static str, least: usize, example: &str) -> Vec<String> {
    let Some(node) = section.node(key) else { return Vec::new() };
    let expected = format!("an array of {least} to {MOST_PATTERNS} patterns such as {example}");
    let Value::Array(items) = &node.value else {
        section.wrong(key, node, &expected);
        return Vec::new();
    };
    if !(least..=MOST_PATTERNS).contains(&items.len()) {
        section.note(key, format!("expected {expected}, found {}", items.len()));
        return Vec::new();
    }
    let pattern = |item: &Node| match &item.value {
        Value::Text(text) if (1..=LONGEST_PATTERN).contains(&text.chars().count()) => Some(text.clone()),
        _ => {
            section.wrong(key, item, "a pattern of 1 to 100 characters in quotes");
            None
        }
    };
    items.iter().filter_map(pattern).collect()
}

fn check_batch(section: &Section<'_>, training: &Training, data: Option<&Data>) {
    let most = data.and_then(|data| data.train_images);
    if let Some(most) = most.filter(|&most| most < training.batch) {
        let message =
            format!("expected at most the {most} images of `data.train_images`, found {}", training.batch);
        section.note("batch", message);
    }
}

fn collect_origins(path: &str, table: &Table, origins: &mut BTreeMap<String, Origin>) {
    for (key, node) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        collect_node(path, node, origins);
    }
}

fn collect_node(path: String, node: &Node, origins: &mut BTreeMap<String, Origin>) {
    match &node.value {
        Value::Table(table) => collect_origins(&path, table, origins),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_node(format!("{path}.{index}"), item, origins);
            }
        }
        _ => {}
    }
    origins.insert(path, node.origin);
}
