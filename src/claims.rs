//! Judges claims by rules over what the lanes of a sweep measured. A rule compares two numbers, such as
//! `median(train_error[plain, depth = 56]) - median(train_error[plain, depth = 20]) >= 10%`.
//!
//! `train_error[plain, depth = 56]` is a sample: the last training error of every lane called `plain` with that depth,
//! one for each seed. A function such as `median` makes a number of it. Samples are added, subtracted, multiplied and
//! divided seed by seed. Rules are read and checked against the lanes of the sweep before anything is trained.

mod error;
mod rule;
mod scanner;
mod parser;
mod subject;
mod check;
mod measure;
mod sample;
mod evaluate;
mod verdict;
mod grid;
mod names;
mod comparison;
#[cfg(test)]
mod tests;

pub use comparison::{Cell, Compared, in_words};
pub use error::RuleError;
pub use grid::Grid;
pub use measure::{Measured, Observed, metrics, metrics_of};
pub use names::{Alike, alike, names};
pub use rule::{Comparison, Rule};
pub use sample::Unit;
pub use subject::Subject;
pub use verdict::{Judged, Rules, Term, Verdict, judge};
