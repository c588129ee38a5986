//! The statistics by name: what each is of, how it is drawn and what it means. Computing them is
//! [`crate::statistics`]' business; this is only the vocabulary that log, state and screen share.

use std::fmt;

/// What a column of a statistic runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One value a weight layer, in the order of the topology's layers.
    Layer,
    /// One value a block, in the order of the topology's blocks.
    Block,
}

/// The scale on which a statistic is drawn unless the user asks for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// Equal distances are equal differences.
    Linear,
    /// Equal distances are equal ratios; only for statistics that are never negative.
    Log,
    /// Equal distances are equal differences, and what counts is the distance from zero: for statistics of either
    /// sign, which have no ratios.
    Signed,
}

macro_rules! statistics {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $subject:ident, $scale:ident, $meaning:literal;)*) => {
        /// A statistic of a layer or block at a step, over the whole batch, as f32.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Statistic {
            $($(#[$doc])* $variant,)*
        }

        impl Statistic {
            /// All statistics, in the order in which they are listed, logged and cycled through.
            pub const ALL: &'static [Statistic] = &[$(Statistic::$variant,)*];

            /// The name in logs, exports and on screen.
            pub fn name(self) -> &'static str {
                match self { $(Statistic::$variant => $name,)* }
            }

            /// What its column runs over.
            pub fn subject(self) -> Subject {
                match self { $(Statistic::$variant => Subject::$subject,)* }
            }

            /// The scale it is drawn on unless asked otherwise.
            pub fn scale(self) -> Scale {
                match self { $(Statistic::$variant => Scale::$scale,)* }
            }

            /// One line on what it is.
            pub fn meaning(self) -> &'static str {
                match self { $(Statistic::$variant => $meaning,)* }
            }
        }
    };
}

statistics! {
    /// Mean of the layer's output.
    ActivationMean = "activation_mean", Layer, Signed, "mean of the layer's output, after ReLU";
    /// Standard deviation (population) of the layer's output.
    ActivationStd = "activation_std", Layer, Log, "standard deviation of the layer's output, after ReLU";
    /// Root mean square of the layer's output.
    ActivationRms = "activation_rms", Layer, Log, "root mean square of the layer's output, after ReLU";
    /// Smallest finite value of the layer's output.
    ActivationMin = "activation_min", Layer, Signed, "smallest finite value of the layer's output";
    /// Largest finite value of the layer's output.
    ActivationMax = "activation_max", Layer, Signed, "largest finite value of the layer's output";
    /// Share of the layer's output that is exactly zero, 0 to 1.
    ZeroRate = "zero_rate", Layer, Linear, "share of outputs that are exactly zero; about 0.5 is normal after ReLU";
    /// Share of output channels that are zero everywhere for every sample of the batch, 0 to 1.
    DeadUnits = "dead_units", Layer, Linear, "share of channels that are zero for every sample of the batch";
    /// Number of non-finite values in the layer's output.
    ActivationNonFinite = "activation_non_finite", Layer, Linear, "count of NaN and infinite outputs";
    /// Standard deviation of the layer's response: after batch norm, before ReLU and addition
    /// (He et al. 2015, figure 7).
    ResponseStd = "response_std", Layer, Log, "std after batch norm, before ReLU and addition (He 2015, fig. 7)";
    /// L2 norm of the loss's gradient with respect to the layer's output.
    OutputGradientNorm = "output_gradient_norm", Layer, Log, "L2 norm of the gradient to the layer's output";
    /// Mean of the loss's gradient with respect to the layer's output.
    OutputGradientMean = "output_gradient_mean", Layer, Signed, "mean of the gradient to the layer's output";
    /// Standard deviation of the loss's gradient with respect to the layer's output.
    OutputGradientStd = "output_gradient_std", Layer, Log, "std of the gradient to the layer's output";
    /// L2 norm of the loss's gradient with respect to the layer's weights.
    WeightGradientNorm = "weight_gradient_norm", Layer, Log, "L2 norm of the gradient to the layer's weights";
    /// Mean of the loss's gradient with respect to the layer's weights.
    WeightGradientMean = "weight_gradient_mean", Layer, Signed, "mean of the gradient to the layer's weights";
    /// Standard deviation of the loss's gradient with respect to the layer's weights.
    WeightGradientStd = "weight_gradient_std", Layer, Log, "std of the gradient to the layer's weights";
    /// Number of non-finite values in the gradient with respect to the layer's weights.
    WeightGradientNonFinite = "weight_gradient_non_finite", Layer, Linear, "count of NaN and infinite weight gradients";
    /// L2 norm of the layer's weights, before the step's update.
    WeightNorm = "weight_norm", Layer, Log, "L2 norm of the layer's weights before the update";
    /// L2 norm of the step's update over the L2 norm of the weights before it.
    UpdateRatio = "update_ratio", Layer, Log, "|dw| / |w| of the step; around 1e-3 is healthy";
    /// rms(F) / rms(h): the residual branch against the shortcut, at the addition.
    BranchRatio = "branch_ratio", Block, Log, "rms(F) / rms(h): the branch against the shortcut";
    /// cos(F, h): the angle between residual branch and shortcut, at the addition.
    BranchCosine = "branch_cosine", Block, Signed, "cos(F, h): the angle between branch and shortcut";
}

impl Statistic {
    /// Finds a statistic by its name.
    pub fn by_name(name: &str) -> Option<Statistic> {
        Statistic::ALL.iter().copied().find(|s| s.name() == name)
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
