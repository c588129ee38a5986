//! The network of He et al. 2015, section 4.2, as a topology: which layers and blocks a lane has, with the
//! names of the PyTorch reference, their parameters and multiply-adds. Knows nothing of tensors.

use crate::experiment::Lane;
use crate::topology::{Block, Layer, LayerKind, ShortcutKind, Topology};
use crate::units::{BlockIdx, ImageShape, LayerIdx};

/// The number of stages; each but the first halves the side and doubles the channels.
const STAGES: usize = 3;

/// Describes a lane with checked settings and input.
pub(super) fn topology(lane: &Lane, input: ImageShape, classes: usize) -> Topology {
    let mut draft = Draft { layers: Vec::new(), blocks: Vec::new(), shape: input, depth: 0 };
    draft.stem(super::whole(lane, "width"));
    let blocks_a_stage = (super::whole(lane, "depth") - super::DEPTH_OFFSET) / super::DEPTH_STEP;
    let shortcut = lane.settings.word("shortcut").unwrap_or_default();
    for stage in 1..=STAGES {
        for place in 0..blocks_a_stage {
            draft.block(stage, place, shortcut);
        }
    }
    draft.head(classes);
    Topology { input: input.into(), classes, layers: draft.layers, blocks: draft.blocks }
}

/// A topology under construction, from the input on.
struct Draft {
    layers: Vec<Layer>,
    blocks: Vec<Block>,
    /// The input shape of the next layer.
    shape: ImageShape,
    /// The layers so far that count toward the depth.
    depth: usize,
}

impl Draft {
    fn stem(&mut self, width: usize) {
        self.depth += 1;
        self.convolution(
            "conv1".to_owned(),
            LayerKind::Stem,
            None,
            3,
            ImageShape { channels: width, ..self.shape },
        );
    }

    fn block(&mut self, stage: usize, place: usize, shortcut: &str) {
        let name = format!("layer{stage}.{place}");
        let block = Some(BlockIdx(self.blocks.len()));
        let input = self.shape;
        let changes = stage > 1 && place == 0;
        let output = if changes { halved(input) } else { input };

        self.depth += 1;
        let first = self.convolution(format!("{name}.conv1"), LayerKind::Convolution, block, 3, output);
        self.depth += 1;
        let second = self.convolution(format!("{name}.conv2"), LayerKind::Convolution, block, 3, output);
        let mut layers = vec![first, second];
        let shortcut = match shortcut {
            "identity" if changes => ShortcutKind::ZeroPadding,
            "projection" if changes => ShortcutKind::Projection,
            "identity" | "projection" => ShortcutKind::Identity,
            _ => ShortcutKind::None,
        };
        if shortcut == ShortcutKind::Projection {
            self.shape = input;
            let name = format!("{name}.downsample.0");
            layers.push(self.convolution(name, LayerKind::Projection, block, 1, output));
        }
        self.blocks.push(Block { name, stage, shortcut, layers });
    }

    fn head(&mut self, classes: usize) {
        self.depth += 1;
        let (features, classes64) = (self.shape.channels as u64, classes as u64);
        self.layers.push(Layer {
            name: "fc".to_owned(),
            kind: LayerKind::Head,
            block: None,
            depth: self.depth,
            output: ImageShape { channels: classes, height: 1, width: 1 },
            parameters: features * classes64 + classes64,
            multiply_adds: features * classes64,
        });
    }

    /// Adds a square convolution without bias and the batch norm after it.
    fn convolution(
        &mut self,
        name: String,
        kind: LayerKind,
        block: Option<BlockIdx>,
        side: u64,
        output: ImageShape,
    ) -> LayerIdx {
        let weights = side * side * self.shape.channels as u64 * output.channels as u64;
        self.layers.push(Layer {
            name,
            kind,
            block,
            depth: self.depth,
            output,
            parameters: weights + 2 * output.channels as u64,
            multiply_adds: weights * (output.height * output.width) as u64,
        });
        self.shape = output;
        LayerIdx(self.layers.len() - 1)
    }
}

fn halved(shape: ImageShape) -> ImageShape {
    ImageShape { channels: shape.channels * 2, height: shape.height / 2, width: shape.width / 2 }
}

#[cfg(test)]
mod tests {
    use super::topology;
    use crate::experiment::{Lane, Setting, Settings};
    use crate::units::{ImageShape, LayerIdx};

    const RGB32: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

    fn lane(depth: usize, shortcut: &str) -> Lane {
        let settings = Settings::default()
            .with("depth", depth.into())
            .with("width", Setting::Whole(16))
            .with("shortcut", shortcut.into());
        Lane { name: "lane".into(), architecture: "resnet".into(), settings }
    }

    #[test]
    fn parameters_and_multiply_adds_are_those_of_the_paper() {
        // depth, option A or plain, option B, option A with 100 classes, multiply-adds (option A).
        let known: &[(usize, u64, u64, u64, u64)] = &[
            (20, 269_722, 272_474, 275_572, 40_551_040),
            (32, 464_154, 466_906, 470_004, 68_862_592),
            (44, 658_586, 661_338, 664_436, 97_174_144),
            (56, 853_018, 855_770, 858_868, 125_485_696),
            (110, 1_727_962, 1_730_714, 1_733_812, 252_887_680),
            (1202, 19_421_274, 19_424_026, 19_427_124, 2_829_238_912),
        ];
        for &(depth, option_a, option_b, hundred, multiply_adds) in known {
            let n = (depth as u64 - 2) / 6;
            assert_eq!(option_a, 97_216 * n - 21_926);
            for shortcut in ["none", "identity"] {
                let found = topology(&lane(depth, shortcut), RGB32, 10);
                assert_eq!(found.parameters(), option_a, "depth {depth} {shortcut:?}");
                assert_eq!(found.multiply_adds(), multiply_adds, "depth {depth} {shortcut:?}");
            }
            assert_eq!(topology(&lane(depth, "projection"), RGB32, 10).parameters(), option_b);
            assert_eq!(topology(&lane(depth, "identity"), RGB32, 100).parameters(), hundred);
        }
    }

    #[test]
    fn layers_stand_in_order_and_are_counted_as_the_depth() {
        let found = topology(&lane(20, "projection"), RGB32, 10);
        assert_eq!(found.layers.len(), 22);
        assert_eq!(found.blocks.len(), 9);
        assert_eq!(found.layers.last().map(|head| (head.name.as_str(), head.depth)), Some(("fc", 20)));
        let changed = &found.blocks[3];
        assert_eq!(changed.layers, [LayerIdx(7), LayerIdx(8), LayerIdx(9)]);
        let projection = &found.layers[9];
        assert_eq!(projection.name, "layer2.0.downsample.0");
        assert_eq!(projection.depth, found.layers[8].depth);
        assert_eq!(projection.parameters, 16 * 32 + 2 * 32);
        assert_eq!(projection.output, found.layers[8].output);
        assert_eq!(projection.output, ImageShape { channels: 32, height: 16, width: 16 });
    }
}
