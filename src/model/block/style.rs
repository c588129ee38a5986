//! What all blocks of a network have in common.

use crate::structure::shortcut;

/// The order of a block's operations (He et al. 2016, table 2 and figure 4), written for two convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `F = bn2 conv2 relu bn1 conv1 x, y = relu(h + F)`: He et al. 2015, figure 4a.
    Post,
    /// `F = conv2 relu bn1 conv1 x, y = relu(bn2(h + F))`: figure 4b.
    NormAfter,
    /// `F = relu bn2 conv2 relu bn1 conv1 x, y = h + F`: figure 4c.
    ReluBefore,
    /// `F = bn2 conv2 relu bn1 conv1 relu x, y = h + F`: figure 4d.
    ReluOnly,
    /// `F = conv2 relu bn2 conv1 relu bn1 x, y = h + F`: full pre-activation, figure 4e.
    Full,
}

impl Order {
    /// All of them, as they are spelled in a file.
    pub(in crate::model) const ALL: &[(&'static str, Order)] = &[
        ("post", Order::Post),
        ("bn-after", Order::NormAfter),
        ("relu-before", Order::ReluBefore),
        ("relu-only", Order::ReluOnly),
        ("pre", Order::Full),
    ];

    /// Whether an activation precedes the first convolution.
    pub(in crate::model) fn is_pre_activation(self) -> bool {
        matches!(self, Order::ReluOnly | Order::Full)
    }

    /// Whether nothing follows the addition.
    pub(super) fn ends_with_addition(self) -> bool {
        !matches!(self, Order::Post | Order::NormAfter)
    }
}

/// What blocks add to their branch (He et al. 2015, section 3.3; 2016, table 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::model) enum Shortcut {
    /// Nothing: a plain network.
    None,
    /// The input; option A where the shape changes.
    Identity,
    /// The input; option B where the shape changes.
    Projection,
    /// A 1x1 convolution in every block (option C).
    Convolution,
    /// The input times a constant.
    Scaled(f32),
    /// One minus a gate times the input, and the gate times the branch; the gate's bias starts as given.
    ExclusiveGate(f32),
    /// One minus a gate times the input; the gate's bias starts as given.
    Gated(f32),
    /// The input, of which half is dropped at random.
    Dropout,
}

impl Shortcut {
    /// Its name in the log, for a block that changes the shape or not.
    pub(super) fn kind(self, changes: bool) -> Option<&'static str> {
        match self {
            Shortcut::None => None,
            Shortcut::Identity if changes => Some(shortcut::ZERO_PADDING),
            Shortcut::Projection if changes => Some(shortcut::PROJECTION),
            Shortcut::Identity | Shortcut::Projection => Some(shortcut::IDENTITY),
            Shortcut::Convolution => Some(shortcut::PROJECTION),
            Shortcut::Scaled(_) => Some(shortcut::SCALED),
            Shortcut::ExclusiveGate(_) => Some(shortcut::EXCLUSIVE_GATE),
            Shortcut::Gated(_) => Some(shortcut::SHORTCUT_GATE),
            Shortcut::Dropout => Some(shortcut::DROPOUT),
        }
    }
}

/// How the residual branches start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Init {
    /// As any other layer.
    He,
    /// The convolutions of blocks that keep the shape leave everything as it is: a plain network that computes what one
    /// without these blocks does (He et al. 2015, section 1).
    Dirac,
    /// The scale of the last batch norm is 0 (Goyal et al. 2017, section 5.1).
    ZeroGamma,
    /// Without norm, a gain of 0 with this name on the branch: SkipInit (De & Smith 2020), ReZero (Bachlechner et al.
    /// 2020, equation 1).
    ZeroGain(&'static str),
}

/// What all blocks of a network have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// The order of operations.
    pub(in crate::model) order: Order,
    /// What is added.
    pub(in crate::model) shortcut: Shortcut,
    /// Whether there is batch norm; without it convolutions have biases.
    pub(in crate::model) norm: bool,
    /// How branches start.
    pub(in crate::model) init: Init,
    /// A constant factor of the branch.
    pub(in crate::model) branch_scale: f32,
    /// The probability with which the last block's branch is computed in a step, if branches are dropped at random; that
    /// of block l of L is `1 - l / L (1 - survival)` (Huang et al. 2016, equation 4).
    pub(in crate::model) survival: Option<f64>,
}
