//! The central property: folding events and folding the same events read back from JSON give the same state.

use proptest::prelude::*;

use skiplane::app::{Action, App, LaneLabel, specimen::Specimen};
use skiplane::event::*;
use skiplane::metric::{Metric, known};
use skiplane::runlog::parse_records;
use skiplane::units::{LaneIdx, LayerIdx, Step};
use skiplane::views;

fn fold<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> App {
    let mut app = App::new(vec![LaneLabel { run: "run".to_owned(), lane: "plain".to_owned() }]);
    for event in events {
        app.apply(LaneIdx(0), event);
    }
    app.source_ended(LaneIdx(0));
    app
}

/// The events as read back from a log.
fn read_back(events: &[RunEvent]) -> Vec<RunEvent> {
    let mut declared = Declared::default();
    let mut read = Vec::new();
    let lines: Vec<String> = events.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
    parse_records(lines.concat().as_bytes(), &mut declared, |event, _| read.push(event))
        .expect("just written");
    read
}

/// The debug text, since NaN is not equal to itself.
fn assert_law(events: &[RunEvent]) -> Result<(), TestCaseError> {
    let read = read_back(events);
    prop_assert_eq!(format!("{:?}", fold(events)), format!("{:?}", fold(&read)));
    Ok(())
}

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => any::<f32>().prop_map(|x| if x.is_nan() { f32::NAN } else { x }),
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
    ]
}

fn any_columns() -> impl Strategy<Value = Values> {
    let of_layers: Vec<Metric> = known::ALL.iter().copied().filter(|metric| metric.is_of_layers()).collect();
    let metric = proptest::sample::select(of_layers);
    let column = proptest::collection::vec(any_float(), 8);
    proptest::collection::vec((metric, column), 0..4).prop_map(|columns| columns.into_iter().collect())
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (proptest::collection::vec(0u32..1000, Histogram::BINS), 0u32..3).prop_map(|(counts, non_finite)| {
        let mut bins = [0; Histogram::BINS];
        bins.copy_from_slice(&counts);
        Histogram::from_bins(&bins, non_finite)
    })
}

/// Events of all kinds; steps may go back, as when a run is resumed from a checkpoint.
fn any_event() -> impl Strategy<Value = RunEvent> {
    let moment = (1u64..200, 0.0f64..1e6);
    let step = (moment.clone(), any_float(), any_float(), any_float(), any_columns());
    let histogram = (moment.clone(), any_histogram());
    let evaluation = (moment.clone(), any_float(), any_float(), any::<bool>(), any::<bool>());
    let event = |(step, at_ms), kind| RunEvent::new(Step(step), at_ms, kind);
    prop_oneof![
        12 => step.prop_map(|((step, at_ms), loss, error, rate, columns)| {
            let scalars = Values::default().with(known::LOSS, loss).with(known::ERROR, error);
            let values = scalars.with(known::LEARNING_RATE, rate).and(columns);
            let time = Time { at_ms, step_ms: Some(at_ms / 7.0), statistics_ms: Some(at_ms / 700.0), ..Time::default() };
            RunEvent { step: Step(step), time, kind: Kind::Measured(values) }
        }),
        2 => histogram.prop_map(move |(moment, h)| {
            let layers = |metric| (metric, Value::Histograms(vec![h.clone(); 8]));
            let values = [known::ACTIVATIONS, known::WEIGHTS].map(layers);
            event(moment, Kind::Measured(values.into_iter().collect()))
        }),
        3 => evaluation.prop_map(move |(moment, loss, error, train, eval)| {
            let split = if train { Split::Train } else { Split::Test };
            let [of_loss, of_error] = evaluated(split, if eval { Mode::Eval } else { Mode::Batch });
            event(moment, Kind::Measured(Values::default().with(of_loss, loss).with(of_error, error)))
        }),
        1 => moment.clone().prop_map(move |moment| {
            let found = NonFiniteFound { layer: Some(LayerIdx(3)), pass: Pass::Backward };
            event(moment, Kind::NonFiniteFound(found))
        }),
        1 => crate::runlog::any_order(),
        1 => moment.clone().prop_map(move |moment| event(moment, Kind::Paused)),
        1 => moment.prop_map(move |moment| event(moment, Kind::Resumed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn folding_events_and_their_json_is_the_same(later in proptest::collection::vec(any_event(), 0..80)) {
        let mut started = Specimen::new("plain", 8, "none").events().swap_remove(0);
        let Kind::LaneStarted(lane) = &mut started.kind else { unreachable!() };
        lane.declared.metrics = known::ALL.to_vec();
        lane.declared.axes.push(crate::runlog::heads());
        let mut events = vec![started];
        events.extend(later);
        assert_law(&events)?;
    }

    #[test]
    fn no_order_and_no_sequence_of_actions_breaks_the_state(
        later in proptest::collection::vec(any_event(), 0..20),
        actions in proptest::collection::vec(any_action(), 0..60),
        started in any::<bool>(),
    ) {
        let first = Specimen::new("plain", 8, "none").events().swap_remove(0);
        let mut app = fold(started.then_some(first).iter().chain(&later));
        for action in actions {
            app.act(action);
            prop_assert!(app.step() <= app.last_step());
            if let Some((first, last)) = app.range() {
                prop_assert!(first < last && last <= app.last_step());
            }
            prop_assert!(app.visible_lanes().count() == 1);
        }
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<i64>().prop_map(Action::MoveStep),
        any::<i64>().prop_map(Action::MovePage),
        any::<u64>().prop_map(|step| Action::SelectStep(Step(step))),
        (any::<i32>(), any::<u64>()).prop_map(|(by, step)| Action::ZoomAround(by, Step(step))),
        (-4i32..4).prop_map(Action::Zoom),
        any::<i64>().prop_map(Action::Pan),
        any::<i64>().prop_map(Action::PanQuarters),
        any::<(u64, u64)>().prop_map(|(from, to)| Action::ShowRange(Step(from), Step(to))),
        any::<i64>().prop_map(Action::MoveLayer),
        any::<i64>().prop_map(Action::MoveBlock),
        any::<u64>().prop_map(Action::Advance),
        any::<i64>().prop_map(Action::Scroll),
        any::<usize>().prop_map(|lane| Action::ToggleLane(LaneIdx(lane % 3))),
        any::<char>().prop_map(Action::TypeGoTo),
        proptest::sample::select(views::kinds()).prop_map(Action::SelectView),
        proptest::sample::select(vec![
            Action::ShowWholeRun,
            Action::CycleArrangement,
            Action::ToggleMark,
            Action::ToggleWholeAxis,
            Action::CycleScale,
            Action::ShowRangeBefore,
            Action::SelectNextLane,
            Action::SelectNextStatistic,
            Action::SelectPreviousStatistic,
            Action::TogglePlayback,
            Action::SpeedUp,
            Action::SlowDown,
            Action::SelectNextFinding,
            Action::SelectPreviousFinding,
            Action::OpenGoTo,
            Action::EraseGoTo,
            Action::ConfirmGoTo,
            Action::Dismiss,
        ]),
    ]
}

#[test]
fn whole_specimens_obey_the_law() {
    let mut diverges = Specimen::new("plain", 20, "none");
    diverges.diverges_at = Some(120);
    let projection = Specimen::new("residual", 20, "projection");
    for specimen in [diverges, projection] {
        assert_law(&specimen.events()).expect("the same state");
    }
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_shows_no_trace_of_the_steps_taken_back() {
    let whole = Specimen::new("plain", 20, "none").events();
    let upto = |step: u64| whole.iter().filter(move |e| e.step <= Step(step)).cloned();
    let after = |step: u64| whole.iter().filter(move |e| e.step > Step(step)).cloned();
    let resumed: Vec<RunEvent> = upto(130).chain(after(100)).collect();
    let (straight, resumed) = (fold(&whole), fold(&resumed));
    let (a, b) = (&straight.lanes()[0], &resumed.lanes()[0]);
    assert_eq!(a.loss(), b.loss());
    assert_eq!(a.history(known::WEIGHT_GRADIENT_NORM), b.history(known::WEIGHT_GRADIENT_NORM));
    for layer in [0, 7, 19].map(LayerIdx) {
        assert!(a.histograms(known::WEIGHTS, layer).is_some());
        assert_eq!(a.histograms(known::WEIGHTS, layer), b.histograms(known::WEIGHTS, layer));
    }
    assert_eq!(a.scalar(known::TEST_ERROR), b.scalar(known::TEST_ERROR));
}
