//! Pictures as the probe of that name measures them, few and small, so that each can be counted in a frame: four examples
//! of 4x4 gray pixels, two of them mistakes, three maps and two filters.

use crate::event::{Kind, RunEvent, Value};
use crate::metric::{Axis, Metric, Points, known, probed};

/// The step at which they are measured.
const STEP: u64 = 20;
const EXAMPLES: usize = 4;

/// Declares pictures when a lane starts, and adds them to what it measures at step 20. A lane takes all examples for 7, or
/// is right.
pub fn add_pictures(event: &mut RunEvent, is_right: bool) {
    let step = event.step.0;
    match &mut event.kind {
        Kind::LaneStarted(started) => {
            started.declared.metrics.extend(probed::PICTURES);
            started.declared.axes.extend(axes());
        }
        Kind::Measured(values) if step == STEP && values.get(known::LOSS).is_some() => {
            for (metric, numbers) in measured(is_right) {
                values.insert(metric, Value::Numbers(numbers));
            }
        }
        _ => {}
    }
}

fn axes() -> impl Iterator<Item = Axis> {
    let lengths = [
        (probed::EXAMPLE, EXAMPLES),
        (probed::MISTAKE, 2),
        (probed::COLOUR, 1),
        ("picture_row", 4),
        ("picture_column", 4),
        ("map", 3),
        ("map_row", 2),
        ("map_column", 2),
        ("filter", 2),
        ("filter_row", 3),
        ("filter_column", 3),
    ];
    lengths.into_iter().map(|(name, count)| Axis {
        name: name.to_owned(),
        points: Points::Numbers((1..=count).map(|at| at as f64).collect()),
    })
}

fn measured(is_right: bool) -> [(Metric, Vec<f32>); 8] {
    let labels = vec![3.0, 1.0, 4.0, 5.0];
    let predictions = if is_right { labels.clone() } else { vec![7.0; EXAMPLES] };
    let ramp = |count: usize| (0..count).map(move |at| at as f32 / count as f32);
    [
        (probed::EXAMPLE_LABEL, labels),
        (probed::EXAMPLE_PREDICTION, predictions),
        (probed::EXAMPLE_LOSS, vec![0.5, 9.25, 2.0, 4.0]),
        (probed::MISTAKE_EXAMPLE, vec![2.0, 4.0]),
        (probed::MISTAKE_PICTURES, ramp(32).collect()),
        (probed::MAPPED_PICTURE, ramp(16).collect()),
        (probed::FEATURE_MAPS, ramp(12).collect()),
        (probed::FILTERS, ramp(18).map(|x| x - 0.5).collect()),
    ]
}
