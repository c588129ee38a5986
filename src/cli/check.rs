//! `skiplane check`: validates an experiment and prints what it costs.

use std::io::Write;

use clap::Args;

use super::capacity;
use super::failure::Failure;
use super::source::{Changes, ExperimentArgs, load_data};
use super::table::{Align, Table, bytes};
use super::threads::ThreadsArgs;
use crate::experiment::{self, Checked, Experiment};
use crate::model::{self, Description};
use crate::printable::{escaped_json, grouped, printable};
use crate::structure::Structure;
use crate::units::InputShape;
use memory::RunMemory;

pub(super) mod memory;

/// A training step costs about this many forward passes: the forward pass, gradients of the inputs, and gradients of
/// the weights.
const PASSES: u64 = 3;

/// Validates an experiment; prints it as resolved, with parameters, cost per step and memory of each lane.
///
/// An experiment that needs more memory than is available is refused, as by `train`. The output is a valid experiment
/// file; the figures are in comments. Memory is the peak resident size: of a run of the lane alone, and of all lanes
/// together.
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
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (_, checked) = args.experiment.read(&args.changes)?;
    let experiment = &checked.experiment;
    let dataset = load_data(&checked)?;
    let networks = networks(&checked, dataset.shape, dataset.classes.len())?;
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
    let networks = lanes
        .map(|(index, lane)| {
            model::describe(lane, shape, classes).map_err(|error| {
                let place = checked.places.of(&format!("lane.{index}"));
                Failure::Input(anyhow::Error::from(error).context(format!("{place}: lane `{}`", lane.name)))
            })
        })
        .collect::<Result<Vec<Description>, Failure>>()?;
    check_patterns(checked, &networks)?;
    Ok(networks)
}

/// Checks that every pattern matches a layer of some lane, and that at least one layer of every lane is recorded.
fn check_patterns(checked: &Checked, networks: &[Description]) -> Result<(), Failure> {
    let recording = &checked.experiment.statistics;
    for (index, pattern) in recording.layers.iter().enumerate() {
        let mut layers = networks.iter().flat_map(|network| &network.structure.layers);
        if !layers.any(|layer| experiment::matches(pattern, &layer.name)) {
            let place = checked.places.of(&format!("statistics.layers.{index}"));
            let expected = "expected a pattern that matches a layer of a lane";
            let names = networks.first().map(|network| some_names(&network.structure)).unwrap_or_default();
            let found = printable(pattern);
            return Err(Failure::Input(anyhow::anyhow!(
                "{place}: statistics.layers: {expected}, found `{found}`; layers are named {names}"
            )));
        }
    }
    for (lane, Description { structure, .. }) in checked.experiment.lanes.iter().zip(networks) {
        if !structure.layers.iter().any(|layer| recording.records(&layer.name)) {
            let place = checked.places.of("statistics.layers");
            let expected = format!("expected a pattern that matches a layer of lane `{}`", lane.name);
            let (found, names) = (printable(&recording.layers.join("`, `")), some_names(structure));
            return Err(Failure::Input(anyhow::anyhow!(
                "{place}: statistics.layers: {expected}, found `{found}`; its layers are named {names}"
            )));
        }
    }
    Ok(())
}

/// The first names of layers, and the last one.
fn some_names(structure: &Structure) -> String {
    let names: Vec<String> = structure.layers.iter().map(|layer| format!("`{}`", layer.name)).collect();
    match names.as_slice() {
        [first, second, third, .., last] => format!("{first}, {second}, {third} .. {last}"),
        few => few.join(", "),
    }
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
        ("memory, alone", Right),
    ];
    let batch = experiment.training.batch;
    let mut table = Table::new(&columns);
    let lanes = experiment.lanes.iter().zip(networks).zip(&memory.alone);
    for ((lane, Description { structure, .. }), alone) in lanes {
        table.row([
            lane.name.clone(),
            structure.layers.len().to_string(),
            structure.blocks.len().to_string(),
            grouped(structure.parameters().unwrap_or(0)),
            grouped(PASSES * structure.multiply_adds().unwrap_or(0) * batch as u64),
            bytes(*alone),
        ]);
    }
    table.write("# ", out)
}
