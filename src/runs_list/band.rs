//! The mean of several runs' curves, and the band between their minimum and maximum.

use std::collections::BTreeMap;

use crate::history::Point;

/// The combined curve of several runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// Its points, in ascending steps.
    pub points: Vec<BandPoint>,
    /// The greatest value of each run; infinite if one of its values is not finite.
    pub peaks: Vec<f64>,
}

/// The values of several runs over one stretch of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandPoint {
    /// The first step of the stretch.
    pub step: u64,
    /// The number of runs with finite values there.
    pub runs: usize,
    /// Whether a run has a NaN or infinite value there.
    pub non_finite: bool,
    /// The mean of the runs' means; NaN if there is none.
    pub mean: f64,
    /// The least of the means.
    pub min: f64,
    /// The greatest of the means.
    pub max: f64,
}

/// Combines curves, in stretches as wide as the widest point of any of them. A run that ended early contributes as far
/// as it went.
pub fn band(curves: &[&[Point]]) -> Band {
    let span = |point: &Point| point.last_step.0 - point.first_step.0 + 1;
    let widest = curves.iter().flat_map(|curve| curve.iter().map(span)).max().unwrap_or(1);
    let width = widest.checked_next_power_of_two().unwrap_or(1 << 63);
    let mut stretches: BTreeMap<u64, (Vec<f64>, bool)> = BTreeMap::new();
    for curve in curves {
        // Points of one curve that fall into the same stretch are merged.
        for stretch in curve.chunk_by(|a, b| a.first_step.0 / width == b.first_step.0 / width) {
            let Some(point) = stretch.iter().copied().reduce(Point::merge) else { continue };
            let (means, non_finite) = stretches.entry(point.first_step.0 / width * width).or_default();
            means.extend(point.mean().map(f64::from));
            *non_finite |= point.cell.non_finite > 0;
        }
    }
    let point = |(step, (means, non_finite)): (u64, (Vec<f64>, bool))| BandPoint {
        step,
        runs: means.len(),
        non_finite,
        mean: if means.is_empty() { f64::NAN } else { means.iter().sum::<f64>() / means.len() as f64 },
        min: means.iter().copied().fold(f64::NAN, f64::min),
        max: means.iter().copied().fold(f64::NAN, f64::max),
    };
    Band {
        points: stretches.into_iter().map(point).collect(),
        peaks: curves.iter().map(|curve| peak(curve)).collect(),
    }
}

fn peak(curve: &[Point]) -> f64 {
    let value = |point: &Point| {
        if point.cell.non_finite > 0 { f64::INFINITY } else { point.mean().map_or(f64::NAN, f64::from) }
    };
    curve.iter().map(value).fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::reading::curves::MOST_POINTS;
    use crate::units::Step;

    fn curve(steps: u64, value: impl Fn(u64) -> f32) -> Vec<Point> {
        let mut history = History::of_scalars();
        (1..=steps).for_each(|step| history.push(Step(step), 0.0, &[value(step)]));
        history.level(0, (Step(0), Step(steps)), MOST_POINTS)
    }

    #[test]
    fn the_mean_lies_in_its_band() {
        let (low, high) = (curve(10, |step| step as f32), curve(10, |step| 3.0 * step as f32));
        let band = band(&[&low, &high]);
        assert_eq!(band.points.len(), 10);
        let point = band.points[3];
        assert_eq!((point.step, point.runs, point.mean, point.min, point.max), (4, 2, 8.0, 4.0, 12.0));
    }

    #[test]
    fn curves_of_different_lengths_are_laid_over_one_another() {
        let long = 4 * MOST_POINTS as u64;
        let band = band(&[&curve(100, |_| 1.0), &curve(long, |_| 3.0)]);
        assert!(band.points.len() <= MOST_POINTS + 1);
        assert_eq!((band.points[0].runs, band.points[0].mean), (2, 2.0));
        let last = band.points.last().unwrap();
        assert_eq!((last.runs, last.mean, last.min), (1, 3.0, 3.0));
    }

    #[test]
    fn a_nan_is_told_and_kept_out_of_the_mean() {
        let band = band(&[&curve(3, |_| 1.0), &curve(3, |step| if step == 2 { f32::NAN } else { 1.0 })]);
        let told: Vec<_> =
            band.points.iter().map(|point| (point.runs, point.non_finite, point.mean)).collect();
        assert_eq!(told, [(2, false, 1.0), (1, true, 1.0), (2, false, 1.0)]);
    }
}
