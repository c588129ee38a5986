//! The table `[training]`: steps, batch, cadences, the update rule and the schedule.

use super::node::{Node, Value};
use super::problem::Origin;
use super::section::{Bound, Section};
use crate::experiment::{Optimizer, Schedule, Training};

/// Steps between two evaluations unless told otherwise.
const EVALUATE_EVERY: u64 = 50;
/// Training images an evaluation looks at unless told otherwise.
const EVALUATE_IMAGES: u64 = 512;

/// Reads the table.
pub(super) fn training(section: &Section<'_>) -> Training {
    let steps = section.integer("steps", 1, None);
    // Whoever cuts a run short by an override means the same schedule up to there.
    let shortened = section.node("steps").is_some_and(|node| matches!(node.origin, Origin::Override(_)));
    Training {
        steps,
        batch: section.size("batch", 2, None),
        evaluate_every: section.integer("evaluate_every", 0, Some(EVALUATE_EVERY)),
        evaluate_images: section.size("evaluate_images", 1, Some(EVALUATE_IMAGES)),
        checkpoint_every: section.integer("checkpoint_every", 0, Some(0)),
        optimizer: optimizer(section),
        schedule: schedule(section, steps, shortened),
    }
}

fn optimizer(training: &Section<'_>) -> Optimizer {
    let fallback = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0 };
    let Some(section) = training.section("optimizer") else {
        if training.node("optimizer").is_none() {
            training.missing("optimizer", "a table such as `{ kind = \"sgd\", learning_rate = 0.05 }`");
        }
        return fallback;
    };
    let Some(kind) = section.choice("kind", &["sgd", "adam", "adamw"]) else { return fallback };
    let learning_rate = section.float("learning_rate", Bound::Positive, None);
    let optimizer = if kind == 0 {
        Optimizer::Sgd {
            learning_rate,
            momentum: section.float("momentum", Bound::BelowOne, Some(0.9)),
            weight_decay: section.float("weight_decay", Bound::NotNegative, Some(1e-4)),
        }
    } else {
        let betas = section.pair("betas", Bound::BelowOne, [0.9, 0.999]);
        let epsilon = section.float("epsilon", Bound::Positive, Some(1e-8));
        let usual = if kind == 1 { 0.0 } else { 0.01 };
        let weight_decay = section.float("weight_decay", Bound::NotNegative, Some(usual));
        match kind {
            1 => Optimizer::Adam { learning_rate, betas, epsilon, weight_decay },
            _ => Optimizer::AdamW { learning_rate, betas, epsilon, weight_decay },
        }
    };
    section.finish();
    optimizer
}

fn schedule(training: &Section<'_>, steps: u64, shortened: bool) -> Schedule {
    let fallback = Schedule::Constant { warmup: 0 };
    let Some(section) = training.section("schedule") else { return fallback };
    let Some(kind) = section.choice("kind", &["constant", "steps", "cosine"]) else { return fallback };
    let warmup = section.integer("warmup", 0, Some(0));
    let schedule = match kind {
        0 => Schedule::Constant { warmup },
        1 => {
            let at = milestones(&section, steps, shortened);
            Schedule::Steps { at, factor: section.float("factor", Bound::Positive, Some(0.1)), warmup }
        }
        _ => Schedule::Cosine { minimum: section.float("minimum", Bound::Share, Some(0.0)), warmup },
    };
    section.finish();
    schedule
}

/// The steps of a step schedule: ascending, and before the last step.
fn milestones(section: &Section<'_>, steps: u64, shortened: bool) -> Vec<u64> {
    let expected = "an array of ascending steps such as `[300, 450]`";
    let Some(node) = section.node("at") else {
        section.missing("at", expected);
        return Vec::new();
    };
    let Value::Array(items) = &node.value else {
        section.wrong("at", node, expected);
        return Vec::new();
    };
    let mut milestones: Vec<u64> = Vec::new();
    for item in items {
        match item {
            Node { value: Value::Integer(at), .. } if *at >= 1 => {
                let at = *at as u64;
                if let Some(before) = milestones.last().filter(|&&before| before >= at) {
                    section.note("at", format!("expected ascending steps, found {at} after {before}"));
                }
                if at >= steps && !shortened {
                    let message = format!("expected steps below the {steps} of `training.steps`, found {at}");
                    section.note("at", message);
                }
                milestones.push(at);
            }
            item => section.wrong("at", item, "whole numbers of at least 1"),
        }
    }
    milestones.retain(|&at| at < steps);
    milestones
}
