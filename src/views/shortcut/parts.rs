//! The parts of the cursor's block over time, for a statistic that has several numbers for each block: the heads of its
//! attention, from top to bottom. Of one lane: the selected one, or the first that has any.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Command, Hits, curves, heatmap, lanes, shown};
use crate::app::{Action, App, Lane, Wanted};
use crate::metric::Metric;
use crate::printable::printable;
use crate::theme::Theme;
use crate::units::Step;
use crate::widgets::{self, ColorScale, Heatmap, Legend, Matrix};

/// The width of the labels.
const LABELS: u16 = 3;

/// The parts of a block.
pub(super) struct Parts<'a> {
    lane: &'a Lane,
    statistic: Metric,
    /// What they are, in a word.
    axis: &'static str,
    /// The place of the block.
    block: usize,
    area: Rect,
    matrix: Matrix,
}

/// The parts in an area; none for a statistic that has one number for each block, or without a lane.
pub(super) fn of<'a>(app: &'a App, statistic: Metric, area: Rect) -> Option<Parts<'a>> {
    let &[_, axis, ..] = statistic.axes() else { return None };
    let mut lanes = shown(app, statistic);
    lanes.retain(|lane| lane.declared().metrics().contains(&statistic));
    let selected = lanes.iter().find(|lane| lane.idx() == app.selected_lane());
    let lane = *selected.or(lanes.first())?;
    let block = app.block_in(lane)?.0;
    let numbers = lane.columns(statistic).into_iter().nth(block)??;
    let rows: Vec<_> = numbers.map(|number| Some(number..number + 1)).collect();
    let width = body(area).width.saturating_sub(LABELS + 1);
    let matrix = heatmap::matrix(lane, statistic, &rows, width, heatmap::steps(app));
    Some(Parts { lane, statistic, axis, block, area, matrix })
}

/// The part below the title and above the legend.
fn body(area: Rect) -> Rect {
    let legend = u16::from(area.height > 4);
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1 + legend), ..area }
}

impl Parts<'_> {
    pub(super) fn render(&self, app: &App, buffer: &mut Buffer, hits: &mut Hits, theme: &Theme) {
        let title = Rect { height: self.area.height.min(1), ..self.area };
        let text = format!(" at block {} by {} over time", self.block + 1, printable(self.axis));
        let name = Span::raw(lanes::name(app, self.lane));
        let swatch = format!("{} ", theme.lane_swatch(self.lane.idx().0));
        let spans = vec![
            Span::styled(swatch, lanes::style(self.lane, theme)),
            name,
            Span::styled(text, theme.heading()),
        ];
        widgets::put_line(buffer, title, 0, &Line::from(spans));
        let is_measured = self.matrix.cells().iter().any(|cell| cell.range().is_some());
        let body = body(self.area);
        if !is_measured {
            let none = format!("no {} in this block", self.statistic);
            let text = curves::absence(app, Wanted::History(self.statistic), &none);
            widgets::put_centered(buffer, body, body.height / 2, text, theme.muted());
            return;
        }
        let scale =
            ColorScale::robust(self.matrix.cells().iter().copied(), curves::is_log(app, self.statistic));
        let scale = curves::color_scale(self.statistic, scale);
        let axis = self.lane.declared().axis(self.axis);
        let label = |row: usize| {
            let label = axis.and_then(|axis| axis.points.label(row)).unwrap_or_default();
            widgets::clip(&printable(&label), LABELS.into(), theme)
        };
        let cells = self.map(app, scale, &label).render(body, buffer, theme);
        hits.on(cells.area, move |_, position| {
            let step = |(_, x): (usize, f64)| Action::SelectStep(Step(x.max(0.0).round() as u64));
            cells.at(position).map(|place| Command::Act(step(place))).into_iter().collect()
        });
        if body.bottom() < self.area.bottom() {
            let legend = Rect { y: body.bottom(), height: 1, ..self.area };
            Legend { scale, title: "", pointer: None }.render(legend, buffer, theme);
        }
    }

    fn map<'a>(&'a self, app: &App, scale: ColorScale, row_name: &'a dyn Fn(usize) -> String) -> Heatmap<'a> {
        Heatmap {
            matrix: &self.matrix,
            scale,
            row_name,
            label_width: LABELS,
            x: heatmap::steps(app),
            x_name: "step",
            is_tick: &|row, every| row == 0 || (row + 1).is_multiple_of(every),
            anchor: None,
            cursor_row: None,
            cursor_x: Some(app.step().0 as f64),
        }
    }
}
