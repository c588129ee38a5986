//! The metrics of probes: what is measured of a network besides its steps, one a line. They are declared by lanes whose
//! experiment has the probe.

use super::{Better, Declaration, Metric, Scale};

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
}
