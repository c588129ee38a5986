//! Loads the experiment of a command: a file or a built-in one, with the overrides of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::capacity;
use super::failure::Failure;
use crate::datasets::Dataset;
use crate::experiment::{Available, Checked, Sweep, check, expand, is_sweep};
use crate::printable::printable;
use crate::{datasets, model, trainer};

/// A built-in experiment or sweep.
struct BuiltIn {
    name: &'static str,
    text: &'static str,
}

impl BuiltIn {
    fn text(&self) -> Text {
        let (name, text) = (self.name.to_owned(), self.text.to_owned());
        Text { source: format!("{name}.toml (built in)"), name, text }
    }
}

macro_rules! built_in {
    ($folder:literal: $($name:literal),*) => {
        [$(BuiltIn { name: $name, text: include_str!(concat!("../../experiments/", $folder, $name, ".toml")) }),*]
    };
}

/// All built-in experiments; the first is the default.
const BUILT_IN: [BuiltIn; 9] = built_in!["":
    "plain-vs-residual",
    "depth",
    "quick",
    "shortcuts",
    "dense",
    "vectors",
    "transformer",
    "finetune",
    "cifar10"
];
/// All built-in claims, in the order in which they are listed.
const CLAIMS: [BuiltIn; 18] = built_in!["claims/":
    "degradation",
    "degradation-refuters",
    "vanishing",
    "early-gradients",
    "hundred-layers",
    "cheap-and-fast",
    "few-labels",
    "deep-transformer",
    "shallow",
    "shortcut-table",
    "without-norm",
    "hyper-connections",
    "learned-scalars",
    "surface",
    "lesion",
    "preserves",
    "dense-memory",
    "start-shallow"
];
/// The least similarity (Jaro-Winkler, 0 to 1) of a name to be suggested.
const NEAR: f64 = 0.75;
/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Which experiment.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ExperimentArgs {
    /// The experiment: a file, or the name of a built-in one; default: plain-vs-residual.
    ///
    /// Built in are: plain-vs-residual (56 layers each), depth (8 to 56 layers each), quick (a few seconds) and cifar10
    /// (the paper's recipe, with your copy of the data). A file of that name in the working directory takes precedence.
    #[arg(value_name = "EXPERIMENT")]
    pub(super) experiment: Option<PathBuf>,
}

/// The changes to an experiment.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Changes {
    /// Sets a key of the experiment by its path in the file: `training.batch=32`, `lane.plain.depth=20`,
    /// `lane.*.width=16`. May be given several times; the last one wins.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
    /// The seed of weights, batches and generated data.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seed: Option<u64>,
    /// The number of updates that each lane makes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub(super) steps: Option<u64>,
}

fn key_value(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE such as training.batch=32".to_owned()),
    }
}

/// What this build can train.
pub(super) fn available() -> Available {
    Available {
        datasets: datasets::available(),
        architectures: model::available(),
        probes: trainer::probes(),
    }
}

impl Changes {
    /// The changes that were written down with a run of a sweep.
    pub(super) fn written(set: &[String]) -> Changes {
        let pairs = set.iter().filter_map(|pair| key_value(pair).ok());
        Changes { set: pairs.collect(), ..Changes::default() }
    }

    /// The keys with their values, in the order in which they count.
    pub(super) fn overrides(&self) -> Vec<(String, String)> {
        let numbers = [("seed", self.seed), ("training.steps", self.steps)];
        let numbers = numbers.iter().filter_map(|(key, n)| n.map(|n| ((*key).to_owned(), n.to_string())));
        self.set.iter().cloned().chain(numbers).collect()
    }
}

impl ExperimentArgs {
    /// Reads and checks the experiment; returns its name, too.
    pub(super) fn read(&self, changes: &Changes) -> Result<(String, Checked), Failure> {
        let Text { name, source, text } = self.text()?;
        let mut checked = check(&text, &source, &available(), &changes.overrides())?;
        find_from_anywhere(&mut checked);
        Ok((name, checked))
    }

    /// Reads the text of the experiment.
    pub(super) fn text(&self) -> Result<Text, Failure> {
        match self.experiment.as_deref() {
            None => Ok(BUILT_IN[0].text()),
            Some(given) => Text::find(given),
        }
    }
}

/// The text of an experiment or a sweep.
pub(super) struct Text {
    /// The stem of its file, or the name under which it is built in.
    pub(super) name: String,
    /// Its file, for messages.
    source: String,
    pub(super) text: String,
}

impl Text {
    /// The built-in claims.
    pub(super) fn claims() -> impl Iterator<Item = Text> {
        CLAIMS.iter().map(BuiltIn::text)
    }

    /// The text of a file, or of what is built in under this name.
    pub(super) fn find(given: &Path) -> Result<Text, Failure> {
        match find(given)? {
            Found::BuiltIn(found) => Ok(found.text()),
            Found::File(path) => Text::read(&path),
        }
    }

    /// The text of a file.
    pub(super) fn read(path: &Path) -> Result<Text, Failure> {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let text = read(path).map_err(Failure::Input)?;
        Ok(Text { name, source: path.to_string_lossy().into_owned(), text })
    }

    /// Whether it is a sweep, or has a claim, rather than a single experiment.
    pub(super) fn is_sweep(&self) -> bool {
        is_sweep(&self.text)
    }

    /// The experiments of a sweep.
    pub(super) fn expand(&self, changes: &Changes) -> Result<Sweep, Failure> {
        let mut sweep = expand(&self.text, &self.source, &available(), &changes.overrides())?;
        sweep.points.iter_mut().for_each(|point| find_from_anywhere(&mut point.checked));
        Ok(sweep)
    }
}

/// Lets a run be resumed from any working directory.
fn find_from_anywhere(checked: &mut Checked) {
    if let Some(path) = &mut checked.experiment.data.path {
        *path = from_anywhere(path);
    }
}

/// The absolute path of a file or folder, so that a run can be resumed from any working directory; unchanged if an
/// experiment could not contain that.
pub(super) fn from_anywhere(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).ok().filter(|absolute| absolute.to_str().is_some());
    absolute.unwrap_or_else(|| path.to_owned())
}

/// Loads the data of an experiment and checks that there is enough of it.
pub(super) fn load_data(checked: &Checked) -> Result<Dataset, Failure> {
    let experiment = &checked.experiment;
    capacity::check_examples(checked)?;
    let dataset = datasets::load(&experiment.data, experiment.seed).map_err(|error| {
        let key = error.about();
        let place = checked.places.of(&key);
        Failure::Input(anyhow::Error::from(error).context(format!("{place}: {key}")))
    })?;
    checked.places.check_images(experiment, dataset.train.len())?;
    Ok(dataset)
}

/// Where an experiment comes from.
enum Found {
    File(PathBuf),
    BuiltIn(&'static BuiltIn),
}

/// A file, with `.toml` or without, else the built-in experiment of that name.
fn find(given: &Path) -> Result<Found, Failure> {
    let name = given.to_string_lossy();
    let is_name = !name.contains(['/', std::path::MAIN_SEPARATOR]) && !name.ends_with(".toml");
    let name = &*name;
    let with_suffix = PathBuf::from(format!("{name}.toml"));
    if given.is_file() {
        return Ok(Found::File(given.to_owned()));
    }
    if is_name && with_suffix.is_file() {
        return Ok(Found::File(with_suffix));
    }
    let built_in = || BUILT_IN.iter().chain(&CLAIMS);
    if is_name && let Some(found) = built_in().find(|built_in| built_in.name == name) {
        return Ok(Found::BuiltIn(found));
    }
    // A path is meant as a file; if it is not one, reading it reports that.
    if !is_name || given.exists() {
        return Ok(Found::File(given.to_owned()));
    }
    let likeness = |built_in: &BuiltIn| strsim::jaro_winkler(name, built_in.name);
    let near = built_in().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let near = near.filter(|near| likeness(near) >= NEAR);
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {}?", near.name));
    let names = built_in().map(|built_in| built_in.name).collect::<Vec<_>>().join(", ");
    Err(Failure::Input(anyhow::anyhow!(
        "no experiment `{}`: expected a file, or one of {names}{hint}",
        printable(name)
    )))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let shown = || format!("could not read the experiment {}", path.display());
    let metadata = fs::metadata(path).with_context(shown)?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        let kind =
            if metadata.is_dir() { "a folder".to_owned() } else { format!("{} bytes", metadata.len()) };
        anyhow::bail!("{}: expected a TOML file of at most {MOST_BYTES} bytes, found {kind}", path.display());
    }
    fs::read_to_string(path).with_context(shown)
}

#[cfg(test)]
mod tests {
    use super::super::sweep::plan::rules;
    use super::*;

    /// The names of the experiments in a folder of the repository.
    fn files(folder: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        let mut names: Vec<String> =
            files.map(|path| path.file_stem().unwrap().to_str().unwrap().into()).collect();
        names.sort();
        names
    }

    #[test]
    fn no_experiment_of_the_repository_is_forgotten() {
        for (folder, built_in) in [("experiments", &BUILT_IN[..]), ("experiments/claims", &CLAIMS[..])] {
            let mut names: Vec<String> = built_in.iter().map(|built_in| built_in.name.to_owned()).collect();
            names.sort();
            assert_eq!(names, files(folder));
        }
    }

    #[test]
    fn every_built_in_claim_can_be_judged() {
        for text in Text::claims() {
            let name = text.name.clone();
            let sweep = text.expand(&Changes::default()).map_err(|failure| failure.message()).unwrap();
            let experiments = sweep.points.iter().map(|point| &point.checked.experiment);
            let checked = rules(&sweep.claim.unwrap(), experiments).map(drop);
            assert_eq!(checked.map_err(|failure| failure.message()), Ok(()), "{name}");
        }
    }
}
