//! Loads the experiment of a command: a file or a built-in one, with the overrides of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::capacity;
use super::failure::Failure;
use crate::datasets::Dataset;
use crate::experiment::{Available, Checked, check};
use crate::printable::printable;
use crate::{datasets, model};

/// A built-in experiment.
struct BuiltIn {
    name: &'static str,
    text: &'static str,
}

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(BuiltIn { name: $name, text: include_str!(concat!("../../experiments/", $name, ".toml")) }),*]
    };
}

/// All built-in experiments; the first is the default.
const BUILT_IN: [BuiltIn; 9] = built_in![
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
    Available { datasets: datasets::available(), architectures: model::available() }
}

impl ExperimentArgs {
    /// Reads and checks the experiment; returns its name, too.
    pub(super) fn read(&self, changes: &Changes) -> Result<(String, Checked), Failure> {
        let built_in = |BuiltIn { name, text }: &BuiltIn| {
            ((*name).to_owned(), format!("{name}.toml (built in)"), (*text).to_owned())
        };
        let (name, source, text) = match self.experiment.as_deref().map(find).transpose()? {
            None => built_in(&BUILT_IN[0]),
            Some(Found::BuiltIn(found)) => built_in(found),
            Some(Found::File(path)) => {
                let name =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                (name, path.to_string_lossy().into_owned(), read(&path).map_err(Failure::Input)?)
            }
        };
        let numbers = [("seed", changes.seed), ("training.steps", changes.steps)];
        let numbers = numbers.iter().filter_map(|(key, n)| n.map(|n| ((*key).to_owned(), n.to_string())));
        let overrides: Vec<(String, String)> = changes.set.iter().cloned().chain(numbers).collect();
        let mut checked = check(&text, &source, &available(), &overrides)?;
        if let Some(path) = &mut checked.experiment.data.path {
            *path = from_anywhere(path);
        }
        Ok((name, checked))
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
    if is_name && let Some(found) = BUILT_IN.iter().find(|built_in| built_in.name == name) {
        return Ok(Found::BuiltIn(found));
    }
    // A path is meant as a file; if it is not one, reading it reports that.
    if !is_name || given.exists() {
        return Ok(Found::File(given.to_owned()));
    }
    let likeness = |built_in: &BuiltIn| strsim::jaro_winkler(name, built_in.name);
    let near = BUILT_IN.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let near = near.filter(|near| likeness(near) >= NEAR);
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {}?", near.name));
    let names = BUILT_IN.map(|built_in| built_in.name).join(", ");
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
    use super::*;

    #[test]
    fn no_experiment_of_the_repository_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let file_names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut files: Vec<String> = file_names.map(|name| name.into_string().unwrap()).collect();
        files.sort();
        let mut built_in: Vec<String> = BUILT_IN.map(|built_in| format!("{}.toml", built_in.name)).to_vec();
        built_in.sort();
        assert_eq!(files, built_in);
    }
}
