//! The logs of other programs, read as the events of a lane: TensorBoard, offline W&B, tables, lines of JSON, and the state
//! of a Hugging Face trainer. A format is a [`Parser`], which takes records from bytes; everything else is common to
//! all: which files there are, following them, which tags are of layers, and what becomes an event. Nothing is ever
//! written to them.

mod said;
mod parser;
mod protobuf;
mod buckets;
mod saying;
mod tensorboard;
mod wandb;
mod roles;
mod cells;
mod table;
mod json;
mod object;
mod lines;
mod trainer_state;
#[cfg(test)]
mod taking;
mod files;
mod source;
mod find;
mod layers;
mod naming;
mod steps;
mod translation;
mod reader;
mod again;

pub use again::{find_step, read_steps};
pub use find::find;
pub use layers::Pattern;
pub use parser::{Parser, Taken};
pub use reader::{Position, SourceReader};
pub use said::{Axis, Measured, Other, Said, Tag, Tags};
use source::Format;
pub use source::{Reading, Source};
pub use tensorboard::EventWriter;
pub use translation::Renamed;

/// All formats, in the order in which a file is tried.
const FORMATS: &[&Format] = &[
    &Format {
        name: "TensorBoard event files",
        parser: || Box::new(tensorboard::TensorBoard::default()),
        recognises: tensorboard::recognises,
        is_ordered: true,
        part: Some("tfevents"),
        endings: &[],
    },
    &Format {
        name: "an offline W&B run (.wandb)",
        parser: || Box::new(wandb::Wandb::default()),
        recognises: wandb::recognises,
        is_ordered: false,
        part: None,
        endings: &[".wandb"],
    },
    &Format {
        name: "a trainer_state.json of Hugging Face",
        parser: || Box::new(trainer_state::TrainerState::default()),
        recognises: trainer_state::recognises,
        is_ordered: true,
        part: None,
        endings: &["trainer_state.json"],
    },
    &Format {
        name: "lines of JSON (.jsonl)",
        parser: || Box::new(lines::Lines::default()),
        recognises: lines::recognises,
        is_ordered: true,
        part: None,
        endings: &[".jsonl", ".ndjson", ".json"],
    },
    &Format {
        name: "a table (.csv)",
        parser: || Box::new(table::Table::default()),
        recognises: table::recognises,
        is_ordered: true,
        part: None,
        endings: &[".csv", ".tsv"],
    },
];
