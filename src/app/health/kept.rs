//! A lane's rules and findings as an index stores them. Rules are stored by name, so that an index of a version with
//! other rules is rejected.

use serde::{Deserialize, Serialize};

use super::{FINDINGS_PER_LANE, Finding, Gate, Health, Mark, RULES, Severity};
use crate::units::{LaneIdx, LayerIdx, Step};

/// The state of the rules.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct KeptGates {
    gates: Vec<KeptGate>,
    dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptGate {
    rule: String,
    streak: u32,
    open: Option<usize>,
    memory: Vec<u8>,
}

/// Rules and findings.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::app) struct KeptHealth {
    gates: KeptGates,
    findings: Vec<KeptFinding>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFinding {
    step: Step,
    layer: Option<LayerIdx>,
    rule: String,
    severity: Severity,
    message: String,
    cleared_at: Option<Step>,
}

impl From<&Mark> for KeptGates {
    fn from(mark: &Mark) -> KeptGates {
        let keep = |gate: &Gate| KeptGate {
            rule: gate.entry.name.to_owned(),
            streak: gate.streak,
            open: gate.open,
            memory: gate.rule.memory(),
        };
        KeptGates { gates: mark.gates.iter().map(keep).collect(), dropped: mark.dropped }
    }
}

impl KeptGates {
    /// None if the rules are not those of this version.
    pub(in crate::app) fn restore(self) -> Option<Mark> {
        let names = self.gates.iter().map(|gate| gate.rule.as_str());
        if !self.gates.is_empty() && !names.eq(RULES.iter().map(|entry| entry.name)) {
            return None;
        }
        let restore = |(kept, entry): (KeptGate, &&'static super::RuleEntry)| {
            let mut gate = Gate { streak: kept.streak, open: kept.open, ..Gate::new(entry) };
            gate.rule.recall(&kept.memory).then_some(gate)
        };
        let gates = self.gates.into_iter().zip(RULES).map(restore).collect::<Option<Vec<_>>>()?;
        Some(Mark { gates, dropped: self.dropped })
    }
}

impl From<&Health> for KeptHealth {
    fn from(health: &Health) -> KeptHealth {
        let keep = |finding: &Finding| KeptFinding {
            step: finding.step,
            layer: finding.layer,
            rule: finding.rule.to_owned(),
            severity: finding.severity,
            message: finding.message.clone(),
            cleared_at: finding.cleared_at,
        };
        let findings = health.findings.iter().map(keep).collect();
        KeptHealth { gates: KeptGates::from(&health.mark()), findings }
    }
}

impl KeptHealth {
    /// None if the rules are not those of this version.
    pub(in crate::app) fn restore(self, lane: LaneIdx) -> Option<Health> {
        let Mark { gates, dropped } = self.gates.restore()?;
        if self.findings.len() > FINDINGS_PER_LANE {
            return None;
        }
        let restore = |kept: KeptFinding| {
            let entry = RULES.iter().find(|entry| entry.name == kept.rule)?;
            let KeptFinding { step, layer, rule: _, severity, message, cleared_at } = kept;
            let (rule, meaning) = (entry.name, entry.meaning);
            Some(Finding { lane, step, layer, rule, severity, message, meaning, cleared_at })
        };
        let findings = self.findings.into_iter().map(restore).collect::<Option<Vec<_>>>()?;
        Some(Health { gates, findings, dropped })
    }
}
