//! Layers that are not recorded: what the log leaves out gets its place back, so that everything else may go by the
//! order of the topology.

use super::Lane;
use crate::app::matrix::ABSENT;
use crate::event::{HistogramsTaken, LayerHistograms, RunEvent, StepFinished};
use crate::units::LayerIdx;

impl Lane {
    /// Whether the statistics of a layer are recorded; not known before the lane started.
    pub fn records(&self, layer: LayerIdx) -> bool {
        let recorded = self.recorded_layers();
        recorded.is_none_or(|(layers, _)| layers.contains(&layer))
    }

    /// The layers that are recorded and the number of all; none where all are.
    fn recorded_layers(&self) -> Option<(&[LayerIdx], usize)> {
        let started = self.started.as_ref()?;
        Some((started.recorded.as_deref()?, started.topology.layers.len()))
    }

    /// An event with a value for every layer, [`ABSENT`] for those that are not recorded; none where it is so already.
    pub(super) fn widened(&self, event: &RunEvent) -> Option<RunEvent> {
        let RunEvent::StepFinished(step) = event else { return None };
        self.widened_step(step).map(RunEvent::StepFinished)
    }

    /// The same of a step.
    pub(super) fn widened_step(&self, step: &StepFinished) -> Option<StepFinished> {
        let (layers, width) = self.recorded_layers().filter(|_| !step.statistics.is_empty())?;
        let statistics = step.statistics.widened(layers, width, ABSENT);
        Some(StepFinished { statistics, ..*step })
    }

    /// Keeps histograms, nothing for layers that are not recorded.
    pub(super) fn take_histograms(&mut self, taken: &HistogramsTaken) {
        if !self.keeps_layers {
            return;
        }
        let layers: Vec<Option<&LayerHistograms>> = match self.recorded_layers() {
            None => taken.layers.iter().map(Some).collect(),
            Some((layers, width)) => {
                let mut wide = vec![None; width];
                for (layer, histograms) in layers.iter().zip(&taken.layers) {
                    if let Some(place) = wide.get_mut(layer.0) {
                        *place = Some(histograms);
                    }
                }
                wide
            }
        };
        self.snapshots.push(taken.step, &layers);
    }
}
