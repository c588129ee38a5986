//! The surface of the loss around the weights (Li et al. 2018, section 4): along a random direction or on a plane of two,
//! each of whose filters is as long as the filter of the network, on fixed examples. Biases and norms stay as they are, as in
//! the paper's code. The directions are the same for all lanes, but for the lengths of filters.

use super::displacement::{Direction, displaced, moved};
use super::{Entry, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::experiment::{Allowed, Key, Settings};
use crate::metric::probed::{ALPHA, BETA, SURFACE_LINE, SURFACE_LOSS, SURFACE_SHARPNESS};
use crate::metric::{Axis, Metric, Points};
use crate::model::{Description, NamedTensor, TensorData};

pub(super) const PROBE: Entry = Entry {
    name: "surface",
    summary: "the loss along filter-normalised random directions from the weights (Li et al. 2018)",
    keys,
    check,
    metrics,
    axes,
    run,
};

fn keys() -> Vec<Key> {
    vec![
        split("train"),
        examples(256),
        Key::with_default(
            "points",
            "points on each direction, an odd number",
            Allowed::Whole { least: 3, most: 201 },
            21_usize,
        ),
        Key::with_default(
            "radius",
            "the last of them; 1 adds as much to each filter as it has",
            Allowed::Number { least: 1e-3, most: 10.0 },
            1.0,
        ),
        Key::with_default(
            "plane",
            "whether the plane of two directions is measured, too",
            Allowed::Flag,
            false,
        ),
    ]
}

fn check(settings: &Settings) -> Result<(), (&'static str, String)> {
    match settings.whole("points") {
        Some(points) if points.is_multiple_of(2) => {
            let (below, above) = (points - 1, points + 1);
            let message = format!(
                "expected an odd number, so that the weights themselves are in the middle, found {points}; the nearest \
                 are {below} and {above}"
            );
            Err(("points", message))
        }
        _ => Ok(()),
    }
}

fn metrics(settings: &Settings) -> Vec<Metric> {
    let of_plane = settings.flag("plane").then_some(SURFACE_LOSS);
    of_plane.into_iter().chain([SURFACE_LINE, SURFACE_SHARPNESS]).collect()
}

fn axes(settings: &Settings, _: &Description) -> Vec<Axis> {
    let axis = |name: &str| Axis { name: name.to_owned(), points: Points::Numbers(places(settings)) };
    [ALPHA, BETA].map(axis).into()
}

/// The places on each direction; the middle one is 0.
fn places(settings: &Settings) -> Vec<f64> {
    let middle = settings.whole("points").unwrap_or(1) / 2;
    let radius = settings.number("radius").unwrap_or_default();
    (0..=2 * middle).map(|at| (at as f64 - middle as f64) / middle.max(1) as f64 * radius).collect()
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (state, seed) = (subject.network().state(), subject.experiment.seed);
    let [first, second] = [ALPHA, BETA].map(|axis| normalised(&state, seed, axis));
    let places = places(subject.settings);
    let has_plane = subject.settings.flag("plane");
    let mut losses = Vec::new();
    for beta in if has_plane { places.clone() } else { vec![0.0] } {
        for alpha in &places {
            let other = moved(&state, &[(*alpha, &first), (beta, &second)]);
            let [loss, _] = subject.loss_and_error(|network, batch, mode| {
                displaced(network, [&state, &other], |network| network.evaluate(batch, mode))
            })?;
            losses.push(loss);
        }
    }
    let sharpness = sharpness(&losses, places.len());
    let row = if has_plane { places.len() / 2 } else { 0 };
    let line = losses[row * places.len()..][..places.len()].to_vec();
    let plane = has_plane.then_some((SURFACE_LOSS, losses));
    let all = plane.into_iter().chain([(SURFACE_LINE, line)]);
    let all = all.map(|(metric, numbers)| (metric, Value::Numbers(numbers)));
    Ok(all.collect::<Values>().with(SURFACE_SHARPNESS, sharpness))
}

/// A random direction of which each filter is as long as that of the network: the numbers of a tensor of two or more axes
/// at a place of its first one. Other tensors stay.
fn normalised(state: &[NamedTensor], seed: u64, axis: &str) -> Direction {
    let has_filters = |tensor: &NamedTensor| tensor.shape.len() >= 2;
    let mut direction = Direction::random(state, seed, &format!("probe/surface/{axis}"), has_filters);
    for (tensor, numbers) in state.iter().zip(&mut direction.0) {
        let (TensorData::F32(values), Some(numbers)) = (&tensor.data, numbers) else { continue };
        let filter = tensor.shape[1..].iter().product::<usize>().max(1);
        for (numbers, values) in numbers.chunks_exact_mut(filter).zip(values.chunks_exact(filter)) {
            let length = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let own = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
            // As in the paper's code, so that a direction that is zero stays zero.
            numbers.iter_mut().for_each(|x| *x *= length / (own + 1e-10));
        }
    }
    direction
}

/// By how much the loss rises at most from the middle to a point next to it, over 1 and the loss in the middle; of rows of
/// `width` points, one or as many.
fn sharpness(losses: &[f32], width: usize) -> f32 {
    let rows = losses.len() / width;
    let (row, column) = (rows / 2, width / 2);
    let middle = losses[row * width + column];
    let around = losses
        .iter()
        .enumerate()
        .filter(|(at, _)| (at / width).abs_diff(row) <= 1 && (at % width).abs_diff(column) <= 1);
    let most =
        around.fold(middle, |most, (_, loss)| if *loss > most || loss.is_nan() { *loss } else { most });
    (most - middle) / (1.0 + middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_as_long_as_each_filter_and_shared_by_name() {
        let tensor = |name: &str, shape: &[usize], scale: f32| {
            let values = (0..shape.iter().product()).map(|at: usize| scale * (at as f32 + 1.0)).collect();
            NamedTensor { name: name.to_owned(), shape: shape.to_vec(), data: TensorData::F32(values) }
        };
        let state = |scale| {
            vec![
                tensor("a.weight", &[3, 2, 2, 2], scale),
                tensor("a.bias", &[3], scale),
                tensor("b.weight", &[4, 5], 0.0),
            ]
        };
        let [one, two] = [1.0, 2.0].map(|scale| normalised(&state(scale), 7, ALPHA));
        let [Some(filters), None, Some(nothing)] = &one.0[..] else { panic!("filters only: {one:?}") };
        assert!(nothing.iter().all(|x| *x == 0.0), "a filter of zeros stays");
        for (filter, numbers) in filters.chunks_exact(8).enumerate() {
            let squares: f64 = (1..=8).map(|at| ((8 * filter + at) as f64).powi(2)).sum();
            let own: f64 = numbers.iter().map(|x| x * x).sum();
            assert!((own / squares - 1.0).abs() < 1e-8, "{own}, {squares}");
        }
        // The same direction for other weights of the same name, but for its length.
        let doubled = one.0[0].as_ref().unwrap().iter().zip(two.0[0].as_ref().unwrap());
        assert!(doubled.into_iter().all(|(a, b)| (2.0 * a - b).abs() < 1e-8 * b.abs()));
        assert_ne!(one, normalised(&state(1.0), 7, BETA));
    }

    #[test]
    fn sharpness_is_the_largest_rise_beside_the_middle() {
        assert_eq!(sharpness(&[9.0, 2.0, 1.0, 1.5, 9.0], 5), 0.5);
        let plane = [3.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 2.0];
        assert_eq!((sharpness(&plane, 3), sharpness(&[0.5, 1.0, 0.25], 3)), (1.0, 0.0));
        assert!(sharpness(&[f32::NAN, 1.0, 1.0], 3).is_nan());
    }

    #[test]
    fn places_are_even_and_zero_is_exact() {
        let settings = Settings::default().with("points", 5_usize.into()).with("radius", 0.5.into());
        assert_eq!(places(&settings), [-0.5, -0.25, 0.0, 0.25, 0.5]);
        assert!(check(&settings).is_ok());
        let (key, message) = check(&settings.with("points", 6_usize.into())).unwrap_err();
        assert!(key == "points" && message.contains("the nearest are 5 and 7"), "{message}");
    }
}
