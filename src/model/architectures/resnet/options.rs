//! The settings of a lane with this architecture.

use super::WIDTHS;
use crate::experiment::{Allowed, ArchitectureEntry, DataKind, Key, Lane, Settings, Unless};
use crate::model::ModelError;
use crate::model::block::{Init, Order, Shortcut, Style};

/// The blocks of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Two 3x3 convolutions.
    Basic,
    /// A 1x1, a 3x3 and a 1x1 convolution.
    Bottleneck,
    /// Two 3x3 convolutions without norm, started as Fixup does.
    Fixup,
}

/// Checked settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Options {
    /// Blocks of each stage.
    pub(super) blocks_a_stage: usize,
    /// Channels of the first stage.
    pub(super) width: usize,
    pub(super) blocks: Blocks,
    pub(super) style: Style,
}

/// Weight layers that one more block in each stage adds.
const DEPTH_STEP: usize = 6;
/// The same, of bottlenecks.
const BOTTLENECK_STEP: usize = 9;
/// Weight layers outside the stages: stem and head.
const DEPTH_OFFSET: usize = 2;
/// The greatest depth; the deepest network of the literature has 1202 layers.
const MOST_DEPTH: usize = 2_000;

/// What blocks may add, as it is spelled in a file.
const SHORTCUTS: [&str; 8] =
    ["none", "identity", "projection", "convolution", "scaled", "exclusive-gate", "shortcut-gate", "dropout"];
/// How networks may start.
const INITS: [&str; 6] = ["he", "zero-gamma", "fixup", "skipinit", "rezero", "dirac"];
/// The keys that only some settings of others give a meaning.
const GATE_BIAS: f64 = -6.0;
const SCALE: f64 = 0.5;

pub(super) fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "resnet",
        summary: "6n+2 layers in three stages, or 9n+2 of bottlenecks, for small images (He et al. 2015, section 4.2)",
        data: DataKind::Images,
        keys: keys(),
        check,
    }
}

fn keys() -> Vec<Key> {
    let bottleneck = Unless { key: "block", word: "bottleneck", step: BOTTLENECK_STEP };
    let depth =
        Allowed::Depth { step: DEPTH_STEP, offset: DEPTH_OFFSET, most: MOST_DEPTH, unless: Some(bottleneck) };
    let orders = Order::ALL.iter().map(|(name, _)| *name).collect();
    let bounded = |least: f64, most: f64| Allowed::Number { least, most };
    vec![
        Key::required("depth", "weight layers", depth),
        Key::required("width", "channels of the first stage", Allowed::Compiled(WIDTHS.to_vec())),
        Key::required(
            "shortcut",
            "what blocks add to their residual branch: nothing, or their input; where the shape changes, zero-padded \
             (identity, option A) or through a 1x1 convolution (projection, option B); or the other shortcuts of He et \
             al. 2016, table 1",
            Allowed::Words(SHORTCUTS.to_vec()),
        ),
        Key::with_default(
            "block",
            "two 3x3 convolutions (basic), or 1x1, 3x3 and 1x1 (bottleneck)",
            Allowed::Words(vec!["basic", "bottleneck"]),
            "basic",
        ),
        Key::with_default(
            "order",
            "where norm and ReLU stand (He et al. 2016, table 2)",
            Allowed::Words(orders),
            "post",
        ),
        Key::with_default(
            "norm",
            "batch norm, or none, with biases",
            Allowed::Words(vec!["batch", "none"]),
            "batch",
        ),
        Key::with_default("init", "how weights start", Allowed::Words(INITS.to_vec()), "he"),
        Key::optional(
            "survival",
            "the probability with which the last block's branch is computed in a step (stochastic depth)",
            bounded(0.0, 1.0),
        ),
        Key::optional("gate_bias", "how the bias of gates starts; -6 if not given", bounded(-20.0, 20.0)),
        Key::optional(
            "shortcut_scale",
            "the factor of a scaled shortcut; 0.5 if not given",
            bounded(0.0, 1.0),
        ),
        Key::optional("branch_scale", "a constant factor of branches", bounded(0.0, 10.0)),
    ]
}

/// What must fit together.
fn check(settings: &Settings) -> Result<(), (&'static str, String)> {
    let word = |key| settings.word(key).unwrap_or_default();
    let (order, shortcut, norm, init) = (word("order"), word("shortcut"), word("norm"), word("init"));
    let given = |key| settings.get(key).is_some();
    let wrong = |key: &'static str, message: String| Err((key, message));
    let is_special = !["none", "identity", "projection", "convolution"].contains(&shortcut);
    if is_special && order != "post" {
        return wrong(
            "order",
            format!(
                "expected `post` with the shortcut `{shortcut}`, as in He et al. 2016, table 1, found `{order}`"
            ),
        );
    }
    if given("gate_bias") && !shortcut.ends_with("-gate") {
        return wrong(
            "gate_bias",
            format!(
                "expected a shortcut with a gate (`exclusive-gate`, `shortcut-gate`), found `{shortcut}`; choose one, \
                 or remove the key"
            ),
        );
    }
    if given("shortcut_scale") && shortcut != "scaled" {
        return wrong(
            "shortcut_scale",
            format!("expected the shortcut `scaled`, found `{shortcut}`; choose it, or remove the key"),
        );
    }
    if given("survival") && shortcut == "none" {
        return wrong(
            "survival",
            "expected blocks with a shortcut, which is what is left of a dropped one, found the shortcut `none`; \
             choose `identity`, or remove the key"
                .to_owned(),
        );
    }
    if given("survival") && order == "bn-after" {
        return wrong(
            "survival",
            "expected an order without a norm after the addition, found `bn-after`; choose `post`".to_owned(),
        );
    }
    let without_norm = ["fixup", "skipinit", "rezero", "dirac"].contains(&init);
    if without_norm && norm != "none" {
        return wrong("norm", format!("expected `none` with the start `{init}`, found `{norm}`"));
    }
    if init == "zero-gamma" && norm != "batch" {
        return wrong("norm", format!("expected `batch` with the start `zero-gamma`, found `{norm}`"));
    }
    if init == "zero-gamma" && shortcut == "none" {
        return wrong(
            "init",
            "expected blocks with a shortcut, without which `zero-gamma` makes every output zero; choose `he`"
                .to_owned(),
        );
    }
    let expected = match init {
        "fixup" if word("block") != "basic" => Some(("block", "basic", word("block"))),
        "fixup" if shortcut != "identity" => Some(("shortcut", "identity", shortcut)),
        "fixup" | "rezero" if order != "post" => Some(("order", "post", order)),
        "skipinit" if order != "pre" => Some(("order", "pre", order)),
        "skipinit" | "rezero" if shortcut == "none" => Some(("shortcut", "identity", shortcut)),
        "dirac" if shortcut != "none" => Some(("shortcut", "none", shortcut)),
        "dirac" if word("block") != "basic" => Some(("block", "basic", word("block"))),
        "dirac" if order != "post" => Some(("order", "post", order)),
        _ => None,
    };
    if let Some((key, expected, found)) = expected {
        return wrong(key, format!("expected `{expected}` with the start `{init}`, found `{found}`"));
    }
    if init == "fixup" && (given("survival") || given("branch_scale")) {
        let key = if given("survival") { "survival" } else { "branch_scale" };
        return wrong(key, "expected none with the start `fixup`; remove the key".to_owned());
    }
    Ok(())
}

impl Options {
    /// The settings of a lane.
    pub(super) fn of(lane: &Lane) -> Result<Options, ModelError> {
        let mut settings = lane.settings.clone();
        settings.complete(&keys());
        let word = |key| settings.word(key).unwrap_or_default();
        let number = |key, default| settings.number(key).unwrap_or(default) as f32;
        let is_bottleneck = word("block") == "bottleneck";
        let (step, offset) = (if is_bottleneck { BOTTLENECK_STEP } else { DEPTH_STEP }, DEPTH_OFFSET);
        let (depth, width) = ["depth", "width"].map(|key| settings.whole(key).unwrap_or(0)).into();
        if depth < step + offset || !(depth - offset).is_multiple_of(step) {
            return Err(ModelError::Depth { found: depth, step, offset });
        }
        if !WIDTHS.contains(&width) {
            return Err(ModelError::Width { found: width, compiled: WIDTHS.to_vec() });
        }
        let shortcut = match word("shortcut") {
            "none" => Shortcut::None,
            "identity" => Shortcut::Identity,
            "projection" => Shortcut::Projection,
            "convolution" => Shortcut::Convolution,
            "scaled" => Shortcut::Scaled(number("shortcut_scale", SCALE)),
            "exclusive-gate" => Shortcut::ExclusiveGate(number("gate_bias", GATE_BIAS)),
            "shortcut-gate" => Shortcut::Gated(number("gate_bias", GATE_BIAS)),
            "dropout" => Shortcut::Dropout,
            other => {
                return Err(ModelError::Shortcut { architecture: "resnet", found: other.to_owned() });
            }
        };
        check(&settings)
            .map_err(|(key, message)| ModelError::Setting { key, message: format!("{key}: {message}") })?;
        let order = Order::ALL.iter().find(|(name, _)| *name == word("order"));
        let style = Style {
            order: order.map_or(Order::Post, |(_, order)| *order),
            shortcut,
            norm: word("norm") == "batch",
            init: match word("init") {
                "zero-gamma" => Init::ZeroGamma,
                "skipinit" => Init::ZeroGain("alpha"),
                "rezero" => Init::ZeroGain("resweight"),
                "dirac" => Init::Dirac,
                _ => Init::He,
            },
            branch_scale: number("branch_scale", 1.0),
            survival: settings.number("survival"),
        };
        let blocks = match word("init") {
            "fixup" => Blocks::Fixup,
            _ if is_bottleneck => Blocks::Bottleneck,
            _ => Blocks::Basic,
        };
        Ok(Options { blocks_a_stage: (depth - offset) / step, width, blocks, style })
    }
}
