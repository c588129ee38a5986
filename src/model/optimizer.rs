//! The optimisers over parameters of any shape, and their state for each. dfdx's own hide their state, so that it could
//! not be in a checkpoint; the rules are dfdx's, computed by a kernel that also measures.
//!
//! The semantics are PyTorch's: L2 decay is added to the gradient of every parameter, batch norm included;
//! the momentum buffer `v = momentum v + g` does not include the learning rate, which multiplies it at each step.
//!
//! Each parameter belongs to a group with a rate and a decay of its own, as in PyTorch, or is frozen: then neither it nor
//! its state changes.

use std::cmp::Reverse;

use crate::experiment::{self, Lane};
use crate::model::builder::Named;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::update::{Change, Rule, unchanged, update};
use crate::nn::thread_pool::ThreadPool;

/// An update rule and its state.
#[derive(Debug)]
pub(super) struct Optimizer {
    /// The settings of each group of parameters, with what the learning rate is multiplied by. The first one is that of
    /// all that are in no other.
    groups: Vec<(experiment::Optimizer, f64)>,
    /// The group of each parameter; none if it is frozen.
    group_of: Vec<Option<usize>>,
    /// For each parameter the first moment (SGD: the momentum buffer) and the second.
    memory: Vec<[Vec<f32>; 2]>,
    updates: i64,
}

impl Optimizer {
    /// An optimiser for a lane's parameters, before the first update.
    pub(super) fn new<'a>(
        settings: &experiment::Optimizer,
        lane: &Lane,
        parameters: impl Iterator<Item = &'a Named>,
    ) -> Optimizer {
        let has_second = !matches!(settings, experiment::Optimizer::Sgd { .. });
        let (mut group_of, mut memory) = (Vec::new(), Vec::new());
        for Named { name, parameter, .. } in parameters {
            let length = parameter.values().len();
            memory.push([vec![0.0; length], vec![0.0; if has_second { length } else { 0 }]]);
            let group = lane.groups.iter().position(|group| group.has(name)).map_or(0, |group| group + 1);
            group_of.push((!lane.freezes(name)).then_some(group));
        }
        let own = lane.groups.iter().map(|group| {
            let decay = group.weight_decay;
            (decay.map_or_else(|| settings.clone(), |decay| settings.with_weight_decay(decay)), group.rate)
        });
        let groups = std::iter::once((settings.clone(), 1.0)).chain(own).collect();
        Optimizer { groups, group_of, memory, updates: 0 }
    }

    /// Makes one update of every parameter that is not frozen, each on one thread; returns the changes of each.
    pub(super) fn update(
        &mut self,
        set: InstructionSet,
        learning_rate: f64,
        parameters: &[&Named],
        gradients: &[Vec<f32>],
        workers: &ThreadPool,
    ) -> Vec<Change> {
        self.updates += 1;
        let of_group = |(settings, rate): &(_, f64)| rule(settings, learning_rate * rate, self.updates);
        let rules: Vec<Rule> = self.groups.iter().map(of_group).collect();
        let mut changes = vec![Change::default(); parameters.len()];
        let mut values: Vec<_> = parameters.iter().map(|named| named.parameter.values_mut()).collect();
        let values = values.iter_mut().map(|values| &mut **values);
        let of_parameters = values.zip(gradients).zip(&mut self.memory);
        let mut jobs: Vec<_> = of_parameters.zip(&self.group_of).zip(&mut changes).collect();
        // The largest first, so that threads have about as much to do.
        jobs.sort_by_key(|((((values, _), _), _), _)| Reverse(values.len()));
        workers.run(jobs, |((((values, gradient), [first, second]), group), change)| {
            *change = match group {
                Some(group) => update(set, rules[*group], values, gradient, [first, second]),
                None => unchanged(set, values, Some(gradient)),
            };
        });
        changes
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
