//! `skiplane control`: gives orders to a run that another process trains.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::RunsFolder;
use super::failure::Failure;
use crate::order;
use crate::session::control;

/// Tells a run that trains on this machine to pause, to go on, to write a checkpoint, or to stop with one.
///
/// Returns once the run has taken the order, which it obeys after the step that it is in. Only the user who started
/// the run can give it orders.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane control latest checkpoint
  skiplane control 20261123-1216 stop")]
pub(super) struct ControlArgs {
    /// The run: an id, a unique part of one, `latest`, `latest~1`, or a folder.
    run: String,
    /// What it is to do.
    #[arg(value_enum)]
    order: Order,
    #[command(flatten)]
    folder: RunsFolder,
}

/// What a run can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Wait after the current step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Write a checkpoint of every lane.
    Checkpoint,
    /// End with a checkpoint of every lane.
    Stop,
}

pub(super) fn run(args: &ControlArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let folder = args.folder.resolve(&args.run)?;
    let (order, what) = match args.order {
        Order::Pause => (order::Order::Pause, "pauses after this step"),
        Order::Resume => (order::Order::Resume, "goes on"),
        Order::Checkpoint => (order::Order::Checkpoint, "writes a checkpoint after this step"),
        Order::Stop => (order::Order::Stop, "stops with a checkpoint after this step"),
    };
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    control::send(&folder, &order.into()).map_err(|error| {
        Failure::Failed(anyhow::anyhow!("run {}: {error}", crate::text::printable(&name)))
    })?;
    Ok(writeln!(out, "run {} {what}", crate::text::printable(&name))?)
}
