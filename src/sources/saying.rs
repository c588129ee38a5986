//! Puts what a binary log holds into what its record says: numbers, histograms, and what is not shown. It knows no
//! format.

use super::buckets::{Bucket, histogram};
use super::{Measured, Other, Said, Tag, Tags};

/// The most values that are taken of one record; real ones have up to a few thousand.
pub(super) const MOST_VALUES: usize = 65_536;

/// The longest name of something measured, in bytes. Nested objects could make names of any length.
pub(super) const LONGEST_NAME: usize = 512;

/// Says that a value was measured. A tag may be said more than once: see [`each_once`].
#[inline]
pub(super) fn value(said: &mut Said, tags: &mut Tags, name: &str, measured: Measured) {
    let tag = if name.len() > LONGEST_NAME { None } else { tags.intern(name) };
    match tag {
        Some(tag) => said.values.push((tag, measured)),
        None => unshown(said, "number under one name too many"),
    }
}

/// Says that a histogram was measured, with the mean and the standard deviation of its values.
pub(super) fn buckets(
    said: &mut Said,
    tags: &mut Tags,
    name: &str,
    buckets: &[Bucket],
    (mean, std): (f64, f64),
) {
    value(said, tags, name, Measured::Histogram { counts: Box::new(histogram(buckets)), mean, std });
}

/// Says that there is something that is not shown.
pub(super) fn unshown(said: &mut Said, kind: &str) {
    said.other.push(Other::Unshown(kind.to_owned()));
}

/// Leaves of each tag the value that was said last. Without this, a record with one tag in it many times would count as
/// many records.
pub(super) fn each_once(values: &mut Vec<(Tag, Measured)>) {
    let is_sorted = values.is_sorted_by(|(before, _), (after, _)| before.0 < after.0);
    if is_sorted {
        return;
    }
    // The order of equal tags stays.
    values.sort_by_key(|(tag, _)| tag.0);
    values.dedup_by(|(after, later), (before, earlier)| {
        let is_same = after == before;
        if is_same {
            std::mem::swap(earlier, later);
        }
        is_same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_tag_stays() {
        let number = |tag, number| (Tag(tag), Measured::Number(number));
        let mut values = vec![number(2, 1.0), number(0, 2.0), number(2, 3.0), number(1, 4.0), number(2, 5.0)];
        each_once(&mut values);
        assert_eq!(values, [number(0, 2.0), number(1, 4.0), number(2, 5.0)]);
    }
}
