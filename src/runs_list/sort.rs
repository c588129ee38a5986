//! Sorts runs.

use std::cmp::Ordering;

use super::run::Run;
use crate::runlog::LaneSummary;

/// The keys by which runs are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// Their state, in the order of [`crate::runlog::State`]; unreadable runs last.
    State,
    /// Their ids.
    Id,
    /// When they started.
    #[default]
    Started,
    /// The depth of their lanes.
    Depth,
    /// The updates made.
    Step,
    /// The loss of the last step.
    Loss,
    /// The training error last evaluated.
    Train,
    /// The test error last evaluated.
    Test,
    /// How long they took.
    Duration,
    /// Their first tag.
    Tag,
    /// Their seed.
    Seed,
}

impl SortKey {
    /// All keys, in the order of the columns.
    pub const ALL: [SortKey; 11] = [
        SortKey::State,
        SortKey::Id,
        SortKey::Started,
        SortKey::Depth,
        SortKey::Step,
        SortKey::Loss,
        SortKey::Train,
        SortKey::Test,
        SortKey::Duration,
        SortKey::Tag,
        SortKey::Seed,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            SortKey::State => "state",
            SortKey::Id => "id",
            SortKey::Started => "started",
            SortKey::Depth => "depth",
            SortKey::Step => "step",
            SortKey::Loss => "loss",
            SortKey::Train => "train",
            SortKey::Test => "test",
            SortKey::Duration => "duration",
            SortKey::Tag => "tag",
            SortKey::Seed => "seed",
        }
    }

    /// The key with this name.
    pub fn named(name: &str) -> Option<SortKey> {
        SortKey::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The key this many places further on, wrapping around.
    pub fn further(self, by: i64) -> SortKey {
        let count = SortKey::ALL.len() as i64;
        let at = SortKey::ALL.iter().position(|key| *key == self).unwrap_or(0) as i64;
        SortKey::ALL[(at + by).rem_euclid(count) as usize]
    }
}

/// A sort order of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The key.
    pub key: SortKey,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Default for Sort {
    /// The newest first.
    fn default() -> Sort {
        Sort { key: SortKey::Started, descending: true }
    }
}

/// The value that a run is sorted by. Only values of the same variant are ever compared.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(f64),
    Text(&'a str),
}

/// Sorts indices of `runs`. Missing values come last in either direction, and NaN just before them. A run of several
/// lanes is placed by its least value in ascending order, and by its greatest in descending order. Of equal runs the
/// newest comes first.
pub fn order(runs: &[Run], indices: &mut [usize], sort: Sort) {
    let mut keyed: Vec<(Option<Value<'_>>, usize)> =
        indices.iter().map(|&index| (runs.get(index).and_then(|run| value(run, sort)), index)).collect();
    keyed.sort_by(|(a, left), (b, right)| {
        compare(a.as_ref(), b.as_ref(), sort.descending).then_with(|| newer_first(runs, *left, *right))
    });
    for (place, (_, index)) in indices.iter_mut().zip(keyed) {
        *place = index;
    }
}

fn value(run: &Run, sort: Sort) -> Option<Value<'_>> {
    let known = run.known();
    let lanes = |figure: fn(&LaneSummary) -> Option<f64>| {
        let better = |a: f64, b: f64| if sort.descending { a.max(b) } else { a.min(b) };
        run.lanes().iter().filter_map(figure).reduce(better)
    };
    let number = match sort.key {
        SortKey::Id => return Some(Value::Text(run.id())),
        SortKey::Tag => return run.notes()?.tags().first().map(|tag| Value::Text(tag)),
        SortKey::State => Some(run.state().map_or(f64::MAX, |state| f64::from(state as u8))),
        SortKey::Started => run.started_ms().map(|ms| ms as f64),
        SortKey::Seed => known.map(|known| known.summary.manifest.seed as f64),
        SortKey::Duration => run.duration_ms(),
        SortKey::Depth => {
            let depths =
                (0..run.lanes().len()).filter_map(|lane| run.lane_setting(lane)?.settings.number("depth"));
            depths.reduce(|a, b| if sort.descending { a.max(b) } else { a.min(b) })
        }
        SortKey::Step => lanes(|lane| Some(lane.step.0 as f64)),
        SortKey::Loss => lanes(|lane| lane.loss.map(f64::from)),
        SortKey::Train => lanes(|lane| lane.train_error.map(f64::from)),
        SortKey::Test => lanes(|lane| lane.test_error.map(f64::from)),
    };
    number.map(Value::Number)
}

fn compare(a: Option<&Value<'_>>, b: Option<&Value<'_>>, descending: bool) -> Ordering {
    let turned = |order: Ordering| if descending { order.reverse() } else { order };
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(Value::Number(a)), Some(Value::Number(b))) => match (a.is_nan(), b.is_nan()) {
            (false, false) => turned(a.total_cmp(b)),
            (a, b) => a.cmp(&b),
        },
        (Some(Value::Text(a)), Some(Value::Text(b))) => turned(a.cmp(b)),
        (Some(Value::Number(_)), Some(Value::Text(_))) => Ordering::Less,
        (Some(Value::Text(_)), Some(Value::Number(_))) => Ordering::Greater,
    }
}

fn newer_first(runs: &[Run], left: usize, right: usize) -> Ordering {
    let key = |index: usize| runs.get(index).map(|run| (run.started_ms(), run.id()));
    key(right).cmp(&key(left))
}
