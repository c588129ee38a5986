//! Each rule opens findings above its bound, not below it, and does not flap between its bounds.

use super::*;
use crate::app::{App, LaneLabel, specimen};
use crate::event::{NonFiniteFound, Pass};
use crate::metric::{Metric, known, probed};

mod further;

/// A lane of depth 20 and 300 planned steps that tests feed step by step.
struct Bench {
    app: App,
    step: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with("none")
    }

    /// With a kind of shortcuts.
    fn with(shortcut: &'static str) -> Bench {
        Bench::of(shortcut, |_| false)
    }

    /// With a kind of shortcuts, and layers that are frozen.
    fn of(shortcut: &'static str, is_frozen: impl Fn(usize) -> bool) -> Bench {
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
        let mut first = specimen::Specimen::new("plain", 20, shortcut).events().swap_remove(0);
        if let Kind::LaneStarted(started) = &mut first.kind {
            let layers = started.structure.layers.iter_mut().enumerate();
            layers.for_each(|(at, layer)| layer.frozen = is_frozen(at));
        }
        app.apply(LaneIdx(0), &first);
        Bench { app, step: 0 }
    }

    fn step(&mut self, loss: f32, columns: &[(Metric, Vec<f32>)]) {
        self.step_at(0.05, loss, columns);
    }

    fn step_at(&mut self, learning_rate: f64, loss: f32, columns: &[(Metric, Vec<f32>)]) {
        self.step += 1;
        let values = Values::default()
            .with(known::LOSS, loss)
            .with(known::ERROR, 0.5)
            .with(known::LEARNING_RATE, learning_rate as f32)
            .and(columns.iter().cloned().collect());
        let event = RunEvent::new(Step(self.step), 0.0, Kind::Measured(values));
        self.app.apply(LaneIdx(0), &event);
    }

    /// That many steps with one column and a falling loss.
    fn steps(&mut self, count: u64, statistic: Metric, column: impl Fn(usize) -> f32) {
        for _ in 0..count {
            let loss = 2.3 * 0.97f32.powi(self.step as i32);
            self.step(loss, &[(statistic, (0..20).map(&column).collect())]);
        }
    }

    fn evaluate(&mut self, train: f32, test: f32) {
        self.step += 25;
        for (metric, loss) in [(known::TRAIN_LOSS, train), (known::TEST_LOSS, test)] {
            let measured = Kind::Measured(Values::default().with(metric, loss));
            self.app.apply(LaneIdx(0), &RunEvent::new(Step(self.step), 0.0, measured));
        }
    }

    fn findings(&self, rule: &str) -> Vec<&Finding> {
        let health = self.app.lanes()[0].health();
        health.findings().iter().filter(|finding| finding.rule == rule).collect()
    }

    /// Asserts exactly one finding of the rule, still open, and none of another rule.
    fn only(&self, rule: &str) -> &Finding {
        let all = self.app.lanes()[0].health().findings();
        assert_eq!(all.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [rule], "{all:#?}");
        assert_eq!(all[0].cleared_at, None);
        &all[0]
    }
}

#[test]
fn no_rule_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/app/health");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the sources are there")
        .map(|entry| entry.expect("readable").path().file_stem().expect("a name").display().to_string())
        .filter(|name| name != "tests" && name != "saved")
        .collect();
    let mut registered: Vec<String> = RULES.iter().map(|entry| entry.name.to_owned()).collect();
    files.sort();
    registered.sort();
    assert_eq!(files, registered);
}

#[test]
fn a_healthy_residual_lane_has_no_findings() {
    let app = specimen::app_of(&[specimen::Specimen::new("residual", 56, "identity")]);
    assert_eq!(app.findings(), Vec::<&Finding>::new());
}

#[test]
fn the_first_non_finite_value_is_named_once() {
    let mut bench = Bench::new();
    bench.steps(5, known::ACTIVATION_NON_FINITE, |_| 0.0);
    let found = NonFiniteFound { layer: Some(LayerIdx(4)), pass: Pass::Backward };
    bench.app.apply(LaneIdx(0), &RunEvent::new(Step(6), 0.0, Kind::NonFiniteFound(found)));
    bench.step(f32::NAN, &[(known::ACTIVATION_NON_FINITE, vec![7.0; 20])]);
    let finding = bench.only("non_finite");
    assert_eq!((finding.step, finding.layer), (Step(6), Some(LayerIdx(4))));
    assert!(finding.message.contains("backward pass") && finding.message.contains("layer1.1.conv2"));
}

#[test]
fn a_non_finite_loss_alone_is_found_and_passes() {
    let mut bench = Bench::new();
    bench.step(f32::INFINITY, &[]);
    assert_eq!(bench.only("non_finite").message, "the loss is inf");
    bench.steps(9, known::ACTIVATION_NON_FINITE, |_| 0.0);
    assert_eq!(bench.only("non_finite").layer, None);
    bench.steps(1, known::ACTIVATION_NON_FINITE, |_| 0.0);
    assert_eq!(bench.findings("non_finite")[0].cleared_at, Some(Step(11)));
    bench.step(f32::NAN, &[]);
    assert_eq!(bench.findings("non_finite").len(), 2);
}

#[test]
fn a_gradient_far_above_its_usual_size_explodes() {
    let norms = |factor: f32| move |layer: usize| if layer == 3 { factor } else { 0.1 };
    let mut bench = Bench::new();
    bench.steps(40, known::WEIGHT_GRADIENT_NORM, norms(0.5));
    bench.steps(5, known::WEIGHT_GRADIENT_NORM, norms(3.0));
    assert!(bench.findings("exploding_gradient").is_empty(), "six times the usual is not ten");
    bench.steps(3, known::WEIGHT_GRADIENT_NORM, norms(20.0));
    let finding = bench.only("exploding_gradient");
    assert_eq!((finding.step, finding.layer), (Step(47), Some(LayerIdx(3))));
    // Between the bounds nothing changes; far below, it closes.
    bench.steps(8, known::WEIGHT_GRADIENT_NORM, norms(3.5));
    bench.only("exploding_gradient");
    bench.steps(30, known::WEIGHT_GRADIENT_NORM, norms(0.5));
    assert!(bench.findings("exploding_gradient")[0].cleared_at.is_some());
}

#[test]
fn a_steep_slope_is_found_in_either_direction_and_the_usual_one_is_not() {
    // Decades a layer toward the input; 0.083 is a plain network with batch norm at initialisation.
    for (decades, says) in
        [(-0.2, Some("shrink")), (-0.04, None), (0.083, None), (0.11, None), (0.15, Some("grow"))]
    {
        let mut bench = Bench::new();
        bench.steps(60, known::WEIGHT_GRADIENT_NORM, |layer| 10f32.powf(decades * (19 - layer) as f32 - 3.0));
        match says {
            Some(word) => assert!(bench.only("vanishing_slope").message.contains(word), "{decades}"),
            None => assert!(bench.findings("vanishing_slope").is_empty(), "{decades}"),
        }
    }
}

#[test]
fn a_slope_that_hovers_at_its_bound_fires_once() {
    let mut bench = Bench::new();
    bench.steps(30, known::WEIGHT_GRADIENT_NORM, |layer| 10f32.powf(0.2 * layer as f32 - 3.0));
    for turn in 0..200 {
        // Around 2 decades over the 17 layers from the first to the last block's convolutions.
        let slope = if turn % 2 == 0 { 0.112 } else { 0.125 };
        bench.steps(1, known::WEIGHT_GRADIENT_NORM, |layer| 10f32.powf(slope * layer as f32 - 3.0));
    }
    bench.only("vanishing_slope");
}

#[test]
fn dead_channels_count_where_they_are_many() {
    let mut bench = Bench::new();
    bench.steps(40, known::DEAD_UNITS, |layer| if layer == 5 { 0.375 } else { 0.0 });
    assert!(bench.findings("dead_units").is_empty());
    bench.steps(19, known::DEAD_UNITS, |layer| if layer == 5 { 0.75 } else { 0.0 });
    assert!(bench.findings("dead_units").is_empty(), "patience is not over");
    bench.steps(1, known::DEAD_UNITS, |layer| if layer == 5 { 0.75 } else { 0.0 });
    assert_eq!(bench.only("dead_units").layer, Some(LayerIdx(5)));
    // Alternating between bad and unclear keeps the one finding open.
    for turn in 0..100 {
        let share = if turn % 2 == 0 { 0.75 } else { 0.4 };
        bench.steps(1, known::DEAD_UNITS, |layer| if layer == 5 { share } else { 0.0 });
    }
    bench.only("dead_units");
    bench.steps(20, known::DEAD_UNITS, |_| 0.0);
    assert!(bench.findings("dead_units")[0].cleared_at.is_some());
}

#[test]
fn half_of_the_outputs_being_zero_is_normal() {
    let mut bench = Bench::new();
    bench.steps(100, known::ZERO_RATE, |_| 0.5);
    assert!(bench.app.findings().is_empty());
}

#[test]
fn updates_out_of_range_are_found_on_both_sides() {
    for (ratio, says) in [
        (1e-3, None),
        (2e-2, None),
        (5e-2, Some("change too much")),
        (2e-5, None),
        (1e-6, Some("barely change")),
    ] {
        let mut bench = Bench::new();
        bench.steps(60, known::UPDATE_RATIO, |layer| ratio * (1.0 + layer as f32 * 0.001));
        match says {
            Some(word) => assert!(bench.only("update_ratio").message.contains(word), "{ratio}"),
            None => assert!(bench.findings("update_ratio").is_empty(), "{ratio}"),
        }
    }
}

#[test]
fn updates_are_judged_by_the_rate_that_the_schedule_lowers() {
    // The ratio at each rate, the rates, and the expected finding; the lane's base rate is 0.05.
    let cases: [(f32, &[f64], Option<&str>); 4] = [
        (1e-4, &[0.05, 0.005, 0.0005, 0.00005], None),
        (1e-6, &[0.05, 0.005], Some("barely change")),
        (1e-4, &[0.05, 0.0], None),
        // Too large at the full rate, and gone as soon as the rate falls.
        (0.1, &[0.05, 0.005], Some("change too much")),
    ];
    for (ratio, rates, says) in cases {
        let mut bench = Bench::new();
        for rate in rates {
            for _ in 0..50 {
                let loss = 2.3 * 0.99f32.powi(bench.step as i32);
                let now = ratio * (rate / 0.05) as f32;
                bench.step_at(*rate, loss, &[(known::UPDATE_RATIO, vec![now; 20])]);
            }
        }
        let found = bench.findings("update_ratio");
        match says {
            Some(words) => assert!(found[0].message.contains(words), "{found:#?}"),
            None => assert!(found.is_empty(), "{found:#?}"),
        }
        let cleared = found.first().and_then(|finding| finding.cleared_at);
        assert_eq!(cleared, (ratio == 0.1).then_some(Step(60)));
    }
}

#[test]
fn a_loss_far_above_its_start_has_diverged_though_it_is_finite() {
    // Ten classes: guessing has a loss of 2.303; the start counts where it is greater.
    for (start, loss, diverges) in
        [(2.2, 22.9, false), (2.2, 23.1, true), (5.0, 49.9, false), (5.0, 50.1, true)]
    {
        let mut bench = Bench::new();
        bench.step(start, &[]);
        bench.step(loss, &[]);
        bench.step(loss, &[]);
        assert!(bench.findings("diverging_loss").is_empty(), "two steps may be a spike");
        bench.step(loss, &[]);
        assert_eq!(bench.findings("diverging_loss").len(), usize::from(diverges), "{start} to {loss}");
    }
}

#[test]
fn a_lane_has_diverged_from_the_step_of_its_finding_on_and_no_more_once_it_recovers() {
    let mut bench = Bench::new();
    for loss in [2.3, 1e3, 1e5, 1e7, 6e15] {
        bench.step(loss, &[]);
    }
    let lane = &bench.app.lanes()[0];
    assert_eq!(lane.health().findings()[0].message, "loss 1e7 is 4.3e6 times that of guessing, 2.303");
    assert_eq!([3, 4, 5].map(|step| lane.diverged_since(Step(step))), [None, Some(Step(4)), Some(Step(4))]);
    for _ in 0..10 {
        bench.step(2.0, &[]);
    }
    let lane = &bench.app.lanes()[0];
    assert_eq!([14, 15].map(|step| lane.diverged_since(Step(step))), [Some(Step(4)), None]);
}

#[test]
fn an_absurd_gradient_is_found_within_the_warm_up() {
    // The gradient norms of a plain-56 at a learning rate of 50, which diverges in 15 steps.
    let norms = [1230.0, 2.2, 22.3, 68.7, 989.0, 6090.0, 301.0, 3340.0, 4.25e5, 1.45e4, 3.92e4, 2e7];
    let mut bench = Bench::new();
    for norm in norms {
        bench.steps(1, known::WEIGHT_GRADIENT_NORM, |layer| if layer == 3 { norm } else { 0.0 });
    }
    let finding = bench.only("exploding_gradient");
    assert_eq!((finding.step, finding.layer), (Step(10), Some(LayerIdx(3))));
    // A deep plain network begins far above the bound, and evens out.
    let mut healthy = Bench::new();
    for norm in [1e6, 3e5, 1e5, 2e4] {
        healthy.steps(1, known::WEIGHT_GRADIENT_NORM, |_| norm);
    }
    healthy.steps(40, known::WEIGHT_GRADIENT_NORM, |_| 0.5);
    assert!(healthy.findings("exploding_gradient").is_empty());
}

#[test]
fn a_loss_that_stands_still_is_a_plateau_until_it_falls_again() {
    let mut bench = Bench::new();
    for _ in 0..60 {
        bench.step(2.1, &[]);
    }
    let finding = bench.only("plateau");
    assert_eq!(finding.step, Step(51));
    for _ in 0..40 {
        bench.step(2.11, &[]);
    }
    bench.only("plateau");
    for turn in 0..40 {
        bench.step(2.0 * 0.9f32.powi(turn), &[]);
    }
    assert!(bench.findings("plateau")[0].cleared_at.is_some());
    assert_eq!(bench.findings("plateau").len(), 1);
}

#[test]
fn a_falling_loss_is_no_plateau() {
    let mut bench = Bench::new();
    for step in 0..250 {
        bench.step(2.3 * 0.995f32.powi(step), &[]);
    }
    assert!(bench.app.findings().is_empty());
}

#[test]
fn overfitting_needs_both_a_rising_test_and_a_falling_training_loss() {
    let mut bench = Bench::new();
    for (train, test) in [(1.0, 1.1), (0.6, 0.8), (0.4, 0.85), (0.3, 0.87)] {
        bench.evaluate(train, test);
    }
    assert!(bench.findings("overfitting").is_empty(), "8.75 % above the best is not 10");
    bench.evaluate(0.2, 0.95);
    bench.evaluate(0.1, 1.0);
    assert_eq!(bench.only("overfitting").step, Step(150));

    let mut both_rise = Bench::new();
    for (train, test) in [(0.6, 0.8), (0.7, 1.0), (0.8, 1.2), (0.9, 1.4)] {
        both_rise.evaluate(train, test);
    }
    assert!(both_rise.findings("overfitting").is_empty());
}

/// Feeds a bench whose log records only these layers.
fn recording(layers: &[usize]) -> Bench {
    let mut first = specimen::Specimen::new("plain", 20, "none").events().swap_remove(0);
    if let Kind::LaneStarted(started) = &mut first.kind {
        started.recorded = Some(layers.iter().copied().map(LayerIdx).collect());
    }
    let mut bench = Bench::new();
    bench.app.apply(LaneIdx(0), &first);
    bench
}

#[test]
fn layers_that_are_not_recorded_are_no_findings_and_hide_none() {
    let layers: Vec<usize> = (7..17).collect();
    let step = |bench: &mut Bench, statistic, column: &dyn Fn(usize) -> f32| {
        let loss = 2.3 * 0.97f32.powi(bench.step as i32);
        bench.step(loss, &[(statistic, layers.iter().map(|at| column(*at)).collect())]);
    };
    let mut bench = recording(&layers);
    for _ in 0..60 {
        step(&mut bench, known::ACTIVATION_NON_FINITE, &|_| 0.0);
    }
    assert_eq!(bench.app.lanes()[0].health().findings(), []);
    step(&mut bench, known::ACTIVATION_NON_FINITE, &|at| f32::from(u8::from(at == 9)));
    assert_eq!(bench.only("non_finite").layer, Some(LayerIdx(9)));

    let mut bench = recording(&layers);
    for _ in 0..60 {
        step(&mut bench, known::DEAD_UNITS, &|at| if at == 12 { 0.9 } else { 0.0 });
    }
    let finding = bench.only("dead_units");
    assert_eq!(finding.layer, Some(LayerIdx(12)));
    // Among ten layers, not twenty.
    assert!(finding.message.starts_with("9.0% of all channels"), "{}", finding.message);

    let mut bench = recording(&layers);
    for at in 0..60 {
        step(&mut bench, known::WEIGHT_GRADIENT_NORM, &|layer| match (at >= 50, layer) {
            (true, 15) => 400.0,
            _ => 1.0,
        });
    }
    assert_eq!(bench.only("exploding_gradient").layer, Some(LayerIdx(15)));

    let mut bench = recording(&layers);
    for _ in 0..60 {
        step(&mut bench, known::WEIGHT_GRADIENT_NORM, &|at| 10f32.powf(0.3 * at as f32));
    }
    // Norms this large are a finding of another rule, too.
    let finding = bench.findings("vanishing_slope")[0];
    assert_eq!(finding.layer, Some(LayerIdx(7)));
    assert!(
        finding.message.contains("0.300 decades per layer toward the input, 2.7 in all"),
        "{}",
        finding.message
    );
}
