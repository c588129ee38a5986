//! Fits the tensors of a checkpoint to a network that starts from it: one of this program, or of PyTorch with the same
//! names. Everything that does not fit is told at once.

use std::collections::BTreeMap;

use crate::experiment::{Head, Lane, Missing, Start};
use crate::model::{Description, ModelError, NamedTensor, TensorData, architectures, state};
use crate::printable::printable;
use crate::structure::kind;
use crate::units::InputShape;

/// What PyTorch's wrappers write before every name: `DistributedDataParallel` and `torch.compile`.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];
/// The most problems, and the most names, that are told.
const SHOWN: usize = 4;

/// A network as far as it is known without drawing weights.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The network as its modules declare it.
    pub description: Description,
    /// The names of its parameters, in the order of the state dict.
    pub parameters: Vec<String>,
    /// The tensors of its state dict, of zeros.
    tensors: Vec<NamedTensor>,
    /// The names of those of its head, the last linear layer.
    head: Vec<String>,
}

/// What a network takes of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The tensors that it takes; all others keep their initial values.
    pub tensors: Vec<NamedTensor>,
    /// What was taken and what was not, in words.
    pub notes: Vec<String>,
}

impl Outline {
    /// The outline of a lane's network.
    ///
    /// # Errors
    /// As [`super::describe`].
    pub fn of(lane: &Lane, input: impl Into<InputShape>, classes: usize) -> Result<Outline, ModelError> {
        let built = architectures::build(lane, input.into(), classes, None)?;
        let layers = &built.description.structure.layers;
        let (mut parameters, mut head) = (Vec::new(), Vec::new());
        for named in state::parameters(&built.entries) {
            let layer = &layers[named.layer.0];
            // A norm before the head counts to its layer, too.
            let is_own = named.name.strip_prefix(&*layer.name).is_some_and(|rest| rest.starts_with('.'));
            if layer.kind == kind::HEAD && is_own {
                head.push(named.name.clone());
            }
            parameters.push(named.name.clone());
        }
        let tensors = state::of_model(&built.entries);
        Ok(Outline { description: built.description, parameters, tensors, head })
    }

    /// Finds what the network takes of the tensors of a checkpoint.
    ///
    /// # Errors
    /// [`ModelError::Unfit`] with everything that does not fit.
    pub fn fit(&self, found: Vec<NamedTensor>, start: &Start) -> Result<Fitted, ModelError> {
        let mut fitting = Fitting::new(found)?;
        for expected in &self.tensors {
            let is_head = self.head.contains(&expected.name);
            if is_head && start.head == Head::New {
                fitting.found.remove(&expected.name);
            } else {
                fitting.take(expected, is_head, start.missing);
            }
        }
        if start.head == Head::New {
            fitting.notes.push(format!("the head keeps its initial weights: {}", some(&self.head)));
        }
        fitting.finish(self)
    }
}

/// A checkpoint of which the tensors are taken one by one.
struct Fitting {
    /// Those not taken yet, by the network's names.
    found: BTreeMap<String, NamedTensor>,
    taken: Vec<NamedTensor>,
    /// The names of those that keep their initial values because the checkpoint lacks them.
    initial: Vec<String>,
    problems: Vec<String>,
    /// What to do about the problems.
    remedies: Vec<&'static str>,
    notes: Vec<String>,
}

impl Fitting {
    fn new(all: Vec<NamedTensor>) -> Result<Fitting, ModelError> {
        let mut found = BTreeMap::new();
        let mut notes = Vec::new();
        for mut tensor in all {
            while let Some((prefix, rest)) =
                PREFIXES.iter().find_map(|prefix| Some((prefix, tensor.name.strip_prefix(prefix)?)))
            {
                let note = format!("names in the checkpoint begin with `{prefix}`, which is left out");
                if !notes.contains(&note) {
                    notes.push(note);
                }
                tensor.name = rest.to_owned();
            }
            let name = tensor.name.clone();
            if found.insert(name.clone(), tensor).is_some() {
                let problem =
                    format!("expected one tensor `{}`, found it with a prefix and without", printable(&name));
                return Err(ModelError::Unfit { problems: vec![problem], remedies: Vec::new() });
            }
        }
        let (taken, initial, problems, remedies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Fitting { found, taken, initial, problems, remedies, notes })
    }

    /// Takes what the network expects, or notes why it cannot.
    fn take(&mut self, expected: &NamedTensor, is_head: bool, missing: Missing) {
        let (name, shape) = (&expected.name, &expected.shape);
        let Some(found) = self.found.remove(name) else {
            // What counts batches is not needed.
            match (&expected.data, missing) {
                (TensorData::I64(_), _) => {}
                (_, Missing::Initial) => self.initial.push(name.clone()),
                (_, Missing::Refuse) => {
                    let remedy =
                        "to leave what the checkpoint lacks at its initial values, set missing = \"initial\"";
                    self.problem(
                        format!("expected `{name}` of shape {shape:?}, found no such tensor"),
                        remedy,
                    );
                }
            }
            return;
        };
        match (&expected.data, &found.data) {
            (TensorData::F32(_), TensorData::I64(_)) => {
                let remedy = "save the weights as F32";
                self.problem(format!("expected `{name}` of F32, found whole numbers"), remedy);
            }
            _ if found.shape != *shape => {
                let remedy = if is_head {
                    "for other classes than the checkpoint's, set head = \"new\""
                } else {
                    "choose the keys of the lane and the data as the checkpoint's network has them"
                };
                let found = &found.shape;
                self.problem(format!("expected `{name}` of shape {shape:?}, found {found:?}"), remedy);
            }
            (TensorData::F32(_), TensorData::F32(values)) if !values.iter().all(|x| x.is_finite()) => {
                let remedy = "choose a checkpoint from before it diverged";
                self.problem(format!("expected finite numbers in `{name}`, found NaN or infinity"), remedy);
            }
            // A count that is not whole is not needed either.
            (TensorData::I64(_), TensorData::F32(_)) => {}
            _ => self.taken.push(found),
        }
    }

    fn problem(&mut self, problem: String, remedy: &'static str) {
        self.problems.push(problem);
        if !self.remedies.contains(&remedy) {
            self.remedies.push(remedy);
        }
    }

    /// What is left of the checkpoint must hold no weights.
    fn finish(mut self, of: &Outline) -> Result<Fitted, ModelError> {
        let (weights, others): (Vec<NamedTensor>, Vec<NamedTensor>) = std::mem::take(&mut self.found)
            .into_values()
            .partition(|left| matches!(left.data, TensorData::F32(_)));
        if self.taken.iter().all(|taken| !of.parameters.contains(&taken.name)) && !weights.is_empty() {
            let found: Vec<String> = weights.into_iter().map(|left| left.name).collect();
            let problem =
                format!("expected tensors such as {}, found {}", some(&of.parameters), some(&found));
            let remedies = vec!["choose a checkpoint of this architecture with the names of its state dict"];
            return Err(ModelError::Unfit { problems: vec![problem], remedies });
        }
        for NamedTensor { name, shape, .. } in weights {
            let remedy = "choose the keys of the lane as the checkpoint's network has them";
            let name = printable(&name);
            self.problem(format!("expected no other tensors, found `{name}` of shape {shape:?}"), remedy);
        }
        if !self.problems.is_empty() {
            return Err(ModelError::Unfit { problems: self.problems, remedies: self.remedies });
        }
        let all = of.tensors.len();
        let mut notes = vec![format!("{} of {all} tensors are those of the checkpoint", self.taken.len())];
        notes.append(&mut self.notes);
        if !self.initial.is_empty() {
            let names = some(&self.initial);
            notes.push(format!("what the checkpoint lacks keeps its initial values: {names}"));
        }
        if !others.is_empty() {
            let names: Vec<String> = others.into_iter().map(|left| left.name).collect();
            notes.push(format!("what holds no weights is ignored: {}", some(&names)));
        }
        Ok(Fitted { tensors: self.taken, notes })
    }
}

/// The first of some names.
fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", printable(name))).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

/// The first of some problems, and what to do about them.
pub(super) fn told(problems: &[String], remedies: &[&str]) -> String {
    let mut lines: Vec<String> = problems.iter().take(SHOWN).cloned().collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more", problems.len() - SHOWN));
    }
    lines.extend(remedies.iter().map(|remedy| (*remedy).to_owned()));
    lines.join("\n  ")
}

#[cfg(test)]
mod tests;
