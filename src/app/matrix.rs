//! The history of one statistic of every layer (or block) over a lane's steps, in bounded memory. Knows
//! neither which statistic it is nor how it is drawn.

use crate::units::Step;

/// The most rows a matrix holds: up to this many recorded steps it is exact; then neighbouring rows are
/// merged in pairs, keeping of each cell the smallest, the largest and the last value and whether any was
/// not finite.
///
/// 18 statistics of 57 layers take 18 x 57 x 2,048 x 16 bytes, 34 MB, when full.
pub const MATRIX_ROWS: usize = 2_048;

/// One layer's values over the steps of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The smallest finite value; NaN where there is none.
    pub low: f32,
    /// The largest finite value; NaN where there is none.
    pub high: f32,
    /// The last value, finite or not.
    pub last: f32,
    /// Whether any value was NaN or infinite.
    pub non_finite: bool,
}

impl Cell {
    fn of(value: f32) -> Cell {
        let kept = if value.is_finite() { value } else { f32::NAN };
        Cell { low: kept, high: kept, last: value, non_finite: !value.is_finite() }
    }

    /// The cell of this one's values and then `later`'s.
    pub fn merge(self, later: Cell) -> Cell {
        Cell {
            low: self.low.min(later.low),
            high: self.high.max(later.high),
            last: later.last,
            non_finite: self.non_finite || later.non_finite,
        }
    }
}

/// A row: the values of all layers at a step, or merged over neighbouring recorded steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The first step it covers.
    pub first_step: Step,
    /// The last step it covers.
    pub last_step: Step,
    /// How many recorded steps it covers.
    pub count: u32,
    /// One cell a layer or block, in the order of the topology.
    pub cells: Box<[Cell]>,
}

/// A statistic's history: rows in ascending steps, a column a layer or block. See [`MATRIX_ROWS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: Vec<Row>,
    capacity: usize,
    steps_per_row: u32,
}

impl Default for Matrix {
    fn default() -> Matrix {
        Matrix::with_capacity(MATRIX_ROWS)
    }
}

impl Matrix {
    /// An empty matrix of at most `capacity` rows, at least 2; allocates as it grows.
    pub fn with_capacity(capacity: usize) -> Matrix {
        Matrix { rows: Vec::new(), capacity: capacity.max(2), steps_per_row: 1 }
    }

    /// Adds a step's column of the log. One of another width than the rows before it is left out: only a
    /// broken log has such. A step that is not later than the last takes back the rows from there on.
    pub fn push(&mut self, step: Step, values: &[f32]) {
        self.rewind(step);
        if self.width().is_some_and(|width| width != values.len()) {
            return;
        }
        match self.rows.last_mut() {
            Some(last) if last.count < self.steps_per_row => {
                for (cell, &value) in last.cells.iter_mut().zip(values) {
                    *cell = cell.merge(Cell::of(value));
                }
                last.last_step = step;
                last.count += 1;
            }
            _ => {
                if self.rows.len() == self.capacity {
                    self.halve();
                }
                let cells = values.iter().map(|&value| Cell::of(value)).collect();
                self.rows.push(Row { first_step: step, last_step: step, count: 1, cells });
            }
        }
    }

    /// Takes back everything from `step` on. A merged row that reaches over it is cut in its steps only.
    pub fn rewind(&mut self, step: Step) {
        while self.rows.last().is_some_and(|last| last.first_step >= step) {
            self.rows.pop();
        }
        if let Some(last) = self.rows.last_mut()
            && last.last_step >= step
        {
            last.last_step = Step(step.0.saturating_sub(1)).max(last.first_step);
        }
    }

    fn halve(&mut self) {
        let mut merged = Vec::with_capacity(self.rows.len().div_ceil(2));
        let mut rows = self.rows.drain(..);
        while let Some(mut row) = rows.next() {
            if let Some(later) = rows.next() {
                for (cell, &more) in row.cells.iter_mut().zip(&later.cells) {
                    *cell = cell.merge(more);
                }
                row.last_step = later.last_step;
                row.count += later.count;
            }
            merged.push(row);
        }
        drop(rows);
        self.rows = merged;
        self.steps_per_row = self.steps_per_row.saturating_mul(2);
    }

    /// Layers or blocks a row holds; none before the first row.
    pub fn width(&self) -> Option<usize> {
        self.rows.first().map(|row| row.cells.len())
    }

    /// All rows, in ascending steps.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What stood at `step`: the row that covers it, else the one before it.
    pub fn at(&self, step: Step) -> Option<&Row> {
        let after = self.rows.partition_point(|row| row.first_step <= step);
        self.rows[..after].last()
    }

    /// The rows that begin within `first..=last`.
    pub fn between(&self, first: Step, last: Step) -> &[Row] {
        let from = self.rows.partition_point(|row| row.first_step < first);
        let to = self.rows.partition_point(|row| row.first_step <= last);
        &self.rows[from..to.max(from)]
    }

    /// The column of one layer or block merged over the rows that begin within `first..=last`; where none
    /// does, what stood at `first`. None before the first row and for a column outside.
    pub fn cell_between(&self, column: usize, first: Step, last: Step) -> Option<Cell> {
        let rows = self.between(first, last);
        let rows = if rows.is_empty() { std::slice::from_ref(self.at(first)?) } else { rows };
        rows.iter().filter_map(|row| row.cells.get(column).copied()).reduce(Cell::merge)
    }

    /// The smallest and largest finite value of the whole history; none where there is none.
    pub fn extent(&self) -> Option<(f32, f32)> {
        self.rows.iter().flat_map(|row| &row.cells).fold(None, |extent: Option<(f32, f32)>, cell| {
            if cell.low.is_nan() {
                return extent;
            }
            let (low, high) = extent.unwrap_or((cell.low, cell.high));
            Some((low.min(cell.low), high.max(cell.high)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_exact_up_to_its_bound_and_loses_no_spike_beyond() {
        let mut matrix = Matrix::with_capacity(8);
        for step in 1..=8 {
            matrix.push(Step(step), &[step as f32, 0.0]);
        }
        assert_eq!(matrix.rows().len(), 8);
        for step in 9..=500 {
            let second = match step {
                123 => 50.0,
                321 => f32::NAN,
                _ => 0.0,
            };
            matrix.push(Step(step), &[step as f32, second]);
        }
        assert!(matrix.rows().len() <= 8);
        assert_eq!(matrix.extent(), Some((0.0, 500.0)));
        assert_eq!(matrix.at(Step(123)).expect("covered").cells[1].high, 50.0);
        let marked = matrix.rows().iter().filter(|row| row.cells[1].non_finite).count();
        assert_eq!(marked, 1);
        assert!(matrix.at(Step(321)).expect("covered").cells[1].non_finite);
        let all = matrix.cell_between(0, Step(0), Step(500)).expect("has rows");
        assert_eq!((all.low, all.high, all.last), (1.0, 500.0, 500.0));
    }

    #[test]
    fn between_two_records_stands_the_earlier_one() {
        let mut matrix = Matrix::default();
        matrix.push(Step(10), &[1.0]);
        matrix.push(Step(20), &[2.0]);
        let last = |from, to| matrix.cell_between(0, Step(from), Step(to)).map(|cell| cell.last);
        assert_eq!((last(1, 9), last(12, 14), last(5, 20)), (None, Some(1.0), Some(2.0)));
        assert_eq!(matrix.cell_between(1, Step(1), Step(20)), None);
    }

    #[test]
    fn a_column_of_another_width_is_left_out() {
        let mut matrix = Matrix::default();
        matrix.push(Step(1), &[1.0, 2.0]);
        matrix.push(Step(2), &[1.0]);
        assert_eq!(matrix.rows().len(), 1);
    }
}
