//! A lane's rules and findings as an index stores them. Rules are stored by name, so that an index of a version with
//! other rules is rejected.

use serde::{Deserialize, Serialize};

use super::{FINDINGS_PER_LANE, Finding, Gate, Health, MARKS, Mark, RULES, Severity};
use crate::units::{LaneIdx, LayerIdx, Step};

/// Rules and findings.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct SavedHealth {
    gates: Vec<SavedGate>,
    findings: Vec<SavedFinding>,
    dropped: u64,
    marks: Vec<SavedMark>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedGate {
    rule: String,
    streak: u32,
    open: Option<usize>,
    memory: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedMark {
    step: Step,
    offset: Option<u64>,
    gates: Vec<SavedGate>,
    dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedFinding {
    step: Step,
    layer: Option<LayerIdx>,
    rule: String,
    severity: Severity,
    message: String,
    cleared_at: Option<Step>,
}

/// Rules as they are stored.
fn keep(gates: &[Gate]) -> Vec<SavedGate> {
    let keep = |gate: &Gate| SavedGate {
        rule: gate.entry.name.to_owned(),
        streak: gate.streak,
        open: gate.open,
        memory: gate.rule.memory(),
    };
    gates.iter().map(keep).collect()
}

/// Stored rules; none if they are not those of this version.
fn restore(saved: Vec<SavedGate>) -> Option<Vec<Gate>> {
    let names = saved.iter().map(|gate| gate.rule.as_str());
    if !saved.is_empty() && !names.eq(RULES.iter().map(|entry| entry.name)) {
        return None;
    }
    let restore = |(saved, entry): (SavedGate, &&'static super::RuleEntry)| {
        let mut gate = Gate { streak: saved.streak, open: saved.open, ..Gate::new(entry) };
        gate.rule.recall(&saved.memory).then_some(gate)
    };
    saved.into_iter().zip(RULES).map(restore).collect()
}

impl From<&Health> for SavedHealth {
    fn from(health: &Health) -> SavedHealth {
        let finding = |finding: &Finding| SavedFinding {
            step: finding.step,
            layer: finding.layer,
            rule: finding.rule.to_owned(),
            severity: finding.severity,
            message: finding.message.clone(),
            cleared_at: finding.cleared_at,
        };
        let mark = |mark: &Mark| SavedMark {
            step: mark.step,
            offset: mark.offset,
            gates: keep(&mark.gates),
            dropped: mark.dropped,
        };
        SavedHealth {
            gates: keep(&health.gates),
            findings: health.findings.iter().map(finding).collect(),
            dropped: health.dropped,
            marks: health.marks.iter().map(mark).collect(),
        }
    }
}

impl SavedHealth {
    /// None if the rules are not those of this version.
    pub(in crate::app) fn restore(self, lane: LaneIdx) -> Option<Health> {
        if self.findings.len() > FINDINGS_PER_LANE || self.marks.len() > MARKS {
            return None;
        }
        let finding = |saved: SavedFinding| {
            let entry = RULES.iter().find(|entry| entry.name == saved.rule)?;
            let SavedFinding { step, layer, rule: _, severity, message, cleared_at } = saved;
            let (rule, meaning) = (entry.name, entry.meaning);
            Some(Finding { lane, step, layer, rule, severity, message, meaning, cleared_at })
        };
        let mark = |SavedMark { step, offset, gates, dropped }: SavedMark| {
            Some(Mark { step, offset, gates: restore(gates)?, dropped })
        };
        Some(Health {
            gates: restore(self.gates)?,
            findings: self.findings.into_iter().map(finding).collect::<Option<_>>()?,
            dropped: self.dropped,
            marks: self.marks.into_iter().map(mark).collect::<Option<_>>()?,
        })
    }
}
