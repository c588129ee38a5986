//! The history of one number over a lane's steps, in bounded memory. Knows neither what the number is nor
//! how it is drawn.

use bytemuck::{Pod, Zeroable};

use crate::units::Step;

/// The most buckets a series holds.
///
/// Up to this many points a series is exact, one point a bucket. When it is full, neighbours are merged in
/// pairs and each bucket covers twice as many points; minimum, maximum, sum, first, last and the number of
/// non-finite values survive every merge, so no spike and no NaN is ever lost.
/// A frame goes over all of them for each curve, so they are no more than the widest of screens can show many times
/// over.
pub const SERIES_BUCKETS: usize = 8_192;

/// Neighbouring points of a series, merged; a single point while the series is short.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Bucket {
    /// The step of its first point.
    pub first_step: Step,
    /// The step of its last point.
    pub last_step: Step,
    /// When its last point was, in milliseconds since the run started.
    pub at_ms: f64,
    /// Its first value, finite or not.
    pub first: f32,
    /// Its last value, finite or not.
    pub last: f32,
    /// Its smallest finite value; NaN where it holds none.
    pub min: f32,
    /// Its largest finite value; NaN where it holds none.
    pub max: f32,
    /// The sum of its finite values.
    pub sum: f64,
    /// How many points it covers.
    pub count: u32,
    /// How many of them are NaN or infinite.
    pub non_finite: u32,
}

impl Bucket {
    /// The bucket of one point.
    pub fn point(step: Step, at_ms: f64, value: f32) -> Bucket {
        let finite = value.is_finite();
        let kept = if finite { value } else { f32::NAN };
        Bucket {
            first_step: step,
            last_step: step,
            at_ms,
            first: value,
            last: value,
            min: kept,
            max: kept,
            sum: if finite { f64::from(value) } else { 0.0 },
            count: 1,
            non_finite: u32::from(!finite),
        }
    }

    /// The bucket of this one's points and then `later`'s.
    pub fn merge(&self, later: &Bucket) -> Bucket {
        Bucket {
            first_step: self.first_step,
            last_step: later.last_step,
            at_ms: later.at_ms,
            first: self.first,
            last: later.last,
            // `f32::min` and `max` return the other operand where one is NaN.
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            sum: self.sum + later.sum,
            count: self.count.saturating_add(later.count),
            non_finite: self.non_finite.saturating_add(later.non_finite),
        }
    }

    /// The mean of its finite values; none where it holds none.
    pub fn mean(&self) -> Option<f32> {
        let finite = self.count.saturating_sub(self.non_finite);
        (finite > 0).then(|| (self.sum / f64::from(finite)) as f32)
    }
}

/// The history of one number, in ascending steps. See [`SERIES_BUCKETS`] for its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    buckets: Vec<Bucket>,
    capacity: usize,
    points_per_bucket: u32,
}

impl Default for Series {
    fn default() -> Series {
        Series::with_capacity(SERIES_BUCKETS)
    }
}

impl Series {
    /// An empty series of at most `capacity` buckets, at least 2; allocates as it grows.
    pub fn with_capacity(capacity: usize) -> Series {
        Series { buckets: Vec::new(), capacity: capacity.max(2), points_per_bucket: 1 }
    }

    /// Adds a value. A step that a merged bucket covers already is passed over: it is made again, since the run
    /// went on from a checkpoint within that bucket. Else a step that is not later than the last one takes back
    /// what was recorded from there on.
    pub fn push(&mut self, step: Step, at_ms: f64, value: f32) {
        self.rewind(step);
        if self.buckets.last().is_some_and(|last| last.last_step >= step) {
            return;
        }
        let point = Bucket::point(step, at_ms, value);
        match self.buckets.last_mut() {
            Some(last) if last.count < self.points_per_bucket => *last = last.merge(&point),
            _ => {
                if self.buckets.len() == self.capacity {
                    self.halve();
                }
                self.buckets.push(point);
            }
        }
    }

    /// Takes back everything from `step` on. A merged bucket that reaches over it stays whole: the steps that it
    /// covers are made again.
    pub fn rewind(&mut self, step: Step) {
        self.buckets.truncate(self.buckets.partition_point(|bucket| bucket.first_step < step));
    }

    fn halve(&mut self) {
        let mut kept = 0;
        for at in (0..self.buckets.len()).step_by(2) {
            let merged = match self.buckets.get(at + 1) {
                Some(later) => self.buckets[at].merge(later),
                None => self.buckets[at],
            };
            self.buckets[kept] = merged;
            kept += 1;
        }
        self.buckets.truncate(kept);
        self.points_per_bucket = self.points_per_bucket.saturating_mul(2);
    }

    /// All buckets, in ascending steps.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The newest bucket.
    pub fn last(&self) -> Option<&Bucket> {
        self.buckets.last()
    }

    /// What stood at `step`: the bucket that covers it, else the one before it.
    pub fn at(&self, step: Step) -> Option<&Bucket> {
        let after = self.buckets.partition_point(|bucket| bucket.first_step <= step);
        self.buckets[..after].last()
    }

    /// All points as one bucket.
    pub fn whole(&self) -> Option<Bucket> {
        self.buckets.iter().copied().reduce(|all, bucket| all.merge(&bucket))
    }
}

/// Kept in an index.
impl Series {
    /// As bytes of this machine's order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = u64::from(self.points_per_bucket).to_ne_bytes().to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&self.buckets));
        bytes
    }

    /// From what [`Series::to_bytes`] gave; none where that is not it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Series> {
        let (head, rest) = bytes.split_first_chunk()?;
        let points_per_bucket = u32::try_from(u64::from_ne_bytes(*head)).ok().filter(|points| *points > 0)?;
        if !rest.len().is_multiple_of(size_of::<Bucket>())
            || rest.len() / size_of::<Bucket>() > SERIES_BUCKETS
        {
            return None;
        }
        let buckets: Vec<Bucket> = bytemuck::pod_collect_to_vec(rest);
        let sound = buckets.windows(2).all(|pair| pair[0].last_step < pair[1].first_step)
            && buckets.iter().all(|bucket| bucket.first_step <= bucket.last_step && bucket.count > 0);
        sound.then(|| Series { buckets, points_per_bucket, ..Series::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(capacity: usize, values: impl IntoIterator<Item = f32>) -> Series {
        let mut series = Series::with_capacity(capacity);
        for (at, value) in values.into_iter().enumerate() {
            series.push(Step(at as u64 + 1), at as f64, value);
        }
        series
    }

    #[test]
    fn it_is_exact_up_to_its_bound() {
        let series = filled(8, (0..8).map(|x| x as f32));
        let values: Vec<f32> = series.buckets().iter().map(|bucket| bucket.last).collect();
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn neither_a_spike_nor_a_nan_is_lost_by_merging() {
        let spiked = |at: usize| match at {
            700 => 1e6,
            1_300 => f32::NAN,
            2_001 => f32::NEG_INFINITY,
            2_500 => -5.0,
            _ => 1.0,
        };
        let series = filled(16, (0..3_000).map(spiked));
        assert!(series.buckets().len() <= 16);
        let whole = series.whole().expect("has points");
        assert_eq!((whole.min, whole.max, whole.count, whole.non_finite), (-5.0, 1e6, 3_000, 2));
        assert_eq!(series.at(Step(701)).expect("covered").max, 1e6);
        assert_eq!(series.at(Step(1_301)).expect("covered").non_finite, 1);
    }

    #[test]
    fn buckets_cover_every_step_once_however_many_there_are() {
        for len in [1, 15, 16, 17, 31, 32, 33, 100, 1_000] {
            let series = filled(16, (0..len).map(|x| x as f32));
            assert!(series.buckets().len() <= 16);
            assert_eq!(series.buckets()[0].first_step, Step(1));
            assert_eq!(series.last().expect("has points").last_step, Step(len));
            assert!(series.buckets().windows(2).all(|w| w[0].last_step.0 + 1 == w[1].first_step.0), "{len}");
            assert_eq!(series.buckets().iter().map(|b| u64::from(b.count)).sum::<u64>(), len);
        }
    }

    #[test]
    fn a_step_written_again_takes_back_what_came_after_it() {
        let mut series = filled(64, (0..10).map(|x| x as f32));
        series.push(Step(6), 99.0, -1.0);
        let steps: Vec<u64> = series.buckets().iter().map(|bucket| bucket.last_step.0).collect();
        assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
        assert_eq!(series.last().expect("has points").last, -1.0);
    }

    #[test]
    fn steps_made_again_leave_the_same_history() {
        let value = |step: u64| (step as f32).sin();
        for (reached, resumed_after, steps) in [(10, 4, 16), (90, 50, 300), (300, 40, 301), (299, 298, 300)] {
            let straight = filled(16, (1..=steps).map(value));
            let mut series = filled(16, (1..=reached).map(value));
            series.rewind(Step(resumed_after + 1));
            for step in resumed_after + 1..=steps {
                series.push(Step(step), (step - 1) as f64, value(step));
            }
            assert_eq!(series, straight);
        }
    }

    #[test]
    fn it_is_read_back_from_its_bytes_and_never_from_others() {
        let mut series = Series::default();
        for step in 1..=150_000 {
            series.push(Step(step), step as f64, if step == 77_000 { f32::NAN } else { step as f32 });
        }
        let bytes = series.to_bytes();
        let read = Series::from_bytes(&bytes).expect("just written");
        assert_eq!(format!("{read:?}"), format!("{series:?}"));
        for length in [0, 7, bytes.len() - 1] {
            assert!(Series::from_bytes(&bytes[..length]).is_none());
        }
        let mut wrong = bytes;
        wrong[8..16].fill(0xff);
        assert!(Series::from_bytes(&wrong).is_none());
    }

    #[test]
    fn what_stood_at_a_step_is_the_last_record_not_after_it() {
        let mut series = Series::default();
        for step in [10, 20, 30] {
            series.push(Step(step), 0.0, step as f32);
        }
        let at = |step| series.at(Step(step)).map(|bucket| bucket.last);
        assert_eq!((at(9), at(10), at(29), at(99)), (None, Some(10.0), Some(20.0), Some(30.0)));
    }
}
