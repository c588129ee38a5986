//! Splits the threads of a run between its lanes. Knows only their numbers.

/// The threads that a step of one of `lanes` may use, counted from 0: an equal share, plus one of the remainder for
/// each of the first lanes. With fewer threads than lanes it is 1, and the lanes take turns.
pub fn of_lane(threads: usize, lanes: usize, lane: usize) -> usize {
    let lanes = lanes.max(1);
    (threads / lanes + usize::from(lane < threads % lanes)).max(1)
}

#[cfg(test)]
mod tests {
    use super::of_lane;

    fn split(threads: usize, lanes: usize) -> Vec<usize> {
        (0..lanes).map(|lane| of_lane(threads, lanes, lane)).collect()
    }

    #[test]
    fn the_remainder_goes_to_the_first_lanes() {
        assert_eq!(split(8, 2), [4, 4]);
        assert_eq!(split(8, 3), [3, 3, 2]);
        assert_eq!(split(5, 4), [2, 1, 1, 1]);
        assert_eq!(split(3, 1), [3]);
    }

    #[test]
    fn every_lane_has_a_thread() {
        assert_eq!(split(1, 3), [1, 1, 1]);
        assert_eq!(split(2, 3), [1, 1, 1]);
        assert_eq!(split(0, 1), [1]);
    }

    #[test]
    fn no_thread_is_left_over_where_each_lane_has_one() {
        for (threads, lanes) in (1..20).flat_map(|lanes| (lanes..40).map(move |threads| (threads, lanes))) {
            let shares = split(threads, lanes);
            assert_eq!(shares.iter().sum::<usize>(), threads);
            assert!(shares.is_sorted_by(|a, b| a >= b) && shares[0] - shares[lanes - 1] <= 1, "{shares:?}");
        }
    }
}
