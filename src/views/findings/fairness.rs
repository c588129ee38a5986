//! Whether two lanes may be compared: what must be equal and whether it is, and all differences.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::lanes;
use crate::app::fairness::{Fairness, compare};
use crate::app::{App, Lane};
use crate::printable::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, Column, Table};

/// The rows it takes of an area of a given height when shown below the findings.
pub(super) fn height(app: &App, of_area: u16) -> u16 {
    match (app.pair().is_some(), of_area) {
        (false, _) | (_, 0..8) => 0,
        (_, 8..16) => 1,
        // Title and verdict, checks, and a heading with a few differences.
        _ => 9.max(of_area / 3),
    }
}

/// Draws verdict, checks and differences, as far as there is room.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some((a, b)) = app.pair().filter(|_| area.height > 0) else { return };
    let (Some(started_a), Some(started_b)) = (a.started(), b.started()) else {
        widgets::put(buffer, area, area.x, area.y, "not both lanes have started yet", theme.muted());
        return;
    };
    let Some(fairness) = compare(started_a, started_b) else {
        let text = "their logs lack the experiment, so it is unknown whether they may be compared";
        widgets::put(buffer, area, area.x, area.y, text, theme.muted());
        return;
    };
    let fairness = fairness.with_orders(a.orders(), b.orders());
    draw_verdict(app, (a, b), &fairness, area, buffer, theme);
    let names = [lanes::name(app, a), lanes::name(app, b)];
    let styles = [lanes::style(a, theme), lanes::style(b, theme)];
    let below = |used: u16| Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
    let checks: Vec<Vec<(String, Style)>> = fairness
        .checks
        .iter()
        .map(|check| {
            let (glyph, style) =
                if check.equal { (Glyph::Check, theme.good()) } else { (Glyph::Error, theme.error()) };
            let mut row = vec![(format!("{} {}", theme.glyph(glyph), check.name), style)];
            row.extend(check.values.iter().zip(styles).map(|(value, style)| (printable(value), style)));
            row.push((check.reason.to_owned(), theme.muted()));
            row
        })
        .collect();
    let column = |title, dispensable| Column { title, right: false, dispensable };
    let columns =
        [column("must be equal", 0), column(&names[0], 0), column(&names[1], 0), column("because", 1)];
    Table { columns: &columns, rows: &checks, selected: None }.render(
        Rect { height: (checks.len() as u16 + 1).min(below(1).height), ..below(1) },
        buffer,
        theme,
    );
    let differences: Vec<Vec<(String, Style)>> = fairness
        .differences
        .iter()
        .map(|difference| {
            let mut row = vec![(printable(&difference.key), theme.text())];
            row.extend(difference.values.iter().zip(styles).map(|(value, style)| (printable(value), style)));
            row
        })
        .collect();
    // A blank row between the tables, if there is room.
    let used = checks.len() as u16 + 2;
    let gap = u16::from(below(used).height > differences.len() as u16 + 1);
    let columns = [column("differs", 0), column(&names[0], 0), column(&names[1], 0)];
    Table { columns: &columns, rows: &differences, selected: None }.render(below(used + gap), buffer, theme);
}

/// Whether two lanes may be compared, in words.
pub(super) fn said(app: &App) -> Vec<String> {
    let Some((a, b)) = app.pair() else { return Vec::new() };
    let names = [lanes::name(app, a), lanes::name(app, b)];
    let fairness = a.started().zip(b.started()).and_then(|(a, b)| compare(a, b));
    let Some(fairness) = fairness.map(|fairness| fairness.with_orders(a.orders(), b.orders())) else {
        return vec![format!("it is unknown whether {} and {} may be compared", names[0], names[1])];
    };
    let (.., verdict) = verdict(app, (a, b), &fairness, &Theme::default());
    let pair = |[left, right]: &[String; 2]| format!("{} {left}, {} {right}", names[0], names[1]);
    let checks = fairness.checks.iter().map(|check| {
        let equal = if check.equal { "equal" } else { "not equal" };
        format!("must be equal, {}: {equal}; {}", check.name, pair(&check.values))
    });
    let differences =
        fairness.differences.iter().map(|found| format!("differs, {}: {}", found.key, pair(&found.values)));
    let said = format!("{} and {}: {verdict}", names[0], names[1]);
    std::iter::once(said).chain(checks).chain(differences).collect()
}

/// The mark and the words of a comparison.
fn verdict(
    app: &App,
    (a, b): (&Lane, &Lane),
    fairness: &Fairness,
    theme: &Theme,
) -> (Glyph, Style, &'static str) {
    let diverged = [a, b].iter().any(|lane| lane.diverged_since(app.step()).is_some());
    match (fairness.is_fair(), fairness.differs_in_shortcut_only()) {
        _ if diverged => (Glyph::Error, theme.error(), "not comparable: diverged"),
        (_, true) => (Glyph::Check, theme.good(), "differ in the shortcut only"),
        (true, false) => (Glyph::Check, theme.good(), "may be compared"),
        (false, _) => (Glyph::Warning, theme.warning(), "may not be compared"),
    }
}

fn draw_verdict(
    app: &App,
    (a, b): (&Lane, &Lane),
    fairness: &Fairness,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let (glyph, style, verdict) = verdict(app, (a, b), fairness, theme);
    let name = |lane| Span::styled(lanes::name(app, lane), lanes::style(lane, theme));
    let spans = vec![
        Span::styled(format!("{} ", theme.glyph(glyph)), style),
        name(a),
        Span::raw(" and "),
        name(b),
        Span::styled(format!(" {verdict} "), style),
    ];
    lanes::title(buffer, area, spans, theme);
}
