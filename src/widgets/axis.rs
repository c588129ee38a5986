//! An axis: maps numbers to places between 0 and 1, linearly, logarithmically or both, with ticks at round numbers.

use super::Extent;

/// How numbers are spaced on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal ratios; zero and negative numbers have no place.
    Log,
    /// For numbers of either sign: linear near zero, logarithmic away from it on both sides (Webber 2013, "A
    /// bi-symmetric log transformation for wide-range data").
    SymmetricLog,
}

impl From<bool> for Spacing {
    /// Logarithmic or linear.
    fn from(log: bool) -> Spacing {
        if log { Spacing::Log } else { Spacing::Linear }
    }
}

/// A range of numbers mapped to 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    spacing: Spacing,
    /// The number up to which a symmetric logarithmic axis is about linear, on both sides of zero.
    near_zero: f64,
    /// The ends in a measure of which equal distances take equal room.
    ends: (f64, f64),
}

/// The decades that a symmetric logarithmic axis has on the longer side if nothing is known of its values, and the most.
const SYMMETRIC_DECADES: (f64, f64) = (3.0, 9.0);
/// The share of values at each end that may be beyond an axis ...
const TAIL: f64 = 0.01;
/// ... if the rest takes less than this share of it.
const FLAT: f64 = 0.25;
/// Values that take less than this share of an axis from zero have one without zero.
const LEAST_SHARE_FROM_ZERO: f64 = 1.0 / 3.0;
/// The fewest values for cutting outliers.
const FEWEST: usize = 50;

/// The most decades of a logarithmic axis; values below are drawn at its lower end.
const MOST_DECADES: f64 = 24.0;

impl From<(f64, f64)> for Axis {
    /// A linear axis between two numbers.
    fn from((low, high): (f64, f64)) -> Axis {
        Axis::new(low, high, false)
    }
}

impl Axis {
    /// An axis from `low` to `high`. A logarithmic one needs a positive `high`; its `low` is raised to at most
    /// 24 decades below. Bounds that are not finite or not in order are corrected.
    pub fn new(low: f64, high: f64, spacing: impl Into<Spacing>) -> Axis {
        let spacing = spacing.into();
        let limit = f64::from(f32::MAX);
        let (mut low, mut high) = (sane(low).clamp(-limit, limit), sane(high).clamp(-limit, limit));
        if low > high {
            std::mem::swap(&mut low, &mut high);
        }
        if spacing == Spacing::Log && high > 0.0 {
            low = low.max(high / 10f64.powf(MOST_DECADES));
            if high / low < 1.1 {
                (low, high) = (low / 1.3, high * 1.3);
            }
            return Axis { low, high, spacing, near_zero: 0.0, ends: (0.0, 0.0) }.measured();
        }
        if high - low < 1e-9 * high.abs().max(low.abs()) || high == low {
            // A single value has room around it; zero alone has the room of a count or a share.
            let margin = high.abs() * 0.1;
            (low, high) = if high == 0.0 { (0.0, 1.0) } else { (low - margin, high + margin) };
        }
        let spacing = if spacing == Spacing::Log { Spacing::Linear } else { spacing };
        let near_zero = low.abs().max(high.abs()) / 10f64.powf(SYMMETRIC_DECADES.0);
        Axis { low, high, spacing, near_zero, ends: (0.0, 0.0) }.measured()
    }

    /// The axis with its ends measured: there are thousands of places to find, and logarithms take long.
    fn measured(self) -> Axis {
        Axis { ends: (self.spaced(self.low), self.spaced(self.high)), ..self }
    }

    /// The axis with another number up to which it is about linear, if it is symmetric and logarithmic.
    fn with_near_zero(self, near_zero: f64) -> Axis {
        let most = self.low.abs().max(self.high.abs());
        let least = most / 10f64.powf(SYMMETRIC_DECADES.1);
        Axis { near_zero: near_zero.clamp(least, (most / 10.0).max(least)), ..self }.measured()
    }

    /// The axis that includes all extents; on a logarithmic one only positive values count.
    pub fn fit(extents: impl IntoIterator<Item = Extent>, spacing: impl Into<Spacing>) -> Axis {
        let spacing = spacing.into();
        if spacing == Spacing::SymmetricLog {
            return Axis::fit_symmetric(extents);
        }
        let log = spacing == Spacing::Log;
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        for (min, max) in extents.into_iter().filter_map(Extent::range) {
            // Of an extent from zero or less to a positive value only the upper end can be on a log axis.
            let min = if log && min <= 0.0 { max } else { min };
            if !log || max > 0.0 {
                all = (all.0.min(f64::from(min)), all.1.max(f64::from(max)));
            }
        }
        match all {
            (low, high) if low <= high => Axis::new(low, high, log),
            _ if log => Axis::new(0.1, 10.0, true),
            _ => Axis::new(0.0, 1.0, false),
        }
    }

    /// The symmetric logarithmic axis that includes all extents; it is about linear up to the median size of their ends.
    fn fit_symmetric(extents: impl IntoIterator<Item = Extent>) -> Axis {
        let extents: Vec<Extent> = extents.into_iter().collect();
        let linear = Axis::fit(extents.iter().copied(), Spacing::Linear);
        let axis = Axis::new(linear.low, linear.high, Spacing::SymmetricLog);
        let ends = extents.iter().filter_map(|extent| extent.range()).flat_map(|(min, max)| [min, max]);
        let mut sizes: Vec<f32> = ends.map(f32::abs).filter(|size| *size > 0.0).collect();
        if sizes.is_empty() {
            return axis;
        }
        let middle = sizes.len() / 2;
        let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
        axis.with_near_zero(f64::from(*median))
    }

    /// The axis for the bulk of the values and for all of `kept`: if a few outliers would flatten it, they are beyond the
    /// axis.
    pub fn fit_bulk(
        extents: impl IntoIterator<Item = Extent>,
        kept: impl IntoIterator<Item = Extent>,
        spacing: impl Into<Spacing>,
    ) -> Axis {
        let (extents, spacing) = (extents.into_iter().collect::<Vec<Extent>>(), spacing.into());
        let kept: Vec<Extent> = kept.into_iter().collect();
        let whole = Axis::fit(extents.iter().chain(&kept).copied(), spacing);
        let ends = extents.iter().filter_map(|extent| extent.range()).flat_map(|(min, max)| [min, max]);
        let places = ends.filter_map(|end| whole.position(end.into()));
        let Some((low, high)) = bulk(places, TAIL, FLAT) else { return whole };
        let of_bulk: Extent = [low, high].map(|place| whole.value(place) as f32).into_iter().collect();
        let cut = Axis::fit(kept.into_iter().chain([of_bulk]), whole.spacing);
        if whole.spacing == Spacing::SymmetricLog { cut.with_near_zero(whole.near_zero) } else { cut }
    }

    /// The axis extended at both ends by a share of its length, so that extremes don't touch the frame.
    pub fn with_margin(self, share: f64) -> Axis {
        match self.spacing {
            Spacing::Log => {
                let factor = (self.high / self.low).powf(share);
                Axis::new(self.low / factor, self.high * factor, Spacing::Log)
            }
            Spacing::Linear => {
                let margin = (self.high - self.low) * share;
                Axis::new(self.low - margin, self.high + margin, Spacing::Linear)
            }
            Spacing::SymmetricLog => {
                let (low, high) = (self.value(-share), self.value(1.0 + share));
                Axis::new(low, high, self.spacing).with_near_zero(self.near_zero)
            }
        }
    }

    /// A linear axis from zero with room above, unless that would flatten its values, such as a loss that stays between 3
    /// and 4: then the axis with room at both ends.
    pub fn from_zero(self) -> Axis {
        let farthest = self.low.abs().max(self.high.abs());
        let is_flat = self.high - self.low < LEAST_SHARE_FROM_ZERO * farthest;
        if is_flat || self.spacing != Spacing::Linear {
            return self.with_margin(0.05);
        }
        Axis::new(self.low.min(0.0), self.high.max(0.0) * 1.05, Spacing::Linear)
    }

    /// The part between two places of the axis.
    pub fn part(self, low: f64, high: f64) -> Axis {
        Axis { low: self.value(low), high: self.value(high), ..self }.measured()
    }

    /// The lower end.
    pub fn low(self) -> f64 {
        self.low
    }

    /// The upper end.
    pub fn high(self) -> f64 {
        self.high
    }

    /// Whether a number is between its ends.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Whether equal distances are equal ratios.
    pub fn is_log(self) -> bool {
        self.spacing == Spacing::Log
    }

    /// The place of a number: 0 at the lower end, 1 at the upper, outside of that beyond them. On a logarithmic axis
    /// zero and negative numbers are at minus infinity. NaN has no place.
    pub fn position(self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let (low, high) = self.ends;
        Some(match self.spacing {
            Spacing::Log if value <= 0.0 => f64::NEG_INFINITY,
            _ => (self.spaced(value) - low) / (high - low),
        })
    }

    /// A number in a measure of which equal distances take equal room.
    fn spaced(self, value: f64) -> f64 {
        match self.spacing {
            Spacing::Linear => value,
            Spacing::Log => value.ln(),
            Spacing::SymmetricLog => (value.abs() / self.near_zero).ln_1p().copysign(value),
        }
    }

    /// The number at a place.
    pub fn value(self, position: f64) -> f64 {
        let (low, high) = self.ends;
        let spaced = low + position * (high - low);
        match self.spacing {
            Spacing::Linear => spaced,
            Spacing::Log => spaced.exp(),
            Spacing::SymmetricLog => (spaced.abs().exp_m1() * self.near_zero).copysign(spaced),
        }
    }

    /// At most `most` round numbers within the axis, ascending.
    pub fn ticks(self, most: usize) -> Vec<f64> {
        if most == 0 {
            return Vec::new();
        }
        match self.spacing {
            Spacing::Log if (self.high / self.low).log10() >= 1.0 => self.log_ticks(most),
            Spacing::SymmetricLog => self.symmetric_ticks(most),
            Spacing::Log | Spacing::Linear => self.linear_ticks(most),
        }
    }

    /// Zero and powers of ten on both sides of it, or every n-th of them; where these are fewer than two, as on a linear
    /// axis.
    fn symmetric_ticks(self, most: usize) -> Vec<f64> {
        let within = |value: &f64| (self.low..=self.high).contains(value);
        let first = self.near_zero.log10().ceil() as i32;
        let last = self.low.abs().max(self.high.abs()).log10().floor() as i32;
        for every in 1..=(last - first).max(0) as usize + 1 {
            let powers = (first..=last).rev().step_by(every).map(|power| 10f64.powi(power));
            let mut ticks: Vec<f64> =
                powers.flat_map(|power| [-power, power]).chain([0.0]).filter(within).collect();
            if ticks.len() <= most && ticks.len() >= 2 {
                ticks.sort_unstable_by(f64::total_cmp);
                return ticks;
            }
        }
        self.linear_ticks(most)
    }

    /// Steps of 1, 2 or 5 times a power of ten.
    fn linear_ticks(self, most: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / most as f64;
        let power = 10f64.powf(rough.log10().floor());
        let round = |factor: &f64| factor * power;
        for step in [1.0, 2.0, 5.0, 10.0, 20.0].iter().map(round) {
            let first = (self.low / step).ceil();
            let last = (self.high / step).floor();
            if last - first < most as f64 && step > 0.0 {
                let count = (last - first).max(-1.0) as usize;
                return if last < first {
                    Vec::new()
                } else {
                    (0..=count).map(|i| (first + i as f64) * step).collect()
                };
            }
        }
        Vec::new()
    }

    /// Powers of ten, or every n-th of them; with twos and fives if there is room.
    fn log_ticks(self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
        let decades = (last - first + 1).max(0) as usize;
        let within = |value: &f64| (self.low..=self.high).contains(value);
        let fine = (first - 1..=last).flat_map(|d| [1.0, 2.0, 5.0].map(|f| f * 10f64.powi(d)));
        let fine: Vec<f64> = fine.filter(within).collect();
        if fine.len() <= most {
            return fine;
        }
        let every = decades.div_ceil(most).max(1) as i32;
        (first..=last).filter(|d| d.rem_euclid(every) == 0).map(|d| 10f64.powi(d)).filter(within).collect()
    }
}

/// The range of the bulk of some places, leaving out a share of them at each end, if the bulk takes less than a share
/// `flat` of the whole; none if there is nothing to cut.
pub(super) fn bulk(places: impl Iterator<Item = f64>, tail: f64, flat: f64) -> Option<(f64, f64)> {
    let mut places: Vec<f64> = places.filter(|place| place.is_finite()).collect();
    let last = places.len().checked_sub(1).filter(|_| places.len() >= FEWEST)?;
    let cut = (places.len() as f64 * tail) as usize;
    let mut at = |nth: usize| *places.select_nth_unstable_by(nth, f64::total_cmp).1;
    let (least, low, high, greatest) = (at(0), at(cut), at(last - cut), at(last));
    (high - low < flat * (greatest - least) && high > low).then_some((low, high))
}

fn sane(bound: f64) -> f64 {
    if bound.is_nan() { 0.0 } else { bound }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_of_an_axis_has_its_values_where_the_whole_one_has_them() {
        for spacing in [Spacing::Linear, Spacing::Log, Spacing::SymmetricLog] {
            let whole = Axis::new(0.01, 100.0, spacing);
            let part = whole.part(0.25, 0.75);
            for place in [0.0, 0.5, 1.0] {
                let value = part.value(place);
                let of_whole = whole.position(value).unwrap();
                assert!((of_whole - (0.25 + place / 2.0)).abs() < 1e-9, "{spacing:?}: {value} at {of_whole}");
                assert!((part.position(value).unwrap() - place).abs() < 1e-9, "{spacing:?}");
            }
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::new(0.0, 600.0, false).ticks(6), [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(Axis::new(0.0, 600.0, false).ticks(7), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0]);
        assert_eq!(Axis::new(0.02, 3.0, true).ticks(3), [0.1, 1.0]);
        assert_eq!(Axis::new(0.9, 11.0, true).ticks(6), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(Axis::new(1e-9, 1.0, true).ticks(4).len(), 4);
        assert_eq!(Axis::new(2.9, 65.0, true).ticks(4), [5.0, 10.0, 20.0, 50.0]);
        assert_eq!(Axis::new(2.9, 65.0, true).ticks(3), [10.0]);
    }

    #[test]
    fn zero_on_a_logarithmic_axis_is_below_everything() {
        let axis = Axis::new(1e-3, 1.0, true);
        assert_eq!(axis.position(0.0), Some(f64::NEG_INFINITY));
        assert_eq!(axis.position(f64::NAN), None);
        assert!((axis.position(0.031_622_776).unwrap() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_single_value_gets_room_around_it() {
        let axis = Axis::fit([Extent::of(5.0)], false);
        assert!((axis.position(5.0).unwrap() - 0.5).abs() < 1e-9);
        let axis = Axis::fit([Extent::of(5.0)], true);
        assert!((axis.position(5.0).unwrap() - 0.5).abs() < 1e-9);
        let axis = Axis::fit([Extent::of(0.0), Extent::of(0.0)], false);
        assert_eq!((axis.low(), axis.high()), (0.0, 1.0));
    }

    #[test]
    fn an_axis_begins_at_zero_unless_that_flattens_its_values() {
        let ends = |low, high| {
            let axis = Axis::new(low, high, false).from_zero();
            (axis.low(), axis.high())
        };
        assert_eq!(ends(1.0, 4.0), (0.0, 4.2));
        let (low, high) = ends(2.9, 4.0);
        assert!((2.84..2.9).contains(&low) && (4.0..4.06).contains(&high), "{low} {high}");
        assert_eq!(ends(2.6, 4.0).0, 0.0);
        assert_eq!((ends(-1.0, 2.0), ends(-4.0, -1.0)), ((-1.0, 2.1), (-4.0, 0.0)));
        assert_eq!(ends(0.0, 0.0), (0.0, 1.05));
        let (low, high) = ends(5.0, 5.0);
        assert!(low > 4.0 && high < 6.0, "around a single value");
    }

    #[test]
    fn a_symmetric_logarithmic_axis_has_ticks_on_both_sides_of_zero() {
        let axis = Axis::new(-1000.0, 100.0, Spacing::SymmetricLog).with_near_zero(1.0);
        let ticks = axis.ticks(9);
        assert_eq!(ticks, [-1000.0, -100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0]);
        assert_eq!(axis.ticks(5), [-1000.0, -10.0, 0.0, 10.0]);
        let place = |value: f64| axis.position(value).unwrap();
        assert!(
            ((place(100.0) - place(10.0)) / (place(-10.0) - place(-100.0)) - 1.0).abs() < 1e-9,
            "symmetric"
        );
        for value in [-1000.0, -3.0, 0.0, 0.01, 77.0] {
            assert!((axis.value(place(value)) - value).abs() < 1e-9 * value.abs().max(1.0), "{value}");
        }
    }

    #[test]
    fn a_few_outliers_are_beyond_the_axis_and_a_few_values_are_not() {
        let mut values: Vec<Extent> = (0..500).map(|i| Extent::of((i % 10) as f32)).collect();
        assert_eq!(Axis::fit_bulk(values.clone(), [], false), Axis::new(0.0, 9.0, false));
        (values[30], values[400]) = (Extent::of(1e6), Extent::of(-70.0));
        let cut = Axis::fit_bulk(values.clone(), [], false);
        assert!(cut.low().abs() < 1e-6 && (cut.high() - 9.0).abs() < 1e-6, "{cut:?}");
        let kept = Axis::fit_bulk(values.clone(), [Extent::of(-20.0)], false);
        assert!(kept.low() == -20.0 && (kept.high() - 9.0).abs() < 1e-6, "{kept:?}");
        assert_eq!(Axis::fit(values.clone(), false), Axis::new(-70.0, 1e6, false));
        let axis = Axis::fit_bulk(values[..40].iter().copied(), [], false);
        assert_eq!(axis.high(), 1e6, "too few to tell");
        let steps = (0..500).map(|i| Extent::of(if i < 3 { 1.0 } else { 0.0 }));
        assert_eq!(
            Axis::fit_bulk(steps, [], false),
            Axis::new(0.0, 1.0, false),
            "a constant cannot be flattened"
        );
    }

    proptest! {
        #[test]
        fn any_axis_has_few_rising_ticks_within(low: f32, high: f32, spacing in 0usize..3, most in 0usize..12) {
            let spacing = [Spacing::Linear, Spacing::Log, Spacing::SymmetricLog][spacing];
            let axis = Axis::new(f64::from(low), f64::from(high), spacing);
            prop_assert!(axis.low() < axis.high());
            let ticks = axis.ticks(most);
            prop_assert!(ticks.len() <= most.max(1), "{ticks:?}");
            for pair in ticks.windows(2) {
                prop_assert!(pair[0] < pair[1]);
            }
            for tick in ticks {
                let place = axis.position(tick).unwrap();
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&place));
            }
        }
    }
}
