//! The events of a lane of another program as a log of this one has them: each metric once a step, in ascending steps.

use std::collections::{BTreeMap, HashMap};

use super::replay::ReplayLane;
use crate::event::{Kind, LaneStarted, RunEvent, Values};
use crate::metric::Metric;
use crate::runlog::RunLogError;
use crate::units::Step;

/// All that a lane measured, in memory: some hundred bytes for each number.
#[derive(Debug, Default)]
pub struct Ordered {
    started: LaneStarted,
    steps: BTreeMap<Step, (f64, Values)>,
    last: HashMap<Metric, Step>,
    ended: Option<RunEvent>,
}

impl Ordered {
    /// Reads a lane up to the current end of its log.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(lane: &mut ReplayLane) -> Result<Ordered, RunLogError> {
        let mut ordered = Ordered::default();
        while let Some(replayed) = lane.next_event()? {
            ordered.note(replayed.event);
        }
        Ok(ordered)
    }

    /// The events in order.
    pub fn into_events(self) -> impl Iterator<Item = RunEvent> {
        let started = Kind::LaneStarted(Box::new(self.started));
        let measured = self.steps.into_iter();
        let measured =
            measured.map(|(step, (at_ms, values))| RunEvent::new(step, at_ms, Kind::Measured(values)));
        [RunEvent::new(Step(0), 0.0, started)].into_iter().chain(measured).chain(self.ended)
    }

    fn note(&mut self, event: RunEvent) {
        if let Some(rewind) = event.rewind() {
            self.steps.split_off(&rewind.next());
            self.last.values_mut().for_each(|last| *last = (*last).min(rewind.step));
        }
        let (step, at_ms) = (event.step, event.time.at_ms);
        match event.kind {
            Kind::LaneStarted(started) => *self = Ordered { started: *started, ..Ordered::default() },
            Kind::MetricsDeclared(more) => self.started.declared.metrics.extend(more.metrics),
            Kind::Measured(values) => {
                for (metric, _) in values.iter() {
                    // A step that is not later makes what comes after it void.
                    if self.last.insert(metric, step).is_some_and(|last| step <= last) {
                        for (_, later) in self.steps.range_mut(step..).map(|(_, later)| later) {
                            later.retain(|other| other != metric);
                        }
                    }
                }
                let entry = self.steps.entry(step).or_insert_with(|| (at_ms, Values::default()));
                let before = std::mem::take(&mut entry.1);
                entry.1 = before.and(values);
                self.ended = None;
            }
            Kind::LaneFinished(_) => self.ended = Some(event),
            _ => {}
        }
    }
}
