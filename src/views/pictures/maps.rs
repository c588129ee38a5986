//! Small maps of numbers in a column for each lane, all on one scale: the channels that a block makes of an example beside
//! the example itself, or the filters of the first convolution, on a scale about zero if there are negative numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::mistakes::render_picture;
use super::{LEAST_COLUMN, absence, length, numbers, tiles};
use crate::app::{App, Lane};
use crate::metric::{Metric, Scale, probed};
use crate::theme::{HeatCell, Theme};
use crate::views::{Scene, lanes};
use crate::widgets::{self, ColorScale, Extent, Legend, Picture};

/// Which maps.
pub(super) struct Maps {
    metric: Metric,
    about: &'static str,
    /// The image that they are of, if they are of one.
    of: Option<Metric>,
}

/// What a block makes of an example.
pub(super) const FEATURES: Maps = Maps {
    metric: probed::FEATURE_MAPS,
    about: "what a block makes of the first example, channel by channel",
    of: Some(probed::MAPPED_PICTURE),
};

/// The filters of the first convolution.
pub(super) const FILTERS: Maps =
    Maps { metric: probed::FILTERS, about: "filters of the first convolution", of: None };

/// The maps of a lane.
struct Panel<'a> {
    lane: &'a Lane,
    area: Rect,
    numbers: Option<Vec<f32>>,
    /// Maps, rows and columns.
    sizes: [usize; 3],
}

impl Panel<'_> {
    /// The numbers of each map that has any.
    fn maps(&self) -> Vec<&[f32]> {
        let size = (self.sizes[1] * self.sizes[2]).max(1);
        let all = self.numbers.as_deref().unwrap_or_default();
        all.chunks_exact(size).filter(|map| map.iter().any(|x| !x.is_nan())).collect()
    }
}

pub(super) fn render(app: &App, maps: &Maps, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
    let title = widgets::clip(maps.about, area.width.into(), theme);
    widgets::put(scene.buffer, area, area.x, area.y, &title, theme.heading());
    if area.height < 4 {
        return;
    }
    let legend = Rect { y: area.bottom() - 1, height: 1, ..area };
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    let &[maps_axis, row_axis, column_axis] = maps.metric.axes() else { return };
    let panel = |(lane, area): (_, Rect)| Panel {
        lane,
        area,
        numbers: numbers(app, lane, maps.metric),
        sizes: [maps_axis, row_axis, column_axis].map(|axis| length(lane, axis)),
    };
    let panels: Vec<Panel<'_>> = lanes::columns(app, body, LEAST_COLUMN).into_iter().map(panel).collect();
    let scale = scale(maps.metric, &panels);
    for panel in &panels {
        render_panel(app, maps, panel, scale, scene, theme);
    }
    Legend { scale, title: maps.metric.name(), pointer: None }.render(legend, scene.buffer, theme);
}

/// One scale for all lanes.
fn scale(metric: Metric, panels: &[Panel<'_>]) -> ColorScale {
    let values = || panels.iter().flat_map(|panel| panel.maps()).flatten().copied().filter(|x| !x.is_nan());
    let scale = ColorScale::robust(values().map(Extent::of), false);
    let is_signed = metric.scale() == Scale::Signed || values().any(|x| x < 0.0);
    if is_signed { scale.about_zero() } else { scale }
}

fn render_panel(
    app: &App,
    maps: &Maps,
    panel: &Panel<'_>,
    scale: ColorScale,
    scene: &mut Scene<'_>,
    theme: &Theme,
) {
    let body = Rect {
        y: panel.area.y + panel.area.height.min(1),
        height: panel.area.height.saturating_sub(1),
        ..panel.area
    };
    let all = panel.maps();
    if all.is_empty() {
        put_heading(app, panel, "", scene.buffer, theme);
        let text =
            if panel.numbers.is_some() { "no images, or nothing finite" } else { absence(app, maps.metric) };
        widgets::put_centered(scene.buffer, body, body.height / 2, text, theme.muted());
        return;
    }
    let image = maps.of.and_then(|metric| numbers(app, panel.lane, metric));
    let first = usize::from(image.is_some());
    let [_, rows, columns] = panel.sizes;
    let places = tiles(body, all.len() + first, [rows, columns], (1, 0), theme);
    let shown = places.len().saturating_sub(first);
    let block = block_of(panel.lane).filter(|_| maps.of.is_some()).map(|block| format!("  block {block}"));
    let part = (shown < all.len()).then(|| format!("  {shown} of {}", all.len()));
    put_heading(app, panel, &(block.unwrap_or_default() + &part.unwrap_or_default()), scene.buffer, theme);
    if let (Some(image), Some(place)) = (&image, places.first()) {
        let sides = ["picture_row", "picture_column"].map(|axis| length(panel.lane, axis));
        render_picture(image, sides, length(panel.lane, probed::COLOUR), *place, scene, theme);
    }
    for (map, place) in all.iter().zip(places.iter().skip(first)) {
        let pixel = |row: usize, column: usize| -> Option<HeatCell> {
            scale.cell(Extent::of(*map.get(row * columns + column)?), theme)
        };
        scene.picture(&Picture { rows, columns, pixel: &pixel }, *place, theme);
    }
}

/// The lane, and what else there is to say, as far as it fits.
fn put_heading(app: &App, panel: &Panel<'_>, more: &str, buffer: &mut Buffer, theme: &Theme) {
    let room = usize::from(panel.area.width).saturating_sub(2);
    let name = lanes::name_within(app, panel.lane, room, theme);
    let more = widgets::clip(more, room.saturating_sub(widgets::width(&name)), theme);
    let swatch = format!("{} ", theme.lane_swatch(panel.lane.idx().0));
    let heading = Line::from(vec![
        Span::styled(swatch, lanes::style(panel.lane, theme)),
        Span::styled(name, theme.text()),
        Span::styled(more, theme.muted()),
    ]);
    widgets::put_line(buffer, panel.area, 0, &heading);
}

/// The block whose output the experiment has recorded, from 1; none where the probe was only ordered.
fn block_of(lane: &Lane) -> Option<usize> {
    let wanted = lane.experiment()?.probes.get("pictures")?.settings.whole("block")?;
    Some(wanted.min(lane.structure()?.blocks.len().max(1)))
}
