//! A single number of many lanes, such as the training error, by a key of their experiments.

use super::grid::last_part;
use super::{Grid, Subject};
use crate::app::{Lane, LaneState};
use crate::metric::{Better, Metric};
use crate::printable::{percent, short};
use crate::units::Step;

/// The numbers of lanes in a grid. A lane that diverged is as bad as can be in what has a better end, as in rules: leaving
/// it out would flatter the others.
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
    /// Their numbers in ascending order; infinite where a lane diverged, see [`Compared`].
    pub numbers: Vec<f32>,
    /// How many lanes there are, with those that have no number.
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
        let (subjects, lanes) = with_subjects(lanes);
        let grid = Grid::of(&subjects, choice)?;
        Some(Compared::at(grid, &lanes, metric, step))
    }

    /// Whether anything differs but the seed, so that lanes can be compared.
    pub fn is_possible<'a>(lanes: impl IntoIterator<Item = &'a Lane>) -> bool {
        Grid::is_possible(&with_subjects(lanes).0)
    }

    /// Small multiples of the comparison of these lanes: one for each value of the chosen of the other keys, counted from 1,
    /// with its title. None if 0 is chosen, or there is nothing to split by.
    pub fn split<'a>(
        &self,
        lanes: impl IntoIterator<Item = &'a Lane>,
        metric: Metric,
        step: Step,
        split: usize,
    ) -> Option<Vec<(String, Compared)>> {
        let (subjects, lanes) = with_subjects(lanes);
        let whole = &self.grid;
        let other = whole.others.get((split % (whole.others.len() + 1)).checked_sub(1)?)?;
        let part = |(value, members): (String, Vec<usize>)| {
            let of_part: Vec<Subject> = members.iter().map(|at| subjects[*at].clone()).collect();
            let its: Vec<&Lane> = members.iter().map(|at| lanes[*at]).collect();
            let keys = Grid::of(&of_part, 0)?.keys;
            let choice = keys.iter().position(|key| Some(key) == whole.keys.get(whole.key))?;
            let compared = Compared::at(Grid::of(&of_part, choice)?, &its, metric, step);
            Some((format!("{} {value}", last_part(other)), compared))
        };
        let parts: Vec<(String, Compared)> =
            whole.split(&subjects, other).into_iter().filter_map(part).collect();
        (!parts.is_empty()).then_some(parts)
    }

    fn at(grid: Grid, lanes: &[&Lane], metric: Metric, step: Step) -> Compared {
        let cell = |members: &Vec<usize>| {
            let number = |at: &usize| number(lanes[*at], metric, step);
            let mut numbers: Vec<f32> = members.iter().filter_map(number).filter(|x| !x.is_nan()).collect();
            numbers.sort_by(f32::total_cmp);
            Cell { numbers, lanes: members.len() }
        };
        let cells = grid.lanes.iter().map(|values| values.iter().map(cell).collect()).collect();
        Compared { grid, cells }
    }

    /// The finite numbers of all cells.
    pub fn numbers(&self) -> impl Iterator<Item = f32> {
        self.cells.iter().flatten().flat_map(Cell::finite)
    }
}

/// The number of a lane at a step, or before it.
fn number(lane: &Lane, metric: Metric, step: Step) -> Option<f32> {
    let has_diverged = *lane.state() == LaneState::Diverged && lane.last_step() <= step;
    match metric.better() {
        Better::Lower if has_diverged => Some(f32::INFINITY),
        Better::Higher if has_diverged => Some(f32::NEG_INFINITY),
        _ => lane.scalar(metric).at(step).and_then(|row| row.last(0)),
    }
}

/// The lanes that have an experiment, and what it says of them.
fn with_subjects<'a>(lanes: impl IntoIterator<Item = &'a Lane>) -> (Vec<Subject>, Vec<&'a Lane>) {
    let subject = |lane: &'a Lane| Some((Subject::of(lane.experiment()?, lane.name())?, lane));
    lanes.into_iter().filter_map(subject).unzip()
}

impl Cell {
    /// The number in the middle; of an even count, the mean of the two in the middle.
    pub fn median(&self) -> Option<f32> {
        let last = self.numbers.len().checked_sub(1)?;
        Some(f32::midpoint(self.numbers[last / 2], self.numbers[last - last / 2]))
    }

    /// Those of lanes that did not diverge, in ascending order.
    pub fn finite(&self) -> impl DoubleEndedIterator<Item = f32> {
        self.numbers.iter().copied().filter(|x| x.is_finite())
    }

    /// The least and the greatest number.
    pub fn extent(&self) -> Option<(f32, f32)> {
        self.numbers.first().copied().zip(self.numbers.last().copied())
    }
}

/// A number of a cell in words.
pub fn in_words(x: f32, metric: Metric) -> String {
    match metric.unit() {
        _ if x.is_infinite() => "diverged".to_owned(),
        "share" => percent(x),
        _ => short(x.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::metric::known;

    #[test]
    fn a_lane_that_diverged_is_worst() {
        let app = specimen::one_diverged();
        let number = |at: usize, metric, step| number(&app.lanes()[at], metric, Step(step));
        let end = app.lanes()[0].last_step().0;
        assert_eq!(number(0, known::TRAIN_ERROR, end), Some(f32::INFINITY));
        assert!(number(0, known::TRAIN_ERROR, end - 20).is_some_and(f32::is_finite));
        assert!(number(1, known::TRAIN_ERROR, end).is_some_and(f32::is_finite));
        let cell = |numbers: &[f32]| Cell { numbers: numbers.to_vec(), lanes: numbers.len() };
        assert_eq!(cell(&[0.1, 0.3, f32::INFINITY]).median(), Some(0.3));
        assert_eq!(
            cell(&[0.1, f32::INFINITY, f32::INFINITY]).median().map(|x| in_words(x, known::TRAIN_ERROR)),
            Some("diverged".to_owned())
        );
        assert_eq!(cell(&[]).median(), None);
    }

    #[test]
    fn small_multiples_have_the_numbers_of_the_whole() {
        let app = specimen::swept();
        let (metric, step) = (known::TRAIN_ERROR, app.step());
        let whole = Compared::of(app.lanes(), metric, step, 0).expect("depths differ");
        assert_eq!(whole.grid.others, ["lane"]);
        assert!(whole.split(app.lanes(), metric, step, 0).is_none());
        let parts = whole.split(app.lanes(), metric, step, 1).expect("two names");
        let titles: Vec<&str> = parts.iter().map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, ["lane plain", "lane residual"]);
        for ((_, part), cells) in parts.iter().zip(&whole.cells) {
            assert_eq!(
                (&part.grid.values, part.cells.as_slice()),
                (&whole.grid.values, std::slice::from_ref(cells))
            );
        }
        // Counted around.
        assert!(whole.split(app.lanes(), metric, step, 2).is_none());
        assert_eq!(whole.split(app.lanes(), metric, step, 3).map(|parts| parts.len()), Some(2));
    }
}
