//! A map of the network: layers from the input to the head with what shortcuts add beside them, their shapes, and the
//! health of each at the cursor's step: the chosen statistic as a colour, the worst finding as a mark. Lanes side by side,
//! scrolled with the selected layer under a map of one cell a layer; without room for names, only that map of each lane.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::explain::words;
use super::{Command, Empty, Key, Number, Scene, Topic, View, chrome, curves, empty, lanes, numbers, told};
use crate::app::health::Finding;
use crate::app::{Action, App, Chosen, Lane, ViewKind};
use crate::printable::printable;
use crate::structure::Structure;
use crate::theme::Theme;
use crate::units::{LaneIdx, LayerIdx};
use crate::widgets::{self, ColorScale, Extent, Legend};

mod cells;
mod details;
mod list;
mod plan;

use cells::Cells;
use list::List;

/// The network view.
#[derive(Debug)]
pub(super) struct Network;

/// The least width of a lane's list of layers.
const LEAST_COLUMN: u16 = 24;
/// The least height of a list of layers; a lower view has only cells.
const LEAST_LIST: u16 = 6;
/// The least height of a lane that is drawn as cells: its name, and a line.
const LEAST_CELLS: u16 = 2;
/// The least height at which the selected layer is described below.
const LEAST_WITH_DETAILS: u16 = 10;

impl View for Network {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "network", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        app.visible_lanes().filter_map(|lane| lane.structure()).any(|of| !of.layers.is_empty())
    }

    fn title(&self) -> &'static str {
        "a map of the network: layers, shortcuts, and the health of each"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Char('s'), Key::Char('['), Key::Left]
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        Layout::of(app, area).panels.into_iter().map(|panel| panel.lane).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_lanes(app).or_else(|| {
            let comes = "Its log names no layers. A log of this program, or of a logger that declares a structure, does.";
            let empty = Empty::new("these lanes name no layers", comes);
            app.rows().is_empty().then(|| empty.with(Command::View(0), "shows losses and errors"))
        })
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        numbers::at_cursor(app, app.statistic())
    }

    fn told(&self, app: &App) -> Vec<String> {
        let of_lane = |lane: &Lane| {
            let structure = lane.structure()?;
            let layers = structure.layers.len();
            let blocks = structure.blocks.iter().filter(|block| block.shortcut.is_some()).count();
            let name = lanes::name(app, lane);
            let all = structure.blocks.len();
            Some(format!("{name}: {layers} layers, {all} blocks, {blocks} of them with a shortcut"))
        };
        let statistic = app.statistic();
        let about = format!("{statistic}: {}", statistic.about());
        let lanes = app.visible_lanes().filter_map(of_lane);
        lanes.chain([about]).chain(told::by_axis(app, statistic)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words = [&words::LAYER, &words::BLOCK, &words::SHORTCUT, &words::STAGE, &words::FINDING];
        [Topic::Metric(app.statistic())].into_iter().chain(words.map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let layout = Layout::of(app, area);
        let states: Vec<State<'_>> = layout.panels.iter().map(|panel| State::of(app, panel.lane)).collect();
        let values = states.iter().flat_map(|state| state.values.iter().copied());
        let scale = ColorScale::robust(values, curves::is_log(app, app.statistic()));
        let scale = curves::color_scale(app.statistic(), scale);
        for (panel, state) in layout.panels.iter().zip(&states) {
            panel.render(app, state, scale, buffer, theme);
            let (lane, area, has_list) = (panel.lane.idx(), panel.area, panel.has_list);
            hits.on(area, move |app, position| select(app, lane, area, has_list, position));
        }
        details::render(app, layout.details, buffer, theme);
        let selected = app.lane(app.selected_lane());
        let pointer = selected.and_then(|lane| {
            lane.layer_value(app.statistic(), app.step(), app.layer_in(lane)?).map(f64::from)
        });
        let title = app.statistic().name();
        Legend { scale, title, pointer }.render(layout.legend, buffer, theme);
    }
}

/// Selects a lane, and its layer at a position in the area of its panel.
fn select(app: &App, lane: LaneIdx, area: Rect, has_list: bool, position: Position) -> Vec<Command> {
    let Some(lane) = app.lane(lane) else { return Vec::new() };
    let layer = Panel { lane, area, has_list }.layer_at(app, position);
    let row = layer.and_then(|layer| app.row_of(lane, layer)).map(Action::SelectLayer);
    [Action::SelectLane(lane.idx())].into_iter().chain(row).map(Command::Act).collect()
}

/// The parts of the view.
struct Layout<'a> {
    panels: Vec<Panel<'a>>,
    details: Rect,
    legend: Rect,
}

/// A lane's part of the screen.
struct Panel<'a> {
    lane: &'a Lane,
    area: Rect,
    /// Whether there is room for the names of layers.
    has_list: bool,
}

impl<'a> Layout<'a> {
    fn of(app: &'a App, area: Rect) -> Layout<'a> {
        let legend_rows = u16::from(area.height > LEAST_CELLS);
        let details_rows = match area.height {
            0..LEAST_WITH_DETAILS => 0,
            LEAST_WITH_DETAILS..24 => 2,
            _ => 3,
        };
        let above = area.height - legend_rows - details_rows;
        let maps = Rect { height: above, ..area };
        let details = Rect { y: maps.bottom(), height: details_rows, ..area };
        let legend = Rect { y: details.bottom(), height: legend_rows, ..area };
        Layout { panels: panels(app, maps), details, legend }
    }
}

/// Columns with lists if all lanes have room for them, else as many rows of cells as there is room for.
fn panels(app: &App, area: Rect) -> Vec<Panel<'_>> {
    let columns = lanes::columns(app, area, LEAST_COLUMN);
    if columns.len() == app.visible_lanes().count() && area.height >= LEAST_LIST {
        let panel = |(lane, area)| Panel { lane, area, has_list: true };
        return columns.into_iter().map(panel).collect();
    }
    let shown = lanes::in_sight(app, usize::from(area.height / LEAST_CELLS).max(1));
    let count = shown.len().max(1) as u32;
    let edge = |at: usize| (u32::from(area.height) * at as u32 / count) as u16;
    let row = |at: usize| Rect { y: area.y + edge(at), height: edge(at + 1) - edge(at), ..area };
    shown.into_iter().enumerate().map(|(at, lane)| Panel { lane, area: row(at), has_list: false }).collect()
}

impl<'a> Panel<'a> {
    /// The row of the lane's name, and the rest.
    fn split(&self) -> (Rect, Rect) {
        let title = self.area.height.min(1);
        let rest = Rect { y: self.area.y + title, height: self.area.height - title, ..self.area };
        (Rect { height: title, ..self.area }, rest)
    }

    /// The cells, and the list of layers; cells are left out where the whole list is in sight.
    fn parts(&self, app: &App, structure: &'a Structure) -> (Option<Cells<'a>>, Option<List<'a>>) {
        let (_, body) = self.split();
        let selected = app.layer_in(self.lane);
        if !self.has_list {
            return (Some(Cells::new(structure, selected, body)), None);
        }
        let list = List::new(structure, selected, body);
        if list.is_whole() {
            return (None, Some(list));
        }
        let full = Cells::height(structure, body.width);
        let most = body.height / 3;
        let cells = Rect { height: if full <= most { full } else { (full / 2).min(most) }, ..body };
        let below = Rect { y: cells.bottom(), height: body.height - cells.height, ..body };
        (Some(Cells::new(structure, selected, cells)), Some(List::new(structure, selected, below)))
    }

    fn layer_at(&self, app: &App, position: Position) -> Option<LayerIdx> {
        let (cells, list) = self.parts(app, self.lane.structure()?);
        let in_cells = cells.and_then(|cells| cells.layer_at(position));
        in_cells.or_else(|| list.and_then(|list| list.layer_at(position)))
    }

    fn render(&self, app: &App, state: &State<'_>, scale: ColorScale, buffer: &mut Buffer, theme: &Theme) {
        let (title, body) = self.split();
        widgets::put_line(buffer, title, 0, &heading(app, self.lane, state, title.width, theme));
        let Some(structure) = self.lane.structure().filter(|structure| !structure.layers.is_empty()) else {
            let text = if self.lane.started().is_some() { "names no layers" } else { "not started yet" };
            widgets::put_centered(buffer, body, body.height / 2, text, theme.muted());
            return;
        };
        let (cells, list) = self.parts(app, structure);
        if let Some(cells) = cells {
            cells.render(state, scale, buffer, theme);
        }
        if let Some(list) = list {
            list.render(state, scale, buffer, theme);
        }
    }
}

/// A lane at the cursor's step.
struct State<'a> {
    /// The chosen statistic by layer; empty where it was not measured.
    values: Vec<Extent>,
    /// The worst finding of each layer that has one.
    findings: BTreeMap<LayerIdx, &'a Finding>,
    /// The worst one of the whole lane.
    of_lane: Option<&'a Finding>,
}

impl<'a> State<'a> {
    fn of(app: &App, lane: &'a Lane) -> State<'a> {
        let layers = lane.structure().map_or(0, |structure| structure.layers.len());
        let statistic = app.statistic();
        let row = lane.at(statistic, app.step()).filter(|_| statistic.is_of_layers());
        let value = |layer| Some(curves::extent(lane.cell(statistic, row.as_ref()?, layer)?));
        let values = (0..layers).map(|layer| value(layer).unwrap_or_default()).collect();
        let mut findings: BTreeMap<LayerIdx, &Finding> = BTreeMap::new();
        let mut of_lane: Option<&Finding> = None;
        for finding in lane.health().open_at(app.step()) {
            let is_worse = |other: &Finding| finding.severity > other.severity;
            match finding.layer {
                Some(layer) if findings.get(&layer).copied().is_none_or(is_worse) => {
                    findings.insert(layer, finding);
                }
                None if of_lane.is_none_or(is_worse) => of_lane = Some(finding),
                _ => {}
            }
        }
        State { values, findings, of_lane }
    }

    /// The mark of a layer's worst finding.
    fn mark(&self, layer: LayerIdx, theme: &Theme) -> Option<(char, Style)> {
        self.findings.get(&layer).map(|finding| chrome::severity(finding.severity, theme))
    }

    fn value(&self, layer: LayerIdx) -> Extent {
        self.values.get(layer.0).copied().unwrap_or_default()
    }
}

/// A lane with what its network is, and the worst finding of the whole lane, as far as they fit.
fn heading(app: &App, lane: &Lane, state: &State<'_>, width: u16, theme: &Theme) -> Line<'static> {
    let selected = lane.idx() == app.selected_lane() && app.visible_lanes().count() > 1;
    let name = lanes::name_within(app, lane, usize::from(width).saturating_sub(2), theme);
    let mut used = 2 + widgets::width(&name);
    let mut spans = vec![
        Span::styled(format!("{} ", theme.lane_swatch(lane.idx().0)), lanes::style(lane, theme)),
        Span::styled(name, if selected { theme.heading() } else { theme.text() }),
    ];
    let mut more = |text: String, style| {
        used += widgets::width(&text);
        let fits = used <= usize::from(width);
        spans.extend(fits.then(|| Span::styled(text, style)));
        if !fits {
            used = usize::MAX / 2;
        }
    };
    if let Some(finding) = state.of_lane {
        let (mark, style) = chrome::severity(finding.severity, theme);
        more(format!("  {mark} {}", finding.rule.replace('_', " ")), style);
    }
    let Some(structure) = lane.structure() else { return Line::from(spans) };
    let layers = structure.layers.len();
    let ending = if layers == 1 { "" } else { "s" };
    more(format!("  {} layer{ending}", widgets::grouped(layers as u64)), theme.muted());
    if !structure.blocks.is_empty() {
        more(format!(", {}", plan::blocks_in_words(structure)), theme.muted());
    }
    if let Some(parameters) = structure.parameters() {
        more(format!(", {} parameters", widgets::grouped(parameters)), theme.muted());
    }
    Line::from(spans)
}

/// The name of a layer, fit for the screen.
fn name_of(structure: &Structure, layer: LayerIdx) -> String {
    structure.layer(layer).map(|layer| printable(&layer.name)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
