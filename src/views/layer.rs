//! One layer of each lane: the chosen statistic over time, its histograms over time, all its statistics at the cursor,
//! and between two lanes the ratio of their corresponding layers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::explain::words;
use super::{Command, Key, Number, Scene, Topic, View, curves, lanes, numbers, told};
use crate::app::options::HistogramForm;
use crate::app::{App, Chosen, Lane, LayerKey, ViewKind, Wanted};
use crate::printable::printable;
use crate::structure::Dimensions;
use crate::theme::Theme;
use crate::widgets;

mod charts;
mod figures;
mod histograms;
mod ridges;

/// The layer view.
#[derive(Debug)]
pub(super) struct Layer;

/// The placeholder for data of a layer that the experiment does not record.
const NOT_RECORDED: &str = "this layer is not recorded";

/// The least width of a lane's column.
const LEAST_COLUMN: u16 = 36;
/// The least width at which the comparison of two lanes has its own column between theirs.
const LEAST_THREE_COLUMNS: u16 = 150;
/// The least width for all columns of the figures.
const LEAST_WIDTH_OF_FIGURES: u16 = 56;
/// The least width at which the ratio of two lanes is shown beside the table below them.
const LEAST_WIDTH_OF_BOTH: u16 = 100;

impl View for Layer {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "layer", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn title(&self) -> &'static str {
        "one layer over time, beside its counterpart in the other lanes"
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        // Lanes without a chart are not shown at all.
        Layout::of(app, area).history.into_iter().flat_map(|(lanes, _)| lanes).collect()
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Char('s'), Key::Char('h'), Key::Left]
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let histograms = Wanted::Histograms(app.histogram());
        vec![Wanted::Cursor, Wanted::OverTime(app.statistic()), histograms]
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        app.charted_here().iter().flat_map(|chart| numbers::over_time(app, chart)).collect()
    }

    fn told(&self, app: &App) -> Vec<String> {
        let Some(row) = app.row() else { return Vec::new() };
        let statistics = app.statistics(false).into_iter();
        let value = |metric| {
            let line = told::of_layer(app, metric, row)?;
            Some(format!("{metric}: {}", line.split_once(": ").map_or(line.as_str(), |(_, values)| values)))
        };
        let names = app.visible_lanes().filter_map(|lane| {
            let layer = lane.structure()?.layer(app.layer_in(lane)?)?;
            Some(format!("{}: {}, {}", lanes::name(app, lane), layer.name, layer.kind))
        });
        let course = told::course_of_layer(app, app.statistic());
        let course = course.into_iter().map(|line| format!("{} of {line}", app.statistic()));
        names.chain(course).chain(statistics.filter_map(value)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let shown = [app.statistic(), app.histogram()].map(Topic::Metric);
        let words = [
            &words::LOG_RATIO,
            &words::RATIO,
            &words::HISTOGRAM,
            &words::LAYER,
            &words::BLOCK,
            &words::SCALE,
        ];
        let all = app.statistics(false).into_iter().map(Topic::Metric);
        shown.into_iter().chain(words.map(Topic::Word)).chain(all).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let layout = Layout::of(app, area);
        for (lane, place) in &layout.titles {
            draw_title(app, lane, *place, buffer, theme);
            hits.lane(*place, lane.idx());
        }
        charts::render_history(app, &layout.history, scene, theme);
        histograms::render(app, &layout.histograms, scene, theme);
        if let Some(place) = layout.ratio {
            charts::render_ratio(app, place, scene, theme);
        }
        figures::render(app, layout.figures, scene.buffer, theme);
    }
}

/// The layout.
struct Layout<'a> {
    titles: Vec<(&'a Lane, Rect)>,
    /// Charts of the statistic over time, with the lanes in each.
    history: Vec<(Vec<&'a Lane>, Rect)>,
    histograms: Vec<(&'a Lane, Rect)>,
    ratio: Option<Rect>,
    figures: Rect,
}

impl<'a> Layout<'a> {
    fn of(app: &'a App, area: Rect) -> Layout<'a> {
        let count = app.visible_lanes().count();
        // Mirrored histograms are as wide as the view.
        let is_mirrored = app.options().histogram_form == HistogramForm::Mirrored;
        if count > 1 && area.width < 2 * LEAST_COLUMN + 1 {
            Layout::laid_over(app, area)
        } else if count == 2 && area.width >= LEAST_THREE_COLUMNS && !is_mirrored {
            Layout::three_columns(app, area)
        } else {
            Layout::side_by_side(app, area)
        }
    }

    /// A small screen: the selected lane's layer by name, one chart of all lanes, the figures.
    fn laid_over(app: &'a App, area: Rect) -> Layout<'a> {
        let (title, rest) = split(area, 1);
        let figures = (rest.height / 3).max(rest.height.saturating_sub(14));
        let (chart, rest) = split(rest, rest.height - figures);
        let selected = app.lane(app.selected_lane());
        Layout {
            titles: selected.into_iter().map(|lane| (lane, title)).collect(),
            history: vec![(app.visible_lanes().collect(), chart)],
            histograms: Vec::new(),
            ratio: None,
            figures: rest,
        }
    }

    /// A column per lane; below them the comparison, and the figures.
    fn side_by_side(app: &'a App, area: Rect) -> Layout<'a> {
        let (title, rest) = split(area, 1);
        let history = (rest.height * 3 / 10).clamp(5, 14);
        let below = match rest.height {
            0..14 => rest.height.saturating_sub(history),
            14..28 => 5,
            height => height * 3 / 10,
        };
        let (history, rest) = split(rest, history);
        let (histograms, rest) = split(rest, rest.height.saturating_sub(below));
        let two = app.pair().is_some() && rest.width >= LEAST_WIDTH_OF_BOTH && rest.height >= 5;
        let (ratio, figures) = if two {
            let width = (rest.width / 2).min(rest.width - LEAST_WIDTH_OF_FIGURES);
            let left = Rect { width: width.saturating_sub(1), ..rest };
            (Some(left), Rect { x: rest.x + width + 1, width: rest.width - width - 1, ..rest })
        } else {
            (None, rest)
        };
        let columns = |row| lanes::columns(app, row, LEAST_COLUMN);
        Layout {
            titles: columns(title),
            history: columns(history).into_iter().map(|(lane, place)| (vec![lane], place)).collect(),
            histograms: columns(histograms),
            ratio,
            figures,
        }
    }

    /// Two lanes with their comparison in the middle.
    fn three_columns(app: &'a App, area: Rect) -> Layout<'a> {
        let width = (u32::from(area.width) * 17 / 50) as u16;
        let middle = Rect { x: area.x + width + 2, width: area.width - 2 * width - 4, ..area };
        let columns = |row: Rect| -> Vec<(&'a Lane, Rect)> {
            let place = |(at, lane)| {
                let x = if at == 0 { row.x } else { row.right() - width };
                (lane, Rect { x, width, ..row })
            };
            app.visible_lanes().take(2).enumerate().map(place).collect()
        };
        let (title, rest) = split(area, 1);
        let (history, histograms) = split(rest, rest.height * 2 / 5);
        let (_, middle) = split(middle, 1);
        let (ratio, figures) = split(middle, history.height);
        Layout {
            titles: columns(title),
            history: columns(history).into_iter().map(|(lane, place)| (vec![lane], place)).collect(),
            histograms: columns(histograms),
            ratio: Some(ratio),
            figures,
        }
    }
}

/// The first rows of an area, and the rest.
fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// The lane, the layer, and its description: `■ plain  layer1.4.conv2  3x3 convolution to 8x16x16, block 5 of 27`.
fn draw_title(app: &App, lane: &Lane, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let name = lanes::name_within(app, lane, usize::from(area.width).saturating_sub(3), theme);
    let mut spans =
        vec![Span::styled(format!("{} {name} ", theme.lane_swatch(lane.idx().0)), lanes::style(lane, theme))];
    let known = lane.structure().zip(app.layer_in(lane));
    let Some((structure, layer)) = known.and_then(|(all, idx)| Some((all, all.layer(idx)?))) else {
        let depth = app.row().map_or(0, |LayerKey { depth, .. }| depth);
        spans.push(Span::styled(format!("has no layer {depth} "), theme.muted()));
        return lanes::title(buffer, area, spans, theme);
    };
    let what = match layer.kind.as_str() {
        "stem" => "stem, 3x3 convolution".to_owned(),
        "convolution" => "3x3 convolution".to_owned(),
        "projection" => "1x1 convolution of the shortcut".to_owned(),
        "head" => "head, linear".to_owned(),
        other => printable(other),
    };
    let place = layer.block.map(|block| format!(", block {} of {}", block.0 + 1, structure.blocks.len()));
    let place = place.unwrap_or_default() + if layer.frozen { ", frozen" } else { "" };
    let output = match layer.output.as_slice() {
        [] => String::new(),
        shape => format!(" to {}", Dimensions(shape)),
    };
    let parameters = layer.parameters.map(|count| format!(", {} parameters", widgets::grouped(count)));
    let layer_name = printable(&layer.name);
    let used = widgets::width(&name) + widgets::width(&layer_name) + 6;
    let room = usize::from(area.width).saturating_sub(used);
    let words = [
        format!("{what}{output}{place}{}", parameters.unwrap_or_default()),
        format!("{what}{place}"),
        place.trim_start_matches(", ").to_owned(),
    ];
    let fitting = words.into_iter().find(|words| widgets::width(words) < room).unwrap_or_default();
    spans.push(Span::styled(format!("{layer_name} "), theme.heading()));
    if !fitting.is_empty() {
        spans.push(Span::styled(format!("{fitting} "), theme.muted()));
    }
    lanes::title(buffer, area, spans, theme);
}
