//! Determines which rows are shown, in which order, and where the cursor is.

use std::collections::{BTreeMap, BTreeSet};

use super::band::band;
use super::group::{self, Group};
use super::run::{At, Run};
use super::sort;
use super::{LaneBand, Pane, RunsList};
use crate::printable::printable;
use crate::reading::curves::LaneCurves;

/// A row of the table. Numbers are indices into [`RunsList::runs`], [`RunsList::groups`] and a run's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A run.
    Run {
        /// Which one.
        run: usize,
        /// Whether it is shown below its group.
        nested: bool,
    },
    /// A lane of the run above it.
    Lane {
        /// Its run.
        run: usize,
        /// Which one.
        lane: usize,
        /// Whether its run is shown below its group.
        nested: bool,
    },
    /// Runs of several seeds.
    Group {
        /// Which one.
        group: usize,
    },
    /// A lane of the group above it.
    GroupLane {
        /// Its group.
        group: usize,
        /// Which one.
        lane: usize,
    },
}

/// The identity of a row, independent of the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A run by its id, with a lane.
    Run(String, Option<usize>),
    /// A group by its key, with a lane.
    Group(u64, Option<usize>),
}

/// The key of a row.
pub(super) fn key_of(list: &RunsList, row: &Row) -> RowKey {
    let id = |run: usize| list.runs.get(run).map(|run| run.id().to_owned()).unwrap_or_default();
    let key = |group: usize| list.groups.get(group).map_or(0, |group| group.key);
    match *row {
        Row::Run { run, .. } => RowKey::Run(id(run), None),
        Row::Lane { run, lane, .. } => RowKey::Run(id(run), Some(lane)),
        Row::Group { group } => RowKey::Group(key(group), None),
        Row::GroupLane { group, lane } => RowKey::Group(key(group), Some(lane)),
    }
}

/// Whether a run matches the filter.
pub(super) fn is_shown(list: &RunsList, run: &Run) -> bool {
    list.filter.matches(&At { run, now_ms: list.now_ms })
}

/// Rebuilds the rows, and finds the cursor's row among them.
pub(super) fn settle(list: &mut RunsList) {
    let shown = |index: &usize| is_shown(list, &list.runs[*index]);
    let mut order: Vec<usize> = (0..list.runs.len()).filter(shown).collect();
    sort::order(&list.runs, &mut order, list.sort);
    list.shown = order.len();
    list.groups.clear();
    let mut rows = Vec::with_capacity(order.len());
    if list.grouped {
        for group in group::groups(&list.runs, &order) {
            match group {
                Err(run) => push_run(list, run, false, &mut rows),
                Ok(group) => push_group(list, group, &mut rows),
            }
        }
    } else {
        order.into_iter().for_each(|run| push_run(list, run, false, &mut rows));
    }
    list.rows = rows;
    find_cursor(list);
    list.bands = bands(list);
}

fn push_run(list: &RunsList, run: usize, nested: bool, rows: &mut Vec<Row>) {
    let row = Row::Run { run, nested };
    rows.push(row);
    // Looking this up for each of many runs would cost more than everything else.
    if !list.opened.is_empty() && list.is_open(&row) {
        let lanes = list.runs.get(run).map_or(0, |run| run.lanes().len());
        rows.extend((0..lanes).map(|lane| Row::Lane { run, lane, nested }));
    }
}

fn push_group(list: &mut RunsList, group: Group, rows: &mut Vec<Row>) {
    let (lanes, runs) = (group.lanes.len(), group.runs.clone());
    let row = Row::Group { group: list.groups.len() };
    list.groups.push(group);
    rows.push(row);
    if list.is_open(&row) {
        rows.extend((0..lanes).map(|lane| Row::GroupLane { group: list.groups.len() - 1, lane }));
        runs.into_iter().for_each(|run| push_run(list, run, true, rows));
    }
}

fn find_cursor(list: &mut RunsList) {
    let last = list.rows.len().saturating_sub(1);
    if let Some(wanted) = &list.cursor {
        let place = |key: &RowKey| list.rows.iter().position(|row| is_called(list, row, key));
        // From a lane that is no longer shown the cursor goes to its run or group.
        let found = place(wanted).or_else(|| match wanted {
            RowKey::Run(id, Some(_)) => place(&RowKey::Run(id.clone(), None)),
            RowKey::Group(key, Some(_)) => place(&RowKey::Group(*key, None)),
            _ => None,
        });
        list.at = found.unwrap_or(list.at);
    }
    list.at = list.at.min(last);
}

/// Like comparing with [`key_of`], without building a key.
fn is_called(list: &RunsList, row: &Row, key: &RowKey) -> bool {
    let is_run = |run: usize, id: &str| list.runs.get(run).is_some_and(|run| run.id() == id);
    let is_group = |group: usize, key: u64| list.groups.get(group).is_some_and(|group| group.key == key);
    match (row, key) {
        (Row::Run { run, .. }, RowKey::Run(id, None)) => is_run(*run, id),
        (Row::Lane { run, lane, .. }, RowKey::Run(id, Some(wanted))) => lane == wanted && is_run(*run, id),
        (Row::Group { group }, RowKey::Group(key, None)) => is_group(*group, *key),
        (Row::GroupLane { group, lane }, RowKey::Group(key, Some(wanted))) => {
            lane == wanted && is_group(*group, *key)
        }
        _ => false,
    }
}

/// A run with its curves.
type Read<'a> = (&'a Run, &'a Vec<LaneCurves>);

/// The mean curves of the chosen runs, by group and lane.
fn bands(list: &RunsList) -> Vec<LaneBand> {
    if list.pane != Pane::Bands {
        return Vec::new();
    }
    let mut groups: BTreeMap<(u64, &str), Vec<Read<'_>>> = BTreeMap::new();
    for run in list.band_runs() {
        let Some(Ok(curves)) = list.curves.get(run.id()) else { continue };
        let key = run.group_key().map_or((0, run.id()), |key| (key, ""));
        groups.entry(key).or_default().push((run, curves));
    }
    // The oldest run's group first, independent of the keys.
    let mut groups: Vec<Vec<Read<'_>>> = groups.into_values().collect();
    groups.sort_by_key(|runs| runs.iter().map(|(run, _)| (run.started_ms(), run.id())).min());
    let firsts = || groups.iter().filter_map(|runs| runs.first());
    let labels: BTreeSet<String> = firsts().map(|(run, _)| run.label()).collect();
    let name = |run: &Run| match (groups.len(), labels.len()) {
        (1, _) => None,
        (groups, labels) if groups == labels => Some(run.label()),
        _ => Some(printable(run.id())),
    };
    let names: Vec<Option<String>> = firsts().map(|(run, _)| name(run)).collect();
    groups.iter().zip(&names).flat_map(|(runs, name)| bands_of(runs, name.as_deref())).collect()
}

fn bands_of(runs: &[Read<'_>], name: Option<&str>) -> Vec<LaneBand> {
    let Some((_, lanes)) = runs.first() else { return Vec::new() };
    let of_lane = |lane: &LaneCurves| {
        let curves =
            || runs.iter().filter_map(|(_, lanes)| lanes.iter().find(|other| other.name == lane.name));
        LaneBand {
            name: name.map_or_else(|| lane.name.clone(), |name| format!("{name} {}", lane.name)),
            runs: curves().count(),
            loss: band(&curves().map(|curves| curves.loss.as_slice()).collect::<Vec<_>>()),
            test: band(&curves().map(|curves| curves.test.as_slice()).collect::<Vec<_>>()),
        }
    };
    lanes.iter().map(of_lane).collect()
}
