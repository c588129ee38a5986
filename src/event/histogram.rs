//! A histogram over signed powers of two: coarse, but the same bins for every layer, step and network, so
//! that histograms can be added, compared and drawn over time.

use serde::{Deserialize, Serialize};

/// Counts of values by sign and binary exponent.
///
/// Bins 0..32 hold negative values from the largest magnitude to the smallest, bin 32 holds zeros (and
/// magnitudes below 2^-24), bins 33..65 hold positive values from the smallest magnitude to the largest.
/// A magnitude m has e = floor(log2 m), at most 7, and falls into bin 33 + (e + 24) if positive, 31 - (e +
/// 24) if negative. NaN and infinities are counted separately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// The first bin in `counts`; empty bins at both ends are left out.
    pub first: u8,
    /// Counts of the bins from `first` on.
    pub counts: Vec<u32>,
    /// Count of NaN and infinite values.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub non_finite: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Histogram {
    /// The number of bins.
    pub const BINS: usize = 65;
    /// The bin of zeros.
    pub const ZERO_BIN: usize = 32;
    /// The smallest binary exponent that is distinguished from zero.
    pub const LEAST_EXPONENT: i32 = -24;
    /// The largest binary exponent with a bin of its own; larger ones share it.
    pub const GREATEST_EXPONENT: i32 = 7;

    /// Trims the counts of all bins to those between the first and the last that are not empty.
    pub fn from_bins(bins: &[u32; Self::BINS], non_finite: u32) -> Histogram {
        let Some(first) = bins.iter().position(|&n| n > 0) else {
            return Histogram { non_finite, ..Histogram::default() };
        };
        let last = bins.iter().rposition(|&n| n > 0).unwrap_or(first);
        Histogram { first: first as u8, counts: bins[first..=last].to_vec(), non_finite }
    }

    /// The bin of the finite numbers with this binary exponent and sign; that of zeros for too small an exponent.
    pub fn bin_of(exponent: i32, is_negative: bool) -> usize {
        let rank = exponent.min(Self::GREATEST_EXPONENT) - Self::LEAST_EXPONENT + 1;
        match rank.max(0) as usize {
            rank if is_negative => Self::ZERO_BIN - rank,
            rank => Self::ZERO_BIN + rank,
        }
    }

    /// The binary exponent of the numbers in a bin, whatever their sign; none for zeros.
    pub fn exponent_of(bin: usize) -> Option<i32> {
        let rank = bin.abs_diff(Self::ZERO_BIN).checked_sub(1)?;
        Some(Self::LEAST_EXPONENT + rank as i32)
    }

    /// The lower end of a bin; that of the first is one power of two out, like those of the others, although all lower
    /// values share it. The lower end of the bin after the last is the upper end of that one.
    pub fn start_of(bin: usize) -> f64 {
        let from_zero = bin as i32 - Self::ZERO_BIN as i32;
        if from_zero > 0 {
            2f64.powi(Self::LEAST_EXPONENT + from_zero - 1)
        } else {
            -(2f64.powi(Self::LEAST_EXPONENT - from_zero))
        }
    }

    /// The bin after its last one.
    pub fn end(&self) -> usize {
        usize::from(self.first) + self.counts.len()
    }

    /// The sum of both.
    pub fn plus(&self, other: &Histogram) -> Histogram {
        let mut bins = self.bins();
        for (sum, more) in bins.iter_mut().zip(other.bins()) {
            *sum = sum.saturating_add(more);
        }
        Histogram::from_bins(&bins, self.non_finite.saturating_add(other.non_finite))
    }

    /// The count of every bin; bins out of range, as in a damaged log, are left out.
    pub fn bins(&self) -> [u32; Self::BINS] {
        let mut bins = [0; Self::BINS];
        for (bin, count) in bins.iter_mut().skip(usize::from(self.first)).zip(&self.counts) {
            *bin = *count;
        }
        bins
    }
}
