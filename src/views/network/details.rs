//! The selected layer of the selected lane in words, with what was found there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{name_of, plan};
use crate::app::health::Finding;
use crate::app::{App, Lane};
use crate::printable::printable;
use crate::structure::Dimensions;
use crate::theme::Theme;
use crate::units::LayerIdx;
use crate::views::{chrome, lanes};
use crate::widgets;

/// Draws a line about the layer, and one for each of its findings as far as there is room, the worst first.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let Some(lane) = app.lane(app.selected_lane()).filter(|_| area.height > 0) else { return };
    let name = lanes::name_within(app, lane, usize::from(area.width) / 3, theme);
    let mut spans = vec![Span::styled(
        format!("{} {name}  ", theme.lane_swatch(lane.idx().0)),
        lanes::style(lane, theme),
    )];
    let Some(layer) = app.layer_in(lane) else {
        spans.push(Span::styled("has no layer this deep", theme.muted()));
        widgets::put_line(buffer, area, 0, &Line::from(spans));
        return;
    };
    let name = lane.structure().map(|structure| name_of(structure, layer)).unwrap_or_default();
    let used = spans.iter().map(|span| widgets::width(&span.content)).sum::<usize>() + widgets::width(&name);
    let room = usize::from(area.width).saturating_sub(used);
    spans.push(Span::styled(name, theme.heading()));
    spans.push(Span::styled(widgets::clip(&facts(lane, layer), room, theme), theme.muted()));
    widgets::put_line(buffer, area, 0, &Line::from(spans));
    for (row, finding) in
        findings(app, lane, layer).into_iter().take(usize::from(area.height) - 1).enumerate()
    {
        let (mark, style) = chrome::severity(finding.severity, theme);
        let rule = finding.rule.replace('_', " ");
        let text =
            format!("  since step {}: {}", widgets::grouped(finding.step.0), printable(&finding.message));
        let used = widgets::width(&rule) + 2;
        let text = widgets::clip(&text, usize::from(area.width).saturating_sub(used), theme);
        let line =
            Line::from(vec![Span::styled(format!("{mark} {rule}"), style), Span::styled(text, theme.text())]);
        widgets::put_line(buffer, area, row as u16 + 1, &line);
    }
}

/// Kind, block, shape and sizes of a layer, what is known of them.
fn facts(lane: &Lane, at: LayerIdx) -> String {
    let Some((structure, layer)) = lane.structure().and_then(|all| Some((all, all.layer(at)?))) else {
        return String::new();
    };
    let rail = plan::rails(structure).into_iter().nth(at.0);
    let block = rail.and_then(|rail| Some((rail.block?, plan::block(structure, rail)?)));
    let parts = [
        Some(printable(&layer.kind)).filter(|kind| !kind.is_empty()),
        Some("frozen".to_owned()).filter(|_| layer.frozen),
        Some(format!("depth {}", structure.depth_of(at))),
        block.map(|(idx, block)| {
            format!(
                "block {} of {}, shortcut {}",
                idx.0 + 1,
                structure.blocks.len(),
                plan::shortcut_in_words(block)
            )
        }),
        Some(format!("to {}", Dimensions(&layer.output))).filter(|_| !layer.output.is_empty()),
        layer.parameters.map(|count| format!("{} parameters", widgets::grouped(count))),
        layer.multiply_adds.map(|count| format!("{} multiply-adds", widgets::grouped(count))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("  {}", parts.join(", "))
}

/// The open findings of a layer, the worst first; behind them those of the whole lane.
fn findings<'a>(app: &App, lane: &'a Lane, layer: LayerIdx) -> Vec<&'a Finding> {
    let open = || lane.health().open_at(app.step());
    let is_here = |finding: &&Finding| finding.layer.is_none_or(|at| at == layer);
    let mut all: Vec<&Finding> = open().filter(is_here).collect();
    all.sort_by_key(|finding| (finding.layer.is_none(), std::cmp::Reverse(finding.severity)));
    all
}
