//! The coefficients of hyper-connections: numbers of the layer, or functions of the token (Zhu et al. 2024, equations 10
//! to 13), or doubly stochastic ones (mHC, Xie et al. 2025, equations 7 to 9).

use std::rc::Rc;

use super::linear::Rows;
use super::streams::coefficients;
use crate::nn::kernels::bundle::{IMAGES, Shape};
use crate::nn::kernels::layer_norm::{Gradient, RowStatistics, layer_norm, layer_norm_gradient};
use crate::nn::kernels::row_sums::fold;
use crate::nn::ops::Context;
use crate::nn::ops::activation::Activation;
use crate::nn::ops::parameter::AnyParameter;

/// The parameters of a hyper-connection, by the names of the paper's algorithm 2.
#[derive(Clone)]
pub struct Hyper {
    /// `[streams][streams + 1]`: from each stream to the branch, and to each stream.
    pub alpha: Rc<dyn AnyParameter>,
    /// `[streams]`: from the branch to each stream.
    pub beta: Rc<dyn AnyParameter>,
    /// What depends on the token, if anything does.
    pub dynamic: Option<Dynamic>,
}

/// The parameters of what depends on the token.
#[derive(Clone)]
pub struct Dynamic {
    /// `[features][streams + 1]`.
    pub alpha_fn: Rc<dyn AnyParameter>,
    /// `[features]`.
    pub beta_fn: Rc<dyn AnyParameter>,
    /// One number.
    pub alpha_scale: Rc<dyn AnyParameter>,
    /// One number.
    pub beta_scale: Rc<dyn AnyParameter>,
    /// Scale and shift of the layer norm of each stream.
    pub norm: [Rc<dyn AnyParameter>; 2],
}

/// The parameters of a manifold-constrained hyper-connection.
#[derive(Clone)]
pub struct Manifold {
    /// `[streams (streams + 2)][streams features]`.
    pub function: Rc<dyn AnyParameter>,
    /// `[streams (streams + 2)]`.
    pub base: Rc<dyn AnyParameter>,
    /// Three numbers: of the branch's input, its output, and from stream to stream.
    pub scale: Rc<dyn AnyParameter>,
}

/// The numbers of one token among 16.
fn row_of(vectors: &[f32], row: usize) -> Vec<f64> {
    vectors.iter().skip(row).step_by(IMAGES).map(|&x| f64::from(x)).collect()
}

/// The place of alpha `[from][to]` among the coefficients, where `to` 0 is the branch.
fn place(streams: usize, from: usize, to: usize) -> usize {
    if to == 0 { from } else { streams + from * streams + to - 1 }
}

/// The coefficients of a hyper-connection for the streams `x`.
pub fn hyper(x: &Rows, parameters: &Hyper, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(x.activation());
    let (set, features) = (context.instructions, x.shape.channels / streams);
    let shape = Shape::new(1, 1, coefficients(streams));
    let mut c = context.buffers.take(x.layout.bundles() * shape.bundle());
    let (alpha, beta) = (parameters.alpha.values().to_vec(), parameters.beta.values().to_vec());
    for c in c.chunks_exact_mut(shape.bundle()) {
        for from in 0..streams {
            for to in 0..=streams {
                let value = alpha[from * (streams + 1) + to];
                c[place(streams, from, to) * IMAGES..][..IMAGES].fill(value);
            }
            c[(streams * (streams + 1) + from) * IMAGES..][..IMAGES].fill(beta[from]);
        }
    }
    // Of each bundle and stream: the normalised features, their statistics, and what tanh is taken of.
    let mut kept: Vec<(Vec<f32>, RowStatistics, Vec<f32>)> = Vec::new();
    if let Some(dynamic) = &parameters.dynamic {
        let functions = dynamic.functions(streams);
        let scales = dynamic.scales();
        let [gamma, beta] = dynamic.norm.each_ref().map(|parameter| parameter.values().to_vec());
        let values = x.kept();
        for (c, x) in c.chunks_exact_mut(shape.bundle()).zip(values.chunks_exact(x.shape.bundle())) {
            for (from, x) in x.chunks_exact(features * IMAGES).enumerate() {
                let mut normal = vec![0.0; x.len()];
                let statistics = layer_norm(set, [&gamma, &beta], x, &mut normal);
                let mut tanh = vec![0.0; (streams + 2) * IMAGES];
                for (to, tanh) in tanh.chunks_exact_mut(IMAGES).enumerate() {
                    for (function, normal) in functions[to].iter().zip(normal.chunks_exact(IMAGES)) {
                        tanh.iter_mut().zip(normal).for_each(|(sum, x)| *sum += function * x);
                    }
                    tanh.iter_mut().for_each(|sum| *sum = sum.tanh());
                    let scale = scales[usize::from(to > streams)];
                    let at =
                        if to > streams { streams * (streams + 1) + from } else { place(streams, from, to) };
                    let c = &mut c[at * IMAGES..][..IMAGES];
                    c.iter_mut().zip(&*tanh).for_each(|(c, tanh)| *c += scale * tanh);
                }
                kept.push((normal, statistics, tanh));
            }
        }
    }
    let c = Rc::new(Activation::in_memory(shape, x.layout, c, true));

    let (output, parameters, context) = (Rc::clone(&c), parameters.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dc) = output.left(&context) else { return Ok(()) };
        let layout = output.layout;
        let (mut of_alpha, mut of_beta) = (vec![0.0_f64; alpha.len()], vec![0.0_f64; beta.len()]);
        for (bundle, dc) in dc.chunks_exact(shape.bundle()).enumerate() {
            let valid = layout.valid(bundle);
            let sum = |at: usize| dc[at * IMAGES..][..valid].iter().map(|&x| f64::from(x)).sum::<f64>();
            for from in 0..streams {
                for to in 0..=streams {
                    of_alpha[from * (streams + 1) + to] += sum(place(streams, from, to));
                }
                of_beta[from] += sum(streams * (streams + 1) + from);
            }
        }
        add(parameters.alpha.gradient(gradients)?, &of_alpha);
        add(parameters.beta.gradient(gradients)?, &of_beta);
        let Some(dynamic) = &parameters.dynamic else { return Ok(()) };
        let (functions, scales) = (dynamic.functions(streams), dynamic.scales());
        let gamma = dynamic.norm[0].values().to_vec();
        let mut of_functions = vec![vec![0.0_f64; features]; streams + 2];
        let mut of_scales = [0.0_f64; 2];
        let mut of_norm = vec![[[0.0_f32; IMAGES]; 2]; features];
        let mut dx = context.buffers.take(x.len());
        {
            let values = x.kept();
            let bundles = dx.chunks_exact_mut(x.shape.bundle()).zip(values.chunks_exact(x.shape.bundle()));
            let bundles = bundles.zip(dc.chunks_exact(shape.bundle())).enumerate();
            let mut kept = kept.iter();
            for (bundle, ((dx, x), dc)) in bundles {
                let valid = layout.valid(bundle);
                let of_streams =
                    dx.chunks_exact_mut(features * IMAGES).zip(x.chunks_exact(features * IMAGES));
                for (from, (dx, x)) in of_streams.enumerate() {
                    let Some((normal, statistics, tanh)) = kept.next() else { continue };
                    let mut of_normal = vec![0.0_f32; normal.len()];
                    for to in 0..streams + 2 {
                        let which = usize::from(to > streams);
                        let at = if to > streams {
                            streams * (streams + 1) + from
                        } else {
                            place(streams, from, to)
                        };
                        let (dc, tanh) = (&dc[at * IMAGES..][..IMAGES], &tanh[to * IMAGES..][..IMAGES]);
                        let mut slope = [0.0_f32; IMAGES];
                        for row in 0..valid {
                            of_scales[which] += f64::from(dc[row] * tanh[row]);
                            slope[row] = scales[which] * dc[row] * (1.0 - tanh[row] * tanh[row]);
                        }
                        let numbers = functions[to].iter().zip(&mut of_functions[to]);
                        let numbers =
                            numbers.zip(normal.chunks_exact(IMAGES).zip(of_normal.chunks_exact_mut(IMAGES)));
                        for ((function, of_function), (normal, of_normal)) in numbers {
                            for row in 0..IMAGES {
                                *of_function += f64::from(slope[row] * normal[row]);
                                of_normal[row] += slope[row] * function;
                            }
                        }
                    }
                    let to = Gradient::Written(dx);
                    layer_norm_gradient(set, &gamma, x, statistics, &of_normal, valid, to, &mut of_norm);
                }
            }
        }
        let alpha_fn = dynamic.alpha_fn.gradient(gradients)?;
        for (to, of_function) in of_functions[..=streams].iter().enumerate() {
            let places = alpha_fn[to..].iter_mut().step_by(streams + 1);
            places.zip(of_function).for_each(|(to, sum)| *to += *sum as f32);
        }
        add(dynamic.beta_fn.gradient(gradients)?, &of_functions[streams + 1]);
        dynamic.alpha_scale.gradient(gradients)?[0] += of_scales[0] as f32;
        dynamic.beta_scale.gradient(gradients)?[0] += of_scales[1] as f32;
        for (which, parameter) in dynamic.norm.iter().enumerate() {
            let sums: Vec<f64> = of_norm.iter().map(|of_feature| fold(&of_feature[which])).collect();
            add(parameter.gradient(gradients)?, &sums);
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Rows::of(c)
}

fn add(gradient: &mut [f32], sums: &[f64]) {
    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += *sum as f32);
}

impl Dynamic {
    /// The functions of a stream's features: to the branch, to each stream, and from the branch.
    fn functions(&self, streams: usize) -> Vec<Vec<f32>> {
        let alpha = self.alpha_fn.values();
        let column = |to: usize| alpha[to..].iter().step_by(streams + 1).copied().collect();
        (0..=streams).map(column).chain([self.beta_fn.values().to_vec()]).collect()
    }

    /// Of alpha and of beta.
    fn scales(&self) -> [f32; 2] {
        [&self.alpha_scale, &self.beta_scale].map(|scale| scale.values()[0])
    }
}

/// Added to the mean square under the root.
const EPSILON: f64 = 1e-6;
/// Times that columns and then rows are divided by their sums.
const ROUNDS: usize = 20;

/// One token's coefficients, and what is needed to go back.
struct Token {
    /// The normalised streams.
    v: Vec<f64>,
    /// One over the root of the mean square of the streams.
    inverse: f64,
    /// `function v`.
    logits: Vec<f64>,
    /// Sigmoids for the branch's input and output.
    gates: [Vec<f64>; 2],
    /// The matrix before each division, columns and rows in turn, and at the end.
    matrices: Vec<Vec<f64>>,
}

impl Token {
    fn new(x: &[f64], function: &[f32], base: &[f32], scale: &[f32], streams: usize) -> Token {
        let square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let inverse = (square + EPSILON).sqrt().recip();
        let v: Vec<f64> = x.iter().map(|x| x * inverse).collect();
        let product = |row: &[f32]| row.iter().zip(&v).map(|(f, v)| f64::from(*f) * v).sum::<f64>();
        let logits: Vec<f64> = function.chunks_exact(v.len()).map(product).collect();
        let part = |which: usize, range: std::ops::Range<usize>| -> Vec<f64> {
            range.map(|at| f64::from(scale[which]) * logits[at] + f64::from(base[at])).collect()
        };
        let sigmoid = |a: Vec<f64>| -> Vec<f64> { a.iter().map(|a| (1.0 + (-a).exp()).recip()).collect() };
        let gates = [sigmoid(part(0, 0..streams)), sigmoid(part(1, streams..2 * streams))];
        let mut matrix: Vec<f64> = part(2, 2 * streams..logits.len()).iter().map(|r| r.exp()).collect();
        let mut matrices = vec![matrix.clone()];
        for round in 0..2 * ROUNDS {
            divide(&mut matrix, streams, round % 2 == 0);
            matrices.push(matrix.clone());
        }
        Token { v, inverse, logits, gates, matrices }
    }

    /// The coefficients: from stream j to stream i is row i and column j of the last matrix.
    fn coefficients(&self, streams: usize) -> Vec<f64> {
        let last = &self.matrices[2 * ROUNDS];
        let mut all = self.gates[0].clone();
        all.extend((0..streams * streams).map(|at| last[at % streams * streams + at / streams]));
        all.extend(self.gates[1].iter().map(|gate| 2.0 * gate));
        all
    }

    /// The gradients to what `function v` is scaled and shifted to, from those to the coefficients.
    fn to_arguments(&self, dc: &[f64], streams: usize) -> Vec<f64> {
        let slope = |gate: f64| gate * (1.0 - gate);
        let mut d: Vec<f64> = (0..streams).map(|at| dc[at] * slope(self.gates[0][at])).collect();
        let last = streams * (streams + 1);
        d.extend((0..streams).map(|at| 2.0 * dc[last + at] * slope(self.gates[1][at])));
        let mut of_matrix: Vec<f64> =
            (0..streams * streams).map(|at| dc[streams + at % streams * streams + at / streams]).collect();
        for round in (0..2 * ROUNDS).rev() {
            divide_back(&mut of_matrix, &self.matrices[round], streams, round % 2 == 0);
        }
        d.extend(of_matrix.iter().zip(&self.matrices[0]).map(|(d, exp)| d * exp));
        d
    }
}

/// The places of a row or a column of a square matrix.
fn line(streams: usize, at: usize, is_column: bool) -> impl Iterator<Item = usize> {
    (0..streams).map(move |other| if is_column { other * streams + at } else { at * streams + other })
}

/// Divides the columns or the rows by their sums.
fn divide(matrix: &mut [f64], streams: usize, columns: bool) {
    for at in 0..streams {
        let sum: f64 = line(streams, at, columns).map(|place| matrix[place]).sum();
        line(streams, at, columns).for_each(|place| matrix[place] /= sum);
    }
}

/// Turns the gradient to the divided matrix into that to the matrix before.
fn divide_back(gradient: &mut [f64], before: &[f64], streams: usize, columns: bool) {
    for at in 0..streams {
        let sum: f64 = line(streams, at, columns).map(|place| before[place]).sum();
        let along: f64 =
            line(streams, at, columns).map(|place| gradient[place] * before[place]).sum::<f64>() / sum;
        line(streams, at, columns).for_each(|place| gradient[place] = (gradient[place] - along) / sum);
    }
}

/// The coefficients of a manifold-constrained hyper-connection for the streams `x`: sigmoids for the branch, and a doubly
/// stochastic matrix from stream to stream.
pub fn manifold(x: &Rows, parameters: &Manifold, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(x.activation());
    let shape = Shape::new(1, 1, coefficients(streams));
    let mut c = context.buffers.take(x.layout.bundles() * shape.bundle());
    let numbers = [&parameters.function, &parameters.base, &parameters.scale].map(|p| p.values().to_vec());
    {
        let [function, base, scale] = &numbers;
        let values = x.kept();
        for (c, x) in c.chunks_exact_mut(shape.bundle()).zip(values.chunks_exact(x.shape.bundle())) {
            for row in 0..IMAGES {
                let token = Token::new(&row_of(x, row), function, base, scale, streams);
                let places = c[row..].iter_mut().step_by(IMAGES);
                places.zip(token.coefficients(streams)).for_each(|(to, value)| *to = value as f32);
            }
        }
    }
    let c = Rc::new(Activation::in_memory(shape, x.layout, c, true));

    let (output, parameters, context) = (Rc::clone(&c), parameters.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dc) = output.left(&context) else { return Ok(()) };
        let [function, base, scale] = &numbers;
        let (mut of_function, mut of_base) = (vec![0.0; function.len()], vec![0.0; base.len()]);
        let mut of_scale = [0.0; 3];
        let mut dx = context.buffers.take(x.len());
        {
            let values = x.kept();
            let bundles = dx.chunks_exact_mut(x.shape.bundle()).zip(values.chunks_exact(x.shape.bundle()));
            for (bundle, ((dx, x), dc)) in bundles.zip(dc.chunks_exact(shape.bundle())).enumerate() {
                dx.fill(0.0);
                for row in 0..output.layout.valid(bundle) {
                    let token = Token::new(&row_of(x, row), function, base, scale, streams);
                    let arguments = token.to_arguments(&row_of(dc, row), streams);
                    let mut dv = vec![0.0; token.v.len()];
                    for (at, d) in arguments.iter().enumerate() {
                        let which = (at / streams).min(2);
                        of_base[at] += d;
                        of_scale[which] += d * token.logits[at];
                        let d = d * f64::from(scale[which]);
                        let functions = at * dv.len()..(at + 1) * dv.len();
                        for (i, place) in functions.enumerate() {
                            of_function[place] += d * token.v[i];
                            dv[i] += d * f64::from(function[place]);
                        }
                    }
                    // v = x / sqrt(mean(x^2) + epsilon).
                    let along = dv.iter().zip(&token.v).map(|(d, v)| d * v).sum::<f64>() / dv.len() as f64;
                    let numbers = dv.iter().zip(&token.v).map(|(d, v)| token.inverse * (d - along * v));
                    dx[row..].iter_mut().step_by(IMAGES).zip(numbers).for_each(|(to, d)| *to = d as f32);
                }
            }
        }
        add(parameters.function.gradient(gradients)?, &of_function);
        add(parameters.base.gradient(gradients)?, &of_base);
        add(parameters.scale.gradient(gradients)?, &of_scale);
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Rows::of(c)
}
