//! One lane as folded from its events: its facts, and what its health rules found.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::facts::{LaneFacts, LaneLabel, LaneState};
use super::health::{Health, SavedHealth, Severity};
use crate::event::{Declared, Kind, LaneStarted, RunEvent};
use crate::experiment::Experiment;
use crate::units::{LaneIdx, Step};

/// The version of what is folded and how it is saved. Must be raised whenever either changes, so that older indexes are
/// rejected.
pub const FOLD_VERSION: u32 = 15;

/// The section of rules and findings.
const HEALTH: &str = "health";

/// One lane. Its facts are reached through it.
#[derive(Debug)]
pub struct Lane {
    facts: LaneFacts,
    health: Health,
}

impl Deref for Lane {
    type Target = LaneFacts;

    fn deref(&self) -> &LaneFacts {
        &self.facts
    }
}

impl DerefMut for Lane {
    fn deref_mut(&mut self) -> &mut LaneFacts {
        &mut self.facts
    }
}

impl Lane {
    /// A lane before its first event.
    pub fn new(idx: LaneIdx, label: LaneLabel) -> Lane {
        Lane { facts: LaneFacts::new(idx, label), health: Health::default() }
    }

    /// A lane before its first event whose experiment is known.
    pub fn planned(idx: LaneIdx, label: LaneLabel, experiment: Arc<Experiment>) -> Lane {
        let mut lane = Lane::new(idx, label);
        lane.facts.plan(experiment);
        lane
    }

    /// The same lane in another place.
    pub(super) fn moved_to(mut self, idx: LaneIdx) -> Lane {
        self.facts.move_to(idx);
        self.health.move_to(idx);
        self
    }

    /// Folds an event; `offset` is where its record begins in the lane's log, if known. All histories must be loaded:
    /// see [`LaneFacts::saved_histories`].
    pub fn apply(&mut self, event: &RunEvent, offset: Option<u64>) {
        // A second start means that another log has replaced this one.
        if matches!(event.kind, Kind::LaneStarted(_)) {
            self.health = Health::default();
        }
        self.facts.fold(event, offset);
        self.health.observe(&self.facts, event, offset);
    }

    /// What its health rules found, in the order of occurrence.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The step at which training diverged, as known at `step`: the loss is far above its start or not finite, or the
    /// lane ended as diverged.
    pub fn diverged_since(&self, step: Step) -> Option<Step> {
        let critical = self.health.open_at(step).filter(|finding| finding.severity == Severity::Critical);
        let ended =
            (*self.state() == LaneState::Diverged && self.last_step() <= step).then(|| self.last_step());
        critical.map(|finding| finding.step).chain(ended).min()
    }

    /// The lane as named sections; none before it started, and none while a history is only in the index.
    pub fn to_sections(&self) -> Option<Vec<(String, Vec<u8>)>> {
        let mut sections = self.facts.to_sections()?;
        sections.push((HEALTH.to_owned(), postcard::to_stdvec(&SavedHealth::from(&self.health)).ok()?));
        Some(sections)
    }

    /// A lane from its sections, the first event of its log and what the log has declared. Histories stay in the index. None
    /// if the sections are not those of a lane, or were folded by another version.
    pub fn from_sections(
        idx: LaneIdx,
        label: LaneLabel,
        started: LaneStarted,
        declared: Declared,
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<Lane> {
        let health: SavedHealth = postcard::from_bytes(&read(HEALTH)?).ok()?;
        let facts = LaneFacts::from_sections(idx, label, started, declared, read)?;
        Some(Lane { facts, health: health.restore(idx)? })
    }
}
