//! Checks whether the experiment and the data of a run to be resumed are still those that its lanes were started with.

use crate::datasets::Dataset;
use crate::event::LaneStarted;
use crate::experiment::{Change, Experiment};
use crate::printable::printable;
use crate::reading::Resumption;
use crate::runlog::Manifest;

/// The key of the data's path, which says nothing about its content.
const PATH: &str = "data.path";
/// The layers whose statistics a log records, which cannot change within it.
const LAYERS: &str = "statistics.layers";

/// What has changed since a run was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drift {
    /// What has changed, in words.
    pub(super) changes: Vec<String>,
    /// Whether its logs and checkpoints still fit the lanes.
    pub(super) same_networks: bool,
    /// What could not be checked.
    pub(super) notes: Vec<String>,
}

impl Drift {
    /// Compares the current experiment and data with what the lanes' logs say.
    pub(super) fn find(
        manifest: &Manifest,
        resumed: &[Resumption],
        experiment: &Experiment,
        dataset: &Dataset,
    ) -> Drift {
        let mut drift = Drift { changes: Vec::new(), same_networks: true, notes: Vec::new() };
        let before: Vec<&str> = manifest.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let now: Vec<&str> = experiment.lanes.iter().map(|lane| lane.name.as_str()).collect();
        if before != now {
            drift.add(format!("the lanes {}, were {}", now.join(", "), before.join(", ")), false);
        }
        for started in resumed.iter().filter_map(|lane| lane.started.as_deref()) {
            drift.compare(started, experiment, dataset);
        }
        drift
    }

    fn compare(&mut self, started: &LaneStarted, experiment: &Experiment, dataset: &Dataset) {
        let Some(before) = &started.provenance else {
            return self.add("a lane without an experiment".to_owned(), false);
        };
        for change in before.experiment.changes(experiment).iter().filter(|change| change.key != PATH) {
            self.add(text(change), !change.key.starts_with("lane.") && change.key != LAYERS);
        }
        let data_set = before.data_set.as_deref();
        let now = (dataset.shape, dataset.classes.len());
        if (before.input, before.classes) != now {
            let (shape, classes) = now;
            let before = format!("{} in {} classes", before.input, before.classes);
            self.add(format!("images of {shape} in {classes} classes, were {before}"), false);
        }
        match data_set {
            Some(hash) if hash != dataset.hash() => {
                let place = experiment.data.path.as_deref().map(|path| format!(" in {}", path.display()));
                let (name, place) = (&experiment.data.name, place.unwrap_or_default());
                self.add(format!("different images or labels of {name}{place}"), true);
            }
            Some(_) => {}
            None => {
                let note = "cannot check that the data is unchanged: the run was started by an earlier version, \
                            which stored no hash";
                push_new(&mut self.notes, note.to_owned());
            }
        }
    }

    fn add(&mut self, change: String, same_networks: bool) {
        push_new(&mut self.changes, printable(&change));
        self.same_networks &= same_networks;
    }
}

/// Lanes of one run mostly report the same changes.
fn push_new(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

fn text(Change { key, before, now }: &Change) -> String {
    match (before, now) {
        (Some(before), Some(now)) => format!("{key} = {now}, was {before}"),
        (None, Some(now)) => format!("{key} = {now}, was not given"),
        (Some(before), None) => format!("no {key}, was {before}"),
        (None, None) => key.clone(),
    }
}
