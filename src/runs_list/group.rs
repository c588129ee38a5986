//! Groups runs that differ only in their seed and ended alike. Of several runs of one seed only the newest counts; the
//! others are repeats, which would understate the spread.

use std::collections::{HashMap, HashSet};

use super::run::Run;
use crate::runlog::LaneSummary;

/// A group: runs of several seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The key that they share; see [`Run::group_key`].
    pub key: u64,
    /// The indices of all of them in the list, in sort order.
    pub runs: Vec<usize>,
    /// Those that are the newest of their seed.
    pub seeds: Vec<usize>,
    /// The lanes of [`Group::seeds`], in the order of the experiment.
    pub lanes: Vec<LaneGroup>,
}

impl Group {
    /// How many runs there are besides the newest of each seed.
    pub fn repeats(&self) -> usize {
        self.runs.len() - self.seeds.len()
    }

    /// Whether a run is the newest of its seed.
    pub fn counts(&self, run: usize) -> bool {
        self.seeds.contains(&run)
    }
}

/// The lanes with one name.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneGroup {
    /// Their name.
    pub name: String,
    /// Over their last losses.
    pub loss: Figures,
    /// Over their last training errors.
    pub train: Figures,
    /// Over their last test errors.
    pub test: Figures,
}

/// Statistics of several numbers. NaN and infinite ones are counted and left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The number of finite ones.
    pub count: usize,
    /// The number of others.
    pub non_finite: usize,
    /// Their mean; NaN if there are none.
    pub mean: f64,
    /// Their sample standard deviation, over n - 1; NaN for fewer than two.
    pub deviation: f64,
    /// The least; NaN if there are none.
    pub min: f64,
    /// The greatest; NaN if there are none.
    pub max: f64,
}

impl Figures {
    /// Computes them for these numbers.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Figures {
        let (finite, others): (Vec<f64>, Vec<f64>) = numbers.into_iter().partition(|n| n.is_finite());
        let count = finite.len();
        let mean = if count > 0 { finite.iter().sum::<f64>() / count as f64 } else { f64::NAN };
        let squares: f64 = finite.iter().map(|n| (n - mean) * (n - mean)).sum();
        Figures {
            count,
            non_finite: others.len(),
            mean,
            deviation: if count > 1 { (squares / (count - 1) as f64).sqrt() } else { f64::NAN },
            min: finite.iter().copied().fold(f64::NAN, f64::min),
            max: finite.iter().copied().fold(f64::NAN, f64::max),
        }
    }
}

/// The groups of runs in this order, each at the place of its first run. Runs without a group are single, as are
/// repeats of a single seed.
pub(super) fn groups(runs: &[Run], order: &[usize]) -> Vec<Result<Group, usize>> {
    let mut seeds: HashMap<u64, HashSet<u64>> = HashMap::new();
    for (key, seed) in order.iter().filter_map(|index| key_and_seed(runs.get(*index)?)) {
        seeds.entry(key).or_default().insert(seed);
    }
    let key_of = |index: usize| {
        runs.get(index)?.group_key().filter(|key| seeds.get(key).is_some_and(|seeds| seeds.len() > 1))
    };
    let mut places = HashMap::new();
    let mut groups: Vec<Result<Group, usize>> = Vec::new();
    for &index in order {
        let Some(key) = key_of(index) else {
            groups.push(Err(index));
            continue;
        };
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Ok(Group { key, runs: Vec::new(), seeds: Vec::new(), lanes: Vec::new() }));
            groups.len() - 1
        });
        if let Some(Ok(group)) = groups.get_mut(place) {
            group.runs.push(index);
        }
    }
    for group in groups.iter_mut().flatten() {
        group.seeds = newest_of_each_seed(&group.runs, |index| runs.get(*index));
        group.lanes = lanes(runs, &group.seeds);
    }
    groups
}

fn key_and_seed(run: &Run) -> Option<(u64, u64)> {
    run.group_key().zip(run.seed())
}

/// Leaves out runs of which there is a newer one with the same seed. Runs that cannot be in a group stay.
pub(super) fn newest_of_each_seed<'a, T: Copy>(items: &[T], run: impl Fn(&T) -> Option<&'a Run>) -> Vec<T> {
    let age = |run: &'a Run| (run.started_ms(), run.id());
    let mut newest: HashMap<(u64, u64), &'a Run> = HashMap::new();
    for run in items.iter().filter_map(&run) {
        let Some(key) = key_and_seed(run) else { continue };
        let newest = newest.entry(key).or_insert(run);
        if age(run) > age(newest) {
            *newest = run;
        }
    }
    let counts = |item: &T| {
        let Some(run) = run(item) else { return false };
        key_and_seed(run).is_none_or(|key| newest.get(&key).is_some_and(|newest| newest.id() == run.id()))
    };
    items.iter().copied().filter(counts).collect()
}

/// The lanes of runs of one group.
fn lanes(runs: &[Run], members: &[usize]) -> Vec<LaneGroup> {
    let Some(first) = members.first().and_then(|index| runs.get(*index)) else { return Vec::new() };
    let of = |name: &str, figure: fn(&LaneSummary) -> Option<f32>| {
        let lanes = members.iter().filter_map(|index| runs.get(*index)).flat_map(Run::lanes);
        Figures::of(lanes.filter(|lane| lane.name == name).filter_map(figure).map(f64::from))
    };
    let group = |lane: &LaneSummary| LaneGroup {
        name: lane.name.clone(),
        loss: of(&lane.name, |lane| lane.loss),
        train: of(&lane.name, |lane| lane.train_error),
        test: of(&lane.name, |lane| lane.test_error),
    };
    first.lanes().iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_finite() {
        let figures = Figures::of([1.0, f64::NAN, 3.0, 5.0, f64::INFINITY]);
        assert_eq!((figures.count, figures.non_finite), (3, 2));
        assert_eq!((figures.mean, figures.deviation, figures.min, figures.max), (3.0, 2.0, 1.0, 5.0));
        let one = Figures::of([2.0]);
        assert!(one.mean == 2.0 && one.deviation.is_nan());
        assert!(Figures::of([]).mean.is_nan() && Figures::of([]).max.is_nan());
    }
}
