//! A strip per lane of all layers for the chosen statistic at the cursor, with a shared colour scale.

use ratatui::layout::Rect;

use super::{Scene, Stack, curves, lanes};
use crate::app::{Action, App, Lane, LayerKey};
use crate::theme::Theme;
use crate::views::Command;
use crate::widgets;
use crate::widgets::{ColorScale, Extent, Legend, Strip};

/// The layout of the strips: a legend, then a strip per lane.
pub(super) struct Strips<'a> {
    legend: Rect,
    strips: Vec<(&'a Lane, Rect)>,
    /// Whether a strip is preceded by its lane's swatch, which is so if strips are stacked.
    named: bool,
}

impl<'a> Strips<'a> {
    /// A row for the legend and one per lane, taken from the bottom of a stack, leaving at least four rows.
    pub(super) fn below(app: &'a App, stack: &mut Stack, lanes: u16) -> Strips<'a> {
        let area = stack.0;
        let rows = if lanes > 0 && area.height >= lanes + 5 { lanes + 1 } else { 0 };
        stack.0.height -= rows;
        let top = area.bottom() - rows;
        let strips = lanes::in_sight(app, rows.saturating_sub(1).into()).into_iter().enumerate();
        let strips = strips.map(|(at, lane)| (lane, Rect { y: top + 1 + at as u16, height: 1, ..area }));
        Strips { legend: Rect { y: top, height: rows.min(1), ..area }, strips: strips.collect(), named: true }
    }

    /// The first row of an area for the legend, the rest for strips in their lanes' columns.
    pub(super) fn in_columns(app: &App, area: Rect, columns: Vec<(&'a Lane, Rect)>) -> Strips<'a> {
        let legend = Rect { height: area.height.min(1), ..area };
        let strips = if app.rows().is_empty() || area.height < 2 { Vec::new() } else { columns };
        let below = |(lane, column): (&'a Lane, Rect)| {
            (lane, Rect { y: column.y + 1, height: column.height.saturating_sub(1), ..column })
        };
        Strips { legend, strips: strips.into_iter().map(below).collect(), named: false }
    }
}

/// Draws legend and strips.
pub(super) fn render(
    app: &App,
    strips: &Strips<'_>,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let statistic = app.statistic();
    let values: Vec<Vec<Extent>> = strips.strips.iter().map(|(lane, _)| values(app, lane)).collect();
    let scale = ColorScale::fit(values.iter().flatten().copied(), curves::is_log(app, statistic));
    let scale = curves::color_scale(statistic, scale);
    if strips.legend.height > 0 && !strips.strips.is_empty() {
        let title = format!("{statistic} of each layer, input to head");
        Legend { scale, title: &title, pointer: None }.render(strips.legend, buffer, theme);
    }
    let cursor = app.row().and_then(|row| app.rows().iter().position(|other| *other == row));
    for ((lane, area), values) in strips.strips.iter().zip(&values) {
        if strips.named {
            let swatch = theme.lane_swatch(lane.idx().0).to_string();
            widgets::put(buffer, *area, area.x, area.y, &swatch, lanes::style(lane, theme));
        }
        let spread = Strip { values, scale, cursor }.render(strip_area(strips, *area), buffer, theme);
        let lane = lane.idx();
        hits.on(*area, move |app, position| {
            let layer = spread.item_at(position.x).and_then(|at| app.rows().get(at).copied());
            let layer = layer.map(Action::SelectLayer).into_iter();
            [Action::SelectLane(lane)].into_iter().chain(layer).map(Command::Act).collect()
        });
    }
}

fn strip_area(strips: &Strips<'_>, area: Rect) -> Rect {
    if strips.named && area.width > 2 { Rect { x: area.x + 2, width: area.width - 2, ..area } } else { area }
}

/// The chosen statistic at the cursor, a value per shared row.
fn values(app: &App, lane: &Lane) -> Vec<Extent> {
    let statistic = app.statistic();
    let row = lane.at(statistic, app.step()).filter(|_| statistic.is_of_layers());
    let columns = lane.columns(statistic);
    let value = |key: LayerKey| {
        let layer = app.own_layer_at(lane, key)?;
        Some(curves::extent(row?.across(columns.get(layer.0)?.clone()?)?))
    };
    app.rows().iter().map(|key| value(*key).unwrap_or_default()).collect()
}
