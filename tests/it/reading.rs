//! Opening runs through their indexes gives the same as reading their logs, even if indexes are damaged or missing.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use skiplane::app::specimen::{self, Specimen};
use skiplane::app::{Action, App, Lane, LaneLabel, ViewKind};
use skiplane::event::*;
use skiplane::history::Row;
use skiplane::metric::known;
use skiplane::order::{Order, Taken};
use skiplane::reading::{self, Library, Opened};
use skiplane::runlog::{RunFolder, index_of};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::units::{LaneIdx, Step};
use skiplane::views::{self, Format};

use crate::replay::new_run;

const LANES: [(&str, &str); 2] = [("plain", "none"), ("residual", "identity")];

/// A lane with more steps than its histories keep exactly.
fn long_lane(lane: usize, steps: u64) -> Vec<RunEvent> {
    let (name, shortcut) = LANES[lane];
    let mut events = Specimen { breaks_off_at: Some(0), steps, ..Specimen::new(name, 8, shortcut) }.events();
    for step in 1..=steps {
        let value = |column: usize| ((step as usize * 31 + column * 17 + lane) % 1000) as f32 / 1000.0;
        let spiked = |column: usize| match (step % 1_013, column) {
            (7, 3) => f32::NAN,
            (9, 4) => 1e6,
            _ => value(column),
        };
        let column = |from: usize| (from..from + 8).map(spiked).collect::<Vec<f32>>();
        let statistics = [(known::ACTIVATION_STD, column(0)), (known::WEIGHT_GRADIENT_NORM, column(2))];
        let values = Values::default()
            .with(known::LOSS, 2.0 + value(5))
            .with(known::ERROR, value(6))
            .with(known::LEARNING_RATE, 0.1)
            .and(statistics.into_iter().collect());
        let time =
            Time { at_ms: step as f64, step_ms: Some(1.0), statistics_ms: Some(0.1), ..Time::default() };
        events.push(RunEvent { step: Step(step), time, kind: Kind::Measured(values) });
        if step % 500 == 0 {
            let file = format!("checkpoints/{name}-{step}.safetensors");
            let written = Kind::CheckpointWritten(CheckpointWritten { file, checksums: None });
            events.push(RunEvent::new(Step(step), step as f64, written));
        }
    }
    events
}

/// A run of both lanes; returns its folder with the temporary one around it.
fn run(of: impl Fn(usize) -> Vec<RunEvent>) -> (tempfile::TempDir, RunFolder) {
    let root = tempfile::tempdir().unwrap();
    let folder = new_run(root.path(), "kept");
    for lane in 0..LANES.len() {
        let mut log = folder.create_log(LaneIdx(lane)).unwrap();
        for event in of(lane) {
            log.append(&event).unwrap();
        }
    }
    (root, folder)
}

fn open(folder: &RunFolder) -> Opened {
    reading::open(&[folder.path().to_owned()]).unwrap()
}

fn logs(folder: &RunFolder) -> Vec<PathBuf> {
    (0..LANES.len()).map(|lane| folder.log(LaneIdx(lane)).unwrap()).collect()
}

/// The complete state of each lane of a run, in memory or in its index.
fn all(folder: &RunFolder) -> Vec<Vec<(String, Vec<u8>)>> {
    let Opened { mut app, mut library, .. } = open(folder);
    (0..app.lanes().len()).for_each(|lane| library.prepare(&mut app, LaneIdx(lane)));
    app.lanes().iter().map(|lane| lane.to_sections().unwrap()).collect()
}

/// The same, folded from the log alone.
fn folded(folder: &RunFolder) -> Vec<Vec<(String, Vec<u8>)>> {
    for log in logs(folder) {
        let _ = fs::remove_file(index_of(&log));
    }
    all(folder)
}

fn append(log: &Path, events: &[RunEvent]) {
    let length = fs::metadata(log).unwrap().len();
    let mut writer = skiplane::runlog::LogWriter::reopen(log, length).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
}

#[test]
fn a_run_opened_through_its_indexes_is_the_run() {
    let (_root, folder) = run(|lane| long_lane(lane, 6_000));
    let expected = folded(&folder);
    reading::write_indexes(folder.path()).unwrap();
    assert_eq!(all(&folder), expected);
    let opened = open(&folder);
    assert!(opened.replay.lanes().iter().all(|lane| lane.torn_bytes() == 0));
}

#[test]
fn what_an_index_lacks_is_folded_from_the_log() {
    for (kept, steps) in [(1u64, 700), (650, 700), (3_000, 6_000), (5_000, 6_000)] {
        let events = long_lane(0, steps);
        let at = events.iter().position(|event| event.step > Step(kept)).unwrap();
        let (_root, folder) = run(|lane| if lane == 0 { events[..at].to_vec() } else { long_lane(1, 20) });
        reading::write_indexes(folder.path()).unwrap();
        append(&logs(&folder)[0], &events[at..]);
        let found = all(&folder);
        assert_eq!(found, folded(&folder), "{kept} of {steps}");
    }
}

#[test]
fn a_lane_that_went_on_from_a_checkpoint_is_the_lane_that_was_never_cut() {
    for (reached, from, steps) in [(700, 500, 1_000), (5_600, 5_500, 6_000), (5_900, 1_000, 6_000)] {
        let straight = long_lane(0, steps);
        let upto = |step: u64| straight.iter().position(|e| e.step > Step(step)).unwrap_or(straight.len());
        let checkpoint = Some(format!("checkpoints/plain-{from}.safetensors"));
        let resumed = Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() });
        let resumed = RunEvent::new(Step(from), reached as f64, resumed);
        let mut events = straight[..upto(reached)].to_vec();
        events.push(resumed);
        events.extend_from_slice(&straight[upto(from)..]);
        let fold = |events: &[RunEvent]| {
            let mut lane = Lane::new(LaneIdx(0), LaneLabel { run: String::new(), lane: "plain".to_owned() });
            events.iter().for_each(|event| lane.apply(event, None));
            lane
        };
        let (straight, resumed) = (fold(&straight), fold(&events));
        let curves = |lane: &Lane| format!("{:?} {:?} {:?}", lane.loss(), lane.error(), lane.learning_rate());
        assert_eq!(curves(&straight), curves(&resumed));
        for statistic in [known::ACTIVATION_STD, known::WEIGHT_GRADIENT_NORM] {
            let rows = |lane: &Lane| {
                let history = lane.history(statistic).unwrap();
                let text = |row: Row<'_>| {
                    // Means are summed in another order, so rounding may differ.
                    let cells = (0..history.width()).filter_map(|column| row.cell(column));
                    let cells: Vec<_> =
                        cells.map(|c| (c.min, c.max, c.first, c.last, c.non_finite)).collect();
                    format!("{:?} {:?} {cells:?}", row.span.first_step, row.span.last_step)
                };
                history.rows().map(text).collect::<Vec<String>>()
            };
            assert_eq!(rows(&straight), rows(&resumed));
        }
        assert_eq!(straight.health().findings(), resumed.health().findings());
        assert_eq!(straight.last_step(), resumed.last_step());
    }
}

/// A lane with checkpoints, evaluations and orders, which was killed twice and went on from steps 8 and 12.
fn cut_lane() -> Vec<RunEvent> {
    let checkpoint = |step: u64| {
        let file = format!("checkpoints/plain-{step}.safetensors");
        Kind::CheckpointWritten(CheckpointWritten { file, checksums: None })
    };
    let resumed = |step: u64| {
        let checkpoint = Some(format!("checkpoints/plain-{step}.safetensors"));
        Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() })
    };
    let rate =
        |text: &str| Kind::OrderTaken(OrderTaken { order: Order::LearningRate(text.parse().unwrap()) });
    let straight = long_lane(0, 20);
    let start = straight.iter().position(|event| event.step > Step(0)).unwrap();
    let mut events = straight[..start].to_vec();
    for (from, to) in [(1, 10), (9, 14), (13, 18)] {
        for step in from..=to {
            let mut add = |kind| events.push(RunEvent::new(Step(step), events.len() as f64, kind));
            if let Kind::Measured(values) = &straight[start + step as usize - 1].kind {
                add(Kind::Measured(values.clone()));
            }
            if step % 4 == 0 {
                let tested =
                    Values::default().with(known::TEST_LOSS, 1.0).with(known::TEST_ERROR, 0.1 * step as f32);
                add(Kind::Measured(tested));
                add(checkpoint(step));
            }
            if step % 4 == 0 || step == 9 {
                add(rate("x0.5"));
            }
            if step == to && to < 18 {
                let back = if to == 10 { 8 } else { 12 };
                events.push(RunEvent::new(Step(back), events.len() as f64, resumed(back)));
            }
        }
    }
    events
}

#[test]
fn where_a_lane_can_go_on_is_the_same_through_an_index_wherever_that_ends() {
    let events = cut_lane();
    let resumed = |folder: &RunFolder| {
        let (_, lanes) = reading::open_to_resume(&[folder.path().to_owned()]).unwrap();
        lanes.into_iter().next().unwrap()
    };
    for at in 1..=events.len() {
        let (_root, folder) = run(|lane| if lane == 0 { events[..at].to_vec() } else { long_lane(1, 5) });
        reading::write_indexes(folder.path()).unwrap();
        append(&logs(&folder)[0], &events[at..]);
        let found = resumed(&folder);
        fs::remove_file(index_of(&logs(&folder)[0])).unwrap();
        assert_eq!(found, resumed(&folder), "an index of {at} records");
        let steps: Vec<u64> = found.checkpoints.iter().map(|saved| saved.step.0).collect();
        assert_eq!(steps, [4, 8, 12, 16]);
        let orders = |step: usize| {
            let (taken, again) = found.orders.at(found.checkpoints[step].rewind());
            let steps = |taken: &Taken| taken.step.0;
            (taken.iter().map(steps).collect::<Vec<_>>(), again.iter().map(steps).collect::<Vec<_>>())
        };
        assert_eq!(orders(3), (vec![4, 8, 9, 12], vec![16]));
        assert_eq!(orders(1), (vec![4], vec![8, 9, 12, 16]));
        assert!(found.checkpoints[2].measured.ends_with(&evaluated(Split::Test, Mode::Eval)));
        let summary = &found.summary;
        assert_eq!((summary.step, summary.test_error), (Step(18), Some(0.1 * 16.0)));
    }
}

#[test]
fn going_back_shows_what_the_lane_had_come_to_then() {
    let events = cut_lane();
    let at = events.iter().position(|event| matches!(event.kind, Kind::LaneResumed(_))).unwrap();
    let (_root, folder) = run(|lane| if lane == 0 { events[..=at].to_vec() } else { long_lane(1, 5) });
    let (_, lanes) = reading::open_to_resume(&[folder.path().to_owned()]).unwrap();
    let summary = &lanes[0].summary;
    assert_eq!((summary.step, summary.test_error), (Step(8), Some(0.1 * 8.0)));
    assert_eq!(lanes[0].checkpoints.len(), 2);
}

/// Looks up what the current view needs.
fn look_up(app: &mut App, library: &mut Library) {
    views::supply(app, |app, needs| library.answer(app, needs));
}

fn frames(app: &mut App, library: &mut Library) -> Vec<String> {
    let theme = Theme::new(Colors::TwoFiftySix, Background::Dark, Characters::Unicode);
    let draw = |view: &ViewKind| {
        app.act(Action::SelectView(*view));
        look_up(app, library);
        views::snapshot(app, (120, 40), &theme, Format::Ansi)
    };
    views::kinds().iter().map(draw).collect()
}

#[test]
fn a_cursor_on_merged_steps_shows_that_very_step() {
    let (_root, folder) = run(|lane| long_lane(lane, 6_000));
    let Opened { mut app, mut library, .. } = open(&folder);
    for step in [1, 7, 1_020, 3_333, 5_999] {
        app.act(Action::SelectStep(Step(step)));
        look_up(&mut app, &mut library);
        for (lane, events) in app.lanes().iter().zip([long_lane(0, 6_000), long_lane(1, 6_000)]) {
            let own =
                events.iter().filter(|event| event.step == Step(step)).find_map(|event| match &event.kind {
                    Kind::Measured(values) => values.numbers(known::ACTIVATION_STD),
                    _ => None,
                });
            let column = own.unwrap();
            let row = lane.at(known::ACTIVATION_STD, Step(step)).unwrap();
            let shown: Vec<f32> = (0..8).filter_map(|column| row.last(column)).collect();
            assert_eq!(format!("{shown:?}"), format!("{column:?}"), "step {step}");
        }
    }
}

/// The steps and values of every record of a range: of a single number, and of a number for each layer.
fn recorded(lane: &Lane, (first, last): (u64, u64)) -> [Vec<String>; 2] {
    let is_within = |step: Step| (first..=last).contains(&step.0);
    let points = lane.points(known::LOSS).filter(|point| is_within(point.last_step));
    let rows = lane.rows(known::ACTIVATION_STD).filter(|row| is_within(row.span.last_step));
    let row = |row: Row<'_>| (0..8).filter_map(|column| row.last(column)).collect::<Vec<f32>>();
    [
        points.map(|point| format!("{} {} {:?}", point.last_step, point.count, point.last())).collect(),
        rows.map(|it| format!("{} {} {:?}", it.span.last_step, it.span.count, row(it))).collect(),
    ]
}

/// The same from the events.
fn measured(events: &[RunEvent], (first, last): (u64, u64)) -> [Vec<String>; 2] {
    let (mut numbers, mut columns) = (Vec::new(), Vec::new());
    for event in events.iter().filter(|event| (first..=last).contains(&event.step.0)) {
        let Kind::Measured(values) = &event.kind else { continue };
        numbers.extend(values.number(known::LOSS).map(|it| format!("{} 1 {it:?}", event.step)));
        columns.extend(values.numbers(known::ACTIVATION_STD).map(|it| format!("{} 1 {it:?}", event.step)));
    }
    [numbers, columns]
}

/// Both views whose charts over time show the two metrics.
fn look_up_charts(app: &mut App, library: &mut Library) {
    for name in ["overview", "heatmap"] {
        app.act(Action::SelectStatistic(known::ACTIVATION_STD));
        app.act(Action::SelectView(views::kind_named(name).unwrap()));
        look_up(app, library);
    }
}

#[test]
fn a_range_zoomed_to_shows_every_record_of_it() {
    let (_root, folder) = run(|lane| long_lane(lane, 20_000));
    let Opened { mut app, mut library, .. } = open(&folder);
    look_up_charts(&mut app, &mut library);
    for range in [(1, 400), (9_000, 9_700), (9_100, 9_300), (6_000, 10_000), (19_990, 20_000), (2_000, 9_000)]
    {
        app.act(Action::ShowRange(Step(range.0), Step(range.1)));
        look_up_charts(&mut app, &mut library);
        for (lane, events) in app.lanes().iter().zip([long_lane(0, 20_000), long_lane(1, 20_000)]) {
            let (shown, all) = (recorded(lane, range), measured(&events, range));
            if range.1 - range.0 < 4_096 {
                assert_eq!(shown, all, "{range:?}");
            } else {
                assert!(shown[0].len() < all[0].len(), "as many records as can be kept");
            }
        }
    }
}

#[test]
fn a_range_of_a_lane_that_went_on_from_a_checkpoint_shows_what_counts() {
    let made = |steps: std::ops::RangeInclusive<u64>, of: usize| {
        let all = long_lane(of, 12_000);
        all.into_iter().filter(move |event| steps.contains(&event.step.0)).collect::<Vec<RunEvent>>()
    };
    let checkpoint = Some("checkpoints/plain-9500.safetensors".to_owned());
    let resumed = Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() });
    let mut events = made(0..=9_900, 0);
    events.push(RunEvent::new(Step(9_500), 9_900.0, resumed));
    // Other values, as after another learning rate.
    events.extend(made(9_501..=9_700, 1));
    let (_root, folder) = run(|lane| if lane == 0 { events.clone() } else { long_lane(1, 5) });
    let Opened { mut app, mut library, .. } = open(&folder);
    look_up_charts(&mut app, &mut library);
    app.act(Action::ShowRange(Step(9_300), Step(9_700)));
    look_up_charts(&mut app, &mut library);
    let counted = [made(9_300..=9_500, 0), made(9_501..=9_700, 1)].concat();
    assert_eq!(recorded(&app.lanes()[0], (9_300, 9_700)), measured(&counted, (9_300, 9_700)));
}

#[test]
fn a_range_read_by_a_thread_is_the_same_range() {
    let (_root, folder) = run(|lane| long_lane(lane, 9_000));
    let Opened { mut app, mut library, .. } = open(&folder);
    look_up_charts(&mut app, &mut library);
    app.act(Action::ShowRange(Step(2_000), Step(2_500)));
    while let needs = views::needs(&app)
        && !needs.is_empty()
    {
        library.answer_soon(&mut app, &needs);
        library.collect(&mut app);
        std::thread::yield_now();
    }
    let lane = &app.lanes()[0];
    assert_eq!(recorded(lane, (2_000, 2_500))[1], measured(&long_lane(0, 9_000), (2_000, 2_500))[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// If any byte of an index is changed or its end is missing, the screens equal those from the log.
    #[test]
    fn a_damaged_index_shows_nothing_wrong(
        at in any::<proptest::sample::Index>(), bit in 0u8..8, cut in any::<bool>(), lane in 0usize..2,
    ) {
        let specimens = LANES.map(|(name, shortcut)| Specimen { steps: 120, ..Specimen::new(name, 8, shortcut) });
        let (_root, folder) = run(|lane| specimens[lane].events());
        let Opened { mut app, mut library, .. } = open(&folder);
        let expected = frames(&mut app, &mut library);
        reading::write_indexes(folder.path()).unwrap();
        let index = index_of(&logs(&folder)[lane]);
        let mut bytes = fs::read(&index).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(&index, bytes).unwrap();
        let Opened { mut app, mut library, .. } = open(&folder);
        prop_assert_eq!(frames(&mut app, &mut library), expected);
    }
}

#[test]
fn the_index_of_another_log_is_not_taken() {
    let (_root, folder) = run(|lane| long_lane(lane, 300));
    reading::write_indexes(folder.path()).unwrap();
    let log = &logs(&folder)[0];
    fs::remove_file(log).unwrap();
    let mut writer = folder.create_log(LaneIdx(0)).unwrap();
    for event in long_lane(1, 400) {
        writer.append(&event).unwrap();
    }
    let app = open(&folder).app;
    assert_eq!(app.lanes()[0].last_step(), Step(400));
    let found = all(&folder);
    assert_eq!(found[0], folded(&folder)[0]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_opened_all_the_same() {
    let (_root, folder) = run(|lane| long_lane(lane, 50));
    let log = &logs(&folder)[0];
    // A folder in place of the index: nothing can be written there.
    fs::create_dir(index_of(log)).unwrap();
    assert!(reading::write_indexes(folder.path()).is_err());
    assert_eq!(open(&folder).app.lanes()[0].last_step(), Step(50));
}

#[test]
fn the_specimens_of_the_screens_survive_being_kept() {
    let specimen = Specimen { diverges_at: Some(90), ..Specimen::new("plain", 14, "none") };
    let (_root, folder) = run(|_| specimen.events());
    let expected = folded(&folder);
    reading::write_indexes(folder.path()).unwrap();
    assert_eq!(all(&folder), expected);
    let of_events = specimen::app_of(std::slice::from_ref(&specimen));
    assert_eq!(
        of_events.lanes()[0].health().findings().len(),
        open(&folder).app.lanes()[0].health().findings().len()
    );
}
