//! Synthetic lanes with probes: errors without each block, how alike blocks are, the loss around the weights, and
//! pictures. All numbers come from closed formulas of the lane's place among its like.

use crate::app::App;
use crate::app::specimen::{Specimen, app_with};
use crate::event::{Kind, RunEvent, Value, Values};
use crate::metric::{Axis, Metric, Points, known, probed};

/// How often the probes measure besides at the last step.
const EVERY: u64 = 100;
/// Points along a direction around the weights.
const PLACES: usize = 11;
/// Examples of the probe `pictures`, the worst of which have a picture.
const EXAMPLES: usize = 12;
const MISTAKES: usize = 4;
/// Rows and columns of a picture.
const SIDE: usize = 12;
/// Channels of the mapped block, with rows and columns of their own.
const MAPS: usize = 6;
const MAP_SIDE: usize = 6;
/// Filters of the first convolution, of 3x3 weights.
const FILTERS: usize = 8;

/// All metrics of the probes.
const MEASURED: &[Metric] = &[
    probed::LESION_ERROR,
    probed::PREDICTION_DEPTH,
    probed::CKA,
    probed::SURFACE_LOSS,
    probed::SURFACE_LINE,
    probed::SURFACE_SHARPNESS,
];

/// Folds specimens with probes, each event changed first.
pub fn probed_with(specimens: &[Specimen], mut change: impl FnMut(&mut RunEvent)) -> App {
    let mut probes = Probes::default();
    app_with(specimens, |event| {
        probes.add(event);
        change(event);
    })
}

/// What is to be known of the lane whose events are made.
#[derive(Default)]
struct Probes {
    /// Its place among the lanes, from 1.
    lane: usize,
    blocks: usize,
    steps: u64,
}

impl Probes {
    /// Adds what the probes declare, or measure at this step.
    fn add(&mut self, event: &mut RunEvent) {
        match &mut event.kind {
            Kind::LaneStarted(started) => {
                self.lane += 1;
                self.blocks = started.structure.blocks.len();
                self.steps = started.steps.unwrap_or(0);
                let blocks = started.structure.blocks.iter().map(|block| block.name.clone());
                let compared =
                    Axis { name: probed::COMPARED.to_owned(), points: Points::Names(blocks.collect()) };
                started.declared.metrics.extend(MEASURED.iter().chain(probed::PICTURES));
                started.declared.axes.push(compared);
                started.declared.axes.extend(axes());
            }
            Kind::Measured(values) if values.number(known::LOSS).is_some() => {
                let step = event.step.0;
                if step == self.steps || step.is_multiple_of(EVERY) {
                    self.measure(values);
                    self.see(values);
                }
            }
            _ => {}
        }
    }

    /// Errors without blocks, and the loss around the weights: steeper in the first lane.
    fn measure(&self, values: &mut Values) {
        let steep = 3.0 / self.lane as f64;
        let loss = |a: f64, b: f64| {
            (0.4 * self.lane as f64 + steep * (a * a + 2.0 * b * b) + 0.3 * (6.0 * a).sin() * b) as f32
        };
        let plane = places().flat_map(|b| places().map(move |a| loss(a, b))).collect();
        let alike =
            |at: usize| (-(((at / self.blocks) as f32 - (at % self.blocks) as f32) / 4.0).abs()).exp();
        let measured = [
            (probed::LESION_ERROR, (0..self.blocks).map(|block| 0.9 / (1.0 + block as f32)).collect()),
            (probed::CKA, (0..self.blocks * self.blocks).map(alike).collect()),
            (probed::SURFACE_LOSS, plane),
            (probed::SURFACE_LINE, places().map(|a| loss(a, 0.0)).collect()),
        ];
        for (metric, numbers) in measured {
            values.insert(metric, Value::Numbers(numbers));
        }
        values.insert(probed::PREDICTION_DEPTH, Value::Number(2.5 + self.lane as f32));
        values.insert(probed::SURFACE_SHARPNESS, Value::Number(0.6 / self.lane as f32));
    }

    /// Pictures: the first lane takes half of the examples for another class, later ones fewer.
    fn see(&self, values: &mut Values) {
        let labels: Vec<f32> = (0..EXAMPLES).map(|at| (at * 7 % 10) as f32).collect();
        let is_wrong = |at: usize| at.is_multiple_of(2 * self.lane);
        let predictions =
            labels.iter().enumerate().map(|(at, label)| if is_wrong(at) { 9.0 - label } else { *label });
        let losses = (0..EXAMPLES).map(|at| if is_wrong(at) { 4.0 - 0.2 * at as f32 } else { 0.3 });
        // A bright ring, elsewhere in each picture.
        let ring = |at: usize, side: usize| {
            let (picture, row, column) = (at / (side * side), at / side % side, at % side);
            let from = |place: usize| (place as f32 + 0.5) / side as f32 - 0.5;
            let far = (from(row) + 0.05 * picture as f32).hypot(from(column));
            1.0 - (6.0 * (far - 0.3).abs()).min(1.0)
        };
        let rings = |count: usize, side: usize| (0..count * side * side).map(|at| ring(at, side)).collect();
        let filters = (0..FILTERS * 9).map(|at| ((at * 37 % 19) as f32 - 9.0) / 20.0);
        let all: [(Metric, Vec<f32>); 8] = [
            (probed::EXAMPLE_PREDICTION, predictions.collect()),
            (probed::EXAMPLE_LABEL, labels.clone()),
            (probed::EXAMPLE_LOSS, losses.collect()),
            (probed::MISTAKE_EXAMPLE, (0..MISTAKES).map(|at| (2 * at + 1) as f32).collect()),
            (probed::MISTAKE_PICTURES, rings(MISTAKES, SIDE)),
            (probed::MAPPED_PICTURE, rings(1, SIDE)),
            (probed::FEATURE_MAPS, rings(MAPS, MAP_SIDE)),
            (probed::FILTERS, filters.collect()),
        ];
        for (metric, numbers) in all {
            values.insert(metric, Value::Numbers(numbers));
        }
    }
}

/// The places along a direction, -1 to 1.
fn places() -> impl Iterator<Item = f64> {
    let half = PLACES as f64 / 2.0 - 0.5;
    (0..PLACES).map(move |at| (at as f64 - half) / half)
}

/// The axes of the surface and of pictures.
fn axes() -> impl Iterator<Item = Axis> {
    let axis = |name: &str, numbers| Axis { name: name.to_owned(), points: Points::Numbers(numbers) };
    let along = [probed::ALPHA, probed::BETA].map(|name| axis(name, places().collect()));
    let lengths = [
        (probed::EXAMPLE, EXAMPLES),
        (probed::MISTAKE, MISTAKES),
        (probed::COLOUR, 1),
        ("picture_row", SIDE),
        ("picture_column", SIDE),
        ("map", MAPS),
        ("map_row", MAP_SIDE),
        ("map_column", MAP_SIDE),
        ("filter", FILTERS),
        ("filter_row", 3),
        ("filter_column", 3),
    ];
    let counted =
        lengths.into_iter().map(move |(name, count)| axis(name, (1..=count).map(|at| at as f64).collect()));
    along.into_iter().chain(counted)
}
