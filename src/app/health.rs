//! Health rules: what looks wrong in a lane, since when, where, and what it means. Rules judge events, this module
//! turns verdicts into findings: a finding opens after a number of bad verdicts in a row, closes after a number of good
//! ones, and may open again. Between the bounds of bad and good the verdict is unclear, so findings do not flap.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::facts::LaneFacts;
use crate::event::{Kind, Rewind, RunEvent, Values};
use crate::metric::Metric;
use crate::structure::Structure;
use crate::units::{BlockIdx, LaneIdx, LayerIdx, Step};

mod block_overwriting;
mod block_unused;
mod dead_units;
mod diverging_loss;
mod exploding_gradient;
mod frozen_layer;
mod initial_imbalance;
mod loss_spike;
mod non_finite;
mod overfitting;
mod plateau;
mod rank_collapse;
mod stream_growth;
mod update_ratio;
mod vanishing_slope;
mod weight_growth;

mod saved;

pub(super) use saved::SavedHealth;

/// The most findings a lane keeps; later ones are only counted.
pub(crate) const FINDINGS_PER_LANE: usize = 256;

/// The last checkpoints at which the state of the rules is kept, for a lane that goes back to one.
const MARKS: usize = 8;

/// The most layers or blocks of which a rule remembers something; further ones are not judged by it.
const FOLLOWED: usize = 4_096;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Training suffers.
    Warning,
    /// Training is lost.
    Critical,
}

impl Severity {
    /// Its name on screen.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// What a rule says of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The problem is there.
    Bad(Symptom),
    /// It is neither clearly there nor clearly gone.
    Unclear,
    /// It is not there.
    Good,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Symptom {
    /// The layer where it is worst; none if it concerns the whole lane.
    pub layer: Option<LayerIdx>,
    /// How bad.
    pub severity: Severity,
    /// What was measured, in one line.
    pub message: String,
}

/// A health rule of one lane, with its state.
pub trait Rule: std::fmt::Debug + Send + Clone + Serialize + DeserializeOwned + 'static {
    /// Judges an event that the lane has already folded; none if the event says nothing about the rule's subject.
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict>;
}

/// Any rule, type-erased: can be judged, copied and saved.
pub trait AnyRule: std::fmt::Debug + Send {
    /// See [`Rule::judge`].
    fn verdict(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict>;

    /// A copy of the rule with its current state.
    fn copied(&self) -> Box<dyn AnyRule>;

    /// Its state, as bytes.
    fn memory(&self) -> Vec<u8>;

    /// Restores the state from what [`AnyRule::memory`] returned; false if the bytes are not valid.
    fn recall(&mut self, memory: &[u8]) -> bool;
}

impl<R: Rule> AnyRule for R {
    fn verdict(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        self.judge(lane, event)
    }

    fn copied(&self) -> Box<dyn AnyRule> {
        Box::new(self.clone())
    }

    fn memory(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    fn recall(&mut self, memory: &[u8]) -> bool {
        let read = postcard::from_bytes(memory);
        read.map(|rule| *self = rule).is_ok()
    }
}

/// A registered rule.
#[derive(Debug)]
pub struct RuleEntry {
    /// Its name: that of its file.
    pub name: &'static str,
    /// When it says that something is wrong, as `docs/METRICS.md` has it.
    pub bad: &'static str,
    /// Where its subject or its bounds are described; all other bounds are engineering judgement.
    pub source: &'static str,
    /// What its findings mean and what can be done, in a sentence or two.
    pub meaning: &'static str,
    /// What it judges by: the lane must declare at least one metric of each list.
    pub needs: &'static [&'static [Metric]],
    /// Which networks it judges, if not all: what they must have, and whether one has it.
    pub network: Option<Requirement>,
    /// Bad verdicts in a row before a finding opens.
    pub opens_after: u32,
    /// Good verdicts in a row before it closes.
    pub closes_after: u32,
    /// Creates the rule in its initial state.
    pub build: fn() -> Box<dyn AnyRule>,
}

/// What a network must have, in words, and whether it has it.
pub type Requirement = (&'static str, fn(&Structure) -> bool);

/// The requirement of rules that judge what a branch adds to its shortcut.
const NEEDS_SHORTCUTS: Option<Requirement> = Some(("shortcuts", Structure::has_shortcuts));

impl RuleEntry {
    /// Its name on screen.
    pub fn title(&self) -> String {
        self.name.replace('_', " ")
    }

    /// What it would need to judge a lane that has started: a part of the network, or metrics of which the lane declares
    /// none. None if it can judge.
    pub fn lacks(&self, lane: &LaneFacts) -> Option<String> {
        if let Some((what, _)) = self.network.filter(|(_, has)| !lane.structure().is_none_or(has)) {
            return Some(what.to_owned());
        }
        let declared = lane.declared().metrics();
        let lacks = |any: &&&[Metric]| lane.started().is_some() && !any.iter().any(|m| declared.contains(m));
        let lacking = self.needs.iter().find(lacks)?;
        Some(lacking.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(" or "))
    }
}

/// All rules, one per file of `health/`, the gravest first.
pub const RULES: &[&RuleEntry] = &[
    &non_finite::ENTRY,
    &diverging_loss::ENTRY,
    &exploding_gradient::ENTRY,
    &stream_growth::ENTRY,
    &rank_collapse::ENTRY,
    &vanishing_slope::ENTRY,
    &plateau::ENTRY,
    &frozen_layer::ENTRY,
    &dead_units::ENTRY,
    &block_overwriting::ENTRY,
    &weight_growth::ENTRY,
    &update_ratio::ENTRY,
    &overfitting::ENTRY,
    &loss_spike::ENTRY,
    &block_unused::ENTRY,
    &initial_imbalance::ENTRY,
];

/// Something that a rule found in a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The lane.
    pub lane: LaneIdx,
    /// The step at which it opened.
    pub step: Step,
    /// The layer where it was worst then; none if it concerns the whole lane.
    pub layer: Option<LayerIdx>,
    /// The name of the rule.
    pub rule: &'static str,
    /// How bad it was then.
    pub severity: Severity,
    /// What was measured then.
    pub message: String,
    /// What it means.
    pub meaning: &'static str,
    /// The step at which it closed; none while it lasts.
    pub cleared_at: Option<Step>,
}

impl Finding {
    /// Whether it lasted at `step`.
    pub fn is_open_at(&self, step: Step) -> bool {
        self.step <= step && self.cleared_at.is_none_or(|cleared| cleared > step)
    }
}

/// A lane's rules with their findings.
#[derive(Debug, Default)]
pub struct Health {
    gates: Vec<Gate>,
    findings: Vec<Finding>,
    dropped: u64,
    /// The state of the rules at the last checkpoints.
    marks: VecDeque<Mark>,
}

/// A rule with its verdicts in a row and its open finding.
#[derive(Debug)]
struct Gate {
    entry: &'static RuleEntry,
    rule: Box<dyn AnyRule>,
    streak: u32,
    open: Option<usize>,
}

/// The state of all rules of a lane at a checkpoint.
#[derive(Debug)]
struct Mark {
    step: Step,
    /// Where the checkpoint's record begins in the lane's log, where that is known.
    offset: Option<u64>,
    gates: Vec<Gate>,
    dropped: u64,
}

impl Clone for Gate {
    fn clone(&self) -> Gate {
        Gate { rule: self.rule.copied(), ..*self }
    }
}

impl Gate {
    fn new(entry: &'static RuleEntry) -> Gate {
        Gate { entry, rule: (entry.build)(), streak: 0, open: None }
    }
}

impl Health {
    /// All findings, in the order in which they opened.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings that are open at a step.
    pub fn open_at(&self, step: Step) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.is_open_at(step))
    }

    /// The number of findings beyond the most that a lane keeps.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Has them be about the lane in another place.
    pub(super) fn move_to(&mut self, lane: LaneIdx) {
        self.findings.iter_mut().for_each(|finding| finding.lane = lane);
    }

    /// Has the rules judge an event that was folded; `offset` is where its record begins, where that is known.
    pub(super) fn observe(&mut self, lane: &LaneFacts, event: &RunEvent, offset: Option<u64>) {
        if let Some(rewind) = event.rewind() {
            self.rewind(rewind);
        }
        if self.gates.is_empty() {
            self.gates = RULES.iter().copied().map(Gate::new).collect();
        }
        for gate in &mut self.gates {
            let Some(verdict) = gate.rule.verdict(lane, event) else { continue };
            match (verdict, gate.open) {
                (Verdict::Bad(symptom), None) => {
                    gate.streak += 1;
                    if gate.streak < gate.entry.opens_after {
                        continue;
                    }
                    gate.streak = 0;
                    if self.findings.len() == FINDINGS_PER_LANE {
                        self.dropped += 1;
                        continue;
                    }
                    gate.open = Some(self.findings.len());
                    self.findings.push(Finding {
                        lane: lane.idx(),
                        step: event.step,
                        layer: symptom.layer,
                        rule: gate.entry.name,
                        severity: symptom.severity,
                        message: symptom.message,
                        meaning: gate.entry.meaning,
                        cleared_at: None,
                    });
                }
                (Verdict::Good, Some(open)) => {
                    gate.streak += 1;
                    if gate.streak >= gate.entry.closes_after {
                        gate.streak = 0;
                        gate.open = None;
                        if let Some(finding) = self.findings.get_mut(open) {
                            finding.cleared_at = Some(event.step);
                        }
                    }
                }
                _ => gate.streak = 0,
            }
        }
        if let Kind::CheckpointWritten(_) = &event.kind {
            if self.marks.len() == MARKS {
                self.marks.pop_front();
            }
            let (gates, dropped) = (self.gates.clone(), self.dropped);
            self.marks.push_back(Mark { step: event.step, offset, gates, dropped });
        }
    }

    /// Rewinds the findings to an earlier state. The rules return to their state at its checkpoint; if that is not known
    /// they start afresh.
    fn rewind(&mut self, rewind: Rewind) {
        let next = rewind.next();
        self.findings.retain(|finding| finding.step < next);
        for finding in &mut self.findings {
            finding.cleared_at.take_if(|cleared| *cleared >= next);
        }
        self.marks.retain(|mark| rewind.keeps(mark.step, mark.offset));
        if let Some(mark) = self.marks.back().filter(|mark| mark.step == rewind.step) {
            (self.gates, self.dropped) = (mark.gates.clone(), mark.dropped);
            return;
        }
        self.gates = RULES.iter().copied().map(Gate::new).collect();
        for gate in &mut self.gates {
            let open = |finding: &Finding| finding.rule == gate.entry.name && finding.cleared_at.is_none();
            gate.open = self.findings.iter().rposition(open);
        }
    }
}

/// The values of an event with measurements.
fn measured(event: &RunEvent) -> Option<&Values> {
    match &event.kind {
        Kind::Measured(values) => Some(values),
        _ => None,
    }
}

/// The name of a layer for a message.
fn layer_name(lane: &LaneFacts, layer: LayerIdx) -> String {
    let known = lane.structure().and_then(|structure| structure.layer(layer));
    known.map_or_else(|| format!("layer {layer}"), |layer| crate::printable::printable(&layer.name))
}

/// The name of a block for a message.
fn block_name(lane: &LaneFacts, block: BlockIdx) -> String {
    let known = lane.structure().and_then(|structure| structure.blocks.get(block.0));
    known.map_or_else(|| format!("block {}", block.0 + 1), |block| crate::printable::printable(&block.name))
}

/// The layer by which a finding leads to a block: its first one.
fn layer_of(lane: &LaneFacts, block: BlockIdx) -> Option<LayerIdx> {
    lane.structure()?.blocks.get(block.0)?.layers.first().copied()
}

#[cfg(test)]
mod tests;
