//! What the names of another program's metrics are here: those that mean the same as a metric of this program are that one,
//! so that health rules judge them and they are drawn beside its own runs; all others keep their names.

use crate::metric::{Better, DeclarationText, LAYER, Metric, Scale, known};

/// The longest name of a metric, in bytes; longer ones are cut.
const LONGEST_NAME: usize = 200;

/// Names under which other programs log what this one calls loss, the loss of evaluations, and the learning rate; of each
/// list the first that occurs counts.
const LOSSES: &[&str] = &[
    "loss",
    "train/loss",
    "loss/train",
    "Loss/train",
    "train_loss_step",
    "train/loss_step",
    "train_loss",
    "training_loss",
    "trainer/loss",
];
const TEST_LOSSES: &[&str] = &[
    "test_loss",
    "val_loss",
    "eval_loss",
    "val/loss",
    "test/loss",
    "eval/loss",
    "loss/val",
    "loss/test",
    "Loss/test",
    "Loss/val",
    "validation/loss",
    "validation_loss",
    "valid_loss",
    "valid/loss",
];
const RATES: &[&str] =
    &["learning_rate", "lr", "train/learning_rate", "train/lr", "learning-rate", "lr/group_0"];

/// Names under which other programs log what this one measures of layers.
const NUMBERS_OF_LAYERS: &[(&[&str], Metric)] = &[
    (
        &[
            "grad_norm",
            "grad_norms",
            "grad_norm/weight",
            "gradient_norm",
            "gradient_norm/weight",
            "gradients/norm",
            "grad_2.0_norm",
            "grad_2.0_norm/weight",
            "weight_grad_norm",
        ],
        known::WEIGHT_GRADIENT_NORM,
    ),
    (&["weight_norm", "weight_norm/weight", "param_norm", "param_norm/weight"], known::WEIGHT_NORM),
    (&["act_mean", "activation_mean"], known::ACTIVATION_MEAN),
    (&["act_std", "activation_std"], known::ACTIVATION_STD),
];
/// The same of histograms, with mean and standard deviation of what they count.
const HISTOGRAMS_OF_LAYERS: &[(&[&str], [Metric; 3])] = &[
    (
        &[
            "gradients/weight",
            "gradients/kernel",
            "gradients",
            "grads",
            "grads/weight",
            "grad",
            "grad/weight",
            "weight/grad",
        ],
        [known::WEIGHT_GRADIENTS, known::WEIGHT_GRADIENT_MEAN, known::WEIGHT_GRADIENT_STD],
    ),
    (
        &["activations", "activation", "outputs", "output"],
        [known::ACTIVATIONS, known::ACTIVATION_MEAN, known::ACTIVATION_STD],
    ),
];

/// A metric over layers; of histograms that of what they count, beside which are their means and standard deviations.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfLayers {
    /// The numbers, or the means.
    pub(super) numbers: Metric,
    /// The histograms, and the standard deviations.
    pub(super) histograms: Option<(Metric, Metric)>,
}

impl OfLayers {
    /// All metrics that it is.
    pub(super) fn metrics(self) -> Vec<Metric> {
        let histograms = self.histograms.into_iter().flat_map(|(histograms, std)| [histograms, std]);
        [self.numbers].into_iter().chain(histograms).collect()
    }
}

/// The known metrics of single numbers, with the names that mean them.
const NUMBERS: [(&[&str], Metric); 3] =
    [(LOSSES, known::LOSS), (TEST_LOSSES, known::TEST_LOSS), (RATES, known::LEARNING_RATE)];

/// Whether a metric is one that other names may mean.
pub(super) fn is_known(metric: Metric) -> bool {
    NUMBERS.iter().any(|(_, known)| *known == metric)
}

/// The metric of a single number; of the names that mean a known one, only the first of its list is it.
pub(super) fn number(name: &str, names: &[Box<str>]) -> Option<Metric> {
    for (aliases, metric) in NUMBERS {
        let first = aliases.iter().find(|alias| names.iter().any(|name| **name == ***alias));
        if first == Some(&name) {
            return Some(metric);
        }
    }
    declare(name, &[], Scale::Linear, better(name), "as the other program logged it")
}

/// The row of a metric over layers.
pub(super) fn of_layers(metric: &str, is_histogram: bool) -> Option<OfLayers> {
    let layer = |name: &str, scale, about| declare(name, &[LAYER], scale, Better::None, about);
    if !is_histogram {
        let known = NUMBERS_OF_LAYERS.iter().find(|(names, _)| names.contains(&metric));
        let lower = metric.to_lowercase();
        let is_size = ["norm", "std", "rms", "var", "ratio"].iter().any(|word| lower.contains(word));
        let scale = if is_size { Scale::Log } else { Scale::Linear };
        let numbers = match known {
            Some((_, known)) => *known,
            None => layer(metric, scale, "as the other program logged it")?,
        };
        return Some(OfLayers { numbers, histograms: None });
    }
    let known = HISTOGRAMS_OF_LAYERS.iter().find(|(names, ..)| names.contains(&metric));
    let name = known.map_or(metric, |(_, known)| known[0].name());
    let over = [LAYER, "bin"];
    let histograms = declare(name, &over, Scale::Linear, Better::None, "as the other program counted it")?;
    let (mean, std) = match known {
        Some((_, [_, mean, std])) => (*mean, *std),
        None => (
            layer(&format!("{metric} mean"), Scale::Signed, "mean of what the histogram counts")?,
            layer(&format!("{metric} std"), Scale::Log, "standard deviation of what the histogram counts")?,
        ),
    };
    Some(OfLayers { numbers: mean, histograms: Some((histograms, std)) })
}

fn declare(name: &str, over: &[&str], scale: Scale, better: Better, about: &str) -> Option<Metric> {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let text = DeclarationText {
        name: name.get(..end)?.to_owned(),
        over: over.iter().map(|axis| (*axis).to_owned()).collect(),
        unit: String::new(),
        scale,
        better,
        about: about.to_owned(),
    };
    Metric::declare(&text).ok()
}

/// Which of two values is the better one, as far as a name tells.
fn better(name: &str) -> Better {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if has(&["loss", "error", "perplexity", "ppl", "mse", "mae", "rmse"]) => Better::Lower,
        () if has(&["acc", "auc", "bleu", "f1", "iou", "precision", "recall", "reward", "score"]) => {
            Better::Higher
        }
        () => Better::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_names_of_a_loss_only_the_first_means_it() {
        let names = ["train/loss", "loss/train", "val_loss", "lr", "accuracy"].map(Box::from);
        let taken = names.each_ref().map(|name| number(name, &names).unwrap().name());
        assert_eq!(taken, ["loss", "loss/train", "test_loss", "learning_rate", "accuracy"]);
        assert_eq!(number("loss", &["loss".into(), "train/loss".into()]), Some(known::LOSS));
        assert_eq!(number("train/loss", &["loss".into(), "train/loss".into()]).unwrap().name(), "train/loss");
    }

    #[test]
    fn what_means_the_same_of_layers_is_the_same() {
        assert_eq!(of_layers("grad_norm", false).unwrap().numbers, known::WEIGHT_GRADIENT_NORM);
        let counted = of_layers("gradients/weight", true).unwrap().metrics();
        assert_eq!(counted[0], known::WEIGHT_GRADIENT_MEAN);
        assert_eq!(counted[1].name(), "weight_gradients");
        let other = of_layers("parameters/bias", true).unwrap().metrics();
        let other: Vec<&str> = other.iter().map(|metric| metric.name()).collect();
        assert_eq!(other, ["parameters/bias mean", "parameters/bias", "parameters/bias std"]);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "\u{5c64}".repeat(100);
        assert_eq!(number(&name, &[]).unwrap().name().len(), 198);
    }
}
