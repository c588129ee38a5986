//! What holds for every architecture: nothing is forgotten, memory is counted exactly, a state can be gone on from, and
//! results don't depend on threads or on being measured.

use super::architectures::{ALL, build};
use crate::datasets::{Batch, Inputs, NO_LABEL};
use crate::event::Mode;
use crate::experiment::{Lane, Optimizer, Setting, Settings};
use crate::model::trained::Trained;
use crate::model::{Memory, Network, StepResult, Wanted};
use crate::units::{ImageShape, InputShape};

mod changed;
mod observed;

const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };

/// Classes of every network here.
const CLASSES: usize = 10;

/// A lane with these settings.
fn lane(architecture: &str, settings: &[(&str, Setting)]) -> Lane {
    let set = |settings: Settings, (key, value): &(&str, Setting)| settings.with(key, value.clone());
    let settings = settings.iter().fold(Settings::default(), set);
    Lane::new("lane", architecture, settings)
}

/// Lanes of every architecture but the residual network, whose kinds are tested beside it, each with an input it reads.
fn lanes() -> Vec<(Lane, InputShape)> {
    let image = ImageShape { channels: 1, height: 16, width: 16 }.into();
    let vector = InputShape::Vector { features: 21 };
    let sequence = InputShape::Sequence { context: 20, vocabulary: CLASSES };
    let dense =
        |block: &str| [("depth", 16_usize.into()), ("growth", 8_usize.into()), ("block", block.into())];
    let mlp = |shortcut: &str| {
        [("depth", 3_usize.into()), ("width", 32_usize.into()), ("shortcut", shortcut.into())]
    };
    let mut all = vec![
        (lane("densenet", &dense("basic")), image),
        (lane("densenet", &dense("bottleneck")), image),
        (lane("mlp", &mlp("none")), vector),
        (lane("mlp", &mlp("identity")), vector),
    ];
    for residual in [
        "none",
        "post",
        "pre",
        "peri",
        "lnscale",
        "rezero",
        "scalars",
        "hyper-static",
        "hyper-dynamic",
        "mhc",
    ] {
        let settings = [
            ("depth", 2_usize.into()),
            ("width", 32_usize.into()),
            ("heads", 2_usize.into()),
            ("residual", residual.into()),
        ];
        all.push((lane("transformer", &settings), sequence));
    }
    all
}

/// A batch without structure.
fn batch(input: InputShape, examples: usize) -> Batch {
    let count = examples * input.len();
    match input {
        InputShape::Sequence { context, vocabulary } => Batch {
            inputs: Inputs::Tokens((0..count).map(|at| (at * 7 % vocabulary) as u16).collect()),
            labels: (0..examples * context)
                .map(|at| if at % 3 == 0 { NO_LABEL } else { (at % CLASSES) as u16 })
                .collect(),
        },
        InputShape::Image(_) | InputShape::Vector { .. } => Batch {
            inputs: Inputs::Numbers((0..count).map(|at| (at * 31 % 97) as f32 / 50.0 - 1.0).collect()),
            labels: (0..examples).map(|at| (at % CLASSES) as u16).collect(),
        },
    }
}

fn network(lane: &Lane, input: InputShape, seed: u64, threads: usize) -> Trained {
    Trained::new(build(lane, input, CLASSES, Some(seed)).unwrap(), 5, &SGD, threads)
}

#[test]
fn the_memory_that_is_counted_is_what_a_network_takes() {
    for (lane, input) in lanes() {
        for examples in [16, 19, 64] {
            let counted = Memory::of(build(&lane, input, CLASSES, None).unwrap(), examples, &SGD, 1).pool();
            let mut network = network(&lane, input, 0, 1);
            for _ in 0..2 {
                network.train_step(
                    &batch(input, examples),
                    0.01,
                    Wanted { scalars: true, histograms: false },
                );
                network.evaluate(&batch(input, examples.div_ceil(2)), Mode::Eval);
            }
            assert_eq!(network.buffers.bytes() as u64, counted, "{lane:?}, {examples} examples");
        }
    }
}

/// Three steps of a network.
fn steps(network: &mut Trained, input: InputShape, wanted: Wanted) -> Vec<StepResult> {
    (0..3).map(|_| network.train_step(&batch(input, 19), 0.01, wanted)).collect()
}

fn bits(steps: &[StepResult]) -> Vec<(u32, usize, usize)> {
    steps.iter().map(|step| (step.loss.to_bits(), step.wrong, step.labelled)).collect()
}

#[test]
fn threads_measuring_and_resuming_change_nothing() {
    for (lane, input) in lanes() {
        let all = Wanted { scalars: true, histograms: true };
        let mut first = network(&lane, input, 0, 1);
        let measured = steps(&mut first, input, all);
        assert!(measured.iter().all(|step| step.loss.is_finite() && step.non_finite.is_none()), "{lane:?}");
        for threads in [2, 3] {
            let mut other = network(&lane, input, 0, threads);
            let unmeasured = steps(&mut other, input, Wanted::default());
            assert_eq!(bits(&measured), bits(&unmeasured), "{lane:?}, {threads} threads");
            assert!(first.state() == other.state(), "{lane:?}, {threads} threads");
        }
        let mut resumed = network(&lane, input, 9, 2);
        resumed.load_state(&first.state()).unwrap();
        resumed.load_optimizer_state(&first.optimizer_state()).unwrap();
        let on = [&mut first, &mut resumed].map(|network| bits(&steps(network, input, Wanted::default())));
        assert_eq!(on[0], on[1], "{lane:?}");
    }
}

#[test]
fn unlabelled_tokens_do_not_count() {
    let input = InputShape::Sequence { context: 20, vocabulary: CLASSES };
    let (lane, _) = lanes().pop().unwrap();
    let mut network = network(&lane, input, 0, 1);
    let batch = batch(input, 4);
    let labelled = batch.labels.iter().filter(|label| **label != NO_LABEL).count();
    let found = network.evaluate(&batch, Mode::Batch);
    let step = network.train_step(&batch, 0.01, Wanted::default());
    assert_eq!((found.labelled, step.labelled), (labelled, labelled));
    assert_eq!(found.wrong, step.wrong);
    assert!((found.loss_sum / labelled as f64 - f64::from(step.loss)).abs() < 1e-5);
}

#[test]
fn no_file_of_the_folder_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/architectures");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of architectures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let mut registered: Vec<String> = ALL.iter().map(|a| (a.entry)().name.to_owned()).collect();
    files.sort();
    registered.sort();
    assert_eq!(files, registered, "a file in {folder} is named as its architecture and stands in ALL");
}
