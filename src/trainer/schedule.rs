//! The learning rate of a step: a closed form of the step, times a factor from orders.

use std::f64::consts::PI;

use crate::experiment::{Schedule, Training};
use crate::order::{Order, RateChange, Taken};
use crate::units::Step;

/// The learning rate of an update; updates count from 1.
///
/// With base rate b, warm-up w and n steps in all, step s has min(s / w, 1) b, times
///
/// - constant: 1;
/// - steps: factor^k, k being how many of `at` are below s, so that a step in `at` is the last at its rate;
/// - cosine (Loshchilov and Hutter 2017, without restarts): m + (1 - m) (1 + cos(pi t)) / 2, where t goes
///   from 0 at step max(w, 1) to 1 at step n and m is the minimum.
pub fn learning_rate(training: &Training, step: Step) -> f64 {
    let (Schedule::Constant { warmup } | Schedule::Steps { warmup, .. } | Schedule::Cosine { warmup, .. }) =
        training.schedule;
    let rising = if step.0 < warmup { step.0 as f64 / warmup as f64 } else { 1.0 };
    let falling = match &training.schedule {
        Schedule::Constant { .. } => 1.0,
        Schedule::Steps { at, factor, .. } => {
            at.iter().filter(|&&at| at < step.0).fold(1.0, |product, _| product * factor)
        }
        Schedule::Cosine { minimum, .. } => {
            let top = warmup.max(1);
            let length = training.steps.saturating_sub(top).max(1);
            let t = step.0.saturating_sub(top).min(length) as f64 / length as f64;
            minimum + (1.0 - minimum) * (1.0 + (PI * t).cos()) / 2.0
        }
    };
    training.optimizer.learning_rate() * rising * falling
}

/// The schedule as orders have changed it: step s has scale * ([`learning_rate`] of s / reference).
///
/// A factor f multiplies the scale. A value v ordered for step t becomes the scale, with the schedule's rate at t as
/// the reference, so that step t has exactly v, and so have all later steps of a constant schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    scale: f64,
    reference: f64,
}

impl Default for Rates {
    /// The unchanged schedule.
    fn default() -> Rates {
        Rates { scale: 1.0, reference: 1.0 }
    }
}

impl Rates {
    /// The schedule after these orders; those that don't fit it are skipped.
    pub fn after(training: &Training, orders: &[Taken]) -> Rates {
        let mut rates = Rates::default();
        for taken in orders {
            if let Order::LearningRate(change) = taken.order {
                let _ = rates.change(training, Step(taken.step.0.saturating_add(1)), change);
            }
        }
        rates
    }

    /// The learning rate of an update; updates count from 1.
    pub fn of(&self, training: &Training, step: Step) -> f64 {
        self.scale * (learning_rate(training, step) / self.reference)
    }

    /// Changes the rates of `step` and of all after it.
    ///
    /// # Errors
    /// If no steps are left, the schedule's rate is zero and has no ratio to the ordered one, or the result would not
    /// be a valid rate.
    pub fn change(&mut self, training: &Training, step: Step, change: RateChange) -> Result<(), String> {
        if step.0 > training.steps {
            return Err(format!("expected it before the last step, {}, found it after that", training.steps));
        }
        let scheduled = learning_rate(training, step);
        let changed = match change {
            RateChange::Factor(factor) => Rates { scale: self.scale * factor.get(), ..*self },
            RateChange::Value(_) if scheduled <= 0.0 => {
                return Err(format!(
                    "expected a scheduled rate above zero at step {step}, found {scheduled}"
                ));
            }
            RateChange::Value(value) => Rates { scale: value.get(), reference: scheduled },
        };
        let rate = changed.of(training, step);
        let is_usable =
            (rate as f32).is_finite() && changed.scale > 0.0 && (rate as f32 > 0.0 || scheduled == 0.0);
        if !is_usable {
            return Err(format!("expected a rate that an f32 can hold, found {rate:e} at step {step}"));
        }
        *self = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Optimizer;

    fn rates(steps: u64, schedule: Schedule) -> Vec<f64> {
        let training = Training {
            steps,
            batch: 2,
            evaluate_every: 0,
            evaluate_images: 1,
            checkpoint_every: 0,
            optimizer: Optimizer::Sgd { learning_rate: 0.5, momentum: 0.0, weight_decay: 0.0 },
            schedule,
        };
        (1..=steps).map(|step| learning_rate(&training, Step(step))).collect()
    }

    fn assert_close(rates: &[f64], expected: &[f64]) {
        assert_eq!(rates.len(), expected.len());
        for (rate, expected) in rates.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?} instead of {expected:?}");
        }
    }

    #[test]
    fn constant_stays() {
        assert_eq!(rates(4, Schedule::Constant { warmup: 0 }), [0.5; 4]);
    }

    #[test]
    fn warm_up_rises_in_a_line_to_the_base_rate() {
        assert_close(&rates(6, Schedule::Constant { warmup: 4 }), &[0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
        assert_eq!(rates(2, Schedule::Constant { warmup: 1 }), [0.5, 0.5]);
    }

    #[test]
    fn steps_fall_after_each_of_them_was_made() {
        let schedule = |warmup| Schedule::Steps { at: vec![2, 4], factor: 0.1, warmup };
        assert_close(&rates(6, schedule(0)), &[0.5, 0.5, 0.05, 0.05, 0.005, 0.005]);
        assert_close(&rates(6, schedule(4)), &[0.125, 0.25, 0.0375, 0.05, 0.005, 0.005]);
    }

    #[test]
    fn cosine_goes_from_the_base_rate_to_its_minimum() {
        let cosine = rates(5, Schedule::Cosine { minimum: 0.2, warmup: 0 });
        let half = f64::sqrt(0.5);
        let at = |cos: f64| 0.5 * (0.2 + 0.8 * (1.0 + cos) / 2.0);
        assert_close(&cosine, &[0.5, at(half), 0.3, at(-half), 0.1]);
    }

    #[test]
    fn cosine_begins_where_warm_up_ends() {
        let cosine = rates(5, Schedule::Cosine { minimum: 0.0, warmup: 3 });
        assert_close(&cosine, &[0.5 / 3.0, 1.0 / 3.0, 0.5, 0.25, 0.0]);
        assert_eq!(rates(1, Schedule::Cosine { minimum: 0.0, warmup: 0 }), [0.5]);
    }
}
