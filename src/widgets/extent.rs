//! The values that share a cell: their least and greatest, and whether one of them was not finite.

/// The range of finite values, and whether there were others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The least finite value; above `max` if there is none.
    pub min: f32,
    /// The greatest finite value.
    pub max: f32,
    /// Whether there was a NaN or an infinity.
    pub non_finite: bool,
}

impl Extent {
    /// No values.
    pub const EMPTY: Extent = Extent { min: f32::INFINITY, max: f32::NEG_INFINITY, non_finite: false };

    /// The extent of one value.
    pub fn of(value: f32) -> Extent {
        if value.is_finite() {
            Extent { min: value, max: value, non_finite: false }
        } else {
            Extent { non_finite: true, ..Extent::EMPTY }
        }
    }

    /// The least and the greatest value, if there is a finite one.
    pub fn range(self) -> Option<(f32, f32)> {
        (self.min <= self.max && self.min.is_finite() && self.max.is_finite()).then_some((self.min, self.max))
    }

    /// Whether it has no values at all.
    pub fn is_empty(self) -> bool {
        self.range().is_none() && !self.non_finite
    }

    /// Merges another extent.
    pub fn merge(&mut self, other: Extent) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.non_finite |= other.non_finite;
    }
}

impl Default for Extent {
    fn default() -> Extent {
        Extent::EMPTY
    }
}

impl FromIterator<f32> for Extent {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Extent {
        values.into_iter().fold(Extent::EMPTY, |mut all, value| {
            all.merge(Extent::of(value));
            all
        })
    }
}

/// The values of one series in a stretch of the horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its place on the axis.
    pub x: f64,
    /// Its values.
    pub extent: Extent,
    /// The last finite of them.
    pub last: f32,
}

impl Bucket {
    /// A bucket of one value.
    pub fn of(x: f64, value: f32) -> Bucket {
        Bucket { x, extent: Extent::of(value), last: value }
    }
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn extremes_and_the_non_finite_survive() {
        let extent: Extent = [1.0, f32::NAN, -3.0, 2.0].into_iter().collect();
        assert_eq!(extent, Extent { min: -3.0, max: 2.0, non_finite: true });
        assert_eq!(Extent::of(f32::INFINITY).range(), None);
        assert!(Extent::EMPTY.is_empty() && !Extent::of(f32::NAN).is_empty());
    }
}
