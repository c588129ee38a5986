//! The chosen statistic over depth and step: lanes side by side with a shared colour scale, so that a colour means the
//! same value in all of them.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::explain::words;
use super::{Command, Empty, Key, Number, Scene, Topic, View, curves, empty, lanes, numbers, told};
use crate::app::{Action, App, Chosen, Lane, ViewKind, Wanted};
use crate::event::is_missing;
use crate::metric::Metric;
use crate::printable::printable;
use crate::theme::Theme;
use crate::units::{LaneIdx, LayerIdx, Step};
use crate::widgets::{self, Cells, ColorScale, Extent, Legend, Matrix};

/// The heatmap view.
#[derive(Debug)]
pub(super) struct Heatmap;

/// The least width of a lane's map.
const LEAST_COLUMN: u16 = 18;

/// The width of the layers' numbers with the gap after them.
const LABELS: u16 = 3;
/// If panels of equally deep networks are narrower, only the first one numbers the layers.
const LEAST_WIDTH_OF_OWN_LABELS: u16 = 30;

/// One lane's part of the screen.
struct Panel<'a> {
    lane: &'a Lane,
    area: Rect,
    has_labels: bool,
    /// The layers shown, or the points of another axis.
    rows: Vec<usize>,
    matrix: Matrix,
    x: (f64, f64),
}

impl View for Heatmap {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "heatmap", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn title(&self) -> &'static str {
        "a statistic over depth and step, one colour scale for all lanes"
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        panels(app, area).into_iter().map(|panel| panel.lane).collect()
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Left, Key::Up, Key::Char('y')]
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        vec![Wanted::Cursor, Wanted::OverTime(app.statistic())]
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        let statistic = app.statistic();
        let is_there = app.visible_lanes().any(|lane| lane.history(statistic).is_some());
        empty::without(app, statistic, &[Wanted::History(statistic)], is_there)
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        numbers::all_over_time(app, app.statistic())
    }

    fn told(&self, app: &App) -> Vec<String> {
        let statistic = app.statistic();
        let about = format!("{statistic} over all steps: {}", statistic.about());
        std::iter::once(about).chain(told::over_time(app, statistic)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words =
            [&words::COLOUR_SCALE, &words::LAYER, &words::DEPTH, &words::STEM, &words::HEAD, &words::SCALE];
        [Topic::Metric(app.statistic())].into_iter().chain(words.map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let panels = panels(app, area);
        let statistic = app.statistic();
        let extents = panels.iter().flat_map(|panel| panel.matrix.cells().iter().copied());
        let scale = ColorScale::robust(extents, curves::is_log(app, statistic));
        let scale = curves::color_scale(statistic, scale);
        for panel in &panels {
            if let Some(cells) = draw_panel(app, panel, scale, buffer, theme) {
                let (lane, rows) = (panel.lane.idx(), panel.rows.clone());
                hits.plots(cells.area);
                hits.on(cells.area, move |app, position| select(app, lane, &rows, cells, position));
            }
        }
        let legend = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
        let pointer =
            app.lane(app.selected_lane()).and_then(|lane| value_at_cursor(app, lane)).map(f64::from);
        Legend { scale, title: statistic.name(), pointer }.render(legend, buffer, theme);
    }
}

/// Selects the lane of a map, and the layer and the step at a position in it; `rows` are the layers of its rows.
fn select(app: &App, lane: LaneIdx, rows: &[usize], cells: Cells, position: Position) -> Vec<Command> {
    let Some((row, x)) = cells.at(position) else { return Vec::new() };
    let of_layers = app.lane(lane).filter(|_| app.statistic().is_of_layers());
    let layer = of_layers.and_then(|lane| app.row_of(lane, LayerIdx(*rows.get(row)?)));
    let layer = layer.map(Action::SelectLayer);
    let step = Action::SelectStep(Step(x.max(0.0).round() as u64));
    [Some(Action::SelectLane(lane)), layer, Some(step)].into_iter().flatten().map(Command::Act).collect()
}

fn panels<'a>(app: &'a App, area: Rect) -> Vec<Panel<'a>> {
    // The last row is for the legend.
    let area = Rect { height: area.height.saturating_sub(1), ..area };
    let x = steps(app);
    let mut columns = lanes::columns(app, area, LEAST_COLUMN);
    let narrow = columns.first().is_some_and(|(_, area)| area.width < LEAST_WIDTH_OF_OWN_LABELS);
    let layers = |lane: &Lane| lane.structure().map(|structure| structure.layers.len());
    let shared = narrow && columns.windows(2).all(|pair| layers(pair[0].0) == layers(pair[1].0));
    if shared {
        // The numbers of the first one are placed before it, so that all maps have the same width.
        let labels = (LABELS + 1).min(area.width);
        let rest = Rect { x: area.x + labels, width: area.width - labels, ..area };
        columns = lanes::columns(app, rest, LEAST_COLUMN);
        if let Some((_, first)) = columns.first_mut() {
            *first = Rect { x: area.x, width: first.width + labels, ..*first };
        }
    }
    let panel = |(at, (lane, area)): (usize, (&'a Lane, Rect))| {
        let columns = lane.columns(app.statistic());
        let is_shown = |at: &usize| !app.statistic().is_of_layers() || app.shows_layer(lane, LayerIdx(*at));
        let mut rows: Vec<usize> = (0..columns.len()).filter(is_shown).collect();
        if let Some(part) = app.part() {
            rows = rows[part.items(rows.len())].to_vec();
        }
        let shown: Vec<_> = rows.iter().map(|at| columns[*at].clone()).collect();
        let matrix = matrix(lane, app.statistic(), &shown, area.width, x);
        Panel { lane, area, has_labels: at == 0 || !shared, rows, matrix, x }
    };
    columns.into_iter().enumerate().map(panel).collect()
}

/// The ends of the axis of steps: a step extends from half a step before it to half a step after it.
pub(super) fn steps(app: &App) -> (f64, f64) {
    if let Some((first, last)) = app.range() {
        return (first.0 as f64 - 0.5, last.0 as f64 + 0.5);
    }
    (0.5, app.planned_steps().0.max(1) as f64 + 0.5)
}

/// A row for each of these ranges of a statistic's numbers, such as those of a layer, and a column per cell of the screen;
/// each covers all recorded steps that fall into it.
pub(super) fn matrix(
    lane: &Lane,
    statistic: Metric,
    rows: &[Option<Range<usize>>],
    width: u16,
    x: (f64, f64),
) -> Matrix {
    if lane.history(statistic).is_none() {
        return Matrix::default();
    }
    let columns = usize::from(width).max(1);
    let mut matrix = Matrix::new(rows.len(), columns);
    let column = |place: f64| (place - x.0) / (x.1 - x.0) * columns as f64;
    // Where each row is one number of a record and they follow each other, as those of layers do.
    let first = rows.first().and_then(|row| row.as_ref()).map(|row| row.start);
    let follow = |(at, row): (usize, &Option<Range<usize>>)| {
        first.is_some_and(|first| *row == Some(first + at..first + at + 1))
    };
    let straight = first.filter(|_| rows.iter().enumerate().all(follow));
    let mut gathered = Gathered::new(rows.len());
    let mut recorded = lane.rows(statistic).peekable();
    while let Some(row) = recorded.next() {
        // A record extends to the next one, so that sparse records leave no gaps.
        let span = row.span;
        let next = recorded.peek().map_or(span.last_step.0, |next| next.span.first_step.0.saturating_sub(1));
        let last = next.max(span.last_step.0);
        let from = column(span.first_step.0 as f64 - 0.5).floor().max(0.0) as usize;
        let to = column(last as f64 + 0.5).ceil().min(columns as f64) as usize;
        let exact = row.numbers().zip(straight).and_then(|(all, first)| all.get(first..first + rows.len()));
        for column in from..to {
            if let Some(numbers) = exact {
                gathered.add(column, numbers, &mut matrix);
                continue;
            }
            for (place, numbers) in rows.iter().enumerate() {
                let Some(numbers) = numbers else { continue };
                let extent = match row.numbers() {
                    Some(all) => all.get(numbers.clone()).unwrap_or_default().iter().copied().collect(),
                    None => row.across(numbers.clone()).map(curves::extent).unwrap_or_default(),
                };
                matrix.merge(place, column, extent);
            }
        }
    }
    gathered.flush(&mut matrix);
    matrix
}

/// The extents of all rows in one column, gathered before they are merged into a matrix: thousands of records may share a
/// column, and such lists are compared several numbers at a time.
struct Gathered {
    column: usize,
    least: Vec<f32>,
    greatest: Vec<f32>,
    non_finite: Vec<bool>,
}

impl Gathered {
    fn new(rows: usize) -> Gathered {
        let (least, greatest) = (vec![f32::INFINITY; rows], vec![f32::NEG_INFINITY; rows]);
        Gathered { column: 0, least, greatest, non_finite: vec![false; rows] }
    }

    /// Adds a number of each row in a column.
    fn add(&mut self, column: usize, numbers: &[f32], matrix: &mut Matrix) {
        if column != self.column {
            self.flush(matrix);
            self.column = column;
        }
        for (least, number) in self.least.iter_mut().zip(numbers) {
            *least = least.min(if number.is_finite() { *number } else { f32::INFINITY });
        }
        for (greatest, number) in self.greatest.iter_mut().zip(numbers) {
            *greatest = greatest.max(if number.is_finite() { *number } else { f32::NEG_INFINITY });
        }
        for (non_finite, number) in self.non_finite.iter_mut().zip(numbers) {
            *non_finite |= !number.is_finite() && !is_missing(*number);
        }
    }

    /// Merges what was gathered, and begins anew.
    fn flush(&mut self, matrix: &mut Matrix) {
        for (row, (min, (max, non_finite))) in
            self.least.iter_mut().zip(self.greatest.iter_mut().zip(&mut self.non_finite)).enumerate()
        {
            matrix.merge(row, self.column, Extent { min: *min, max: *max, non_finite: *non_finite });
            (*min, *max, *non_finite) = (f32::INFINITY, f32::NEG_INFINITY, false);
        }
    }
}

/// The part of a panel below its title.
fn body(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}

fn map<'a>(
    app: &App,
    panel: &'a Panel<'_>,
    scale: ColorScale,
    row_name: &'a dyn Fn(usize) -> String,
    is_tick: &'a dyn Fn(usize, usize) -> bool,
) -> widgets::Heatmap<'a> {
    widgets::Heatmap {
        matrix: &panel.matrix,
        scale,
        row_name,
        label_width: if panel.has_labels { LABELS } else { 0 },
        x: panel.x,
        x_name: "step",
        is_tick,
        anchor: None,
        cursor_row: app
            .layer_in(panel.lane)
            .filter(|_| app.statistic().is_of_layers())
            .and_then(|layer| panel.rows.iter().position(|row| *row == layer.0)),
        cursor_x: Some(app.step().0 as f64),
    }
}

/// Draws a panel, and returns where its cells are; none without any.
fn draw_panel(
    app: &App,
    panel: &Panel<'_>,
    scale: ColorScale,
    buffer: &mut Buffer,
    theme: &Theme,
) -> Option<Cells> {
    let title = Rect { height: panel.area.height.min(1), ..panel.area };
    widgets::put_line(buffer, title, 0, &heading(app, panel.lane, title.width, theme));
    let first = panel.rows.first().copied().unwrap_or(0);
    // Of some layers, the names are those of every n-th that is shown.
    let are_all = panel.rows.last().is_none_or(|last| last + 1 - first == panel.rows.len());
    let is_tick = |row: usize, every: usize| {
        let at = if are_all { first + row } else { row };
        at == 0 || (at + 1).is_multiple_of(every)
    };
    let depth = |row: usize| {
        let row = panel.rows.get(row).copied().unwrap_or(0);
        let structure = panel.lane.structure().filter(|structure| row < structure.layers.len());
        if !app.statistic().is_of_layers() {
            let label = panel.lane.axis_label(app.statistic(), row).unwrap_or_default();
            return widgets::clip(&printable(&label), LABELS.into(), theme);
        }
        structure.map(|structure| structure.depth_of(LayerIdx(row)).to_string()).unwrap_or_default()
    };
    if panel.matrix.rows() == 0 {
        let none = format!("no {} recorded", app.statistic());
        let text = curves::absence(app, Wanted::History(app.statistic()), &none);
        widgets::put_centered(buffer, body(panel.area), panel.area.height / 2, text, theme.muted());
        return None;
    }
    Some(map(app, panel, scale, &depth, &is_tick).render(body(panel.area), buffer, theme))
}

/// The lane, and the value at the cursor with its layer, as far as they fit: the layer is left out first, then the name
/// is cut, and the value last.
fn heading(app: &App, lane: &Lane, width: u16, theme: &Theme) -> Line<'static> {
    let selected = lane.idx() == app.selected_lane() && app.visible_lanes().count() > 1;
    let name_style = if selected { theme.heading() } else { theme.text() };
    let style = lanes::style(lane, theme);
    let value = value_at_cursor(app, lane).map(|value| format!("  {}", widgets::short(value.into())));
    let value = value.unwrap_or_default();
    let room = usize::from(width).saturating_sub(2 + widgets::width(&value));
    let name = lanes::name_within(app, lane, room, theme);
    let used = 2 + widgets::width(&name) + widgets::width(&value);
    let mut spans = vec![
        Span::styled(format!("{} ", theme.lane_swatch(lane.idx().0)), style),
        Span::styled(name, name_style),
        Span::styled(value, style),
    ];
    let layer = app.layer_in(lane).and_then(|idx| {
        let structure = lane.structure()?;
        Some((structure.depth_of(idx), structure.layer(idx)?))
    });
    if let Some((depth, layer)) = layer.filter(|_| app.statistic().is_of_layers()) {
        let texts = [format!("  layer {depth} {}", printable(&layer.name)), format!("  layer {depth}")];
        let fitting = texts.into_iter().find(|text| used + widgets::width(text) <= usize::from(width));
        spans.extend(fitting.map(|text| Span::styled(text, theme.muted())));
    }
    Line::from(spans)
}

fn value_at_cursor(app: &App, lane: &Lane) -> Option<f32> {
    let layer = app.layer_in(lane).filter(|_| app.statistic().is_of_layers())?;
    lane.layer_value(app.statistic(), app.step(), layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;

    #[test]
    fn a_click_on_the_cursor_leaves_it_where_it_is() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectStep(Step(150)));
        let area = Rect::new(0, 1, 120, 36);
        let panel = &panels(&app, area)[1];
        let position = Position { x: panel.area.x + panel.area.width / 2 + 2, y: panel.area.y + 18 };
        let click = |app: &mut App| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
            let mut scene = Scene::new(&mut buffer);
            Heatmap.render(app, area, &mut scene, &Theme::default());
            for command in scene.hits.click(app, position) {
                let Command::Act(action) = command else { panic!("{command:?}") };
                app.act(action);
            }
        };
        click(&mut app);
        let (lane, row, step) = (app.selected_lane(), app.row(), app.step());
        assert_eq!(lane.0, 1);
        assert!(step.0.abs_diff(150) < 10, "{step}");
        click(&mut app);
        assert_eq!((app.selected_lane(), app.row(), app.step()), (lane, row, step));
    }

    #[test]
    fn what_is_gathered_is_what_is_merged_one_by_one() {
        let records: Vec<Vec<f32>> = (0..40)
            .map(|at| {
                (0..7).map(|row| [1.5, -2.0, f32::NAN, f32::INFINITY, 3e38][(at * row + at) % 5]).collect()
            })
            .collect();
        let (mut gathered, mut fast, mut slow) = (Gathered::new(7), Matrix::new(7, 4), Matrix::new(7, 4));
        for (at, numbers) in records.iter().enumerate() {
            let column = at * 5 % 4;
            gathered.add(column, numbers, &mut fast);
            for (row, number) in numbers.iter().enumerate() {
                slow.merge(row, column, Extent::of(*number));
            }
        }
        gathered.flush(&mut fast);
        assert_eq!(fast, slow);
    }

    #[test]
    fn the_scale_spans_both_lanes() {
        let app = specimen::plain_beside_residual();
        let panels = panels(&app, Rect::new(0, 0, 100, 30));
        let of = |panel: &Panel<'_>| {
            panel.matrix.cells().iter().copied().fold(Extent::EMPTY, |mut all, cell| {
                all.merge(cell);
                all
            })
        };
        let scale = ColorScale::fit(panels.iter().map(of), true);
        for panel in &panels {
            let (min, max) = of(panel).range().unwrap();
            assert!(
                scale.axis().low() <= f64::from(min) * 1.001 && scale.axis().high() >= f64::from(max) * 0.999
            );
        }
    }
}
