//! The rules of blocks, of the start, and of weights and ranks; and what each rule needs.

use super::*;

/// The blocks of a bench.
const BLOCKS: usize = 9;
/// Its layers without projections.
const LAYERS: usize = 20;

/// That many steps with one column over blocks and a falling loss.
fn blocks(bench: &mut Bench, count: u64, metric: Metric, column: impl Fn(usize) -> f32) {
    for _ in 0..count {
        let loss = 2.3 * 0.99f32.powi(bench.step as i32);
        bench.step(loss, &[(metric, (0..BLOCKS).map(&column).collect())]);
    }
}

/// A loss that hovers around a level.
fn hover(bench: &mut Bench, count: u64, level: f32) {
    for _ in 0..count {
        let turn = [0.0, 0.6, -0.9, 0.3, -0.2, 1.0, -0.7][bench.step as usize % 7];
        bench.step(level * (1.0 + 0.1 * turn), &[]);
    }
}

#[test]
fn a_loss_that_jumps_and_comes_back_is_a_spike() {
    let mut bench = Bench::new();
    hover(&mut bench, 30, 1.0);
    bench.step(3.0, &[]);
    hover(&mut bench, 10, 1.0);
    assert!(bench.findings("loss_spike").is_empty(), "a single hard batch is none");
    bench.step(2.8, &[]);
    bench.step(2.5, &[]);
    let finding = bench.only("loss_spike");
    assert_eq!((finding.step, finding.severity), (Step(43), Severity::Note));
    assert!(
        finding.message.starts_with("loss 2.5 jumped above its recent level of 1"),
        "{}",
        finding.message
    );
    hover(&mut bench, 5, 1.0);
    assert_eq!(bench.findings("loss_spike")[0].cleared_at, Some(Step(48)));
}

#[test]
fn neither_a_rise_nor_a_hard_batch_near_zero_is_a_spike() {
    let mut bench = Bench::new();
    for turn in 0..40 {
        bench.step(1.0 + 0.02 * turn as f32, &[]);
    }
    assert!(bench.findings("loss_spike").is_empty());
    let mut diverging = Bench::new();
    for turn in 0..60 {
        diverging.step(1.5f32.powi(turn / 2), &[]);
    }
    assert!(diverging.findings("loss_spike").is_empty());
    let mut bench = Bench::new();
    bench.step(2.3, &[]);
    hover(&mut bench, 60, 0.01);
    for _ in 0..5 {
        bench.step(0.2, &[]);
    }
    assert!(bench.findings("loss_spike").is_empty(), "0.19 is less than a tenth of the first loss");
}

#[test]
fn a_block_is_unused_if_its_branch_stays_tiny_and_others_do_not() {
    let ratios = |tiny: f32| move |block: usize| if block == 4 { tiny } else { 0.3 };
    let mut bench = Bench::with("identity");
    blocks(&mut bench, 49, known::BRANCH_RATIO, ratios(1e-4));
    assert!(bench.findings("block_unused").is_empty(), "patience is not over");
    blocks(&mut bench, 1, known::BRANCH_RATIO, ratios(1e-4));
    let finding = bench.only("block_unused");
    assert_eq!(finding.layer, Some(LayerIdx(9)));
    assert_eq!(
        finding.message,
        "1 of 9 branches add next to nothing: rms(F) / rms(h) is 1e-4 in layer2.1, 0.3 in the median block"
    );
    blocks(&mut bench, 40, known::BRANCH_RATIO, ratios(0.1));
    assert!(bench.findings("block_unused")[0].cleared_at.is_some());

    // Above the bound; all blocks alike, as after a start at zero; without a branch in most steps.
    let columns: [&dyn Fn(usize) -> f32; 3] =
        [&ratios(4e-3), &|_| 1e-5, &|block| if block == 4 { f32::NAN } else { 0.3 }];
    for column in columns {
        let mut bench = Bench::with("identity");
        blocks(&mut bench, 100, known::BRANCH_RATIO, column);
        assert!(bench.findings("block_unused").is_empty());
    }
}

#[test]
fn a_branch_that_drowns_its_shortcut_overwrites_the_stream() {
    let ratios = |large: f32| move |block: usize| if block == 3 { large } else { 0.5 };
    let mut bench = Bench::with("identity");
    blocks(&mut bench, 60, known::BRANCH_RATIO, ratios(9.0));
    assert!(bench.findings("block_overwriting").is_empty());
    blocks(&mut bench, 60, known::BRANCH_RATIO, ratios(20.0));
    let finding = bench.only("block_overwriting");
    assert_eq!(finding.layer, Some(LayerIdx(7)));
    assert!(finding.message.starts_with("the branch of layer2.0 drowns its shortcut"), "{}", finding.message);
    blocks(&mut bench, 60, known::BRANCH_RATIO, ratios(7.0));
    bench.only("block_overwriting");
    blocks(&mut bench, 60, known::BRANCH_RATIO, ratios(1.0));
    assert!(bench.findings("block_overwriting")[0].cleared_at.is_some());

    // The first block of a stage may have as small a projection as it likes; a later one has the stream itself.
    for (block, found) in [(3, 0), (4, 1)] {
        let mut bench = Bench::with("projection");
        blocks(&mut bench, 60, known::BRANCH_RATIO, |at| if at == block { 20.0 } else { 0.5 });
        assert_eq!(bench.findings("block_overwriting").len(), found, "{block}");
    }
}

#[test]
fn a_stream_whose_mean_square_doubles_with_each_block_grows() {
    let mut bench = Bench::with("identity");
    blocks(&mut bench, 2, known::STREAM_RMS, |block| 2f32.powf(0.5 * block as f32));
    let finding = bench.only("stream_growth");
    assert_eq!(finding.layer, Some(LayerIdx(17)));
    assert_eq!(
        finding.message,
        "the root mean square of the stream grows 16 times from layer1.0 to layer3.2, its mean square 2 times per block"
    );
    blocks(&mut bench, 60, known::STREAM_RMS, |_| 1.0);
    assert!(bench.findings("stream_growth")[0].cleared_at.is_some());

    // Pre-activation with batch norm grows by 0.682 of the first mean square per block; a plain network does not.
    let columns: [(&dyn Fn(usize) -> f32, usize); 4] = [
        (&|block| (1.682 + 0.682 * block as f32).sqrt(), 0),
        (&|block| 0.6 + 0.01 * block as f32, 0),
        (&|block| if block == 8 { 900.0 } else { 1.0 }, 0),
        (&|block| if block == 7 { 1100.0 } else { 1.0 }, 1),
    ];
    for (case, (column, found)) in columns.into_iter().enumerate() {
        let mut bench = Bench::with("identity");
        blocks(&mut bench, 60, known::STREAM_RMS, column);
        assert_eq!(bench.findings("stream_growth").len(), found, "{case}");
    }
}

/// That many steps at a learning rate, with update ratios and weight gradients.
fn updates(
    bench: &mut Bench,
    count: u64,
    rate: f64,
    ratio: impl Fn(usize) -> f32,
    gradient: impl Fn(usize) -> f32,
) {
    for _ in 0..count {
        let loss = 2.3 * 0.99f32.powi(bench.step as i32);
        let columns = [
            (known::UPDATE_RATIO, (0..LAYERS).map(&ratio).collect()),
            (known::WEIGHT_GRADIENT_NORM, (0..LAYERS).map(&gradient).collect()),
        ];
        bench.step_at(rate, loss, &columns);
    }
}

#[test]
fn a_layer_that_stands_still_while_others_move_is_frozen() {
    let one = |at: usize, its: f32, others: f32| move |layer: usize| if layer == at { its } else { others };
    let mut bench = Bench::new();
    updates(&mut bench, 49, 0.05, one(6, 0.0, 1e-3), |_| 1.0);
    assert!(bench.findings("frozen_layer").is_empty());
    updates(&mut bench, 1, 0.05, one(6, 0.0, 1e-3), |_| 1.0);
    let finding = bench.only("frozen_layer");
    assert_eq!(finding.layer, Some(LayerIdx(6)));
    assert_eq!(
        finding.message,
        "1 of 20 layers do not learn: update over weight is 0 in layer1.2.conv2, 0.001 in the median layer"
    );
    updates(&mut bench, 5, 0.05, |_| 1e-3, |_| 1.0);
    assert_eq!(bench.findings("frozen_layer")[0].cleared_at, Some(Step(55)));

    // Weight decay alone moves a layer without a gradient, and a schedule makes the updates of all small.
    let mut decayed = Bench::new();
    updates(&mut decayed, 60, 0.05, one(6, 5e-6, 1e-3), one(6, 0.0, 1.0));
    assert_eq!(decayed.only("frozen_layer").layer, Some(LayerIdx(6)));
    let mut scheduled = Bench::new();
    updates(&mut scheduled, 100, 0.05e-4, one(6, 5e-8, 1e-7), |_| 1.0);
    updates(&mut scheduled, 100, 0.0, |_| 0.0, |_| 1.0);
    assert!(scheduled.findings("frozen_layer").is_empty());
}

#[test]
fn layers_that_the_experiment_freezes_are_no_finding_and_do_not_hide_others() {
    let of = |trained: f32, its: f32| {
        move |at: usize| {
            if at == 17 {
                its
            } else if at < 15 {
                0.0
            } else {
                trained
            }
        }
    };
    let mut bench = Bench::of("none", |at| at < 15);
    updates(&mut bench, 100, 0.05, of(1e-3, 1e-3), |_| 1.0);
    assert!(bench.app.findings().is_empty(), "{:?}", bench.app.findings());
    updates(&mut bench, 50, 0.05, of(1e-3, 0.0), |_| 1.0);
    assert_eq!(bench.only("frozen_layer").layer, Some(LayerIdx(17)));

    // With most layers frozen, the first step is judged by the others.
    let steep = |layer: usize| 1.8f32.powi(-(layer as i32));
    let mut bench = Bench::of("none", |at| at < 15);
    bench.steps(3, known::WEIGHT_GRADIENT_NORM, steep);
    assert!(bench.findings("initial_imbalance").is_empty());
}

#[test]
fn layers_that_are_left_out_in_turn_are_not_frozen() {
    let mut bench = Bench::new();
    for turn in 0..200 {
        let dropped = turn % LAYERS;
        let of = |value: f32| move |layer: usize| if layer == dropped { 0.0 } else { value };
        updates(&mut bench, 1, 0.05, of(1e-3), of(1.0));
    }
    assert!(bench.findings("frozen_layer").is_empty());
}

#[test]
fn only_a_start_is_unbalanced_and_only_until_layers_even_out() {
    let steep = |layer: usize| 1e-3 * 1.8f32.powi((LAYERS - 1 - layer) as i32);
    let mut bench = Bench::new();
    bench.steps(3, known::WEIGHT_GRADIENT_NORM, steep);
    let finding = bench.only("initial_imbalance");
    assert_eq!((finding.step, finding.layer), (Step(1), Some(LayerIdx(0))));
    assert_eq!(
        finding.message,
        "weight gradients of conv1 are 70823 times those of linear: 1.8 times per layer"
    );
    bench.steps(5, known::WEIGHT_GRADIENT_NORM, |_| 0.5);
    assert_eq!(bench.findings("initial_imbalance")[0].cleared_at, Some(Step(8)));
    bench.steps(3, known::WEIGHT_GRADIENT_NORM, steep);
    assert_eq!(bench.findings("initial_imbalance").len(), 1, "that is no start");

    // Batch norm at this depth, and layers that start at zero.
    let healthy: [&dyn Fn(usize) -> f32; 2] =
        [&|layer| 1.211f32.powi(20 - layer as i32), &|layer| if layer % 2 == 0 { 0.0 } else { 1.0 }];
    for column in healthy {
        let mut bench = Bench::new();
        bench.steps(3, known::WEIGHT_GRADIENT_NORM, column);
        assert!(bench.findings("initial_imbalance").is_empty());
    }
    let mut late = Bench::new();
    late.step = 40;
    late.steps(1, known::WEIGHT_GRADIENT_NORM, steep);
    assert!(late.findings("initial_imbalance").is_empty());
}

#[test]
fn outputs_in_one_direction_and_equal_tokens_have_collapsed() {
    // The last stage has 32 units.
    let ranks = |at: usize, share: f32| move |layer: usize| if layer == at { share } else { 0.5 };
    let mut bench = Bench::new();
    bench.steps(10, known::EFFECTIVE_RANK, ranks(3, 0.01));
    bench.steps(10, known::EFFECTIVE_RANK, ranks(19, 0.01));
    assert!(bench.app.findings().is_empty(), "neither an early layer nor the head");
    bench.steps(3, known::EFFECTIVE_RANK, ranks(16, 1.1 / 32.0));
    let finding = bench.only("rank_collapse");
    assert_eq!(finding.layer, Some(LayerIdx(16)));
    assert!(finding.message.contains("layer3.1.conv2 have an effective rank of 1.1 in 32 dimensions"));
    bench.steps(3, known::EFFECTIVE_RANK, |_| 0.5);
    assert!(bench.findings("rank_collapse")[0].cleared_at.is_some());

    for (block, cosine, found) in [(8, 0.995, 1), (8, 0.985, 0), (2, 0.999, 0)] {
        let mut bench = Bench::new();
        blocks(&mut bench, 5, known::TOKEN_COSINE, |at| if at == block { cosine } else { 0.2 });
        assert_eq!(bench.findings("rank_collapse").len(), found, "{block} {cosine}");
    }
}

#[test]
fn weights_that_outgrow_their_start_or_double_again_and_again_are_found() {
    let norms = |at: usize, norm: f32| move |layer: usize| if layer == at { norm } else { 3.0 };
    let mut bench = Bench::new();
    bench.steps(10, known::WEIGHT_NORM, |_| 3.0);
    bench.steps(30, known::WEIGHT_NORM, norms(5, 29.0));
    assert!(bench.findings("weight_growth").is_empty());
    bench.steps(5, known::WEIGHT_NORM, norms(5, 31.0));
    let finding = bench.only("weight_growth");
    assert_eq!((finding.step, finding.layer), (Step(45), Some(LayerIdx(5))));
    assert!(finding.message.contains("of layer1.2.conv1 has grown to 10.33 times"), "{}", finding.message);
    bench.steps(10, known::WEIGHT_NORM, norms(5, 15.0));
    assert!(bench.findings("weight_growth")[0].cleared_at.is_some());

    // A layer that starts at zero is compared with nothing, but it may double.
    let mut bench = Bench::new();
    bench.steps(1, known::WEIGHT_NORM, norms(5, 0.0));
    bench.steps(99, known::WEIGHT_NORM, norms(5, 1.0));
    bench.steps(50, known::WEIGHT_NORM, norms(5, 1.9));
    assert!(bench.findings("weight_growth").is_empty());
    for turn in 1..=4 {
        bench.steps(50, known::WEIGHT_NORM, norms(5, 1.9 * 2f32.powi(turn)));
    }
    let finding = bench.only("weight_growth");
    assert!(finding.message.contains("has doubled every 50 steps, 3 times in a row"), "{}", finding.message);
}

#[test]
fn every_rule_says_what_it_lacks() {
    let lacks = |bench: &Bench, rule: &str| {
        let entry = RULES.iter().find(|entry| entry.name == rule).expect("a rule");
        entry.lacks(&bench.app.lanes()[0])
    };
    // Specimens declare neither ranks nor streams.
    for shortcut in ["none", "identity"] {
        let bench = Bench::with(shortcut);
        assert_eq!(lacks(&bench, "rank_collapse").as_deref(), Some("effective_rank or token_cosine"));
        assert_eq!(lacks(&bench, "stream_growth").as_deref(), Some("stream_rms"));
        assert_eq!(lacks(&bench, "update_ratio"), None);
        let of_blocks = (shortcut == "none").then_some("shortcuts");
        assert_eq!(lacks(&bench, "block_unused").as_deref(), of_blocks);
        assert_eq!(lacks(&bench, "block_overwriting").as_deref(), of_blocks);
    }
    // Of a lane that has not started nothing is known.
    let app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
    assert!(RULES.iter().all(|entry| entry.lacks(&app.lanes()[0]).is_none()));
    assert!(
        RULES.iter().all(|entry| !entry.needs.is_empty() && entry.needs.iter().all(|any| !any.is_empty()))
    );
}

#[test]
fn the_page_about_metrics_and_rules_names_all_of_them_with_what_is_bad() {
    let page = include_str!("../../../../docs/METRICS.md");
    let metrics = known::ALL.iter().chain(probed::ALL).map(|metric| format!("`{metric}`"));
    let rules = RULES.iter().map(|rule| format!("| {} | {} |", rule.title(), rule.bad));
    for name in metrics.chain(rules) {
        assert!(page.contains(&name), "{name}");
    }
}
