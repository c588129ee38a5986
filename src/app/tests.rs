//! Tests of the state as a whole: fold, cursor, options.

use super::*;
use crate::event::{Kind, LaneResumed};
use crate::metric::known;
use crate::units::LayerIdx;

use specimen::Specimen;

fn app() -> App {
    specimen::plain_beside_residual()
}

#[test]
fn a_complete_run_is_folded_into_figures_and_histories() {
    let app = app();
    let lane = app.lane(LaneIdx(0)).expect("exists");
    assert_eq!(lane.state(), &LaneState::Completed);
    assert_eq!((lane.last_step(), lane.planned_steps()), (Step(300), Some(300)));
    assert_eq!(lane.loss().len(), 300);
    assert_eq!(lane.scalar(known::TEST_ERROR).len(), 7);
    assert_eq!(lane.history(known::WEIGHT_GRADIENT_NORM).expect("recorded").len(), 300);
    assert!(lane.history(known::BRANCH_RATIO).is_none());
    assert_eq!(lane.histograms(known::WEIGHTS, LayerIdx(3)).expect("taken").len(), 31);
    assert_eq!(lane.epoch_of(Step(300)), Some(4.8));
    let rate = lane.throughput().expect("steps were made");
    assert!((rate - 64.0 / 0.052).abs() < 1.0, "{rate}");
    assert_eq!(lane.remaining_ms(), None);
}

#[test]
fn a_source_that_ends_early_leaves_a_crashed_lane() {
    let broken = Specimen { breaks_off_at: Some(150), ..Specimen::new("plain", 8, "none") };
    let mut app = specimen::app_of(&[broken, Specimen::new("residual", 8, "identity")]);
    assert_eq!(app.lane(LaneIdx(0)).expect("exists").state(), &LaneState::Running);
    app.source_ended(LaneIdx(0));
    app.source_ended(LaneIdx(1));
    assert_eq!(app.lane(LaneIdx(0)).expect("exists").state(), &LaneState::Crashed);
    assert_eq!(app.lane(LaneIdx(1)).expect("exists").state(), &LaneState::Completed);
}

/// A sweep's lanes are planned before they start, and take their places from states of their own.
#[test]
fn a_lane_waits_with_its_experiment_until_it_takes_its_place() {
    let whole = specimen::one_diverged();
    let experiment = std::sync::Arc::new(whole.lanes()[0].experiment().expect("has one").clone());
    let planned = |idx| {
        let label = LaneLabel { run: "later".to_owned(), lane: "plain".to_owned() };
        Lane::planned(LaneIdx(idx), label, std::sync::Arc::clone(&experiment))
    };
    let mut app = App::of_lanes((0..4).map(planned).collect());
    let waiting = &app.lanes()[3];
    assert_eq!((waiting.state(), waiting.planned_steps()), (&LaneState::Waiting, Some(300)));
    assert_eq!(waiting.experiment(), Some(&*experiment));
    assert!(app.rows().is_empty() && !app.is_idle());
    let (findings, rows) = (whole.findings().len(), whole.rows().len());
    app.place(LaneIdx(2), whole.into_lanes());
    assert_eq!(app.lanes().iter().map(|lane| lane.idx().0).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(app.lanes()[2].state(), &LaneState::Diverged);
    assert_eq!((app.findings().len(), app.rows().len()), (findings, rows));
    assert!(findings > 0 && app.findings().iter().all(|finding| finding.lane.0 >= 2));
    // Those that are left wait for nothing but their turn.
    assert!(!app.is_idle());
    app.apply(LaneIdx(3), &RunEvent::new(Step(300), 1.0, Kind::Paused));
    assert!(app.is_idle());
}

#[test]
fn an_evaluation_that_is_made_again_takes_the_place_of_the_one_before() {
    let events = Specimen::new("plain", 8, "none").events();
    let again = RunEvent::new(Step(0), 9e9, Kind::LaneResumed(LaneResumed::default()));
    let mut app = App::new(vec![LaneLabel { run: "run".to_owned(), lane: "plain".to_owned() }]);
    events.iter().chain([&again]).chain(&events[1..]).for_each(|event| app.apply(LaneIdx(0), event));
    let whole = specimen::app_of(&[Specimen::new("plain", 8, "none")]);
    for metric in [known::TRAIN_BATCH_LOSS, known::TRAIN_ERROR, known::TEST_ERROR] {
        let [found, expected] = [&app, &whole].map(|app| app.lanes()[0].scalar(metric));
        assert_eq!(found, expected);
        assert!(!found.is_empty());
    }
}

#[test]
fn one_cursor_goes_through_all_lanes() {
    let mut app = specimen::one_diverged();
    assert!(app.follows());
    assert_eq!(app.step(), Step(300));
    app.act(Action::SelectStep(Step(100)));
    app.act(Action::MoveStep(-30));
    assert_eq!((app.step(), app.follows()), (Step(70), false));
    app.act(Action::SelectLayer(LayerKey { depth: 9, projection: true }));
    let layers: Vec<_> = app.lanes().iter().map(|lane| app.layer_in(lane)).collect();
    let name = |lane: usize| {
        let structure = app.lanes()[lane].structure().expect("started");
        structure.layers[layers[lane].expect("is that deep").0].name.as_str()
    };
    assert_eq!((name(0), name(1)), ("layer2.0.conv2", "layer2.0.shortcut.0"));
    assert_eq!(app.block_in(&app.lanes()[0]), Some(BlockIdx(3)));
    app.act(Action::MoveBlock(1));
    assert_eq!(app.row(), Some(LayerKey { depth: 11, projection: false }));
    app.act(Action::MoveStep(1_000));
    assert!(app.follows());
}

#[test]
fn findings_are_gone_through_one_by_one_even_within_a_step() {
    let deep = Specimen { steps: 600, ..Specimen::new("plain", 56, "none") };
    let mut app = specimen::app_of(&[deep.clone(), Specimen { name: "again".to_owned(), ..deep }]);
    let all: Vec<FindingKey> = app.findings().into_iter().map(key_of).collect();
    // Two equal lanes: every step with a finding has at least two.
    assert!(all.len() >= 4, "{all:?}");
    app.act(Action::SelectFirstStep);
    assert_eq!(app.selected_finding(), None);
    let mut seen = Vec::new();
    for _ in 0..all.len() + 2 {
        app.act(Action::SelectNextFinding);
        seen.push(app.selected_finding().expect("went to one"));
    }
    let last = all.len() - 1;
    assert_eq!(seen, (0..=last).chain([last, last]).collect::<Vec<_>>());
    for at in (0..last).rev() {
        app.act(Action::SelectPreviousFinding);
        assert_eq!(app.selected_finding(), Some(at));
        assert_eq!((app.step(), app.selected_lane()), (all[at].0, all[at].1));
    }
    app.act(Action::MoveStep(1));
    app.act(Action::SelectPreviousFinding);
    assert!(app.step() <= Step(all[0].0.0 + 1));
}

#[test]
fn lanes_of_one_shape_are_compared_before_neighbours() {
    let lane = |name, depth, shortcut| Specimen::new(name, depth, shortcut);
    let mut app = specimen::app_of(&[
        lane("plain-8", 8, "none"),
        lane("plain-14", 14, "none"),
        lane("residual-8", 8, "identity"),
        lane("residual-14", 14, "identity"),
        lane("plain-20", 20, "none"),
    ]);
    let pair_at = |app: &mut App, lane| {
        app.act(Action::SelectLane(LaneIdx(lane)));
        app.pair().map(|(one, other)| (one.name().to_owned(), other.name().to_owned())).expect("five lanes")
    };
    let names = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(pair_at(&mut app, 0), names("plain-8", "residual-8"));
    assert_eq!(pair_at(&mut app, 3), names("plain-14", "residual-14"));
    assert_eq!(pair_at(&mut app, 4), names("plain-8", "plain-20"));
}

#[test]
fn a_lane_is_compared_with_the_twin_of_its_own_run() {
    let started = |run: &str, lane: &str| LaneLabel { run: run.to_owned(), lane: lane.to_owned() };
    let mut app = App::new(vec![
        started("first", "plain"),
        started("first", "residual"),
        started("second", "plain"),
        started("second", "residual"),
    ]);
    let shortcuts = ["none", "identity", "none", "identity"];
    for (at, shortcut) in shortcuts.into_iter().enumerate() {
        let name = if at % 2 == 0 { "plain" } else { "residual" };
        app.apply(LaneIdx(at), &Specimen::new(name, 8, shortcut).events()[0]);
    }
    app.act(Action::SelectLane(LaneIdx(2)));
    let (one, other) = app.pair().expect("four lanes");
    assert_eq!((one.idx(), other.idx()), (LaneIdx(2), LaneIdx(3)));
}

#[test]
fn the_cursor_begins_on_a_layer_that_every_lane_has() {
    let lane = |name, depth| Specimen { steps: 1, ..Specimen::new(name, depth, "none") };
    let mut app = specimen::app_of(&[lane("plain-8", 8), lane("plain-56", 56)]);
    assert_eq!(app.row(), Some(LayerKey { depth: 5, projection: false }));
    assert!(app.lanes().iter().all(|lane| app.layer_in(lane).is_some()));
    app.act(Action::ToggleLane(LaneIdx(0)));
    assert_eq!(app.row(), Some(LayerKey { depth: 29, projection: false }));
}

#[test]
fn the_clock_is_an_axis_where_runs_started_at_different_times() {
    let mut app = specimen::plain_beside_residual();
    let axes = |app: &mut App| {
        (0..4)
            .map(|_| {
                app.act(Action::CycleAxis);
                app.options().axis
            })
            .collect::<Vec<_>>()
    };
    use crate::app::options::Axis::{Clock, Epoch, Step as Steps, Time};
    assert_eq!(axes(&mut app), [Epoch, Time, Steps, Epoch]);
    app.act(Action::Undo);
    app.set_starts(vec![Some(5_000), Some(2_000)]);
    assert_eq!((app.start_of(LaneIdx(0)), app.start_of(LaneIdx(1))), (3.0, 0.0));
    assert_eq!(axes(&mut app), [Epoch, Time, Clock, Steps]);
    app.set_starts(vec![Some(5_000), None]);
    assert!(!app.has_clock());
}
