//! Histograms over signed powers of two over time, as a ridge plot: a row of outlines one behind another, the newest in
//! front at the bottom. It must not know what is measured; each has its name at the right.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use super::canvas::{Canvas, Pen};
use super::histogram::{axis_of_bins, shares};
use super::label;
use super::strip::share;
use crate::event::Histogram;
use crate::theme::{Glyph, Theme};

/// The most rows of cells that an outline rises above its own, while there are others behind it.
const MOST_RISE: usize = 5;
/// The least width of outlines beside which there are names.
const LEAST_BESIDE_NAMES: usize = 16;

/// One histogram.
#[derive(Clone, Debug)]
pub struct Ridge<'a> {
    /// What stands beside it, such as its step.
    pub name: String,
    /// The counts.
    pub histogram: &'a Histogram,
}

/// Histograms from the oldest to the newest, of which as many are drawn as there are rows.
#[derive(Clone, Copy, Debug)]
pub struct RidgePlot<'a> {
    /// The histograms.
    pub ridges: &'a [Ridge<'a>],
    /// The bins shown, from and to, both included.
    pub bins: (usize, usize),
    /// The share of values that the highest outline stands for, 0 to 1; see [`RidgePlot::most`].
    pub most: f64,
    /// The one at the cursor, which is always drawn: filled, and with a mark beside its name.
    pub cursor: Option<usize>,
}

impl RidgePlot<'_> {
    /// The share of values in the fullest bin but that of zeros, which are often most of all values.
    pub fn most<'h>(histograms: impl IntoIterator<Item = &'h Histogram>) -> f64 {
        let others = |histogram: &Histogram| {
            let counts = || histogram.counts.iter().map(|count| f64::from(*count));
            let bins = counts().zip(usize::from(histogram.first)..);
            let most = bins.filter(|(_, bin)| *bin != Histogram::ZERO_BIN).map(|(count, _)| count);
            let total = counts().sum::<f64>() + f64::from(histogram.non_finite);
            if total > 0.0 { most.fold(0.0, f64::max) / total } else { 0.0 }
        };
        histograms.into_iter().map(others).fold(0.0, f64::max)
    }

    /// Draws outlines above an axis of bins, on one scale; zeros rise no higher than the highest of the others. Returns
    /// where they are.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Ridges {
        let area = area.intersection(buffer.area);
        // Bins of a damaged log may be none.
        if area.is_empty() || self.ridges.is_empty() || self.shown().is_empty() {
            return Ridges { area: Rect::default(), places: Vec::new() };
        }
        let lines = usize::from(area.height - u16::from(area.height >= 3));
        let (drawn, rise) = self.arranged(lines);
        let names = self.width_of_names(&drawn, area);
        let plot = Rect { width: area.width - names, height: lines as u16, ..area };

        let mut canvas = Canvas::new(plot, 1, theme);
        let down = canvas.rows().dots;
        let outlines: Vec<Outline> = drawn
            .iter()
            .map(|(at, row)| Outline {
                ridge: *at,
                ground: (row + 1) * down - 1,
                tops: self.tops(*at, (row + 1) * down - 1, rise * down - 1, canvas.across()),
            })
            .collect();
        self.draw(&outlines, &mut canvas, theme);
        canvas.render(buffer);
        for (at, row) in drawn {
            let beside = Rect { x: plot.right(), y: area.y + row as u16, width: names, height: 1 };
            self.put_name(at, beside, buffer, theme);
        }
        if area.height >= 3 {
            let count = self.shown().len();
            let bins = self.shown().enumerate();
            let places = bins.map(|(i, bin)| (bin, (i * usize::from(plot.width) / count) as u16));
            let row = Rect { y: plot.bottom(), height: 1, ..plot };
            axis_of_bins(places, row, buffer, theme);
        }
        let across = canvas.dots_across();
        let row = |dots: usize| plot.y + (dots / down) as u16;
        let place = |outline: &Outline| Place {
            ridge: outline.ridge,
            ground: row(outline.ground),
            tops: outline
                .tops
                .chunks(across)
                .filter_map(|tops| tops.iter().copied().min())
                .map(row)
                .collect(),
        };
        Ridges { area: Rect { width: area.width, ..plot }, places: outlines.iter().map(place).collect() }
    }

    fn shown(&self) -> Range<usize> {
        self.bins.0..self.bins.1.min(Histogram::BINS - 1) + 1
    }

    /// The ridges drawn, each with its row of cells, and how many rows one takes at most.
    fn arranged(&self, lines: usize) -> (Vec<(usize, usize)>, usize) {
        let rise = (lines / 4 + 2).min(MOST_RISE + 1).min(lines);
        let count = self.ridges.len().min(lines - rise + 1);
        // Evenly, so what is left over lets them rise higher; where there are few, they have more room.
        let (gaps, last) = (count - 1, self.ridges.len() - 1);
        let apart = (lines - rise).checked_div(gaps).unwrap_or(0).min(lines / count);
        let rise = lines - gaps * apart;
        let mut chosen: Vec<usize> =
            (0..count).map(|i| (i * last).checked_div(gaps).unwrap_or(last)).collect();
        if let Some(cursor) = self.cursor.filter(|cursor| *cursor <= last)
            && let Some(nearest) = chosen.iter_mut().min_by_key(|at| at.abs_diff(cursor))
        {
            *nearest = cursor;
        }
        let row = |i: usize| rise - 1 + i * apart;
        (chosen.into_iter().enumerate().map(|(i, at)| (at, row(i))).collect(), rise)
    }

    /// The columns for names and the cursor's mark: none if they would take most of the width.
    fn width_of_names(&self, drawn: &[(usize, usize)], area: Rect) -> u16 {
        let widest = drawn.iter().map(|(at, _)| label::width(&self.ridges[*at].name)).max().unwrap_or(0);
        let names = widest + 3;
        if usize::from(area.width) >= LEAST_BESIDE_NAMES + names { names as u16 } else { 0 }
    }

    /// The row of dots that the outline reaches in each column of dots.
    fn tops(&self, at: usize, ground: usize, most: usize, across: usize) -> Vec<usize> {
        let shares = shares(self.ridges[at].histogram);
        let height = |share: f64| {
            if share <= 0.0 || self.most.is_nan() || self.most <= 0.0 {
                return 0;
            }
            // Anything but nothing is seen.
            ((share / self.most).min(1.0) * most as f64).round().max(1.0) as usize
        };
        let column = |x| ground.saturating_sub(height(self.value(&shares, x, across)));
        (0..across).map(column).collect()
    }

    /// The share of values at a column: between two bins something between theirs, except beside zeros.
    fn value(&self, shares: &[f64; Histogram::BINS], x: usize, across: usize) -> f64 {
        let (first, count) = (self.bins.0, self.shown().len());
        let (from, to) = share(x, count, across);
        if to - from > 1 {
            return shares[first + from..first + to].iter().copied().fold(0.0, f64::max);
        }
        let (bin, place) =
            (first + from, (x as f64 + 0.5) / across as f64 * count as f64 - from as f64 - 0.5);
        let beside = if place < 0.0 { bin.checked_sub(1) } else { Some(bin + 1) };
        let of_beside = match beside {
            _ if bin == Histogram::ZERO_BIN => return shares[bin],
            Some(Histogram::ZERO_BIN) => return shares[bin],
            Some(beside) if self.shown().contains(&beside) => shares[beside],
            _ => 0.0,
        };
        shares[bin] + (of_beside - shares[bin]) * place.abs().min(0.5)
    }

    /// Draws what is seen of each outline: what those in front of it leave.
    fn draw(&self, outlines: &[Outline], canvas: &mut Canvas, theme: &Theme) {
        // From the front: the highest row that is taken in each column.
        let mut hidden = vec![vec![usize::MAX; canvas.across()]; outlines.len()];
        for at in (1..outlines.len()).rev() {
            let taken = hidden[at].iter().zip(&outlines[at].tops);
            hidden[at - 1] = taken.map(|(taken, top)| *taken.min(top)).collect();
        }
        for (i, (outline, hidden)) in outlines.iter().zip(&hidden).enumerate() {
            let is_at_cursor = self.cursor == Some(outline.ridge);
            let age = i as f64 / outlines.len().saturating_sub(1).max(1) as f64;
            let style = if is_at_cursor { theme.cursor() } else { theme.over_time(age) };
            let pen = |mark| Pen { curve: 0, style, mark, behind: false };
            for (x, top) in outline.tops.iter().enumerate() {
                let before = x.checked_sub(1).map_or(*top, |before| outline.tops[before]);
                // A steep slope is one line; a filled one goes down to its ground.
                let lower = if is_at_cursor { outline.ground } else { (*top).max(before.saturating_sub(1)) };
                let upper = (*top).min(before.saturating_add(1));
                let seen = lower.min(hidden[x].saturating_sub(1));
                let mark = match (is_at_cursor, *top == outline.ground) {
                    (_, true) => '_',
                    (true, _) => '#',
                    (false, _) => '*',
                };
                for y in upper..=seen {
                    canvas.dot(x, y, pen(mark));
                }
            }
        }
    }

    fn put_name(&self, at: usize, beside: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Ridge { name, histogram } = &self.ridges[at];
        let is_at_cursor = self.cursor == Some(at);
        let style = if is_at_cursor { theme.cursor().add_modifier(Modifier::BOLD) } else { theme.muted() };
        if is_at_cursor {
            let mark = theme.glyph(Glyph::CursorRight).to_string();
            label::put(buffer, beside, beside.x + 1, beside.y, &mark, style);
        }
        if histogram.non_finite > 0 {
            let cell = theme.heat_non_finite();
            label::put(buffer, beside, beside.x + 2, beside.y, &cell.symbol.to_string(), cell.style);
        }
        let room = Rect { x: beside.x + 3, width: beside.width.saturating_sub(3), ..beside };
        label::put_right(buffer, room, 0, name, style);
    }
}

/// An outline in dots.
struct Outline {
    ridge: usize,
    /// The row that it stands on.
    ground: usize,
    tops: Vec<usize>,
}

/// Where ridges are.
#[derive(Clone, Debug)]
pub struct Ridges {
    /// Their cells, with the names; may be empty.
    pub area: Rect,
    /// From the one behind to the one in front.
    places: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    ridge: usize,
    /// The row of cells that it stands on, and the highest one it reaches in each column.
    ground: u16,
    tops: Vec<u16>,
}

impl Ridges {
    /// The ridge at a position on the screen: the foremost one that reaches it, or whose name it is; above all, the one
    /// behind.
    pub fn at(&self, position: Position) -> Option<usize> {
        if !self.area.contains(position) {
            return None;
        }
        let column = usize::from(position.x - self.area.x);
        let reaches = |place: &&Place| *place.tops.get(column).unwrap_or(&place.ground) <= position.y;
        self.places.iter().rfind(reaches).or(self.places.first()).map(|place| place.ridge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::drawn::{drawn, histogram as of};

    fn named<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Vec<Ridge<'a>> {
        let name = |(at, histogram): (usize, &'a Histogram)| Ridge { name: format!("{at}"), histogram };
        histograms.into_iter().enumerate().map(name).collect()
    }

    #[test]
    fn those_in_front_hide_those_behind_and_zeros_are_as_high_as_the_highest() {
        // Bins 32 to 35 of five columns each: zeros, then one, two, three.
        let (behind, front) = (of(&[(32, 90), (33, 10)]), of(&[(32, 90), (34, 10)]));
        let ridges = named([&behind, &front]);
        let plot = RidgePlot { ridges: &ridges, bins: (32, 35), most: 0.1, cursor: Some(1) };
        let (lines, places) = drawn((24, 7), |area, buffer, theme| plot.render(area, buffer, theme));
        let column = |x: usize| lines.iter().map(|line| line.as_bytes()[x] as char).collect::<String>();
        assert_eq!(&column(2)[..6], "*  ###", "zeros of both: {lines:#?}");
        assert_eq!(&column(7)[..6], "*    _", "{lines:#?}");
        assert_eq!(&column(12)[3..6], "###", "{lines:#?}");
        assert!(lines[5].ends_with(" > 1") && lines[2].ends_with("   0"), "{lines:#?}");
        let at = |x, y| places.at(Position::new(x, y));
        assert_eq!([at(7, 0), at(7, 5), at(12, 3), at(2, 4)], [Some(0), Some(1), Some(1), Some(1)]);
        assert_eq!([at(23, 2), at(23, 5), at(23, 6)], [Some(0), Some(1), None]);
    }

    #[test]
    fn of_many_as_many_are_drawn_as_there_are_rows_and_the_one_at_the_cursor_always() {
        let all: Vec<Histogram> = (0..4_096).map(|i| of(&[(33 + i % 30, 1)])).collect();
        let ridges = named(&all);
        for (cursor, height) in [(0, 30), (777, 30), (4_095, 30), (777, 4), (777, 2), (777, 1)] {
            let plot = RidgePlot { ridges: &ridges, bins: (33, 62), most: 1.0, cursor: Some(cursor) };
            let (lines, _) = drawn((60, height), |area, buffer, theme| plot.render(area, buffer, theme));
            let marked: Vec<&String> = lines.iter().filter(|line| line.contains('>')).collect();
            assert!(marked.len() == 1 && marked[0].ends_with(&format!("{cursor}")), "{lines:#?}");
            let names = |line: &&String| line.trim_end().ends_with(|end: char| end.is_ascii_digit());
            let least = usize::from(height).saturating_sub(MOST_RISE + 1);
            assert!(lines.iter().filter(names).count() >= least, "{lines:#?}");
        }
    }
}
