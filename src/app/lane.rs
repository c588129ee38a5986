//! One lane as folded from its events: what is known of it, and what its health rules found.

use std::ops::{Deref, DerefMut};

use super::facts::{LaneFacts, LaneLabel, LaneState};
use super::health::{Health, SavedHealth, Severity};
use crate::event::{Declared, Kind, LaneStarted, RunEvent};
use crate::units::{LaneIdx, Step};

/// The version of what is folded and of how it is saved. To be raised whenever either changes, so that older indexes
/// are not taken.
pub const FOLD_VERSION: u32 = 7;

/// The section of rules and findings.
const HEALTH: &str = "health";

/// One lane. What is known of it is reached through it.
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

    /// Folds an event; `offset` is where its record begins in the lane's log, where that is known. Histories must all be
    /// here: see [`LaneFacts::saved_histories`].
    pub fn apply(&mut self, event: &RunEvent, offset: Option<u64>) {
        // A second beginning is of another log in the place of this one.
        if matches!(event.kind, Kind::LaneStarted(_)) {
            self.health = Health::default();
        }
        self.facts.fold(event, offset);
        self.health.observe(&self.facts, event, offset);
    }

    /// What its health rules found, in the order in which it showed.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The step since which training is lost, as it stood at `step`: its loss is far above its start or not
    /// finite, or it ended as diverged.
    pub fn diverged_since(&self, step: Step) -> Option<Step> {
        let critical = self.health.open_at(step).filter(|finding| finding.severity == Severity::Critical);
        let ended =
            (*self.state() == LaneState::Diverged && self.last_step() <= step).then(|| self.last_step());
        critical.map(|finding| finding.step).chain(ended).min()
    }

    /// The lane as named sections; none before it started, and none while a history is kept elsewhere.
    pub fn to_sections(&self) -> Option<Vec<(String, Vec<u8>)>> {
        let mut sections = self.facts.to_sections()?;
        sections.push((HEALTH.to_owned(), postcard::to_stdvec(&SavedHealth::from(&self.health)).ok()?));
        Some(sections)
    }

    /// A lane from its sections, the first event of its log and what it has declared. Single numbers that are known are
    /// read at once, other histories stay where they are. None where the sections are not those of a lane, or of one that
    /// another version folded.
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
