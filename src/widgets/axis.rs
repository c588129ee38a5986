//! An axis: maps numbers to places between 0 and 1, linearly or logarithmically, with ticks at round numbers.

use super::Extent;

/// A range of numbers mapped to 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

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
    pub fn new(low: f64, high: f64, log: bool) -> Axis {
        let limit = f64::from(f32::MAX);
        let (mut low, mut high) = (sane(low).clamp(-limit, limit), sane(high).clamp(-limit, limit));
        if low > high {
            std::mem::swap(&mut low, &mut high);
        }
        if log && high > 0.0 {
            low = low.max(high / 10f64.powf(MOST_DECADES));
            if high / low < 1.1 {
                (low, high) = (low / 1.3, high * 1.3);
            }
            return Axis { low, high, log: true };
        }
        if high - low < 1e-9 * high.abs().max(low.abs()) || high == low {
            // A single value has room around it; zero alone has the room of a count or a share.
            let margin = high.abs() * 0.1;
            (low, high) = if high == 0.0 { (0.0, 1.0) } else { (low - margin, high + margin) };
        }
        Axis { low, high, log: false }
    }

    /// The axis that includes all extents; on a logarithmic one only positive values count.
    pub fn fit(extents: impl IntoIterator<Item = Extent>, log: bool) -> Axis {
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

    /// The axis extended at both ends by a share of its length, so that extremes don't touch the frame.
    pub fn with_margin(self, share: f64) -> Axis {
        if self.log {
            let factor = (self.high / self.low).powf(share);
            Axis::new(self.low / factor, self.high * factor, true)
        } else {
            let margin = (self.high - self.low) * share;
            Axis::new(self.low - margin, self.high + margin, false)
        }
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
        self.log
    }

    /// The place of a number: 0 at the lower end, 1 at the upper, outside of that beyond them. On a logarithmic axis
    /// zero and negative numbers are at minus infinity. NaN has no place.
    pub fn position(self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let place = if self.log {
            if value <= 0.0 {
                return Some(f64::NEG_INFINITY);
            }
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        Some(place)
    }

    /// The number at a place.
    pub fn value(self, position: f64) -> f64 {
        if self.log {
            (self.low.ln() + position * (self.high.ln() - self.low.ln())).exp()
        } else {
            self.low + position * (self.high - self.low)
        }
    }

    /// At most `most` round numbers within the axis, ascending.
    pub fn ticks(self, most: usize) -> Vec<f64> {
        if most == 0 {
            return Vec::new();
        }
        let decades = (self.high / self.low).log10();
        if self.log && decades >= 1.0 { self.log_ticks(most) } else { self.linear_ticks(most) }
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

fn sane(bound: f64) -> f64 {
    if bound.is_nan() { 0.0 } else { bound }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn any_axis_has_few_rising_ticks_within(low: f32, high: f32, log: bool, most in 0usize..12) {
            let axis = Axis::new(f64::from(low), f64::from(high), log);
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
