//! Runs that differ in nothing but their seed, as one.

use super::run::Run;
use crate::runlog::LaneSummary;

/// Runs of one configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they share; see [`Run::configuration`].
    pub configuration: u64,
    /// Their places in the catalog, in the order in which they stand.
    pub runs: Vec<usize>,
    /// Their lanes, in the order of the experiment.
    pub lanes: Vec<LaneGroup>,
}

/// The lanes of one name.
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

/// What several numbers are like. Those that are NaN or infinite are counted and left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many finite ones there are.
    pub count: usize,
    /// How many others.
    pub non_finite: usize,
    /// Their mean; NaN where there are none.
    pub mean: f64,
    /// Their sample standard deviation, over n - 1; NaN below two.
    pub deviation: f64,
    /// The least; NaN where there are none.
    pub min: f64,
    /// The greatest; NaN where there are none.
    pub max: f64,
}

impl Figures {
    /// Over these numbers.
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

/// The groups of runs that stand in this order, each where its first run stands; what belongs to none stands
/// alone.
pub(super) fn groups(runs: &[Run], order: &[usize]) -> Vec<Result<Group, usize>> {
    let mut places = std::collections::HashMap::new();
    let mut groups: Vec<Result<Group, usize>> = Vec::new();
    for &index in order {
        let Some(configuration) = runs.get(index).and_then(Run::configuration) else {
            groups.push(Err(index));
            continue;
        };
        let place = *places.entry(configuration).or_insert_with(|| {
            groups.push(Ok(Group { configuration, runs: Vec::new(), lanes: Vec::new() }));
            groups.len() - 1
        });
        if let Some(Ok(group)) = groups.get_mut(place) {
            group.runs.push(index);
        }
    }
    for group in &mut groups {
        match group {
            Ok(alone) if alone.runs.len() == 1 => *group = Err(alone.runs[0]),
            Ok(group) => group.lanes = lanes(runs, &group.runs),
            Err(_) => {}
        }
    }
    groups
}

/// The lanes of runs of one configuration.
pub(super) fn lanes(runs: &[Run], members: &[usize]) -> Vec<LaneGroup> {
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
