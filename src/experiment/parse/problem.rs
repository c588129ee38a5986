//! What is wrong with an experiment: each problem with its place, its key, what was expected and found, and
//! the nearest valid choice.

use std::cell::RefCell;
use std::fmt;

use crate::printable::printable;

/// The most problems shown; a file that is not an experiment at all would give hundreds.
const SHOWN: usize = 20;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file as a whole.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// An override, by its place among them.
    Override(usize),
}

impl Origin {
    /// Its order among all: overrides come first, then the file as a whole, then its lines.
    pub(super) fn order(self) -> (usize, usize) {
        match self {
            Origin::Override(index) => (0, index),
            Origin::File => (1, 0),
            Origin::Line(line) => (2, line),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    /// The dotted path of the key; empty for the whole file.
    pub(super) key: String,
    pub(super) message: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, origin: Origin, key: &str, message: String) {
        self.0.borrow_mut().push(Problem { origin, key: key.to_owned(), message });
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// Where an experiment comes from, to name a place in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// The file's name as the user gave it.
    pub(super) name: String,
    /// The overrides as the user gave them, `KEY=VALUE`.
    pub(super) overrides: Vec<String>,
}

impl Source {
    /// A place, for display: `file.toml:12` or `--set KEY=VALUE`.
    pub(super) fn place(&self, origin: Origin) -> String {
        printable(&match origin {
            Origin::File => self.name.clone(),
            Origin::Line(line) => format!("{}:{line}", self.name),
            Origin::Override(index) => match self.overrides.get(index) {
                Some(given) => format!("--set {given}"),
                None => self.name.clone(),
            },
        })
    }

    fn show(&self, problem: &Problem) -> String {
        let place = self.place(problem.origin);
        let message = printable(&problem.message);
        match problem.key.as_str() {
            "" => format!("{place}: {message}"),
            key => format!("{place}: {}: {message}", printable(key)),
        }
    }

    pub(super) fn error(&self, mut problems: Vec<Problem>) -> ExperimentError {
        problems.sort_by_key(|problem| problem.origin.order());
        ExperimentError { problems: problems.iter().map(|problem| self.show(problem)).collect() }
    }
}

/// Everything that is wrong with an experiment's file, one problem a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentError {
    problems: Vec<String>,
}

impl ExperimentError {
    /// The problems, each with its place.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl std::error::Error for ExperimentError {}

impl fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems[..self.problems.len().min(SHOWN)].join("\n"))?;
        if self.problems.len() > SHOWN {
            write!(f, "\nand {} more problems", self.problems.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// The choice with the spelling nearest to `found`.
pub(super) fn nearest<'a>(found: &str, choices: &[&'a str]) -> Option<&'a str> {
    let found = found.to_lowercase();
    let likeness = |choice: &str| {
        let contained = if choice.contains(found.as_str()) || found.contains(choice) { 0.5 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(&found, choice) + contained
    };
    choices.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// `a, b or c`, each in backticks.
pub(super) fn either<T: fmt::Display>(choices: &[T]) -> String {
    match choices {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|choice| format!("`{choice}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}
