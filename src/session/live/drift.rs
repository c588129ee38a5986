//! Checks whether the experiment and the data of a run to be resumed are still those that its lanes were started with.

use crate::datasets::Dataset;
use crate::event::LaneStarted;
use crate::experiment::{Available, Change, Experiment};
use crate::printable::printable;
use crate::reading::Resumption;
use crate::runlog::Manifest;

/// The key of the data's path, which says nothing about its content.
const PATH: &str = "data.path";
/// The key of the path of a lane's start, of whose content there is a hash.
const CHECKPOINT: &str = "start.checkpoint";
/// The layers whose statistics a log records, which cannot change within it.
const LAYERS: &str = "statistics.layers";

/// How the keys of probes begin.
const PROBE: &str = "probe.";

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
    /// Compares the current experiment and data with what the lanes' logs say. A key that has been declared since, with
    /// a default, counts as having had that default.
    pub(super) fn find(
        manifest: &Manifest,
        resumed: &[Resumption],
        experiment: &Experiment,
        dataset: &Dataset,
        available: &Available,
    ) -> Drift {
        let mut drift = Drift { changes: Vec::new(), same_networks: true, notes: Vec::new() };
        let before: Vec<&str> = manifest.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let now: Vec<&str> = experiment.lanes.iter().map(|lane| lane.name.as_str()).collect();
        if before != now {
            drift.add(format!("the lanes {}, were {}", now.join(", "), before.join(", ")), false);
        }
        for started in resumed.iter().filter_map(|lane| lane.started.as_deref()) {
            drift.compare(started, experiment, dataset, available);
        }
        drift
    }

    fn compare(
        &mut self,
        started: &LaneStarted,
        experiment: &Experiment,
        dataset: &Dataset,
        available: &Available,
    ) {
        let Some(before) = &started.provenance else {
            return self.add("a lane without an experiment".to_owned(), false);
        };
        let earlier = before.experiment.clone().completed(available);
        let says_nothing = |key: &str| key == PATH || of_lane(key) == Some(CHECKPOINT);
        for change in earlier.changes(experiment).iter().filter(|change| !says_nothing(&change.key)) {
            let same_network = !change.key.starts_with("lane.") || of_lane(&change.key).is_some();
            self.add(text(change), same_network && change.key != LAYERS && !moves_axes(change));
        }
        let data_set = before.data_set.as_deref();
        let now = (dataset.shape, dataset.classes.len());
        if (before.input, before.classes) != now {
            let (shape, classes) = now;
            let before = format!("{} in {} classes", before.input, before.classes);
            self.add(format!("examples of {shape} in {classes} classes, were {before}"), false);
        }
        match data_set {
            Some(hash) if hash != dataset.hash() => {
                let place = experiment.data.path.as_deref().map(|path| format!(" in {}", path.display()));
                let (name, place) = (&experiment.data.name, place.unwrap_or_default());
                self.add(format!("different examples or labels of {name}{place}"), true);
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

/// The key within a lane's table, if it is one that does not make it another network.
fn of_lane(key: &str) -> Option<&'static str> {
    let known = [CHECKPOINT, "start.sha256", "start.head", "start.missing", "frozen", "group"];
    let key = key.strip_prefix("lane.")?;
    known.into_iter().find(|known| key.strip_suffix(known).is_some_and(|lane| lane.ends_with('.')))
}

/// Whether it is another value of a key of a probe, from which the axes of what it measures may follow; when it measures
/// says nothing of them. Axes cannot change within a log.
fn moves_axes(Change { key, before, now }: &Change) -> bool {
    key.starts_with(PROBE) && !key.ends_with(".at") && before.is_some() && now.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::Specimen;
    use crate::datasets::Examples;
    use crate::event::Kind;
    use crate::experiment::{
        Allowed, ArchitectureEntry, DataKind, DatasetEntry, Head, Key, Missing, Path, Probe, Setting,
        Settings, Start, When,
    };

    /// What this build can train, after a key with a default was added to the architecture and one to the data set.
    fn available() -> Available {
        let whole = Allowed::Whole { least: 1, most: 9 };
        let datasets = vec![DatasetEntry {
            name: "glyphs",
            summary: "",
            kind: DataKind::Images,
            path: Path::None,
            keys: vec![Key::with_default("pens", "", whole.clone(), Setting::Whole(1))],
        }];
        let keys = vec![
            Key::with_default("paths", "", whole, Setting::Whole(1)),
            Key::optional("label", "", Allowed::Text),
        ];
        let data = DataKind::Images;
        let architectures =
            vec![ArchitectureEntry { name: "resnet", summary: "", data, keys, check: |_| Ok(()) }];
        Available { datasets, architectures, ..Available::default() }
    }

    /// The changes of an experiment that lacked these keys when it was started.
    fn changes(change: impl FnOnce(&mut Experiment)) -> Drift {
        changes_from(|_| {}, change)
    }

    /// The same, for one that was different when it was started.
    fn changes_from(before: impl FnOnce(&mut Experiment), change: impl FnOnce(&mut Experiment)) -> Drift {
        let first = Specimen::new("plain", 8, "none").events().swap_remove(0);
        let Kind::LaneStarted(mut started) = first.kind else { panic!("expected a start") };
        before(&mut started.provenance.as_mut().expect("of an experiment").experiment);
        let provenance = started.provenance.as_ref().expect("of an experiment");
        let mut now = provenance.experiment.clone().completed(&available());
        change(&mut now);
        let classes = (0..provenance.classes).map(|class| class.to_string()).collect();
        let none = Examples::images(Vec::new(), &[]);
        let dataset = Dataset::new(provenance.input, classes, none.clone(), none);
        let mut drift = Drift { changes: Vec::new(), same_networks: true, notes: Vec::new() };
        drift.compare(&started, &now, &dataset, &available());
        drift
    }

    #[test]
    fn a_key_declared_since_counts_as_having_had_its_default() {
        let drift = changes(|now| {
            assert_eq!(now.data.settings.whole("pens"), Some(1));
            assert_eq!(now.lanes[0].settings.whole("paths"), Some(1));
            assert_eq!(now.lanes[0].settings.get("label"), None);
        });
        assert_eq!((drift.changes.as_slice(), drift.same_networks), ([].as_slice(), true));
    }

    #[test]
    fn what_is_trained_how_may_change_but_the_network_may_not() {
        let drift = changes(|now| now.lanes[0].frozen = vec!["conv1".to_owned()]);
        assert_eq!(drift.changes, ["lane.plain.frozen = [\"conv1\"], was not given"]);
        assert!(drift.same_networks);
        let first = Start {
            checkpoint: "/a/x.safetensors".to_owned(),
            lane: None,
            step: None,
            sha256: Some("0".repeat(64)),
            head: Head::Keep,
            missing: Missing::Refuse,
        };
        let moved = Start { checkpoint: "/b/x.safetensors".to_owned(), ..first.clone() };
        let other = Start { sha256: Some("1".repeat(64)), ..first.clone() };
        let drift = |before: &Start, now: &Start| {
            changes_from(
                |now| now.lanes[0].start = Some(before.clone()),
                |of| of.lanes[0].start = Some(now.clone()),
            )
        };
        assert!(drift(&first, &moved).changes.is_empty(), "the hash says that it is the same");
        let other = drift(&first, &other);
        assert!(other.changes[0].starts_with("lane.plain.start.sha256 = 1111") && other.same_networks);
        assert_eq!(of_lane("lane.a.start.depth"), None, "of a lane named `a.start`");
    }

    #[test]
    fn probes_may_come_and_go_but_not_measure_other_points() {
        let surface = |points: usize, at: When| {
            move |of: &mut Experiment| {
                let settings = Settings::default().with("points", points.into());
                of.probes.insert("surface".to_owned(), Probe { at: at.clone(), settings });
            }
        };
        let fits = |drift: Drift| (drift.changes.len(), drift.same_networks);
        assert_eq!(fits(changes(surface(5, When::End))), (2, true));
        assert_eq!(fits(changes_from(surface(5, When::End), |now| now.probes.clear())), (2, true));
        let same = changes_from(surface(5, When::End), surface(5, When::Evaluations));
        assert_eq!(same.changes, ["probe.surface.at = evaluations, was end"]);
        assert!(same.same_networks);
        assert_eq!(fits(changes_from(surface(5, When::End), surface(7, When::End))), (1, false));
    }

    #[test]
    fn another_value_than_the_default_is_a_change() {
        let drift = changes(|now| now.data.settings.set("pens", Setting::Whole(2)));
        assert_eq!(
            (drift.changes.as_slice(), drift.same_networks),
            (["data.pens = 2, was 1".to_owned()].as_slice(), true)
        );
        let drift = changes(|now| now.lanes[0].settings.set("paths", Setting::Whole(2)));
        assert_eq!(drift.changes, ["lane.plain.paths = 2, was 1"]);
        assert!(!drift.same_networks);
        let drift = changes(|now| now.lanes[0].settings.set("label", "new".into()));
        assert_eq!(drift.changes, ["lane.plain.label = new, was not given"]);
    }
}
