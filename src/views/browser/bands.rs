//! The mean curves of several runs with the band between their minimum and maximum.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::printable::printable;
use crate::runs_list::{Band, BandPoint, LaneBand, RunsList};
use crate::theme::{Glyph, Theme};
use crate::widgets::{
    Axis, Bucket, Extent, LineChart, Series, SeriesKind, Spacing, Values, block_title, clip, put,
    put_centered,
};

/// The least height for both charts.
const BOTH: u16 = 16;

/// Draws it.
pub(super) fn draw(list: &RunsList, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let awaited = list.curves_awaited();
    let mut inner = block_title(buffer, area, &title(list), theme.heading(), theme);
    for (id, problem) in list.curve_problems().take(3) {
        if inner.height < 4 {
            break;
        }
        let text = format!("{}: {}", printable(id), printable(problem));
        put(buffer, inner, inner.x, inner.y, &clip(&text, usize::from(inner.width), theme), theme.error());
        inner = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    }
    if list.bands().is_empty() {
        let text = if awaited > 0 { "reading their logs" } else { "no curves to show" };
        return put_centered(buffer, inner, inner.height / 2, text, theme.muted());
    }
    if inner.height < BOTH {
        return chart(list, &LOSS, inner, buffer, theme);
    }
    let upper = Rect { height: inner.height / 2, ..inner };
    let lower = Rect { y: upper.bottom(), height: inner.height - upper.height, ..inner };
    chart(list, &LOSS, upper, buffer, theme);
    chart(list, &TEST, lower, buffer, theme);
}

/// Describes which runs are combined, and which are left out.
fn title(list: &RunsList) -> String {
    let runs = list.band_runs();
    let is_one_group =
        runs.iter().all(|run| run.group_key().is_some() && run.group_key() == runs[0].group_key());
    let mut title = match runs.len() {
        1 => "curves of 1 run".to_owned(),
        count if is_one_group => format!("mean and range over {count} seeds"),
        count => format!("mean and range over {count} runs"),
    };
    match list.band_repeats() {
        0 => {}
        1 => title += ", 1 older repeat left out",
        count => title += &format!(", {count} older repeats left out"),
    }
    match list.curves_awaited() {
        0 => {}
        awaited => title += &format!(", {awaited} being read"),
    }
    title
}

/// A chart of one figure for all lanes.
struct Figure {
    title: &'static str,
    of: fn(&LaneBand) -> &Band,
    /// What a value is multiplied by to be in the title's unit.
    scale: f64,
}

const LOSS: Figure = Figure { title: "training loss", of: |lane| &lane.loss, scale: 1.0 };
const TEST: Figure = Figure { title: "test error %", of: |lane| &lane.test, scale: 100.0 };

fn chart(list: &RunsList, figure: &Figure, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let bands = || list.bands().iter().map(figure.of);
    let last = bands().filter_map(|band| band.points.last()).map(|point| point.step).max();
    let buckets: Vec<(Vec<Bucket>, Vec<Bucket>)> =
        bands().map(|band| (spans(band, figure.scale), means(band, figure.scale))).collect();
    let limit = limit(bands());
    let name = |lane: &LaneBand| format!("{} ({})", printable(&lane.name), lane.runs);
    let names: Vec<String> = list.bands().iter().map(name).collect();
    let off = bands().flat_map(|band| &band.peaks).filter(|peak| **peak > limit).count();
    let title = match off {
        0 => figure.title.to_owned(),
        off => format!("{} ({off} off the scale)", figure.title),
    };
    let mut series = Vec::new();
    for (lane, (band, _)) in buckets.iter().enumerate() {
        let (style, mark) = (theme.lane_faded(lane), theme.glyph(Glyph::Shade));
        let kind = SeriesKind::Backdrop;
        series.push(Series { name: "", buckets: band, style, mark, kind, read_out: None, between: None });
    }
    // All means are drawn over all bands.
    for (lane, (band, (_, mean))) in bands().zip(&buckets).enumerate() {
        let (style, mark) = (theme.lane(lane), theme.lane_swatch(lane));
        let read_out = band.points.last().map(|point| figure.scale * point.mean);
        let (name, kind) = (names[lane].as_str(), SeriesKind::Curve);
        series.push(Series { name, buckets: mean, style, mark, kind, read_out, between: None });
    }
    let x = (0.0, last.unwrap_or(1).max(1) as f64);
    let y = axis(&buckets, figure.scale * limit);
    LineChart {
        title: &title,
        series: &series,
        x: x.into(),
        x_name: "step",
        y,
        spacing: Spacing::Linear,
        values: Values { whole: true, ..Values::default() },
        cursor: None,
        mark: None,
        reference: None,
    }
    .render(area, buffer, theme);
}

/// A loss beyond this many times the curves' first value is outside the axis, because next to a diverging run nothing
/// else would be visible.
const MOST_RISE: f64 = 10.0;

/// The greatest value on the axis.
fn limit<'a>(bands: impl Iterator<Item = &'a Band>) -> f64 {
    let first = |band: &Band| band.points.iter().map(|point| point.mean).find(|mean| mean.is_finite());
    MOST_RISE * bands.filter_map(first).fold(f64::INFINITY, f64::min)
}

/// The axis from the least to the greatest value within the limit; none, so that the chart fits it, if all values are.
fn axis(buckets: &[(Vec<Bucket>, Vec<Bucket>)], limit: f64) -> Option<Axis> {
    let extents = || buckets.iter().flat_map(|(band, _)| band).map(|bucket| bucket.extent);
    let is_above = |extent: Extent| extent.range().is_some_and(|(_, max)| f64::from(max) > limit);
    let within = |extent: Extent| extent.range().filter(|(min, _)| f64::from(*min) <= limit);
    let cut = |(min, max): (f32, f32)| Extent { min, max: max.min(limit as f32), non_finite: false };
    extents().any(is_above).then(|| Axis::fit(extents().filter_map(within).map(cut), false).with_margin(0.03))
}

/// From the least to the greatest value of each point.
fn spans(band: &Band, scale: f64) -> Vec<Bucket> {
    let span = |point: &BandPoint| {
        let ends = [point.min, point.max].map(|end| (scale * end) as f32);
        let mut extent: Extent = ends.into_iter().filter(|end| end.is_finite()).collect();
        extent.non_finite |= point.non_finite;
        Bucket { x: point.step as f64, extent, last: (scale * point.mean) as f32 }
    };
    band.points.iter().map(span).collect()
}

/// The mean of each point.
fn means(band: &Band, scale: f64) -> Vec<Bucket> {
    let finite = band.points.iter().filter(|point| point.mean.is_finite());
    finite.map(|point| Bucket::of(point.step as f64, (scale * point.mean) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs_list::{Action, Pane, specimen};
    use crate::session::listing::Found;

    /// Rows of a chart over three ordinary runs and one that diverged.
    fn rows(figure: &Figure) -> Vec<String> {
        let mut list = specimen::list_with_repeats();
        for (seed, minute) in [(0, 30), (1, 10), (2, 20)] {
            list.apply(Found::Curves(specimen::curves(&format!("20261123-07{minute}00-depth"), seed)));
        }
        list.apply(Found::Curves(specimen::diverging_curves("20261123-074000-depth")));
        list.act(Action::SelectRow(6));
        (0..4).for_each(|_| drop(list.act(Action::ToggleMark)));
        list.act(Action::SetPane(Pane::Bands));
        list.settle();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 14));
        chart(&list, figure, buffer.area, &mut buffer, &Theme::default());
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..buffer.area.height).map(row).collect()
    }

    /// The numbers at the vertical axis.
    fn ticks(rows: &[String]) -> Vec<f64> {
        let number = |row: &String| row.split(['┤', '│']).next()?.trim().parse().ok();
        rows[1..12].iter().filter_map(number).collect()
    }

    #[test]
    fn the_axis_of_the_test_error_counts_per_cents() {
        let rows = rows(&TEST);
        let ticks = ticks(&rows);
        assert!(rows[0].starts_with("test error %"), "{rows:#?}");
        assert!(ticks.len() >= 2 && ticks[0] > 50.0 && ticks[0] <= 100.0, "{ticks:?} {rows:#?}");
        // The last errors of the specimens are 90 % and, of the better lane, a few per cent.
        let values: Vec<f64> = rows[0]
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .filter(|value| *value > 1.0)
            .collect();
        assert_eq!(values.len(), 2, "{rows:#?}");
    }

    #[test]
    fn what_leaves_the_scale_is_in_the_title_and_the_axis_is_that_of_the_others() {
        let rows = rows(&LOSS);
        assert!(rows[0].starts_with("training loss (2 off the scale)"), "{rows:#?}");
        let ticks = ticks(&rows);
        assert!(ticks[0] > 1.0 && ticks[0] < 30.0, "{ticks:?}");
    }
}
