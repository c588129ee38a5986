//! What probes measured, as it was at the cursor's step: a chart for each of their metrics over blocks or along a
//! direction, all lanes on one scale, maps of how alike blocks are, in a lane and
//! between two, and a line with the
//! single numbers of each lane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::explain::words;
use super::tiles::{self, tiles};
use super::{Empty, Key, Number, Scene, Topic, View, curves, empty, lanes, numbers, told};
use crate::app::comparison::median;
use crate::app::{App, Chosen, Lane, ViewKind, Wanted};
use crate::claims::{self, Alike};
use crate::history::Cell;
use crate::metric::{Metric, Shape, probed};
use crate::printable::printable;
use crate::theme::Theme;
use crate::widgets::{self, Bucket, Extent, LineChart, Series, SeriesKind};

mod alignment;

/// The probes view.
#[derive(Debug)]
pub(super) struct Probes;

impl View for Probes {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "probes", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        !alignment::maps(app).is_empty()
            || [false, true].into_iter().any(|is_single| !declared(app, is_single).is_empty())
    }

    fn title(&self) -> &'static str {
        "what probes measured by depth, and around the weights"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Left, Key::Char('y')]
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let all = [false, true].into_iter().flat_map(|is_single| declared(app, is_single));
        let of_maps = alignment::maps(app).into_iter().map(|map| map.metric());
        [Wanted::Cursor].into_iter().chain(all.chain(of_maps).map(Wanted::History)).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_probes(app, "", self.fits(app))
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        let all = declared(app, true).into_iter().chain(declared(app, false));
        all.flat_map(|metric| numbers::at_cursor(app, metric)).collect()
    }

    fn told(&self, app: &App) -> Vec<String> {
        let singles = declared(app, true).into_iter().flat_map(|metric| {
            let value = move |lane: &Lane| {
                let value = lane.scalar(metric).at(app.step())?.across(0..1)?.last;
                Some(format!("{metric}: {} {}", lanes::name(app, lane), told::value(metric, value)))
            };
            app.visible_lanes().filter_map(value).collect::<Vec<_>>()
        });
        let by_axis = declared(app, false).into_iter().flat_map(|metric| {
            std::iter::once(format!("{metric}: {}", metric.about())).chain(told::by_axis(app, metric))
        });
        singles.chain(by_axis).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let all = [false, true].into_iter().flat_map(|is_single| declared(app, is_single));
        let of_maps = alignment::maps(app).into_iter().map(|map| map.metric());
        let words = [&words::PROBE, &words::BLOCK, &words::MEDIAN].map(Topic::Word);
        all.chain(of_maps).map(Topic::Metric).chain(words).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let buffer = &mut *scene.buffer;
        let (metrics, maps) = (declared(app, false), alignment::maps(app));
        let numbers: Vec<Line<'_>> =
            alike(app).iter().filter_map(|alike| numbers(app, alike, area.width, theme)).collect();
        let lines = (numbers.len() as u16).min(area.height / 4);
        let charts = Rect { height: area.height - lines, ..area };
        let places = tiles(charts, metrics.len() + maps.len(), tiles::LEAST);
        for (at, area) in places.into_iter().enumerate() {
            match (metrics.get(at), maps.get(at.wrapping_sub(metrics.len()))) {
                (Some(metric), _) => draw_chart(app, *metric, area, buffer, theme),
                (None, Some(map)) => map.draw(app, area, buffer, theme),
                (None, None) => {}
            }
        }
        let below = Rect { y: charts.bottom(), height: lines, ..area };
        for (row, line) in numbers.iter().take(lines.into()).enumerate() {
            widgets::put_line(buffer, below, row as u16, line);
        }
    }
}

/// The visible lanes, with those together that differ in their seeds.
fn alike(app: &App) -> Vec<Alike<'_>> {
    claims::alike(app.visible_lanes(), |lane| lanes::name(app, lane))
}

/// The metrics of probes that a visible lane declares: single numbers, or numbers over one axis.
fn declared(app: &App, is_single: bool) -> Vec<Metric> {
    let is_shown = |metric: &&Metric| match metric.shape() {
        Shape::Scalar => is_single,
        // The surface and pictures have views of their own.
        Shape::Numbers => {
            !is_single
                && metric.axes().len() == 1
                && !metric.is_of_layers()
                && **metric != probed::SURFACE_LINE
                && !probed::PICTURES.contains(metric)
        }
        Shape::Histograms => false,
    };
    let has = |metric: &&Metric| app.visible_lanes().any(|lane| lane.declared().metrics().contains(metric));
    probed::ALL.iter().filter(is_shown).filter(has).copied().collect()
}

/// A metric against the points of its axis: the value at the cursor's step or the last one before.
pub(super) fn draw_chart(app: &App, metric: Metric, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let shown: Vec<(&Lane, String, Vec<Bucket>)> = alike(app)
        .into_iter()
        .filter_map(|Alike { name, lanes }| {
            Some((*lanes.first()?, printable(&name), buckets(app, &lanes, metric)?))
        })
        .collect();
    let series: Vec<Series<'_>> = shown
        .iter()
        .map(|(lane, name, buckets)| Series {
            name,
            buckets,
            style: lanes::style(lane, theme),
            mark: theme.lane_swatch(lane.idx().0),
            kind: SeriesKind::Curve,
            read_out: None,
            between: None,
        })
        .collect();
    let places = shown.iter().flat_map(|(_, _, buckets)| buckets.iter().map(|bucket| bucket.x));
    if shown.iter().all(|(.., buckets)| buckets.is_empty()) {
        return draw_absence(app, metric, area, buffer, theme);
    }
    let (low, high) =
        places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let chart = LineChart {
        title: metric.name(),
        series: &series,
        x: if low < high { (low, high) } else { (0.5, 1.5) }.into(),
        x_name: metric.axis().unwrap_or("block"),
        y: None,
        spacing: curves::spacing(app, metric),
        values: curves::values(app),
        cursor: None,
        mark: None,
        reference: curves::reference(metric),
    };
    chart.render(area, buffer, theme);
}

/// The title of a metric, and why it has no chart.
fn draw_absence(app: &App, metric: Metric, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let title = widgets::clip(metric.name(), area.width.into(), theme);
    widgets::put(buffer, area, area.x, area.y, &title, theme.heading());
    let below = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
    let has_blocks = app.visible_lanes().filter_map(|lane| lane.structure()).any(|of| !of.blocks.is_empty());
    let none = if metric.is_of_blocks() && !has_blocks {
        "no lane has blocks"
    } else {
        "nothing measured up to here"
    };
    let text = curves::absence(app, Wanted::History(metric), none);
    widgets::put_centered(buffer, below, below.height / 2, text, theme.muted());
}

/// The values of lanes that differ in their seeds: median and extent; none if nothing was measured up to the cursor's
/// step.
fn buckets(app: &App, lanes: &[&Lane], metric: Metric) -> Option<Vec<Bucket>> {
    let of_lane = |lane: &&Lane| {
        let row = lane.at(metric, app.step())?;
        let cells = lane.columns(metric).into_iter().map(|columns| row.across(columns?));
        Some(cells.collect::<Vec<Option<Cell>>>())
    };
    let measured: Vec<Vec<Option<Cell>>> = lanes.iter().filter_map(of_lane).collect();
    let bucket = |at: usize| {
        let cells = || measured.iter().filter_map(|lane| *lane.get(at)?);
        let mut extent = Extent::EMPTY;
        cells().for_each(|cell| extent.merge(curves::extent(cell)));
        let lasts: Vec<f32> = cells().map(|cell| cell.last).collect();
        let last = if let [only] = lasts.as_slice() { Some(*only) } else { median(&lasts) };
        Some(Bucket { x: lanes.first()?.axis_place(metric, at), extent, last: last? })
    };
    let longest = measured.iter().map(Vec::len).max()?;
    Some((0..longest).filter_map(bucket).collect())
}

/// The single numbers of lanes that differ in their seeds, their medians; none if nothing was measured up to the cursor's
/// step.
fn numbers(app: &App, alike: &Alike<'_>, width: u16, theme: &Theme) -> Option<Line<'static>> {
    let value = |metric: Metric| {
        let of_lane = |lane: &&Lane| Some(lane.scalar(metric).at(app.step())?.across(0..1)?.last);
        let all: Vec<f32> = alike.lanes.iter().filter_map(of_lane).collect();
        Some((metric, if let [only] = all.as_slice() { *only } else { median(&all)? }))
    };
    let values: Vec<(Metric, f32)> = declared(app, true).into_iter().filter_map(value).collect();
    let first = alike.lanes.first().filter(|_| !values.is_empty())?;
    let swatch = format!("{} ", theme.lane_swatch(first.idx().0));
    let name = Span::styled(printable(&alike.name), theme.text());
    let spans = vec![Span::styled(swatch, lanes::style(first, theme)), name];
    let mut line = Line::from(spans);
    for (metric, number) in values {
        let name = Span::styled(format!("  {metric} "), theme.muted());
        let number = Span::styled(widgets::short(number.into()), theme.text());
        // A number is shown whole or not at all.
        if line.width() + name.width() + number.width() > usize::from(width) {
            break;
        }
        line.extend([name, number]);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{Specimen, app_with};
    use crate::event::{Kind, Value};
    use crate::theme::{Background, Characters, Colors};

    /// What a lane measured last, up to the cursor's step.
    #[test]
    fn every_lane_is_drawn_with_its_numbers() {
        let lanes = [Specimen::new("plain", 20, "none"), Specimen::new("residual", 20, "identity")];
        let app = app_with(&lanes, |event| match &mut event.kind {
            Kind::LaneStarted(started) => {
                started.declared.metrics.extend([probed::LESION_ERROR, probed::PREDICTION_DEPTH]);
            }
            Kind::Measured(values)
                if event.step.0 == 20 && values.get(crate::metric::known::LOSS).is_some() =>
            {
                let errors = (0..9).map(|block| 0.1 * block as f32).collect();
                values.insert(probed::LESION_ERROR, Value::Numbers(errors));
                values.insert(probed::PREDICTION_DEPTH, Value::Number(6.5));
            }
            _ => {}
        });
        let area = Rect::new(0, 0, 100, 30);
        let drawn = |app: &App| {
            let mut buffer = Buffer::empty(area);
            let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
            Probes.render(app, area, &mut Scene::new(&mut buffer), &theme);
            buffer.content().iter().map(|cell| cell.symbol()).collect::<String>()
        };
        let text = drawn(&app);
        assert!(text.contains("lesion_error") && text.contains("prediction_depth 6.5"), "{text}");
        assert_eq!(text.matches("prediction_depth").count(), 2, "a line for each lane: {text}");
        let none = Probes.empty(&crate::app::specimen::plain_beside_residual());
        assert_eq!(none.map(|empty| empty.title).as_deref(), Some("no lane has probes"));
    }
}
