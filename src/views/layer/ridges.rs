//! The histograms of the cursor's layer over time as ridges, a plot for each lane, with the same bins and heights for all.

use ratatui::layout::Rect;

use super::histograms::{absence, at_cursor, rows, words};
use super::{Command, Scene};
use crate::app::{Action, App, Lane};
use crate::history::Row;
use crate::printable::percent;
use crate::theme::Theme;
use crate::units::Step;
use crate::widgets::{self, Ridge, RidgePlot};

/// Draws a plot for each lane.
pub(super) fn render(
    app: &App,
    columns: &[(&Lane, Rect)],
    bins: (usize, usize),
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let of_lanes: Vec<Vec<Row<'_>>> = columns.iter().map(|(lane, _)| shown(app, lane)).collect();
    let most = RidgePlot::most(of_lanes.iter().flatten().filter_map(|row| row.histogram(0)));
    for ((lane, area), rows) in columns.iter().zip(&of_lanes) {
        if area.height < 3 {
            continue;
        }
        let kind = words(app.histogram());
        let mut title = format!("{kind} over time");
        let height = (most > 0.0).then(|| format!(", ridges up to {}", percent(most as f32)));
        for more in [Some(", in bins 2^k".to_owned()), height].into_iter().flatten() {
            if widgets::width(&title) + widgets::width(&more) <= usize::from(area.width) {
                title += &more;
            }
        }
        widgets::put(buffer, *area, area.x, area.y, &title, theme.heading());
        let body = Rect { y: area.y + 1, height: area.height - 1, ..*area };
        if rows.is_empty() {
            absence(app, lane, body, buffer, theme);
            continue;
        }
        let name = |row: &Row<'_>| widgets::grouped(row.span.last_step.0);
        let ridges: Vec<Ridge<'_>> = rows
            .iter()
            .filter_map(|row| Some(Ridge { name: name(row), histogram: row.histogram(0)? }))
            .collect();
        let taken = at_cursor(app, lane).map(|row| row.span.first_step);
        let cursor = taken.and_then(|step| rows.iter().position(|row| row.span.first_step == step));
        let places = RidgePlot { ridges: &ridges, bins, most, cursor }.render(body, buffer, theme);
        let steps: Vec<Step> = rows.iter().map(|row| row.span.last_step).collect();
        let lane = Action::SelectLane(lane.idx());
        hits.on(places.area, move |_, position| {
            let step = places.at(position).map(|ridge| Action::SelectStep(steps[ridge]));
            [lane].into_iter().chain(step).map(Command::Act).collect()
        });
    }
}

/// The histograms of the steps that charts show.
fn shown<'a>(app: &App, lane: &'a Lane) -> Vec<Row<'a>> {
    let (first, last) = app.range().unwrap_or((Step(0), Step(u64::MAX)));
    let is_shown = |row: &Row<'_>| row.span.last_step >= first && row.span.first_step <= last;
    rows(app, lane).filter(|row| is_shown(row) && row.histogram(0).is_some()).collect()
}
