//! Looks up what the state needs beyond what it has folded, in the logs of its lanes and the indexes beside them.

use std::path::PathBuf;

use crossbeam_channel::Select;

use super::origin::{Origin, Place};
use super::ranges::{self, Ranges, Reading};
use super::replay::ReplayLane;
use super::{Folded, fetch};
use crate::app::{Answer, App, Lane, Need};
use crate::runlog::Index;
use crate::units::LaneIdx;

/// Answers the needs of the state from the logs of its lanes and the indexes that were used.
#[derive(Debug, Default)]
pub struct Library {
    pub(super) lanes: Vec<Volume>,
    pub(super) ranges: Ranges,
}

#[derive(Debug, Default)]
pub(super) struct Volume {
    pub(super) origin: Origin,
    pub(super) index: Option<Index<Place>>,
}

impl Library {
    /// The logs of a run that this process writes.
    pub fn of_logs(logs: impl IntoIterator<Item = PathBuf>) -> Library {
        let lanes = logs.into_iter().map(|log| Volume { origin: Origin::Log(log), index: None }).collect();
        Library { lanes, ranges: Ranges::default() }
    }

    /// Puts the logs of another library in the place of those from `first` on.
    pub fn place(&mut self, first: LaneIdx, other: Library) {
        let end = first.0 + other.lanes.len();
        self.lanes.resize_with(self.lanes.len().max(end), Volume::default);
        self.lanes.splice(first.0..end, other.lanes);
    }

    /// Has a lane's log be this one, a new one or another than before.
    pub fn set(&mut self, idx: LaneIdx, origin: Origin) {
        self.lanes.resize_with(self.lanes.len().max(idx.0 + 1), Volume::default);
        if let Some(volume) = self.lanes.get_mut(idx.0) {
            *volume = Volume { origin, index: None };
        }
    }

    /// Looks up what the state needs; returns whether anything on screen may have changed. A lane whose index turns
    /// out to be damaged is folded again from its log.
    pub fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let changed = self.answer_at_once(app, needs);
        let answers: Vec<Answer> = self.readings(app, needs).iter().flat_map(ranges::read).collect();
        answers.into_iter().fold(changed, |changed, answer| app.answer(answer) | changed)
    }

    /// As [`Library::answer`], but ranges of steps are read by a thread; their answers come later, see
    /// [`Library::collect`].
    pub fn answer_soon(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let readings = self.readings(app, needs);
        self.ranges.begin(readings);
        self.answer_at_once(app, needs)
    }

    /// Adds to a selection a channel that becomes ready when a range was read.
    pub fn watch<'a>(&'a self, select: &mut Select<'a>) {
        self.ranges.watch(select);
    }

    /// Supplies the ranges that were read. Returns whether anything on screen may have changed.
    pub fn collect(&mut self, app: &mut App) -> bool {
        self.ranges.read().into_iter().fold(false, |changed, answer| app.answer(answer) | changed)
    }

    /// What to read for ranges of steps: each range of a lane once, for all of its metrics.
    fn readings(&self, app: &App, needs: &[Need]) -> Vec<Reading> {
        let mut all: Vec<Reading> = Vec::new();
        for need in needs {
            let Need::Range { lane: idx, metric, steps, bytes } = need else { continue };
            let (Some(volume), Some(lane)) = (self.lanes.get(idx.0), app.lane(*idx)) else { continue };
            let empty = (*metric, lane.detail(*metric));
            match all.iter_mut().find(|reading| (reading.lane, reading.steps) == (*idx, *steps)) {
                Some(reading) => reading.empty.push(empty),
                None => all.push(Reading {
                    lane: *idx,
                    origin: volume.origin.clone(),
                    bytes: bytes.clone(),
                    steps: *steps,
                    declared: lane.declared().clone(),
                    empty: vec![empty],
                }),
            }
        }
        all
    }

    fn answer_at_once(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let mut changed = false;
        for need in needs {
            changed |= self.look_up(app, need);
        }
        changed
    }

    fn look_up(&mut self, app: &mut App, need: &Need) -> bool {
        let (Need::History { lane: idx, .. } | Need::Step { lane: idx, .. }) = *need else { return false };
        let (Some(volume), Some(lane)) = (self.lanes.get_mut(idx.0), app.lane(idx)) else { return false };
        let answer = match *need {
            Need::History { lane: idx, key } => {
                let history = volume.index.as_ref().and_then(|index| fetch(lane, index, key));
                history.map(|history| Answer::History { lane: idx, key, history })
            }
            Need::Step { lane: idx, step, from } => {
                match volume.origin.find_step(from, step, lane.declared()) {
                    Ok(Some((found, values))) => Some(Answer::Step { lane: idx, asked: step, found, values }),
                    // The log is missing or was replaced; the merged history has to suffice.
                    _ => return false,
                }
            }
            Need::Range { .. } => return false,
        };
        match answer {
            Some(answer) => app.answer(answer),
            None => {
                volume.index = None;
                app.replace(fold_anew(lane, &volume.origin));
                true
            }
        }
    }

    /// Loads every history of a lane, before more of its events are folded.
    pub fn prepare(&mut self, app: &mut App, idx: LaneIdx) {
        let needs: Vec<Need> = app
            .lane(idx)
            .map(|lane| lane.saved_histories())
            .unwrap_or_default()
            .into_iter()
            .map(|key| Need::History { lane: idx, key })
            .collect();
        if !needs.is_empty() {
            self.answer(app, &needs);
            app.own(idx);
        }
    }
}

/// A lane as folded from the beginning of its log.
fn fold_anew(lane: &Lane, origin: &Origin) -> Lane {
    let source = ReplayLane::of(lane.idx(), lane.label().run.clone(), lane.name().to_owned(), origin.clone());
    let mut anew = Folded::new(source);
    // If the log cannot be read to its end, the readable part has to suffice.
    let _ = anew.fold_on();
    if lane.state().is_over() {
        anew.lane.source_ended();
    }
    anew.lane
}
