//! Whether two lanes may be compared: what was equal between them and what was not. Knows only what lanes logged when
//! they started, and which learning rates were ordered later.

use std::collections::BTreeSet;

use super::order_history::OrderHistory;
use crate::event::{LaneStarted, Provenance};
use crate::experiment::{
    Data, Experiment, Group, Head, Lane, Missing, Recording, Setting, Settings, Start, Training,
};
use crate::order::Order;

/// Something that must be equal in two lanes for a fair comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was compared.
    pub name: &'static str,
    /// Why it matters.
    pub reason: &'static str,
    /// Whether it was equal.
    pub equal: bool,
    /// The values of both lanes, hashes shortened to their first eight digits.
    pub values: [String; 2],
}

/// An entry of the experiment in which two lanes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key as in the file, `lane.` for the lane's own.
    pub key: String,
    /// The values of both lanes.
    pub values: [String; 2],
}

/// The comparison of two lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// What must be equal.
    pub checks: Vec<Check>,
    /// What else the lanes differ in, intended or not, except their names.
    pub differences: Vec<Difference>,
}

impl Fairness {
    /// Takes learning rates into account that were ordered during training: one ordered for only one lane, or at
    /// different steps, makes the training of the two unequal.
    pub fn with_orders(mut self, a: &OrderHistory, b: &OrderHistory) -> Fairness {
        let rates = |history: &OrderHistory| -> Vec<String> {
            let rates = history.iter().filter_map(|taken| match &taken.order {
                Order::LearningRate(change) => Some(format!("{change} at {}", taken.step)),
                _ => None,
            });
            rates.collect()
        };
        let (a, b) = (rates(a), rates(b));
        if a != b {
            let shown =
                |rates: &[String]| if rates.is_empty() { "none".to_owned() } else { rates.join(", ") };
            let key = "training.ordered_rates".to_owned();
            self.differences.push(Difference { key, values: [shown(&a), shown(&b)] });
            for check in self.checks.iter_mut().filter(|check| check.name == "training") {
                (check.equal, check.values) = (false, ["see below", "see below"].map(str::to_owned));
            }
        }
        self
    }

    /// Whether everything that must be equal is equal.
    pub fn is_fair(&self) -> bool {
        self.checks.iter().all(|check| check.equal)
    }

    /// Whether the lanes are comparable and differ in nothing but their shortcut.
    pub fn differs_in_shortcut_only(&self) -> bool {
        self.is_fair() && self.differences.len() == 1 && self.differences[0].key == "lane.shortcut"
    }
}

/// Compares two lanes; none if one of them has no record of its experiment.
pub fn compare(a: &LaneStarted, b: &LaneStarted) -> Option<Fairness> {
    let (name_a, a) = (&a.lane, a.provenance.as_ref()?);
    let (name_b, b) = (&b.lane, b.provenance.as_ref()?);
    let entries = entries(a).into_iter().zip(entries(b));
    let mut differences: Vec<Difference> = entries
        .filter(|((_, x), (_, y))| x != y)
        .map(|((key, x), (_, y))| Difference { key: key.to_owned(), values: [x, y] })
        .collect();
    let [data_a, data_b] = [a, b].map(|lane| &lane.experiment.data.settings);
    differences.extend(differing("data", data_a, data_b));
    differences.extend(own_differences(name_a, &a.experiment, name_b, &b.experiment));
    let equal_under = |prefix: &str| !differences.iter().any(|d| d.key.starts_with(prefix));
    let hash = |name, reason, x: &str, y: &str| Check {
        name,
        reason,
        equal: x == y,
        values: [x, y].map(|hash| hash.chars().take(8).collect()),
    };
    let section = |name, reason, prefix| {
        let equal = equal_under(prefix);
        let value = if equal { "equal" } else { "see below" };
        Check { name, reason, equal, values: [value.to_owned(), value.to_owned()] }
    };
    let [seed_a, seed_b] = [a, b].map(|lane| lane.experiment.seed.to_string());
    let checks = vec![
        hash("seed", "same random numbers", &seed_a, &seed_b),
        hash("initial weights", "both start from the same point", &a.initial_weights, &b.initial_weights),
        hash("batch order", "both see the same examples in the same order", &a.batch_order, &b.batch_order),
        section("data", "both train and test on the same examples", "data."),
        section("training", "same steps, batch, optimiser and schedule", "training."),
    ];
    Some(Fairness { checks, differences })
}

/// The differences between the lanes' own tables, except their names.
fn own_differences(name_a: &str, a: &Experiment, name_b: &str, b: &Experiment) -> Vec<Difference> {
    fn own<'e>(of: &'e Experiment, name: &str) -> Option<&'e Lane> {
        of.lanes.iter().find(|own| own.name == name)
    }
    let (Some(a), Some(b)) = (own(a, name_a), own(b, name_b)) else { return Vec::new() };
    let [of_a, of_b] = [a, b].map(own_entries);
    let entries = of_a.into_iter().zip(of_b).filter(|((_, x), (_, y))| x != y);
    let difference = |((key, x), (_, y)): ((&str, String), (&str, String))| Difference {
        key: key.to_owned(),
        values: [x, y],
    };
    let mut differences: Vec<Difference> = entries.map(difference).collect();
    differences.extend(differing("lane", &a.settings, &b.settings));
    differences
}

/// Every entry of a lane's own table but its name and its settings. What is trained how is part of the training.
fn own_entries(lane: &Lane) -> Vec<(&'static str, String)> {
    let Lane { name: _, architecture, start, frozen, groups, settings: _ } = lane;
    let group = |Group { parameters, rate, weight_decay }: &Group| {
        let decay = weight_decay.map(|decay| format!(" decay {decay}")).unwrap_or_default();
        format!("{parameters} x{rate}{decay}")
    };
    let shown = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let start = start.as_ref().map(|Start { checkpoint, lane: _, step: _, sha256, head, missing }| {
        let file = checkpoint.rsplit(['/', '\\']).next().unwrap_or_default();
        let hash: String = sha256.iter().flat_map(|hash| hash.chars()).take(8).collect();
        let head = if *head == Head::New { ", new head" } else { "" };
        let missing = if *missing == Missing::Initial { ", what it lacks initial" } else { "" };
        format!("{file} {hash}{head}{missing}")
    });
    vec![
        ("lane.architecture", architecture.clone()),
        ("lane.start", start.unwrap_or_else(|| "initial weights".to_owned())),
        ("training.frozen", shown(frozen.clone())),
        ("training.group", shown(groups.iter().map(group).collect())),
    ]
}

/// The settings of a table in which two lanes differ, over the keys of both: those of residual networks first, then by
/// name.
fn differing(table: &str, a: &Settings, b: &Settings) -> Vec<Difference> {
    const FIRST: [&str; 3] = ["depth", "width", "shortcut"];
    let keys: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(key, _)| key).collect();
    let others = keys.iter().filter(|key| !FIRST.contains(*key));
    let difference = |key: &&str| {
        let values = [a, b].map(|of| of.get(key));
        let shown = |value: Option<&Setting>| value.map_or("not given".to_owned(), Setting::to_string);
        (values[0] != values[1])
            .then(|| Difference { key: format!("{table}.{key}"), values: values.map(shown) })
    };
    FIRST.iter().chain(others).filter_map(difference).collect()
}

/// Every entry in which two lanes could differ, but for declared settings and the lanes' own tables. The patterns name
/// all fields, so that a new one cannot be forgotten here.
fn entries(lane: &Provenance) -> Vec<(&'static str, String)> {
    let Experiment { question: _, seed, data, training, statistics, probes: _, lanes: _ } = &lane.experiment;
    let Data { name, path, train_images, test_images, crop, flip, transpose, settings: _ } = data;
    let mut entries = vec![
        ("seed", seed.to_string()),
        ("data.name", name.clone()),
        ("data.path", path.as_ref().map_or("none".to_owned(), |path| path.display().to_string())),
        ("data.train_images", limit(*train_images, lane.train_images)),
        ("data.test_images", limit(*test_images, lane.test_images)),
        ("data.crop", crop.to_string()),
        ("data.flip", flip.to_string()),
        ("data.transpose", transpose.to_string()),
    ];
    let Training { steps, batch, evaluate_every, evaluate_images, checkpoint_every: _, optimizer, schedule } =
        training;
    entries.extend([
        ("training.steps", steps.to_string()),
        ("training.batch", batch.to_string()),
        ("training.evaluate_every", evaluate_every.to_string()),
        ("training.evaluate_images", evaluate_images.to_string()),
        ("training.optimizer", format!("{optimizer:?}")),
        ("training.schedule", format!("{schedule:?}")),
    ]);
    let Recording { every, histograms_every, layers } = statistics;
    entries.extend([
        ("statistics.every", every.to_string()),
        ("statistics.histograms_every", histograms_every.to_string()),
        ("statistics.layers", if layers.is_empty() { "all".to_owned() } else { layers.join(" ") }),
    ]);
    entries
}

/// The number of images used, and the limit that was set.
fn limit(asked: Option<usize>, used: usize) -> String {
    match asked {
        Some(asked) if asked != used => format!("{used} (of at most {asked})"),
        _ => used.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::units::LaneIdx;

    fn started() -> [LaneStarted; 2] {
        let app = specimen::plain_beside_residual();
        [0, 1].map(|lane| app.lane(LaneIdx(lane)).and_then(|lane| lane.started()).expect("started").clone())
    }

    #[test]
    fn plain_and_residual_of_one_experiment_differ_in_their_shortcut_only() {
        let [a, b] = started();
        let fairness = compare(&a, &b).expect("both tell");
        assert!(fairness.differs_in_shortcut_only());
        assert_eq!(fairness.differences[0].values, ["none", "identity"]);
    }

    #[test]
    fn everything_that_spoils_a_comparison_is_named() {
        type Change = fn(&mut Provenance);
        let spoil: [(&str, Change); 5] = [
            ("seed", |lane| lane.experiment.seed = 1),
            ("initial weights", |lane| lane.initial_weights = "00".to_owned()),
            ("batch order", |lane| lane.batch_order = "00".to_owned()),
            ("data", |lane| lane.test_images = 7),
            ("training", |lane| lane.experiment.training.batch = 128),
        ];
        for (name, change) in spoil {
            let [a, mut b] = started();
            change(b.provenance.as_mut().expect("of an experiment"));
            let fairness = compare(&a, &b).expect("both tell");
            let unequal: Vec<&str> = fairness.checks.iter().filter(|c| !c.equal).map(|c| c.name).collect();
            assert_eq!(unequal, [name]);
            assert!(!fairness.is_fair() && !fairness.differs_in_shortcut_only());
        }
    }

    /// The settings of the second lane.
    fn settings_of(started: &mut LaneStarted) -> &mut Settings {
        &mut started.provenance.as_mut().expect("of an experiment").experiment.lanes[1].settings
    }

    #[test]
    fn what_lanes_start_from_and_what_they_train_is_compared() {
        let [a, mut b] = started();
        let own = &mut b.provenance.as_mut().expect("of an experiment").experiment.lanes[1];
        own.start = Some(Start {
            checkpoint: "/runs/a/checkpoints/plain-00000008.safetensors".to_owned(),
            lane: None,
            step: None,
            sha256: Some("0123456789abcdef".repeat(4)),
            head: Head::New,
            missing: Missing::Refuse,
        });
        own.frozen = vec!["conv1".to_owned(), "layer1".to_owned()];
        own.groups = vec![Group { parameters: "fc".to_owned(), rate: 10.0, weight_decay: Some(0.0) }];
        let fairness = compare(&a, &b).expect("both tell");
        let found: Vec<(&str, &str)> =
            fairness.differences.iter().map(|of| (of.key.as_str(), of.values[1].as_str())).collect();
        let expected = [
            ("lane.start", "plain-00000008.safetensors 01234567, new head"),
            ("training.frozen", "conv1, layer1"),
            ("training.group", "fc x10 decay 0"),
            ("lane.shortcut", "identity"),
        ];
        assert_eq!(found, expected);
        let unequal: Vec<&str> = fairness.checks.iter().filter(|c| !c.equal).map(|c| c.name).collect();
        assert_eq!(unequal, ["training"], "the weights themselves were not changed here");
    }

    #[test]
    fn another_depth_is_fair_but_not_the_shortcut_only() {
        let [a, mut b] = started();
        settings_of(&mut b).set("depth", Setting::Whole(56));
        let fairness = compare(&a, &b).expect("both tell");
        assert!(fairness.is_fair() && !fairness.differs_in_shortcut_only());
        assert_eq!(fairness.differences[0].key, "lane.depth");
    }

    #[test]
    fn settings_are_compared_over_the_keys_of_both_lanes() {
        let [a, mut b] = started();
        let provenance = b.provenance.as_mut().expect("of an experiment");
        provenance.experiment.data.settings.set("target", "price".into());
        let own = &mut provenance.experiment.lanes[1];
        own.architecture = "mlp".to_owned();
        own.settings = Settings::default().with("hidden", Setting::Whole(64)).with("dropout", 0.5.into());
        let fairness = compare(&a, &b).expect("both tell");
        let found: Vec<(&str, [&str; 2])> = fairness
            .differences
            .iter()
            .map(|Difference { key, values }| (key.as_str(), values.each_ref().map(String::as_str)))
            .collect();
        let expected = [
            ("data.target", ["not given", "price"]),
            ("lane.architecture", ["resnet", "mlp"]),
            ("lane.depth", ["20", "not given"]),
            ("lane.width", ["8", "not given"]),
            // Not the same as a network that has none.
            ("lane.shortcut", ["none", "not given"]),
            ("lane.dropout", ["not given", "0.5"]),
            ("lane.hidden", ["not given", "64"]),
        ];
        assert_eq!(found, expected);
        assert!(!fairness.is_fair(), "the data differs");
    }
}
