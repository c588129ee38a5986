//! The time of a training step of any network that an experiment can have, with statistics and without, taking turns:
//! `cargo bench --bench network -- --help`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, Parser};
use serde::Serialize;
use skiplane::datasets::{Batch, Inputs, NO_LABEL};
use skiplane::experiment::{Lane, Optimizer, Setting, Settings};
use skiplane::model::{self, Network, Wanted};
use skiplane::units::{ImageShape, InputShape};

/// Warm-up steps of each.
const WARM_UP: usize = 3;
const OPTIMIZER: Optimizer = Optimizer::Sgd { learning_rate: 1e-3, momentum: 0.9, weight_decay: 1e-4 };

/// Measures the time of a training step of a network.
#[derive(Debug, Parser)]
#[command(name = "network", max_term_width = 100)]
struct Arguments {
    /// An architecture, as in an experiment.
    #[arg(long, value_name = "NAME", default_value = "resnet")]
    architecture: String,
    /// A key of its table, such as depth=20; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, Setting)>,
    #[command(flatten)]
    input: Input,
    /// Classes, or different labels of a token.
    #[arg(long, value_name = "N", default_value_t = 10)]
    classes: usize,
    /// Examples of a step.
    #[arg(long, value_name = "N", default_value_t = 128)]
    batch: usize,
    /// Threads that the network computes with.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Steps of each that count.
    #[arg(long, value_name = "N", default_value = "15")]
    steps: NonZeroUsize,
    /// Writes an object with the time of every step.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What an example is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Input {
    /// Square images of three channels: pixels of a side.
    #[arg(long, value_name = "N")]
    side: Option<usize>,
    /// Vectors: their length.
    #[arg(long, value_name = "N")]
    features: Option<usize>,
    /// Sequences: their length. There are as many different tokens as classes.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
}

/// The milliseconds of each step.
#[derive(Debug, Default, Serialize)]
struct Measurement {
    on: Vec<f64>,
    off: Vec<f64>,
}

fn setting(text: &str) -> Result<(String, Setting), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let value = if let Ok(flag) = value.parse() {
        Setting::Flag(flag)
    } else if let Ok(whole) = value.parse() {
        Setting::Whole(whole)
    } else {
        value.parse().map_or_else(|_| Setting::Word(value.to_owned()), Setting::Number)
    };
    Ok((key.to_owned(), value))
}

impl Input {
    fn shape(&self, classes: usize) -> InputShape {
        match *self {
            Input { side: Some(side), .. } => {
                InputShape::Image(ImageShape { channels: 3, height: side, width: side })
            }
            Input { features: Some(features), .. } => InputShape::Vector { features },
            Input { context, .. } => {
                InputShape::Sequence { context: context.unwrap_or(1), vocabulary: classes }
            }
        }
    }
}

fn batch(shape: InputShape, classes: usize, examples: usize) -> Batch {
    let numbers = |count: usize| {
        Inputs::Numbers((0..count).map(|i| ((i * 7919) % 1000) as f32 / 250.0 - 2.0).collect())
    };
    let label = |at: usize| (at * 5 % classes) as u16;
    match shape {
        InputShape::Image(image) => {
            Batch { inputs: numbers(examples * image.len()), labels: (0..examples).map(label).collect() }
        }
        InputShape::Vector { features } => {
            Batch { inputs: numbers(examples * features), labels: (0..examples).map(label).collect() }
        }
        InputShape::Sequence { context, vocabulary } => {
            let tokens = (0..examples * context).map(|at| (at * 7919 / 13 % vocabulary) as u16).collect();
            // Three of ten don't count.
            let labels = (0..examples * context).map(|at| if at % 10 < 3 { NO_LABEL } else { label(at) });
            Batch { inputs: Inputs::Tokens(tokens), labels: labels.collect() }
        }
    }
}

fn network(arguments: &Arguments, shape: InputShape) -> anyhow::Result<Box<dyn Network>> {
    let name = &arguments.architecture;
    let entry = model::available().into_iter().find(|entry| entry.name == name);
    let entry = entry.with_context(|| format!("expected an architecture, found {name}"))?;
    let mut settings = Settings::default();
    for (key, value) in &arguments.settings {
        settings.set(key, value.clone());
    }
    settings.complete(&entry.keys);
    let lane = Lane::new("measured", name, settings);
    Ok(model::build(&lane, shape, arguments.classes, 0, &OPTIMIZER, arguments.threads.get())?)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let shape = arguments.input.shape(arguments.classes);
    let (mut network, batch) =
        (network(&arguments, shape)?, batch(shape, arguments.classes, arguments.batch));
    let mut measured = Measurement::default();
    for turn in 0..WARM_UP + arguments.steps.get() {
        // Every other time in the opposite order, so that neither always follows the other.
        for with in [turn % 2 == 0, turn % 2 != 0] {
            let begin = Instant::now();
            let wanted = Wanted { scalars: with, histograms: false };
            let step = network.train_step(&batch, OPTIMIZER.learning_rate(), wanted);
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            ensure!(
                step.non_finite.is_none() && step.loss.is_finite(),
                "expected a finite loss, found {}: such steps leave out the update",
                step.loss
            );
            if turn >= WARM_UP {
                if with { &mut measured.on } else { &mut measured.off }.push(milliseconds);
            }
        }
    }
    report(&measured, &arguments, &mut io::stdout().lock())
}

fn report(measured: &Measurement, arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<()> {
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(measured)?)?;
        return Ok(());
    }
    let [on, off] = [&measured.on, &measured.off].map(|milliseconds| median(milliseconds.clone()));
    let differences = measured.on.iter().zip(&measured.off).map(|(on, off)| on - off);
    let cost = 100.0 * median(differences.collect()) / off;
    writeln!(out, "with statistics {on:.2} ms, without {off:.2} ms; they cost {cost:+.1} %")?;
    Ok(())
}

/// The median: the middle one, or the mean of the middle two.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len();
    (numbers[(count - 1) / 2] + numbers[count / 2]) / 2.0
}
