//! The metrics of probes: what is measured of a network besides its steps, one a line. They are declared by lanes whose
//! experiment has the probe.

use super::{Better, Declaration, Metric, Scale};

/// The axis of the blocks that every block is compared with.
pub const COMPARED: &str = "compared";
/// The axis of pairs of examples.
pub const PAIR: &str = "pair";
/// The axis along the first direction of a loss surface.
pub const ALPHA: &str = "alpha";
/// The axis along the second.
pub const BETA: &str = "beta";
/// The axis of a probe's examples.
pub const EXAMPLE: &str = "example";
/// The axis of the examples with the greatest loss.
pub const MISTAKE: &str = "mistake";
/// The axis of the channels of an image.
pub const COLOUR: &str = "colour";

/// What the probe of pictures measures, which only its own view draws.
pub const PICTURES: &[Metric] = &[
    EXAMPLE_LABEL,
    EXAMPLE_PREDICTION,
    EXAMPLE_LOSS,
    MISTAKE_EXAMPLE,
    MISTAKE_PICTURES,
    MAPPED_PICTURE,
    FEATURE_MAPS,
    FILTERS,
];

known! {
    /// Loss on the probe's examples, of the network as it is.
    INTACT_LOSS = "intact_loss" over [] in "nats", Linear, Lower, "mean cross-entropy on the probe's examples";
    /// Error on the probe's examples, of the network as it is.
    INTACT_ERROR = "intact_error" over [] in "share", Linear, Lower, "share of the probe's examples classified wrongly";
    /// Loss on the same examples without the block (Veit et al. 2016, section 4.1); NaN where it cannot be left out.
    LESION_LOSS = "lesion_loss" over ["block"] in "nats", Linear, None, "mean cross-entropy without the block's branch";
    /// Error on the same examples without the block.
    LESION_ERROR = "lesion_error" over ["block"] in "share", Linear, None, "share classified wrongly without the block's branch";
    /// Error on the same examples where the block and the next one of its shape are in each other's place (Veit et al. 2016,
    /// section 4.3); NaN for the last one of its shape.
    SWAP_ERROR = "swap_error" over ["block"] in "share", Linear, None, "share classified wrongly with the block and the next alike in each other's place";

    /// Loss of the head on the block's output, which the shortcuts of later blocks pass on: the logit lens
    /// (nostalgebraist 2020); NaN where a later block cannot be left out.
    LENS_LOSS = "lens_loss" over ["block"] in "nats", Linear, Lower, "mean cross-entropy of the head on the block's output";
    /// Error of the same.
    LENS_ERROR = "lens_error" over ["block"] in "share", Linear, Lower, "share classified wrongly by the head on the block's output";
    /// The mean number of blocks from which on the prediction for an example is the last one (Baldock et al. 2021, section 2,
    /// with the head in place of nearest neighbours).
    PREDICTION_DEPTH = "prediction_depth" over [] in "blocks", Linear, None, "mean number of blocks after which the prediction stays";
    /// Error on test examples of a linear classifier trained on the block's output (Alain and Bengio 2016).
    PROBE_ERROR = "probe_error" over ["block"] in "share", Linear, Lower, "share of test examples that a linear classifier of the block's output gets wrong";
    /// The effective rank of the block's output: the exponential of the entropy of its normalised singular values (Roy and
    /// Vetterli 2007); 1 to the number of features.
    BLOCK_RANK = "block_rank" over ["block"] in "", Linear, None, "exp of the entropy of the output's normalised singular values: how many directions it fills";
    /// Linear centred kernel alignment of the outputs of two blocks (Kornblith et al. 2019, section 3), 0 to 1.
    CKA = "cka" over ["block", "compared"] in "", Linear, None, "linear CKA of the outputs of two blocks; 1 is equal up to rotation and scale";
    /// The centred Gram matrix of the block's output for the first examples over its norm: the products of each two of them.
    /// Linear centred kernel alignment with a block of another lane is the product of two of these.
    GRAM = "gram" over ["block", "pair"] in "", Signed, None, "products of the outputs for each two of the first examples, over their norm: for CKA with other lanes";
    /// Average channel squared mean of the block's output (Brock et al. 2021, section 3).
    CHANNEL_SQUARE_MEAN = "channel_square_mean" over ["block"] in "", Log, None, "mean over channels of the square of the channel's mean";
    /// Average channel variance of the block's output (the same).
    CHANNEL_VARIANCE = "channel_variance" over ["block"] in "", Log, None, "mean over channels of the channel's variance";

    /// Loss along a filter-normalised random direction from the weights (Li et al. 2018, section 4).
    SURFACE_LINE = "surface_line" over ["alpha"] in "nats", Log, None, "mean cross-entropy along a filter-normalised direction";
    /// Loss on a plane of two such directions.
    SURFACE_LOSS = "surface_loss" over ["beta", "alpha"] in "nats", Log, None, "mean cross-entropy on a plane of two filter-normalised directions";
    /// The most by which the loss rises within one point of the grid, over one plus the loss (Keskar et al. 2017, equation
    /// 4, in the plane or on the line).
    SURFACE_SHARPNESS = "surface_sharpness" over [] in "share", Linear, None, "largest rise of the loss within one point of its surface, over 1 + loss";

    /// Trace of the gradient's covariance over the square of the gradient's norm: the batch from which on larger ones help
    /// little (McCandlish et al. 2018, equation 2.9); NaN where no gradient is seen behind the noise.
    GRADIENT_NOISE_SCALE = "gradient_noise_scale" over [] in "examples", Log, None, "trace of the gradients' covariance over the squared gradient";
    /// Mean cosine between the gradients of two halves of a batch.
    HALF_BATCH_COSINE = "half_batch_cosine" over [] in "", Signed, None, "mean cosine between the gradients of two halves of a batch";
    /// The same of the weights of each layer: near 0 in early layers is shattering (Balduzzi et al. 2017).
    LAYER_HALF_BATCH_COSINE = "layer_half_batch_cosine" over ["layer"] in "", Signed, None, "mean cosine between the gradients of two halves of a batch to the layer's weights";
    /// The largest eigenvalue of the loss's second derivatives with respect to all parameters (Cohen et al. 2021).
    HESSIAN_EIGENVALUE = "hessian_eigenvalue" over [] in "", Signed, None, "largest eigenvalue of the Hessian; gradient descent is unstable above 2 / learning rate";
    /// How far the last vector was from an eigenvector, over the eigenvalue.
    HESSIAN_RESIDUAL = "hessian_residual" over [] in "share", Log, Lower, "|H v - lambda v| / |lambda|: how exact the eigenvalue is";

    /// The class that an example belongs to, from 0.
    EXAMPLE_LABEL = "example_label" over ["example"] in "", Linear, None, "class of each of the probe's examples";
    /// The class that the network takes an example for; NaN where a score is NaN.
    EXAMPLE_PREDICTION = "example_prediction" over ["example"] in "", Linear, None, "class that the network takes each of the probe's examples for";
    /// Cross-entropy of an example.
    EXAMPLE_LOSS = "example_loss" over ["example"] in "nats", Linear, Lower, "cross-entropy of each of the probe's examples";
    /// Which examples have the greatest loss, counted from 1, the greatest first.
    MISTAKE_EXAMPLE = "mistake_example" over ["mistake"] in "", Linear, None, "place of the examples with the greatest loss, from 1";
    /// Their pixels.
    MISTAKE_PICTURES = "mistake_pictures" over ["mistake", "colour", "picture_row", "picture_column"] in "", Linear, None, "pixels of the examples with the greatest loss, 0 to 1";
    /// The pixels of the first example, of which feature maps are.
    MAPPED_PICTURE = "mapped_picture" over ["colour", "picture_row", "picture_column"] in "", Linear, None, "pixels of the first example, 0 to 1";
    /// What a block makes of the first example.
    FEATURE_MAPS = "feature_maps" over ["map", "map_row", "map_column"] in "", Linear, None, "channels of a block's output for the first example";
    /// The weights of the first convolution, a filter for each output and input channel.
    FILTERS = "filters" over ["filter", "filter_row", "filter_column"] in "", Signed, None, "weights of the first convolution, for each output and input channel";
}
