//! Curves in one plot. Each column shows the least and the greatest value that fall into it, so that no spike
//! is ever hidden; NaN and infinities are marked on the axis; a cursor column reads all curves at once.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Pen};
use super::{Axis, Bucket, Extent, label, number};
use crate::theme::{Glyph, Theme};

mod axes;

use axes::{plot_row, tick_labels};

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeriesKind {
    /// A curve through all buckets.
    #[default]
    Curve,
    /// A straight line between buckets far apart, with a mark at each.
    Points,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// The legend's name; without one the series has no entry there.
    pub name: &'a str,
    /// Its values, with rising `x`.
    pub buckets: &'a [Bucket],
    /// Its colour.
    pub style: Style,
    /// Its character in the legend, and in the plot where dots are whole cells.
    pub mark: char,
    /// How it is drawn.
    pub kind: SeriesKind,
    /// Its value at the cursor, for the legend.
    pub read_out: Option<f64>,
}

/// Curves over a common horizontal axis.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    /// What is drawn, in the first row before the legend.
    pub title: &'a str,
    /// The curves; later ones are drawn over earlier ones.
    pub series: &'a [Series<'a>],
    /// The horizontal axis' ends.
    pub x: (f64, f64),
    /// What the horizontal axis counts.
    pub x_name: &'a str,
    /// The vertical axis; fitted to the series where none is given.
    pub y: Option<Axis>,
    /// Whether a fitted vertical axis is logarithmic.
    pub log: bool,
    /// The cursor's place on the horizontal axis.
    pub cursor: Option<f64>,
}

/// From this width on every chart has a gutter of [`GUTTER`] cells at least.
const WIDE: u16 = 48;
/// The cells of most labels.
const GUTTER: u16 = 6;

/// Where the parts of a chart are.
#[derive(Clone, Copy)]
struct Layout {
    header: Rect,
    labels: u16,
    plot: Rect,
    axis: Option<u16>,
    ticks: Option<u16>,
}

impl LineChart<'_> {
    /// The cells that the plot takes of an area, for a mouse and for choosing how many buckets to make.
    pub fn plot(&self, area: Rect) -> Rect {
        self.layout(area, self.axis()).plot
    }

    /// The place on the horizontal axis under a column of the screen.
    pub fn x_at(&self, area: Rect, column: u16) -> Option<f64> {
        let plot = self.plot(area);
        if plot.width == 0 || column < plot.left() || column >= plot.right() {
            return None;
        }
        let share = (f64::from(column - plot.left()) + 0.5) / f64::from(plot.width);
        Some(self.x.0 + share * (self.x.1 - self.x.0))
    }

    /// Draws the chart.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let y = self.axis();
        let layout = self.layout(area, y);
        self.render_header(layout.header, buffer, theme);
        if layout.plot.is_empty() {
            return;
        }
        self.render_axes(&layout, y, buffer, theme);
        self.render_cursor(layout.plot, buffer, theme);
        let mut canvas = Canvas::new(layout.plot, theme);
        for series in self.series {
            self.draw(series, y, &mut canvas);
        }
        canvas.render(buffer);
        self.render_marks(&layout, y, buffer, theme);
    }

    fn axis(&self) -> Axis {
        let fit = || Axis::fit(self.series.iter().flat_map(|s| s.buckets.iter().map(|b| b.extent)), self.log);
        self.y.unwrap_or_else(|| fit().with_margin(0.03))
    }

    fn layout(&self, area: Rect, y: Axis) -> Layout {
        let header = Rect { height: area.height.min(1), ..area };
        let below = if area.height >= 6 { 2 } else { u16::from(area.height >= 4) };
        let rows = area.height.saturating_sub(1 + below);
        let widest = tick_labels(y, rows).iter().map(|(_, text)| text.len()).max().unwrap_or(1) as u16;
        // One gutter for all labels, so that charts above each other have their columns in line.
        let gutter = if area.width >= WIDE { widest.max(GUTTER) } else { widest };
        let labels = if area.width >= 24 { gutter + 1 } else { 0 };
        let plot =
            Rect { x: area.x + labels, y: area.y + header.height, width: area.width - labels, height: rows };
        let bottom = plot.bottom();
        Layout {
            header,
            labels,
            plot,
            axis: (below >= 1).then_some(bottom),
            ticks: (below >= 2).then_some(bottom + 1),
        }
    }

    /// The title, then the legend with the values at the cursor, as far as they fit.
    fn render_header(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let mut x = label::put(buffer, area, area.x, area.y, self.title, theme.heading());
        for series in self.series.iter().filter(|s| !s.name.is_empty()) {
            let value = series.read_out.map(|v| format!(" {}", number::short(v))).unwrap_or_default();
            let needed = label::width(series.name) + value.len() + 4;
            let room = usize::from(area.right().saturating_sub(x));
            let shown = if needed <= room { series.name } else { "" };
            if needed - label::width(series.name) + label::width(shown) > room {
                return;
            }
            x = label::put(buffer, area, x, area.y, &format!("  {}", series.mark), series.style);
            if !shown.is_empty() {
                x = label::put(buffer, area, x, area.y, &format!(" {shown}"), theme.text());
            }
            x = label::put(buffer, area, x, area.y, &value, series.style);
        }
    }

    /// The cursor's column: a line behind the curves.
    fn render_cursor(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Some(column) = self.cursor.and_then(|x| self.column(x, plot.width)) else { return };
        let line = theme.glyph(Glyph::CursorLine).to_string();
        for row in plot.top()..plot.bottom() {
            label::put(buffer, plot, plot.x + column, row, &line, theme.cursor());
        }
    }

    /// What stands over the curves: values that are not finite, on the axis, and the cursor's foot.
    fn render_marks(&self, layout: &Layout, y: Axis, buffer: &mut Buffer, theme: &Theme) {
        let plot = layout.plot;
        let foot = layout.axis.unwrap_or(plot.bottom() - 1);
        if let Some(column) = self.cursor.and_then(|x| self.column(x, plot.width)) {
            let mark = theme.glyph(Glyph::CursorUp).to_string();
            label::put(buffer, plot_row(plot, foot), plot.x + column, foot, &mark, theme.cursor());
        }
        for series in self.series {
            for bucket in series.buckets {
                let Some(column) = self.column(bucket.x, plot.width).map(|c| plot.x + c) else { continue };
                if bucket.extent.non_finite {
                    let mark = theme.glyph(Glyph::NonFinite).to_string();
                    label::put(buffer, plot_row(plot, foot), column, foot, &mark, theme.error());
                }
                let Some((min, max)) = bucket.extent.range() else { continue };
                if y.position(max.into()).is_some_and(|place| place > 1.0 + 1e-9) {
                    let mark = theme.glyph(Glyph::AboveRange).to_string();
                    label::put(buffer, plot, column, plot.y, &mark, series.style);
                }
                if y.position(min.into()).is_some_and(|place| place < -1e-9) {
                    let mark = theme.glyph(Glyph::BelowRange).to_string();
                    label::put(buffer, plot, column, plot.bottom() - 1, &mark, series.style);
                }
            }
        }
    }

    fn column(&self, x: f64, width: u16) -> Option<u16> {
        let place = place_on(self.x, x)?;
        (width > 0).then(|| column_of(place, width))
    }

    fn draw(&self, series: &Series<'_>, y: Axis, canvas: &mut Canvas) {
        let pen = Pen { style: series.style, mark: series.mark };
        let (across, down) = (canvas.across(), canvas.down());
        if across == 0 || down == 0 {
            return;
        }
        let row = |value: f32| {
            let place = y.position(value.into()).unwrap_or(0.0).clamp(0.0, 1.0);
            ((1.0 - place) * (down - 1) as f64).round() as usize
        };
        let mut previous: Option<(usize, usize, usize, usize)> = None;
        for (x, extent, last) in merge_columns(series.buckets, self.x, across) {
            let Some((min, max)) = extent.range() else {
                // Only a column without any finite value breaks the curve.
                previous = None;
                continue;
            };
            let (top, bottom) = (row(max), row(min));
            let end = if last.is_finite() { row(last) } else { bottom };
            match previous {
                // The next column: its bar is lengthened to touch the last one.
                Some((px, ptop, pbottom, _)) if px + 1 == x && series.kind == SeriesKind::Curve => {
                    let top = if top > pbottom { pbottom + 1 } else { top };
                    let bottom = if bottom < ptop { ptop - 1 } else { bottom };
                    canvas.column(x, top, bottom, pen);
                }
                Some((px, _, _, pend)) => {
                    canvas.line((px, pend), (x, end), pen);
                    canvas.column(x, top, bottom, pen);
                }
                None => canvas.column(x, top, bottom, pen),
            }
            if series.kind == SeriesKind::Points {
                canvas.mark(x, end, series.mark, series.style);
            }
            previous = Some((x, top, bottom, end));
        }
    }
}

/// The buckets that share a column of dots, as one.
fn merge_columns(buckets: &[Bucket], x: (f64, f64), across: usize) -> Vec<(usize, Extent, f32)> {
    let mut columns: Vec<(usize, Extent, f32)> = Vec::new();
    for bucket in buckets {
        let Some(place) = place_on(x, bucket.x) else { continue };
        let column = ((place * across as f64) as usize).min(across - 1);
        match columns.last_mut() {
            Some((last, extent, value)) if *last == column => {
                extent.merge(bucket.extent);
                *value = if bucket.last.is_finite() { bucket.last } else { *value };
            }
            _ => columns.push((column, bucket.extent, bucket.last)),
        }
    }
    columns
}

/// The place of a number between two others, where it lies between them.
fn place_on((low, high): (f64, f64), x: f64) -> Option<f64> {
    let span = high - low;
    if !span.is_finite() || !x.is_finite() || x < low || x > high {
        return None;
    }
    Some(if span > 0.0 { (x - low) / span } else { 0.5 })
}

fn column_of(place: f64, width: u16) -> u16 {
    ((place * f64::from(width)) as u16).min(width.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Background, Characters, Colors};

    fn ascii() -> Theme {
        Theme::new(Colors::None, Background::Dark, Characters::Ascii)
    }

    fn text(buffer: &Buffer) -> Vec<String> {
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(row).collect()
    }

    fn chart<'a>(series: &'a [Series<'a>], x: (f64, f64)) -> LineChart<'a> {
        LineChart { title: "loss", series, x, x_name: "step", y: None, log: false, cursor: None }
    }

    fn series(buckets: &[Bucket]) -> Series<'_> {
        let kind = SeriesKind::Curve;
        Series { name: "plain", buckets, style: Style::new(), mark: '*', kind, read_out: Some(1.0) }
    }

    #[test]
    fn a_spike_of_one_step_among_thousands_reaches_the_top() {
        let mut buckets: Vec<Bucket> = (0..5000).map(|i| Bucket::of(f64::from(i), 1.0)).collect();
        buckets[3210] = Bucket::of(3210.0, 9.0);
        let series = [series(&buckets)];
        let chart = LineChart { y: Some(Axis::new(0.0, 9.0, false)), ..chart(&series, (0.0, 4999.0)) };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 12));
        chart.render(buffer.area, &mut buffer, &ascii());
        let lines = text(&buffer);
        let plot = chart.plot(buffer.area);
        assert_eq!(lines[usize::from(plot.y)].matches('*').count(), 1, "{lines:#?}");
    }

    #[test]
    fn what_is_not_finite_breaks_the_curve_and_marks_the_axis() {
        let buckets: Vec<Bucket> =
            (0..30).map(|i| Bucket::of(f64::from(i), if i == 12 { f32::NAN } else { 2.0 })).collect();
        let series = [series(&buckets)];
        let chart = chart(&series, (0.0, 29.0));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 33, 8));
        chart.render(buffer.area, &mut buffer, &ascii());
        let lines = text(&buffer);
        assert!(lines[6].contains('x'), "{lines:#?}");
        let curve = lines[1..6].iter().find(|line| line.contains('*')).unwrap();
        assert!(curve.trim_end().trim_matches(|c| c != '*').contains(' '), "{lines:#?}");
    }

    #[test]
    fn a_click_reads_the_step_under_it() {
        let chart = LineChart { y: Some(Axis::new(0.0, 1.0, false)), ..chart(&[], (0.0, 100.0)) };
        let area = Rect::new(0, 0, 60, 10);
        let plot = chart.plot(area);
        let x = chart.x_at(area, plot.x + plot.width / 2).unwrap();
        assert!((x - 50.0).abs() < 2.0, "{x}");
        assert_eq!(chart.x_at(area, 0), None);
    }
}
