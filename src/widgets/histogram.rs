//! Histograms over signed powers of two over time, as a heatmap: value upward, time to the right, zeros in a row of their
//! own.

use std::collections::BTreeSet;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::strip::share;
use super::{Axis, Cells, ColorScale, Extent, Heatmap, Matrix, label};
use crate::event::Histogram;
use crate::theme::Theme;

/// The least share of a histogram's values with a distinct colour.
const LEAST_SHARE: f64 = 1e-4;
/// The powers of two from one label of a horizontal axis to the next.
const EVERY: i32 = 4;

/// Histograms of one quantity at ascending steps.
#[derive(Clone, Debug)]
pub struct HistogramHistory<'a> {
    /// Step and histogram.
    pub histograms: &'a [(f64, &'a Histogram)],
    /// The horizontal axis' ends.
    pub x: (f64, f64),
    /// What the horizontal axis counts.
    pub x_name: &'a str,
    /// The bins shown, from and to, both included.
    pub bins: (usize, usize),
    /// The cursor's place on the horizontal axis.
    pub cursor_x: Option<f64>,
}

impl HistogramHistory<'_> {
    /// The first and the last bin with a count in any of the histograms.
    pub fn used_bins<'h>(histograms: impl IntoIterator<Item = &'h Histogram>) -> (usize, usize) {
        let mut used: Option<(usize, usize)> = None;
        for histogram in histograms.into_iter().filter(|h| !h.counts.is_empty()) {
            let first = usize::from(histogram.first).min(Histogram::BINS - 1);
            let last = (first + histogram.counts.len() - 1).min(Histogram::BINS - 1);
            used = Some(used.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
        }
        used.unwrap_or((Histogram::ZERO_BIN, Histogram::ZERO_BIN))
    }

    /// Draws the history; shares of values are colours, on a logarithmic scale from 0.01 % to 100 %. Returns where its
    /// cells are; none if there are none.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Option<Cells> {
        let (first, last) = (self.bins.0, self.bins.1.min(Histogram::BINS - 1));
        if first > last || area.is_empty() {
            return None;
        }
        let halves = if theme.has_half_cells() { 2 } else { 1 };
        // The last row is for the axis, if there are three.
        let lines = usize::from(area.height - u16::from(area.height >= 3));
        let rows = rows((first, last), lines, halves);
        let columns = usize::from(area.width);
        let mut matrix = Matrix::new(rows.len(), columns);
        let span = self.x.1 - self.x.0;
        for (i, (x, histogram)) in self.histograms.iter().enumerate() {
            // A histogram extends until the next one.
            let next = self.histograms.get(i + 1).map_or(self.x.1, |(next, _)| *next);
            let column =
                |x: f64| if span > 0.0 { ((x - self.x.0) / span * columns as f64) as usize } else { 0 };
            if next < self.x.0 || *x > self.x.1 {
                continue;
            }
            let from = column(*x).min(columns);
            let until = column(next).clamp(from, columns).max(columns.min(from + 1));
            let shares = shares(histogram);
            for (row, bins) in rows.iter().enumerate() {
                let share = shares[bins.clone()].iter().copied().fold(0.0, f64::max);
                let mut extent = if share > 0.0 { Extent::of(share as f32) } else { Extent::EMPTY };
                extent.non_finite = histogram.non_finite > 0 && row == 0;
                (from..until).for_each(|column| matrix.merge(row, column, extent));
            }
        }
        let ticks = ticks(&rows, halves);
        let row_name = |row: usize| ticks.get(row).copied().flatten().map(bin_name).unwrap_or_default();
        let is_zero = |bins: &Range<usize>| *bins == (Histogram::ZERO_BIN..Histogram::ZERO_BIN + 1);
        let map = Heatmap {
            matrix: &matrix,
            scale: ColorScale::new(Axis::new(LEAST_SHARE, 1.0, true)),
            row_name: &row_name,
            is_tick: &|row, _| ticks.get(row).is_some_and(Option::is_some),
            anchor: rows.iter().position(is_zero),
            label_width: 6,
            x: self.x,
            x_name: self.x_name,
            cursor_row: None,
            cursor_x: self.cursor_x,
        };
        Some(map.render(area, buffer, theme))
    }
}

/// The bins of each row of a map with so many lines of `halves` rows, from the largest values down: zeros have a line of
/// their own, if there are three lines, and the others share the rest.
fn rows((first, last): (usize, usize), lines: usize, halves: usize) -> Vec<Range<usize>> {
    let zero = Histogram::ZERO_BIN;
    let [above, below] = [(zero + 1).max(first)..last + 1, first..zero.min(last + 1)];
    let has_zero = (first..=last).contains(&zero);
    let others = above.len() + below.len();
    if !has_zero || others == 0 || lines < 3 {
        return spread(first..last + 1, lines * halves);
    }
    let rest = lines - 1;
    let of_above = match (above.is_empty(), below.is_empty()) {
        (true, _) => 0,
        (_, true) => rest,
        _ => (rest * above.len() / others).clamp(1, rest - 1),
    };
    let mut rows = spread(above, of_above * halves);
    rows.extend(vec![zero..zero + 1; halves]);
    rows.extend(spread(below, (rest - of_above) * halves));
    rows
}

/// The bins of each of so many rows, from the last bin down.
fn spread(bins: Range<usize>, rows: usize) -> Vec<Range<usize>> {
    let row = |row: usize| {
        let (from, to) = share(row, bins.len(), rows);
        bins.end - to..bins.end - from
    };
    (0..rows).filter(|_| !bins.is_empty()).map(row).collect()
}

/// The bin that labels each row: the zeros, and every so many powers of two, counted from 2^0 on both sides.
fn ticks(rows: &[Range<usize>], halves: usize) -> Vec<Option<usize>> {
    let bins: BTreeSet<usize> = rows.iter().cloned().flatten().collect();
    // At least three lines from label to label.
    let every = (3 * halves * bins.len()).div_ceil(rows.len().max(1)).next_power_of_two() as i32;
    let mut ticks = vec![None; rows.len()];
    for bin in bins {
        let is_tick = Histogram::exponent_of(bin).is_none_or(|exponent| exponent.rem_euclid(every) == 0);
        let showing: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].contains(&bin)).collect();
        if let Some(middle) = showing.get((showing.len() - 1) / 2).filter(|_| is_tick) {
            ticks[*middle] = Some(bin);
        }
    }
    ticks
}

/// Every bin's share of all values, including non-finite ones in the total.
pub(super) fn shares(histogram: &Histogram) -> [f64; Histogram::BINS] {
    let bins = histogram.bins();
    let total = bins.iter().map(|n| f64::from(*n)).sum::<f64>() + f64::from(histogram.non_finite);
    bins.map(|n| if total > 0.0 { f64::from(n) / total } else { 0.0 })
}

/// Writes bounds of bins into a row, those of every so many powers of two that have room, and zero first. A place is a
/// bin and its first column, counted from the row's.
pub(super) fn axis_of_bins(
    places: impl Iterator<Item = (usize, u16)>,
    row: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let is_tick = |(bin, _): &(usize, u16)| {
        Histogram::exponent_of(*bin).is_none_or(|exponent| exponent.rem_euclid(EVERY) == 0)
    };
    let mut ticks: Vec<(usize, u16)> = places.filter(is_tick).collect();
    ticks.sort_by_key(|(bin, _)| *bin != Histogram::ZERO_BIN);
    let mut taken: Vec<Range<u16>> = Vec::new();
    for (bin, column) in ticks {
        let name = bin_name(bin);
        let cells = column..column + name.len() as u16;
        let has_room = taken.iter().all(|other| cells.end < other.start || other.end < cells.start);
        if has_room && cells.end <= row.width {
            label::put(buffer, row, row.x + column, row.y, &name, theme.muted());
            taken.push(cells);
        }
    }
}

/// The label of a bin, by the power of two it begins with: `-2^3`, `0`, `2^-7`.
pub(super) fn bin_name(bin: usize) -> String {
    match Histogram::exponent_of(bin) {
        Some(exponent) if bin > Histogram::ZERO_BIN => format!("2^{exponent}"),
        Some(exponent) => format!("-2^{exponent}"),
        None => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_named_by_their_lower_bound() {
        assert_eq!(bin_name(Histogram::ZERO_BIN), "0");
        assert_eq!(bin_name(33), "2^-24");
        assert_eq!(bin_name(64), "2^7");
        assert_eq!(bin_name(0), "-2^7");
        assert_eq!(bin_name(31), "-2^-24");
    }

    #[test]
    fn exact_zeros_have_a_label_and_the_others_are_regular() {
        let mut bins = [0; Histogram::BINS];
        (bins[Histogram::ZERO_BIN], bins[20], bins[60]) = (9, 1, 1);
        let histogram = Histogram::from_bins(&bins, 0);
        let theme = Theme::default();
        for height in 6..50 {
            let history = HistogramHistory {
                histograms: &[(1.0, &histogram)],
                x: (0.0, 60.0),
                x_name: "step",
                bins: HistogramHistory::used_bins([&histogram]),
                cursor_x: None,
            };
            let mut buffer = Buffer::empty(Rect::new(0, 0, 40, height));
            history.render(buffer.area, &mut buffer, &theme);
            let label = |y| (0..6).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim().to_owned();
            let labels: Vec<String> = (0..height - 1).map(label).filter(|label| !label.is_empty()).collect();
            assert!(labels.contains(&"0".to_owned()), "{labels:?}");
            let exponents: Vec<i32> =
                labels.iter().filter_map(|l| l.strip_prefix("2^")?.parse().ok()).collect();
            let apart: Vec<i32> = exponents.windows(2).map(|pair| pair[0] - pair[1]).collect();
            assert!(apart.windows(2).all(|pair| pair[0] == pair[1]), "{labels:?}");
        }
    }

    #[test]
    fn every_bin_has_a_row_and_zeros_a_line_of_their_own() {
        for (first, last) in [(0, 64), (20, 60), (32, 50), (10, 32), (40, 50), (32, 32)] {
            for lines in 3..40 {
                let rows = rows((first, last), lines, 2);
                assert_eq!(rows.len(), 2 * lines);
                assert!((first..=last).all(|bin| rows.iter().any(|row| row.contains(&bin))));
                let zeros: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].contains(&32)).collect();
                if first < last && (first..=last).contains(&32) {
                    assert!(zeros.len() == 2 && zeros[0].is_multiple_of(2), "a line: {zeros:?}");
                    assert!(zeros.iter().all(|row| rows[*row] == (32..33)));
                }
            }
        }
    }

    #[test]
    fn used_bins_span_all_histograms() {
        let a = Histogram { first: 40, counts: vec![1, 2], non_finite: 0 };
        let b = Histogram { first: 20, counts: vec![1], non_finite: 3 };
        assert_eq!(HistogramHistory::used_bins([&a, &b, &Histogram::default()]), (20, 41));
    }
}
