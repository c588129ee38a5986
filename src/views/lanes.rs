//! What views say of lanes alike: their names, colours and places side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::{App, Lane, LaneState};
use crate::text::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets;

/// A lane's name; with its run where several runs are open.
pub(super) fn name(app: &App, lane: &Lane) -> String {
    let label = lane.label();
    let several = app.lanes().iter().any(|other| other.label().run != label.run);
    if several { printable(&format!("{}/{}", label.run, label.lane)) } else { printable(&label.lane) }
}

/// A lane's colour.
pub(super) fn style(lane: &Lane, theme: &Theme) -> Style {
    theme.lane(lane.idx().0)
}

/// The character and style of a lane's state.
pub(super) fn state(state: &LaneState, theme: &Theme) -> (char, Style) {
    match state {
        LaneState::Waiting => (theme.glyph(Glyph::Separator), theme.muted()),
        LaneState::Running => (theme.glyph(Glyph::Running), theme.good()),
        LaneState::Paused => (theme.glyph(Glyph::Paused), theme.warning()),
        LaneState::Completed => (theme.glyph(Glyph::Check), theme.good()),
        LaneState::Stopped => (theme.glyph(Glyph::Paused), theme.muted()),
        LaneState::Diverged | LaneState::Failed(_) => (theme.glyph(Glyph::Error), theme.error()),
        LaneState::Crashed => (theme.glyph(Glyph::Warning), theme.warning()),
    }
}

/// Draws a title into the first row of an area, and a rule from its end to the edge.
pub(super) fn title(buffer: &mut Buffer, area: Rect, spans: Vec<Span<'_>>, theme: &Theme) {
    let end = widgets::put_line(buffer, area, 0, &Line::from(spans));
    let rule =
        theme.glyph(Glyph::Horizontal).to_string().repeat(usize::from(area.right().saturating_sub(end)));
    widgets::put(buffer, area, end, area.y, &rule, theme.axis());
}

/// The visible lanes in columns of equal width; where not all fit at the least width, those about the
/// selected one.
pub(super) fn columns(app: &App, area: Rect, least: u16) -> Vec<(&Lane, Rect)> {
    let lanes: Vec<&Lane> = app.visible_lanes().collect();
    let room = usize::from(area.width.saturating_add(1) / least.max(1).saturating_add(1)).max(1);
    let count = lanes.len().min(room);
    if count == 0 || area.width == 0 {
        return Vec::new();
    }
    let selected = lanes.iter().position(|lane| lane.idx() == app.selected_lane()).unwrap_or(0);
    let first = selected.saturating_sub(count / 2).min(lanes.len() - count);
    let gaps = (count - 1) as u16;
    let cells = area.width.saturating_sub(gaps);
    let edge = |i: usize| (u32::from(cells) * i as u32 / count as u32) as u16;
    let place = |(i, lane)| {
        let x = area.x + edge(i) + i as u16;
        (lane, Rect { x, width: edge(i + 1) - edge(i), ..area })
    };
    lanes.into_iter().skip(first).take(count).enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_lie_side_by_side_within_the_area(width in 0u16..200, least in 0u16..60) {
            let app = specimen::plain_beside_residual();
            let area = Rect::new(3, 1, width, 5);
            let mut free_from = area.x;
            for (_, column) in columns(&app, area, least) {
                prop_assert!(column.x >= free_from && column.right() <= area.right());
                free_from = column.right() + 1;
            }
        }
    }
}
