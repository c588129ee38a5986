//! The names of the points that a metric of a lane runs over: layers, blocks and others that its log declares. It does
//! not know how they are written.

use crate::event::{Declared, Kind, LaneStarted, RunEvent};
use crate::metric::{BLOCK, LAYER, Metric};
use crate::units::LayerIdx;

/// What a lane has said so far of its layers, blocks and other axes.
#[derive(Default)]
pub(super) struct Points {
    /// Index and name of each recorded layer.
    layers: Vec<(usize, String)>,
    blocks: Vec<(usize, String)>,
    declared: Declared,
}

impl Points {
    /// Registers what an event declares.
    pub(super) fn note(&mut self, event: &RunEvent) {
        // Events that were read never contradict their declarations.
        let _ = self.declared.note(event);
        if let Kind::LaneStarted(started) = &event.kind {
            self.name(started);
        }
    }

    /// Index and name of each number or histogram of a metric; names of points of several axes are joined by `/`.
    pub(super) fn of(&self, metric: Metric) -> Vec<(usize, String)> {
        let mut all = vec![(0, String::new())];
        for (place, axis) in metric.axes().iter().enumerate() {
            let points = self.axis(axis);
            let mut both = Vec::with_capacity(all.len() * points.len());
            for (at, name) in &all {
                both.extend(points.iter().map(|(point, label)| match place {
                    0 => (*point, label.clone()),
                    _ => (at * points.len() + point, format!("{name}/{label}")),
                }));
            }
            all = both;
        }
        all
    }

    fn name(&mut self, started: &LaneStarted) {
        let structure = &started.structure;
        let layers = structure.layers.iter().map(|layer| layer.name.clone()).enumerate();
        let is_recorded = |at| started.recorded.as_ref().is_none_or(|layers| layers.contains(&LayerIdx(at)));
        self.layers = layers.filter(|(at, _)| is_recorded(*at)).collect();
        self.blocks = structure.blocks.iter().map(|block| block.name.clone()).enumerate().collect();
    }

    /// Index and name of each point of an axis.
    fn axis(&self, axis: &str) -> Vec<(usize, String)> {
        match axis {
            LAYER => self.layers.clone(),
            BLOCK => self.blocks.clone(),
            _ => {
                let points = self.declared.axis(axis).map(|axis| &axis.points);
                let label = |at| points.and_then(|points| points.label(at)).unwrap_or_default();
                (0..points.map_or(0, |points| points.len())).map(|at| (at, label(at))).collect()
            }
        }
    }
}
