//! The loss around the weights, as the probe `surface` measured it last up to the cursor's step: a map of the plane for
//! each lane on one scale, and the line through the weights of all lanes in one chart.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::explain::words;
use super::{Empty, Key, Number, Scene, Topic, View, curves, empty, lanes, numbers, probes, told};
use crate::app::{App, Chosen, Lane, ViewKind, Wanted};
use crate::metric::{Metric, probed};
use crate::theme::Theme;
use crate::widgets::{self, ColorScale, Heatmap, Legend, Matrix};

/// The surface view.
#[derive(Debug)]
pub(super) struct Surface;

/// The least width of a lane's map.
const LEAST_COLUMN: u16 = 24;
/// The width of the numbers beside a map.
const LABELS: u16 = 5;
/// The least height at which maps leave room for the chart of lines.
const LEAST_BOTH: u16 = 20;

/// What the view draws.
const SHOWN: [Metric; 3] = [probed::SURFACE_LOSS, probed::SURFACE_LINE, probed::SURFACE_SHARPNESS];

impl View for Surface {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "surface", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        SHOWN.into_iter().any(|metric| has(app, metric))
    }

    fn title(&self) -> &'static str {
        "the loss around the weights, one scale for all lanes"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Left, Key::Char('y')]
    }

    fn wants(&self, _: &App) -> Vec<Wanted> {
        [Wanted::Cursor].into_iter().chain(SHOWN.map(Wanted::History)).collect()
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        match areas(app, area) {
            (Some(maps), _) => {
                lanes::columns(app, maps, LEAST_COLUMN).into_iter().map(|(lane, _)| lane).collect()
            }
            (None, _) => app.visible_lanes().collect(),
        }
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_probes(app, "surface", self.fits(app))
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        SHOWN.into_iter().flat_map(|metric| numbers::at_cursor(app, metric)).collect()
    }

    fn told(&self, app: &App) -> Vec<String> {
        let sharpness = app.visible_lanes().filter_map(|lane| {
            let metric = probed::SURFACE_SHARPNESS;
            let value = lane.scalar(metric).at(app.step())?.across(0..1)?.last;
            Some(format!("{metric}: {} {}", lanes::name(app, lane), told::value(metric, value)))
        });
        let line = probed::SURFACE_LINE;
        let about = has(app, line).then(|| format!("{line}: {}", line.about()));
        sharpness.chain(about).chain(told::by_axis(app, line)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let shown = SHOWN.into_iter().chain([probed::SURFACE_SHARPNESS]).filter(|metric| has(app, *metric));
        let words = [&words::PROBE, &words::COLOUR_SCALE, &words::SCALE].map(Topic::Word);
        shown.map(Topic::Metric).chain(words).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let buffer = &mut *scene.buffer;
        let area = area.intersection(buffer.area);
        let (maps, line) = areas(app, area);
        if let Some(maps) = maps.filter(|maps| maps.height > 0) {
            draw_maps(app, maps, buffer, theme);
        }
        if let Some(line) = line {
            probes::draw_chart(app, probed::SURFACE_LINE, line, buffer, theme);
        }
    }
}

/// Whether a visible lane declares a metric.
fn has(app: &App, metric: Metric) -> bool {
    app.visible_lanes().any(|lane| lane.declared().metrics().contains(&metric))
}

/// The area of the maps with their legend, and that of the chart of lines.
fn areas(app: &App, area: Rect) -> (Option<Rect>, Option<Rect>) {
    match [probed::SURFACE_LOSS, probed::SURFACE_LINE].map(|metric| has(app, metric)) {
        [true, true] if area.height >= LEAST_BOTH => {
            let above = Rect { height: area.height * 3 / 5, ..area };
            let below = Rect { y: above.bottom(), height: area.height - above.height, ..area };
            (Some(above), Some(below))
        }
        [true, _] => (Some(area), None),
        [false, _] => (None, Some(area)),
    }
}

fn draw_maps(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let metric = probed::SURFACE_LOSS;
    let legend = Rect { y: area.bottom() - 1, height: 1, ..area };
    let above = Rect { height: area.height - 1, ..area };
    let panels: Vec<(&Lane, Rect, Option<Matrix>)> = lanes::columns(app, above, LEAST_COLUMN)
        .into_iter()
        // The second direction goes upward.
        .map(|(lane, area)| (lane, area, curves::at_cursor(app, lane, metric).map(Matrix::upside_down)))
        .collect();
    let extents = panels.iter().filter_map(|(.., matrix)| matrix.as_ref()).flat_map(|m| m.cells().to_vec());
    let scale = curves::color_scale(metric, ColorScale::robust(extents, curves::is_log(app, metric)));
    for (lane, area, matrix) in &panels {
        widgets::put_line(buffer, *area, 0, &heading(app, lane, area.width, theme));
        let body = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..*area };
        let Some(matrix) = matrix else {
            let text = curves::absence(app, Wanted::History(metric), "not measured yet");
            widgets::put_centered(buffer, body, body.height / 2, text, theme.muted());
            continue;
        };
        let rows = matrix.rows();
        let middle = rows / 2;
        // The second direction goes upward.
        let name = |row: usize| widgets::short(lane.axis_place(metric, rows - 1 - row));
        let ends = ends(lane);
        Heatmap {
            matrix,
            scale,
            row_name: &name,
            is_tick: &|row, every| row.abs_diff(middle).is_multiple_of(every),
            anchor: Some(middle),
            label_width: LABELS,
            x: ends,
            x_name: "",
            cursor_row: Some(middle),
            cursor_x: Some(0.0),
        }
        .render(body, buffer, theme);
    }
    Legend { scale, title: metric.name(), pointer: None }.render(legend, buffer, theme);
}

/// The ends of the first direction: half a point before the first and after the last.
fn ends(lane: &Lane) -> (f64, f64) {
    let points = lane.columns(probed::SURFACE_LINE).len();
    let place = |at| lane.axis_place(probed::SURFACE_LINE, at);
    let (first, last) = (place(0), place(points.saturating_sub(1)));
    let half = (last - first) / (2 * points.saturating_sub(1).max(1)) as f64;
    (first - half, last + half)
}

/// A lane with its sharpness.
fn heading(app: &App, lane: &Lane, width: u16, theme: &Theme) -> Line<'static> {
    let style = lanes::style(lane, theme);
    let sharpness = lane.scalar(probed::SURFACE_SHARPNESS).at(app.step()).and_then(|row| row.last(0));
    let sharpness =
        sharpness.map(|x| format!("  sharpness {}", crate::printable::percent(x))).unwrap_or_default();
    let room = usize::from(width).saturating_sub(2 + widgets::width(&sharpness));
    Line::from(vec![
        Span::styled(format!("{} ", theme.lane_swatch(lane.idx().0)), style),
        Span::styled(lanes::name_within(app, lane, room, theme), theme.text()),
        Span::styled(sharpness, theme.muted()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;
    use crate::app::specimen::{Specimen, app_with};
    use crate::event::{Kind, Value};
    use crate::metric::{Axis, Points, known};
    use crate::views::{Format, snapshot};

    /// A bowl whose floor is in the middle, deeper for the first lane.
    fn measured() -> App {
        let lanes = [Specimen::new("plain", 20, "none"), Specimen::new("residual", 20, "identity")];
        let mut count = 0;
        let mut app = app_with(&lanes, |event| match &mut event.kind {
            Kind::LaneStarted(started) => {
                started.declared.metrics.extend(SHOWN);
                let axis = |name: &str| Axis {
                    name: name.to_owned(),
                    points: Points::Numbers(vec![-1.0, -0.5, 0.0, 0.5, 1.0]),
                };
                started.declared.axes.extend([probed::ALPHA, probed::BETA].map(axis));
            }
            Kind::Measured(values) if event.step.0 == 20 && values.get(known::LOSS).is_some() => {
                count += 1;
                let places = [-2.0f32, -1.0, 0.0, 1.0, 2.0];
                let bowl: Vec<f32> =
                    places.iter().flat_map(|b| places.map(|a| count as f32 + a * a + 4.0 * b * b)).collect();
                values.insert(probed::SURFACE_LOSS, Value::Numbers(bowl));
                values.insert(probed::SURFACE_LINE, Value::Numbers(places.map(|a| a * a).to_vec()));
                values.insert(probed::SURFACE_SHARPNESS, Value::Number(0.25));
            }
            _ => {}
        });
        app.act(Action::SelectView(Surface.kind()));
        app
    }

    #[test]
    fn both_lanes_are_on_one_scale_with_their_sharpness() {
        let app = measured();
        let lanes: Vec<&Lane> = app.visible_lanes().collect();
        let found: Vec<Matrix> = lanes
            .iter()
            .map(|lane| curves::at_cursor(&app, lane, probed::SURFACE_LOSS).unwrap().upside_down())
            .collect();
        let at = |m: &Matrix, row, column| m.extent((row, row + 1), (column, column + 1)).range().unwrap().0;
        assert_eq!([at(&found[0], 2, 2), at(&found[0], 0, 2), at(&found[0], 2, 0)], [1.0, 17.0, 5.0]);
        assert_eq!(at(&found[1], 2, 2), 2.0);
        assert_eq!(ends(lanes[0]), (-1.25, 1.25));
        let frame = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
        assert!(frame.contains("plain  sharpness 25") && frame.contains("residual  sharpness 25"), "{frame}");
        assert!(frame.contains("surface_loss") && frame.contains("surface_line"), "{frame}");
    }
}
