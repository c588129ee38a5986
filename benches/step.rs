//! The time of a training step: `cargo bench --bench step -- --help`. The defaults are the networks of the
//! default experiment, with and without statistics. What is compared takes turns, one step each, so that changes in the
//! machine's speed affect all of them alike.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::ensure;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use skiplane::datasets::{Batch, Inputs};
use skiplane::experiment::{Lane, Optimizer, Settings};
use skiplane::model::{self, Network, Wanted};
use skiplane::nn::kernels::InstructionSet;
use skiplane::structure::Structure;
use skiplane::units::ImageShape;

mod peak;

/// Warm-up rounds.
const WARM_UP: usize = 3;
const HEADING: &str =
    "depth batch  shortcut   statistics       ms  images/s  GFLOP/s  of peak  to off  to other sizes";
const CLASSES: usize = 10;
const LEARNING_RATE: f64 = 0.05;
const OPTIMIZER: Optimizer =
    Optimizer::Sgd { learning_rate: LEARNING_RATE, momentum: 0.9, weight_decay: 1e-4 };

/// Measures the time of a training step.
#[derive(Debug, Parser)]
#[command(name = "step", max_term_width = 100)]
struct Arguments {
    /// Weight layers, 6n+2.
    #[arg(long, value_name = "N", default_value_t = 56)]
    depth: usize,
    /// Channels of the first stage.
    #[arg(long, value_name = "N", default_value_t = 8)]
    width: usize,
    /// Pixels of a side of the images.
    #[arg(long, value_name = "N", default_value_t = 16)]
    side: usize,
    /// Channels of the images.
    #[arg(long, value_name = "N", default_value_t = 1)]
    channels: usize,
    /// Images of a step.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch: usize,
    /// Threads that a network computes with.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Shortcuts of a network that is measured; may be given several times.
    #[arg(long, value_name = "KIND", default_values = ["none", "identity"], value_parser = shortcuts())]
    shortcut: Vec<&'static str>,
    /// What is read in every step of a network; may be given several times.
    #[arg(long, value_name = "WHICH", value_enum, default_values_t = [Statistics::On, Statistics::Off])]
    statistics: Vec<Statistics>,
    /// Steps of each that count.
    #[arg(long, value_name = "N", default_value = "15")]
    steps: NonZeroUsize,
    /// Measures networks of several sizes, and relates what an image costs at each to the median of the others.
    #[arg(long, value_name = "WHAT", value_enum)]
    sweep: Option<Sweep>,
    /// Writes an object a line for each network and choice of statistics, with the time of every step.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What blocks may add to their residual branch.
const SHORTCUTS: [&str; 3] = ["none", "identity", "projection"];

fn shortcuts() -> impl TypedValueParser<Value = &'static str> {
    PossibleValuesParser::new(SHORTCUTS)
        .try_map(|given| SHORTCUTS.into_iter().find(|&name| name == given).ok_or("no shortcut of this name"))
}

/// What is read in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Statistics {
    /// Every scalar of every layer and block.
    On,
    /// Only the loss.
    Off,
    /// All scalars, and every layer's histograms.
    Histograms,
}

impl Statistics {
    fn wanted(self) -> Wanted {
        Wanted { scalars: self != Statistics::Off, histograms: self == Statistics::Histograms }
    }
}

/// What differs between the networks of a sweep.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sweep {
    /// Batches of 16 to 256 images.
    Batch,
    /// Networks of 20 to 110 layers; the cost of an image is divided by the layers.
    Depth,
}

impl Sweep {
    /// Depth and batch of each network.
    fn sizes(sweep: Option<Sweep>, depth: usize, batch: usize) -> Vec<(usize, usize)> {
        match sweep {
            None => vec![(depth, batch)],
            Some(Sweep::Batch) => [16, 32, 64, 128, 256].map(|batch| (depth, batch)).to_vec(),
            Some(Sweep::Depth) => [20, 32, 44, 56, 110].map(|depth| (depth, batch)).to_vec(),
        }
    }
}

/// A network, what it is trained on, and the milliseconds of its steps for each choice of statistics.
struct Subject {
    depth: usize,
    shortcut: &'static str,
    network: Box<dyn Network>,
    batch: Batch,
    milliseconds: Vec<Vec<f64>>,
}

/// The measurements of a network with one choice of statistics.
#[derive(Debug, Serialize)]
struct Measurement {
    depth: usize,
    width: usize,
    side: usize,
    channels: usize,
    batch: usize,
    threads: usize,
    shortcut: &'static str,
    statistics: Statistics,
    instruction_set: &'static str,
    milliseconds: Vec<f64>,
    median_ms: f64,
    images_per_second: f64,
    /// GFLOP/s of the multiply-adds that convolutions and head compute, without those on rows outside the images.
    gflops: f64,
    /// As a share of the peak of as many threads.
    share_of_peak: f64,
    /// Relative to the same step without statistics: by the median difference of adjacent steps.
    ratio_to_off: Option<f64>,
    /// The cost of an image (in a sweep over depths: per layer) relative to the median of the other sizes.
    ratio_to_other_sizes: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let sizes = Sweep::sizes(arguments.sweep, arguments.depth, arguments.batch);
    let mut subjects = Vec::new();
    for (depth, images) in sizes {
        for &shortcut in &arguments.shortcut {
            subjects.push(subject(&arguments, depth, images, shortcut)?);
        }
    }
    take_turns(&mut subjects, &arguments)?;
    let peak = peak::gflops(InstructionSet::detect(), arguments.threads.get());
    let mut measurements: Vec<Measurement> =
        subjects.iter().flat_map(|subject| measurements(subject, &arguments, peak)).collect();
    if let Some(sweep) = arguments.sweep {
        relate_sizes(&mut measurements, sweep);
    }
    report(&measurements, &arguments, peak, &mut io::stdout().lock())
}

fn subject(
    arguments: &Arguments,
    depth: usize,
    images: usize,
    shortcut: &'static str,
) -> anyhow::Result<Subject> {
    let &Arguments { width, side, channels, .. } = arguments;
    let input = ImageShape { channels, height: side, width: side };
    let settings = Settings::default()
        .with("depth", depth.into())
        .with("width", width.into())
        .with("shortcut", shortcut.into());
    let lane = Lane::new(shortcut, "resnet", settings);
    let network = model::build(&lane, input, CLASSES, 0, &OPTIMIZER, arguments.threads.get())?;
    let batch = Batch {
        inputs: Inputs::Numbers(
            (0..images * input.len()).map(|i| ((i * 7919) % 1000) as f32 / 250.0 - 2.0).collect(),
        ),
        labels: (0..images).map(|image| (image % CLASSES) as u16).collect(),
    };
    let milliseconds = vec![Vec::new(); arguments.statistics.len()];
    Ok(Subject { depth, shortcut, network, batch, milliseconds })
}

/// Lets each network make a step with each choice of statistics, repeatedly; every other time in the opposite order, so
/// that none always follows the same one. A step after one of another network finds the caches full of that one's data,
/// and does not count.
fn take_turns(subjects: &mut [Subject], arguments: &Arguments) -> anyhow::Result<()> {
    let choices = arguments.statistics.len();
    let all = subjects.len() * choices;
    let mut previous = None;
    for turn in 0..WARM_UP + arguments.steps.get() {
        for place in 0..all {
            let place = if turn % 2 == 0 { place } else { all - 1 - place };
            let (subject, choice) = (&mut subjects[place / choices], place % choices);
            let wanted = arguments.statistics[choice].wanted();
            if previous.replace(place / choices) != Some(place / choices) {
                subject.network.train_step(&subject.batch, LEARNING_RATE, wanted);
            }
            let begin = Instant::now();
            let step = subject.network.train_step(&subject.batch, LEARNING_RATE, wanted);
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            ensure!(
                step.non_finite.is_none() && step.loss.is_finite(),
                "expected a finite loss, found {} with {} layers and shortcut {}: such steps leave out the update",
                step.loss,
                subject.depth,
                subject.shortcut
            );
            if turn >= WARM_UP {
                subject.milliseconds[choice].push(milliseconds);
            }
        }
    }
    Ok(())
}

fn measurements<'a>(
    subject: &'a Subject,
    arguments: &'a Arguments,
    peak: f64,
) -> impl Iterator<Item = Measurement> + 'a {
    let images = subject.batch.labels.len();
    let multiply_adds = multiply_adds(&subject.network.description().structure) * images as u64;
    let off = arguments.statistics.iter().position(|&statistics| statistics == Statistics::Off);
    arguments.statistics.iter().zip(&subject.milliseconds).map(move |(&statistics, milliseconds)| {
        let median_ms = median(milliseconds.clone());
        let gflops = 2.0 * multiply_adds as f64 / median_ms * 1e-6;
        let ratio_to_off = off.filter(|_| statistics != Statistics::Off).map(|off| {
            let off = &subject.milliseconds[off];
            1.0 + median(milliseconds.iter().zip(off).map(|(with, without)| with - without).collect())
                / median(off.clone())
        });
        Measurement {
            depth: subject.depth,
            width: arguments.width,
            side: arguments.side,
            channels: arguments.channels,
            batch: images,
            threads: arguments.threads.get(),
            shortcut: subject.shortcut,
            statistics,
            instruction_set: InstructionSet::detect().name(),
            milliseconds: milliseconds.clone(),
            median_ms,
            images_per_second: images as f64 / median_ms * 1e3,
            gflops,
            share_of_peak: gflops / peak,
            ratio_to_off,
            ratio_to_other_sizes: None,
        }
    })
}

/// The multiply-adds that a step takes for an image: each layer's forward, for the gradient of its weights and, but for
/// the first layer, for that of what it reads.
fn multiply_adds(structure: &Structure) -> u64 {
    let layers = structure.layers.iter().enumerate();
    layers.map(|(index, layer)| layer.multiply_adds.unwrap_or(0) * if index == 0 { 2 } else { 3 }).sum()
}

/// Relates each measurement to those of the other sizes with the same shortcut and statistics.
fn relate_sizes(measurements: &mut [Measurement], sweep: Sweep) {
    let cost = |of: &Measurement| {
        let an_image = of.median_ms / of.batch as f64;
        match sweep {
            Sweep::Batch => an_image,
            Sweep::Depth => an_image / of.depth as f64,
        }
    };
    let kind = |of: &Measurement| (of.shortcut, of.statistics);
    for at in 0..measurements.len() {
        let this = &measurements[at];
        let others = measurements.iter().enumerate().filter(|&(other, _)| other != at);
        let others = others.filter(|(_, other)| kind(other) == kind(this)).map(|(_, other)| cost(other));
        let ratio = cost(this) / median(others.collect());
        measurements[at].ratio_to_other_sizes = Some(ratio);
    }
}

/// The median: the middle one, or the mean of the middle two.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len();
    (numbers[(count - 1) / 2] + numbers[count / 2]) / 2.0
}

fn report(
    measurements: &[Measurement],
    arguments: &Arguments,
    peak: f64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if arguments.json {
        for measurement in measurements {
            writeln!(out, "{}", serde_json::to_string(measurement)?)?;
        }
        return Ok(());
    }
    let &Arguments { width, side, channels, threads, steps, .. } = arguments;
    let set = InstructionSet::detect();
    writeln!(
        out,
        "width {width}, {channels}x{side}x{side}, threads {threads}, {set} at most {peak:.0} GFLOP/s, medians of {steps} steps"
    )?;
    writeln!(out, "{HEADING}")?;
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
    for of in measurements {
        let Measurement { depth, batch, shortcut, median_ms, images_per_second, gflops, .. } = of;
        let statistics = format!("{:?}", of.statistics).to_lowercase();
        let share = format!("{:.0} %", 100.0 * of.share_of_peak);
        let (off, sizes) = (ratio(of.ratio_to_off), ratio(of.ratio_to_other_sizes));
        writeln!(
            out,
            "{depth:>5} {batch:>5}  {shortcut:10} {statistics:10} {median_ms:>8.2} {images_per_second:>9.0} \
             {gflops:>8.1} {share:>8} {off:>7} {sizes:>15}"
        )?;
    }
    Ok(())
}
