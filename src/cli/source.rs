//! The experiment that a command is about: a file, or the one that is built in, with the overrides of the
//! command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::capacity;
use super::failure::Failure;
use crate::datasets::Dataset;
use crate::experiment::{Catalogue, Checked, check};
use crate::{datasets, model};

/// The experiment that is trained where none is named.
const DEFAULT: &str = include_str!("../../experiments/plain-vs-residual.toml");
/// Its name.
const DEFAULT_NAME: &str = "plain-vs-residual";
/// A larger file is no experiment.
const MOST_BYTES: u64 = 1 << 20;

/// Which experiment, and what is changed of it.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ExperimentArgs {
    /// The experiment; the default one where none is named.
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(super) experiment: Option<PathBuf>,
    /// Sets a key of the experiment, dotted as in the file: `training.batch=32`, `lane.plain.depth=20`,
    /// `lane.*.width=16`. May be given several times; the last one wins.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
    /// Seed of weights, batches and generated data.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seed: Option<u64>,
    /// Updates each lane makes.
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
pub(super) fn catalogue() -> Catalogue {
    Catalogue { datasets: datasets::catalogue(), architectures: model::catalogue() }
}

impl ExperimentArgs {
    /// Reads and checks the experiment; gives its name with it.
    pub(super) fn read(&self) -> Result<(String, Checked), Failure> {
        let (name, source, text) = match &self.experiment {
            None => (DEFAULT_NAME.to_owned(), format!("{DEFAULT_NAME}.toml (built in)"), DEFAULT.to_owned()),
            Some(path) => {
                let name =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                (name, path.to_string_lossy().into_owned(), read(path).map_err(Failure::Input)?)
            }
        };
        let numbers = [("seed", self.seed), ("training.steps", self.steps)];
        let numbers = numbers.iter().filter_map(|(key, n)| n.map(|n| ((*key).to_owned(), n.to_string())));
        let overrides: Vec<(String, String)> = self.set.iter().cloned().chain(numbers).collect();
        let mut checked = check(&text, &source, &catalogue(), &overrides)?;
        if let Some(path) = &mut checked.experiment.data.path {
            *path = from_anywhere(path);
        }
        Ok((name, checked))
    }
}

/// The path by which a folder is found from any other, so that a run can be gone on with from there; as it is where its
/// file could not hold that.
fn from_anywhere(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).ok().filter(|absolute| absolute.to_str().is_some());
    absolute.unwrap_or_else(|| path.to_owned())
}

/// Loads the data of an experiment and checks that there is enough of it.
pub(super) fn load_data(checked: &Checked) -> Result<Dataset, Failure> {
    let experiment = &checked.experiment;
    capacity::check_images(checked)?;
    let dataset = datasets::load(&experiment.data, experiment.seed).map_err(|error| {
        let place = checked.places.of("data.path");
        Failure::Input(anyhow::Error::from(error).context(format!("{place}: data.path")))
    })?;
    checked.places.check_images(experiment, dataset.train.len())?;
    Ok(dataset)
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
