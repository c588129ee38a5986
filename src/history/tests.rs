use proptest::prelude::*;

use super::*;

const SMALL: Bounds = Bounds { exact: 16, merged: 8 };

/// A history of two numbers: the step, and `second` of it.
fn filled(bounds: Bounds, steps: u64, second: impl Fn(u64) -> f32) -> History {
    let mut history = History::of_numbers(2, bounds);
    go_on(&mut history, 1..=steps, second);
    history
}

fn go_on(history: &mut History, steps: std::ops::RangeInclusive<u64>, second: impl Fn(u64) -> f32) {
    for step in steps {
        history.push(Step(step), step as f64, &[step as f32, second(step)]);
    }
}

fn spiked(step: u64) -> f32 {
    match step {
        123 => 50.0,
        321 => f32::NAN,
        _ => 0.0,
    }
}

/// Everything but means, whose rounding depends on the order of summation.
fn without_means(history: &History) -> String {
    let mut history = history.clone();
    if let Rows::Merged { cells, .. } = &mut history.rows {
        cells.iter_mut().for_each(|cell| cell.mean = 0.0);
    }
    format!("{history:?}")
}

#[test]
fn it_is_exact_up_to_its_bound_and_loses_no_spike_beyond() {
    let exact = filled(SMALL, 16, spiked);
    assert_eq!(exact.level, 0);
    let lasts: Vec<f32> = exact.points(0).map(|point| point.last()).collect();
    assert_eq!(lasts, (1..=16).map(|step| step as f32).collect::<Vec<_>>());
    let history = filled(SMALL, 500, spiked);
    assert!(history.len() <= 8);
    assert_eq!(history.at(Step(123)).and_then(|row| row.cell(1)).expect("covered").max, 50.0);
    assert_eq!(history.points(1).map(|point| point.cell.non_finite).sum::<u32>(), 1);
    assert_eq!(history.at(Step(321)).and_then(|row| row.cell(1)).expect("covered").non_finite, 1);
}

#[test]
fn a_merged_row_tells_extent_ends_and_mean_of_its_steps() {
    let history = filled(SMALL, 500, spiked);
    assert_eq!(history.rows().map(|row| row.span.count).sum::<u64>(), 500);
    for point in history.points(0) {
        let (first, last) = (point.first_step.0 as f32, point.last_step.0 as f32);
        let Cell { min, max, first: f, last: l, mean, .. } = point.cell;
        assert_eq!((min, max, f, l), (first, last, first, last));
        assert!((mean - (first + last) / 2.0).abs() < 1e-3, "{point:?}");
        assert_eq!((point.at_ms, point.finite()), (f64::from(last), point.count));
    }
}

#[test]
fn full_rows_stay_as_they_are_when_more_is_recorded() {
    let (before, after) = (filled(SMALL, 70, spiked), filled(SMALL, 100, spiked));
    let full = |history: &History| history.rows().take(4).map(|row| format!("{row:?}")).collect::<Vec<_>>();
    assert_eq!(before.level, after.level);
    assert_eq!(full(&before), full(&after));
}

#[test]
fn steps_made_again_leave_the_same_history() {
    for (reached, resumed_after, steps) in [(10, 4, 16), (90, 50, 300), (300, 40, 301), (299, 298, 300)] {
        let straight = filled(SMALL, steps, spiked);
        let mut history = filled(SMALL, reached, spiked);
        history.rewind(Step(resumed_after + 1));
        go_on(&mut history, resumed_after + 1..=steps, spiked);
        for (a, b) in history.points(0).zip(straight.points(0)) {
            assert!((a.cell.mean - b.cell.mean).abs() <= 1e-6 * b.cell.mean.abs());
        }
        assert_eq!(without_means(&history), without_means(&straight));
    }
}

#[test]
fn a_step_written_again_takes_back_what_came_after_it() {
    let mut history = filled(Bounds::SCALARS, 10, |_| 0.0);
    history.push(Step(7), 99.0, &[-1.0, 0.0]);
    let steps: Vec<u64> = history.rows().map(|row| row.span.last_step.0).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(history.last().and_then(|row| row.last(0)), Some(-1.0));
}

#[test]
fn what_stood_at_a_step_is_the_last_record_not_after_it() {
    let mut history = History::of_scalars();
    [10, 20, 30].iter().for_each(|step| history.push(Step(*step), 0.0, &[*step as f32]));
    let at = |step| history.at(Step(step)).and_then(|row| row.last(0));
    assert_eq!((at(9), at(10), at(29), at(99)), (None, Some(10.0), Some(20.0), Some(30.0)));
}

#[test]
fn numbers_of_another_width_are_left_out() {
    let mut history = filled(SMALL, 1, spiked);
    history.push(Step(2), 0.0, &[1.0]);
    history.push_histograms(Step(2), 0.0, &[Histogram::default(), Histogram::default()]);
    assert_eq!(history.len(), 1);
}

#[test]
fn it_is_read_back_from_its_bytes_and_never_from_others() {
    for steps in [0, 1, 100, 5_000, 20_000] {
        let history = filled(Bounds::COLUMNS, steps, spiked);
        let bytes = history.to_bytes();
        let read = |bytes: &[u8]| History::from_bytes(bytes, 2, Bounds::COLUMNS);
        assert_eq!(format!("{:?}", read(&bytes)), format!("{:?}", Some(&history)));
        for length in [0, 7, 31, bytes.len() - 1] {
            assert!(read(&bytes[..length.min(bytes.len() - 1)]).is_none());
        }
        assert!(History::from_bytes(&bytes, 3, Bounds::COLUMNS).is_none());
        let mut wrong = bytes.clone();
        wrong[16..24].fill(0xff);
        assert!(read(&wrong).is_none());
    }
}

fn taken(step: u64) -> Histogram {
    let mut bins = [0; Histogram::BINS];
    bins[40] = 2;
    bins[(step % 65) as usize] += 1;
    Histogram::from_bins(&bins, u32::from(step == 700))
}

fn histograms(steps: std::ops::RangeInclusive<u64>) -> History {
    let mut history = History::of_histograms(1, Bounds::HISTOGRAMS);
    steps.for_each(|step| history.push_histograms(Step(step), 0.0, &[taken(step)]));
    history
}

#[test]
fn beyond_the_bound_counts_are_added_and_none_is_lost() {
    let steps = 5 * Bounds::HISTOGRAMS.merged as u64 + 3;
    let history = histograms(1..=steps);
    assert!(history.len() <= Bounds::HISTOGRAMS.merged);
    let all = || history.rows().filter_map(|row| row.histogram(0));
    assert_eq!(u64::from(all().flat_map(|h| h.bins()).sum::<u32>()), 3 * steps);
    assert_eq!(all().map(|h| h.non_finite).sum::<u32>(), 1);
    let spans: Vec<Span> = history.rows().map(|row| row.span).collect();
    assert!(spans.windows(2).all(|pair| pair[0].last_step.0 + 1 == pair[1].first_step.0));
    assert_eq!(spans.last().expect("some").last_step, Step(steps));
}

#[test]
fn histograms_are_read_back_from_their_bytes_and_never_from_others() {
    let history = histograms(1..=300);
    let bytes = history.to_bytes();
    let read = |bytes: &[u8]| History::from_bytes(bytes, 1, Bounds::HISTOGRAMS);
    assert_eq!(read(&bytes).expect("just written"), history);
    for length in [1, 4, 16, bytes.len() - 4] {
        assert_eq!(read(&bytes[..length]), None);
    }
    let mut wrong = bytes;
    let counts = 32 + history.len() * size_of::<Span>();
    wrong[counts + 4..counts + 8].fill(0xff);
    assert_eq!(read(&wrong), None);
}

#[test]
fn histograms_made_again_leave_the_same_history() {
    let straight = histograms(1..=1_300);
    let mut resumed = histograms(1..=900);
    resumed.rewind(Step(401));
    (401..=1_300).for_each(|step| resumed.push_histograms(Step(step), 0.0, &[taken(step)]));
    assert_eq!(resumed, straight);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any level of any range equals merging the values themselves.
    #[test]
    fn a_level_hides_no_spike_and_no_nan(
        values in proptest::collection::vec((1u64..4, prop_oneof![9 => -9.0f32..9.0, 1 => Just(f32::NAN)]), 1..400),
        range in (0u64..900, 0u64..900), most in 2usize..40,
    ) {
        let mut history = History::of_numbers(1, Bounds { exact: 512, merged: 512 });
        let mut step = 0;
        let mut all = Vec::new();
        for (stride, value) in values {
            step += stride;
            history.push(Step(step), step as f64, &[value]);
            all.push((step, value));
        }
        let (first, last) = (range.0.min(range.1), range.0.max(range.1));
        let points = history.level(0, (Step(first), Step(last)), most);
        prop_assert!(points.len() <= most);
        let inside: Vec<f32> = all.iter().filter(|(at, _)| (first..=last).contains(at)).map(|(_, x)| *x).collect();
        prop_assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), inside.len() as u64);
        let non_finite = points.iter().map(|point| point.cell.non_finite as usize).sum::<usize>();
        prop_assert_eq!(non_finite, inside.iter().filter(|x| x.is_nan()).count());
        let max = |values: &mut dyn Iterator<Item = f32>| values.fold(f32::NAN, f32::max);
        let (found, expected) = (max(&mut points.iter().map(|p| p.cell.max)), max(&mut inside.iter().copied()));
        prop_assert!(found == expected || (found.is_nan() && expected.is_nan()));
        let sum: f64 = points.iter().filter_map(|p| Some(f64::from(p.mean()?) * p.finite() as f64)).sum();
        let expected: f64 = inside.iter().filter(|x| x.is_finite()).map(|x| f64::from(*x)).sum();
        prop_assert!((sum - expected).abs() < 1e-2, "{} {}", sum, expected);
        prop_assert!(points.windows(2).all(|pair| pair[0].last_step < pair[1].first_step));
    }
}
