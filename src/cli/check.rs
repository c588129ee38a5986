//! `skiplane check`: validates an experiment and prints what it costs.

use std::io::Write;

use clap::Args;

use super::capacity;
use super::failure::Failure;
use super::source::{Changes, ExperimentArgs, load_data};
use super::sweep::plan::Plan;
use super::table::{Align, Table, bytes};
use super::threads::ThreadsArgs;
use super::{RunsFolder, starts};
use crate::experiment::{Checked, Experiment};
use crate::model::{Description, Outline};
use crate::printable::{escaped_json, grouped};
use crate::units::InputShape;
use memory::RunMemory;

pub(super) mod memory;
mod patterns;

/// A training step costs about this many forward passes: the forward pass, gradients of the inputs, and gradients of
/// the weights.
const PASSES: u64 = 3;

/// Validates an experiment; prints it as resolved, with parameters, cost per step and memory of each lane.
///
/// An experiment that needs more memory than is available is refused, as by `train`. The output is a valid experiment
/// file; the figures are in comments. Activations are those that a step keeps for its backward pass. Memory is the peak
/// resident size: of a run of the lane alone, and of all lanes together.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane check depth
  skiplane check experiments/plain-vs-residual.toml --set lane.*.width=16")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let text = args.experiment.text()?;
    if text.is_sweep() {
        let plan = Plan::make(text, &args.changes, None, &args.folder)?;
        return Ok(plan.write(out)?);
    }
    let (_, mut checked) = args.experiment.read(&args.changes)?;
    let dataset = load_data(&checked)?;
    let networks = networks(&checked, dataset.shape, dataset.classes.len())?;
    let starts = starts::find(&mut checked, &dataset, &args.folder)?;
    let experiment = &checked.experiment;
    let memory = RunMemory::of(experiment, &dataset, &networks, args.threads.count());
    capacity::check_run(&checked, &memory)?;
    let resolved = experiment.to_toml().map_err(|e| Failure::Failed(e.into()))?;
    out.write_all(escaped_json(&resolved).as_bytes())?;
    writeln!(out)?;
    writeln!(
        out,
        "# {} training and {} test {} in {} classes; {} steps are {:.2} epochs",
        grouped(dataset.train.len() as u64),
        grouped(dataset.test.len() as u64),
        examples_of(dataset.shape),
        dataset.classes.len(),
        experiment.training.steps,
        epochs(experiment, dataset.train.len())
    )?;
    for start in &starts {
        writeln!(out, "# {start}")?;
    }
    write_memory(&memory, out)?;
    write_costs(experiment, &networks, &memory, out)?;
    Ok(())
}

/// What the examples of a shape are called, with the shape.
fn examples_of(shape: InputShape) -> String {
    match shape {
        InputShape::Image(shape) => format!("images of {shape} (channels x height x width)"),
        InputShape::Sequence { .. } => format!("sequences of {shape}"),
        InputShape::Vector { .. } => format!("vectors of {shape}"),
    }
}

/// The network of each lane, or the place of the lane that this build does not support.
pub(super) fn networks(
    checked: &Checked,
    shape: InputShape,
    classes: usize,
) -> Result<Vec<Description>, Failure> {
    let lanes = checked.experiment.lanes.iter().enumerate();
    let outlines = lanes
        .map(|(index, lane)| {
            Outline::of(lane, shape, classes).map_err(|error| {
                let place = checked.places.of(&format!("lane.{index}"));
                Failure::Input(anyhow::Error::from(error).context(format!("{place}: lane `{}`", lane.name)))
            })
        })
        .collect::<Result<Vec<Outline>, Failure>>()?;
    patterns::check_parameters(checked, &outlines)?;
    let networks: Vec<Description> = outlines.into_iter().map(|outline| outline.description).collect();
    patterns::check_layers(checked, &networks)?;
    Ok(networks)
}

/// The multiply-adds of a training step.
pub(super) fn multiply_adds_of_step(network: &Description, batch: usize) -> u64 {
    PASSES * network.structure.multiply_adds().unwrap_or(0) * batch as u64
}

fn epochs(experiment: &Experiment, examples: usize) -> f64 {
    experiment.training.steps as f64 * experiment.training.batch as f64 / examples.max(1) as f64
}

fn write_memory(memory: &RunMemory, out: &mut dyn Write) -> std::io::Result<()> {
    let lanes: u64 = memory.lanes.iter().sum();
    writeln!(
        out,
        "# memory of the whole run: {} ({} for the program, {} for the examples, {} for the lanes, {} for histories); the dashboard adds up to {}",
        bytes(memory.total()),
        bytes(memory.program),
        bytes(memory.examples),
        bytes(lanes),
        bytes(memory.histories),
        bytes(memory.histories)
    )
}

fn write_costs(
    experiment: &Experiment,
    networks: &[Description],
    memory: &RunMemory,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    use Align::{Left, Right};
    let columns = [
        ("lane", Left),
        ("layers", Right),
        ("blocks", Right),
        ("parameters", Right),
        ("multiply-adds per step", Right),
        ("activations", Right),
        ("memory, alone", Right),
    ];
    let batch = experiment.training.batch;
    let mut table = Table::new(&columns);
    let lanes = experiment.lanes.iter().zip(networks).zip(memory.activations.iter().zip(&memory.alone));
    for ((lane, network), (activations, alone)) in lanes {
        let structure = &network.structure;
        table.row([
            lane.name.clone(),
            structure.layers.len().to_string(),
            structure.blocks.len().to_string(),
            grouped(structure.parameters().unwrap_or(0)),
            grouped(multiply_adds_of_step(network, batch)),
            bytes(*activations),
            bytes(*alone),
        ]);
    }
    table.write("# ", out)
}
