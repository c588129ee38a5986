//! Curves in one plot. Each column shows the least and the greatest value in it, so that no spike is ever hidden; NaN
//! and infinities are marked on the axis; a cursor column reads all curves at once.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Pen, Rows};
use super::{Axis, Bucket, Extent, Plot, Spacing, grouped, label, short};
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
    /// A curve that is the background of the others: raw values, fitted lines.
    Backdrop,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// The name in the legend; without one the series has no entry there.
    pub name: &'a str,
    /// Its values, with ascending `x`.
    pub buckets: &'a [Bucket],
    /// Its colour.
    pub style: Style,
    /// Its character in the legend, and in the plot if dots are whole cells.
    pub mark: char,
    /// How it is drawn.
    pub kind: SeriesKind,
    /// Its value at the cursor, for the legend.
    pub read_out: Option<f64>,
    /// What lies between the mark and the cursor.
    pub between: Option<Between>,
}

/// What of a vertical axis is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Values {
    /// Whether a fitted axis includes every value, even if a few flatten the others.
    pub whole: bool,
    /// The lower and the upper end of what is shown, as shares of the axis; none for all of it.
    pub part: Option<(f64, f64)>,
}

/// What lies between two steps of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// The later value minus the earlier one.
    pub difference: f64,
    /// That for each step.
    pub per_step: f64,
    /// The mean of all values from one to the other; none without a finite one.
    pub mean: Option<f64>,
}

/// The second cursor of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Its place on the horizontal axis.
    pub x: f64,
    /// The number of steps between it and the cursor.
    pub steps: u64,
}

/// Curves over a common horizontal axis.
#[derive(Clone, Debug)]
pub struct LineChart<'a> {
    /// The title, in the first row before the legend.
    pub title: &'a str,
    /// The curves; later ones are drawn over earlier ones.
    pub series: &'a [Series<'a>],
    /// The horizontal axis' ends.
    pub x: Axis,
    /// What the horizontal axis counts.
    pub x_name: &'a str,
    /// The vertical axis; fitted to the series if none is given.
    pub y: Option<Axis>,
    /// The spacing of a fitted vertical axis.
    pub spacing: Spacing,
    /// What of the vertical axis is shown.
    pub values: Values,
    /// The cursor's place on the horizontal axis.
    pub cursor: Option<f64>,
    /// The second cursor.
    pub mark: Option<Mark>,
    /// A value marked by a horizontal line; a fitted vertical axis includes it.
    pub reference: Option<f64>,
}

/// The least height at which what lies between mark and cursor has its own row.
const LEAST_HEIGHT_OF_BETWEEN: u16 = 6;

/// The least width of labels in cells: that of most labels, so that the columns of stacked charts are aligned.
const GUTTER: u16 = 6;

/// The layout of a chart.
#[derive(Clone, Copy)]
struct Layout {
    header: Rect,
    /// The row for what lies between the mark and the cursor.
    between: Rect,
    labels: u16,
    plot: Rect,
    axis: Option<u16>,
    ticks: Option<u16>,
}

impl LineChart<'_> {
    /// Draws the chart, and returns where its plot is.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Plot {
        let area = area.intersection(buffer.area);
        let y = self.axis();
        if area.is_empty() {
            return Plot { area, x: self.x, y };
        }
        let layout = self.layout(area, y);
        let plot = Plot { area: layout.plot, x: self.x, y };
        self.render_header(layout.header, buffer, theme);
        self.render_between(layout.between, buffer, theme);
        if layout.plot.is_empty() {
            return plot;
        }
        self.render_axes(&layout, y, buffer, theme);
        for x in self.mark.map(|mark| mark.x).into_iter().chain(self.cursor) {
            self.render_cursor(x, layout.plot, buffer, theme);
        }
        let curves = self.series.iter().filter(|series| series.kind == SeriesKind::Curve).count();
        let mut canvas = Canvas::new(layout.plot, curves, theme);
        for curve in 0..self.series.len() {
            self.draw(curve, y, &mut canvas);
        }
        canvas.render(buffer);
        self.render_marks(&layout, y, buffer, theme);
        self.render_outside(&layout, y, buffer, theme);
        plot
    }

    /// Marks places on the horizontal axis where nothing else is marked. To be called after the chart is drawn.
    pub fn mark_axis(
        &self,
        places: impl Iterator<Item = f64>,
        area: Rect,
        buffer: &mut Buffer,
        theme: &Theme,
    ) {
        let layout = self.layout(area.intersection(buffer.area), self.axis());
        let Some(row) = layout.axis else { return };
        let free = [Glyph::Horizontal, Glyph::TickBelow].map(|glyph| theme.glyph(glyph).to_string());
        for column in places.filter_map(|x| self.column(x, layout.plot.width)) {
            let place = (layout.plot.x + column, row);
            if buffer.cell(place).is_some_and(|cell| free.iter().any(|free| free == cell.symbol())) {
                let mark = theme.glyph(Glyph::Order).to_string();
                label::put(buffer, plot_row(layout.plot, row), place.0, row, &mark, theme.accent());
            }
        }
    }

    fn axis(&self) -> Axis {
        let fit = || {
            let shown = self.series.iter().flat_map(|s| s.buckets).filter(|b| self.x.contains(b.x));
            let values = shown.map(|b| b.extent);
            // The reference is no outlier, however far from the values.
            let reference = self.reference.map(|value| Extent::of(value as f32));
            if self.values.whole {
                Axis::fit(values.chain(reference), self.spacing)
            } else {
                Axis::fit_bulk(values, reference, self.spacing)
            }
        };
        let axis = self.y.unwrap_or_else(|| fit().with_margin(0.03));
        self.values.part.map_or(axis, |(low, high)| axis.part(low, high))
    }

    fn layout(&self, area: Rect, y: Axis) -> Layout {
        let header = Rect { height: area.height.min(1), ..area };
        let compares = self.mark.is_some() && self.series.iter().any(|series| series.between.is_some());
        let has_row = compares && area.height >= LEAST_HEIGHT_OF_BETWEEN;
        let between = Rect { y: area.y + header.height, height: u16::from(has_row), ..area };
        let below = if area.height >= 6 { 2 } else { u16::from(area.height >= 4) };
        let rows = area.height.saturating_sub(1 + between.height + below);
        let widest = tick_labels(y, rows).iter().map(|(_, text)| text.len()).max().unwrap_or(1) as u16;
        let labels = if area.width >= 24 { widest.max(GUTTER) + 1 } else { 0 };
        let plot = Rect { x: area.x + labels, y: between.bottom(), width: area.width - labels, height: rows };
        let bottom = plot.bottom();
        Layout {
            header,
            between,
            labels,
            plot,
            axis: (below >= 1).then_some(bottom),
            ticks: (below >= 2).then_some(bottom + 1),
        }
    }

    /// How many values are above and below the vertical axis, in the corner below its numbers. One value for each bucket is
    /// counted.
    fn render_outside(&self, layout: &Layout, y: Axis, buffer: &mut Buffer, theme: &Theme) {
        let shown = self.series.iter().flat_map(|s| s.buckets).filter(|bucket| self.x.contains(bucket.x));
        let (mut above, mut below) = (0, 0);
        for (min, max) in shown.filter_map(|bucket| bucket.extent.range()) {
            above += u64::from(is_above(y, max));
            below += u64::from(is_below(y, min));
        }
        let counts = [(above, Glyph::AboveRange), (below, Glyph::BelowRange)].into_iter();
        let rows = layout.axis.into_iter().chain(layout.ticks);
        for ((count, glyph), row) in counts.filter(|(count, _)| *count > 0).zip(rows) {
            let room = usize::from(layout.labels.saturating_sub(1));
            let corner = Rect { x: layout.plot.x - layout.labels, y: row, width: room as u16, height: 1 };
            let text = label::pad_left(&format!("{}{}", theme.glyph(glyph), short(count as f64)), room);
            label::put(buffer, corner, corner.x, row, &text, theme.warning());
        }
    }

    /// The title, then the legend with the values at the cursor: whole entries, and how many more there are.
    fn render_header(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let title = label::clip(self.title, area.width.into(), theme);
        let mut x = label::put(buffer, area, area.x, area.y, &title, theme.heading());
        let named: Vec<&Series<'_>> = self.series.iter().filter(|s| !s.name.is_empty()).collect();
        for (at, series) in named.iter().enumerate() {
            let value = series.read_out.map(|v| format!(" {}", short(v))).unwrap_or_default();
            let needed = label::width(series.name) + value.len() + 4;
            let left = named.len() - at;
            let more = format!("  +{left}");
            let kept = if left > 1 { more.len() } else { 0 };
            let room = usize::from(area.right().saturating_sub(x));
            if needed + kept > room {
                if more.len() <= room {
                    label::put(buffer, area, x, area.y, &more, theme.muted());
                }
                return;
            }
            x = label::put(buffer, area, x, area.y, &format!("  {}", series.mark), series.style);
            x = label::put(buffer, area, x, area.y, &format!(" {}", series.name), theme.text());
            x = label::put(buffer, area, x, area.y, &value, series.style);
        }
    }

    /// What lies between the mark and the cursor: the steps, then of each curve the difference, the slope and the mean, or
    /// with little room only the difference.
    fn render_between(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Some(mark) = self.mark.filter(|_| !area.is_empty()) else { return };
        let head = format!("{} steps:", grouped(mark.steps));
        let of_all = |form: fn(&Between) -> String| {
            let of = |series: &Series<'_>| Some((series.mark, series.style, form(series.between.as_ref()?)));
            self.series.iter().filter_map(of).collect::<Vec<_>>()
        };
        let needed = |(_, _, text): &(char, Style, String)| label::width(text) + 4;
        let room = usize::from(area.width).saturating_sub(head.len());
        let mut entries = of_all(Between::in_full);
        if entries.iter().map(needed).sum::<usize>() > room {
            entries = of_all(Between::in_short);
        }
        let mut x = label::put(buffer, area, area.x, area.y, &head, theme.muted());
        for entry in entries {
            if needed(&entry) > usize::from(area.right().saturating_sub(x)) {
                return;
            }
            let (mark, style, text) = entry;
            x = label::put(buffer, area, x, area.y, &format!("  {mark} "), style);
            x = label::put(buffer, area, x, area.y, &text, theme.text());
        }
    }

    /// A cursor's column: a line behind the curves.
    fn render_cursor(&self, x: f64, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Some(column) = self.column(x, plot.width) else { return };
        let line = theme.glyph(Glyph::CursorLine).to_string();
        for row in plot.top()..plot.bottom() {
            label::put(buffer, plot, plot.x + column, row, &line, theme.cursor());
        }
    }

    /// What is drawn over the curves: marks of non-finite values on the axis, and the end of the cursor's line.
    fn render_marks(&self, layout: &Layout, y: Axis, buffer: &mut Buffer, theme: &Theme) {
        let plot = layout.plot;
        let foot = layout.axis.unwrap_or(plot.bottom() - 1);
        let cursors = self.mark.map(|mark| (mark.x, Glyph::Mark)).into_iter();
        for (x, glyph) in cursors.chain(self.cursor.map(|x| (x, Glyph::CursorUp))) {
            let Some(column) = self.column(x, plot.width) else { continue };
            let mark = theme.glyph(glyph).to_string();
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
                if is_above(y, max) {
                    let mark = theme.glyph(Glyph::AboveRange).to_string();
                    label::put(buffer, plot, column, plot.y, &mark, series.style);
                }
                if is_below(y, min) {
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

    fn draw(&self, curve: usize, y: Axis, canvas: &mut Canvas) {
        let series = &self.series[curve];
        let behind = series.kind == SeriesKind::Backdrop;
        let pen = Pen { curve, style: series.style, mark: series.mark, behind };
        let rows = canvas.rows();
        let row = |value: f32| rows.of(y.position(value.into()).unwrap_or(0.0));
        let columns = merge_columns(series.buckets, self.x, canvas.across());
        // A single point would hardly be visible without a mark.
        let marked = series.kind == SeriesKind::Points || (!behind && columns.len() == 1);
        let mut previous: Option<(usize, usize, usize, usize)> = None;
        let mut leaves = false;
        if let Some(value) = value_at_edge(series.buckets, self.x.low(), y) {
            let at = rows.of(value);
            previous = Some((0, at, at, at));
        }
        for (x, extent, last) in columns {
            let Some((min, max)) = extent.range() else {
                // Only a column without any finite value breaks the curve.
                previous = None;
                continue;
            };
            if is_above(y, min) || is_below(y, max) {
                // A curve leaves the plot at its edge, and goes on where it comes back.
                let edge = row(min);
                if let Some((px, .., pend)) = previous.filter(|_| !leaves) {
                    canvas.line((px, pend), (x, edge), pen);
                }
                (previous, leaves) = (Some((x, edge, edge, edge)), true);
                continue;
            }
            leaves = false;
            let (top, bottom) = (row(max), row(min));
            let end = if last.is_finite() { row(last) } else { bottom };
            match previous {
                // In the next column the bar is extended to touch the last one.
                Some((px, ptop, pbottom, _)) if px + 1 == x && series.kind != SeriesKind::Points => {
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
            if marked {
                canvas.mark(x, end, pen);
            }
            previous = Some((x, top, bottom, end));
        }
        if let Some(((x, .., end), value)) = previous.zip(value_at_edge(series.buckets, self.x.high(), y)) {
            canvas.line((x, end), (canvas.across() - 1, rows.of(value)), pen);
        }
    }
}

/// The place on the vertical axis at which a curve crosses an edge of the plot: between the buckets on both sides of it,
/// unless one of them has no finite value.
fn value_at_edge(buckets: &[Bucket], edge: f64, y: Axis) -> Option<f64> {
    let after = buckets.partition_point(|bucket| bucket.x < edge);
    let (before, after) = (buckets.get(after.checked_sub(1)?)?, buckets.get(after)?);
    let place = |bucket: &Bucket| y.position(bucket.last.into()).filter(|place| place.is_finite());
    let is_whole = |bucket: &Bucket| bucket.extent.range().is_some();
    let share = (edge - before.x) / (after.x - before.x);
    let (from, to) = (place(before)?, place(after)?);
    (is_whole(before) && is_whole(after) && share.is_finite()).then_some(from + share * (to - from))
}

impl Between {
    /// The same of values that are shown times a factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Between {
        Between {
            difference: self.difference * factor,
            per_step: self.per_step * factor,
            mean: self.mean.map(|mean| mean * factor),
        }
    }

    fn in_full(&self) -> String {
        let mean = self.mean.map(|mean| format!(", mean {}", short(mean))).unwrap_or_default();
        format!("{}, {} a step{mean}", signed(self.difference), signed(self.per_step))
    }

    fn in_short(&self) -> String {
        signed(self.difference)
    }
}

/// A number with its sign.
fn signed(value: f64) -> String {
    format!("{}{}", if value > 0.0 { "+" } else { "" }, short(value))
}

/// Merges the buckets that share a column of dots.
fn merge_columns(buckets: &[Bucket], x: Axis, across: usize) -> Vec<(usize, Extent, f32)> {
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

fn is_above(y: Axis, value: f32) -> bool {
    y.position(value.into()).is_some_and(|place| place > 1.0 + 1e-9)
}

fn is_below(y: Axis, value: f32) -> bool {
    y.position(value.into()).is_some_and(|place| place < -1e-9)
}

/// The place of a number on an axis, if it is within it.
fn place_on(axis: Axis, x: f64) -> Option<f64> {
    axis.position(x).filter(|place| (0.0..=1.0).contains(place))
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
        LineChart {
            title: "loss",
            series,
            x: x.into(),
            x_name: "step",
            y: None,
            spacing: Spacing::Linear,
            values: Values::default(),
            cursor: None,
            mark: None,
            reference: None,
        }
    }

    fn series(buckets: &[Bucket]) -> Series<'_> {
        let kind = SeriesKind::Curve;
        Series {
            name: "plain",
            buckets,
            style: Style::new(),
            mark: '*',
            kind,
            read_out: Some(1.0),
            between: None,
        }
    }

    #[test]
    fn a_spike_of_one_step_among_thousands_reaches_the_top() {
        let mut buckets: Vec<Bucket> = (0..5000).map(|i| Bucket::of(f64::from(i), 1.0)).collect();
        buckets[3210] = Bucket::of(3210.0, 9.0);
        let series = [series(&buckets)];
        let chart = LineChart { y: Some(Axis::new(0.0, 9.0, false)), ..chart(&series, (0.0, 4999.0)) };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 12));
        let plot = chart.render(buffer.area, &mut buffer, &ascii());
        let lines = text(&buffer);
        assert_eq!(lines[usize::from(plot.area.y)].matches('*').count(), 1, "{lines:#?}");
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
        assert!(lines[6].contains('N'), "{lines:#?}");
        let curve = lines[1..6].iter().find(|line| line.contains('*')).unwrap();
        assert!(curve.trim_end().trim_matches(|c| c != '*').contains(' '), "{lines:#?}");
    }

    #[test]
    fn ticks_references_and_data_of_one_value_stand_in_one_row() {
        for theme in [ascii(), Theme::default()] {
            for height in 6..30 {
                let buckets = [0.0, 25.0, 50.0, 82.5, 100.0].map(|y| [Bucket::of(y, y as f32)]);
                let point = |bucket| Series { kind: SeriesKind::Points, name: "", ..series(bucket) };
                let series = buckets.each_ref().map(|bucket| point(bucket));
                let y = Some(Axis::new(0.0, 100.0, false));
                let chart = LineChart { y, reference: Some(50.0), ..chart(&series, (0.0, 100.0)) };
                let mut buffer = Buffer::empty(Rect::new(0, 0, 60, height));
                let plot = chart.render(buffer.area, &mut buffer, &theme).area;
                let lines = text(&buffer);
                let (named, line) = (theme.glyph(Glyph::TickLeft), theme.glyph(Glyph::Ahead));
                for (at, name) in ["0", "25", "50", "100"].into_iter().enumerate() {
                    let tick = lines.iter().position(|line| line.contains(&format!(" {name}{named}")));
                    let column = plot.x + chart.column([0.0, 25.0, 50.0, 100.0][at], 53).unwrap();
                    let mark = (0..height).position(|y| buffer[(column, y)].symbol() == "*");
                    assert!(tick.is_none() || tick == mark, "{name}: {lines:#?}");
                }
                let references =
                    lines.iter().filter(|text| text.contains(&line.to_string().repeat(9))).count();
                assert!(
                    references == 1 + usize::from(theme.is_ascii()),
                    "one line and, in ASCII, the axis: {lines:#?}"
                );
                let high = plot.x + chart.column(82.5, 53).unwrap();
                assert!(height < 9 || buffer[(high, 1)].symbol() != "*", "82.5 is not 100: {lines:#?}");
            }
        }
    }

    #[test]
    fn a_legend_has_whole_entries_and_says_how_many_are_missing() {
        let buckets = [Bucket::of(0.0, 1.0)];
        let names: Vec<String> = (1..=8).map(|lane| format!("residual-{lane}")).collect();
        let series: Vec<Series<'_>> = names.iter().map(|name| Series { name, ..series(&buckets) }).collect();
        let chart = chart(&series, (0.0, 1.0));
        for width in 12..160 {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 8));
            chart.render(buffer.area, &mut buffer, &ascii());
            let header = text(&buffer).remove(0);
            let shown = header.matches("* residual-").count();
            assert_eq!(header.matches('*').count(), shown, "no mark without a name: {header}");
            let whole = (1..=8)
                .filter(|lane| {
                    header.contains(&format!("* residual-{lane} 1 "))
                        || header.trim_end().ends_with(&format!("* residual-{lane} 1"))
                })
                .count();
            assert_eq!(whole, shown, "{header}");
            assert!(shown == 8 || header.trim_end().ends_with(&format!("+{}", 8 - shown)), "{header}");
        }
    }

    #[test]
    fn a_single_step_is_seen_and_counted_in_whole_steps() {
        let buckets = [Bucket::of(1.0, 2.0)];
        let series = [series(&buckets)];
        let chart = chart(&series, (0.0, 2.0));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 8));
        chart.render(buffer.area, &mut buffer, &Theme::default());
        let lines = text(&buffer);
        assert!(lines[1..6].iter().any(|line| line.contains('*')), "{lines:#?}");
        let ticks: Vec<&str> = lines[7].split_whitespace().collect();
        assert_eq!(ticks, ["0", "1", "step"]);
    }

    #[test]
    fn what_lies_between_mark_and_cursor_has_a_row_and_both_are_seen() {
        let buckets: Vec<Bucket> = (0..100).map(|i| Bucket::of(f64::from(i), 2.0)).collect();
        let between = Some(Between { difference: -0.5, per_step: -0.01, mean: Some(2.25) });
        let series = [Series { between, ..series(&buckets) }];
        let mark = Some(Mark { x: 20.0, steps: 50 });
        let chart = LineChart { mark, cursor: Some(70.0), ..chart(&series, (0.0, 99.0)) };
        let draw = |width| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 10));
            chart.render(buffer.area, &mut buffer, &ascii());
            text(&buffer)
        };
        let lines = draw(60);
        assert_eq!(lines[1].trim_end(), "50 steps:  * -0.5, -0.01 a step, mean 2.25");
        assert_eq!(lines[2..8].iter().filter(|line| line.matches(':').count() == 2).count(), 5, "{lines:#?}");
        assert_eq!(draw(30)[1].trim_end(), "50 steps:  * -0.5");
    }

    #[test]
    fn values_beyond_the_axis_are_counted_in_the_corner() {
        let mut buckets: Vec<Bucket> = (0..200).map(|i| Bucket::of(f64::from(i), (i % 2) as f32)).collect();
        (buckets[50], buckets[60]) = (Bucket::of(50.0, 1e6), Bucket::of(60.0, -1e6));
        let series = [series(&buckets)];
        let corner = |whole| {
            let values = Values { whole, ..Values::default() };
            let chart = LineChart { values, ..chart(&series, (0.0, 199.0)) };
            let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 10));
            chart.render(buffer.area, &mut buffer, &ascii());
            [8, 9].map(|row| text(&buffer)[row][..6].trim().to_owned())
        };
        let [above, below] = [Glyph::AboveRange, Glyph::BelowRange].map(|glyph| ascii().glyph(glyph));
        assert_eq!(corner(false), [format!("{above}1"), format!("{below}1")]);
        assert_eq!(corner(true), ["", ""]);
    }

    #[test]
    fn a_click_reads_the_step_under_it() {
        let chart = LineChart { y: Some(Axis::new(0.0, 1.0, false)), ..chart(&[], (0.0, 100.0)) };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 10));
        let plot = chart.render(buffer.area, &mut buffer, &ascii());
        let x = plot.x_at(plot.area.x + plot.area.width / 2).unwrap();
        assert!((x - 50.0).abs() < 2.0, "{x}");
        assert_eq!(plot.x_at(0), None);
        let places = [plot.area.top(), plot.area.bottom() - 1].map(|row| plot.share_at(row).unwrap());
        assert!((places[0] + places[1] - 1.0).abs() < 1e-9 && places[0] > 0.9, "{places:?}");
        assert_eq!(plot.share_at(plot.area.bottom()), None);
    }
}
