//! What networks of images look at, as the probe `pictures` measured it last up to the cursor's step: the examples with the
//! greatest loss and what each lane says of them, what a block makes of an example, and the filters of the first
//! convolution. Where there is no room for all of that, one part at a time.

use ratatui::layout::Rect;

use super::explain::words;
use super::{Empty, Key, Scene, Topic, View, curves, empty, lanes};
use crate::app::{Action, App, Chosen, Lane, ViewKind, Wanted};
use crate::metric::{Metric, probed};
use crate::theme::{HeatCell, Theme};
use crate::widgets::Picture;

mod maps;
mod mistakes;

/// The pictures view.
#[derive(Debug)]
pub(super) struct Pictures;

/// The least width of a lane's column of maps.
const LEAST_COLUMN: u16 = 20;
/// The least height at which all parts are shown.
const LEAST_WITH_ALL: u16 = 30;

/// A part of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Mistakes,
    Maps,
    Filters,
}

impl View for Pictures {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "pictures", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        app.visible_lanes().any(|lane| has(lane, probed::EXAMPLE_LOSS))
    }

    fn title(&self) -> &'static str {
        "misclassified images, feature maps and filters"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Char('l'), Key::Left, Key::Char('P'), Key::Char('G')]
    }

    fn vertical(&self, by: i64) -> Action {
        Action::Scroll(by)
    }

    fn vertical_name(&self) -> &'static str {
        "part"
    }

    fn wants(&self, _: &App) -> Vec<Wanted> {
        let all = probed::PICTURES.iter().copied().map(Wanted::History);
        [Wanted::Cursor].into_iter().chain(all).collect()
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        let all = || app.visible_lanes().collect();
        if !self.fits(app) || parts(app, area).iter().all(|(part, _)| *part == Part::Mistakes) {
            return all();
        }
        lanes::columns(app, area, LEAST_COLUMN).into_iter().map(|(lane, _)| lane).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_probes(app, "pictures", self.fits(app))
    }

    fn told(&self, app: &App) -> Vec<String> {
        let of_lane = |lane: &Lane| {
            let [labels, said] =
                [probed::EXAMPLE_LABEL, probed::EXAMPLE_PREDICTION].map(|metric| numbers(app, lane, metric));
            let (labels, said) = (labels?, said?);
            let wrong = labels.iter().zip(&said).filter(|(label, said)| label != said).count();
            let name = lanes::name(app, lane);
            Some(format!("{name}: {wrong} of {} examples are taken for another class", labels.len()))
        };
        app.visible_lanes().filter_map(of_lane).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let is_there = |metric: &&Metric| app.visible_lanes().any(|lane| has(lane, **metric));
        let shown = probed::PICTURES.iter().filter(is_there).map(|metric| Topic::Metric(*metric));
        shown.chain([&words::PROBE, &words::COLOUR_SCALE].map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let area = area.intersection(scene.buffer.area);
        if area.is_empty() {
            return;
        }
        for (part, place) in parts(app, area) {
            match part {
                Part::Mistakes => mistakes::render(app, place, scene, theme),
                Part::Maps => maps::render(app, &maps::FEATURES, place, scene, theme),
                Part::Filters => maps::render(app, &maps::FILTERS, place, scene, theme),
            }
        }
    }
}

fn has(lane: &Lane, metric: Metric) -> bool {
    lane.declared().metrics().contains(&metric)
}

/// The parts that are shown, with their places: all of them, or the one that the user chose.
fn parts(app: &App, area: Rect) -> Vec<(Part, Rect)> {
    const ALL: [Part; 3] = [Part::Mistakes, Part::Maps, Part::Filters];
    if area.height < LEAST_WITH_ALL {
        return vec![(ALL[app.options().scroll % ALL.len()], area)];
    }
    // Filters are small; maps have at least their title, lane, legend and eight rows.
    let (filters, maps) = ((area.height / 7).max(5), (area.height * 3 / 10).max(11));
    let part = |y: u16, height: u16| Rect { y, height, ..area };
    let below = area.bottom() - filters;
    let places = [part(area.y, area.height - maps - filters), part(below - maps, maps), part(below, filters)];
    ALL.into_iter().zip(places).collect()
}

/// The numbers of a metric, as they were last measured up to the cursor's step.
fn numbers(app: &App, lane: &Lane, metric: Metric) -> Option<Vec<f32>> {
    let row = lane.at(metric, app.step())?;
    let count: usize = metric.axes().iter().map(|axis| length(lane, axis)).product();
    (0..count).map(|at| row.last(at)).collect()
}

/// The points of an axis; 0 if the lane has none of this name.
fn length(lane: &Lane, axis: &str) -> usize {
    lane.declared().axis(axis).map_or(0, |axis| axis.points.len())
}

/// The size of pictures and their places: so large that all have room, with a caption of so many columns and rows below
/// each; or as many as fit in their own size.
fn tiles(
    area: Rect,
    count: usize,
    [rows, columns]: [usize; 2],
    caption: (u16, u16),
    theme: &Theme,
) -> Vec<Rect> {
    let shape = Picture { rows, columns, pixel: &|_, _| None::<HeatCell> };
    let own = if theme.has_half_cells() { columns } else { 2 * columns };
    for height in (1..=area.height.saturating_sub(caption.1)).rev() {
        let (width, height) = shape.size((area.width, height), theme);
        if width == 0 || height == 0 {
            continue;
        }
        let (tile, line) = (width.max(caption.0), height + caption.1);
        let across = usize::from((area.width + 1) / (tile + 1)).max(1);
        let down = usize::from(area.height / line);
        if across * down >= count || usize::from(width) <= own {
            let place = |at: usize| Rect {
                x: area.x + (at % across) as u16 * (tile + 1),
                y: area.y + (at / across) as u16 * line,
                width: tile.min(area.width),
                height: line,
            };
            return (0..count.min(across * down)).map(place).collect();
        }
    }
    Vec::new()
}

/// The text where a metric has no numbers yet.
fn absence(app: &App, metric: Metric) -> &str {
    curves::absence(app, Wanted::History(metric), "not measured yet")
}

#[cfg(test)]
mod tests;
