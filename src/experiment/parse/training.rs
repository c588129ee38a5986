//! The table `[training]`: steps, batch, cadences, the update rule and the schedule.

use super::node::{Node, Value};
use super::problem::Origin;
use super::section::{Bound, Section};
use crate::experiment::{Optimizer, Schedule, Training};
use crate::printable::{grouped, short};

/// Steps between two evaluations by default.
const EVALUATE_EVERY: u64 = 50;
/// The most steps: 31 years at a thousand a second.
const MOST_STEPS: u64 = 1_000_000_000_000;
/// Training images that an evaluation uses by default.
const EVALUATE_IMAGES: u64 = 512;

/// Reads the table.
pub(super) fn training(section: &Section<'_>) -> Training {
    let steps = section.integer("steps", 1, None);
    if steps > MOST_STEPS {
        let (most, found) = (grouped(MOST_STEPS), grouped(steps));
        section.note("steps", format!("expected at most {most} steps, found {found}; choose fewer"));
    }
    // Overriding `steps` to shorten a run means the same schedule up to that step.
    let shortened = section.node("steps").is_some_and(|node| matches!(node.origin, Origin::Override(_)));
    let optimizer = optimizer(section);
    let schedule = schedule(section, steps, shortened, optimizer.learning_rate());
    Training {
        steps,
        batch: section.size("batch", 2, None),
        evaluate_every: section.integer("evaluate_every", 0, Some(EVALUATE_EVERY)),
        evaluate_images: section.size("evaluate_images", 1, Some(EVALUATE_IMAGES)),
        checkpoint_every: section.integer("checkpoint_every", 0, Some(0)),
        optimizer,
        schedule,
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

fn schedule(training: &Section<'_>, steps: u64, shortened: bool, rate: f64) -> Schedule {
    let fallback = Schedule::Constant { warmup: 0 };
    let Some(section) = training.section("schedule") else { return fallback };
    let Some(kind) = section.choice("kind", &["constant", "steps", "cosine"]) else { return fallback };
    let warmup = section.integer("warmup", 0, Some(0));
    let schedule = match kind {
        0 => Schedule::Constant { warmup },
        1 => {
            let at = milestones(&section, steps, shortened);
            let factor = section.float("factor", Bound::Positive, Some(0.1));
            check_falling(&section, rate, factor, at.len());
            Schedule::Steps { at, factor, warmup }
        }
        _ => {
            let minimum = section.float("minimum", Bound::Share, Some(0.0));
            // With 0 the rate is meant to end at zero.
            if minimum > 0.0 && !is_rate(rate * minimum) {
                let found = short(rate * minimum);
                let message = format!(
                    "expected a share of the learning rate {rate} that is above 0 in single precision, found \
                     {}, which makes it {found}; choose 0 or a greater share",
                    short(minimum)
                );
                section.note("minimum", message);
            }
            Schedule::Cosine { minimum, warmup }
        }
    };
    section.finish();
    schedule
}

/// Checks that the rate stays valid after each step that multiplies it.
fn check_falling(section: &Section<'_>, rate: f64, factor: f64, milestones: usize) {
    let mut product = rate;
    for made in 1..=milestones {
        product *= factor;
        if !is_rate(product) {
            let message = format!(
                "expected a factor by which the learning rate {rate} stays finite and above 0 in single precision, \
                 found {}, which makes it {} after {made} of the {milestones} steps in `at`; choose a \
                 factor nearer to 1, or fewer steps",
                short(factor),
                short(product)
            );
            return section.note("factor", message);
        }
    }
}

/// Whether networks, which compute in single precision, can learn at this rate.
fn is_rate(rate: f64) -> bool {
    let single = rate as f32;
    single > 0.0 && single.is_finite()
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
