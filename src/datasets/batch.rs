//! A batch as networks read it. Its buffers are used again from batch to batch.

#[cfg(doc)]
use super::NO_LABEL;

/// The inputs and labels of a batch of examples; empty by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What the network reads, example after example.
    pub inputs: Inputs,
    /// One label for each example, or one for each token, where [`NO_LABEL`] marks those that don't count.
    pub labels: Vec<u16>,
}

/// What a network reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Standardised pixels (NHWC) or features.
    Numbers(Vec<f32>),
    /// Tokens.
    Tokens(Vec<u16>),
}

impl Default for Inputs {
    fn default() -> Inputs {
        Inputs::Numbers(Vec::new())
    }
}

impl Inputs {
    /// How many numbers or tokens.
    pub fn len(&self) -> usize {
        match self {
            Inputs::Numbers(numbers) => numbers.len(),
            Inputs::Tokens(tokens) => tokens.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers; none if these are tokens.
    pub fn numbers(&self) -> Option<&[f32]> {
        match self {
            Inputs::Numbers(numbers) => Some(numbers),
            Inputs::Tokens(_) => None,
        }
    }

    /// The tokens; none if these are numbers.
    pub fn tokens(&self) -> Option<&[u16]> {
        match self {
            Inputs::Numbers(_) => None,
            Inputs::Tokens(tokens) => Some(tokens),
        }
    }

    /// Takes out a buffer of this many numbers, whose values are arbitrary: the one in use, if it is one of numbers.
    pub(super) fn take_numbers(&mut self, len: usize) -> Vec<f32> {
        let mut buffer = match std::mem::take(self) {
            Inputs::Numbers(numbers) => numbers,
            Inputs::Tokens(_) => Vec::new(),
        };
        buffer.resize(len, 0.0);
        buffer
    }

    /// Takes out an empty buffer for tokens: the one in use, if it is one of tokens.
    pub(super) fn take_tokens(&mut self) -> Vec<u16> {
        match std::mem::take(self) {
            Inputs::Numbers(_) => Vec::new(),
            Inputs::Tokens(mut tokens) => {
                tokens.clear();
                tokens
            }
        }
    }
}
