//! Compares two lanes: the difference of their curves, and which one leads since when.

use super::lane::Lane;
use super::smoothing::smoothed;
use crate::history::Point;
use crate::metric::Scale;
use crate::units::Step;

/// The number of steps over which a lead averages training errors.
pub(crate) const LEAD_STEPS: u64 = 20;

/// How far one lane is ahead of another in training error, regardless of the smoothing of curves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// The first lane's error minus the second's, as a share of the images: the mean over `over`.
    pub apart: f32,
    /// The first and last step of the mean: the last steps that both lanes have made.
    pub over: (Step, Step),
    /// Whether it is more than chance: beyond two standard errors, at their largest, of that number of images.
    pub is_clear: bool,
    /// The step since which the mean has always been on this side.
    pub since: Step,
}

/// The lead at a step, or at the last step before it that both lanes made; none before the first.
pub fn lead(a: &Lane, b: &Lane, step: Step) -> Option<Lead> {
    let [of_a, of_b] = [a, b].map(|lane| smoothed(lane.error().points(0), 0.0));
    let mut points = difference(of_a, of_b);
    points.truncate(points.partition_point(|(at, _)| *at <= step));
    let first = |last: usize| {
        let end = points[last].0.0;
        points[..last].partition_point(|(at, _)| at.0 + LEAD_STEPS <= end)
    };
    let mean = |last: usize| {
        let window = &points[first(last)..=last];
        window.iter().map(|(_, apart)| f64::from(*apart)).sum::<f64>() / window.len() as f64
    };
    let last = points.len().checked_sub(1)?;
    let apart = mean(last);
    let other_side = |at: &usize| mean(*at) * apart.signum() <= 0.0;
    let since = (0..last).rev().find(other_side).map_or(0, |at| at + 1);
    let start = a.error().at(points[first(last)].0)?.span.first_step;
    let over = (start, points[last].0);
    let batch = |lane: &Lane| lane.experiment().map(|experiment| experiment.training.batch);
    let images = (over.1.0 - over.0.0 + 1) as f64 * batch(a)?.min(batch(b)?) as f64;
    // The variance of a share is at most a quarter, and that of a difference twice as much.
    let is_clear = apart.abs() > 2.0 * (2.0 * 0.25 / images).sqrt();
    Some(Lead { apart: apart as f32, over, is_clear, since: points[since].0 })
}

/// The difference `a - b` of two curves, such as smoothed ones, at the steps of `a` up to the end of the shorter; `b` is
/// taken at its last point that is not later.
pub fn difference(
    a: impl Iterator<Item = (Step, f32)>,
    b: impl Iterator<Item = (Step, f32)>,
) -> Vec<(Step, f32)> {
    let b: Vec<(Step, f32)> = b.collect();
    let Some(end) = b.last().map(|(step, _)| *step) else { return Vec::new() };
    let mut at = 0;
    a.take_while(|(step, _)| *step <= end)
        .filter_map(|(step, value)| {
            while b.get(at + 1).is_some_and(|(next, _)| *next <= step) {
                at += 1;
            }
            let (before, other) = b[at];
            (before <= step).then_some((step, value - other))
        })
        .collect()
}

/// The difference between two values of a statistic: `log10(a / b)` where its natural scale is logarithmic, else
/// `a - b`; none where that is not finite.
pub fn between(scale: Scale, a: f32, b: f32) -> Option<f32> {
    let between = match scale {
        Scale::Log if a > 0.0 && b > 0.0 => (f64::from(a) / f64::from(b)).log10() as f32,
        Scale::Log => f32::NAN,
        Scale::Linear | Scale::Signed => a - b,
    };
    between.is_finite().then_some(between)
}

/// The difference, see [`between`], of the points of two numbers, at the steps of the first up to the end of the
/// shorter.
pub fn between_points(
    scale: Scale,
    a: impl Iterator<Item = Point>,
    b: impl Iterator<Item = Point>,
) -> Vec<(Step, f32)> {
    let b: Vec<Point> = b.collect();
    let end = b.last().map(|point| point.last_step).unwrap_or_default();
    a.take_while(|point| point.last_step <= end)
        .filter_map(|point| {
            let after = b.partition_point(|other| other.first_step <= point.last_step);
            let other = b[..after].last()?;
            Some((point.last_step, between(scale, point.last(), other.last())?))
        })
        .collect()
}

/// The medians of a statistic over the first and the second half of the blocks, by which it is seen whether deep blocks do
/// as much as shallow ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Halves {
    /// The first and the last block of each half, from 1; of an odd number, the middle one is in neither.
    pub blocks: [[usize; 2]; 2],
    /// The medians of the finite values of each half.
    pub medians: [f32; 2],
}

/// Compares the halves of the blocks by their values; none if a half has no finite value.
pub fn halves(values: &[f32]) -> Option<Halves> {
    let (count, half) = (values.len(), values.len() / 2);
    let medians = [median(&values[..half])?, median(&values[count - half..])?];
    Some(Halves { blocks: [[1, half], [count - half + 1, count]], medians })
}

/// The median of the finite values; of an even number, the mean of the two in the middle.
pub fn median(values: &[f32]) -> Option<f32> {
    let mut finite: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_by(f32::total_cmp);
    let last = finite.len().checked_sub(1)?;
    Some(f32::midpoint(finite[last / 2], finite[last - last / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::Specimen;
    use crate::app::{App, LaneLabel};
    use crate::event::{Kind, RunEvent, Time, Values};
    use crate::history::History;
    use crate::metric::known;
    use crate::units::LaneIdx;

    #[test]
    fn halves_are_compared_by_their_medians() {
        let nan = f32::NAN;
        let found = |values: &[f32]| halves(values).map(|halves| (halves.blocks, halves.medians));
        let six = found(&[1.0, 9.0, 2.0, 4.0, 8.0, 6.0]);
        assert_eq!(six, Some(([[1, 3], [4, 6]], [2.0, 6.0])));
        let five = found(&[1.0, 3.0, 100.0, 5.0, 9.0]);
        assert_eq!(five, Some(([[1, 2], [4, 5]], [2.0, 7.0])));
        // Every second block has none.
        let every_second = found(&[1.0, nan, 3.0, nan, 5.0, nan, 7.0, nan]);
        assert_eq!(every_second, Some(([[1, 4], [5, 8]], [2.0, 6.0])));
        for values in [&[][..], &[1.0], &[nan, 1.0], &[1.0, 2.0, nan, f32::INFINITY]] {
            assert_eq!(halves(values), None, "{values:?}");
        }
    }

    fn series(len: u64, value: impl Fn(u64) -> f32) -> History {
        let mut series = History::of_scalars();
        for step in 1..=len {
            series.push(Step(step), 0.0, &[value(step)]);
        }
        series
    }

    #[test]
    fn a_difference_ends_with_the_shorter_curve() {
        let (longer, shorter) = (series(10, |_| 3.0), series(6, |_| 1.0));
        let apart = difference(smoothed(longer.points(0), 0.9), smoothed(shorter.points(0), 0.9));
        assert_eq!(apart.len(), 6);
        assert!(apart.iter().all(|(_, value)| (value - 2.0).abs() < 1e-6));
    }

    /// Two lanes whose batches of 100 images have these errors at steps from 1.
    fn lanes(steps: [u64; 2], error: impl Fn(usize, u64) -> f32) -> App {
        let label = |name: &str| LaneLabel { run: "r".to_owned(), lane: name.to_owned() };
        let mut app = App::new(vec![label("plain"), label("residual")]);
        for (lane, shortcut) in [(0, "none"), (1, "identity")] {
            let mut first = Specimen::new("plain", 20, shortcut).events().swap_remove(0);
            if let Kind::LaneStarted(started) = &mut first.kind
                && let Some(provenance) = &mut started.provenance
            {
                provenance.experiment.training.batch = 100;
            }
            app.apply(LaneIdx(lane), &first);
            for step in 1..=steps[lane] {
                let values = Values::default().with(known::LOSS, 1.0).with(known::ERROR, error(lane, step));
                let kind = Kind::Measured(values);
                app.apply(LaneIdx(lane), &RunEvent { step: Step(step), time: Time::default(), kind });
            }
        }
        app
    }

    fn lead_at(app: &App, step: u64) -> Option<Lead> {
        lead(&app.lanes()[0], &app.lanes()[1], Step(step))
    }

    #[test]
    fn a_lead_is_the_mean_of_the_last_steps_and_says_since_when() {
        // The first lane is 0.2 better up to step 40, then 0.4 worse.
        let app = lanes([100, 100], |lane, step| match (lane, step) {
            (1, 0..=40) => 0.7,
            (1, _) => 0.1,
            _ => 0.5,
        });
        let found = lead_at(&app, 100).expect("both have steps");
        assert!((found.apart - 0.4).abs() < 1e-6 && found.is_clear);
        assert_eq!(found.over, (Step(81), Step(100)));
        // If n of 20 steps have 0.4 and the others -0.2, the mean is above zero from n = 7 on.
        assert_eq!(found.since, Step(47));
        let found = lead_at(&app, 44).expect("both have steps");
        assert!((found.apart - (4.0 * 0.4 - 16.0 * 0.2) / 20.0).abs() < 1e-6);
        assert_eq!((found.over, found.since), ((Step(25), Step(44)), Step(1)));
        assert_eq!(lead_at(&app, 3).expect("both have steps").over, (Step(1), Step(3)));
        assert_eq!(lead_at(&app, 0), None);
    }

    #[test]
    fn lanes_are_compared_at_the_last_step_that_both_made() {
        let app = lanes([100, 50], |lane, step| if lane == 1 { 0.5 } else { step as f32 / 100.0 });
        let found = lead_at(&app, 100).expect("both have steps");
        assert_eq!(found.over, (Step(31), Step(50)));
        assert!((found.apart - (0.405 - 0.5)).abs() < 1e-6);
        assert_eq!(lead_at(&lanes([9, 0], |_, _| 0.5), 9), None);
    }

    #[test]
    fn what_may_be_chance_is_no_clear_lead() {
        // 20 steps of 100 images: two standard errors are 2 sqrt(0.5 / 2000) = 3.16 points.
        for (apart, is_clear) in [(0.0, false), (0.031, false), (0.033, true), (-0.033, true)] {
            let app = lanes([30, 30], |lane, _| if lane == 0 { 0.5 + apart } else { 0.5 });
            assert_eq!(lead_at(&app, 30).expect("both have steps").is_clear, is_clear, "{apart}");
        }
    }

    #[test]
    fn between_values_stands_the_ratio_or_the_difference() {
        assert_eq!(between(Scale::Log, 100.0, 0.1), Some(3.0));
        assert_eq!(between(Scale::Log, 0.0, 0.1), None);
        assert_eq!(between(Scale::Linear, 0.25, 0.5), Some(-0.25));
        assert_eq!(between(Scale::Signed, -1.0, 0.5), Some(-1.5));
        assert_eq!(between(Scale::Linear, f32::NAN, 0.5), None);
        let a = series(4, |_| 10.0);
        let mut b = History::of_scalars();
        b.push(Step(1), 0.0, &[1.0]);
        b.push(Step(3), 0.0, &[0.1]);
        let got = between_points(Scale::Log, a.points(0), b.points(0));
        assert_eq!(got, [(Step(1), 1.0), (Step(2), 1.0), (Step(3), 2.0)]);
    }
}
