//! The state of the runs browser: a fold over what was found in the folder of runs and the user's actions. It reads no
//! clock and no file; what is to be done outside the state it returns as a [`Request`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::reading::curves::LaneCurves;
use crate::runlog::{Discarded, Notes};
use crate::session::listing::Found;

pub mod action;
pub mod band;
pub mod difference;
pub mod filter;
pub mod group;
pub mod line;
pub mod run;
pub mod sort;
#[cfg(any(test, feature = "test-material"))]
pub mod specimen;

mod act;
mod rows;

pub use action::{Action, Pane, Request};
pub use band::{Band, BandPoint};
pub use filter::{Filter, FilterError};
pub use group::{Figures, Group, LaneGroup};
pub use line::{Edit, Line};
pub use rows::{Row, RowKey};
pub use run::Run;
pub use sort::{Sort, SortKey};

/// The most runs whose curves are kept, besides those shown.
const MOST_CURVES: usize = 64;
/// The number of deletions that can be undone.
const MOST_UNDONE: usize = 100;

/// Everything that the browser is drawn from.
#[derive(Debug, Default)]
pub struct RunsList {
    runs: Vec<Run>,
    /// The index of each id in `runs`.
    places: HashMap<String, usize>,
    now_ms: i64,
    /// Whether all runs have been listed once, or why they cannot be.
    complete: Option<Result<(), String>>,
    filter: Filter,
    sort: Sort,
    grouped: bool,
    opened: BTreeSet<RowKey>,
    marked: BTreeSet<String>,
    /// What is shown, and whether it has to be rebuilt.
    rows: Vec<Row>,
    groups: Vec<Group>,
    shown: usize,
    stale: bool,
    /// The row that the cursor follows; none for whichever row is at its place.
    cursor: Option<RowKey>,
    at: usize,
    pane: Pane,
    prompt: Option<Prompt>,
    help: bool,
    scroll: usize,
    curves: BTreeMap<String, Result<Vec<LaneCurves>, String>>,
    /// The runs whose curves were asked for last.
    wanted: Vec<String>,
    bands: Vec<LaneBand>,
    discarded: Vec<Vec<Discarded>>,
}

/// What the user is being asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Asks for a filter, which is applied while it is typed.
    Filter {
        /// What is typed.
        line: Line,
        /// Why it is not a valid filter; until it is, the last valid one stays.
        error: Option<FilterError>,
        /// The filter to restore on cancelling.
        before: Filter,
    },
    /// Asks for the note of a run.
    Note {
        /// The run.
        id: String,
        /// What is typed.
        line: Line,
    },
    /// Asks for the tags of runs.
    Tags {
        /// The runs.
        ids: Vec<String>,
        /// The tags that all of them had.
        common: Vec<String>,
        /// What is typed.
        line: Line,
    },
    /// Asks whether to delete runs.
    Delete {
        /// The runs.
        ids: Vec<String>,
    },
}

/// The mean curves of one lane over several runs.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneBand {
    /// The name of the lane, after that of its group if several groups are shown.
    pub name: String,
    /// The number of runs in it.
    pub runs: usize,
    /// The training loss.
    pub loss: Band,
    /// The test error.
    pub test: Band,
}

impl RunsList {
    /// An empty list, ordered with the newest runs first.
    pub fn new() -> RunsList {
        RunsList::default()
    }

    /// Folds what was found. The rows are updated by the next [`RunsList::settle`].
    pub fn apply(&mut self, found: Found) {
        match found {
            Found::Time(now_ms) => self.now_ms = now_ms,
            Found::Complete(complete) => self.complete = Some(complete),
            Found::Gone(ids) => ids.iter().for_each(|id| self.remove(id)),
            Found::Runs(runs) => {
                for listed in runs {
                    match self.places.get(&listed.id) {
                        Some(place) => self.runs[*place] = Run::new(listed),
                        None => {
                            self.places.insert(listed.id.clone(), self.runs.len());
                            self.runs.push(Run::new(listed));
                        }
                    }
                }
                self.stale = true;
            }
            Found::Curves(read) => {
                if self.curves.len() >= MOST_CURVES {
                    let wanted = &self.wanted;
                    self.curves.retain(|id, _| wanted.contains(id));
                }
                self.curves.insert(read.id, read.lanes);
                self.stale = true;
            }
        }
    }

    /// Folds a deletion.
    pub fn apply_discarded(&mut self, runs: Vec<Discarded>) {
        runs.iter().for_each(|run| self.remove(&run.id));
        if self.discarded.len() == MOST_UNDONE {
            self.discarded.remove(0);
        }
        self.discarded.push(runs);
    }

    /// Folds that the last deletion was undone, except for the runs in `kept`.
    pub fn apply_restored(&mut self, kept: Vec<Discarded>) {
        self.discarded.pop();
        if !kept.is_empty() {
            self.discarded.push(kept);
        }
    }

    /// Carries out a user's action; returns what is to be done outside the state.
    pub fn act(&mut self, action: Action) -> Option<Request> {
        self.settle();
        let request = act::act(self, action);
        self.settle();
        request
    }

    /// Rebuilds what is shown, if something changed. To be called before reading it.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.stale) {
            rows::settle(self);
        }
    }

    /// The runs whose curves are to be shown but were not yet requested; from then on they count as requested.
    pub fn missing_curves(&mut self) -> Option<Vec<String>> {
        if self.pane != Pane::Bands {
            return None;
        }
        let mut ids: Vec<String> = self.band_runs().iter().map(|run| run.id().to_owned()).collect();
        ids.retain(|id| !self.curves.contains_key(id));
        if ids.is_empty() || ids.iter().all(|id| self.wanted.contains(id)) {
            return None;
        }
        self.wanted.clone_from(&ids);
        Some(ids)
    }

    fn remove(&mut self, id: &str) {
        let Some(place) = self.places.remove(id) else { return };
        self.runs.swap_remove(place);
        if let Some(moved) = self.runs.get(place) {
            self.places.insert(moved.id().to_owned(), place);
        }
        self.marked.remove(id);
        self.curves.remove(id);
        self.stale = true;
    }
}

/// Reading the state.
impl RunsList {
    /// All runs, unordered.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A run by its id.
    pub fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(*self.places.get(id)?)
    }

    /// Whether all runs have been listed once, or why they cannot be.
    pub fn complete(&self) -> Option<&Result<(), String>> {
        self.complete.as_ref()
    }

    /// The time in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The rows in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The groups that rows refer to.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many runs match the filter.
    pub fn shown(&self) -> usize {
        self.shown
    }

    /// The index of the cursor's row.
    pub fn cursor(&self) -> usize {
        self.at
    }

    /// The row that the cursor follows; none while it stays at the first row.
    pub fn cursor_row(&self) -> Option<&RowKey> {
        self.cursor.as_ref()
    }

    /// Whether a row is expanded.
    pub fn is_open(&self, row: &Row) -> bool {
        self.opened.contains(&rows::key_of(self, row))
    }

    /// Whether a run is marked.
    pub fn is_marked(&self, id: &str) -> bool {
        self.marked.contains(id)
    }

    /// The ids of the marked runs.
    pub fn marked(&self) -> &BTreeSet<String> {
        &self.marked
    }

    /// The run under the cursor; none on the row of a group.
    pub fn current(&self) -> Option<&Run> {
        match self.rows.get(self.at)? {
            Row::Run { run, .. } | Row::Lane { run, .. } => self.runs.get(*run),
            Row::Group { .. } | Row::GroupLane { .. } => None,
        }
    }

    /// The group under the cursor.
    pub fn current_group(&self) -> Option<&Group> {
        match self.rows.get(self.at)? {
            Row::Group { group } | Row::GroupLane { group, .. } => self.groups.get(*group),
            Row::Run { .. } | Row::Lane { .. } => None,
        }
    }

    /// The runs that an action applies to: the marked ones, or those under the cursor if none is marked.
    pub fn chosen(&self) -> Vec<&Run> {
        if !self.marked.is_empty() {
            let mut marked: Vec<&Run> = self.marked.iter().filter_map(|id| self.run(id)).collect();
            marked.sort_by_key(|run| (run.started_ms(), run.id()));
            return marked;
        }
        self.under_cursor()
    }

    /// The run under the cursor, or all runs of the group there.
    pub(crate) fn under_cursor(&self) -> Vec<&Run> {
        if let Some(group) = self.current_group() {
            return group.runs.iter().filter_map(|run| self.runs.get(*run)).collect();
        }
        self.current().into_iter().collect()
    }

    /// The runs whose mean curves are shown: the newest of each seed among the chosen ones; if a single run is chosen,
    /// among all shown runs of its group.
    pub fn band_runs(&self) -> Vec<&Run> {
        let mut runs = group::newest_of_each_seed(&self.band_candidates(), |run| Some(*run));
        runs.truncate(RunsList::MOST_BANDED);
        runs
    }

    /// How many runs [`RunsList::band_runs`] leaves out because a newer one has the same seed.
    pub fn band_repeats(&self) -> usize {
        let candidates = self.band_candidates();
        candidates.len() - group::newest_of_each_seed(&candidates, |run| Some(*run)).len()
    }

    fn band_candidates(&self) -> Vec<&Run> {
        let chosen = self.chosen();
        match chosen.as_slice() {
            [one] if one.group_key().is_some() => {
                let shown = self.runs.iter().filter(|run| rows::is_shown(self, run));
                shown.filter(|run| run.group_key() == one.group_key()).collect()
            }
            _ => chosen,
        }
    }

    /// The most runs whose curves are averaged.
    pub(crate) const MOST_BANDED: usize = crate::reading::curves::MOST_RUNS;

    /// The mean curves of [`RunsList::band_runs`], as far as they have been read.
    pub fn bands(&self) -> &[LaneBand] {
        &self.bands
    }

    /// Why curves of [`RunsList::band_runs`] could not be read, with the run.
    pub fn curve_problems(&self) -> impl Iterator<Item = (&str, &str)> {
        let runs = self.band_runs();
        self.curves.iter().filter_map(move |(id, curves)| {
            let problem = curves.as_ref().err()?;
            runs.iter().any(|run| run.id() == id).then_some((id.as_str(), problem.as_str()))
        })
    }

    /// How many of [`RunsList::band_runs`] are still being read.
    pub fn curves_awaited(&self) -> usize {
        self.band_runs().iter().filter(|run| !self.curves.contains_key(run.id())).count()
    }
}

/// How it is shown.
impl RunsList {
    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Sets the filter.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.stale = true;
    }

    /// The sort order.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// Sets the sort order.
    pub fn set_sort(&mut self, sort: Sort) {
        self.sort = sort;
        self.stale = true;
    }

    /// Whether runs that differ only in their seed and ended alike share a row.
    pub fn is_grouped(&self) -> bool {
        self.grouped
    }

    /// What is shown beside the table.
    pub fn pane(&self) -> Pane {
        self.pane
    }

    /// What the user is being asked.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Whether the help is open.
    pub fn help(&self) -> bool {
        self.help
    }

    /// The scroll position of what is open over the table: its first line shown.
    pub fn scroll(&self) -> usize {
        self.scroll
    }

    /// Whether a deletion can be undone.
    pub fn can_undo(&self) -> bool {
        !self.discarded.is_empty()
    }

    /// The notes of runs after editing the tags that all of them had, which are replaced.
    fn retagged(&self, ids: &[String], common: &[String], line: &str) -> Vec<(String, Notes)> {
        let typed: Vec<&str> = Notes::tags_of(line).collect();
        let retag = |id: &String| {
            let notes = self.run(id)?.notes()?;
            let kept = notes.tags().iter().filter(|tag| !common.contains(tag)).map(String::as_str);
            let new = Notes::new(notes.note(), kept.chain(typed.iter().copied()));
            (new != *notes).then(|| (id.clone(), new))
        };
        ids.iter().filter_map(retag).collect()
    }
}

#[cfg(test)]
mod tests;
