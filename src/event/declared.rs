//! The metrics and axes that a lane has declared up to some record, which values are checked against.

use serde::{Deserialize, Serialize};

use super::{Histogram, Kind, MetricsDeclared, RunEvent, Value};
use crate::metric::{Axis, BLOCK, LAYER, Metric, Shape};

/// The most metrics and the most axes of a lane.
const MOST_OF_A_LANE: usize = 4_096;
/// The most numbers or histograms of a metric at a step.
const MOST_VALUES: usize = 1 << 20;

/// Metrics and axes of a lane, and how long the axes are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// The layers that are recorded.
    layers: usize,
    blocks: usize,
    metrics: Vec<Metric>,
    axes: Vec<Axis>,
}

impl Declared {
    /// Registers what an event declares.
    ///
    /// # Errors
    /// Where it contradicts an earlier declaration, says how; then nothing is registered.
    pub fn note(&mut self, event: &RunEvent) -> Result<(), String> {
        match &event.kind {
            Kind::LaneStarted(started) => {
                let (layers, blocks) = (started.recorded_layers(), started.structure.blocks.len());
                let mut all = Declared { layers, blocks, ..Declared::default() };
                all.add(&started.declared)?;
                *self = all;
                Ok(())
            }
            Kind::MetricsDeclared(more) => self.add(more),
            _ => Ok(()),
        }
    }

    fn add(&mut self, more: &MetricsDeclared) -> Result<(), String> {
        let mut all = self.clone();
        for axis in &more.axes {
            match all.axes.iter().find(|other| other.name == axis.name) {
                Some(other) if other == axis => {}
                _ if [LAYER, BLOCK].contains(&axis.name.as_str()) => {
                    return Err(format!(
                        "expected other axes than `{LAYER}` and `{BLOCK}`, found `{}`",
                        axis.name
                    ));
                }
                Some(_) => {
                    return Err(format!(
                        "expected the axis `{}` once, found another of that name",
                        axis.name
                    ));
                }
                None => all.axes.push(axis.clone()),
            }
        }
        for metric in &more.metrics {
            match all.metrics.iter().find(|other| other.name() == metric.name()) {
                Some(other) if other == metric => {}
                Some(_) => {
                    return Err(format!("expected the metric `{metric}` once, found another of that name"));
                }
                None => all.metrics.push(*metric),
            }
            match all.width(*metric) {
                Some(0..=MOST_VALUES) => {}
                Some(_) => {
                    return Err(format!(
                        "expected at most {MOST_VALUES} values of `{metric}` per step, found more"
                    ));
                }
                None => {
                    return Err(format!(
                        "expected the axes of `{metric}` to be declared, found one that is not"
                    ));
                }
            }
        }
        if all.metrics.len().max(all.axes.len()) > MOST_OF_A_LANE {
            return Err(format!("expected at most {MOST_OF_A_LANE} metrics and axes of a lane, found more"));
        }
        *self = all;
        Ok(())
    }

    /// The metrics, in the order in which they were declared.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The axes other than layers and blocks.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// An axis by its name.
    pub fn axis(&self, name: &str) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.name == name)
    }

    /// The place of a metric by its name; the place `from` is tried first.
    pub fn place(&self, name: &[u8], from: usize) -> Option<usize> {
        let is_it = |metric: &Metric| metric.name().as_bytes() == name;
        match self.metrics.get(from) {
            Some(metric) if is_it(metric) => Some(from),
            _ => self.metrics.iter().position(is_it),
        }
    }

    /// The length of an axis; none where it is not declared.
    pub fn length(&self, axis: &str) -> Option<usize> {
        match axis {
            LAYER => Some(self.layers),
            BLOCK => Some(self.blocks),
            _ => self.axis(axis).map(|axis| axis.points.len()),
        }
    }

    /// How many numbers or histograms a metric has at a step; none where an axis is not declared.
    pub fn width(&self, metric: Metric) -> Option<usize> {
        metric.axes().iter().try_fold(1usize, |width, axis| width.checked_mul(self.length(axis)?))
    }

    /// Why a value does not fit a metric; none where it does.
    pub fn mismatch(&self, metric: Metric, value: &Value) -> Option<String> {
        let expected = self.width(metric).unwrap_or(0);
        let (found, what) = match (metric.shape(), value) {
            (Shape::Scalar, Value::Number(_)) => return None,
            (Shape::Numbers, Value::Numbers(all)) => (all.len(), "values"),
            (Shape::Histograms, Value::Histograms(all)) => {
                if let Some(end) = all.iter().map(Histogram::end).find(|end| *end > Histogram::BINS) {
                    return Some(format!("expected at most {} bins, found {end}", Histogram::BINS));
                }
                (all.len(), "histograms")
            }
            (Shape::Scalar, _) => return Some(format!("expected `{metric}` to be a number, found more")),
            (Shape::Numbers | Shape::Histograms, _) => {
                return Some(format!(
                    "expected `{metric}` over {}, found another shape",
                    metric.over().join(", ")
                ));
            }
        };
        let points = match metric.axes() {
            [LAYER] => " layers",
            [BLOCK] => " blocks",
            _ => "",
        };
        (found != expected)
            .then(|| format!("expected `{metric}` of {expected}{points}, found {found} {what}"))
    }
}
