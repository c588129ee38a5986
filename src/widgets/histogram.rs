//! Histograms over signed powers of two: their history as a heatmap (value upward, time to the right), and a
//! single one as bars.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::strip::share;
use super::{Axis, Cells, ColorScale, Extent, Heatmap, Matrix, label};
use crate::event::Histogram;
use crate::theme::Theme;

/// The least share of a histogram's values with a distinct colour.
const LEAST_SHARE: f64 = 1e-4;

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
        let columns = usize::from(area.width);
        let mut matrix = Matrix::new(last + 1 - first, columns);
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
            for (row, bin) in (first..=last).rev().enumerate() {
                let mut extent =
                    if shares[bin] > 0.0 { Extent::of(shares[bin] as f32) } else { Extent::EMPTY };
                extent.non_finite = histogram.non_finite > 0 && row == 0;
                (from..until).for_each(|column| matrix.merge(row, column, extent));
            }
        }
        let row_name = |row: usize| bin_name(last - row.min(last));
        // Every n-th power of two, counted from 2^0 on both sides of zero.
        let is_tick = |row: usize, every: usize| {
            let exponent = exponent(last - row.min(last));
            exponent.is_some_and(|exponent| exponent.rem_euclid(every.next_power_of_two() as i32) == 0)
        };
        Some(self.heatmap(&matrix, &row_name, &is_tick).render(area, buffer, theme))
    }

    fn heatmap<'m>(
        &'m self,
        matrix: &'m Matrix,
        row_name: &'m dyn Fn(usize) -> String,
        is_tick: &'m dyn Fn(usize, usize) -> bool,
    ) -> Heatmap<'m> {
        Heatmap {
            matrix,
            scale: ColorScale::new(Axis::new(LEAST_SHARE, 1.0, true)),
            row_name,
            is_tick,
            // The bin of exact zeros is set apart from its neighbours.
            anchor: self.bins.1.checked_sub(Histogram::ZERO_BIN),
            label_width: 6,
            x: self.x,
            x_name: self.x_name,
            cursor_row: None,
            cursor_x: self.cursor_x,
        }
    }
}

/// One histogram as bars, from the most negative bin at the left.
#[derive(Clone, Copy, Debug)]
pub struct HistogramBars<'a> {
    /// The counts.
    pub histogram: &'a Histogram,
    /// The bins shown, from and to, both included.
    pub bins: (usize, usize),
    /// The colour of the bars.
    pub style: Style,
}

impl HistogramBars<'_> {
    /// Draws bars as high as the bin's share of the largest bin, with the bins' bounds in the last row.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        let (first, last) = (self.bins.0, self.bins.1.min(Histogram::BINS - 1));
        if area.is_empty() || first > last {
            return;
        }
        let shares = shares(self.histogram);
        let shown = &shares[first..=last];
        let greatest = shown.iter().copied().fold(0.0, f64::max);
        let labels = u16::from(area.height >= 3);
        let height = area.height - labels;
        for column in 0..area.width {
            let (from, to) = share(usize::from(column), shown.len(), usize::from(area.width));
            let value = shown[from..to].iter().copied().fold(0.0, f64::max);
            let eighths =
                if greatest > 0.0 { (value / greatest * f64::from(height) * 8.0).ceil() as u32 } else { 0 };
            for line in 0..height {
                let filled = eighths.saturating_sub(u32::from(height - 1 - line) * 8).min(8);
                let symbol = bar(filled, theme);
                label::put(buffer, area, area.x + column, area.y + line, symbol, self.style);
            }
        }
        if labels > 0 {
            self.render_labels(
                Rect { y: area.bottom() - 1, height: 1, ..area },
                (first, last),
                buffer,
                theme,
            );
        }
    }

    fn render_labels(&self, row: Rect, (first, last): (usize, usize), buffer: &mut Buffer, theme: &Theme) {
        let bins = last + 1 - first;
        let mut free_from = row.x;
        for bin in (first..=last).filter(|bin| bin.abs_diff(Histogram::ZERO_BIN).is_multiple_of(4)) {
            let name = bin_name(bin);
            let column = ((bin - first) * usize::from(row.width) / bins) as u16;
            let start = row.x + column;
            if start >= free_from && start + (name.len() as u16) <= row.right() {
                free_from = label::put(buffer, row, start, row.y, &name, theme.muted()) + 1;
            }
        }
    }
}

/// Every bin's share of all values, including non-finite ones in the total.
fn shares(histogram: &Histogram) -> [f64; Histogram::BINS] {
    let bins = histogram.bins();
    let total = bins.iter().map(|n| f64::from(*n)).sum::<f64>() + f64::from(histogram.non_finite);
    bins.map(|n| if total > 0.0 { f64::from(n) / total } else { 0.0 })
}

/// The label of a bin, by the power of two it begins with: `-2^3`, `0`, `2^-7`.
fn bin_name(bin: usize) -> String {
    match exponent(bin) {
        Some(exponent) if bin > Histogram::ZERO_BIN => format!("2^{exponent}"),
        Some(exponent) => format!("-2^{exponent}"),
        None => "0".to_owned(),
    }
}

/// The power of two that a bin begins with, regardless of sign; none for exact zeros.
fn exponent(bin: usize) -> Option<i32> {
    let distance = bin.abs_diff(Histogram::ZERO_BIN).checked_sub(1)?;
    Some(Histogram::LEAST_EXPONENT + distance as i32)
}

fn bar(eighths: u32, theme: &Theme) -> &'static str {
    match (eighths, theme.is_ascii()) {
        (0, _) => " ",
        (1..=3, true) => ".",
        (4..=6, true) => ":",
        (_, true) => "#",
        (1, false) => "▁",
        (2, false) => "▂",
        (3, false) => "▃",
        (4, false) => "▄",
        (5, false) => "▅",
        (6, false) => "▆",
        (7, false) => "▇",
        (_, false) => "█",
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
    fn used_bins_span_all_histograms() {
        let a = Histogram { first: 40, counts: vec![1, 2], non_finite: 0 };
        let b = Histogram { first: 20, counts: vec![1], non_finite: 3 };
        assert_eq!(HistogramHistory::used_bins([&a, &b, &Histogram::default()]), (20, 41));
    }
}
