//! The lines below the charts: what the chosen statistic is in the first and in the second half of the blocks, the shortcut
//! at the cursor, and what the statistic means.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{has_shortcuts, is_plain, lanes, shown, statistics};
use crate::app::comparison::{Halves, halves};
use crate::app::{App, Lane};
use crate::metric::{Metric, Scale};
use crate::printable::printable;
use crate::theme::Theme;
use crate::widgets;

/// How many lines there are, if there is room.
pub(super) fn lines(app: &App) -> u16 {
    let plain = usize::from(unmeasured(app).next().is_some());
    (shown(app, statistics(app)[0]).len() + plain + 1) as u16
}

/// The plain lanes that have nothing to show.
fn unmeasured(app: &App) -> impl Iterator<Item = &Lane> {
    let measured = shown(app, statistics(app)[0]);
    let is_measured = move |lane: &&Lane| !measured.iter().any(|other| other.idx() == lane.idx());
    app.visible_lanes().filter(|lane| is_plain(lane)).filter(is_measured)
}

/// Draws a line for each lane, one for those without shortcuts, and what the statistic means.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    for (row, line) in all(app, area.width, theme).iter().take(usize::from(area.height)).enumerate() {
        widgets::put_line(buffer, area, row as u16, line);
    }
}

/// The lines about lanes in words, without their marks.
pub(super) fn said(app: &App) -> Vec<String> {
    let mut lines = all(app, u16::MAX, &Theme::default());
    // The last one is about the statistic.
    lines.pop();
    let words =
        |line: &Line<'_>| line.spans.iter().skip(1).map(|span| span.content.as_ref()).collect::<String>();
    lines.iter().map(words).collect()
}

fn all<'a>(app: &App, width: u16, theme: &Theme) -> Vec<Line<'a>> {
    let statistic = statistics(app)[0];
    let of_lane = |lane| of_lane(app, lane, statistic, width, theme);
    let mut lines: Vec<Line<'_>> = shown(app, statistic).into_iter().map(of_lane).collect();
    let plain: Vec<&Lane> = unmeasured(app).collect();
    if !plain.is_empty() {
        let mut spans = Vec::new();
        for lane in &plain {
            let swatch = format!("{} ", theme.lane_swatch(lane.idx().0));
            spans.extend([
                Span::styled(swatch, lanes::style(lane, theme)),
                Span::raw(lanes::name(app, lane) + " "),
            ]);
        }
        let text = match plain.len() {
            1 => " is plain: its blocks have no shortcut, so there is no branch to compare",
            _ => " are plain: their blocks have no shortcut, so there is no branch to compare",
        };
        spans.push(Span::styled(text, theme.muted()));
        lines.push(Line::from(spans));
    }
    lines.push(Line::styled(printable(statistic.about()), theme.muted()));
    lines
}

/// A lane: the halves of its depth, and the shortcut of the cursor's block.
fn of_lane(app: &App, lane: &Lane, statistic: Metric, width: u16, theme: &Theme) -> Line<'static> {
    let swatch = format!("{} ", theme.lane_swatch(lane.idx().0));
    let mut spans = vec![Span::styled(swatch, lanes::style(lane, theme)), Span::raw(lanes::name(app, lane))];
    let row = lane.at(statistic, app.step());
    let values: Option<Vec<f32>> = row.map(|row| {
        let columns = lane.columns(statistic).into_iter();
        columns
            .map(|columns| columns.and_then(|c| row.across(c)).map_or(f32::NAN, |cell| cell.last))
            .collect()
    });
    if let Some(halves) = values.as_deref().and_then(halves) {
        spans.push(Span::styled(format!("  {}", compared(&halves, statistic)), theme.text()));
    }
    let block = app.block_in(lane).and_then(|block| lane.structure()?.blocks.get(block.0));
    if let Some(block) = block.filter(|_| has_shortcuts(lane)) {
        let text = format!("   {}: {}", printable(&block.name), kind(block.shortcut.as_deref()));
        let used: usize = spans.iter().map(|span| widgets::width(&span.content)).sum();
        let room = usize::from(width).saturating_sub(used);
        spans.push(Span::styled(widgets::clip(&text, room, theme), theme.muted()));
    }
    Line::from(spans)
}

/// The medians of both halves, and their ratio; of numbers of either sign, the difference.
fn compared(halves: &Halves, statistic: Metric) -> String {
    let Halves { blocks, medians: [first, second] } = halves;
    let [first, second] = [*first, *second].map(f64::from);
    let between = match statistic.scale() {
        Scale::Signed if second < first => format!("- {}", widgets::short(first - second)),
        Scale::Signed => format!("+ {}", widgets::short(second - first)),
        _ if first != 0.0 => format!("x {}", widgets::short(second / first)),
        _ => String::new(),
    };
    let [[a, b], [c, d]] = blocks;
    let (first, second) = (widgets::short(first), widgets::short(second));
    format!("median of blocks {a}-{b}: {first}, {c}-{d}: {second}, {between}")
        .trim_end_matches(", ")
        .to_owned()
}

fn kind(shortcut: Option<&str>) -> String {
    match shortcut {
        None => "no shortcut".to_owned(),
        Some("identity") => "identity shortcut".to_owned(),
        Some("zero_padding") => "every second pixel, zero channels added (option A)".to_owned(),
        Some("projection") => "1x1 projection (option B)".to_owned(),
        Some(other) => printable(other),
    }
}
