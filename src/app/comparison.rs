//! What lies between two lanes: the difference of their curves and the step from which they part.

use super::series::Series;
use super::smoothing::smoothed;
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
