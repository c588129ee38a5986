//! The keys in which the settings of runs differ.

use std::collections::BTreeMap;

use super::run::Run;
use crate::experiment::Experiment;
use crate::printable::printable;

/// The most runs whose differences are shown.
pub const MOST_RUNS: usize = 12;

/// A key whose value isn't the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// The value in each run; none if it lacks the key.
    pub values: Vec<Option<String>>,
}

/// The keys in which these runs differ, those of the experiment in the order of the file before those of another
/// program; a run that has neither has no values.
pub fn differences(runs: &[&Run]) -> Vec<Difference> {
    let mut order: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        let experiment = run.known().and_then(|known| known.experiment.as_ref());
        let settings = experiment.map(Experiment::settings).unwrap_or_default();
        let config = run.known().map(|known| known.summary.manifest.settings()).unwrap_or_default();
        for (key, value) in settings.into_iter().chain(config) {
            let values = places.entry(key.clone()).or_insert_with(|| {
                order.push(key);
                vec![None; runs.len()]
            });
            values[at] = Some(printable(&value));
        }
    }
    let differ = |values: &[Option<String>]| values.iter().any(|value| *value != values[0]);
    let difference = |key: String| {
        let values = places.remove(&key).filter(|values| differ(values))?;
        Some(Difference { key: printable(&key), values })
    };
    order.into_iter().filter_map(difference).collect()
}
