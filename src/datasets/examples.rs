//! The examples of a split in memory, in one of three forms. Knows nothing of the order in which they are drawn.

use crate::units::InputShape;

/// The label of a position in a sequence that does not count: nothing is to be predicted there.
pub const NO_LABEL: u16 = u16::MAX;

/// A split: examples of one shape, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// What networks read of them.
    pub inputs: Stored,
    /// Labels, below the number of classes: one for each example, or one for each token of sequences, where
    /// [`NO_LABEL`] marks those that don't count.
    pub labels: Vec<u16>,
}

/// What networks read of examples, as it is kept in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Images, one after another: row after row of pixels with their channels together (NHWC).
    Pixels(Vec<u8>),
    /// Vectors, one after another, not yet standardised.
    Numbers(Vec<f32>),
    /// Sequences: windows of one length, which may overlap.
    Tokens {
        /// All tokens, each with its label.
        tokens: Vec<u16>,
        /// The token that each sequence begins with.
        starts: Vec<usize>,
    },
}

impl Examples {
    /// Images, one after another, with a label for each.
    pub fn images(pixels: Vec<u8>, labels: &[u8]) -> Examples {
        let labels = labels.iter().copied().map(u16::from).collect();
        Examples { inputs: Stored::Pixels(pixels), labels }
    }

    /// Vectors, one after another, with a label for each.
    pub fn vectors(numbers: Vec<f32>, labels: Vec<u16>) -> Examples {
        Examples { inputs: Stored::Numbers(numbers), labels }
    }

    /// Sequences of `context` tokens, one after another, with a label for each token.
    pub fn sequences(tokens: Vec<u16>, labels: Vec<u16>, context: usize) -> Examples {
        let starts = (0..tokens.len()).step_by(context).collect();
        Examples { inputs: Stored::Tokens { tokens, starts }, labels }
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        match &self.inputs {
            Stored::Pixels(_) | Stored::Numbers(_) => self.labels.len(),
            Stored::Tokens { starts, .. } => starts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pixels; none if these are no images.
    pub fn pixels(&self) -> &[u8] {
        match &self.inputs {
            Stored::Pixels(pixels) => pixels,
            _ => &[],
        }
    }

    /// The numbers before standardisation; none if these are no vectors.
    pub fn numbers(&self) -> &[f32] {
        match &self.inputs {
            Stored::Numbers(numbers) => numbers,
            _ => &[],
        }
    }

    /// The bytes that they take in memory.
    pub fn bytes(&self) -> u64 {
        let inputs = match &self.inputs {
            Stored::Pixels(pixels) => pixels.len(),
            Stored::Numbers(numbers) => size_of_val(&numbers[..]),
            Stored::Tokens { tokens, starts } => size_of_val(&tokens[..]) + size_of_val(&starts[..]),
        };
        (inputs + size_of_val(&self.labels[..])) as u64
    }

    /// Keeps only the first `most` examples, if given.
    pub(super) fn truncate(&mut self, most: Option<usize>) {
        let (before, kept) = (self.len().max(1), most.unwrap_or(usize::MAX).min(self.len()));
        match &mut self.inputs {
            Stored::Pixels(pixels) => pixels.truncate(pixels.len() / before * kept),
            Stored::Numbers(numbers) => numbers.truncate(numbers.len() / before * kept),
            Stored::Tokens { starts, .. } => return starts.truncate(kept),
        }
        self.labels.truncate(kept);
    }

    /// Whether these are whole examples of a shape.
    pub(super) fn are(&self, shape: InputShape) -> bool {
        match (&self.inputs, shape) {
            (Stored::Pixels(pixels), InputShape::Image(_)) => pixels.len() == self.len() * shape.len(),
            (Stored::Numbers(numbers), InputShape::Vector { features }) => {
                numbers.len() == self.len() * features
            }
            (Stored::Tokens { tokens, starts }, InputShape::Sequence { context, .. }) => {
                let ends = starts.iter().map(|start| start.saturating_add(context));
                tokens.len() == self.labels.len() && ends.max().is_none_or(|end| end <= tokens.len())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each() -> [(Examples, InputShape); 3] {
        let image = crate::units::ImageShape { channels: 1, height: 1, width: 2 };
        [
            (Examples::images(vec![1, 2, 3, 4, 5, 6], &[0, 1, 2]), image.into()),
            (Examples::vectors(vec![1.0, 2.0, 3.0], vec![0, 1, 2]), InputShape::Vector { features: 1 }),
            (
                Examples::sequences((0..12).collect(), vec![NO_LABEL; 12], 4),
                InputShape::Sequence { context: 4, vocabulary: 12 },
            ),
        ]
    }

    #[test]
    fn examples_are_counted_and_cut_as_wholes() {
        for (mut examples, shape) in each() {
            assert_eq!((examples.len(), examples.is_empty()), (3, false));
            assert!(examples.are(shape));
            let all = examples.clone();
            examples.truncate(None);
            examples.truncate(Some(7));
            assert_eq!(examples, all);
            examples.truncate(Some(2));
            assert!(examples.len() == 2 && examples.are(shape) && examples.bytes() < all.bytes());
            examples.truncate(Some(0));
            assert!(examples.is_empty() && examples.are(shape));
        }
    }

    #[test]
    fn a_form_is_not_taken_for_another() {
        let each = each();
        for (at, (examples, _)) in each.iter().enumerate() {
            for (other, (_, shape)) in each.iter().enumerate() {
                assert_eq!(examples.are(*shape), at == other);
            }
        }
        let mut cut = each[2].0.clone();
        cut.inputs = Stored::Tokens { tokens: (0..12).collect(), starts: vec![9] };
        assert!(!cut.are(each[2].1), "the last token of the sequence is missing");
    }
}
