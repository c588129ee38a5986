//! Which networks can be built, which start from equal weights, and that states can be restored.

use skiplane::datasets::{Batch, Inputs};
use skiplane::event::{Mode, Values};
use skiplane::experiment::Optimizer;
use skiplane::metric::known;
use skiplane::model::{self, ModelError, NamedTensor, TensorData, Wanted};
use skiplane::units::{ImageShape, InputShape};

use super::{RGB16, SHORTCUTS, floats, lane, network, noise, sgd};

#[test]
fn every_compiled_shape_makes_a_step() {
    for side in [16, 32] {
        for channels in [1, 3] {
            let shape = ImageShape { channels, height: side, width: side };
            for (index, width) in [4, 8, 16, 32].into_iter().enumerate() {
                let shortcut = SHORTCUTS[index % 3];
                let classes = [10, 100, 62, 2][index];
                let mut network =
                    model::build(&lane(8, width, shortcut), shape, classes, 0, &sgd(0.9, 1e-4), 1).unwrap();
                let batch = noise(2, shape, classes as u16);
                let step = network.train_step(&batch, 0.01, Wanted { scalars: true, histograms: true });
                assert!(step.loss.is_finite() && step.non_finite.is_none(), "{shape} width {width}");
                assert_eq!(
                    network.description().structure.layers.len(),
                    step.histograms.histograms(known::WEIGHTS).unwrap().len()
                );
                let parameters: usize = network
                    .state()
                    .iter()
                    .filter(|t| !t.name.contains("running") && !t.name.contains("tracked"))
                    .map(|t| floats(t).len())
                    .sum();
                assert_eq!(
                    Some(parameters as u64),
                    network.description().structure.parameters(),
                    "{shape} width {width} {shortcut:?}"
                );
            }
        }
    }
}

#[test]
fn networks_that_differ_in_shortcuts_start_from_the_same_weights() {
    let networks =
        ["none", "identity", "projection"].map(|shortcut| network(20, 8, shortcut, &sgd(0.9, 0.0)));
    let [of_plain, _, of_projection] = networks.each_ref().map(|network| network.shared_weights_hash());
    let [plain, identity, projection] = networks.map(|network| network.state());
    assert_eq!(plain, identity);
    let shared: Vec<NamedTensor> =
        projection.iter().filter(|tensor| !tensor.name.contains("downsample")).cloned().collect();
    assert_eq!(plain, shared);
    assert_eq!(projection.len(), plain.len() + 2 * 6);
    assert_eq!(of_plain, of_projection);

    let other_seed = model::build(&lane(20, 8, "none"), RGB16, 10, 1, &sgd(0.9, 0.0), 1).unwrap();
    assert_ne!(of_plain, other_seed.shared_weights_hash());
}

/// The results of three steps: losses, statistics, state and optimiser state.
fn after_three_steps(
    shortcut: &'static str,
    images: usize,
    threads: usize,
    wanted: Wanted,
) -> (Vec<(f32, Values)>, Vec<NamedTensor>, Vec<NamedTensor>) {
    let mut network = model::build(&lane(8, 4, shortcut), RGB16, 10, 3, &sgd(0.9, 1e-4), threads).unwrap();
    let batch = noise(images, RGB16, 10);
    let steps =
        (0..3).map(|_| network.train_step(&batch, 0.05, wanted)).map(|step| (step.loss, step.statistics));
    let steps = steps.collect();
    (steps, network.state(), network.optimizer_state())
}

#[test]
fn any_number_of_threads_comes_to_the_same_bits() {
    let wanted = Wanted { scalars: true, histograms: true };
    for shortcut in SHORTCUTS {
        // One bundle, a partly filled second one, and more than there are parts.
        for images in [9, 19, 84] {
            let alone = after_three_steps(shortcut, images, 1, wanted);
            for threads in [2, 3, 8] {
                let together = after_three_steps(shortcut, images, threads, wanted);
                assert!(alone == together, "{shortcut}, {images} images, {threads} threads");
            }
        }
    }
}

#[test]
fn watching_changes_nothing() {
    for shortcut in SHORTCUTS {
        let seen = after_three_steps(shortcut, 19, 2, Wanted { scalars: true, histograms: true });
        let unseen = after_three_steps(shortcut, 19, 2, Wanted::default());
        let losses = |steps: &[(f32, Values)]| steps.iter().map(|(loss, _)| *loss).collect::<Vec<_>>();
        assert_eq!(losses(&seen.0), losses(&unseen.0), "{shortcut}");
        assert!(seen.1 == unseen.1 && seen.2 == unseen.2, "{shortcut}");
        assert!(unseen.0.iter().all(|(_, statistics)| statistics.is_empty()), "{shortcut}");
    }
}

#[test]
fn training_goes_on_from_a_state_as_if_never_stopped() {
    let adam =
        Optimizer::AdamW { learning_rate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 1e-2 };
    for optimizer in [sgd(0.9, 1e-4), adam] {
        let batch = noise(4, RGB16, 10);
        let mut first = network(8, 4, "projection", &optimizer);
        first.train_step(&batch, 0.05, Wanted::default());
        let (state, memory) = (first.state(), first.optimizer_state());

        let mut second = model::build(&lane(8, 4, "projection"), RGB16, 10, 9, &optimizer, 1).unwrap();
        second.load_state(&state).unwrap();
        second.load_optimizer_state(&memory).unwrap();
        assert_eq!((second.state(), second.optimizer_state()), (state, memory));
        for _ in 0..3 {
            let wanted = Wanted::default();
            assert_eq!(
                first.train_step(&batch, 0.05, wanted).loss,
                second.train_step(&batch, 0.05, wanted).loss
            );
        }
        assert_eq!((first.state(), first.optimizer_state()), (second.state(), second.optimizer_state()));
    }
}

#[test]
fn evaluating_changes_nothing() {
    let mut network = network(8, 4, "identity", &sgd(0.9, 1e-4));
    let batch = noise(6, RGB16, 10);
    network.train_step(&batch, 0.05, Wanted::default());
    let before = (network.state(), network.optimizer_state());
    let eval = network.evaluate(&batch, Mode::Eval);
    let in_batch_mode = network.evaluate(&batch, Mode::Batch);
    assert_eq!((network.state(), network.optimizer_state()), before);
    assert_ne!(eval.loss_sum, in_batch_mode.loss_sum);
    // The loss of a training step uses batch statistics.
    let step = network.train_step(&batch, 0.05, Wanted::default());
    assert!((in_batch_mode.loss_sum / 6.0 - f64::from(step.loss)).abs() < 1e-5);
    assert_eq!(in_batch_mode.wrong, step.wrong);
}

#[test]
fn a_state_of_another_network_is_refused_and_changes_nothing() {
    let mut network = network(8, 4, "none", &sgd(0.9, 0.0));
    let own = network.state();
    let mut lacking = own.clone();
    lacking.remove(3);
    assert!(matches!(network.load_state(&lacking), Err(ModelError::MissingTensor { .. })));
    let mut surplus = own.clone();
    surplus.push(NamedTensor { name: "fc2.bias".into(), shape: vec![1], data: TensorData::F32(vec![0.0]) });
    assert!(matches!(network.load_state(&surplus), Err(ModelError::SurplusTensor { .. })));
    let mut misshapen = own.clone();
    misshapen[0].shape.swap(0, 1);
    let error = network.load_state(&misshapen).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"expected "conv1.weight" to be 108 f32 of shape [4, 3, 3, 3], found 108 f32 of shape [3, 4, 3, 3]"#
    );
    assert_eq!(network.state(), own);
}

#[test]
#[should_panic(expected = "expected a batch of numbers, found tokens")]
fn tokens_are_not_taken_for_pixels() {
    let batch = Batch { inputs: Inputs::Tokens(vec![0; 2 * RGB16.len()]), labels: vec![0; 2] };
    network(8, 4, "none", &sgd(0.0, 0.0)).evaluate(&batch, Mode::Batch);
}

#[test]
fn what_is_not_compiled_in_is_named() {
    let describe = |depth, width, input, classes| {
        model::describe(&lane(depth, width, "none"), input, classes).unwrap_err().to_string()
    };
    assert_eq!(describe(21, 8, RGB16, 10), "expected a depth of 6 n + 2, such as 20, found 21");
    assert_eq!(describe(2, 8, RGB16, 10), "expected a depth of 6 n + 2, such as 8, found 2");
    assert_eq!(describe(20, 9, RGB16, 10), "expected a width that is compiled in (4, 8, 16, 32), found 9");
    let odd = ImageShape { channels: 1, height: 28, width: 28 };
    assert_eq!(
        describe(20, 8, odd, 10),
        "expected images of a shape (channels x height x width) that is compiled in \
         (1x16x16, 3x16x16, 1x32x32, 3x32x32), found 1x28x28"
    );
    let vectors = model::describe(&lane(20, 8, "none"), InputShape::Vector { features: 12 }, 10);
    assert!(
        vectors.unwrap_err().to_string().ends_with("(1x16x16, 3x16x16, 1x32x32, 3x32x32), found 12 features")
    );
    assert_eq!(describe(20, 8, RGB16, 1), "expected 2 to 256 classes, found 1");
    let mut unknown = lane(20, 8, "none");
    unknown.architecture = "resnext".into();
    let error = model::describe(&unknown, RGB16, 10).unwrap_err().to_string();
    assert_eq!(error, r#"expected an architecture (resnet, densenet, mlp, transformer), found "resnext""#);
}
