//! dfdx's optimisers over parameters of any shape. dfdx's own `Sgd` and `Adam` hide what they remember, so that
//! it could not stand in a checkpoint; their update rules are public and used here.
//!
//! The semantics are PyTorch's: L2 decay is added to the gradient of every parameter, batch norm included;
//! the momentum buffer `v = momentum v + g` holds no learning rate, which multiplies it at each step.

use dfdx::optim::{Momentum, WeightDecay};
use dfdx::tensor::{Cpu, CpuError, Gradients, Storage};
use dfdx::tensor_ops::{AdamConfig, SgdConfig};

use crate::experiment;
use crate::model::parameter::AnyParameter;
use crate::nn::ops::storage::Buffer;

/// The update rule of a step, with its learning rate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Stochastic gradient descent.
    Sgd(SgdConfig),
    /// Adam or AdamW, and the updates made, this one included.
    Adam(AdamConfig, i32),
}

/// An update rule and what it remembers.
#[derive(Debug)]
pub(super) struct Optimizer {
    rule: Rule,
    /// For each parameter the first moment (SGD: the momentum buffer) and the second.
    memory: Vec<[Buffer; 2]>,
    updates: i64,
}

impl Optimizer {
    /// An optimiser of parameters of these lengths that has made no update.
    pub(super) fn new(
        device: &Cpu,
        settings: &experiment::Optimizer,
        lengths: &[usize],
    ) -> Result<Self, CpuError> {
        let rule = rule(settings);
        let second = |length| if matches!(rule, Rule::Adam(..)) { length } else { 0 };
        let memory = lengths
            .iter()
            .map(|&length| Ok([device.try_alloc_len(length)?, device.try_alloc_len(second(length))?]))
            .collect::<Result<_, CpuError>>()?;
        Ok(Optimizer { rule, memory, updates: 0 })
    }

    /// Makes one update of every parameter.
    pub(super) fn update(
        &mut self,
        learning_rate: f64,
        parameters: &mut [&mut dyn AnyParameter],
        gradients: &mut Gradients<f32, Cpu>,
    ) -> Result<(), CpuError> {
        self.updates += 1;
        match &mut self.rule {
            Rule::Sgd(config) => config.lr = learning_rate,
            Rule::Adam(config, updates) => {
                config.lr = learning_rate;
                *updates = i32::try_from(self.updates).unwrap_or(i32::MAX);
            }
        }
        for (parameter, memory) in parameters.iter_mut().zip(&mut self.memory) {
            let gradient = parameter.gradient(gradients)?;
            parameter.update(&self.rule, memory, gradient)?;
        }
        Ok(())
    }

    /// The updates made.
    pub(super) fn updates(&self) -> i64 {
        self.updates
    }

    /// Sets the updates made, for a state that is read back.
    pub(super) fn set_updates(&mut self, updates: i64) {
        self.updates = updates;
    }

    /// What is remembered of each parameter, in their order: `(kind, values)`.
    pub(super) fn memory(&self, parameter: usize) -> impl Iterator<Item = (&'static str, &[f32])> {
        let kinds = ["first_moment", "second_moment"];
        self.memory[parameter]
            .iter()
            .zip(kinds)
            .filter(|(b, _)| !b.is_empty())
            .map(|(b, kind)| (kind, &b[..]))
    }

    /// The same, to write to.
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

fn rule(settings: &experiment::Optimizer) -> Rule {
    let unless_zero = |decay: f64, kind: fn(f64) -> WeightDecay| (decay != 0.0).then(|| kind(decay));
    match *settings {
        experiment::Optimizer::Sgd { learning_rate, momentum, weight_decay } => Rule::Sgd(SgdConfig {
            lr: learning_rate,
            momentum: (momentum != 0.0).then_some(Momentum::Classic(momentum)),
            weight_decay: unless_zero(weight_decay, WeightDecay::L2),
        }),
        experiment::Optimizer::Adam { learning_rate, betas, epsilon, weight_decay } => Rule::Adam(
            AdamConfig {
                lr: learning_rate,
                betas,
                eps: epsilon,
                weight_decay: unless_zero(weight_decay, WeightDecay::L2),
            },
            0,
        ),
        experiment::Optimizer::AdamW { learning_rate, betas, epsilon, weight_decay } => Rule::Adam(
            AdamConfig {
                lr: learning_rate,
                betas,
                eps: epsilon,
                weight_decay: unless_zero(weight_decay, WeightDecay::Decoupled),
            },
            0,
        ),
    }
}
