//! The metrics that this program computes, or knows more about than their declarations say, one a line. Views, health
//! rules and comparisons made for one of them refer to its constant here.

use super::{Better, Declaration, Metric, Scale};

known! {
    /// Mean cross-entropy of a step's batch before the update, in nats.
    LOSS = "loss" over [] in "nats", Linear, Lower, "mean cross-entropy of the batch, before the update";
    /// Share of a step's batch classified wrongly before the update, with batch statistics, 0 to 1.
    ERROR = "error" over [] in "share", Linear, Lower, "share of the batch classified wrongly, before the update";
    /// The learning rate of the update.
    LEARNING_RATE = "learning_rate" over [] in "", Log, None, "the learning rate of the update";
    /// Loss on the first training examples, with running statistics.
    TRAIN_LOSS = "train_loss" over [] in "nats", Linear, Lower, "mean cross-entropy on training examples, running statistics";
    /// Error on the first training examples, with running statistics.
    TRAIN_ERROR = "train_error" over [] in "share", Linear, Lower, "share of training examples classified wrongly, running statistics";
    /// Loss on the first training examples, with the statistics of each batch.
    TRAIN_BATCH_LOSS = "train_batch_loss" over [] in "nats", Linear, Lower, "mean cross-entropy on training examples, batch statistics";
    /// Error on the first training examples, with the statistics of each batch.
    TRAIN_BATCH_ERROR = "train_batch_error" over [] in "share", Linear, Lower, "share of training examples classified wrongly, batch statistics";
    /// Loss on the test examples, with running statistics.
    TEST_LOSS = "test_loss" over [] in "nats", Linear, Lower, "mean cross-entropy on test examples, running statistics";
    /// Error on the test examples, with running statistics.
    TEST_ERROR = "test_error" over [] in "share", Linear, Lower, "share of test examples classified wrongly, running statistics";
    /// Loss on the test examples, with the statistics of each batch.
    TEST_BATCH_LOSS = "test_batch_loss" over [] in "nats", Linear, Lower, "mean cross-entropy on test examples, batch statistics";
    /// Error on the test examples, with the statistics of each batch.
    TEST_BATCH_ERROR = "test_batch_error" over [] in "share", Linear, Lower, "share of test examples classified wrongly, batch statistics";

    /// Mean of the layer's output.
    ACTIVATION_MEAN = "activation_mean" over ["layer"] in "", Signed, None, "mean of the layer's output, after ReLU";
    /// Standard deviation (population) of the layer's output.
    ACTIVATION_STD = "activation_std" over ["layer"] in "", Log, None, "standard deviation of the layer's output, after ReLU";
    /// Root mean square of the layer's output.
    ACTIVATION_RMS = "activation_rms" over ["layer"] in "", Log, None, "root mean square of the layer's output, after ReLU";
    /// Smallest finite value of the layer's output.
    ACTIVATION_MIN = "activation_min" over ["layer"] in "", Signed, None, "smallest finite value of the layer's output";
    /// Largest finite value of the layer's output.
    ACTIVATION_MAX = "activation_max" over ["layer"] in "", Signed, None, "largest finite value of the layer's output";
    /// Share of the layer's output that is exactly zero, 0 to 1.
    ZERO_RATE = "zero_rate" over ["layer"] in "share", Linear, None, "share of outputs that are exactly zero; about 0.5 is normal after ReLU";
    /// Share of output channels that are zero everywhere for every sample of the batch, 0 to 1.
    DEAD_UNITS = "dead_units" over ["layer"] in "share", Linear, Lower, "share of channels that are zero for every sample of the batch";
    /// Number of non-finite values in the layer's output.
    ACTIVATION_NON_FINITE = "activation_non_finite" over ["layer"] in "values", Linear, Lower, "count of NaN and infinite outputs";
    /// Standard deviation of the layer's response: after batch norm, before ReLU and addition
    /// (He et al. 2015, figure 7).
    RESPONSE_STD = "response_std" over ["layer"] in "", Log, None, "standard deviation of the response, before ReLU and addition (He 2015, fig. 7)";
    /// L2 norm of the loss's gradient with respect to the layer's output.
    OUTPUT_GRADIENT_NORM = "output_gradient_norm" over ["layer"] in "", Log, None, "L2 norm of the gradient to the layer's output";
    /// Mean of the loss's gradient with respect to the layer's output.
    OUTPUT_GRADIENT_MEAN = "output_gradient_mean" over ["layer"] in "", Signed, None, "mean of the gradient to the layer's output";
    /// Standard deviation of the loss's gradient with respect to the layer's output.
    OUTPUT_GRADIENT_STD = "output_gradient_std" over ["layer"] in "", Log, None, "std of the gradient to the layer's output";
    /// L2 norm of the loss's gradient with respect to the layer's weights.
    WEIGHT_GRADIENT_NORM = "weight_gradient_norm" over ["layer"] in "", Log, None, "L2 norm of the gradient to the layer's weights";
    /// Mean of the loss's gradient with respect to the layer's weights.
    WEIGHT_GRADIENT_MEAN = "weight_gradient_mean" over ["layer"] in "", Signed, None, "mean of the gradient to the layer's weights";
    /// Standard deviation of the loss's gradient with respect to the layer's weights.
    WEIGHT_GRADIENT_STD = "weight_gradient_std" over ["layer"] in "", Log, None, "std of the gradient to the layer's weights";
    /// Number of non-finite values in the gradient with respect to the layer's weights.
    WEIGHT_GRADIENT_NON_FINITE = "weight_gradient_non_finite" over ["layer"] in "values", Linear, Lower, "count of NaN and infinite weight gradients";
    /// L2 norm of the layer's weights, before the step's update.
    WEIGHT_NORM = "weight_norm" over ["layer"] in "", Log, None, "L2 norm of the layer's weights before the update";
    /// L2 norm of the step's update over the L2 norm of the weights before it.
    UPDATE_RATIO = "update_ratio" over ["layer"] in "", Log, None, "|dw| / |w| of the step; around 1e-3 is healthy";
    /// Largest absolute weight of the layer, before the step's update.
    WEIGHT_MAX = "weight_max" over ["layer"] in "", Log, None, "largest absolute weight of the layer before the update";
    /// Largest absolute gradient of the loss with respect to one of the layer's weights.
    WEIGHT_GRADIENT_MAX = "weight_gradient_max" over ["layer"] in "", Log, None, "largest absolute gradient to one of the layer's weights";
    /// Effective rank of the layer's output over its number of units: the exponential of the entropy of the normalised
    /// eigenvalues of the covariance of its units (Roy and Vetterli 2007), 1 / units to 1. As rare as histograms, and of a
    /// sample of the batch (`nn::kernels::spectrum`).
    EFFECTIVE_RANK = "effective_rank" over ["layer"] in "share", Linear, None, "exp of the entropy of the output's covariance spectrum, over the number of units";

    /// rms(F) / rms(h): the residual branch against the shortcut, at the addition.
    BRANCH_RATIO = "branch_ratio" over ["block"] in "", Log, None, "size of the branch over that of the shortcut: rms(F) / rms(h)";
    /// cos(F, h): the angle between residual branch and shortcut, at the addition.
    BRANCH_COSINE = "branch_cosine" over ["block"] in "", Signed, None, "alignment of branch and shortcut: cos(F, h), -1 to 1";
    /// rms(y) / rms(h): the block's output against the shortcut in it. About sqrt(2) where branch and shortcut are
    /// independent and equally large, so that the mean square doubles with each block (Hanin and Rolnick 2018).
    STREAM_GROWTH = "stream_growth" over ["block"] in "", Log, None, "rms of the block's output over that of the shortcut it was added to";
    /// rms(F) over the root mean square of the last block's output: how much of what leaves the blocks this branch wrote,
    /// if later ones only add to it.
    BLOCK_SHARE = "block_share" over ["block"] in "", Log, None, "rms of the block's branch over that of the last block's output";
    /// Root mean square of the block's output: of the residual stream behind the addition.
    STREAM_RMS = "stream_rms" over ["block"] in "", Log, None, "root mean square of the block's output: the residual stream";
    /// L2 norm of the loss's gradient with respect to the block's output.
    STREAM_GRADIENT_NORM = "stream_gradient_norm" over ["block"] in "", Log, None, "L2 norm of the gradient to the block's output";
    /// Mean opening of the block's gate (Srivastava et al. 2015), or the value of a trained number by which its branch is
    /// multiplied (Bachlechner et al. 2020, De and Smith 2020), or by which the input of its layer is, where the embedding
    /// is added to that.
    GATE = "gate" over ["block"] in "", Signed, None, "mean opening of the gate, or the trained number that the branch, or the layer's input, is multiplied by";
    /// The value of a trained number by which the embedding is multiplied where it is added to the input of the block's
    /// layer.
    EMBEDDING_GATE = "embedding_gate" over ["block"] in "", Signed, None, "the trained number that the embedding is multiplied by where it is added to the layer's input";
    /// Largest sum of a row's absolute values, of the product of a hyper-connection's mixing matrices up to this block: how
    /// much the forward pass can amplify a stream (Xie et al. 2025, section 3, arXiv 2512.24880). Where matrices depend on
    /// the token, the mean over all tokens. 1 where they are doubly stochastic.
    MIXING_ROW_SUM = "mixing_row_sum" over ["block"] in "", Log, None, "largest absolute row sum of the mixing matrices' product up to this block; 1 preserves the stream";
    /// The same of columns: how much the backward pass can amplify a gradient.
    MIXING_COLUMN_SUM = "mixing_column_sum" over ["block"] in "", Log, None, "largest absolute column sum of the mixing matrices' product up to this block; 1 preserves gradients";
    /// Mean cosine between two different tokens of a sequence, behind the block: 1 if all have become equal (Dong et al.
    /// 2021, arXiv 2103.03404). Of several streams, between the tokens with all of their streams.
    TOKEN_COSINE = "token_cosine" over ["block"] in "", Linear, None, "mean cosine between the tokens of a sequence behind the block; 1 is rank collapse";
    /// Mean entropy of a head's attention over the tokens it may attend to, in nats: 0 if it attends to one.
    ATTENTION_ENTROPY = "attention_entropy" over ["block", "head"] in "nats", Linear, None, "mean entropy of the head's attention; 0 is attention to a single token";

    /// The layer's output by signed powers of two.
    ACTIVATIONS = "activations" over ["layer", "bin"] in "values", Linear, None, "the layer's output";
    /// The gradient with respect to the layer's weights by signed powers of two.
    WEIGHT_GRADIENTS = "weight_gradients" over ["layer", "bin"] in "values", Linear, None, "the gradient to the layer's weights";
    /// The layer's weights by signed powers of two, before the update.
    WEIGHTS = "weights" over ["layer", "bin"] in "values", Linear, None, "the layer's weights before the update";
}

/// A known metric by its name.
pub fn by_name(name: &str) -> Option<Metric> {
    ALL.iter().copied().find(|metric| metric.name() == name)
}
