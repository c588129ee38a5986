//! Networks with blocks left out or exchanged, streams and gradients: each against another way to compute it, and none of
//! them leaves a trace.

use super::observed::{kinds, resnet};
use super::*;
use crate::model::{Changes, NamedTensor, Stream, TensorData};
use crate::structure::kind;
use crate::units::BlockIdx;

/// A network after two steps, with a batch.
fn trained(lane: &Lane, input: InputShape) -> (Trained, Batch) {
    let mut network = network(lane, input, 3, 1);
    let batch = batch(input, 19);
    (0..2).for_each(|_| drop(network.train_step(&batch, 0.05, Wanted::default())));
    (network, batch)
}

fn blocks(network: &Trained) -> impl Iterator<Item = BlockIdx> + use<> {
    (0..network.description().structure.blocks.len()).map(BlockIdx)
}

/// The parameters without which a block's branch is zero.
fn of_branch(lane: &Lane, network: &Trained, block: BlockIdx) -> Vec<String> {
    let structure = &network.description().structure;
    let (block, layers) = (&structure.blocks[block.0].name, &structure.blocks[block.0].layers);
    let of_branch = |name: &&str| !name.contains("downsample") && !name.contains("gate");
    let names = layers.iter().map(|layer| structure.layers[layer.0].name.as_str());
    let last = names.rev().find(of_branch).unwrap();
    let mut zeroed = vec![format!("{last}.weight"), format!("{last}.bias"), format!("{block}.bias2b")];
    let is_before = ["pre", "bn-after"].contains(&lane.settings.word("order").unwrap_or_default());
    if let Some(number) = last.strip_prefix(&format!("{block}.conv")).filter(|_| !is_before) {
        zeroed.extend(["weight", "bias"].map(|part| format!("{block}.bn{number}.{part}")));
    }
    let number = if block.ends_with("attn") { 1 } else { 2 };
    if let Some((layer, _)) = block.rsplit_once('.') {
        zeroed.push(format!("{layer}.norm{number}_out.bias"));
    }
    zeroed
}

/// The state with some tensors zero.
fn zeroed(mut state: Vec<NamedTensor>, names: &[String]) -> Vec<NamedTensor> {
    for tensor in state.iter_mut().filter(|tensor| names.contains(&tensor.name)) {
        if let TensorData::F32(values) = &mut tensor.data {
            values.fill(0.0);
        }
    }
    state
}

#[test]
fn a_block_that_is_left_out_is_one_whose_branch_is_zero() {
    for (lane, input) in kinds() {
        let (mut network, batch) = trained(&lane, input);
        let state = network.state();
        for block in blocks(&network) {
            if network.description().structure.blocks[block.0].shortcut.is_none() {
                continue;
            }
            let changes = Changes::without(block);
            assert!(network.can_change(&changes), "{lane:?}");
            for mode in [Mode::Eval, Mode::Batch] {
                let intact = network.evaluate(&batch, mode).loss_sum;
                let left_out = network.evaluate_changed(&batch, mode, &changes).loss_sum;
                assert!(network.state() == state, "{lane:?}: block {block} has left a trace");
                let names = of_branch(&lane, &network, block);
                network.load_state(&zeroed(state.clone(), &names)).unwrap();
                let zero = network.evaluate(&batch, mode).loss_sum;
                network.load_state(&state).unwrap();
                assert_eq!(left_out, zero, "{lane:?}: block {block}, {mode:?}");
                assert!(left_out != intact, "{lane:?}: block {block} does nothing in {mode:?}");
            }
        }
    }
}

/// Blocks that start as the identity: what is left without them is exactly the same.
#[test]
fn a_block_that_starts_at_zero_is_not_missed() {
    let of = |key: &'static str, value: &str| (key, Setting::from(value));
    let starts = [
        resnet(&[of("shortcut", "identity"), of("init", "zero-gamma")]),
        resnet(&[of("shortcut", "identity"), of("init", "zero-gamma"), of("order", "pre")]),
        resnet(&[of("shortcut", "identity"), of("norm", "none"), of("init", "rezero")]),
        resnet(&[of("shortcut", "identity"), of("norm", "none"), of("init", "skipinit"), of("order", "pre")]),
        resnet(&[of("shortcut", "identity"), of("norm", "none"), of("init", "fixup")]),
        resnet(&[of("shortcut", "none"), of("norm", "none"), of("init", "dirac")]),
        lanes().into_iter().find(|(lane, _)| lane.settings.word("residual") == Some("rezero")).unwrap(),
    ];
    for (lane, input) in starts {
        let mut network = network(&lane, input, 3, 1);
        let batch = batch(input, 19);
        let intact = network.evaluate(&batch, Mode::Batch).loss_sum;
        let mut left_out = 0;
        for block in blocks(&network) {
            let changes = Changes::without(block);
            if network.can_change(&changes) {
                let without = network.evaluate_changed(&batch, Mode::Batch, &changes).loss_sum;
                assert_eq!(without, intact, "{lane:?}: block {block}");
                left_out += 1;
            }
        }
        assert!(left_out > 0, "{lane:?}");
    }
}

#[test]
fn a_plain_block_is_left_out_only_where_it_keeps_the_shape() {
    let (lane, input) = resnet(&[("shortcut", "none".into()), ("depth", 14_usize.into())]);
    let (mut network, batch) = trained(&lane, input);
    let possible: Vec<bool> =
        blocks(&network).map(|block| network.can_change(&Changes::without(block))).collect();
    assert_eq!(possible, [true, true, false, true, false, true]);
    assert!(!network.can_change(&Changes::without(BlockIdx(6))), "there is none");
    // Without the last block the network is a shallower one.
    let shallow = network.evaluate_changed(&batch, Mode::Eval, &Changes::without(BlockIdx(5)));
    assert!(shallow.loss_sum.is_finite() && shallow.labelled == 19);
    let (lane, input) =
        lanes().into_iter().find(|(lane, _)| lane.settings.word("shortcut") == Some("none")).unwrap();
    let (network, _) = trained(&lane, input);
    let possible = blocks(&network).map(|block| network.can_change(&Changes::without(block)));
    assert_eq!(possible.collect::<Vec<_>>(), [false, true, true], "the first layer reads the vectors");
}

#[test]
fn blocks_in_each_others_place_have_each_others_tensors() {
    for (lane, input) in
        kinds().into_iter().chain([resnet(&[("shortcut", "identity".into()), ("depth", 20_usize.into())])])
    {
        let (mut network, batch) = trained(&lane, input);
        let (before, names): (Vec<NamedTensor>, Vec<String>) = (
            network.state(),
            network.description().structure.blocks.iter().map(|b| b.name.clone()).collect(),
        );
        let pairs = blocks(&network).flat_map(|a| (a.0 + 1..names.len()).map(move |b| [a, BlockIdx(b)]));
        let possible: Vec<[BlockIdx; 2]> =
            pairs.filter(|[a, b]| network.can_change(&Changes::swapped(*a, *b))).collect();
        if lane.settings.whole("depth") == Some(20) {
            assert_eq!(
                possible.len(),
                3 + 1 + 1,
                "the first of the second and the third stage are like no other"
            );
        }
        for [a, b] in possible {
            let swapped = network.evaluate_changed(&batch, Mode::Eval, &Changes::swapped(a, b)).loss_sum;
            assert!(network.state() == before, "{lane:?}: the exchange of {a} and {b} has left a trace");
            // Where names begin with the block's, by names.
            if lane.architecture == "transformer" {
                continue;
            }
            let exchanged = before.iter().map(|tensor| {
                let other = [(a, b), (b, a)].iter().find_map(|(from, to)| {
                    let part = tensor.name.strip_prefix(&format!("{}.", names[from.0]))?;
                    Some(format!("{}.{part}", names[to.0]))
                });
                let name = other.unwrap_or_else(|| tensor.name.clone());
                let data = before.iter().find(|tensor| tensor.name == name).unwrap().data.clone();
                NamedTensor { data, ..tensor.clone() }
            });
            network.load_state(&exchanged.collect::<Vec<_>>()).unwrap();
            assert_eq!(swapped, network.evaluate(&batch, Mode::Eval).loss_sum, "{lane:?}: {a} and {b}");
            network.load_state(&before).unwrap();
        }
        assert!(!network.can_change(&Changes::swapped(BlockIdx(0), BlockIdx(0))));
    }
}

#[test]
fn gradients_are_those_of_a_step() {
    for (lane, input) in kinds() {
        // What is decided at random in a step has its expected value in a gradient.
        if lane.settings.get("survival").is_some() || lane.settings.word("shortcut") == Some("dropout") {
            continue;
        }
        let (network_before, batch) = trained(&lane, input);
        let state = network_before.state();
        let no_decay = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.0 };
        let mut network = Trained::new(build(&lane, input, CLASSES, Some(3)).unwrap(), 5, &no_decay, 2);
        network.load_state(&state).unwrap();
        let found = network.gradients(&batch);
        assert!(network.state() == state, "{lane:?}: a trace is left");
        let step = network.train_step(&batch, 0.05, Wanted::default());
        assert_eq!((found.loss, found.labelled), (step.loss, step.labelled), "{lane:?}");
        let momentum: Vec<NamedTensor> = network
            .optimizer_state()
            .into_iter()
            .filter_map(|tensor| {
                let name = tensor.name.strip_prefix("optimizer.first_moment.")?.to_owned();
                Some(NamedTensor { name, ..tensor })
            })
            .collect();
        assert!(found.tensors == momentum, "{lane:?}");
    }
}

#[test]
fn a_stream_is_reduced_to_means_and_moments_of_its_channels() {
    // Two rows of two pixels of three channels.
    let values = [1.0, 2.0, 0.0, 3.0, 2.0, 0.0, 5.0, 2.0, 1.0, 7.0, 2.0, -1.0];
    let Stream { channels, features, square_mean, variance, first } = Stream::of(&values, 2, 3);
    assert_eq!((channels, features), (3, vec![2.0, 2.0, 0.0, 6.0, 2.0, 0.0]));
    assert_eq!(first, values[..6]);
    // The means are 4, 2 and 0, the variances 5, 0 and 1 / 2.
    assert!((square_mean - 20.0 / 3.0).abs() < 1e-12 && (variance - 5.5 / 3.0).abs() < 1e-12);
}

/// Where nothing stands between the last block and the head, its stream gives the logits.
#[test]
fn the_last_stream_is_what_the_head_reads() {
    let ends = |lane: &Lane| match lane.architecture.as_str() {
        "resnet" => {
            let (order, init) = (lane.settings.word("order"), lane.settings.word("init"));
            [None, Some("post"), Some("bn-after"), Some("relu-before")].contains(&order)
                && init != Some("fixup")
        }
        "mlp" => lane.settings.word("shortcut") == Some("none"),
        _ => ["post", "rezero"].contains(&lane.settings.word("residual").unwrap_or_default()),
    };
    let mut compared = 0;
    for (lane, input) in kinds() {
        let (mut network, batch) = trained(&lane, input);
        for mode in [Mode::Eval, Mode::Batch] {
            let (streams, state) = (network.streams(&batch, mode), network.state());
            assert_eq!(streams.len(), blocks(&network).count(), "{lane:?}");
            let rows = batch.labels.len();
            assert!(
                streams.iter().all(|stream| stream.features.len() == rows * stream.channels
                    && stream.features.iter().all(|x| x.is_finite())),
                "{lane:?}"
            );
            if !ends(&lane) {
                continue;
            }
            let logits = network.logits(&batch, mode);
            let head = network.description().structure.layers.iter().find(|l| l.kind == kind::HEAD).unwrap();
            let tensor = |part: &str| {
                let name = format!("{}.{part}", head.name);
                state.iter().find(|tensor| tensor.name == name).map(|tensor| match &tensor.data {
                    TensorData::F32(values) => values.clone(),
                    TensorData::I64(_) => panic!("{name} is of whole numbers"),
                })
            };
            let (weights, bias) = (tensor("weight").unwrap(), tensor("bias"));
            let stream = streams.last().unwrap();
            let rows = stream.features.chunks_exact(stream.channels).zip(logits.chunks_exact(CLASSES));
            for (features, logits) in rows {
                for (class, (logit, weights)) in
                    logits.iter().zip(weights.chunks_exact(stream.channels)).enumerate()
                {
                    let sum: f32 = weights.iter().zip(features).map(|(w, x)| w * x).sum();
                    let own = sum + bias.as_ref().map_or(0.0, |bias| bias[class]);
                    assert!((own - logit).abs() < 1e-3 * logit.abs().max(1.0), "{lane:?}: {own}, {logit}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}
