//! The mean curves of several runs with the band between the least and the greatest of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::catalog::{Band, Catalog, LaneBand};
use crate::text::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets::{Bucket, Extent, LineChart, Series, SeriesKind, block_title, clip, put, put_centered};

/// From this height on both charts have room.
const BOTH: u16 = 16;

/// Draws it.
pub(super) fn draw(catalog: &Catalog, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let runs = catalog.band_runs();
    let awaited = catalog.curves_awaited();
    let title = match (runs.len(), awaited) {
        (1, 0) => "curves of 1 run".to_owned(),
        (count, 0) => format!("mean and range over {count} runs"),
        (count, awaited) => format!("mean and range over {count} runs, {awaited} being read"),
    };
    let mut inner = block_title(buffer, area, &title, theme.heading(), theme);
    for (id, problem) in catalog.curve_problems().take(3) {
        if inner.height < 4 {
            break;
        }
        let text = format!("{}: {}", printable(id), printable(problem));
        put(buffer, inner, inner.x, inner.y, &clip(&text, usize::from(inner.width), theme), theme.error());
        inner = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    }
    if catalog.bands().is_empty() {
        let text = if awaited > 0 { "reading their logs" } else { "no curves to show" };
        return put_centered(buffer, inner, inner.height / 2, text, theme.muted());
    }
    if inner.height < BOTH {
        return chart(catalog, "training loss", |lane| &lane.loss, inner, buffer, theme);
    }
    let upper = Rect { height: inner.height / 2, ..inner };
    let lower = Rect { y: upper.bottom(), height: inner.height - upper.height, ..inner };
    chart(catalog, "training loss", |lane| &lane.loss, upper, buffer, theme);
    chart(catalog, "test error", |lane| &lane.test, lower, buffer, theme);
}

fn chart(
    catalog: &Catalog,
    title: &str,
    of: fn(&LaneBand) -> &Band,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let bands = catalog.bands();
    let last = bands.iter().filter_map(|lane| of(lane).points.last()).map(|point| point.step).max();
    let buckets: Vec<(Vec<Bucket>, Vec<Bucket>)> = bands.iter().map(|lane| buckets(of(lane))).collect();
    let names: Vec<String> =
        bands.iter().map(|lane| format!("{} ({})", printable(&lane.name), lane.runs)).collect();
    let mut series = Vec::new();
    for (lane, (band, _)) in buckets.iter().enumerate() {
        let (style, mark) = (theme.lane_faded(lane), theme.glyph(Glyph::Shade));
        let kind = SeriesKind::Backdrop;
        series.push(Series { name: "", buckets: band, style, mark, kind, read_out: None });
    }
    // All means over all bands.
    for (lane, (_, mean)) in buckets.iter().enumerate() {
        let (style, mark) = (theme.lane(lane), theme.lane_swatch(lane));
        let read_out = of(&bands[lane]).points.last().map(|point| point.mean);
        series.push(Series {
            name: &names[lane],
            buckets: mean,
            style,
            mark,
            kind: SeriesKind::Curve,
            read_out,
        });
    }
    let x = (0.0, last.unwrap_or(1).max(1) as f64);
    LineChart {
        title,
        series: &series,
        x,
        x_name: "step",
        y: None,
        log: false,
        cursor: None,
        reference: None,
    }
    .render(area, buffer, theme);
}

/// The band and the mean.
fn buckets(band: &Band) -> (Vec<Bucket>, Vec<Bucket>) {
    let span = |point: &crate::catalog::BandPoint| {
        let mut extent: Extent =
            [point.min as f32, point.max as f32].into_iter().filter(|x| x.is_finite()).collect();
        extent.non_finite |= point.non_finite;
        Bucket { x: point.step as f64, extent, last: point.mean as f32 }
    };
    let mean = |point: &crate::catalog::BandPoint| {
        point.mean.is_finite().then(|| Bucket::of(point.step as f64, point.mean as f32))
    };
    (band.points.iter().map(span).collect(), band.points.iter().filter_map(mean).collect())
}
