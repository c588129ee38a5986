//! Looks up what the state needs beyond what it has folded, in the logs of its lanes and the indexes beside them.

use std::path::{Path, PathBuf};

use super::replay::ReplayLane;
use super::{Folded, fetch};
use crate::app::{Answer, App, Lane, Need};
use crate::runlog::{Index, find_step};
use crate::units::LaneIdx;

/// Answers the needs of the state from the logs of its lanes and the indexes that were used.
#[derive(Debug, Default)]
pub struct Library {
    pub(super) lanes: Vec<Volume>,
}

#[derive(Debug, Default)]
pub(super) struct Volume {
    pub(super) log: PathBuf,
    pub(super) index: Option<Index>,
}

impl Library {
    /// The logs of a run that this process writes.
    pub fn of_logs(logs: impl IntoIterator<Item = PathBuf>) -> Library {
        Library { lanes: logs.into_iter().map(|log| Volume { log, index: None }).collect() }
    }

    /// Puts the logs of another library in the place of those from `first` on.
    pub fn place(&mut self, first: LaneIdx, other: Library) {
        let end = first.0 + other.lanes.len();
        self.lanes.resize_with(self.lanes.len().max(end), Volume::default);
        self.lanes.splice(first.0..end, other.lanes);
    }

    /// Looks up what the state needs; returns whether anything on screen may have changed. A lane whose index turns
    /// out to be damaged is folded again from its log.
    pub fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let mut changed = false;
        for need in needs {
            changed |= self.look_up(app, *need);
        }
        changed
    }

    fn look_up(&mut self, app: &mut App, need: Need) -> bool {
        let (Need::History { lane: idx, .. } | Need::Step { lane: idx, .. }) = need;
        let (Some(volume), Some(lane)) = (self.lanes.get_mut(idx.0), app.lane(idx)) else { return false };
        let answer = match need {
            Need::History { lane: idx, key } => {
                let history = volume.index.as_ref().and_then(|index| fetch(lane, index, key));
                history.map(|history| Answer::History { lane: idx, key, history })
            }
            Need::Step { lane: idx, step, from } => match find_step(&volume.log, from, step, lane.declared())
            {
                Ok(Some((found, values))) => Some(Answer::Step { lane: idx, asked: step, found, values }),
                // The log is missing or was replaced; the merged history has to suffice.
                _ => return false,
            },
        };
        match answer {
            Some(answer) => app.answer(answer),
            None => {
                volume.index = None;
                app.replace(fold_anew(lane, &volume.log));
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
fn fold_anew(lane: &Lane, log: &Path) -> Lane {
    let source = ReplayLane::of_log(lane.idx(), lane.label().run.clone(), lane.name().to_owned(), log);
    let mut anew = Folded::new(source);
    // If the log cannot be read to its end, the readable part has to suffice.
    let _ = anew.fold_on();
    if lane.state().is_over() {
        anew.lane.source_ended();
    }
    anew.lane
}
