//! How fast a lane goes, from the times that its events carry. Reads no clock.

use serde::{Deserialize, Serialize};

use super::smoothing::Ema;
use crate::event::StepTime;

/// The decay per step of the averages: about the last 30 steps count.
const DECAY: f64 = 0.97;

/// Running averages of a lane's times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    last_at_ms: Option<f64>,
    interval_ms: Ema,
    step_ms: Ema,
    statistics_ms: Ema,
}

impl Default for Pace {
    fn default() -> Pace {
        let ema = Ema::new(DECAY);
        Pace { last_at_ms: None, interval_ms: ema, step_ms: ema, statistics_ms: ema }
    }
}

impl Pace {
    /// Takes the times of a step.
    pub(super) fn step(&mut self, time: &StepTime) {
        if let Some(last) = self.last_at_ms
            && time.at_ms > last
        {
            self.interval_ms.push(time.at_ms - last);
        } else if self.last_at_ms.is_none() {
            self.interval_ms.push(time.step_ms);
        }
        self.last_at_ms = Some(time.at_ms);
        self.step_ms.push(time.step_ms);
        self.statistics_ms.push(time.statistics_ms);
    }

    /// Time goes on without a step being due, at a pause's end or an interruption: the interval up to
    /// `at_ms` does not count.
    pub(super) fn skip_to(&mut self, at_ms: f64) {
        self.last_at_ms = Some(at_ms);
    }

    /// Milliseconds from step to step, evaluations included.
    pub fn interval_ms(&self) -> Option<f64> {
        self.interval_ms.value().filter(|ms| *ms > 0.0)
    }

    /// Milliseconds of a step's own work.
    pub fn step_ms(&self) -> Option<f64> {
        self.step_ms.value()
    }

    /// The share of a step's time that statistics outside the operations take, 0 to 1.
    pub fn statistics_share(&self) -> Option<f64> {
        let step_ms = self.step_ms.value().filter(|ms| *ms > 0.0)?;
        Some(self.statistics_ms.value()? / step_ms)
    }
}
