//! A screen while it is drawn: its cells, and what the mouse does in each place. Both come from one layout, so a click
//! means what is seen there. Pictures are drawn in cells, and noted for terminals that draw them better.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::bindings::Command;
use crate::app::{Action, App};
use crate::theme::Theme;
use crate::units::{LaneIdx, Step};
use crate::widgets::{Picture, Plot, Raster};

/// What a view draws on.
pub struct Scene<'b, S = App, C = Command> {
    /// The cells.
    pub buffer: &'b mut Buffer,
    /// What the mouse does in them.
    pub hits: Hits<S, C>,
    /// The pictures in them.
    graphics: Vec<Graphic>,
}

/// A picture that is drawn in cells, for terminals that can draw it in pixels of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphic {
    /// Its cells.
    pub area: Rect,
    /// Its pixels.
    pub raster: Raster,
    /// What its cells show, as a hash.
    cells: u64,
}

/// What was drawn, besides the cells.
#[derive(Debug, Default)]
pub struct Drawn {
    /// What the mouse does in them.
    pub hits: Hits,
    /// The pictures that nothing covers.
    pub graphics: Vec<Graphic>,
}

impl<'b, S, C> Scene<'b, S, C> {
    /// A scene in which nothing answers the mouse yet.
    pub fn new(buffer: &'b mut Buffer) -> Scene<'b, S, C> {
        Scene { buffer, hits: Hits::default(), graphics: Vec::new() }
    }

    /// Draws a picture into the upper left of an area.
    pub fn picture(&mut self, picture: &Picture<'_>, area: Rect, theme: &Theme) {
        let area = area.intersection(self.buffer.area);
        picture.render(area, self.buffer, theme);
        if let Some((area, raster)) = picture.raster(area, theme) {
            self.graphics.push(Graphic { area, raster, cells: content(self.buffer, area) });
        }
    }
}

impl Scene<'_> {
    /// What was drawn. Where anything has changed the cells of a picture since, such as a dialog, it is covered.
    pub fn drawn(self) -> Drawn {
        let Scene { buffer, hits, mut graphics } = self;
        graphics.retain(|graphic| content(buffer, graphic.area) == graphic.cells);
        Drawn { hits, graphics }
    }
}

/// A hash of the cells of an area.
fn content(buffer: &Buffer, area: Rect) -> u64 {
    let mut hasher = DefaultHasher::new();
    area.positions().filter_map(|at| buffer.cell(at)).for_each(|cell| cell.hash(&mut hasher));
    hasher.finish()
}

/// What the mouse does in the places of a screen: commands, which may depend on the state `S` at the time of the click.
/// What was added last lies on top.
pub struct Hits<S = App, C = Command> {
    hits: Vec<Hit<S, C>>,
    /// The plots with a vertical axis.
    plots: Vec<Rect>,
}

struct Hit<S, C> {
    area: Rect,
    is_timeline: bool,
    click: Box<Answer<S, C>>,
}

type Answer<S, C> = dyn Fn(&S, Position) -> Vec<C>;

impl<S, C> Default for Hits<S, C> {
    fn default() -> Hits<S, C> {
        Hits { hits: Vec::new(), plots: Vec::new() }
    }
}

impl<S, C> fmt::Debug for Hits<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hits.iter().map(|hit| hit.area)).finish()
    }
}

impl<S: 'static, C: Clone + 'static> Hits<S, C> {
    /// A click in an area does what depends on where it is.
    pub fn on(&mut self, area: Rect, click: impl Fn(&S, Position) -> Vec<C> + 'static) {
        self.add(area, false, click);
    }

    /// A click anywhere in an area does the same.
    pub fn does(&mut self, area: Rect, commands: Vec<C>) {
        self.on(area, move |_, _| commands.clone());
    }

    /// As [`Hits::on`], for the timeline, on which a step has its place whatever charts show.
    pub fn timeline(&mut self, area: Rect, click: impl Fn(&S, Position) -> Vec<C> + 'static) {
        self.add(area, true, click);
    }

    /// A click in an area does nothing, whatever is below.
    pub fn covers(&mut self, area: Rect) {
        self.does(area, Vec::new());
    }

    fn add(&mut self, area: Rect, is_timeline: bool, click: impl Fn(&S, Position) -> Vec<C> + 'static) {
        if !area.is_empty() {
            self.hits.push(Hit { area, is_timeline, click: Box::new(click) });
        }
    }

    /// An area has a vertical axis, from its lowest row to its highest.
    pub fn plots(&mut self, area: Rect) {
        self.plots.push(area);
    }

    /// The plot at a position.
    pub fn plot(&self, position: Position) -> Option<Rect> {
        self.plots.iter().rfind(|plot| plot.contains(position)).copied()
    }

    /// What a click at a position does.
    pub fn click(&self, state: &S, position: Position) -> Vec<C> {
        self.top(position).map(|hit| (hit.click)(state, position)).unwrap_or_default()
    }

    /// Whether the timeline is at a position.
    pub fn is_on_timeline(&self, position: Position) -> bool {
        self.top(position).is_some_and(|hit| hit.is_timeline)
    }

    fn top(&self, position: Position) -> Option<&Hit<S, C>> {
        self.hits.iter().rfind(|hit| hit.area.contains(position))
    }
}

impl Hits {
    /// A click anywhere in an area selects a lane.
    pub(super) fn lane(&mut self, area: Rect, lane: LaneIdx) {
        self.does(area, vec![Command::Act(Action::SelectLane(lane))]);
    }

    /// A click in the area of a chart over time selects the step there, after what belongs to the chart, such as its
    /// lane if it shows only one.
    pub(super) fn steps(&mut self, area: Rect, plot: Plot, first: impl IntoIterator<Item = Action>) {
        self.plots(plot.area);
        let first: Vec<Action> = first.into_iter().collect();
        self.on(area, move |app, position| {
            let step = plot.x_at(position.x).map(|x| super::curves::step_at(app, x));
            first.iter().copied().chain(step.map(Action::SelectStep)).map(Command::Act).collect()
        });
    }

    /// The step at a position on the timeline, or in a chart or map over time.
    pub fn step(&self, app: &App, position: Position) -> Option<Step> {
        self.click(app, position).into_iter().find_map(|command| match command {
            Command::Act(Action::SelectStep(step)) => Some(step),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_last_lies_on_top() {
        let mut hits: Hits<u8, u8> = Hits::default();
        hits.does(Rect::new(0, 0, 10, 10), vec![1]);
        hits.on(Rect::new(2, 2, 3, 3), |state, position| vec![*state, position.x as u8]);
        hits.covers(Rect::new(4, 4, 2, 2));
        hits.does(Rect::new(0, 0, 10, 0), vec![9]);
        hits.timeline(Rect::new(0, 9, 10, 1), |_, _| vec![8]);
        let at = |x, y| hits.click(&7, Position::new(x, y));
        assert_eq!(
            [at(0, 0), at(3, 3), at(4, 4), at(10, 3), at(0, 9)],
            [vec![1], vec![7, 3], vec![], vec![], vec![8]]
        );
        assert_eq!([(0, 8), (0, 9)].map(|at| hits.is_on_timeline(at.into())), [false, true]);
    }
}
