//! The part of the vertical axis that charts show: a share of the axis that fits their values, so that it holds for
//! every chart of a view, whatever its values are.

/// The length of a whole axis.
const WHOLE: u32 = 1 << 20;
/// The least length of a part.
const LEAST: u32 = WHOLE / 1024;

/// A part of an axis, from a lower to an upper place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    low: u32,
    high: u32,
}

impl Part {
    /// The part between two places, 0 at the lower end of the axis and 1 at the upper; none for the whole axis. One that is
    /// too short is extended.
    pub fn new(low: f64, high: f64) -> Option<Part> {
        let of = |share: f64| (share.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32;
        let (low, high) = (of(low.min(high)), of(low.max(high)));
        Part::placed(low, high.saturating_sub(low))
    }

    /// A part of a length, moved as little as necessary to lie within the axis.
    fn placed(low: u32, length: u32) -> Option<Part> {
        let length = length.max(LEAST);
        if length >= WHOLE {
            return None;
        }
        let low = low.min(WHOLE - length);
        Some(Part { low, high: low + length })
    }

    /// Its ends as shares of the axis.
    pub fn ends(self) -> (f64, f64) {
        (f64::from(self.low) / f64::from(WHOLE), f64::from(self.high) / f64::from(WHOLE))
    }

    /// The part, zoomed in or out by a negative number: every two halve it. What is at a share of the part's own height
    /// stays in its place.
    pub(super) fn zoomed(part: Option<Part>, by: i32, around: f64) -> Option<Part> {
        let Part { low, high } = part.unwrap_or(Part { low: 0, high: WHOLE });
        let length = f64::from(high - low);
        let zoomed = (length * 2f64.powf(-f64::from(by.clamp(-64, 64)) / 2.0)).min(f64::from(WHOLE));
        let below = around.clamp(0.0, 1.0) * (length - zoomed);
        Part::placed((f64::from(low) + below).max(0.0).round() as u32, zoomed.round() as u32)
    }

    /// The part, moved by percent of its height, negative downward.
    pub(super) fn moved(self, percent: i64) -> Option<Part> {
        let length = self.high - self.low;
        let by = i64::from(length) * percent.clamp(-200_000, 200_000) / 100;
        let low = (i64::from(self.low) + by).clamp(0, i64::from(WHOLE));
        Part::placed(low as u32, length)
    }

    /// The items from an axis of `len` of them, the first one at the top, that are at least partly in it.
    pub fn items(self, len: usize) -> std::ops::Range<usize> {
        let of = |place: u32| u128::from(WHOLE - place) * len as u128;
        let first = (of(self.high) / u128::from(WHOLE)) as usize;
        let end = of(self.low).div_ceil(u128::from(WHOLE)) as usize;
        first.min(len)..end.clamp(first.min(len), len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zooming_halves_around_a_place_that_stays() {
        let ends = |part: Option<Part>| part.map(Part::ends);
        assert_eq!(ends(Part::zoomed(None, 2, 0.5)), Some((0.25, 0.75)));
        assert_eq!(ends(Part::zoomed(None, 2, 0.0)), Some((0.0, 0.5)));
        assert_eq!(ends(Part::zoomed(Part::new(0.5, 1.0), 2, 1.0)), Some((0.75, 1.0)));
        assert_eq!(ends(Part::zoomed(Part::new(0.25, 0.75), -2, 0.5)), None);
        assert_eq!(ends(Part::zoomed(Part::new(0.0, 0.5), -1, 0.0)).unwrap().0, 0.0);
    }

    #[test]
    fn moving_stops_at_the_ends() {
        let part = Part::new(0.25, 0.75).unwrap();
        assert_eq!(part.moved(25).unwrap().ends(), (0.375, 0.875));
        assert_eq!(part.moved(i64::MAX).unwrap().ends(), (0.5, 1.0));
        assert_eq!(part.moved(i64::MIN).unwrap().ends(), (0.0, 0.5));
    }

    #[test]
    fn items_are_counted_from_the_top() {
        assert_eq!(Part::new(0.5, 1.0).unwrap().items(110), 0..55);
        assert_eq!(Part::new(0.0, 0.5).unwrap().items(9), 4..9);
        assert_eq!(Part::new(0.0, 0.5).unwrap().items(0), 0..0);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_axis_and_shows_something(
            deeds in prop::collection::vec((any::<bool>(), -70i32..70, 0.0f64..1.0), 0..40), len in 1usize..1000,
        ) {
            let mut part: Option<Part> = None;
            for (zooms, by, around) in deeds {
                part = if zooms { Part::zoomed(part, by, around) } else { part.and_then(|p| p.moved(by.into())) };
                if let Some(shown) = part {
                    let (low, high) = shown.ends();
                    prop_assert!(0.0 <= low && low < high && high <= 1.0 && high - low < 1.0);
                    prop_assert!(!shown.items(len).is_empty(), "{shown:?}");
                }
            }
        }
    }
}
