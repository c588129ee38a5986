//! The curves of a saved run's lanes, read from their logs into bounded memory: enough to lay a few runs over
//! one another, and no more.

use std::path::Path;

use crate::event::Kind;
use crate::metric::known;
use crate::runlog::{Entry, LogReader, RunFolder, RunLogError, run_path};
use crate::units::LaneIdx;

/// Runs whose curves are read at once at most.
pub const MOST_RUNS: usize = 24;
/// Bytes of all their logs that are read at most.
pub const MOST_BYTES: u64 = 512 << 20;
/// Points of a curve at most.
pub const MOST_POINTS: usize = 1_024;

/// The curves of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCurves {
    /// The run's id.
    pub id: String,
    /// Those of each lane, or why there are none.
    pub lanes: Result<Vec<LaneCurves>, String>,
}

/// The curves of a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneCurves {
    /// The lane's name.
    pub name: String,
    /// The loss of every step's batch.
    pub loss: Curve,
    /// The test errors that were evaluated with running statistics, 0 to 1.
    pub test: Curve,
}

/// One number over the steps of a lane, in at most [`MOST_POINTS`] points. Each point covers as many steps as
/// [`Curve::width`] says, from a multiple of it on, so that curves of different lengths can be laid over one
/// another.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    width: u64,
    points: Vec<Point>,
    /// The step of its last value.
    last: Option<u64>,
}

/// The values of a stretch of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The stretch begins at this step.
    pub step: u64,
    /// The sum of its finite values.
    pub sum: f64,
    /// How many those are.
    pub count: u32,
    /// How many are NaN or infinite.
    pub non_finite: u32,
}

impl Default for Curve {
    fn default() -> Curve {
        Curve { width: 1, points: Vec::new(), last: None }
    }
}

impl Curve {
    /// The steps of a point; a power of two.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// The points with ascending steps.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Takes in the value of a step. Steps that do not ascend are passed over: a lane that was resumed makes some of
    /// its steps again, and comes to the same values.
    pub fn push(&mut self, step: u64, value: f32) {
        if self.last.is_some_and(|last| step <= last) {
            return;
        }
        self.last = Some(step);
        let finite = value.is_finite();
        let point = Point {
            step: step - step % self.width,
            sum: if finite { value.into() } else { 0.0 },
            count: finite.into(),
            non_finite: (!finite).into(),
        };
        match self.points.last_mut() {
            Some(last) if last.step == point.step => last.merge(&point),
            _ => self.points.push(point),
        }
        while self.points.len() > MOST_POINTS {
            self.widen(self.width * 2);
        }
    }

    /// Merges points until each covers `width` steps, a power of two not below the present one.
    pub fn widen(&mut self, width: u64) {
        self.width = width.max(self.width);
        let mut merged: Vec<Point> = Vec::with_capacity(self.points.len() / 2 + 1);
        for point in &self.points {
            let point = Point { step: point.step - point.step % self.width, ..*point };
            match merged.last_mut() {
                Some(last) if last.step == point.step => last.merge(&point),
                _ => merged.push(point),
            }
        }
        self.points = merged;
    }
}

impl Point {
    /// The mean of its finite values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }

    fn merge(&mut self, other: &Point) {
        self.sum += other.sum;
        self.count = self.count.saturating_add(other.count);
        self.non_finite = self.non_finite.saturating_add(other.non_finite);
    }
}

/// Reads the curves of a run in `root`; `budget` is what may still be read of all logs, and goes down by what
/// was. A run whose logs are larger has none, and says so.
pub(super) fn read(root: &Path, id: &str, budget: &mut u64) -> RunCurves {
    let lanes = read_lanes(root, id, budget).map_err(|error| error.to_string());
    RunCurves { id: id.to_owned(), lanes }
}

fn read_lanes(root: &Path, id: &str, budget: &mut u64) -> Result<Vec<LaneCurves>, RunLogError> {
    let folder = RunFolder::open(&run_path(root, id)?)?;
    let mut lanes = Vec::new();
    for (index, lane) in folder.manifest().lanes.iter().enumerate() {
        let mut curves = LaneCurves { name: lane.name.clone(), ..LaneCurves::default() };
        let path = folder.log(LaneIdx(index)).unwrap_or_default();
        let metadata = std::fs::symlink_metadata(&path);
        let length = metadata.ok().filter(std::fs::Metadata::is_file).map_or(0, |metadata| metadata.len());
        if length > *budget {
            let reason = format!("its logs of {length} bytes are too large to be laid over others");
            return Err(RunLogError::Malformed { path, reason });
        }
        *budget -= length;
        if length > 0 {
            read_log(LogReader::open(&path)?, &mut curves)?;
        }
        lanes.push(curves);
    }
    Ok(lanes)
}

fn read_log(mut reader: LogReader<std::fs::File>, curves: &mut LaneCurves) -> Result<(), RunLogError> {
    while let Some(entry) = reader.next_entry()? {
        let Entry::Event { event, .. } = entry else { continue };
        let Kind::Measured(values) = &event.kind else { continue };
        for (metric, curve) in [(known::LOSS, &mut curves.loss), (known::TEST_ERROR, &mut curves.test)] {
            if let Some(value) = values.number(metric) {
                curve.push(event.step.0, value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_curve_is_exact() {
        let mut curve = Curve::default();
        (1..=3).for_each(|step| curve.push(step, step as f32));
        curve.push(2, 9.0);
        curve.push(4, f32::NAN);
        let points: Vec<_> = curve.points().iter().map(|p| (p.step, p.mean(), p.non_finite)).collect();
        assert_eq!(points, [(1, Some(1.0), 0), (2, Some(2.0), 0), (3, Some(3.0), 0), (4, None, 1)]);
    }

    proptest! {
        #[test]
        fn a_long_curve_is_bounded_and_keeps_its_sum(
            values in proptest::collection::vec((1u64..40, -9.0f32..9.0), 0..6_000),
        ) {
            let mut curve = Curve::default();
            let mut step = 0;
            for (stride, value) in &values {
                step += stride;
                curve.push(step, *value);
            }
            prop_assert!(curve.points().len() <= MOST_POINTS);
            prop_assert!(curve.width().is_power_of_two());
            prop_assert!(curve.points().is_sorted_by_key(|p| p.step));
            prop_assert!(curve.points().iter().all(|p| p.step % curve.width() == 0));
            let sum: f64 = values.iter().map(|(_, value)| f64::from(*value)).sum();
            let kept: f64 = curve.points().iter().map(|p| p.sum).sum();
            prop_assert!((sum - kept).abs() < 1e-6);
            prop_assert_eq!(curve.points().iter().map(|p| p.count as usize).sum::<usize>(), values.len());
        }
    }
}
