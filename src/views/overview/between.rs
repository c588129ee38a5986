//! What lies between two lanes: the difference of their curves, and that of their figures at the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::{card, lanes};
use crate::app::comparison::difference;
use crate::app::series::Series;
use crate::app::{App, Lane};
use crate::event::{Mode, Split};
use crate::theme::Theme;
use crate::units::Step;
use crate::widgets;

/// The difference of two curves under the chosen smoothing.
pub(super) fn difference_of(app: &App, a: &Series, b: &Series) -> Vec<(Step, f32)> {
    difference(a, b, app.options().smoothing.decay())
}

/// The last point that is not after a step.
pub(super) fn value_at(points: &[(Step, f32)], step: Step) -> Option<f32> {
    let after = points.partition_point(|(at, _)| *at <= step);
    points[..after].last().map(|(_, value)| *value)
}

/// The differences of all figures at the cursor, the left lane's minus the right one's.
pub(super) fn render_card(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some((a, b)) = app.pair() else { return };
    let title = format!("{} - {}", lanes::name(app, a), lanes::name(app, b));
    lanes::title(buffer, area, vec![Span::styled(format!("{title} "), theme.heading())], theme);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let evaluated = |split| {
        let error = |lane: &Lane| Some(lane.evaluations(split, Mode::Eval).error.at(app.step())?.last);
        Some(error(a)? - error(b)?)
    };
    let raw = |series: fn(&Lane) -> &Series| {
        Some(card::at(series(a), app.step())? - card::at(series(b), app.step())?)
    };
    let points = |share: Option<f32>| share.map(|x| format!("{:+.1} points", x * 100.0));
    let rows = [
        ("loss", raw(Lane::loss).map(|x| signed(x.into()))),
        ("batch error", points(raw(Lane::error))),
        ("train eval", points(evaluated(Split::Train))),
        ("test eval", points(evaluated(Split::Test))),
    ];
    for (row, (name, value)) in rows.into_iter().enumerate().take(usize::from(body.height)) {
        let y = body.y + row as u16;
        widgets::put(buffer, body, body.x, y, name, theme.muted());
        let value = value.unwrap_or_else(|| "-".to_owned());
        widgets::put(buffer, body, body.x + 13, y, &value, theme.accent());
    }
}

/// A difference with its sign.
fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", widgets::short(value))
}
