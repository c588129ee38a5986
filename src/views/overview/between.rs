//! What lies between two lanes: the difference of their curves, since when they are apart, and whether the
//! comparison is fair.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::lanes;
use crate::app::comparison::{difference, parted_at};
use crate::app::series::Series;
use crate::app::{App, Lane, fairness};
use crate::event::{Mode, Split};
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::widgets;

/// The decay under which two lanes' errors are compared while smoothing is off.
const LEAST_DECAY: f64 = 0.9;

/// Below this width the verdict is told in fewer words.
const NARROW: u16 = 60;

/// The difference of two curves under the chosen smoothing.
pub(super) fn difference_of(app: &App, a: &Series, b: &Series) -> Vec<(Step, f32)> {
    difference(a, b, app.options().smoothing.decay())
}

/// The last point that is not after a step.
pub(super) fn value_at(points: &[(Step, f32)], step: Step) -> Option<f32> {
    let after = points.partition_point(|(at, _)| *at <= step);
    points[..after].last().map(|(_, value)| *value)
}

/// One row that says who is ahead, since when, and whether that means anything.
pub(super) fn render_verdict(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some((a, b)) = app.pair().filter(|_| area.height > 0) else { return };
    let decay = app.options().smoothing.decay().max(LEAST_DECAY);
    let mut spans = Vec::new();
    match value_at(&difference(a.error(), b.error(), decay), app.step()) {
        None => spans.push(Span::styled("no steps to compare yet", theme.muted())),
        Some(apart) => {
            let (worse, better) = if apart >= 0.0 { (a, b) } else { (b, a) };
            let name =
                |lane| Span::styled(lanes::name(app, lane), lanes::style(lane, theme).patch(theme.heading()));
            let points = format!("{:.1}", apart.abs() * 100.0);
            spans.extend([name(better), Span::raw(" leads "), name(worse), Span::raw(" by ")]);
            spans.push(Span::styled(points, theme.heading()));
            spans.push(Span::raw(if area.width < NARROW { " points" } else { " points of training error" }));
        }
    }
    let parted = parted_at(a.error(), b.error(), decay).filter(|since| *since <= app.step());
    if let Some(since) = parted.filter(|_| area.width >= NARROW) {
        spans.push(Span::styled(format!(", apart since step {since}"), theme.muted()));
    }
    let end = widgets::put_line(buffer, area, 0, &Line::from(spans));
    let Some((long, brief, style)) = fairness_of(a, b, theme) else { return };
    for text in [long, brief] {
        if usize::from(area.right().saturating_sub(end)) > widgets::width(&text) + 1 {
            widgets::put_right(buffer, area, 0, &text, style);
            return;
        }
    }
}

/// Whether two lanes may be compared, in a few words and in two.
fn fairness_of(a: &Lane, b: &Lane, theme: &Theme) -> Option<(String, String, Style)> {
    let fairness = fairness::compare(a.started()?, b.started()?);
    let (glyph, style) =
        if fairness.is_fair() { (Glyph::Check, theme.good()) } else { (Glyph::Warning, theme.warning()) };
    let keys: Vec<&str> = fairness.differences.iter().map(|d| d.key.trim_start_matches("lane.")).collect();
    let unequal: Vec<&str> = fairness.checks.iter().filter(|c| !c.equal).map(|c| c.name).collect();
    let (long, brief) = match (fairness.is_fair(), fairness.differs_in_shortcut_only()) {
        (_, true) => ("they differ in the shortcut only".to_owned(), "fair"),
        (true, false) => (format!("they differ in {}", keys.join(", ")), "fair"),
        (false, _) => (format!("not fair: other {}", unequal.join(", ")), "not fair"),
    };
    let glyph = theme.glyph(glyph);
    Some((format!("{glyph} {long}"), format!("{glyph} {brief}"), style))
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
    let smooth = |a, b| value_at(&difference_of(app, a, b), app.step());
    let points = |share: Option<f32>| share.map(|x| format!("{:+.1} points", x * 100.0));
    let rows = [
        ("loss", smooth(a.loss(), b.loss()).map(|x| format!("{x:+.3}"))),
        ("batch error", points(smooth(a.error(), b.error()))),
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
