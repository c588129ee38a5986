//! The state of the dashboard: a fold over events and actions. It reads no clock and does not know whether the run is
//! live or saved, so that both give the same screens.

use crate::event::{Kind, RunEvent};
use crate::experiment::Claim;
use crate::metric::Metric;
use crate::units::{BlockIdx, LaneIdx, LayerIdx, Step};

pub mod action;
pub mod comparison;
pub mod facts;
pub mod fairness;
pub mod health;
pub mod lane;
mod needs;
pub mod options;
pub mod pace;
mod charted;
mod filter;
mod layout;
pub mod rows;
pub mod smoothing;
mod step_offsets;
pub mod order_history;
pub mod viewport;
#[cfg(any(test, feature = "test-material"))]
pub mod specimen;

mod act;
mod undo;

pub use action::Action;
pub use charted::Charted;
pub use facts::{HistoryKey, LaneFacts, LaneLabel, LaneState, section_of};
pub use filter::NameFilter;
pub use lane::{FOLD_VERSION, Lane};
pub use layout::Layout;
pub use needs::{Answer, Need, Wanted};
pub use options::{Chosen, Options, ViewKind};
pub use rows::{Alignment, LayerKey};

use health::Finding;

/// Everything that views draw from.
#[derive(Debug)]
pub struct App {
    lanes: Vec<Lane>,
    hidden: Vec<bool>,
    rows: rows::Rows,
    lane: LaneIdx,
    /// None to follow the last step.
    step: Option<Step>,
    row: Option<LayerKey>,
    /// The finding selected last; stale once the cursor's step or lane differs from its own.
    finding: Option<FindingKey>,
    options: Options,
    /// The claim that the lanes are to decide.
    claim: Option<Claim>,
    /// The lanes' names where several runs are told apart by their experiments; empty where they are not.
    names: Vec<String>,
    /// How long after the first run each lane's run started, in seconds; empty where that is not known.
    starts: Vec<f64>,
    /// The metrics shown last, the newest first, whose histories are kept in memory.
    shown: Vec<Metric>,
    /// Changes of what is shown, to be taken back.
    changes: undo::Changes,
}

/// What findings are ordered and identified by.
type FindingKey = (Step, LaneIdx, &'static str);

fn key_of(finding: &Finding) -> FindingKey {
    (finding.step, finding.lane, finding.rule)
}

impl App {
    /// The state before any event, with a lane for each label.
    pub fn new(labels: Vec<LaneLabel>) -> App {
        let lanes: Vec<Lane> =
            labels.into_iter().enumerate().map(|(idx, label)| Lane::new(LaneIdx(idx), label)).collect();
        App {
            hidden: vec![false; lanes.len()],
            lanes,
            rows: rows::Rows::default(),
            lane: LaneIdx(0),
            step: None,
            row: None,
            finding: None,
            options: Options::default(),
            claim: None,
            names: Vec::new(),
            starts: Vec::new(),
            shown: Vec::new(),
            changes: undo::Changes::default(),
        }
    }

    /// The state of lanes that were folded separately.
    pub fn of_lanes(lanes: Vec<Lane>) -> App {
        let mut app = App::new(Vec::new());
        app.hidden = vec![false; lanes.len()];
        app.lanes = lanes;
        app.find_rows();
        app
    }

    /// The lanes, to be shown in another state.
    pub fn into_lanes(self) -> Vec<Lane> {
        self.lanes
    }

    /// Puts lanes in the place of others, from `first` on. Those for which there is no place are left out.
    pub fn place(&mut self, first: LaneIdx, lanes: impl IntoIterator<Item = Lane>) {
        for ((at, place), lane) in self.lanes.iter_mut().enumerate().skip(first.0).zip(lanes) {
            *place = lane.moved_to(LaneIdx(at));
        }
        self.find_rows();
    }

    /// Adds a lane behind the others.
    pub fn add(&mut self, label: LaneLabel) {
        self.lanes.push(Lane::new(LaneIdx(self.lanes.len()), label));
        self.hidden.push(false);
        self.find_rows();
    }

    fn find_rows(&mut self) {
        let structures: Vec<_> = self.lanes.iter().map(|lane| lane.structure()).collect();
        self.rows = rows::Rows::of(&structures, self.options.alignment, self.options.layers.as_ref());
    }

    /// Folds an event of a lane. Events of a lane that does not exist are ignored.
    pub fn apply(&mut self, lane: LaneIdx, event: &RunEvent) {
        self.apply_at(lane, event, None);
    }

    /// As [`App::apply`], with the byte of the lane's log at which the event's record begins.
    pub fn apply_at(&mut self, lane: LaneIdx, event: &RunEvent, offset: Option<u64>) {
        let Some(lane) = self.lanes.get_mut(lane.0) else { return };
        lane.apply(event, offset);
        if matches!(event.kind, Kind::LaneStarted(_)) {
            self.find_rows();
        }
    }

    /// The lane has no more events; if none of them was its end, it counts as crashed.
    pub fn source_ended(&mut self, lane: LaneIdx) {
        if let Some(lane) = self.lanes.get_mut(lane.0) {
            lane.source_ended();
        }
    }

    /// Notes that nothing was written for some time to the log of a lane, which need not say when the lane ends.
    pub fn fell_silent(&mut self, lane: LaneIdx) {
        if let Some(lane) = self.lanes.get_mut(lane.0) {
            lane.fell_silent();
        }
    }

    /// No lane has more events.
    pub fn sources_ended(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.source_ended());
    }

    /// Keeps the histories of a lane in memory from now on, because more of its events are to be folded.
    pub fn own(&mut self, lane: LaneIdx) {
        if let Some(lane) = self.lanes.get_mut(lane.0) {
            lane.own();
        }
    }

    /// Names lanes of several runs by what tells them apart: a name for each lane, or none at all.
    pub fn set_names(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Says when each lane's run started, in milliseconds of Unix time, where that is known of all.
    pub fn set_starts(&mut self, starts: Vec<Option<i64>>) {
        let starts: Option<Vec<i64>> = starts.into_iter().collect();
        let first = starts.iter().flatten().min().copied();
        let after = |start: &i64| start.abs_diff(first.unwrap_or(*start)) as f64 / 1000.0;
        self.starts = starts.iter().flatten().map(after).collect();
    }

    /// Has the lanes decide a claim.
    pub fn set_claim(&mut self, claim: Option<Claim>) {
        self.claim = claim;
    }

    /// Carries out a user's action.
    pub fn act(&mut self, action: Action) {
        act::act(self, action);
    }

    /// Carries out actions that are taken back together.
    pub fn act_together(&mut self, actions: &[Action]) {
        act::act_together(self, actions);
    }
}

/// The lanes.
impl App {
    /// All lanes.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// A lane.
    pub fn lane(&self, idx: LaneIdx) -> Option<&Lane> {
        self.lanes.get(idx.0)
    }

    /// The name of a lane by what tells it from those of other runs, if it was given one.
    pub fn name_among_runs(&self, lane: LaneIdx) -> Option<&str> {
        self.names.get(lane.0).map(String::as_str)
    }

    /// How long after the first run a lane's run started, in seconds.
    pub fn start_of(&self, lane: LaneIdx) -> f64 {
        self.starts.get(lane.0).copied().unwrap_or(0.0)
    }

    /// Whether runs started at different times, so that the clock tells more than the time since each started.
    pub fn has_clock(&self) -> bool {
        self.visible_lanes().any(|lane| self.start_of(lane.idx()) > 0.0)
    }

    /// The claim that the lanes are to decide, if there is one.
    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// The lanes to draw, in order.
    pub fn visible_lanes(&self) -> impl DoubleEndedIterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| self.is_visible(lane.idx()))
    }

    /// Whether a lane is to be drawn.
    pub(crate) fn is_visible(&self, idx: LaneIdx) -> bool {
        self.hidden.get(idx.0).is_some_and(|hidden| !hidden)
    }

    /// Whether no lane makes steps or is about to: each has ended, is paused, or waits for its turn behind paused ones.
    pub fn is_idle(&self) -> bool {
        let has = |is: fn(&Lane) -> bool| self.lanes.iter().any(is);
        let is_open = |lane: &Lane| match lane.state() {
            LaneState::Running => true,
            LaneState::Waiting => !lane.is_queued(),
            _ => false,
        };
        !has(is_open) && (has(|lane| *lane.state() == LaneState::Paused) || !has(|lane| lane.is_queued()))
    }

    /// The selected lane.
    pub fn selected_lane(&self) -> LaneIdx {
        self.lane
    }

    /// The two lanes that every view compares: the selected one and the first that differs from it only in the
    /// shortcut, preferably in the same run; without such a lane, the first visible one and the selected one or the
    /// next.
    pub fn pair(&self) -> Option<(&Lane, &Lane)> {
        let first = self.visible_lanes().next()?;
        let selected = self.visible_lanes().find(|lane| lane.idx() == self.lane).unwrap_or(first);
        let twins = self.visible_lanes().filter(|lane| lane.is_twin_of(selected));
        if let Some(twin) = twins.min_by_key(|twin| twin.label().run != selected.label().run) {
            return Some(if twin.idx() < selected.idx() { (twin, selected) } else { (selected, twin) });
        }
        let other = if selected.idx() == first.idx() { self.visible_lanes().nth(1)? } else { selected };
        Some((first, other))
    }

    /// Shows only the layers that a filter finds; without one, all.
    pub fn filter_layers(&mut self, filter: Option<NameFilter>) {
        act::filter_layers(self, filter);
    }

    /// Shows only the metrics that a filter finds, where they can be chosen; without one, all.
    pub fn filter_metrics(&mut self, filter: Option<NameFilter>) {
        act::filter_metrics(self, filter);
    }

    /// Whether a lane's layer is shown.
    pub fn shows_layer(&self, lane: &Lane, layer: LayerIdx) -> bool {
        let filter = self.options.layers.as_ref();
        filter.is_none_or(|filter| {
            lane.structure().and_then(|of| of.layer(layer)).is_some_and(|layer| filter.shows(&layer.name))
        })
    }

    /// The rows of layers that are shown, which lanes share, from the input to the deepest head: the y axis of a heatmap or a
    /// list of layers. Empty until a lane has started.
    pub fn rows(&self) -> &[LayerKey] {
        self.rows.keys()
    }

    /// The findings of all visible lanes, by step, then lane, then rule.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.visible_lanes().flat_map(|lane| lane.health().findings()).collect();
        all.sort_by_key(|finding| key_of(finding));
        all
    }

    /// The index in [`App::findings`] of the finding at the cursor: the selected one, else the last whose step is not
    /// after the cursor's.
    pub fn selected_finding(&self) -> Option<usize> {
        let here = || self.findings().iter().rposition(|finding| finding.step <= self.step());
        self.visited_finding().map(|(at, _)| at).or_else(here)
    }

    /// The selected finding with its index in [`App::findings`], while the cursor is still on it.
    pub fn visited_finding(&self) -> Option<(usize, &Finding)> {
        let key = self.finding_here()?;
        self.findings().into_iter().enumerate().find(|(_, finding)| key_of(finding) == key)
    }

    /// The selected finding, while the cursor is still on it.
    fn finding_here(&self) -> Option<FindingKey> {
        self.finding.filter(|(step, lane, _)| (*step, *lane) == (self.step(), self.lane))
    }
}

/// The cursor: one for all lanes and views.
impl App {
    /// The cursor's step: lanes show what was recorded there. While following, the last step of the farthest visible
    /// lane.
    pub fn step(&self) -> Step {
        self.step.unwrap_or(self.last_step())
    }

    /// Whether the cursor follows the last step.
    pub fn follows(&self) -> bool {
        self.step.is_none()
    }

    /// The last step of the farthest visible lane.
    pub fn last_step(&self) -> Step {
        self.visible_lanes().map(|lane| lane.last_step()).max().unwrap_or_default()
    }

    /// The right end of the x axis: the planned steps of the visible lanes, or the last step made if that is beyond
    /// them.
    pub fn planned_steps(&self) -> Step {
        let planned = self.visible_lanes().filter_map(|lane| lane.planned_steps()).max().unwrap_or(0);
        Step(planned).max(self.last_step())
    }

    /// The first and the last step that charts over time show; none while they show the whole run.
    pub fn range(&self) -> Option<(Step, Step)> {
        Some(self.options.viewports.shown()?.ends(self.last_step()))
    }

    /// The part of vertical axes that charts show; none while they show all of them.
    pub fn part(&self) -> Option<viewport::Part> {
        self.options.viewports.part()
    }

    /// The row of layers the cursor is on; none until a lane has started. Until it is moved, the middle one of those
    /// that every visible lane has.
    pub fn row(&self) -> Option<LayerKey> {
        self.row.filter(|row| self.rows().contains(row)).or_else(|| {
            let started = || self.visible_lanes().filter(|lane| lane.structure().is_some());
            let in_all = |row: &&LayerKey| started().all(|lane| self.layer_at(lane, **row).is_some());
            let shared: Vec<&LayerKey> = self.rows().iter().filter(in_all).collect();
            shared.get(shared.len() / 2).copied().copied()
        })
    }

    /// The layer of a lane that the cursor is on; none where nothing of its network corresponds.
    pub fn layer_in(&self, lane: &Lane) -> Option<LayerIdx> {
        self.layer_at(lane, self.row()?)
    }

    /// The layer of a lane that corresponds to a row.
    pub fn layer_at(&self, lane: &Lane, row: LayerKey) -> Option<LayerIdx> {
        self.rows.layer(lane.idx(), row)
    }

    /// The layer of a lane that is in a row itself.
    pub fn own_layer_at(&self, lane: &Lane, row: LayerKey) -> Option<LayerIdx> {
        self.layer_at(lane, row).filter(|layer| self.row_of(lane, *layer) == Some(row))
    }

    /// The row of a lane's layer.
    pub fn row_of(&self, lane: &Lane, layer: LayerIdx) -> Option<LayerKey> {
        self.rows.key(lane.idx(), layer)
    }

    /// The block of a lane that the cursor is on: that of its layer, else the nearest.
    pub fn block_in(&self, lane: &Lane) -> Option<BlockIdx> {
        rows::block_of(lane.structure()?, self.layer_in(lane)?)
    }

    /// The display options.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

#[cfg(test)]
mod tests;
