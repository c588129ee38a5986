use super::*;
use crate::datasets::{Batch, Inputs};
use crate::event::{Mode, Value};
use crate::experiment::{Group, Optimizer, Setting, Settings};
use crate::metric::known;
use crate::model::trained::Trained;
use crate::model::{Network, Wanted};
use crate::units::ImageShape;

const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
const IMAGE: ImageShape = ImageShape { channels: 1, height: 16, width: 16 };
const ALL: Wanted = Wanted { scalars: true, histograms: false };

/// A residual network's lane with these words.
fn lane(depth: usize, words: &[(&str, &str)]) -> Lane {
    let mut settings = Settings::default().with("depth", depth.into()).with("width", Setting::Whole(4));
    words.iter().for_each(|(key, word)| settings.set(key, (*word).into()));
    Lane::new("lane", "resnet", settings)
}

fn residual() -> Lane {
    lane(8, &[("shortcut", "identity")])
}

fn network(lane: &Lane, classes: usize, seed: u64, optimizer: &Optimizer) -> Trained {
    Trained::new(architectures::build(lane, IMAGE.into(), classes, Some(seed)).unwrap(), seed, optimizer, 1)
}

fn batch(images: usize, seed: usize) -> Batch {
    let pixel = |at: usize| ((at * 31 + seed * 17) % 97) as f32 / 50.0 - 1.0;
    Batch {
        inputs: Inputs::Numbers((0..images * 256).map(pixel).collect()),
        labels: (0..images).map(|at| (at % 10) as u16).collect(),
    }
}

fn steps(network: &mut Trained, count: usize) {
    for step in 0..count {
        network.train_step(&batch(16, step), 0.02, Wanted::default());
    }
}

fn start() -> Start {
    let (head, missing) = (Head::Keep, Missing::Refuse);
    Start { checkpoint: "x.safetensors".into(), lane: None, step: None, sha256: None, head, missing }
}

fn fit(lane: &Lane, classes: usize, found: Vec<NamedTensor>, start: &Start) -> Result<Fitted, String> {
    let outline = Outline::of(lane, IMAGE, classes).unwrap();
    outline.fit(found, start).map_err(|error| error.to_string())
}

/// A network in its initial state, with what it takes of a checkpoint.
fn started(lane: &Lane, found: Vec<NamedTensor>, start: &Start, seed: u64) -> Trained {
    let mut network = network(lane, 10, seed, &SGD);
    let mut state = network.state();
    for taken in fit(lane, 10, found, start).unwrap().tensors {
        let own = state.iter_mut().find(|own| own.name == taken.name).unwrap();
        *own = taken;
    }
    network.load_state(&state).unwrap();
    network
}

fn tensor(network: &Trained, name: &str) -> NamedTensor {
    network.state().into_iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// The bits of the logits of a batch in both modes.
fn logits(network: &mut Trained) -> [Vec<u32>; 2] {
    [Mode::Eval, Mode::Batch].map(|mode| bits(&network.logits(&batch(19, 3), mode)))
}

#[test]
fn a_network_that_starts_from_a_checkpoint_computes_the_same_bits() {
    let mut first = network(&residual(), 10, 0, &SGD);
    steps(&mut first, 3);
    let mut second = started(&residual(), first.state(), &start(), 7);
    assert_eq!(logits(&mut first), logits(&mut second));
    let notes = fit(&residual(), 10, first.state(), &start()).unwrap().notes;
    let all = first.state().len();
    assert_eq!(notes, [format!("{all} of {all} tensors are those of the checkpoint")]);
}

#[test]
fn a_new_head_keeps_its_initial_weights_and_may_have_other_classes() {
    let mut first = network(&residual(), 10, 0, &SGD);
    steps(&mut first, 2);
    let with_new = Start { head: Head::New, ..start() };
    let second = started(&residual(), first.state(), &with_new, 7);
    let fresh = network(&residual(), 10, 7, &SGD);
    for tensor in second.state() {
        let from = if tensor.name.starts_with("fc.") { fresh.state() } else { first.state() };
        assert!(from.contains(&tensor), "{}", tensor.name);
    }
    let fitted = fit(&residual(), 3, first.state(), &with_new).unwrap();
    assert!(fitted.tensors.iter().all(|taken| !taken.name.starts_with("fc.")));
    assert_eq!(fitted.notes[1], "the head keeps its initial weights: `fc.weight`, `fc.bias`");
    // A checkpoint may lack a head that is not needed.
    let without: Vec<NamedTensor> =
        first.state().into_iter().filter(|tensor| !tensor.name.starts_with("fc.")).collect();
    assert_eq!(fit(&residual(), 3, without, &with_new).unwrap().tensors, fitted.tensors);
    let error = fit(&residual(), 3, first.state(), &start()).unwrap_err();
    assert_eq!(
        error,
        "expected `fc.weight` of shape [3, 16], found [10, 16]\n  expected `fc.bias` of shape [3], found [10]\n  \
         for other classes than the checkpoint's, set head = \"new\""
    );
}

#[test]
fn the_head_of_every_architecture_is_found() {
    let mlp = Settings::default().with("depth", 2_usize.into()).with("width", 32_usize.into());
    let transformer = Settings::default()
        .with("depth", 2_usize.into())
        .with("width", 32_usize.into())
        .with("residual", "scalars".into());
    let dense = Settings::default()
        .with("depth", 16_usize.into())
        .with("growth", 8_usize.into())
        .with("block", "basic".into());
    let vectors = InputShape::Vector { features: 9 };
    let sequence = InputShape::Sequence { context: 8, vocabulary: 5 };
    for (lane, input, head) in [
        (residual(), IMAGE.into(), ["fc.weight", "fc.bias"].as_slice()),
        (Lane::new("", "densenet", dense), IMAGE.into(), &["classifier.weight", "classifier.bias"]),
        (
            Lane::new("", "mlp", mlp.with("shortcut", "identity".into())),
            vectors,
            &["head.weight", "head.bias"],
        ),
        (Lane::new("", "transformer", transformer), sequence, &["head.weight"]),
    ] {
        let outline = Outline::of(&lane, input, 5).unwrap();
        assert_eq!(outline.head, head, "{lane:?}");
        let same = outline.fit(outline.tensors.clone(), &start()).unwrap();
        assert_eq!(same.tensors, outline.tensors);
    }
}

#[test]
fn names_of_wrappers_and_what_holds_no_weights_are_left_out() {
    let first = network(&residual(), 10, 0, &SGD);
    let counter = |tensor: &NamedTensor| matches!(tensor.data, TensorData::I64(_));
    let mut wrapped: Vec<NamedTensor> = first.state().into_iter().filter(|tensor| !counter(tensor)).collect();
    let count = wrapped.len();
    wrapped.iter_mut().for_each(|tensor| tensor.name = format!("module._orig_mod.{}", tensor.name));
    let data = TensorData::I64(vec![0, 1]);
    wrapped.push(NamedTensor { name: "module.position_ids".into(), shape: vec![2], data });
    let fitted = fit(&residual(), 10, wrapped.clone(), &start()).unwrap();
    let all = first.state().len();
    assert_eq!(
        fitted.notes,
        [
            format!("{count} of {all} tensors are those of the checkpoint").as_str(),
            "names in the checkpoint begin with `module.`, which is left out",
            "names in the checkpoint begin with `_orig_mod.`, which is left out",
            "what holds no weights is ignored: `position_ids`",
        ]
    );
    wrapped.extend(first.state());
    let error = fit(&residual(), 10, wrapped, &start()).unwrap_err();
    assert!(error.contains("found it with a prefix and without"), "{error}");
}

#[test]
fn what_does_not_fit_is_told_with_names_shapes_and_what_to_do() {
    let state = || network(&residual(), 10, 0, &SGD).state();
    let error = |change: &dyn Fn(&mut Vec<NamedTensor>)| {
        let mut found = state();
        change(&mut found);
        fit(&residual(), 10, found, &start()).unwrap_err()
    };
    assert_eq!(
        error(&|found| found.retain(|tensor| tensor.name != "layer2.0.conv1.weight")),
        "expected `layer2.0.conv1.weight` of shape [8, 4, 3, 3], found no such tensor\n  to leave what the checkpoint \
         lacks at its initial values, set missing = \"initial\""
    );
    assert_eq!(
        error(&|found| {
            let data = TensorData::F32(vec![1.0; 2]);
            found.push(NamedTensor { name: "layer9.\u{1b}".into(), shape: vec![2], data });
        }),
        "expected no other tensors, found `layer9.\u{fffd}` of shape [2]\n  choose the keys of the lane as the \
         checkpoint's network has them"
    );
    assert_eq!(
        error(&|found| {
            found[0].shape = vec![4, 3, 3];
            found[0].data = TensorData::F32(vec![0.0; 36]);
        }),
        "expected `conv1.weight` of shape [4, 1, 3, 3], found [4, 3, 3]\n  choose the keys of the lane and the data as \
         the checkpoint's network has them"
    );
    assert_eq!(
        error(&|found| found[0].data = TensorData::I64(vec![0; 36])),
        "expected `conv1.weight` of F32, found whole numbers\n  save the weights as F32"
    );
    assert_eq!(
        error(&|found| {
            if let TensorData::F32(values) = &mut found[0].data {
                values[7] = f32::NAN;
            }
        }),
        "expected finite numbers in `conv1.weight`, found NaN or infinity\n  choose a checkpoint from before it diverged"
    );
    // Another architecture has nothing in common.
    let other =
        error(&|found| found.iter_mut().for_each(|tensor| tensor.name = format!("backbone.{}", tensor.name)));
    assert!(other.starts_with("expected tensors such as `conv1.weight`, `bn1.weight`, "), "{other}");
    assert!(
        other.ends_with("\n  choose a checkpoint of this architecture with the names of its state dict"),
        "{other}"
    );
    // Of many problems some are told.
    let wider = Settings::default().with("depth", 8_usize.into()).with("width", 8_usize.into());
    let wider = Lane::new("", "resnet", wider.with("shortcut", "identity".into()));
    let error = fit(&wider, 10, state(), &start()).unwrap_err();
    assert!(error.lines().count() < 9 && error.contains(" more\n"), "{error}");
}

#[test]
fn a_shallower_network_is_refused_unless_what_it_lacks_may_stay_initial() {
    let first = network(&residual(), 10, 0, &SGD);
    let deeper = lane(14, &[("shortcut", "identity")]);
    let error = fit(&deeper, 10, first.state(), &start()).unwrap_err();
    assert!(
        error.contains("expected `layer1.1.conv1.weight`") && error.contains("missing = \"initial\""),
        "{error}"
    );
    let with_initial = Start { missing: Missing::Initial, ..start() };
    let fitted = fit(&deeper, 10, first.state(), &with_initial).unwrap();
    assert_eq!(fitted.tensors.len(), first.state().len());
    let note = "what the checkpoint lacks keeps its initial values: `layer1.1.conv1.weight`";
    assert!(fitted.notes[1].starts_with(note), "{:?}", fitted.notes);
    // The other way round there is something too much.
    let deep = network(&deeper, 10, 0, &SGD).state();
    let error = fit(&residual(), 10, deep, &with_initial).unwrap_err();
    assert!(error.contains("expected no other tensors, found `layer1.1.bn1.bias` of shape [4]"), "{error}");
}

/// He et al. 2015, section 1: a deeper network has a solution no worse than a shallower one, in which the layers that it
/// has in addition are the identity. It is constructed here for every start that makes such layers, and it is exact.
#[test]
fn a_deeper_network_has_the_outputs_of_the_shallower_one_that_it_starts_from() {
    let plain = [("shortcut", "none"), ("norm", "none"), ("init", "dirac")];
    let zero_gamma = [("shortcut", "identity"), ("init", "zero-gamma")];
    let pre = [("shortcut", "identity"), ("order", "pre"), ("norm", "none"), ("init", "skipinit")];
    let rezero = [("shortcut", "identity"), ("norm", "none"), ("init", "rezero")];
    let fixup = [("shortcut", "identity"), ("norm", "none"), ("init", "fixup")];
    let of_order = |order| [("shortcut", "identity"), ("init", "zero-gamma"), ("order", order)];
    let orders = ["relu-before", "relu-only", "pre"].map(of_order);
    let [before, only, full] = orders.each_ref().map(|order| order.as_slice());
    for words in [plain.as_slice(), &zero_gamma, &pre, &rezero, &fixup, before, only, full] {
        let mut shallow = network(&lane(8, words), 10, 0, &SGD);
        steps(&mut shallow, 5);
        let with_initial = Start { missing: Missing::Initial, ..start() };
        let mut deep = started(&lane(26, words), shallow.state(), &with_initial, 5);
        assert_eq!(logits(&mut shallow), logits(&mut deep), "{words:?}");
        let [of_shallow, of_deep] = [&mut shallow, &mut deep].map(|network| {
            let found = network.evaluate(&batch(19, 3), Mode::Eval);
            let step = network.train_step(&batch(16, 4), 0.02, Wanted::default());
            (found.loss_sum.to_bits(), found.wrong, step.loss.to_bits(), step.wrong)
        });
        assert_eq!(of_shallow, of_deep, "{words:?}");
    }
    // The same network from its own start is another one: the check can fail.
    let mut deep = network(&lane(26, &plain), 10, 5, &SGD);
    assert_ne!(logits(&mut network(&lane(8, &plain), 10, 0, &SGD)), logits(&mut deep));
}

fn number(result: &crate::model::StepResult, metric: crate::metric::Metric) -> Vec<f32> {
    match result.statistics.iter().find(|(known, _)| *known == metric) {
        Some((_, Value::Numbers(numbers))) => numbers.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn frozen_parameters_keep_their_bits_while_others_learn() {
    let adam =
        Optimizer::AdamW { learning_rate: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1 };
    for optimizer in [SGD, adam] {
        let frozen = ["conv1", "bn1", "layer1", "layer2.0.conv2.*"].map(str::to_owned).to_vec();
        let lane = Lane { frozen, ..residual() };
        let mut network = network(&lane, 10, 0, &optimizer);
        let before = network.state();
        let optimizer_before = network.optimizer_state();
        let mut result = network.train_step(&batch(16, 0), 0.02, ALL);
        for step in 1..4 {
            result = network.train_step(&batch(16, step), 0.02, ALL);
        }
        for (before, after) in before.iter().zip(network.state()) {
            // Running statistics go on, as those of a module of PyTorch that is in training mode.
            let is_parameter = network_parameters(&lane).contains(&after.name);
            let is_frozen = is_parameter && lane.freezes(&after.name);
            assert_eq!(*before == after, is_frozen, "{}", after.name);
        }
        for (before, after) in optimizer_before.iter().zip(network.optimizer_state()).skip(1) {
            let name = before.name.splitn(3, '.').nth(2).unwrap();
            assert_eq!(*before == after, lane.freezes(name), "{name}");
        }
        let layers = &network.description().structure.layers;
        let frozen: Vec<&str> =
            layers.iter().filter(|layer| layer.frozen).map(|layer| layer.name.as_str()).collect();
        assert_eq!(frozen, ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv2"]);
        let (ratios, gradients) =
            (number(&result, known::UPDATE_RATIO), number(&result, known::WEIGHT_GRADIENT_NORM));
        let largest = number(&result, known::WEIGHT_GRADIENT_MAX);
        for (at, layer) in layers.iter().enumerate() {
            assert_eq!(ratios[at] == 0.0, layer.frozen, "{}", layer.name);
            assert!(
                gradients[at] > 0.0 && largest[at] > 0.0 && largest[at] <= gradients[at],
                "{}",
                layer.name
            );
        }
    }
}

fn network_parameters(lane: &Lane) -> Vec<String> {
    Outline::of(lane, IMAGE, 10).unwrap().parameters
}

/// A group's update is that of a network that is trained at its rate as a whole.
#[test]
fn a_group_is_trained_at_its_own_rate_and_decay() {
    let group =
        |parameters: &str, rate, weight_decay| Group { parameters: parameters.into(), rate, weight_decay };
    let adamw =
        Optimizer::AdamW { learning_rate: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1 };
    for optimizer in [SGD, adamw] {
        // The first group that matches counts.
        let groups =
            vec![group("layer1.0.bn1", 1.0, Some(0.5)), group("layer1", 0.1, None), group("*1*", 3.0, None)];
        let lane = Lane { groups, ..residual() };
        // One step, after which the gradients of all three are the same.
        let after = |lane: &Lane, optimizer: &Optimizer, rate| {
            let mut network = network(lane, 10, 0, optimizer);
            network.train_step(&batch(16, 0), rate, Wanted::default());
            network
        };
        let tuned = after(&lane, &optimizer, 0.02);
        let whole = |rate| after(&residual(), &optimizer, rate);
        let [usual, slow, fast] = [0.02, 0.02 * 0.1, 0.02 * 3.0].map(whole);
        let decayed = after(&residual(), &optimizer.with_weight_decay(0.5), 0.02);
        for name in network_parameters(&lane) {
            let expected = if name.starts_with("layer1.0.bn1.") {
                &decayed
            } else if name.starts_with("layer1.") {
                &slow
            } else if name.contains('1') {
                &fast
            } else {
                &usual
            };
            assert_eq!(tensor(&tuned, &name), tensor(expected, &name), "{name}");
        }
        assert_ne!(tensor(&slow, "layer1.0.conv2.weight"), tensor(&usual, "layer1.0.conv2.weight"));
    }
}

/// The rule of SGD written out, for a group and the rest.
#[test]
fn a_group_at_a_tenth_moves_by_a_tenth() {
    let plain = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.0, weight_decay: 0.0 };
    let groups = vec![Group { parameters: "*.bias".into(), rate: 0.1, weight_decay: None }];
    let moved = |lane: &Lane, name: &str| {
        let mut network = network(lane, 10, 0, &plain);
        let before = tensor(&network, name);
        network.train_step(&batch(16, 0), 0.5, Wanted::default());
        match (before.data, tensor(&network, name).data) {
            (TensorData::F32(before), TensorData::F32(after)) => before
                .iter()
                .zip(after)
                .map(|(before, after)| f64::from(after) - f64::from(*before))
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    let lane = Lane { groups, ..residual() };
    for (name, factor) in [("bn1.bias", 0.1), ("fc.bias", 0.1), ("fc.weight", 1.0), ("bn1.weight", 1.0)] {
        let [whole, part]: [Vec<f64>; 2] = [&residual(), &lane].map(|lane| moved(lane, name));
        let size = whole.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(size > 0.0, "{name}");
        for (whole, part) in whole.iter().zip(&part) {
            assert!((part - factor * whole).abs() < 1e-6 * size.max(1.0), "{name}: {part} for {whole}");
        }
    }
}
