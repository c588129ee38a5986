//! What is made of a number by the name it has in a log: a step or a time. Shared by the formats
//! that name their numbers in text; knows none of them.

/// The most bytes of a record, and so the most that a reader has to hold. What goes on for longer is no record.
pub(super) const LONGEST_RECORD: usize = 16 << 20;

/// The names of a time, the best first.
const TIMES: [&str; 4] = ["wall_time", "timestamp", "_timestamp", "time"];

/// The beginning of the years 2000 and 2100 in Unix time: other numbers are taken for durations.
const UNIX_TIMES: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

/// The place of a name in a list of names, the best first. Case does not count.
pub(super) fn rank(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// How good a name is for a time; less is better.
pub(super) fn time_rank(name: &str) -> Option<usize> {
    rank(&TIMES, name)
}

/// The name of a time of this rank.
pub(super) fn time_name(rank: usize) -> &'static str {
    TIMES.get(rank).copied().unwrap_or("time")
}

/// The seconds of Unix time that a number says in seconds or milliseconds; none if it looks like a duration.
pub(super) fn unix_seconds(number: f64) -> Option<f64> {
    [number, number / 1000.0].into_iter().find(|seconds| UNIX_TIMES.contains(seconds))
}

/// The integer that a number is. Writers that keep steps as floating-point numbers write `12.0`.
pub(super) fn whole(number: f64) -> Option<i64> {
    // 2^63 is a floating-point number, the greatest `i64` is not.
    let fits = number.abs() < 9_223_372_036_854_775_808.0;
    (fits && number.fract() == 0.0).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_durations() {
        assert_eq!(unix_seconds(1_700_000_000.5), Some(1_700_000_000.5));
        assert_eq!(unix_seconds(1_700_000_000_500.0), Some(1_700_000_000.5));
        assert_eq!([0.1, 3600.0, -1.7e9, 1.7e15, f64::NAN, f64::INFINITY].map(unix_seconds), [None; 6]);
    }

    #[test]
    fn only_integers_are_whole() {
        assert_eq!([12.0, -1.0, 0.0].map(whole), [Some(12), Some(-1), Some(0)]);
        let none = [0.5, 1e19, 9_223_372_036_854_775_808.0, f64::NAN, f64::INFINITY];
        assert_eq!(none.map(whole), [None; 5]);
    }
}
