//! The comparison of two lanes: the difference of their curves, and that of their figures at the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::charts::{Smoothed, What};
use super::{card, lanes};
use crate::app::App;
use crate::app::comparison::{between_points, difference};
use crate::metric::{Metric, known};
use crate::printable::points;
use crate::theme::Theme;
use crate::units::Step;
use crate::widgets;

/// The difference of two curves, each smoothed as it is drawn; of a layer or block the ratio in decades, or the
/// difference, of the raw values.
pub(super) fn difference_of(what: &What, [a, b]: [Smoothed<'_>; 2]) -> Vec<(Step, f32)> {
    if what.is_scalar() {
        return difference(a.points(what), b.points(what));
    }
    between_points(what.metric().scale(), what.points(a.lane), what.points(b.lane))
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
    let apart = |metric: Metric| {
        Some(card::at(a.scalar(metric), app.step())? - card::at(b.scalar(metric), app.step())?)
    };
    let in_points = |share: Option<f32>| {
        let plus = |share: f32| if share.is_nan() || share.is_sign_negative() { "" } else { "+" };
        share.map(|share| format!("{}{} points", plus(share), points(share)))
    };
    let rows = [
        ("loss", apart(known::LOSS).map(|x| signed(x.into()))),
        ("this batch", in_points(apart(known::ERROR))),
        ("train", in_points(apart(known::TRAIN_ERROR))),
        ("test", in_points(apart(known::TEST_ERROR))),
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
