//! Indices and counts as types, so that a layer cannot be mistaken for a block, or a step for an epoch.
//! Knows nothing of what they index.

use std::fmt;

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub usize);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

index! {
    /// A lane's place among the lanes on screen or in an experiment, from 0.
    LaneIdx
}
index! {
    /// A weight layer's place in its network's [`crate::structure::Structure::layers`], from 0 at the input.
    LayerIdx
}
index! {
    /// A block's place in its network's [`crate::structure::Structure::blocks`], from 0 at the input.
    BlockIdx
}

/// The number of updates made. Step 0 is the initial state; step 1 is the first update.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Pod, Zeroable,
)]
#[serde(transparent)]
#[repr(transparent)]
pub struct Step(pub u64);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Height, width and channels of an image or of a layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// Channels: 1 for gray, 3 for RGB, the width of the stage inside a network.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl ImageShape {
    /// The number of values in one image.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether the shape holds no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// The form and size of an example, as a network takes it. Serialised without the name of the form, so that an image is
/// written as an [`ImageShape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InputShape {
    /// An image.
    Image(ImageShape),
    /// Tokens, one after another.
    Sequence {
        /// Tokens per example.
        context: usize,
        /// The number of different tokens.
        vocabulary: usize,
    },
    /// Numbers without an order.
    Vector {
        /// Numbers per example.
        features: usize,
    },
}

impl InputShape {
    /// The shape of an image; none if the example is something else.
    pub fn image(self) -> Option<ImageShape> {
        match self {
            InputShape::Image(shape) => Some(shape),
            InputShape::Sequence { .. } | InputShape::Vector { .. } => None,
        }
    }

    /// The number of values in one example: those of its pixels, its features or its tokens.
    pub fn len(self) -> usize {
        match self {
            InputShape::Image(shape) => shape.len(),
            InputShape::Sequence { context, .. } => context,
            InputShape::Vector { features } => features,
        }
    }

    /// What is counted of examples: how many are in one, and what they are called, in full and in short.
    pub fn counted(self) -> (usize, [&'static str; 2]) {
        match self {
            InputShape::Image(_) => (1, ["images", "img"]),
            InputShape::Sequence { context, .. } => (context, ["tokens", "tok"]),
            InputShape::Vector { .. } => (1, ["vectors", "vec"]),
        }
    }

    /// Whether an example holds no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl From<ImageShape> for InputShape {
    fn from(shape: ImageShape) -> InputShape {
        InputShape::Image(shape)
    }
}

impl fmt::Display for InputShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputShape::Image(shape) => shape.fmt(f),
            InputShape::Sequence { context, vocabulary } => write!(f, "{context} tokens of {vocabulary}"),
            InputShape::Vector { features: 1 } => f.write_str("1 feature"),
            InputShape::Vector { features } => write!(f, "{features} features"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageShape, InputShape};

    /// Every form, as logs have it and as people read it.
    #[test]
    fn every_form_is_read_as_it_was_written() {
        let image = ImageShape { channels: 3, height: 32, width: 16 };
        let forms = [
            (InputShape::from(image), "channels = 3\nheight = 32\nwidth = 16\n", "3x32x16", 1536),
            (InputShape::Vector { features: 12 }, "features = 12\n", "12 features", 12),
            (
                InputShape::Sequence { context: 20, vocabulary: 18 },
                "context = 20\nvocabulary = 18\n",
                "20 tokens of 18",
                20,
            ),
        ];
        for (shape, written, shown, len) in forms {
            assert_eq!(toml::to_string(&shape).unwrap(), written);
            assert_eq!(toml::from_str::<InputShape>(written).unwrap(), shape);
            assert_eq!((shape.to_string().as_str(), shape.len(), shape.is_empty()), (shown, len, false));
            assert!(
                len.is_multiple_of(shape.counted().0),
                "an image and a vector count once, a token each time"
            );
        }
        assert_eq!(toml::to_string(&image).unwrap(), forms[0].1, "an image is written as it always was");
        assert_eq!((forms[0].0.image(), forms[1].0.image(), forms[2].0.image()), (Some(image), None, None));
    }
}
