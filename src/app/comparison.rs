//! What lies between two lanes: the difference of their curves and the step from which they part.

use super::matrix::Matrix;
use super::series::Series;
use super::smoothing::smoothed;
use crate::statistic::Scale;
use crate::units::Step;

/// How far smoothed training errors must be apart for lanes to have parted, as a share of the images.
pub const PARTED_BY: f32 = 0.1;

/// For how many steps they must stay that far apart.
pub const PARTED_FOR: u64 = 20;

/// The difference `a - b` of two smoothed curves, at the steps of `a` up to the end of the shorter; `b` is
/// taken at its last point not later than that.
pub fn difference(a: &Series, b: &Series, decay: f64) -> Vec<(Step, f32)> {
    let b: Vec<(Step, f32)> = smoothed(b, decay).collect();
    let Some(end) = b.last().map(|(step, _)| *step) else { return Vec::new() };
    let mut at = 0;
    smoothed(a, decay)
        .take_while(|(step, _)| *step <= end)
        .filter_map(|(step, value)| {
            while b.get(at + 1).is_some_and(|(next, _)| *next <= step) {
                at += 1;
            }
            let (before, other) = b[at];
            (before <= step).then_some((step, value - other))
        })
        .collect()
}

/// The first step from which two errors, smoothed at `decay`, stay [`PARTED_BY`] apart for [`PARTED_FOR`]
/// steps.
pub fn parted_at(a: &Series, b: &Series, decay: f64) -> Option<Step> {
    let mut since: Option<Step> = None;
    for (step, apart) in difference(a, b, decay) {
        if apart.abs() < PARTED_BY {
            since = None;
            continue;
        }
        let first = *since.get_or_insert(step);
        if step.0 - first.0 >= PARTED_FOR {
            return Some(first);
        }
    }
    None
}

/// What lies between two values of a statistic: `log10(a / b)` where its natural scale is logarithmic, else
/// `a - b`; none where that is not finite.
pub fn between(scale: Scale, a: f32, b: f32) -> Option<f32> {
    let between = match scale {
        Scale::Log if a > 0.0 && b > 0.0 => (f64::from(a) / f64::from(b)).log10() as f32,
        Scale::Log => f32::NAN,
        Scale::Linear | Scale::Signed => a - b,
    };
    between.is_finite().then_some(between)
}

/// What lies [`between`] a column of one matrix and a column of another, at the steps of the first up to
/// the end of the shorter.
pub fn between_columns(scale: Scale, a: (&Matrix, usize), b: (&Matrix, usize)) -> Vec<(Step, f32)> {
    let end = b.0.row(b.0.len().saturating_sub(1)).map(|row| row.last_step).unwrap_or_default();
    let rows = a.0.rows().take_while(|row| row.last_step <= end);
    rows.filter_map(|row| {
        let other = b.0.at(row.last_step)?.last(b.1)?;
        Some((row.last_step, between(scale, row.last(a.1)?, other)?))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(len: u64, value: impl Fn(u64) -> f32) -> Series {
        let mut series = Series::default();
        for step in 1..=len {
            series.push(Step(step), 0.0, value(step));
        }
        series
    }

    #[test]
    fn a_difference_ends_with_the_shorter_curve() {
        let apart = difference(&series(10, |_| 3.0), &series(6, |_| 1.0), 0.9);
        assert_eq!(apart.len(), 6);
        assert!(apart.iter().all(|(_, value)| (value - 2.0).abs() < 1e-6));
    }

    #[test]
    fn lanes_part_where_they_stay_apart_not_where_they_touch() {
        let a = series(200, |_| 0.9);
        let b = series(200, |step| match step {
            30..45 => 0.7,
            100.. => 0.5,
            _ => 0.88,
        });
        assert_eq!(parted_at(&a, &b, 0.0), Some(Step(100)));
        assert_eq!(parted_at(&a, &a, 0.9), None);
        assert_eq!(parted_at(&a, &Series::default(), 0.9), None);
    }

    #[test]
    fn between_values_stands_the_ratio_or_the_difference() {
        assert_eq!(between(Scale::Log, 100.0, 0.1), Some(3.0));
        assert_eq!(between(Scale::Log, 0.0, 0.1), None);
        assert_eq!(between(Scale::Linear, 0.25, 0.5), Some(-0.25));
        assert_eq!(between(Scale::Signed, -1.0, 0.5), Some(-1.5));
        assert_eq!(between(Scale::Linear, f32::NAN, 0.5), None);
        let (mut a, mut b) = (Matrix::default(), Matrix::default());
        for step in 1..=4 {
            a.push(Step(step), &[1.0, 10.0]);
        }
        b.push(Step(1), &[1.0]);
        b.push(Step(3), &[0.1]);
        let got = between_columns(Scale::Log, (&a, 1), (&b, 0));
        assert_eq!(got, [(Step(1), 1.0), (Step(2), 1.0), (Step(3), 2.0)]);
    }
}
