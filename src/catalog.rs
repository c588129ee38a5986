//! The state of the runs browser: a fold over what was found in the folder of runs and what the user orders.
//! It reads no clock and no file; what it wants done of the world it hands out as a [`Request`].

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
#[doc(hidden)]
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

/// Runs whose curves are kept at most, beside those that are shown.
const MOST_CURVES: usize = 64;
/// Deletions that can be taken back.
const MOST_UNDONE: usize = 100;

/// Everything that the browser is drawn from.
#[derive(Debug, Default)]
pub struct Catalog {
    runs: Vec<Run>,
    /// The place of each id in `runs`.
    places: HashMap<String, usize>,
    now_ms: i64,
    /// Whether all runs were found once, or why they cannot be.
    complete: Option<Result<(), String>>,
    filter: Filter,
    sort: Sort,
    grouped: bool,
    opened: BTreeSet<RowKey>,
    marked: BTreeSet<String>,
    /// What is shown, and whether it has to be made anew.
    rows: Vec<Row>,
    groups: Vec<Group>,
    shown: usize,
    stale: bool,
    /// The row that the cursor keeps to; none stays where it is, whatever stands there.
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
    /// For a filter, which is applied while it is typed.
    Filter {
        /// What is typed.
        line: Line,
        /// Why it is no filter; the last one that was goes on.
        error: Option<FilterError>,
        /// The filter to go back to.
        before: Filter,
    },
    /// For the note of a run.
    Note {
        /// The run.
        id: String,
        /// What is typed.
        line: Line,
    },
    /// For the tags of runs.
    Tags {
        /// The runs.
        ids: Vec<String>,
        /// The tags that all of them had.
        common: Vec<String>,
        /// What is typed.
        line: Line,
    },
    /// Whether to delete runs.
    Delete {
        /// The runs.
        ids: Vec<String>,
    },
}

/// The mean curves of one lane over several runs.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneBand {
    /// The lane, with what tells its group apart before it where lanes of several groups are shown.
    pub name: String,
    /// The runs whose curves are in it.
    pub runs: usize,
    /// The training loss.
    pub loss: Band,
    /// The test error.
    pub test: Band,
}

impl Catalog {
    /// An empty catalog, in which the newest runs will stand first.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// Folds what was found. What is shown follows with the next [`Catalog::settle`].
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

    /// Folds a deletion that was done.
    pub fn apply_discarded(&mut self, runs: Vec<Discarded>) {
        runs.iter().for_each(|run| self.remove(&run.id));
        if self.discarded.len() == MOST_UNDONE {
            self.discarded.remove(0);
        }
        self.discarded.push(runs);
    }

    /// Folds that a deletion was taken back, but for what could not be.
    pub fn apply_restored(&mut self, kept: Vec<Discarded>) {
        self.discarded.pop();
        if !kept.is_empty() {
            self.discarded.push(kept);
        }
    }

    /// Obeys an order of the user; gives what it takes beside the state.
    pub fn act(&mut self, action: Action) -> Option<Request> {
        self.settle();
        let request = act::act(self, action);
        self.settle();
        request
    }

    /// Makes anew what is shown, where something changed. To be called before anything of it is asked for.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.stale) {
            rows::settle(self);
        }
    }

    /// The runs whose curves are to be shown and were not asked for yet; they count as asked for now.
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

/// What there is.
impl Catalog {
    /// All runs, in no order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A run by its id.
    pub fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(*self.places.get(id)?)
    }

    /// Whether all runs were found once, or why they cannot be.
    pub fn complete(&self) -> Option<&Result<(), String>> {
        self.complete.as_ref()
    }

    /// The time in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The rows in their order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The groups that rows speak of.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many runs the filter lets through.
    pub fn shown(&self) -> usize {
        self.shown
    }

    /// The place of the cursor among the rows.
    pub fn cursor(&self) -> usize {
        self.at
    }

    /// The row under the cursor, whatever the order; none where it stays with the first one.
    pub fn cursor_row(&self) -> Option<&RowKey> {
        self.cursor.as_ref()
    }

    /// Whether a row shows what it consists of.
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

    /// The runs that an order is about: the marked ones; where none is, those under the cursor.
    pub fn chosen(&self) -> Vec<&Run> {
        if !self.marked.is_empty() {
            let mut marked: Vec<&Run> = self.marked.iter().filter_map(|id| self.run(id)).collect();
            marked.sort_by_key(|run| (run.started_ms(), run.id()));
            return marked;
        }
        self.under_cursor()
    }

    /// The run under the cursor, or all of the group there.
    pub(crate) fn under_cursor(&self) -> Vec<&Run> {
        if let Some(group) = self.current_group() {
            return group.runs.iter().filter_map(|run| self.runs.get(*run)).collect();
        }
        self.current().into_iter().collect()
    }

    /// The runs whose mean curves are shown: the newest of each seed of the chosen ones; where a single run is chosen, of
    /// all that are shown and belong to its group.
    pub fn band_runs(&self) -> Vec<&Run> {
        let mut runs = group::newest_of_each_seed(&self.band_candidates(), |run| Some(*run));
        runs.truncate(Catalog::MOST_BANDED);
        runs
    }

    /// How many runs [`Catalog::band_runs`] leaves out because a newer one has the same seed.
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

    /// Runs whose curves are laid over one another at most.
    pub const MOST_BANDED: usize = crate::reading::curves::MOST_RUNS;

    /// The mean curves of [`Catalog::band_runs`], as far as they were read.
    pub fn bands(&self) -> &[LaneBand] {
        &self.bands
    }

    /// Why curves of [`Catalog::band_runs`] could not be read, with the run.
    pub fn curve_problems(&self) -> impl Iterator<Item = (&str, &str)> {
        let runs = self.band_runs();
        self.curves.iter().filter_map(move |(id, curves)| {
            let problem = curves.as_ref().err()?;
            runs.iter().any(|run| run.id() == id).then_some((id.as_str(), problem.as_str()))
        })
    }

    /// How many of [`Catalog::band_runs`] are still being read.
    pub fn curves_awaited(&self) -> usize {
        self.band_runs().iter().filter(|run| !self.curves.contains_key(run.id())).count()
    }
}

/// How it is shown.
impl Catalog {
    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Shows what a filter lets through.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.stale = true;
    }

    /// The order.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// Puts the runs into an order.
    pub fn set_sort(&mut self, sort: Sort) {
        self.sort = sort;
        self.stale = true;
    }

    /// Whether runs that differ in their seed only and ended alike are one row.
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

    /// The first line shown of what is open over the table.
    pub fn scroll(&self) -> usize {
        self.scroll
    }

    /// Whether a deletion can be taken back.
    pub fn can_undo(&self) -> bool {
        !self.discarded.is_empty()
    }

    /// The notes of runs after their tags were edited: those that all had in common are replaced.
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
