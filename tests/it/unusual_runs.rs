//! Runs as they hardly occur: one step, one layer, nothing but NaN, constant or huge values, a thousand metrics, and names
//! of 300 characters. Each as a run of two lanes with probes, and as a sweep with a claim.

use skiplane::app::App;
use skiplane::app::specimen::{self, Specimen};
use skiplane::claims;
use skiplane::event::{Histogram, Kind, RunEvent, Value, Values};
use skiplane::experiment::{Claim, RuleText};
use skiplane::metric::{BLOCK, DeclarationText, LAYER, Metric, Shape, known};

/// The length of long names.
const LONG: usize = 300;
/// The metrics of the run that has many.
const MANY: usize = 1_000;

/// All of them, each with its name, the run, and the sweep.
pub(crate) fn all() -> Vec<(&'static str, App, App)> {
    vec![
        ("one_step", one_step(), swept(keep_first_step)),
        made("one_layer", keep_one_layer),
        made("nan", |event| each_number(event, |_| f32::NAN)),
        made("constant", |event| each_number(event, |_| 0.5)),
        // Larger values stay larger, and the largest is below what f32 can hold.
        made("huge", |event| each_number(event, |x| 3e38 * (x / (1.0 + x.abs())))),
        made("many_metrics", add_metrics),
        ("long_names", long_names(), swept(lengthen)),
    ]
}

fn made(name: &'static str, change: impl Fn(&mut RunEvent)) -> (&'static str, App, App) {
    (name, specimen::probed_with(&lanes(60), &change), swept(&change))
}

fn lanes(steps: u64) -> [Specimen; 2] {
    [("plain", "none"), ("residual", "identity")]
        .map(|(name, shortcut)| Specimen { steps, ..Specimen::new(name, 14, shortcut) })
}

fn swept(change: impl Fn(&mut RunEvent)) -> App {
    let mut app = specimen::swept_with(&[8, 14], 2, change);
    app.set_names(claims::names(app.lanes()));
    let rule = |rule: &str| RuleText {
        rule: rule.to_owned(),
        means: "Depth hurts a plain network.".to_owned(),
        literature: "On CIFAR-10, about 13 % against 7 %.".to_owned(),
        ..RuleText::default()
    };
    app.set_claim(Some(Claim {
        says: "With increasing depth, the training error of plain networks grows.".to_owned(),
        sources: vec!["He et al. 2015, arXiv:1512.03385".to_owned()],
        figures: Vec::new(),
        confirm: vec![rule("median(train_error[plain, depth = 14]) > median(train_error[plain, depth = 8])")],
        refute: vec![rule("max(train_error[plain, depth = 14]) < 1%")],
    }));
    app
}

fn one_step() -> App {
    specimen::probed_with(&lanes(1), |_| {})
}

/// Leaves a lane as it is after its first step.
fn keep_first_step(event: &mut RunEvent) {
    if event.step.0 > 1 && !matches!(event.kind, Kind::LaneFinished(_)) {
        event.kind = Kind::Measured(Values::default());
    }
}

/// A network that is one layer without blocks.
fn keep_one_layer(event: &mut RunEvent) {
    match &mut event.kind {
        Kind::LaneStarted(started) => {
            started.structure.layers.truncate(1);
            started.structure.blocks.clear();
        }
        Kind::Measured(values) => each_value(values, |metric, value| match value {
            Value::Numbers(numbers) if metric.axis() == Some(LAYER) => numbers.truncate(1),
            Value::Numbers(numbers) if metric.axis() == Some(BLOCK) => numbers.clear(),
            Value::Histograms(histograms) => histograms.truncate(1),
            _ => {}
        }),
        _ => {}
    }
}

/// Changes each measured value.
fn each_value(values: &mut Values, mut change: impl FnMut(Metric, &mut Value)) {
    let all = values.iter().map(|(metric, value)| {
        let mut value = value.clone();
        change(metric, &mut value);
        (metric, value)
    });
    *values = all.collect();
}

/// Changes each measured number; histograms get all that they count at the new values of their bins.
fn each_number(event: &mut RunEvent, change: impl Fn(f32) -> f32) {
    let Kind::Measured(values) = &mut event.kind else { return };
    // Counts of what is not finite count nothing here, unless everything is.
    let counts = [known::ACTIVATION_NON_FINITE, known::WEIGHT_GRADIENT_NON_FINITE];
    each_value(values, |metric, value| match value {
        _ if counts.contains(&metric) && change(1.0).is_finite() => {}
        Value::Number(number) => *number = change(*number),
        Value::Numbers(numbers) => numbers.iter_mut().for_each(|number| *number = change(*number)),
        Value::Histograms(histograms) => {
            for histogram in histograms {
                *histogram = moved(histogram, change(1.0));
            }
        }
    });
}

/// All that a histogram counts in the bin of one value.
fn moved(histogram: &Histogram, to: f32) -> Histogram {
    let count = histogram.bins().iter().sum();
    let mut bins = [0; Histogram::BINS];
    if to.is_nan() {
        return Histogram::from_bins(&bins, count);
    }
    let exponent = (to.log2().floor() as i32).clamp(Histogram::LEAST_EXPONENT, Histogram::GREATEST_EXPONENT);
    bins[(33 + exponent - Histogram::LEAST_EXPONENT) as usize] = count;
    Histogram::from_bins(&bins, 0)
}

/// A thousand further metrics: numbers, and numbers over layers and over blocks.
fn add_metrics(event: &mut RunEvent) {
    match &mut event.kind {
        Kind::LaneStarted(started) => started.declared.metrics.extend(many()),
        Kind::Measured(values) if values.numbers(known::WEIGHT_NORM).is_some() => {
            let layers = values.numbers(known::WEIGHT_NORM).map_or(0, <[f32]>::len);
            let step = event.step.0 as f32;
            for (at, metric) in many().into_iter().enumerate() {
                let number = |place: usize| (at + place) as f32 + (step / 7.0).sin();
                let count = if metric.axis() == Some(LAYER) { layers } else { (layers - 2) / 2 };
                values.push_new(
                    metric,
                    match metric.shape() {
                        Shape::Scalar => Value::Number(number(0)),
                        _ => Value::Numbers((0..count).map(number).collect()),
                    },
                );
            }
        }
        _ => {}
    }
}

fn many() -> Vec<Metric> {
    let metric = |at: usize| {
        let over: &[&str] = [&[][..], &[LAYER], &[BLOCK]][at % 3];
        let over = over.iter().map(|axis| (*axis).to_owned()).collect();
        let about = format!("number {at} of many");
        Metric::declare(&DeclarationText {
            name: format!("metric_{at:04}"),
            over,
            about,
            ..Default::default()
        })
    };
    (0..MANY).map(|at| metric(at).unwrap()).collect()
}

/// A name that begins and ends with its own words, and is as long as none should be.
fn long(name: &str) -> String {
    let middle = "_of_a_very_long_name".repeat(LONG / 20);
    format!("{name}{}_{name}", &middle[..LONG.saturating_sub(2 * name.len() + 1)])
}

/// Long names of everything that a run names, except its lanes and its folder.
fn lengthen(event: &mut RunEvent) {
    let Kind::LaneStarted(started) = &mut event.kind else { return };
    for layer in &mut started.structure.layers {
        (layer.name, layer.kind) = (long(&layer.name), long(&layer.kind));
    }
    for block in &mut started.structure.blocks {
        block.name = long(&block.name);
    }
    let Some(provenance) = &mut started.provenance else { return };
    let experiment = &mut provenance.experiment;
    (experiment.question, experiment.data.name) = (long(&experiment.question), long(&experiment.data.name));
    for lane in &mut experiment.lanes {
        lane.architecture = long(&lane.architecture);
    }
}

fn long_names() -> App {
    let long_lane = |lane: Specimen| Specimen { name: long(&lane.name), ..lane };
    specimen::probed_with(&lanes(60).map(long_lane), lengthen)
}
