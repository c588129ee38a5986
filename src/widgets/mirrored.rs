//! One or two histograms over signed powers of two as bars: one upward and one downward from the same axis of bins, so that
//! they can be compared bin by bin. Zeros, which are often half of all values, have rows of their own, and don't flatten the
//! others.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::histogram::{axis_of_bins, shares};
use super::strip::share;
use super::{clip, label};
use crate::event::Histogram;
use crate::printable::percent;
use crate::theme::Theme;

/// The least height with rows for zeros.
const LEAST_WITH_ZEROS: u16 = 6;
/// The least width of the bar of zeros.
const LEAST_BAR: u16 = 8;

/// A histogram and how it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its name, beside its zeros.
    pub name: &'a str,
    /// The counts.
    pub histogram: &'a Histogram,
    /// The colour of its bars.
    pub style: Style,
}

/// Histograms on both sides of an axis of bins, on one scale.
#[derive(Clone, Copy, Debug)]
pub struct Mirrored<'a> {
    /// The one whose bars rise.
    pub upper: Option<Side<'a>>,
    /// The one whose bars hang.
    pub lower: Option<Side<'a>>,
    /// The bins shown, from and to, both included.
    pub bins: (usize, usize),
}

impl<'a> Mirrored<'a> {
    /// The bins of the axis, from the most negative one: those shown without the zeros.
    fn axis(&self) -> Vec<usize> {
        let last = self.bins.1.min(Histogram::BINS - 1);
        (self.bins.0..=last).filter(|bin| *bin != Histogram::ZERO_BIN).collect()
    }

    fn sides(&self) -> impl Iterator<Item = Side<'a>> + use<'a> {
        self.upper.into_iter().chain(self.lower)
    }

    /// The share of values in the fullest bin but that of zeros, which the longest bar stands for, 0 to 1.
    pub fn most(&self) -> f64 {
        let axis = self.axis();
        let of_side = |side: Side<'_>| {
            let shares = shares(side.histogram);
            axis.iter().map(|bin| shares[*bin]).fold(0.0, f64::max)
        };
        self.sides().map(of_side).fold(0.0, f64::max)
    }

    /// Draws bars from the axis, which has the bins' bounds, and below them a row with the zeros of each histogram.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let zeros = if area.height >= LEAST_WITH_ZEROS { self.sides().count() as u16 } else { 0 };
        let rows = area.height - zeros - 1;
        let above = match (self.upper, self.lower) {
            (Some(_), Some(_)) => rows.div_ceil(2),
            (Some(_), None) => rows,
            (None, _) => 0,
        };
        let part = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
        let most = self.most();
        if let Some(side) = self.upper {
            self.render_bars(side, most, true, part(0, above), buffer, theme);
        }
        self.render_axis(part(above, 1), buffer, theme);
        if let Some(side) = self.lower {
            self.render_bars(side, most, false, part(above + 1, rows - above), buffer, theme);
        }
        for (at, side) in self.sides().take(zeros.into()).enumerate() {
            render_zeros(side, part(area.height - zeros + at as u16, 1), buffer, theme);
        }
    }

    fn render_bars(
        &self,
        side: Side<'_>,
        most: f64,
        is_up: bool,
        area: Rect,
        buffer: &mut Buffer,
        theme: &Theme,
    ) {
        let (axis, shares) = (self.axis(), shares(side.histogram));
        for column in 0..area.width {
            let (from, to) = share(usize::from(column), axis.len(), usize::from(area.width));
            let value = axis[from..to].iter().map(|bin| shares[*bin]).fold(0.0, f64::max);
            // Anything but nothing is seen.
            let eighths =
                if most > 0.0 { (value / most * f64::from(area.height) * 8.0).ceil() as u32 } else { 0 };
            for line in 0..area.height {
                let filled = eighths.saturating_sub(u32::from(line) * 8).min(8);
                let (symbol, modifier) = bar(filled, is_up, theme);
                let y = if is_up { area.bottom() - 1 - line } else { area.y + line };
                label::put(buffer, area, area.x + column, y, symbol, side.style.add_modifier(modifier));
            }
        }
    }

    fn render_axis(&self, row: Rect, buffer: &mut Buffer, theme: &Theme) {
        let axis = self.axis();
        let start = |at: usize| (at * usize::from(row.width) / axis.len()) as u16;
        axis_of_bins(axis.iter().enumerate().map(|(at, bin)| (*bin, start(at))), row, buffer, theme);
    }
}

/// How many values are zero: in words, and as a bar of all values.
fn render_zeros(side: Side<'_>, row: Rect, buffer: &mut Buffer, theme: &Theme) {
    let zeros = shares(side.histogram)[Histogram::ZERO_BIN];
    let number = format!("zero {}", percent(zeros as f32));
    let room = usize::from(row.width).saturating_sub(number.len() + 1);
    let name = clip(side.name, room.min(usize::from(row.width) / 3), theme);
    let x = label::put(buffer, row, row.x, row.y, &name, side.style);
    let x = label::put(buffer, row, x + u16::from(!name.is_empty()), row.y, &number, theme.text()) + 1;
    let width = row.right().saturating_sub(x);
    if width >= LEAST_BAR {
        let filled = (zeros * f64::from(width)).round() as usize;
        let symbol = if theme.is_ascii() { "#" } else { "█" };
        label::put(buffer, row, x, row.y, &symbol.repeat(filled), side.style);
    }
}

/// The character of a cell that is filled to so many eighths, from below or from above, which are lower blocks reversed.
fn bar(eighths: u32, is_up: bool, theme: &Theme) -> (&'static str, Modifier) {
    const RISING: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let at = eighths.min(8) as usize;
    match (theme.is_ascii(), is_up) {
        (true, true) => ([" ", ".", ".", ".", ":", ":", ":", "#", "#"][at], Modifier::empty()),
        (true, false) => ([" ", "'", "'", "'", ":", ":", ":", "#", "#"][at], Modifier::empty()),
        (false, true) => (RISING[at], Modifier::empty()),
        (false, false) if at == 0 || at == 8 => (RISING[at], Modifier::empty()),
        (false, false) => (RISING[8 - at], Modifier::REVERSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::drawn::{drawn, histogram as of};

    #[test]
    fn both_sides_have_one_axis_and_one_scale_and_zeros_flatten_neither() {
        let (a, b) = (of(&[(32, 500), (40, 100), (41, 400)]), of(&[(32, 900), (40, 100)]));
        let side = |name, histogram| Some(Side { name, histogram, style: Style::new() });
        let both = Mirrored { upper: side("a", &a), lower: side("b", &b), bins: (32, 41) };
        assert!((both.most() - 0.4).abs() < 1e-12);
        // Nine bins of four columns, 33 to 41: the bars of the fullest bin take all four rows, those of a fourth one.
        let (lines, ()) = drawn((36, 11), |area, buffer, theme| both.render(area, buffer, theme));
        let column = |x: usize| lines.iter().map(|line| line.as_bytes()[x] as char).collect::<String>();
        assert_eq!(&column(34)[..4], "####");
        assert_eq!((&column(30)[..4], &column(30)[5..9]), ("   #", "#   "));
        assert_eq!(&column(34)[5..9], "    ");
        assert!(lines[9].starts_with("a zero 50.0%") && lines[10].starts_with("b zero 90.0%"), "{lines:#?}");
        assert!(lines[4].contains("2^-20"), "{lines:#?}");
    }

    #[test]
    fn one_histogram_stands_on_its_axis() {
        let a = of(&[(40, 1)]);
        let one = Mirrored {
            upper: Some(Side { name: "", histogram: &a, style: Style::new() }),
            lower: None,
            bins: (40, 40),
        };
        let (lines, ()) = drawn((4, 5), |area, buffer, theme| one.render(area, buffer, theme));
        assert_eq!(&lines[..4], ["####"; 4]);
    }
}
