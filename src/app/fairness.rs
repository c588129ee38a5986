//! Whether two lanes may be compared: what was equal between them and what was not. Knows only what lanes
//! said when they started.

use crate::event::LaneStarted;

/// A thing that must be equal between two lanes for a fair comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was compared.
    pub name: &'static str,
    /// Whether it was equal.
    pub equal: bool,
    /// The values of both lanes, shortened where they are hashes.
    pub values: [String; 2],
}

/// An entry of the experiment in which two lanes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key as in the file.
    pub key: String,
    /// The values of both lanes.
    pub values: [String; 2],
}

/// The comparison of two lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// What must be equal.
    pub checks: Vec<Check>,
    /// What the lanes differ in, wanted or not.
    pub differences: Vec<Difference>,
}

impl Fairness {
    /// Whether everything that must be equal is.
    pub fn is_fair(&self) -> bool {
        self.checks.iter().all(|check| check.equal)
    }

    /// Whether, besides, the shortcut is all they differ in.
    pub fn differs_in_shortcut_only(&self) -> bool {
        self.is_fair() && self.differences.len() == 1 && self.differences[0].key == "lane.shortcut"
    }
}

/// Compares two lanes.
pub fn compare(a: &LaneStarted, b: &LaneStarted) -> Fairness {
    let check = |name, x: String, y: String| Check { name, equal: x == y, values: [shorten(x), shorten(y)] };
    let (ea, eb) = (&a.experiment, &b.experiment);
    let checks = vec![
        check("seed", ea.seed.to_string(), eb.seed.to_string()),
        check("initial weights", a.initial_weights.clone(), b.initial_weights.clone()),
        check("batch order", a.batch_order.clone(), b.batch_order.clone()),
        check("data", format!("{:?}", ea.data), format!("{:?}", eb.data)),
        check("training images", a.train_images.to_string(), b.train_images.to_string()),
        check("test images", a.test_images.to_string(), b.test_images.to_string()),
        check("training", format!("{:?}", ea.training), format!("{:?}", eb.training)),
    ];
    Fairness { checks, differences: Vec::new() }
}

fn shorten(value: String) -> String {
    value
}
