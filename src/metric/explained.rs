//! What the metrics of this program mean: how each is computed, what is normal, and where it is described. The
//! declaration has the rest: what it is in a line, over which axes, in which unit. `docs/METRICS.md` names the same
//! sources.

use super::Metric;
use super::{known, probed};

/// What there is to know of a metric besides its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// How it is computed.
    pub how: &'static str,
    /// What is normal, or what a value says.
    pub normal: &'static str,
    /// Where it is described; empty where it is nobody's in particular.
    pub source: &'static str,
}

/// The explanation of a metric of this program; none for those of others, which have only their declaration.
pub fn explanation(metric: Metric) -> Option<&'static Explanation> {
    ALL.iter().find(|(other, _)| *other == metric).map(|(_, explanation)| explanation)
}

const fn of(metric: Metric, how: &'static str, normal: &'static str) -> (Metric, Explanation) {
    (metric, Explanation { how, normal, source: "" })
}

const fn by(
    metric: Metric,
    how: &'static str,
    normal: &'static str,
    source: &'static str,
) -> (Metric, Explanation) {
    (metric, Explanation { how, normal, source })
}

const BATCH: &str = "The mean over the examples of the step's batch, with the weights before the update and batch norm \
                     normalising by the batch itself.";
const EVALUATED: &str = "Of the first training examples, as many as `evaluate_images` says, between two steps. Batch norm \
                         normalises by running averages of earlier batches, as a deployed network does.";
const EVALUATED_BY_BATCH: &str = "Of the same training examples, but batch norm normalises by the batch at hand, as in \
                                  training.";
const TESTED: &str = "Of the test examples, which are never trained on. Batch norm normalises by running averages of earlier batches.";
const TESTED_BY_BATCH: &str =
    "Of the same test examples, but batch norm normalises by the batch at hand, as in training.";
const LOSS: &str =
    "The natural logarithm of the number of classes is guessing (2.30 for ten); 0 is certain and right.";
const ERROR: &str = "1 less 1 over the number of classes is guessing (90 % for ten).";
const LAGS: &str = "If it is far above the same with batch statistics, the running averages lag behind the weights, not \
                    the network: usual after few steps or at a high learning rate.";
const LOWER: &str =
    "Usually a little below the same with running statistics; far below it, the running averages lag.";
const OUTPUT: &str = "Over all values of the layer's output in the step's batch: examples, channels and places, behind \
                      addition and ReLU, if the layer has them.";
const GRADIENT_TO_OUTPUT: &str =
    "Of the derivative of the batch's loss by the layer's output, over all values of the batch.";
const GRADIENT_TO_WEIGHTS: &str =
    "Of the derivative of the batch's loss by the layer's weights, before the update.";
const EVEN: &str = "About the same at all depths is healthy. In plain networks with ReLU and batch norm it grows by 1.21 \
                    per layer toward the input at initialisation; with shortcuts it stays nearly level.";
const INTACT: &str = "Of the probe's fixed examples, with nothing left out: what the other numbers of the probe are \
                      compared with.";

const ALL: &[(Metric, Explanation)] = &[
    of(known::LOSS, BATCH, LOSS),
    of(known::ERROR, BATCH, ERROR),
    of(
        known::LEARNING_RATE,
        "That of the schedule at the step, times what was ordered while training.",
        "Depends on optimiser and network; the update ratio tells whether it fits.",
    ),
    of(known::TRAIN_LOSS, EVALUATED, LAGS),
    of(known::TRAIN_ERROR, EVALUATED, LAGS),
    of(known::TRAIN_BATCH_LOSS, EVALUATED_BY_BATCH, LOWER),
    of(known::TRAIN_BATCH_ERROR, EVALUATED_BY_BATCH, LOWER),
    of(known::TEST_LOSS, TESTED, "Above the training loss. Rising while that falls is overfitting."),
    of(known::TEST_ERROR, TESTED, "Above the training error. The difference is what does not generalise."),
    of(known::TEST_BATCH_LOSS, TESTED_BY_BATCH, LOWER),
    of(known::TEST_BATCH_ERROR, TESTED_BY_BATCH, LOWER),
    of(known::ACTIVATION_MEAN, OUTPUT, "Above 0 behind ReLU; about 0 where nothing is cut off."),
    of(
        known::ACTIVATION_STD,
        OUTPUT,
        "Of the same order at all depths. Shrinking or growing from layer to layer is a signal that vanishes or explodes.",
    ),
    of(known::ACTIVATION_RMS, OUTPUT, "Of the same order at all depths, as the standard deviation."),
    of(known::ACTIVATION_MIN, OUTPUT, "0 behind ReLU."),
    of(
        known::ACTIVATION_MAX,
        OUTPUT,
        "A few times the root mean square; far above it, single values dominate.",
    ),
    of(known::ZERO_RATE, OUTPUT, "About 50 % behind ReLU, 0 % without it. 100 % is a dead layer."),
    of(
        known::DEAD_UNITS,
        "A channel counts as dead if it is exactly zero at all places of all examples of the batch.",
        "0 %. A dead channel passes no gradient, so it rarely recovers.",
    ),
    of(known::ACTIVATION_NON_FINITE, OUTPUT, "0. Anything else is the end of the lane."),
    by(
        known::RESPONSE_STD,
        "Of the layer's response: behind batch norm, before addition and ReLU.",
        "Smaller in residual networks than in plain ones, and the smaller the deeper: each layer changes less.",
        "He et al. 2015, figure 7",
    ),
    of(known::OUTPUT_GRADIENT_NORM, GRADIENT_TO_OUTPUT, EVEN),
    of(known::OUTPUT_GRADIENT_MEAN, GRADIENT_TO_OUTPUT, "Close to 0, compared with the standard deviation."),
    of(known::OUTPUT_GRADIENT_STD, GRADIENT_TO_OUTPUT, EVEN),
    by(known::WEIGHT_GRADIENT_NORM, GRADIENT_TO_WEIGHTS, EVEN, "Yang et al. 2019, theorem 8"),
    of(known::WEIGHT_GRADIENT_MEAN, GRADIENT_TO_WEIGHTS, "Close to 0, compared with the standard deviation."),
    of(known::WEIGHT_GRADIENT_STD, GRADIENT_TO_WEIGHTS, EVEN),
    of(known::WEIGHT_GRADIENT_NON_FINITE, GRADIENT_TO_WEIGHTS, "0. Anything else is the end of the lane."),
    of(
        known::WEIGHT_NORM,
        "The root of the sum of squares of the layer's weights, before the update.",
        "Changes slowly. Weights in front of a batch norm grow until weight decay balances it.",
    ),
    of(
        known::UPDATE_RATIO,
        "L2 norm of the change that the step makes to the layer's weights, weight decay included, over the norm of the \
         weights before it.",
        "About 1e-3. Above 3e-2 weights change erratically; below 1e-5 they hardly change, as is right at the end of a \
         schedule. 0 in a frozen layer.",
    ),
    of(
        known::WEIGHT_MAX,
        "Over the layer's weights, before the update.",
        "A few times the root mean square.",
    ),
    of(
        known::WEIGHT_GRADIENT_MAX,
        GRADIENT_TO_WEIGHTS,
        "A few times the root mean square; far above it, single examples dominate.",
    ),
    by(
        known::EFFECTIVE_RANK,
        "The exponential of the entropy of the normalised eigenvalues of the covariance of the layer's units, over their \
         number; of a sample of the batch's rows, as rare as histograms.",
        "100 % if no direction is preferred; 1 over the units if there is only one. Of 64 units, rows without a \
         preferred direction give about 78 %.",
        "Roy and Vetterli 2007",
    ),
    of(
        known::BRANCH_RATIO,
        "Root mean square of the branch F over that of the shortcut h as it is added, over all values of the batch.",
        "About 1 or less. Far above it the block overwrites what came before; far below it the block is unused. With \
         post-activation 1.3 to 0.6 from the first block to the last of 9; falls with depth in pre-activation.",
    ),
    of(
        known::BRANCH_COSINE,
        "Sum of the products of F and h over the product of their norms, over all values of the batch.",
        "About 0 at initialisation. Below 0 the branch takes away from the stream, above 0 it reinforces it.",
    ),
    by(
        known::STREAM_GROWTH,
        "Root mean square of the block's output y over that of the shortcut h in it.",
        "1.41 (the root of 2) where F and h are independent and equally large; 1 keeps the stream level.",
        "Hanin and Rolnick 2018",
    ),
    of(
        known::BLOCK_SHARE,
        "Root mean square of the block's branch over that of the last block's output.",
        "1 over the root of the number of blocks, if all write the same and independently.",
    ),
    of(
        known::STREAM_RMS,
        "Root mean square of the block's output: of the residual stream, or of the signal of a plain network.",
        "Level in plain networks with batch norm. Behind l pre-activation blocks its square is about 1 + l; without a \
         norm 2^l, which is too much.",
    ),
    by(
        known::STREAM_GRADIENT_NORM,
        "L2 norm of the derivative of the batch's loss by the block's output.",
        "Grows by 1.21 per layer toward the input in plain networks with batch norm; nearly level with shortcuts.",
        "Yang et al. 2019, theorem 8",
    ),
    by(
        known::GATE,
        "The mean opening over the batch of a gate that is computed, or the trained number itself (`rezero`, `skipinit`, \
         `fixup`, `scalars`).",
        "As the architecture starts it: 0 for `rezero` and `skipinit`, where the block is the identity until it is learned.",
        "Srivastava et al. 2015; Bachlechner et al. 2020; De and Smith 2020",
    ),
    of(known::EMBEDDING_GATE, "The trained number itself.", "0.1 at the start."),
    by(
        known::MIXING_ROW_SUM,
        "Of the product of a hyper-connection's mixing matrices from the first block to this one; the mean over tokens \
         where matrices depend on the token.",
        "1, and it stays so where the matrices are doubly stochastic. Above 1 the forward pass may amplify a stream.",
        "Xie et al. 2025, section 3",
    ),
    by(
        known::MIXING_COLUMN_SUM,
        "Of the product of a hyper-connection's mixing matrices from the first block to this one.",
        "1, and it stays so where the matrices are doubly stochastic. Above 1 the backward pass may amplify a gradient.",
        "Xie et al. 2025, section 3",
    ),
    by(
        known::TOKEN_COSINE,
        "The mean over pairs of different tokens of a sequence, and over the sequences of the batch, behind the block.",
        "Well below 1. At 1 all tokens have become equal: rank collapse.",
        "Dong et al. 2021",
    ),
    of(
        known::ATTENTION_ENTROPY,
        "The entropy of the weights with which a token attends to others, in the mean over tokens and sequences.",
        "ln i at token i if nothing is preferred; 0 if one token gets everything.",
    ),
    of(
        known::ACTIVATIONS,
        "How many values of the layer's output lie in each power of two, by sign, with exact zeros apart.",
        "One hump; a spike at zero behind ReLU.",
    ),
    of(
        known::WEIGHT_GRADIENTS,
        "How many gradients to the layer's weights lie in each power of two, by sign.",
        "Two humps of the same shape, one of each sign.",
    ),
    of(
        known::WEIGHTS,
        "How many weights of the layer lie in each power of two, by sign, before the update.",
        "Two humps of the same shape, one of each sign.",
    ),
    of(probed::INTACT_LOSS, INTACT, LOSS),
    of(probed::INTACT_ERROR, INTACT, ERROR),
    by(
        probed::LESION_LOSS,
        "With the block's branch left out, so that the shortcut passes alone; a plain block passes its input. NaN where \
         that changes the shape.",
        "A little above the intact loss in residual networks; far above it in plain ones.",
        "Veit et al. 2016, section 4.1",
    ),
    by(
        probed::LESION_ERROR,
        "With the block's branch left out, so that the shortcut passes alone; a plain block passes its input. NaN where \
         that changes the shape.",
        "A little above the intact error in residual networks; near guessing in plain ones.",
        "Veit et al. 2016, section 4.1",
    ),
    by(
        probed::SWAP_ERROR,
        "With the block and the next one of the same shape in each other's place. NaN where there is none.",
        "A little above the intact error in residual networks; near guessing in plain ones.",
        "Veit et al. 2016, section 4.3",
    ),
    by(
        probed::LENS_LOSS,
        "Of the head on the block's output, passed on by the shortcuts of later blocks, whose branches are left out. NaN \
         where one of them cannot be.",
        "Falls from block to block: the prediction is formed gradually.",
        "nostalgebraist 2020",
    ),
    by(
        probed::LENS_ERROR,
        "Of the head on the block's output, passed on by the shortcuts of later blocks, whose branches are left out. NaN \
         where one of them cannot be.",
        "Falls from block to block: the prediction is formed gradually.",
        "nostalgebraist 2020",
    ),
    by(
        probed::PREDICTION_DEPTH,
        "The number of blocks after which an example's prediction is the last one and stays so, in the mean.",
        "Small for easy examples, the number of blocks for hard ones.",
        "Baldock et al. 2021, section 2",
    ),
    by(
        probed::PROBE_ERROR,
        "Ridge regression of the classes on the block's output, averaged over places, in closed form; trained on as many \
         training examples as it is tested on.",
        "Falls from block to block.",
        "Alain and Bengio 2016",
    ),
    by(
        probed::BLOCK_RANK,
        "The exponential of the entropy of the singular values of the block's output over their sum, with the mean of each \
         feature taken off.",
        "From 1 to the number of features.",
        "Roy and Vetterli 2007",
    ),
    by(
        probed::CKA,
        "Linear centred kernel alignment of the outputs of two blocks for the same examples.",
        "1 is equal up to rotation and scale. Neighbouring blocks are alike. It is not debiased: with more features than \
         examples, anything looks alike.",
        "Kornblith et al. 2019, section 3",
    ),
    by(
        probed::GRAM,
        "The products of the block's centred outputs for each two of the first 48 examples, over the norm of the matrix \
         that they form.",
        "Only to compute the alignment with the blocks of another lane.",
        "Kornblith et al. 2019, section 3",
    ),
    by(
        probed::CHANNEL_SQUARE_MEAN,
        "The square of the mean of each channel over examples and places, in the mean over channels.",
        "Close to 0 behind batch norm.",
        "Brock et al. 2021, section 3",
    ),
    by(
        probed::CHANNEL_VARIANCE,
        "The variance of each channel over examples and places, in the mean over channels.",
        "Behind l pre-activation blocks of linear layers 1 + 0.68 l at the start.",
        "Brock et al. 2021, section 3",
    ),
    by(
        probed::SURFACE_LINE,
        "At points along a random direction from the weights, of which each filter is as long as the network's.",
        "At 0 the loss. Smooth with shortcuts; rough in deep plain networks. A convex slice does not show that the loss is.",
        "Li et al. 2018, section 4",
    ),
    by(
        probed::SURFACE_LOSS,
        "At points of the plane of two random directions from the weights, of which each filter is as long as the \
         network's.",
        "In the middle the loss. Smooth with shortcuts; rough in deep plain networks.",
        "Li et al. 2018, section 4",
    ),
    by(
        probed::SURFACE_SHARPNESS,
        "The most by which the loss rises from the weights to a point next to them, over 1 plus the loss.",
        "Lower is flatter, for these directions only.",
        "Keskar et al. 2017, equation 4",
    ),
    by(
        probed::GRADIENT_NOISE_SCALE,
        "Trace of the covariance of an example's gradient over the squared norm of the gradient, from the two halves of \
         each batch.",
        "Batches far below it gain from more examples, batches far above it hardly. Grows while training.",
        "McCandlish et al. 2018, equation 2.9",
    ),
    of(
        probed::HALF_BATCH_COSINE,
        "Between the gradients of two halves of a batch, with respect to all parameters, in the mean.",
        "1 is no noise, 0 nothing but noise.",
    ),
    by(
        probed::LAYER_HALF_BATCH_COSINE,
        "Between the gradients of two halves of a batch to the layer's weights, in the mean.",
        "Near 0 in early layers only, gradients are shattered.",
        "Balduzzi et al. 2017",
    ),
    by(
        probed::HESSIAN_EIGENVALUE,
        "By the method of Lanczos on differences of gradients of the probe's examples.",
        "Gradient descent is unstable above 2 over the learning rate, and tends to come close to it.",
        "Cohen et al. 2021",
    ),
    of(
        probed::HESSIAN_RESIDUAL,
        "Norm of H v - lambda v over lambda, for the last vector v.",
        "The smaller, the more exact is the eigenvalue.",
    ),
    of(
        probed::EXAMPLE_LABEL,
        "As the data set has it, of the probe's first examples.",
        "Classes are counted from 0; NaN where an example has no label.",
    ),
    of(
        probed::EXAMPLE_PREDICTION,
        "The class with the greatest score; batch norm normalises by running averages of earlier batches.",
        "Compare it with the label, and with what other lanes say of the same example.",
    ),
    of(
        probed::EXAMPLE_LOSS,
        "The negative logarithm of the probability that the network gives the example's class.",
        LOSS,
    ),
    of(
        probed::MISTAKE_EXAMPLE,
        "The probe's examples in the order of their loss, the greatest first.",
        "Examples that all lanes get wrong may be hard, or have a wrong label.",
    ),
    of(
        probed::MISTAKE_PICTURES,
        "Colour by colour and row by row, before standardisation.",
        "From 0 to 1; NaN of networks that take no images.",
    ),
    of(
        probed::MAPPED_PICTURE,
        "Colour by colour and row by row, before standardisation.",
        "From 0 to 1; NaN of networks that take no images.",
    ),
    of(
        probed::FEATURE_MAPS,
        "The first channels of the block's output for the first example, behind its addition and ReLU.",
        "Behind ReLU none is below 0; a map that is 0 everywhere found nothing in this example.",
    ),
    of(
        probed::FILTERS,
        "Of the first 3x3 convolution as they are, the input channels fastest.",
        "Of either sign; at initialisation they are noise, and trained ones of natural images tend to be edges and blobs.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> String {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md")).unwrap()
    }

    #[test]
    fn every_metric_of_this_program_is_explained_once() {
        let all: Vec<Metric> = known::ALL.iter().chain(probed::ALL).copied().collect();
        assert_eq!(ALL.iter().map(|(metric, _)| *metric).collect::<Vec<_>>(), all);
        for (metric, Explanation { how, normal, .. }) in ALL {
            assert!(how.ends_with('.') && normal.ends_with('.'), "{metric}: {how} {normal}");
        }
    }

    #[test]
    fn the_documents_have_a_row_for_every_metric_with_the_same_sources() {
        let text = documented();
        for (metric, Explanation { source, .. }) in ALL {
            let name = format!("`{metric}`");
            let row = text.lines().find(|line| line.starts_with('|') && line.contains(&name));
            let row = row.unwrap_or_else(|| panic!("docs/METRICS.md has no row for {metric}"));
            // Punctuation and links aside, each source is named by its authors and its year.
            let words = |text: &str| {
                text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>()
            };
            for source in source.split(';').filter(|source| !source.is_empty()) {
                let authors = source.split_whitespace().next().unwrap_or_default();
                let year = source.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 4);
                let has = |word: &str| words(row).iter().any(|other| other == word);
                assert!(
                    has(authors) && year.is_some_and(has),
                    "docs/METRICS.md does not name {source} for {metric}"
                );
            }
        }
    }
}
