//! Lanes that differ in nothing but the seed as one curve: their mean, before a band from the least to the greatest.

use super::charts::{Curve, Smoothed, What, main_curve, rounded, scaled};
use super::{curves, lanes};
use crate::app::App;
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::widgets::{Bucket, Extent, SeriesKind};

/// The values of several lanes at a step of the first one that recorded any there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OfAll {
    step: Step,
    mean: f32,
    extent: Extent,
}

/// The curves of lanes that differ in their seeds, each smoothed as alone; of a single lane, its own.
pub(super) fn curves(
    app: &App,
    what: &What,
    lanes: &[Smoothed<'_>],
    name: &str,
    theme: &Theme,
) -> Vec<Curve> {
    let first = match lanes {
        [] => return Vec::new(),
        [only] => return vec![main_curve(app, what, *only, name, theme)],
        [first, ..] => first.lane,
    };
    let all = together(&lanes.iter().map(|lane| lane.points(what).collect()).collect::<Vec<_>>());
    let at = |step: Step| {
        let after = all.partition_point(|of_all| of_all.step <= step);
        all[..after].last().map(|of_all| of_all.mean)
    };
    let buckets = |of: fn(&OfAll) -> Extent| {
        let bucket = |of_all: &OfAll| Bucket {
            x: curves::x_of(app, first, of_all.step),
            extent: of(of_all),
            last: of_all.mean,
        };
        scaled(all.iter().map(bucket).collect(), what)
    };
    let between = curves::between(app, std::iter::empty(), |step| at(step).map(f64::from));
    let band = Curve {
        name: String::new(),
        buckets: buckets(|of_all| of_all.extent),
        style: theme.lane_faded(first.idx().0),
        mark: theme.glyph(Glyph::Shade),
        kind: SeriesKind::Backdrop,
        read_out: None,
        between: None,
    };
    let mean = Curve {
        name: format!("{name} ({} seeds)", lanes.len()),
        buckets: buckets(|of_all| Extent::of(of_all.mean)),
        style: lanes::style(first, theme),
        mark: theme.lane_swatch(first.idx().0),
        kind: SeriesKind::Curve,
        read_out: at(app.step()).map(|value| rounded(value, what)),
        between: between.map(|between| between.scaled(what.factor().into())),
    };
    vec![band, mean]
}

/// Mean and extent at each step of the longest lane, of several the one with the most values, over the lanes that came that far; a lane that recorded nothing at
/// a step counts with its last value before.
fn together(lanes: &[Vec<(Step, f32)>]) -> Vec<OfAll> {
    let longest = lanes.iter().max_by_key(|lane| (lane.last().map(|(step, _)| *step), lane.len()));
    let mut next = vec![0; lanes.len()];
    let mut at = |step: Step| {
        let mut values = Vec::with_capacity(lanes.len());
        for (lane, next) in lanes.iter().zip(&mut next) {
            *next += lane[*next..].partition_point(|(at, _)| *at <= step);
            let has_ended = lane.last().is_none_or(|(last, _)| *last < step);
            values.extend(next.checked_sub(1).filter(|_| !has_ended).map(|before| lane[before].1));
        }
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64;
        OfAll { step, mean: mean as f32, extent: values.into_iter().collect() }
    };
    longest.into_iter().flatten().map(|(step, _)| at(*step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_over_the_lanes_that_came_that_far() {
        let lane = |values: &[(u64, f32)]| values.iter().map(|(step, value)| (Step(*step), *value)).collect();
        let lanes =
            [lane(&[(1, 1.0), (2, 2.0), (3, 3.0)]), lane(&[(1, 3.0), (3, 5.0)]), lane(&[(1, 8.0), (2, 8.0)])];
        let found: Vec<(u64, f32, (f32, f32))> =
            together(&lanes).iter().map(|of| (of.step.0, of.mean, of.extent.range().unwrap())).collect();
        assert_eq!(found, [(1, 4.0, (1.0, 8.0)), (2, 13.0 / 3.0, (2.0, 8.0)), (3, 4.0, (3.0, 5.0))]);
        assert!(together(&[]).is_empty() && together(&[Vec::new()]).is_empty());
    }
}
