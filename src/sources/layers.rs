//! Which tags are of layers: the part of a name that recurs with the same rest under many tags is the layer, and the rest
//! names what is measured of it. `gradients/layer1.0.conv1.weight` is `gradients/weight` of `layer1.0.conv1`. A name only
//! counts as a layer's if it looks like one, so that `train/loss` and `test/loss` are not layers of a network. A user can
//! say it by patterns instead.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

/// What a tag measures: a metric, and of which layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OfLayer {
    /// The rest of the name.
    pub metric: String,
    /// The layer's name.
    pub layer: String,
}

/// Words that parts of networks are called by, alone, with a number, or within a name: `conv1`, `self_attn`, `h.3`.
const PARTS: &[&str] = &[
    "attention",
    "attn",
    "backbone",
    "block",
    "blocks",
    "bn",
    "classifier",
    "conv",
    "convs",
    "decoder",
    "dense",
    "downsample",
    "emb",
    "embed",
    "embedding",
    "embeddings",
    "encoder",
    "fc",
    "features",
    "ffn",
    "gru",
    "head",
    "kernel",
    "layer",
    "layernorm",
    "layers",
    "linear",
    "ln",
    "lstm",
    "mixer",
    "mlp",
    "norm",
    "patch",
    "proj",
    "resblock",
    "residual",
    "rnn",
    "shortcut",
    "stage",
    "stem",
    "transformer",
    "wpe",
    "wte",
    "h",
    "k",
    "q",
    "v",
];
/// What is measured of all parameters or outputs of a network, so that whatever follows is a layer.
const MEASURES: &[&str] = &[
    "act",
    "activation",
    "activations",
    "bias",
    "biases",
    "grad",
    "gradient",
    "gradients",
    "grads",
    "output",
    "outputs",
    "param",
    "parameter",
    "parameters",
    "params",
    "update",
    "updates",
    "weight",
    "weights",
];
/// The names of parameters within a layer.
const PARAMETERS: &[&str] = &[
    "alpha",
    "beta",
    "bias",
    "gamma",
    "gate",
    "in_proj_bias",
    "in_proj_weight",
    "kernel",
    "running_mean",
    "running_var",
    "scale",
    "weight",
    "weights",
];
/// Groups of metrics that are of machines, not of networks.
const MACHINES: &[&str] = &["cpu", "device", "disk", "gpu", "memory", "network", "rank", "sys", "system"];

/// Takes tags apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// What surrounds the layer's name, in which `*` stands for anything.
    before: String,
    after: String,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let parts: Vec<&str> = text.split("{layer}").collect();
        match parts.as_slice() {
            [before, after] if before.matches('*').count() + after.matches('*').count() <= 2 => Ok(Pattern {
                text: text.to_owned(),
                before: (*before).to_owned(),
                after: (*after).to_owned(),
            }),
            _ => Err(format!(
                "expected `{{layer}}` once and at most two `*`, such as `grad_norm/{{layer}}` or `*/{{layer}}.weight`, \
                 found `{text}`"
            )),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Takes a tag apart; none if it does not match.
    fn take(&self, tag: &str) -> Option<OfLayer> {
        let (begin, before) = match self.before.split_once('*') {
            None => (tag.strip_prefix(self.before.as_str())?, self.before.clone()),
            Some((first, second)) => {
                let rest = tag.strip_prefix(first)?;
                let at =
                    if second.is_empty() { rest.find('/')? + 1 } else { rest.find(second)? + second.len() };
                let (matched, rest) = rest.split_at_checked(at)?;
                (rest, format!("{first}{matched}"))
            }
        };
        let (layer, after) = match self.after.split_once('*') {
            None => (begin.strip_suffix(self.after.as_str())?, self.after.clone()),
            Some((first, last)) => {
                let rest = begin.strip_suffix(last)?;
                let at = if first.is_empty() { rest.rfind(['/', '.'])? } else { rest.rfind(first)? };
                let (layer, _) = rest.split_at_checked(at)?;
                (layer, begin.get(at..)?.to_owned())
            }
        };
        (!layer.is_empty()).then(|| OfLayer { metric: joined(&before, &after), layer: layer.to_owned() })
    }
}

/// The name of a metric from what surrounds the layer's name.
fn joined(before: &str, after: &str) -> String {
    let is_mark = |c: char| matches!(c, '/' | '.' | '_' | ':');
    let (before, after) = (before.trim_end_matches(is_mark), after.trim_start_matches(is_mark));
    match (before.is_empty(), after.is_empty()) {
        (true, true) => "value".to_owned(),
        (false, true) => before.to_owned(),
        (true, false) => after.to_owned(),
        (false, false) => format!("{before}/{after}"),
    }
}

/// Which of these tags are of layers, each with its metric and layer; by patterns where there are any.
pub(super) fn of_layers(tags: &[Box<str>], patterns: &[Pattern]) -> HashMap<usize, OfLayer> {
    if !patterns.is_empty() {
        let taken = |tag: &str| patterns.iter().find_map(|pattern| pattern.take(tag));
        return tags.iter().enumerate().filter_map(|(at, tag)| Some((at, taken(tag)?))).collect();
    }
    // How many different layers each metric would have.
    let mut families: HashMap<String, HashSet<String>> = HashMap::new();
    let candidates: Vec<Vec<OfLayer>> = tags.iter().map(|tag| candidates(tag)).collect();
    for candidate in candidates.iter().flatten() {
        families.entry(candidate.metric.clone()).or_default().insert(candidate.layer.clone());
    }
    let recurs = |of: &OfLayer| families.get(&of.metric).map_or(0, HashSet::len);
    // Of equal ones the first: the measure before the name of the layer.
    let best = candidates.into_iter().map(|all| all.into_iter().rev().max_by_key(recurs));
    let best: Vec<Option<OfLayer>> = best.collect();
    let sure: HashSet<String> =
        best.iter().flatten().filter(|of| recurs(of) > 1).map(|of| of.layer.clone()).collect();
    // The only bias of a network is of a layer that is known by its weight.
    let is_sure = |of: &OfLayer| recurs(of) > 1 || sure.contains(&of.layer);
    best.into_iter().enumerate().filter_map(|(at, of)| Some((at, of.filter(is_sure)?))).collect()
}

/// Whether a tag could be of a layer.
pub(super) fn could_be(tag: &str, patterns: &[Pattern]) -> bool {
    if patterns.is_empty() {
        !candidates(tag).is_empty()
    } else {
        patterns.iter().any(|pattern| pattern.take(tag).is_some())
    }
}

/// All ways in which a tag could be of a layer.
fn candidates(tag: &str) -> Vec<OfLayer> {
    let first = tag.split(['/', '.', '_']).next().unwrap_or_default();
    if MACHINES.contains(&first.to_lowercase().as_str()) {
        return Vec::new();
    }
    let mut all = Vec::new();
    // `gradients/layer1.0.conv1.weight`, `grad_norm/encoder.block.3.attn.q`, `grad_norm.layers.0.weight`
    for mark in ['/', '.'] {
        if let Some((measure, rest)) = tag.split_once(mark) {
            let (layer, parameter) = without_parameter(rest);
            let is_path = mark == '/' && (looks_like_layer(layer) || !parameter.is_empty());
            if is_path || measures(measure) && (mark == '/' || !measure.contains('/')) {
                all.push(OfLayer { metric: joined(measure, parameter), layer: layer.to_owned() });
            }
        }
    }
    // `conv1/weight_norm`, `layers.7.act_std`
    for mark in ['/', '.'] {
        if let Some((layer, measure)) = tag.rsplit_once(mark)
            && looks_like_layer(layer)
            && !measure.bytes().all(|byte| byte.is_ascii_digit())
            && !(mark == '.' && tag.contains('/'))
        {
            let (layer, parameter) = without_parameter(layer);
            let measure =
                if parameter.is_empty() { measure.to_owned() } else { format!("{parameter}/{measure}") };
            if !layer.is_empty() {
                all.push(OfLayer { metric: measure, layer: layer.to_owned() });
            }
        }
    }
    all
}

/// Splits the name of a parameter off that of its layer.
fn without_parameter(name: &str) -> (&str, &str) {
    match name.rsplit_once(['.', '/']) {
        Some((layer, parameter)) if PARAMETERS.contains(&parameter.to_lowercase().as_str()) => {
            (layer, parameter)
        }
        _ => (name, ""),
    }
}

/// Whether a name says that something is measured of parts of a network.
fn measures(name: &str) -> bool {
    words(name).any(|word| MEASURES.contains(&word.as_str()))
}

/// Whether a name looks like that of a layer: one of its words is what parts of networks are called by.
fn looks_like_layer(name: &str) -> bool {
    words(name).any(|word| PARTS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())))
}

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(['/', '.', '_', '-', ':']).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Sorts names of layers from input to output as far as names tell: in the order of first appearance, but numbers at the
/// same place in otherwise equal names as numbers.
pub(super) fn in_order<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ranks: HashMap<String, usize> = HashMap::new();
    let mut keyed: BTreeMap<Vec<(usize, u64)>, String> = BTreeMap::new();
    for name in names {
        let mut key = Vec::new();
        let mut prefix = String::new();
        for part in parts(name) {
            match part.parse() {
                // All numbers after the same beginning have one rank, and follow each other by their values.
                Ok(number) => {
                    let next = ranks.len();
                    key.push((*ranks.entry(format!("{prefix}#")).or_insert(next), number));
                }
                Err(_) => {
                    let next = ranks.len();
                    key.push((*ranks.entry(format!("{prefix}{part}")).or_insert(next), 0));
                }
            }
            prefix.push_str(part);
        }
        keyed.entry(key).or_insert_with(|| name.to_owned());
    }
    keyed.into_values().collect()
}

/// A name as runs of digits and of others.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c: char| c.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(rest.len());
        let (part, others) = rest.split_at(end);
        rest = others;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(tags: &[&str], patterns: &[&str]) -> Vec<(String, String, String)> {
        let tags: Vec<Box<str>> = tags.iter().map(|tag| (*tag).into()).collect();
        let patterns: Vec<Pattern> = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        let mut all: Vec<_> = of_layers(&tags, &patterns)
            .into_iter()
            .map(|(at, of)| (tags[at].to_string(), of.metric, of.layer))
            .collect();
        all.sort();
        all
    }

    #[track_caller]
    fn assert_taken(tags: &[&str], expected: &[(&str, &str)]) {
        let found = taken(tags, &[]);
        let found: Vec<(&str, &str)> = found.iter().map(|(_, metric, layer)| (&**metric, &**layer)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn gradients_of_parameters_are_of_layers() {
        assert_taken(
            &[
                "gradients/layer1.0.conv1.bias",
                "gradients/layer1.0.conv1.weight",
                "gradients/layer1.0.conv2.weight",
            ],
            &[
                ("gradients/bias", "layer1.0.conv1"),
                ("gradients/weight", "layer1.0.conv1"),
                ("gradients/weight", "layer1.0.conv2"),
            ],
        );
    }

    #[test]
    fn what_is_measured_may_come_first_or_last() {
        assert_taken(
            &["grad_norm/encoder.block.3.attn.q", "grad_norm/encoder.block.10.attn.q"],
            &[("grad_norm", "encoder.block.10.attn.q"), ("grad_norm", "encoder.block.3.attn.q")],
        );
        assert_taken(
            &["grad_norm.layers.0.weight", "grad_norm.layers.1.weight"],
            &[("grad_norm/weight", "layers.0"), ("grad_norm/weight", "layers.1")],
        );
        assert_taken(
            &["layers.6.act_std", "layers.7.act_std"],
            &[("act_std", "layers.6"), ("act_std", "layers.7")],
        );
        assert_taken(
            &["conv1/weight_norm", "conv2/weight_norm", "fc/weight_norm"],
            &[("weight_norm", "conv1"), ("weight_norm", "conv2"), ("weight_norm", "fc")],
        );
    }

    #[test]
    fn losses_learning_rates_and_machines_are_of_no_layer() {
        let tags = [
            "train/loss",
            "test/loss",
            "loss/train",
            "loss/test",
            "lr/group.0",
            "lr/group.1",
            "system/gpu.0.memory",
            "system/gpu.1.memory",
            "epoch",
            "train_loss",
            "AP/class.1",
            "AP/class.2",
            "eval/accuracy",
            "train/accuracy",
        ];
        assert_taken(&tags, &[]);
    }

    #[test]
    fn many_measures_of_the_same_layers_are_told_from_layers() {
        let measures = ["dead_units", "zero_rate", "rank"];
        let tags = measures.map(|measure| ["layer3.7", "layer3.8"].map(|layer| format!("{measure}/{layer}")));
        let tags: Vec<&str> = tags.iter().flatten().map(String::as_str).collect();
        assert!(taken(&tags, &[]).iter().all(|(tag, metric, layer)| *tag == format!("{metric}/{layer}")));
    }

    #[test]
    fn a_pattern_decides_alone() {
        let tags = ["stats.a1.x", "stats.b2.x", "gradients/conv1.weight", "gradients/conv2.weight"];
        let found = taken(&tags, &["stats.{layer}.x"]);
        let expected = [("stats.a1.x", "stats/x", "a1"), ("stats.b2.x", "stats/x", "b2")];
        assert_eq!(found, expected.map(|(tag, metric, layer)| (tag.into(), metric.into(), layer.into())));
        let found = taken(&tags, &["*/{layer}.*"]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, "gradients/weight");
        assert!("no place".parse::<Pattern>().unwrap_err().contains("expected `{layer}` once"));
    }

    #[test]
    fn layers_keep_their_order_and_numbers_count() {
        let names =
            ["stem", "layer1.10.conv1", "layer1.2.conv1", "layer1.2.conv2", "head", "layer10.0", "layer2.0"];
        assert_eq!(
            in_order(names),
            ["stem", "layer1.2.conv1", "layer1.2.conv2", "layer1.10.conv1", "layer2.0", "layer10.0", "head"]
        );
    }
}
