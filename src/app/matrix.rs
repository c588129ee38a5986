//! The history of one statistic of every layer (or block) over a lane's steps, in bounded memory. Knows
//! neither which statistic it is nor how it is drawn.

use bytemuck::{Pod, Zeroable};

use crate::units::Step;

/// Up to this many recorded steps a matrix is exact: one row a step, one f32 a layer.
pub const EXACT_ROWS: usize = 4_096;

/// The most rows of a longer history. Rows are merged in aligned groups of a power of two, so that a row that is
/// full never changes any more: the merged row `i` covers the recorded steps from `i * 2^k` up to the next row's.
///
/// 18 statistics of 57 layers take at most 18 x 57 x 1,024 x 24 bytes, 25 MB.
pub const MERGED_ROWS: usize = 1_024;

/// What stands in place of a value that was not recorded: a NaN that no computation gives, told by its bits.
pub const ABSENT: f32 = f32::from_bits(0x7fc0_0abc);

/// Whether a value is [`ABSENT`], and not a NaN that was recorded.
pub fn is_absent(value: f32) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// One layer's values over the steps of a row.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Cell {
    /// The smallest finite value; NaN where there is none.
    pub low: f32,
    /// The largest finite value; NaN where there is none.
    pub high: f32,
    /// The first value, finite or not.
    pub first: f32,
    /// The last value, finite or not.
    pub last: f32,
    /// The mean of the finite values; NaN where there is none.
    pub mean: f32,
    /// How many values were NaN or infinite; what is [`ABSENT`] does not count.
    pub non_finite: u32,
}

impl Cell {
    /// The cell of one value.
    pub fn of(value: f32) -> Cell {
        let kept = if value.is_finite() { value } else { f32::NAN };
        let non_finite = u32::from(!value.is_finite() && !is_absent(value));
        Cell { low: kept, high: kept, first: value, last: value, mean: kept, non_finite }
    }

    /// Takes one more value to the `count` that there are; `share` is what it makes of all then.
    fn add(&mut self, count: u32, share: f64, value: f32) {
        if self.non_finite > 0 || !value.is_finite() {
            *self = self.merge(count, Cell::of(value), 1);
            return;
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.last = value;
        self.mean += ((f64::from(value) - f64::from(self.mean)) * share) as f32;
    }

    /// The cell of this one's `count` values and then `later`'s `more`.
    fn merge(self, count: u32, later: Cell, more: u32) -> Cell {
        let finite = [count.saturating_sub(self.non_finite), more.saturating_sub(later.non_finite)];
        let mean = match finite {
            [_, 0] => self.mean,
            [0, _] => later.mean,
            [a, b] => {
                let sum = f64::from(self.mean) * f64::from(a) + f64::from(later.mean) * f64::from(b);
                (sum / (f64::from(a) + f64::from(b))) as f32
            }
        };
        Cell {
            // `f32::min` and `max` return the other operand where one is NaN.
            low: self.low.min(later.low),
            high: self.high.max(later.high),
            first: self.first,
            last: later.last,
            mean,
            non_finite: self.non_finite.saturating_add(later.non_finite),
        }
    }
}

/// The steps that a row covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Span {
    first_step: Step,
    last_step: Step,
    /// How many recorded steps.
    count: u64,
}

/// The values of all layers at a step, or merged over neighbouring recorded steps.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The first step it covers.
    pub first_step: Step,
    /// The last step it covers.
    pub last_step: Step,
    /// How many recorded steps it covers.
    pub count: u32,
    values: RowValues<'a>,
}

#[derive(Clone, Copy, Debug)]
enum RowValues<'a> {
    Exact(&'a [f32]),
    Merged(&'a [Cell]),
}

impl<'a> Row<'a> {
    /// The row of one step.
    pub(super) fn exact(step: Step, values: &'a [f32]) -> Row<'a> {
        Row { first_step: step, last_step: step, count: 1, values: RowValues::Exact(values) }
    }

    /// The cell of a layer or block, in the order of the topology; none outside, and none where it is not recorded.
    pub fn cell(&self, column: usize) -> Option<Cell> {
        let cell = match self.values {
            RowValues::Exact(values) => values.get(column).map(|value| Cell::of(*value)),
            RowValues::Merged(cells) => cells.get(column).copied(),
        };
        // What is recorded of one step is recorded of all.
        cell.filter(|cell| !is_absent(cell.last))
    }

    /// The last value of a layer or block; none where it has no cell.
    pub fn last(&self, column: usize) -> Option<f32> {
        self.cell(column).map(|cell| cell.last)
    }

    /// All cells, in the order of the topology; none for what is not recorded.
    pub fn cells(self) -> impl Iterator<Item = Option<Cell>> + 'a {
        let width = match self.values {
            RowValues::Exact(values) => values.len(),
            RowValues::Merged(cells) => cells.len(),
        };
        (0..width).map(move |column| self.cell(column))
    }
}

/// A statistic's history: rows in ascending steps, a column a layer or block. See [`EXACT_ROWS`] and
/// [`MERGED_ROWS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    width: usize,
    spans: Vec<Span>,
    values: Values,
    exact_rows: usize,
    merged_rows: usize,
    steps_per_row: u64,
}

/// Row by row.
#[derive(Clone, Debug, PartialEq)]
enum Values {
    Exact(Vec<f32>),
    Merged(Vec<Cell>),
}

impl Default for Matrix {
    fn default() -> Matrix {
        Matrix::with_bounds(EXACT_ROWS, MERGED_ROWS)
    }
}

impl Matrix {
    /// An empty matrix that is exact up to `exact_rows` and holds at most `merged_rows` beyond, both at least 2;
    /// allocates as it grows.
    pub fn with_bounds(exact_rows: usize, merged_rows: usize) -> Matrix {
        Matrix {
            width: 0,
            spans: Vec::new(),
            values: Values::Exact(Vec::new()),
            exact_rows: exact_rows.max(2),
            merged_rows: merged_rows.max(2),
            steps_per_row: 1,
        }
    }

    /// Adds a step's column of the log. One of another width than the rows before it is left out: only a
    /// broken log has such. A step that a merged row covers already is passed over: it is made again, since the
    /// run went on from a checkpoint within that row. Else a step that is not later than the last takes back what
    /// was recorded from there on.
    pub fn push(&mut self, step: Step, values: &[f32]) {
        if self.spans.is_empty() {
            self.width = values.len();
        }
        if self.width != values.len() {
            return;
        }
        self.rewind(step);
        if let Some(last) = self.spans.last()
            && last.last_step >= step
        {
            return;
        }
        let merges = self.spans.last().is_some_and(|last| last.count < self.steps_per_row);
        if !merges && self.spans.len() == self.most_rows() {
            return self.coarsen_and_push(step, values);
        }
        match (&mut self.values, merges) {
            (Values::Exact(all), _) => all.extend_from_slice(values),
            (Values::Merged(all), false) => all.extend(values.iter().map(|&value| Cell::of(value))),
            (Values::Merged(all), true) => {
                let start = all.len() - self.width;
                let count = self.spans.last().map_or(0, |last| last.count as u32);
                let share = 1.0 / (f64::from(count) + 1.0);
                for (cell, &value) in all[start..].iter_mut().zip(values) {
                    cell.add(count, share, value);
                }
            }
        }
        match self.spans.last_mut() {
            Some(last) if merges => {
                last.last_step = step;
                last.count += 1;
            }
            _ => self.spans.push(Span { first_step: step, last_step: step, count: 1 }),
        }
    }

    fn coarsen_and_push(&mut self, step: Step, values: &[f32]) {
        while self.spans.len() == self.most_rows() || self.spans.len() >= self.merged_rows {
            self.halve();
        }
        self.push(step, values);
    }

    fn most_rows(&self) -> usize {
        match self.values {
            Values::Exact(_) => self.exact_rows,
            Values::Merged(_) => self.merged_rows,
        }
    }

    /// Takes back everything from `step` on. A merged row that reaches over it stays whole: the steps that it
    /// covers are made again.
    pub fn rewind(&mut self, step: Step) {
        let kept = self.spans.partition_point(|span| span.first_step < step);
        self.spans.truncate(kept);
        match &mut self.values {
            Values::Exact(all) => all.truncate(kept * self.width),
            Values::Merged(all) => all.truncate(kept * self.width),
        }
    }

    /// Merges rows in pairs.
    fn halve(&mut self) {
        let width = self.width;
        let cells = match std::mem::replace(&mut self.values, Values::Merged(Vec::new())) {
            Values::Exact(all) => all.into_iter().map(Cell::of).collect(),
            Values::Merged(all) => all,
        };
        let mut merged = Vec::with_capacity(cells.len().div_ceil(2));
        let mut spans = Vec::with_capacity(self.spans.len().div_ceil(2));
        for (pair, span) in self.spans.chunks(2).enumerate() {
            let at = pair * 2 * width;
            let earlier = &cells[at..at + width];
            match *span {
                [a, b] => {
                    let later = &cells[at + width..at + 2 * width];
                    let both = earlier.iter().zip(later);
                    merged.extend(both.map(|(x, y)| x.merge(a.count as u32, *y, b.count as u32)));
                    let (first_step, last_step) = (a.first_step, b.last_step);
                    spans.push(Span { first_step, last_step, count: a.count + b.count });
                }
                _ => {
                    merged.extend_from_slice(earlier);
                    spans.extend_from_slice(span);
                }
            }
        }
        self.spans = spans;
        self.values = Values::Merged(merged);
        self.steps_per_row = self.steps_per_row.saturating_mul(2);
    }

    /// The most bytes a column takes once so many steps are recorded.
    pub fn bytes_per_column(recorded: u64) -> usize {
        match usize::try_from(recorded) {
            Ok(recorded) if recorded <= EXACT_ROWS => recorded * size_of::<f32>(),
            _ => MERGED_ROWS * size_of::<Cell>(),
        }
    }

    /// Layers or blocks a row holds; none before the first row.
    pub fn width(&self) -> Option<usize> {
        (!self.spans.is_empty()).then_some(self.width)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A row by its place.
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        let span = self.spans.get(at)?;
        let cells = at * self.width..(at + 1) * self.width;
        let values = match &self.values {
            Values::Exact(all) => RowValues::Exact(&all[cells]),
            Values::Merged(all) => RowValues::Merged(&all[cells]),
        };
        let Span { first_step, last_step, count } = *span;
        Some(Row { first_step, last_step, count: u32::try_from(count).unwrap_or(u32::MAX), values })
    }

    /// All rows, in ascending steps.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|at| self.row(at))
    }

    /// What stood at `step`: the row that covers it, else the one before it.
    pub fn at(&self, step: Step) -> Option<Row<'_>> {
        let after = self.spans.partition_point(|span| span.first_step <= step);
        self.row(after.checked_sub(1)?)
    }
}

/// Kept in an index.
impl Matrix {
    /// As bytes of this machine's order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let merged = matches!(self.values, Values::Merged(_));
        let head = [self.width as u64, self.spans.len() as u64, self.steps_per_row, u64::from(merged)];
        let mut bytes = bytemuck::cast_slice(&head).to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&self.spans));
        match &self.values {
            Values::Exact(all) => bytes.extend_from_slice(bytemuck::cast_slice(all)),
            Values::Merged(all) => bytes.extend_from_slice(bytemuck::cast_slice(all)),
        }
        bytes
    }

    /// From what [`Matrix::to_bytes`] gave; none where that is not it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Matrix> {
        let (head, rest) = bytes.split_at_checked(size_of::<[u64; 4]>())?;
        let [width, rows, steps_per_row, merged] = bytemuck::pod_read_unaligned::<[u64; 4]>(head);
        let (width, rows) = (usize::try_from(width).ok()?, usize::try_from(rows).ok()?);
        let (spans, rest) = rest.split_at_checked(rows.checked_mul(size_of::<Span>())?)?;
        let values = rows.checked_mul(width)?;
        let values = match merged {
            0 if rest.len() == values.checked_mul(size_of::<f32>())? => {
                Values::Exact(bytemuck::pod_collect_to_vec(rest))
            }
            1 if rest.len() == values.checked_mul(size_of::<Cell>())? => {
                Values::Merged(bytemuck::pod_collect_to_vec(rest))
            }
            _ => return None,
        };
        let spans: Vec<Span> = bytemuck::pod_collect_to_vec(spans);
        let sound = spans.windows(2).all(|pair| pair[0].last_step < pair[1].first_step)
            && spans.iter().all(|span| span.first_step <= span.last_step && span.count > 0)
            && steps_per_row > 0
            && (merged == 1) == (steps_per_row > 1);
        let bound = if merged == 1 { MERGED_ROWS } else { EXACT_ROWS };
        (sound && rows <= bound).then(|| Matrix { width, spans, values, steps_per_row, ..Matrix::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix of two columns: the step, and what `second` gives for it.
    fn filled(mut matrix: Matrix, steps: u64, second: impl Fn(u64) -> f32) -> Matrix {
        for step in 1..=steps {
            matrix.push(Step(step), &[step as f32, second(step)]);
        }
        matrix
    }

    fn spiked(step: u64) -> f32 {
        match step {
            123 => 50.0,
            321 => f32::NAN,
            _ => 0.0,
        }
    }

    #[test]
    fn it_is_exact_up_to_its_bound_and_loses_no_spike_beyond() {
        let exact = filled(Matrix::with_bounds(16, 8), 16, spiked);
        let lasts: Vec<f32> = exact.rows().filter_map(|row| row.last(0)).collect();
        assert_eq!(lasts, (1..=16).map(|step| step as f32).collect::<Vec<_>>());
        let matrix = filled(Matrix::with_bounds(16, 8), 500, spiked);
        assert!(matrix.len() <= 8);
        assert_eq!(matrix.at(Step(123)).expect("covered").cell(1).expect("wide enough").high, 50.0);
        let non_finite = |row: Row<'_>| row.cell(1).expect("wide enough").non_finite;
        assert_eq!(matrix.rows().map(non_finite).sum::<u32>(), 1);
        assert_eq!(non_finite(matrix.at(Step(321)).expect("covered")), 1);
    }

    #[test]
    fn a_merged_row_tells_extent_ends_and_mean_of_its_steps() {
        let matrix = filled(Matrix::with_bounds(16, 8), 500, spiked);
        assert_eq!(matrix.rows().map(|row| u64::from(row.count)).sum::<u64>(), 500);
        for row in matrix.rows() {
            let (first, last) = (row.first_step.0 as f32, row.last_step.0 as f32);
            let cell = row.cell(0).expect("wide enough");
            assert_eq!((cell.low, cell.high, cell.first, cell.last), (first, last, first, last));
            assert!((cell.mean - (first + last) / 2.0).abs() < 1e-3, "{cell:?}");
        }
    }

    #[test]
    fn full_rows_stay_as_they_are_when_more_is_recorded() {
        let before = filled(Matrix::with_bounds(16, 8), 70, spiked);
        let after = filled(Matrix::with_bounds(16, 8), 100, spiked);
        let full = |matrix: &Matrix| matrix.rows().take(4).map(|row| format!("{row:?}")).collect::<Vec<_>>();
        assert_eq!(before.steps_per_row, after.steps_per_row);
        assert_eq!(full(&before), full(&after));
    }

    #[test]
    fn steps_made_again_leave_the_same_history() {
        for (reached, resumed_after, steps) in [(10, 4, 16), (90, 50, 300), (300, 40, 301), (299, 298, 300)] {
            let straight = filled(Matrix::with_bounds(16, 8), steps, spiked);
            let mut matrix = filled(Matrix::with_bounds(16, 8), reached, spiked);
            matrix.rewind(Step(resumed_after + 1));
            for step in resumed_after + 1..=steps {
                matrix.push(Step(step), &[step as f32, spiked(step)]);
            }
            // Means are summed in another order, which rounds otherwise.
            for (a, b) in matrix.rows().flat_map(Row::cells).zip(straight.rows().flat_map(Row::cells)) {
                let (a, b) = a.zip(b).expect("recorded");
                assert!((a.mean - b.mean).abs() <= 1e-6 * b.mean.abs());
            }
            let without_means = |mut matrix: Matrix| {
                if let Values::Merged(cells) = &mut matrix.values {
                    cells.iter_mut().for_each(|cell| cell.mean = 0.0);
                }
                format!("{matrix:?}")
            };
            assert_eq!(without_means(matrix), without_means(straight));
        }
    }

    #[test]
    fn it_is_read_back_from_its_bytes_and_never_from_others() {
        for steps in [0, 1, 100, 5_000, 20_000] {
            let matrix = filled(Matrix::default(), steps, spiked);
            let bytes = matrix.to_bytes();
            let read = Matrix::from_bytes(&bytes).expect("just written");
            assert_eq!(format!("{matrix:?}"), format!("{read:?}"));
            for length in [0, 7, 31, bytes.len() - 1] {
                assert!(Matrix::from_bytes(&bytes[..length.min(bytes.len() - 1)]).is_none());
            }
            let mut wrong = bytes.clone();
            wrong[8..16].fill(0xff);
            assert!(Matrix::from_bytes(&wrong).is_none());
        }
    }

    #[test]
    fn what_is_absent_stays_so_and_counts_as_nothing() {
        assert!(is_absent(ABSENT) && !is_absent(f32::NAN) && !is_absent(0.0));
        for steps in [1, 16, 17, 500] {
            let matrix = filled(Matrix::with_bounds(16, 8), steps, |_| ABSENT);
            let read = Matrix::from_bytes(&matrix.to_bytes()).expect("just written");
            for row in matrix.rows().chain(read.rows()) {
                assert_eq!((row.cell(1), row.last(1)), (None, None));
                assert_eq!(row.cells().map(|cell| cell.is_some()).collect::<Vec<_>>(), [true, false]);
            }
            if let Values::Merged(cells) = &matrix.values {
                let absent = cells.iter().skip(1).step_by(2);
                assert!(absent.clone().count() > 0);
                for cell in absent {
                    assert!(is_absent(cell.first) && cell.non_finite == 0);
                    assert!(cell.low.is_nan() && cell.high.is_nan() && cell.mean.is_nan());
                }
            }
        }
        let not_finite = filled(Matrix::default(), 2, |_| f32::NAN);
        assert_eq!(not_finite.row(0).and_then(|row| row.cell(1)).expect("recorded").non_finite, 1);
    }

    #[test]
    fn a_column_of_another_width_is_left_out() {
        let mut matrix = Matrix::default();
        matrix.push(Step(1), &[1.0, 2.0]);
        matrix.push(Step(2), &[1.0]);
        assert_eq!(matrix.len(), 1);
    }
}
