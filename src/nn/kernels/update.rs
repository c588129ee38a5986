//! The update of a parameter by its gradient, and what the statistics need of both, in one pass per parameter. The
//! rules are those of dfdx's optimisers; no multiply-add is fused here, so that all instruction sets give the same
//! bits.

use super::InstructionSet;
use super::dispatch::{Instructions, Kernel};
use crate::statistics::Sums;

/// Numbers that are processed together.
const IMAGES: usize = 16;

/// An update rule with the learning rate of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent as PyTorch has it: `v = momentum v + g`, `w -= learning_rate v`, with L2 decay
    /// added to g.
    Sgd {
        /// Learning rate.
        learning_rate: f32,
        /// Share of the momentum buffer that is kept.
        momentum: f32,
        /// L2 decay.
        decay: f32,
    },
    /// Adam (Kingma & Ba 2015), or AdamW (Loshchilov & Hutter 2019) where the decay is decoupled.
    Adam {
        /// Learning rate.
        learning_rate: f32,
        /// Shares of both moments that are kept.
        betas: [f32; 2],
        /// Added to the root of the second moment.
        epsilon: f32,
        /// L2 decay, added to the gradient.
        decay: f32,
        /// Decoupled decay times the learning rate.
        decoupled: f32,
        /// One over one minus each beta to the power of the updates made, this one included.
        corrections: [f32; 2],
    },
}

/// How an update has changed a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// The sum of squares of the parameter before.
    pub before: f64,
    /// The sum of squares of the differences.
    pub change: f64,
    /// The largest absolute number of the parameter before, and of the gradient; NaN counts as none.
    pub largest: [f32; 2],
    /// Whether all numbers are finite after the update.
    pub is_finite: bool,
}

/// Makes one update. `memory` is the rule's state: for SGD the momentum buffer, for Adam both moments; SGD does not use
/// the second.
pub fn update(
    set: InstructionSet,
    rule: Rule,
    parameter: &mut [f32],
    gradient: &[f32],
    memory: [&mut [f32]; 2],
) -> Change {
    assert_eq!([gradient.len(), memory[0].len()], [parameter.len(); 2], "all of the parameter");
    if matches!(rule, Rule::Adam { .. }) {
        assert_eq!(memory[1].len(), parameter.len(), "one second moment per weight");
    }
    set.run(Update { rule, parameter, gradient, memory })
}

/// What [`update`] would return for a parameter that stays as it is; without a gradient its largest number is NaN.
pub fn unchanged(set: InstructionSet, parameter: &[f32], gradient: Option<&[f32]>) -> Change {
    let largest = |numbers: &[f32]| numbers.iter().fold(0.0, |most: f32, number| most.max(number.abs()));
    let before = sums(set, parameter).squares;
    let largest = [largest(parameter), gradient.map_or(f32::NAN, largest)];
    Change { before, change: 0.0, largest, is_finite: true }
}

/// The sums over a gradient: [`Sums::of`], compiled with the machine's instructions.
pub fn sums(set: InstructionSet, values: &[f32]) -> Sums {
    set.run(Measure { values })
}

struct Update<'a> {
    rule: Rule,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    memory: [&'a mut [f32]; 2],
}

/// Sums of a pass, element by element.
struct Totals {
    before: [f64; IMAGES],
    change: [f64; IMAGES],
    /// NaN as soon as a number is not finite, else zero.
    unsound: [f32; IMAGES],
    /// The largest absolute number of the parameter before, and of the gradient.
    largest: [[f32; IMAGES]; 2],
}

impl Totals {
    #[inline(always)]
    fn add(&mut self, element: usize, old: f32, new: f32, gradient: f32) {
        let difference = f64::from(new) - f64::from(old);
        self.before[element] += f64::from(old) * f64::from(old);
        self.change[element] += difference * difference;
        self.unsound[element] += new * 0.0;
        for (largest, number) in self.largest.iter_mut().zip([old, gradient]) {
            largest[element] = if number.abs() > largest[element] { number.abs() } else { largest[element] };
        }
    }
}

impl Kernel for Update<'_> {
    type Output = Change;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> Change {
        let Update { rule, parameter, gradient, memory: [first, second] } = self;
        let mut totals = Totals {
            before: [0.0; IMAGES],
            change: [0.0; IMAGES],
            unsound: [0.0; IMAGES],
            largest: [[0.0; IMAGES]; 2],
        };
        match rule {
            Rule::Sgd { learning_rate, momentum, decay } => {
                let mut step = |w: &mut [f32], g: &[f32], v: &mut [f32]| {
                    for (element, ((w, &g), v)) in w.iter_mut().zip(g).zip(v).enumerate() {
                        let old = *w;
                        *v = (g + decay * old) + momentum * *v;
                        *w = old - *v * learning_rate;
                        totals.add(element, old, *w, g);
                    }
                };
                let (ws, w) = parameter.as_chunks_mut::<IMAGES>();
                let (gs, g) = gradient.as_chunks::<IMAGES>();
                let (vs, v) = first.as_chunks_mut::<IMAGES>();
                for ((w, g), v) in ws.iter_mut().zip(gs).zip(vs) {
                    step(w, g, v);
                }
                step(w, g, v);
            }
            Rule::Adam { learning_rate, betas, epsilon, decay, decoupled, corrections } => {
                let mut step = |w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]| {
                    for (element, ((w, &g), (m, v))) in
                        w.iter_mut().zip(g).zip(m.iter_mut().zip(v)).enumerate()
                    {
                        let (old, own) = (*w, g);
                        let g = g + decay * old;
                        *m = *m * betas[0] + g * (1.0 - betas[0]);
                        *v = *v * betas[1] + g * g * (1.0 - betas[1]);
                        let step =
                            learning_rate * (*m * corrections[0]) / ((*v * corrections[1]).sqrt() + epsilon);
                        *w = old - (step + decoupled * old);
                        totals.add(element, old, *w, own);
                    }
                };
                let (ws, w) = parameter.as_chunks_mut::<IMAGES>();
                let (gs, g) = gradient.as_chunks::<IMAGES>();
                let (ms, m) = first.as_chunks_mut::<IMAGES>();
                let (vs, v) = second.as_chunks_mut::<IMAGES>();
                for ((w, g), (m, v)) in ws.iter_mut().zip(gs).zip(ms.iter_mut().zip(vs)) {
                    step(w, g, m, v);
                }
                step(w, g, m, v);
            }
        }
        Change {
            before: totals.before.iter().sum(),
            change: totals.change.iter().sum(),
            largest: totals.largest.map(|largest| largest.into_iter().fold(0.0, f32::max)),
            is_finite: totals.unsound.iter().all(|x| *x == 0.0),
        }
    }
}

struct Measure<'a> {
    values: &'a [f32],
}

impl Kernel for Measure<'_> {
    type Output = Sums;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> Sums {
        Sums::of(self.values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::kernels::samples::numbers;

    /// One number's update by the rule's definition, in f64.
    fn naive(rule: Rule, w: f32, g: f32, memory: [f32; 2]) -> (f64, [f64; 2]) {
        let ([w, g], [first, second]) = ([w, g].map(f64::from), memory.map(f64::from));
        match rule {
            Rule::Sgd { learning_rate, momentum, decay } => {
                let v = f64::from(momentum) * first + g + f64::from(decay) * w;
                (w - f64::from(learning_rate) * v, [v, second])
            }
            Rule::Adam { learning_rate, betas, epsilon, decay, decoupled, corrections } => {
                let g = g + f64::from(decay) * w;
                let [b, c] = betas.map(f64::from);
                let (m, v) = (b * first + (1.0 - b) * g, c * second + (1.0 - c) * g * g);
                let [m_hat, v_hat] = [m * f64::from(corrections[0]), v * f64::from(corrections[1])];
                let step = f64::from(learning_rate) * m_hat / (v_hat.sqrt() + f64::from(epsilon));
                (w - step - f64::from(decoupled) * w, [m, v])
            }
        }
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let sgd = (1e-3_f32..1.0, 0.0_f32..0.99, 0.0_f32..1e-2)
            .prop_map(|(learning_rate, momentum, decay)| Rule::Sgd { learning_rate, momentum, decay });
        let adam = (1e-4_f32..1e-1, 0.5_f32..0.99, 0.9_f32..0.999, 0.0_f32..1e-2, 0.0_f32..1e-2, 1..50_i32);
        let adam = adam.prop_map(|(learning_rate, b, c, decay, decoupled, updates)| Rule::Adam {
            learning_rate,
            betas: [b, c],
            epsilon: 1e-8,
            decay,
            decoupled,
            corrections: [b, c].map(|beta| (1.0 - beta.powi(updates)).recip()),
        });
        prop_oneof![sgd, adam]
    }

    proptest! {
        #[test]
        fn updates_are_their_definition_in_the_same_bits_on_every_set(
            rule in rules(),
            length in 1..70_usize,
            seed: u64,
        ) {
            let (start, g) = (numbers(length, seed), numbers(length, seed ^ 1));
            let first = numbers(length, seed ^ 2);
            let second: Vec<f32> = numbers(length, seed ^ 3).iter().map(|x| x * x).collect();
            let mut results = Vec::new();
            for set in InstructionSet::available() {
                let (mut w, mut m, mut v) = (start.clone(), first.clone(), second.clone());
                let change = update(set, rule, &mut w, &g, [&mut m, &mut v]);
                let close = |ours: f32, exact: f64| (f64::from(ours) - exact).abs() <= 1e-5 * exact.abs().max(1.0);
                for i in 0..length {
                    let (to, memory) = naive(rule, start[i], g[i], [first[i], second[i]]);
                    prop_assert!(close(w[i], to), "{} {to}", w[i]);
                    prop_assert!(close(m[i], memory[0]) && close(v[i], memory[1]));
                }
                let square = |x: f64| x * x;
                let before: f64 = start.iter().map(|&x| square(f64::from(x))).sum();
                let moved: f64 = start.iter().zip(&w).map(|(&a, &b)| square(f64::from(b) - f64::from(a))).sum();
                prop_assert!((change.before - before).abs() <= 1e-12 * before);
                prop_assert!((change.change - moved).abs() <= 1e-12 * moved);
                prop_assert!(change.is_finite);
                let largest = |numbers: &[f32]| numbers.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
                prop_assert_eq!(change.largest, [largest(&start), largest(&g)]);
                let sums = sums(set, &g);
                prop_assert!((sums.sum - g.iter().map(|&x| f64::from(x)).sum::<f64>()).abs() < 1e-9);
                prop_assert_eq!(sums.count, length as u64);
                results.push((w, m, v, sums));
            }
            prop_assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
        }

        #[test]
        fn a_number_that_is_not_finite_shows(length in 1..70_usize, at: prop::sample::Index, infinite: bool) {
            for set in InstructionSet::available() {
                let (mut w, mut g, mut v) = (vec![1.0; length], vec![0.5; length], vec![0.0; length]);
                g[at.index(length)] = if infinite { f32::INFINITY } else { f32::NAN };
                let rule = Rule::Sgd { learning_rate: 0.1, momentum: 0.9, decay: 0.0 };
                prop_assert!(!sums(set, &g).sum.is_finite());
                prop_assert!(!update(set, rule, &mut w, &g, [&mut v, &mut []]).is_finite);
            }
        }
    }
}
