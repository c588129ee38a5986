//! The optimisers over parameters of any shape, and their state for each. dfdx's own hide their state, so that it could
//! not be in a checkpoint; the rules are dfdx's, computed by a kernel that also measures.
//!
//! The semantics are PyTorch's: L2 decay is added to the gradient of every parameter, batch norm included;
//! the momentum buffer `v = momentum v + g` does not include the learning rate, which multiplies it at each step.

use dfdx::tensor::{Cpu, CpuError, Gradients};

use crate::experiment;
use crate::model::builder::Named;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::update::{Change, Rule, update};

/// An update rule and its state.
#[derive(Debug)]
pub(super) struct Optimizer {
    settings: experiment::Optimizer,
    /// For each parameter the first moment (SGD: the momentum buffer) and the second.
    memory: Vec<[Vec<f32>; 2]>,
    updates: i64,
}

impl Optimizer {
    /// An optimiser for parameters of these lengths, before the first update.
    pub(super) fn new(settings: &experiment::Optimizer, lengths: &[usize]) -> Optimizer {
        let has_second = !matches!(settings, experiment::Optimizer::Sgd { .. });
        let second = |length| if has_second { length } else { 0 };
        let memory = lengths.iter().map(|&length| [vec![0.0; length], vec![0.0; second(length)]]).collect();
        Optimizer { settings: settings.clone(), memory, updates: 0 }
    }

    /// Makes one update of every parameter; returns the changes of each.
    pub(super) fn update(
        &mut self,
        set: InstructionSet,
        learning_rate: f64,
        parameters: &[&Named],
        gradients: &mut Gradients<f32, Cpu>,
    ) -> Result<Vec<Change>, CpuError> {
        self.updates += 1;
        let rule = rule(&self.settings, learning_rate, self.updates);
        let all = parameters.iter().zip(&mut self.memory);
        all.map(|(Named { parameter, .. }, [first, second])| {
            let gradient = parameter.gradient(gradients)?;
            Ok(update(set, rule, &mut parameter.values_mut(), gradient, [first, second]))
        })
        .collect()
    }

    /// The updates made.
    pub(super) fn updates(&self) -> i64 {
        self.updates
    }

    /// Sets the updates made, when restoring a state.
    pub(super) fn set_updates(&mut self, updates: i64) {
        self.updates = updates;
    }

    /// The state of each parameter, in their order: `(kind, values)`.
    pub(super) fn memory(&self, parameter: usize) -> impl Iterator<Item = (&'static str, &[f32])> {
        let kinds = ["first_moment", "second_moment"];
        self.memory[parameter]
            .iter()
            .zip(kinds)
            .filter(|(b, _)| !b.is_empty())
            .map(|(b, kind)| (kind, &b[..]))
    }

    /// The same, mutable.
    pub(super) fn memory_mut(
        &mut self,
        parameter: usize,
    ) -> impl Iterator<Item = (&'static str, &mut [f32])> {
        let kinds = ["first_moment", "second_moment"];
        self.memory[parameter]
            .iter_mut()
            .zip(kinds)
            .filter(|(b, _)| !b.is_empty())
            .map(|(b, kind)| (kind, &mut b[..]))
    }
}

/// The rule of an update, counted from 1.
fn rule(settings: &experiment::Optimizer, learning_rate: f64, updates: i64) -> Rule {
    let adam = |betas: [f64; 2], epsilon: f64, decay: f64, decoupled: f64| {
        let betas = betas.map(|beta| beta as f32);
        let updates = i32::try_from(updates).unwrap_or(i32::MAX);
        Rule::Adam {
            learning_rate: learning_rate as f32,
            betas,
            epsilon: epsilon as f32,
            decay: decay as f32,
            decoupled: (decoupled * learning_rate) as f32,
            corrections: betas.map(|beta| (1.0 - beta.powi(updates)).recip()),
        }
    };
    match *settings {
        experiment::Optimizer::Sgd { momentum, weight_decay, .. } => Rule::Sgd {
            learning_rate: learning_rate as f32,
            momentum: momentum as f32,
            decay: weight_decay as f32,
        },
        experiment::Optimizer::Adam { betas, epsilon, weight_decay, .. } => {
            adam(betas, epsilon, weight_decay, 0.0)
        }
        experiment::Optimizer::AdamW { betas, epsilon, weight_decay, .. } => {
            adam(betas, epsilon, 0.0, weight_decay)
        }
    }
}
