//! A single number of many lanes, such as the training error, by a key of their experiments.

use super::{Grid, Subject};
use crate::app::Lane;
use crate::app::comparison::median;
use crate::metric::Metric;
use crate::units::Step;

/// The numbers of lanes in a grid.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The grid.
    pub grid: Grid,
    /// For each group, for each value of the key.
    pub cells: Vec<Vec<Cell>>,
}

/// The numbers of the lanes of a group with one value of the key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Those that are finite, in ascending order.
    pub numbers: Vec<f32>,
    /// How many lanes there are, with those that have no finite number.
    pub lanes: usize,
}

impl Compared {
    /// Compares lanes by the chosen of the keys that differ; takes their numbers at a step, or before it. None if nothing
    /// differs but the seed.
    pub fn of<'a>(
        lanes: impl IntoIterator<Item = &'a Lane>,
        metric: Metric,
        step: Step,
        choice: usize,
    ) -> Option<Compared> {
        let subject = |lane: &'a Lane| Some((Subject::of(lane.experiment()?, lane.name())?, lane));
        let (subjects, lanes): (Vec<Subject>, Vec<&Lane>) = lanes.into_iter().filter_map(subject).unzip();
        let grid = Grid::of(&subjects, choice)?;
        let cell = |members: &Vec<usize>| {
            let number = |at: &usize| lanes[*at].scalar(metric).at(step).and_then(|row| row.last(0));
            let mut numbers: Vec<f32> = members.iter().filter_map(number).filter(|x| x.is_finite()).collect();
            numbers.sort_by(f32::total_cmp);
            Cell { numbers, lanes: members.len() }
        };
        let cells = grid.lanes.iter().map(|values| values.iter().map(cell).collect()).collect();
        Some(Compared { grid, cells })
    }
}

impl Cell {
    /// The number in the middle; of an even count, the mean of the two in the middle.
    pub fn median(&self) -> Option<f32> {
        median(&self.numbers)
    }

    /// The least and the greatest number.
    pub fn extent(&self) -> Option<(f32, f32)> {
        self.numbers.first().copied().zip(self.numbers.last().copied())
    }
}
