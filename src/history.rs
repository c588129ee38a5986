//! The history of one measurement over a lane's steps, in bounded memory: a number, a number for each layer, block or
//! point of another axis, or a histogram for each. Knows neither what is measured nor how it is drawn.
//!
//! A history is exact up to a bound. Beyond it, neighbouring records are merged in aligned groups of a power of two:
//! the row `i` of level `k` covers the records from `i * 2^k` on, so that a full row never changes, and each level can
//! be computed from the one below. A merged row keeps minimum, maximum, first, last, mean, count and the number of
//! values that are not finite, so no spike and no NaN is lost at any level.

use bytemuck::{Pod, Zeroable};

use crate::event::{Histogram, is_missing};
use crate::units::Step;

mod bytes;

/// How much a history holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most records that are kept exactly.
    pub exact: usize,
    /// The most merged rows beyond that, at least 2.
    pub merged: usize,
}

impl Bounds {
    /// For single numbers. Each frame goes over all rows of a curve, so there are only a few times as many as the
    /// widest screen can show.
    pub const SCALARS: Bounds = Bounds { exact: 8_192, merged: 4_096 };
    /// For a number for each layer or block: 20 metrics of 57 layers take at most 20 x 57 x 4,096 x 4 bytes, 19 MB.
    pub const COLUMNS: Bounds = Bounds { exact: 4_096, merged: 512 };
    /// For histograms, which are added up when merged.
    pub const HISTOGRAMS: Bounds = Bounds { exact: 256, merged: 256 };
}

/// When a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Moment {
    step: Step,
    at_ms: f64,
}

/// The records that a row covers.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Span {
    /// The step of the first record.
    pub first_step: Step,
    /// The step of the last record.
    pub last_step: Step,
    /// When the last record was made, in milliseconds since the run started.
    pub at_ms: f64,
    /// The number of records.
    pub count: u64,
}

impl Span {
    fn of(step: Step, at_ms: f64) -> Span {
        Span { first_step: step, last_step: step, at_ms, count: 1 }
    }

    fn merge(self, later: Span) -> Span {
        Span { first_step: self.first_step, count: self.count.saturating_add(later.count), ..later }
    }
}

/// The values of one number over the records of a row.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Cell {
    /// The smallest finite value; NaN where there is none.
    pub min: f32,
    /// The largest finite value; NaN where there is none.
    pub max: f32,
    /// The first value, finite or not.
    pub first: f32,
    /// The last value, finite or not.
    pub last: f32,
    /// The mean of the finite values; NaN where there is none. Their sum is the mean times their count.
    pub mean: f32,
    /// How many values are NaN or infinite.
    pub non_finite: u32,
}

impl Cell {
    /// The cell for one value.
    pub fn of(value: f32) -> Cell {
        let kept = if value.is_finite() { value } else { f32::NAN };
        let non_finite = u32::from(!value.is_finite() && !is_missing(value));
        Cell { min: kept, max: kept, first: value, last: value, mean: kept, non_finite }
    }

    /// Adds a value to a cell of `count` values; `share` is 1 / (`count` + 1).
    fn add(&mut self, count: u64, share: f64, value: f32) {
        if self.non_finite > 0 || !value.is_finite() {
            *self = self.merge(count, Cell::of(value), 1);
            return;
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.last = value;
        self.mean += ((f64::from(value) - f64::from(self.mean)) * share) as f32;
    }

    /// Combines several numbers of one row: their overall extent, and the means of their first, last and mean values.
    pub fn across(cells: impl Iterator<Item = Cell>) -> Option<Cell> {
        let (mut all, mut count) = (None::<Cell>, 0.0);
        for cell in cells {
            count += 1.0;
            all = Some(all.map_or(cell, |all| {
                let mean = |a: f32, b: f32| a + (b - a) / count;
                let mean_of_finite = if all.mean.is_nan() || cell.mean.is_nan() {
                    all.mean.max(cell.mean)
                } else {
                    mean(all.mean, cell.mean)
                };
                Cell {
                    min: all.min.min(cell.min),
                    max: all.max.max(cell.max),
                    first: mean(all.first, cell.first),
                    last: mean(all.last, cell.last),
                    mean: mean_of_finite,
                    non_finite: all.non_finite.saturating_add(cell.non_finite),
                }
            }));
        }
        all
    }

    /// The cell for this one's `count` values followed by `later`'s `more` values.
    fn merge(self, count: u64, later: Cell, more: u64) -> Cell {
        let finite = |cell: Cell, count: u64| {
            if cell.mean.is_nan() { 0.0 } else { count.saturating_sub(cell.non_finite.into()) as f64 }
        };
        let mean = match [finite(self, count), finite(later, more)] {
            [_, 0.0] => self.mean,
            [0.0, _] => later.mean,
            [a, b] => ((f64::from(self.mean) * a + f64::from(later.mean) * b) / (a + b)) as f32,
        };
        Cell {
            // `f32::min` and `max` return the other operand where one is NaN.
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            first: if is_missing(self.first) { later.first } else { self.first },
            last: if is_missing(later.last) { self.last } else { later.last },
            mean,
            non_finite: self.non_finite.saturating_add(later.non_finite),
        }
    }
}

/// One number at a record, or over merged records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The step of its first record.
    pub first_step: Step,
    /// The step of its last record.
    pub last_step: Step,
    /// When its last record was made, in milliseconds since the run started.
    pub at_ms: f64,
    /// How many records it covers.
    pub count: u64,
    /// Their values.
    pub cell: Cell,
}

impl Point {
    /// The point for the records that a span covers.
    pub fn new(span: Span, cell: Cell) -> Point {
        let Span { first_step, last_step, at_ms, count } = span;
        Point { first_step, last_step, at_ms, count, cell }
    }

    /// The point for this one's records followed by `later`'s.
    pub fn merge(self, later: Point) -> Point {
        let cell = self.cell.merge(self.count, later.cell, later.count);
        Point { first_step: self.first_step, count: self.count.saturating_add(later.count), cell, ..later }
    }

    /// The last value, finite or not.
    pub fn last(&self) -> f32 {
        self.cell.last
    }

    /// The mean of the finite values; none where there is none.
    pub fn mean(&self) -> Option<f32> {
        (!self.cell.mean.is_nan()).then_some(self.cell.mean)
    }

    /// How many finite values it covers.
    pub fn finite(&self) -> u64 {
        self.count.saturating_sub(self.cell.non_finite.into())
    }
}

/// All values of a record, or of merged records.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The records.
    pub span: Span,
    values: Values<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    Exact(&'a [f32]),
    Merged(&'a [Cell]),
    Histograms(&'a [Histogram]),
}

impl<'a> Row<'a> {
    /// The row of one record.
    pub fn exact(step: Step, values: &'a [f32]) -> Row<'a> {
        Row { span: Span::of(step, 0.0), values: Values::Exact(values) }
    }

    /// One number of it; none out of range or in a row of histograms.
    pub fn cell(&self, column: usize) -> Option<Cell> {
        match self.values {
            Values::Exact(values) => values.get(column).map(|value| Cell::of(*value)),
            Values::Merged(cells) => cells.get(column).copied(),
            Values::Histograms(_) => None,
        }
    }

    /// Its numbers as they are, if it is one record.
    pub fn numbers(&self) -> Option<&'a [f32]> {
        match self.values {
            Values::Exact(all) => Some(all),
            Values::Merged(_) | Values::Histograms(_) => None,
        }
    }

    /// Combines several of its numbers: their overall extent and the mean of their last values, see [`Cell::across`].
    pub fn across(&self, columns: std::ops::Range<usize>) -> Option<Cell> {
        if columns.len() == 1 {
            return self.cell(columns.start);
        }
        Cell::across(columns.filter_map(|column| self.cell(column)))
    }

    /// The last value of one number.
    pub fn last(&self, column: usize) -> Option<f32> {
        self.cell(column).map(|cell| cell.last)
    }

    /// One number with its records.
    pub fn point(&self, column: usize) -> Option<Point> {
        Some(Point::new(self.span, self.cell(column)?))
    }

    /// One histogram of it: the sum over its records.
    pub fn histogram(&self, column: usize) -> Option<&'a Histogram> {
        match self.values {
            Values::Histograms(all) => all.get(column),
            Values::Exact(_) | Values::Merged(_) => None,
        }
    }
}

/// A history: rows in ascending steps. See [`Bounds`].
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Numbers or histograms a record.
    width: usize,
    rows: Rows,
    bounds: Bounds,
    /// A row covers 2^level records.
    level: u32,
}

/// One row after the other.
#[derive(Clone, Debug, PartialEq)]
enum Rows {
    Exact { moments: Vec<Moment>, values: Vec<f32> },
    Merged { spans: Vec<Span>, cells: Vec<Cell> },
    Histograms { spans: Vec<Span>, histograms: Vec<Histogram> },
}

impl History {
    /// An empty history of `width` numbers a record.
    pub const fn of_numbers(width: usize, bounds: Bounds) -> History {
        let rows = Rows::Exact { moments: Vec::new(), values: Vec::new() };
        History { width, rows, bounds, level: 0 }
    }

    /// An empty history of single numbers.
    pub const fn of_scalars() -> History {
        History::of_numbers(1, Bounds::SCALARS)
    }

    /// An empty history of `width` histograms a record.
    pub fn of_histograms(width: usize, bounds: Bounds) -> History {
        let rows = Rows::Histograms { spans: Vec::new(), histograms: Vec::new() };
        History { width, rows, bounds, level: 0 }
    }

    /// Adds a record of numbers. A record of another width, as in a damaged log, is ignored. So is a step that a merged
    /// row already covers: it is repeated because the run went on from a checkpoint within that row. Otherwise a step
    /// that is not later than the last one first rewinds the history to it.
    pub fn push(&mut self, step: Step, at_ms: f64, numbers: &[f32]) {
        if numbers.len() != self.width || matches!(self.rows, Rows::Histograms { .. }) {
            return;
        }
        let Some(merges) = self.make_room(step) else { return };
        match &mut self.rows {
            Rows::Exact { moments, values } => {
                moments.push(Moment { step, at_ms });
                values.extend_from_slice(numbers);
            }
            Rows::Merged { spans, cells } => match spans.last_mut().filter(|_| merges) {
                Some(last) => {
                    let start = cells.len() - numbers.len();
                    let share = 1.0 / (last.count as f64 + 1.0);
                    for (cell, &value) in cells[start..].iter_mut().zip(numbers) {
                        cell.add(last.count, share, value);
                    }
                    *last = last.merge(Span::of(step, at_ms));
                }
                None => {
                    cells.extend(numbers.iter().map(|&value| Cell::of(value)));
                    spans.push(Span::of(step, at_ms));
                }
            },
            Rows::Histograms { .. } => {}
        }
    }

    /// Adds a record of histograms, as [`History::push`] adds one of numbers.
    pub fn push_histograms(&mut self, step: Step, at_ms: f64, more: &[Histogram]) {
        if more.len() != self.width || !matches!(self.rows, Rows::Histograms { .. }) {
            return;
        }
        let Some(merges) = self.make_room(step) else { return };
        let Rows::Histograms { spans, histograms } = &mut self.rows else { return };
        match spans.last_mut().filter(|_| merges) {
            Some(last) => {
                let start = histograms.len() - more.len();
                for (sum, more) in histograms[start..].iter_mut().zip(more) {
                    *sum = sum.plus(more);
                }
                *last = last.merge(Span::of(step, at_ms));
            }
            None => {
                histograms.extend_from_slice(more);
                spans.push(Span::of(step, at_ms));
            }
        }
    }

    /// Makes room for a record of a step. Whether it is merged into the last row; none where the step is
    /// already covered.
    fn make_room(&mut self, step: Step) -> Option<bool> {
        self.rewind(step);
        let last = self.len().checked_sub(1).and_then(|at| self.span(at));
        if last.is_some_and(|last| last.last_step >= step) {
            return None;
        }
        let full = 1u64.checked_shl(self.level).unwrap_or(u64::MAX);
        if last.is_some_and(|last| last.count < full) {
            return Some(true);
        }
        let most =
            if matches!(self.rows, Rows::Exact { .. }) { self.bounds.exact } else { self.bounds.merged };
        if self.len() >= most {
            self.merge_exact();
            while self.len() >= self.bounds.merged.max(2) {
                self.halve();
            }
            // After merging, the last row may have room.
            return self.make_room(step);
        }
        Some(false)
    }

    /// Removes everything from `step` on. A merged row that extends past it stays whole, since the steps it covers are
    /// made again.
    pub fn rewind(&mut self, step: Step) {
        match &mut self.rows {
            Rows::Exact { moments, values } => {
                let kept = moments.partition_point(|moment| moment.step < step);
                moments.truncate(kept);
                values.truncate(kept * self.width);
            }
            Rows::Merged { spans, cells } => {
                let kept = spans.partition_point(|span| span.first_step < step);
                spans.truncate(kept);
                cells.truncate(kept * self.width);
            }
            Rows::Histograms { spans, histograms } => {
                let kept = spans.partition_point(|span| span.first_step < step);
                spans.truncate(kept);
                histograms.truncate(kept * self.width);
            }
        }
    }

    /// Merges exact rows to the lowest level at which they are few enough; does nothing if they are merged already.
    fn merge_exact(&mut self) {
        let Rows::Exact { moments, values } = &self.rows else { return };
        let most = self.bounds.merged.max(2);
        let level =
            (0..u64::BITS).find(|&level| moments.len().div_ceil(1 << level) < most).unwrap_or_default();
        let (group, width) = (1 << level, self.width);
        let mut spans = Vec::with_capacity(self.bounds.merged);
        let mut cells = Vec::with_capacity(self.bounds.merged.saturating_mul(self.width));
        for (row, moments) in moments.chunks(group).enumerate() {
            let values = &values[row * group * width..][..moments.len() * width];
            let mut span = Span::of(moments[0].step, moments[0].at_ms);
            cells.extend(values[..width].iter().map(|&value| Cell::of(value)));
            let cells = &mut cells[row * width..];
            for (at, moment) in moments.iter().enumerate().skip(1) {
                let share = 1.0 / (span.count as f64 + 1.0);
                for (cell, &value) in cells.iter_mut().zip(&values[at * width..]) {
                    cell.add(span.count, share, value);
                }
                span = span.merge(Span::of(moment.step, moment.at_ms));
            }
            spans.push(span);
        }
        (self.rows, self.level) = (Rows::Merged { spans, cells }, level);
    }

    /// Goes to the next level: merges rows in pairs.
    fn halve(&mut self) {
        let width = self.width;
        match &mut self.rows {
            Rows::Exact { .. } => {}
            Rows::Merged { spans, cells } => pair(spans, cells, width, |early, a, late, b| {
                *early = early.merge(a.count, *late, b.count);
            }),
            Rows::Histograms { spans, histograms } => {
                pair(spans, histograms, width, |early, _, late, _| *early = early.plus(late));
            }
        }
        self.level += 1;
    }
}

/// Merges rows of `width` values in pairs, in place.
fn pair<T: Clone>(
    spans: &mut Vec<Span>,
    values: &mut Vec<T>,
    width: usize,
    merge: impl Fn(&mut T, Span, &T, Span),
) {
    let rows = spans.len();
    for pair in 0..rows.div_ceil(2) {
        let (early, late) = (2 * pair, 2 * pair + 1);
        for column in 0..width {
            let (from, to) = (early * width + column, pair * width + column);
            if to != from {
                values[to] = values[from].clone();
            }
            if late < rows {
                let (before, after) = values.split_at_mut(late * width);
                merge(&mut before[to], spans[early], &after[column], spans[late]);
            }
        }
        spans[pair] = if late < rows { spans[early].merge(spans[late]) } else { spans[early] };
    }
    spans.truncate(rows.div_ceil(2));
    values.truncate(rows.div_ceil(2) * width);
}

/// Reading a history.
impl History {
    /// Numbers or histograms a record.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Exact { moments, .. } => moments.len(),
            Rows::Merged { spans, .. } | Rows::Histograms { spans, .. } => spans.len(),
        }
    }

    /// Whether every record has a row of its own.
    pub fn is_exact(&self) -> bool {
        self.level == 0
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn span(&self, at: usize) -> Option<Span> {
        match &self.rows {
            Rows::Exact { moments, .. } => moments.get(at).map(|moment| Span::of(moment.step, moment.at_ms)),
            Rows::Merged { spans, .. } | Rows::Histograms { spans, .. } => spans.get(at).copied(),
        }
    }

    /// A row by its place.
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        let span = self.span(at)?;
        let place = at * self.width..(at + 1) * self.width;
        let values = match &self.rows {
            Rows::Exact { values, .. } => Values::Exact(&values[place]),
            Rows::Merged { cells, .. } => Values::Merged(&cells[place]),
            Rows::Histograms { histograms, .. } => Values::Histograms(&histograms[place]),
        };
        Some(Row { span, values })
    }

    /// All rows, in ascending steps.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + ExactSizeIterator {
        (0..self.len()).map(|at| self.row(at).unwrap_or_else(|| unreachable!("it is below the length")))
    }

    /// One number over time; empty for a number out of range or a history of histograms.
    pub fn points(&self, column: usize) -> impl DoubleEndedIterator<Item = Point> + ExactSizeIterator + '_ {
        let has_column = column < self.width && !matches!(self.rows, Rows::Histograms { .. });
        let rows = if has_column { self.len() } else { 0 };
        (0..rows).map(move |row| {
            let place = row * self.width + column;
            match &self.rows {
                Rows::Exact { moments, values } => {
                    Point::new(Span::of(moments[row].step, moments[row].at_ms), Cell::of(values[place]))
                }
                Rows::Merged { spans, cells } => Point::new(spans[row], cells[place]),
                Rows::Histograms { .. } => unreachable!("they have no columns"),
            }
        })
    }

    /// The newest row.
    pub fn last(&self) -> Option<Row<'_>> {
        self.row(self.len().checked_sub(1)?)
    }

    /// The row that covers `step`, else the last one before it.
    pub fn at(&self, step: Step) -> Option<Row<'_>> {
        let after = match &self.rows {
            Rows::Exact { moments, .. } => moments.partition_point(|moment| moment.step <= step),
            Rows::Merged { spans, .. } | Rows::Histograms { spans, .. } => {
                spans.partition_point(|span| span.first_step <= step)
            }
        };
        self.row(after.checked_sub(1)?)
    }

    /// One number over the steps from `first` to `last`, at the lowest level that has at most `most` points (at least
    /// 2). Rows that extend past an end are included whole.
    pub fn level(&self, column: usize, steps: (Step, Step), most: usize) -> Vec<Point> {
        let of_rows = |steps: (Step, Step)| {
            let begin = self.rows().position(|row| row.span.last_step >= steps.0).unwrap_or(self.len());
            let end = self.rows().rposition(|row| row.span.first_step <= steps.1).map_or(begin, |at| at + 1);
            begin..end.max(begin)
        };
        let rows = of_rows(steps);
        let mut size = 1;
        while (rows.end.div_ceil(size) - rows.start / size) > most.max(2) {
            size *= 2;
        }
        let first = rows.start / size * size;
        let groups =
            (first..rows.end).step_by(size).map(|start| start.max(rows.start)..(start / size + 1) * size);
        groups
            .filter_map(|group| {
                let rows =
                    (group.start..group.end.min(rows.end)).filter_map(|at| self.row(at)?.point(column));
                rows.reduce(Point::merge)
            })
            .collect()
    }

    /// One number over all records.
    pub fn whole(&self, column: usize) -> Option<Point> {
        self.points(column).reduce(Point::merge)
    }

    /// The most bytes that each number takes after this many records.
    pub fn bytes_of(bounds: Bounds, records: u64) -> usize {
        match usize::try_from(records) {
            Ok(records) if records <= bounds.exact => records * size_of::<f32>(),
            _ => bounds.merged * size_of::<Cell>(),
        }
    }
}

#[cfg(test)]
mod tests;
