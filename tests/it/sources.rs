//! Logs that other programs wrote (`tests/sources/write.py`), against what their own readers read
//! (`tests/sources/expect.py`); followed while they are written, they are the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use skiplane::app::{Action, App, Lane};
use skiplane::event::Histogram;
use skiplane::history::History;
use skiplane::metric::{Metric, Shape, known};
use skiplane::reading::discovery::Discovery;
use skiplane::reading::replay::{Replay, ReplayLane, Run};
use skiplane::reading::{self, Opened};
use skiplane::sources::{self, EventWriter, Pattern, Reading, Renamed, Source};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::tui::{Followed, Source as _};
use skiplane::units::{LayerIdx, Step};
use skiplane::views;

use crate::cli::output;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources")
}

fn found(path: &Path, reading: &Reading) -> Vec<Arc<Source>> {
    sources::find(path, reading).unwrap()
}

fn open(path: &Path) -> Opened {
    reading::open_runs(&[Run::Foreign(found(path, &Reading::default()))]).unwrap()
}

/// The tags that have other names here.
struct Names(Vec<Renamed>);

impl Names {
    fn of(log: &ReplayLane) -> Names {
        Names(log.foreign().unwrap().renamed())
    }

    /// The history of a tag, and its column in a row.
    fn history<'a>(&self, lane: &'a Lane, tag: &str) -> (&'a History, usize) {
        let renamed = self.0.iter().find(|renamed| renamed.tag == tag);
        let layer = renamed.and_then(|renamed| renamed.layer.as_deref());
        let column = layer.map_or(LayerIdx(0), |layer| layer_named(lane, layer).unwrap());
        let metric = metric_named(lane, renamed.and_then(|renamed| renamed.metric).unwrap_or(tag));
        let history = match metric.shape() {
            Shape::Histograms => lane.histograms(metric, column),
            _ => lane.history(metric),
        };
        (history.unwrap_or_else(|| panic!("{tag} was never measured")), column.0)
    }
}

fn metric_named(lane: &Lane, name: &str) -> Metric {
    let all = lane.declared().metrics();
    *all.iter().find(|metric| metric.name() == name).unwrap_or_else(|| panic!("no metric {name} in {all:?}"))
}

fn layer_named(lane: &Lane, name: &str) -> Option<LayerIdx> {
    lane.structure()?.layers.iter().position(|layer| layer.name == name).map(LayerIdx)
}

fn number(value: &Value) -> f32 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap() as f32,
    }
}

/// The points of a curve in the order in which their readers have them, without those that later ones made void.
fn points(value: &Value) -> BTreeMap<u64, u32> {
    let mut points: BTreeMap<u64, u32> = BTreeMap::new();
    for point in value.as_array().unwrap() {
        let step = point[0].as_u64().unwrap();
        points.split_off(&step);
        points.insert(step, bits(number(&point[1])));
    }
    points
}

/// Bits, by which NaN can be compared; all NaN are the same.
fn bits(number: f32) -> u32 {
    if number.is_nan() { f32::NAN.to_bits() } else { number.to_bits() }
}

#[track_caller]
fn assert_scalars(lane: &Lane, log: &ReplayLane, expected: &Value, what: &str) {
    let names = Names::of(log);
    for (tag, values) in expected.as_object().unwrap() {
        let (history, column) = names.history(lane, tag);
        let rows = history.rows().map(|row| (row.span.last_step.0, bits(row.last(column).unwrap())));
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), points(values), "{what}: {tag}");
    }
}

/// A histogram has no value further from its bucket than the bin next to it.
#[track_caller]
fn assert_histograms(lane: &Lane, log: &ReplayLane, expected: &Value, what: &str) {
    let names = Names::of(log);
    for (tag, all) in expected.as_object().unwrap() {
        let (history, _) = names.history(lane, tag);
        let rows: Vec<_> = history.rows().collect();
        assert_eq!(rows.len(), all.as_array().unwrap().len(), "{what}: {tag}");
        for (row, expected) in rows.iter().zip(all.as_array().unwrap()) {
            assert_eq!(row.span.last_step, Step(expected[0].as_u64().unwrap()));
            let bins = row.histogram(0).unwrap().bins();
            let buckets: Vec<[f64; 3]> =
                serde_json::from_value(expected.as_array().unwrap().last().unwrap().clone()).unwrap();
            let total: f64 = buckets.iter().map(|[.., count]| count).sum();
            let found: u32 = bins.iter().sum();
            assert_eq!(f64::from(found), total.round(), "{what}: {tag}");
            let mut before = 0.0;
            for (bin, count) in bins.iter().enumerate() {
                before += f64::from(*count);
                let end = end_of(bin);
                let surely: f64 = buckets.iter().filter(|[_, right, _]| *right <= end).map(|[.., n]| n).sum();
                let at_most: f64 = buckets.iter().filter(|[left, ..]| *left < end).map(|[.., n]| n).sum();
                let is_within = before >= surely - 1.0 && before <= at_most + 1.0;
                assert!(
                    is_within,
                    "{what}: {tag}: {before} values up to {end}, expected {surely} to {at_most}"
                );
            }
        }
    }
}

/// Where a bin ends.
fn end_of(bin: usize) -> f64 {
    let zero = Histogram::ZERO_BIN;
    match bin {
        bin if bin < zero => -(2f64).powi(Histogram::LEAST_EXPONENT + (zero - 1 - bin) as i32),
        bin if bin == zero => (2f64).powi(Histogram::LEAST_EXPONENT),
        64 => f64::INFINITY,
        bin => (2f64).powi(Histogram::LEAST_EXPONENT + (bin - zero) as i32),
    }
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}

/// What is expected of the only run.
fn only(expected: &Value) -> &Value {
    expected.as_object().unwrap().values().next().unwrap()
}

#[test]
fn event_files_are_read_as_tensorboard_reads_them() {
    for name in ["pytorch", "restarts", "tensorboardx", "tensors", "torn", "damaged"] {
        let Opened { app, replay, .. } = open(&folder().join("tensorboard").join(name));
        let expected = expected(&format!("tensorboard/{name}.expected.json"));
        let mut compared = 0;
        for (run, expected) in expected.as_object().unwrap() {
            let at = if run == "." { name } else { run };
            let what = format!("{name}/{run}");
            let Some(lane) = app.lanes().iter().find(|lane| lane.name() == at) else {
                assert!(expected["scalars"].as_object().unwrap().is_empty(), "{what} is no lane");
                continue;
            };
            let log = &replay.lanes()[lane.idx().0];
            // Overlaps without a mark are resolved by TensorBoard's data server, and kept by its older reader; of a damaged
            // record the data server makes another tag, and the older reader ends there.
            let scalars = match expected.get("data_server") {
                Some(server) if at == "overlap" => server,
                _ => &expected["scalars"],
            };
            if name == "damaged" {
                let names = Names::of(log);
                let (history, column) = names.history(lane, "loss/train");
                let ours: BTreeMap<u64, u32> = history
                    .rows()
                    .map(|row| (row.span.last_step.0, bits(row.last(column).unwrap())))
                    .collect();
                assert!(
                    points(&scalars["loss/train"]).iter().all(|(step, value)| ours.get(step) == Some(value))
                );
                assert_eq!(log.report().bad_count, 1, "{:?}", log.report());
            } else {
                assert_scalars(lane, log, scalars, &what);
                assert_eq!(log.report().bad_count, 0, "{what}: {:?}", log.report());
            }
            assert_histograms(lane, log, &expected["histograms"], &what);
            compared += 1;
        }
        assert!(compared > 0, "{name}");
    }
}

#[test]
fn offline_runs_are_read_as_wandb_reads_them() {
    let runs =
        ["000000-fin1shed", "000001-k1lled00", "000002-typed000", "000003-torn0000", "000004-axis0000"];
    for name in runs {
        let name = format!("offline-run-20240101_{name}");
        let Opened { app, replay, .. } = open(&folder().join("wandb").join(&name));
        let expected = expected(&format!("wandb/{name}.expected.json"));
        let (lane, log) = (&app.lanes()[0], &replay.lanes()[0]);
        let expected = only(&expected);
        assert_scalars(lane, log, &expected["scalars"], &name);
        assert_histograms(lane, log, &expected["histograms"], &name);
        let is_over = ["fin1shed", "typed", "axis"].iter().any(|over| name.contains(over));
        assert_eq!(lane.state().is_over(), is_over, "{name}");
    }
}

#[test]
fn tables_lines_and_states_of_trainers_are_read() {
    for (path, name) in [
        ("lightning/metrics.csv", "lightning"),
        ("jsonl/metrics.jsonl", "jsonl"),
        ("huggingface/trainer_state.json", "huggingface"),
    ] {
        let Opened { app, replay, .. } = open(&folder().join(path));
        let expected = expected(&format!("{name}.expected.json"));
        assert_scalars(&app.lanes()[0], &replay.lanes()[0], &only(&expected)["scalars"], name);
    }
}

/// Everything that a state shows of its lanes, as text, in which NaN equals NaN.
fn shown(app: &App) -> Vec<(String, String, String)> {
    let of = |lane: &Lane| {
        let all = lane.declared().metrics().to_vec();
        let layers = lane.structure().map_or(0, |structure| structure.layers.len());
        let mut shown = Vec::new();
        for metric in all {
            match metric.shape() {
                Shape::Histograms => shown.extend((0..layers).filter_map(|at| {
                    let history = format!("{:?}", lane.histograms(metric, LayerIdx(at))?);
                    Some((lane.name().to_owned(), format!("{metric} {at}"), history))
                })),
                _ => shown.extend(
                    lane.history(metric)
                        .map(|h| (lane.name().to_owned(), metric.to_string(), format!("{h:?}"))),
                ),
            }
        }
        shown.sort_by(|a, b| a.1.cmp(&b.1));
        shown
    };
    app.lanes().iter().flat_map(of).collect()
}

/// All files of a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn a_log_that_is_followed_is_the_log_that_is_read_again() {
    for name in [
        "tensorboard/pytorch",
        "tensorboard/restarts/residual",
        "tensorboard/restarts/overlap",
        "tensorboard/tensors",
        "wandb/offline-run-20240101_000000-fin1shed",
        "wandb/offline-run-20240101_000004-axis0000",
        "jsonl",
    ] {
        let original = folder().join(name);
        let copy = tempfile::tempdir().unwrap();
        let all = files(&original);
        // Begins with a third of the first file, so that there is something to be recognised.
        let target = |file: &Path| copy.path().join("run").join(file.strip_prefix(&original).unwrap());
        let mut begun = false;
        let (mut app, mut replay) = (App::new(Vec::new()), None::<Replay>);
        for file in &all {
            let bytes = fs::read(file).unwrap();
            fs::create_dir_all(target(file).parent().unwrap()).unwrap();
            let mut to = fs::File::create(target(file)).unwrap();
            for chunk in bytes.chunks(bytes.len() / 7 + 1) {
                to.write_all(chunk).unwrap();
                to.flush().unwrap();
                if !begun {
                    // Lanes are those that are there at the beginning: all folders are made first.
                    for other in &all {
                        fs::create_dir_all(target(other).parent().unwrap()).unwrap();
                    }
                    begun = true;
                }
                let reader = replay.get_or_insert_with(|| {
                    let run = Run::Foreign(found(&copy.path().join("run"), &Reading::default()));
                    let replay = Replay::open_runs(&[run]).unwrap();
                    app = App::of_lanes(
                        replay
                            .lanes()
                            .iter()
                            .map(|lane| {
                                let label = skiplane::app::LaneLabel {
                                    run: lane.run.clone(),
                                    lane: lane.name.clone(),
                                };
                                Lane::new(lane.idx(), label)
                            })
                            .collect(),
                    );
                    replay
                });
                while let Some(replayed) = reader.next_event().unwrap() {
                    app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
                }
            }
        }
        let again = open(&copy.path().join("run"));
        let first = again.app.lanes()[0].name().to_owned();
        let only = |app: &App| shown(app).into_iter().filter(|(lane, ..)| *lane == first).collect::<Vec<_>>();
        assert!(!only(&again.app).is_empty());
        assert_eq!(only(&app), only(&again.app), "{name}");
    }
}

#[test]
fn an_index_opens_what_was_read_and_goes_on_from_there() {
    let copy = tempfile::tempdir().unwrap();
    let indexes = tempfile::tempdir().unwrap();
    let log = copy.path().join("log.jsonl");
    let lines = |range: std::ops::Range<u32>| -> String {
        range
            .map(|step| {
                format!(
                    "{{\"step\":{step},\"loss\":{},\"lr\":0.1,\"accuracy\":0.5}}\n",
                    1.0 / f64::from(step + 1)
                )
            })
            .collect()
    };
    fs::write(&log, lines(0..120_000)).unwrap();
    let reading = Reading { indexes: Some(indexes.path().to_owned()), ..Reading::default() };
    let opened = |reading: &Reading| {
        let Opened { mut app, replay, mut library } =
            reading::open_runs(&[Run::Foreign(found(&log, reading))]).unwrap();
        library.prepare(&mut app, replay.lanes()[0].idx());
        shown(&app)
    };
    let first = opened(&reading);
    assert_eq!(fs::read_dir(indexes.path()).unwrap().count(), 1);
    assert_eq!(first, opened(&reading));
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .write_all(lines(120_000..120_500).as_bytes())
        .unwrap();
    assert_eq!(opened(&reading), opened(&Reading::default()));
    // Another log of that name has nothing to do with the index.
    fs::write(&log, lines(7..90_000)).unwrap();
    assert_eq!(opened(&reading), opened(&Reading::default()));
}

#[test]
fn a_layer_that_appears_later_has_the_log_read_anew() {
    let copy = tempfile::tempdir().unwrap();
    let log = copy.path().join("log.jsonl");
    let lines = |range: std::ops::Range<u32>, layers: u32| -> String {
        let layers: String = (0..layers).map(|at| format!(",\"grad_norm/layers.{at}\":{at}.5")).collect();
        range.map(|step| format!("{{\"step\":{step},\"loss\":0.5{layers}}}\n")).collect()
    };
    fs::write(&log, lines(0..5, 2)).unwrap();
    let run = Run::Foreign(found(&log, &Reading::default()));
    let Opened { mut app, mut replay, .. } = reading::open_runs(&[run]).unwrap();
    let layers = |app: &App| app.lanes()[0].structure().unwrap().layers.len();
    assert_eq!(layers(&app), 2);
    // The last line is not complete.
    let more = lines(5..9, 3);
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .write_all(&more.as_bytes()[..more.len() - 4])
        .unwrap();
    while let Some(replayed) = replay.next_event().unwrap() {
        app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
    }
    let metric = metric_named(&app.lanes()[0], "weight_gradient_norm");
    let value = |app: &App, step, layer| app.lanes()[0].layer_value(metric, Step(step), LayerIdx(layer));
    assert_eq!((layers(&app), app.lanes()[0].last_step()), (3, Step(7)));
    assert_eq!([value(&app, 7, 2), value(&app, 4, 1), value(&app, 4, 2)], [Some(2.5), Some(1.5), None]);
}

#[test]
fn a_name_that_appears_later_is_taken_for_what_it_is_when_the_log_is_read_again() {
    let copy = tempfile::tempdir().unwrap();
    let log = copy.path().join("log.jsonl");
    let append = |text: &str| {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    append("{\"step\":1,\"train_loss\":3}\n");
    let Opened { mut app, mut replay, .. } =
        reading::open_runs(&[Run::Foreign(found(&log, &Reading::default()))]).unwrap();
    // A loss of evaluations, another name for it that is less usual, and one for the loss that is more usual.
    for line in [
        "{\"step\":2,\"train_loss\":2,\"eval/loss\":4}\n",
        "{\"step\":3,\"valid_loss\":5}\n",
        "{\"step\":4,\"loss\":1,\"train_loss\":7}\n",
    ] {
        append(line);
        while let Some(replayed) = replay.next_event().unwrap() {
            app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
        }
        assert_eq!(shown(&app), shown(&open(&log).app), "{line}");
        assert_eq!(app.lanes()[0].scalar(known::TEST_LOSS).last().unwrap().last(0), Some(4.0));
    }
    assert_eq!(app.lanes()[0].loss().rows().map(|row| row.last(0).unwrap()).collect::<Vec<_>>(), [1.0]);
}

#[test]
fn what_names_no_step_is_of_the_step_before_or_is_counted() {
    let copy = tempfile::tempdir().unwrap();
    let points = |text: &str| {
        let log = copy.path().join("log.jsonl");
        fs::write(&log, text).unwrap();
        let app = open(&log).app;
        app.lanes()[0]
            .loss()
            .rows()
            .map(|row| (row.span.last_step.0, row.last(0).unwrap()))
            .collect::<Vec<_>>()
    };
    let named = "{\"step\":5,\"loss\":3}\n{\"step\":6,\"loss\":2}\n{\"loss\":1,\"best\":1}\n";
    assert_eq!(points(named), [(5, 3.0), (6, 1.0)]);
    assert_eq!(points("{\"loss\":3}\n{\"loss\":2}\n"), [(1, 3.0), (2, 2.0)]);
}

#[test]
fn a_file_that_is_written_anew_is_read_anew() {
    let copy = tempfile::tempdir().unwrap();
    let log = copy.path().join("metrics.csv");
    fs::write(&log, "step,loss\n1,0.5\n2,0.25\n").unwrap();
    let run = Run::Foreign(found(copy.path(), &Reading::default()));
    let Opened { mut app, mut replay, .. } = reading::open_runs(&[run]).unwrap();
    assert_eq!(app.lanes()[0].last_step(), Step(2));
    // As Lightning does when there is a new column.
    fs::write(&log, "accuracy,step,loss\n,1,0.5\n,2,0.25\n0.9,3,0.125\n").unwrap();
    while let Some(replayed) = replay.next_event().unwrap() {
        app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
    }
    let lane = &app.lanes()[0];
    assert_eq!((lane.last_step(), lane.loss().len()), (Step(3), 3));
    assert_eq!(lane.scalar(metric_named(lane, "accuracy")).last().unwrap().last(0), Some(0.9));
}

#[test]
fn a_cursor_on_merged_steps_shows_every_record_of_that_step() {
    let copy = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(copy.path().join("events.out.tfevents.1.host")).unwrap();
    let mut writer = EventWriter::new(&mut file, 1.0).unwrap();
    let tags = ["grad_norm/layers.0", "grad_norm/layers.1", "branch/layers.0", "branch/layers.1"];
    let logged = |at: usize, step: u64| at as f32 + 0.25 * step as f32;
    for step in 1..=6_000 {
        for (at, tag) in tags.iter().enumerate() {
            writer.begin(step, step as f64);
            writer.scalar(tag, logged(at, step)).unwrap();
            writer.end().unwrap();
        }
    }
    let Opened { mut app, replay, mut library } =
        reading::open_runs(&[Run::Foreign(found(copy.path(), &Reading::default()))]).unwrap();
    let names = Names::of(&replay.lanes()[0]);
    assert_eq!(names.0.len(), 4, "{:?}", names.0);
    for step in [1, 7, 3_333, 5_999] {
        app.act(Action::SelectStep(Step(step)));
        views::supply(&mut app, |app, needs| library.answer(app, needs));
        let lane = &app.lanes()[0];
        for (at, renamed) in names.0.iter().enumerate() {
            assert_eq!(renamed.tag, tags[at]);
            let row = lane.at(metric_named(lane, renamed.metric.unwrap()), Step(step)).unwrap();
            assert_eq!(row.last(at % 2), Some(logged(at, step)), "{} at step {step}", tags[at]);
        }
    }
}

#[test]
fn a_wrong_length_in_the_last_block_of_a_run_costs_its_record() {
    let name = "offline-run-20240101_000002-typed000";
    let whole = fs::read(folder().join("wandb").join(name).join("run-typed000.wandb")).unwrap();
    let read = |bytes: &[u8]| {
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join("run-typed000.wandb"), bytes).unwrap();
        let Opened { app, replay, .. } = open(copy.path());
        let steps: Vec<Step> = app.lanes()[0].loss().rows().map(|row| row.span.last_step).collect();
        (steps, app.lanes()[0].state().clone(), replay.report().bad_count)
    };
    let (steps, state, bad) = read(&whole);
    assert!(steps.len() > 10 && bad == 0);
    // Checksum, length and kind, then the data.
    let (mut at, mut damaged) = (7, 0);
    while at + 7 < whole.len() {
        let length = usize::from(u16::from_le_bytes([whole[at + 4], whole[at + 5]]));
        let mut bytes = whole.clone();
        bytes[at + 5] = 0x60;
        if at + 7 + length < whole.len() && damaged > 3 {
            let (left, ended, bad) = read(&bytes);
            assert_eq!((&ended, bad), (&state, 1), "byte {at}");
            assert!(left.len() + 1 >= steps.len() && left.iter().all(|step| steps.contains(step)));
        }
        damaged += 1;
        at += 7 + length;
    }
    assert!(damaged > 20);
}

#[test]
fn zeros_at_the_end_are_data_that_has_not_come_in() {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("events.out.tfevents.1.host");
    let of = |steps: std::ops::Range<u64>| {
        let mut writer = EventWriter::new(Vec::new(), 1.0).unwrap();
        for step in steps {
            writer.begin(step, step as f64);
            writer.scalar("loss", 1.0 / step as f32).unwrap();
            writer.end().unwrap();
        }
        writer.into_inner()
    };
    let (first, all) = (of(1..20), of(1..40));
    assert!(all.starts_with(&first));
    fs::write(&file, [&first[..], &vec![0; all.len() - first.len()]].concat()).unwrap();
    let run = Run::Foreign(found(copy.path(), &Reading::default()));
    let Opened { mut app, mut replay, .. } = reading::open_runs(&[run]).unwrap();
    assert_eq!(app.lanes()[0].last_step(), Step(19));
    // The same file, so that it is not another one.
    fs::OpenOptions::new().write(true).open(&file).unwrap().write_all(&all).unwrap();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&of(40..41)[24 + 16..]).unwrap();
    while let Some(replayed) = replay.next_event().unwrap() {
        app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
    }
    assert_eq!((app.lanes()[0].last_step(), replay.report().bad_count), (Step(40), 0));
}

/// Folds what a followed folder has until a condition holds.
fn follow_until(app: &mut App, source: &mut Followed, what: &str, holds: impl Fn(&App) -> bool) {
    let begun = std::time::Instant::now();
    while !holds(app) {
        assert!(begun.elapsed().as_secs() < 20, "{what}: {:?}", source.problem());
        source.drain(app);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn runs_that_begin_in_a_followed_folder_are_lanes() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
        fs::write(root.path().join(path), text).unwrap();
    };
    let state = |steps: std::ops::RangeInclusive<u32>| {
        let entries: Vec<String> =
            steps.map(|step| format!("{{\"step\":{step},\"loss\":{}}}", 8.0 / f64::from(step))).collect();
        format!("{{\"epoch\":1.0,\"log_history\":[{}],\"max_steps\":9}}", entries.join(","))
    };
    write("a/metrics.csv", "step,loss\n1,0.5\n2,0.25\n");
    write("hf/checkpoint-4/trainer_state.json", &state(1..=4));
    let reading = Reading::default();
    let sources = found(root.path(), &reading);
    let Opened { mut app, replay, library } = reading::open_runs(&[Run::Foreign(sources.clone())]).unwrap();
    let discovery = Discovery::start(root.path().to_owned(), reading, &sources);
    let folders = sources.iter().map(|source| source.folder().to_owned());
    let mut source = Followed::foreign(replay, library, folders, Some(discovery));
    let names = |app: &App| app.lanes().iter().map(|lane| lane.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&app), ["a/metrics.csv", "hf/trainer_state.json"]);
    // A run that begins, and goes on.
    write("b/metrics.csv", "step,loss,grad_norm/layers.0,grad_norm/layers.1\n1,4,1,2\n");
    follow_until(&mut app, &mut source, "another lane", |app| {
        app.lanes().get(2).is_some_and(|lane| lane.last_step() == Step(1))
    });
    assert_eq!(names(&app)[2], "b/metrics.csv");
    let log = root.path().join("b/metrics.csv");
    fs::OpenOptions::new().append(true).open(log).unwrap().write_all(b"2,3,1,2\n").unwrap();
    follow_until(&mut app, &mut source, "another step", |app| app.lanes()[2].last_step() == Step(2));
    // A later state in the place of the earlier one, which the trainer removes.
    write("hf/checkpoint-8/trainer_state.json", &state(1..=8));
    fs::remove_dir_all(root.path().join("hf/checkpoint-4")).unwrap();
    follow_until(&mut app, &mut source, "a later state", |app| app.lanes()[1].last_step() == Step(8));
    let losses: Vec<f32> = app.lanes()[1].loss().rows().map(|row| row.last(0).unwrap()).collect();
    assert_eq!((losses.len(), losses[0], app.lanes().len()), (8, 8.0, 3));
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
    for view in views::kinds() {
        app.act(Action::SelectView(view));
        views::supply(&mut app, |app, needs| source.answer(app, needs));
        let frame = views::snapshot(&app, (120, 40), &theme, views::Format::Text);
        assert!(frame.contains("b/metrics.csv") || view.name != "overview", "{frame}");
    }
}

#[test]
fn links_out_of_a_folder_are_followed_once() {
    let copy = tempfile::tempdir().unwrap();
    let chosen = copy.path().join("chosen");
    fs::create_dir_all(chosen.join("own")).unwrap();
    fs::create_dir_all(copy.path().join("elsewhere/run")).unwrap();
    for log in ["chosen/own/metrics.csv", "elsewhere/run/metrics.csv", "elsewhere/lines.jsonl"] {
        let text = if log.ends_with("csv") { "step,loss\n1,0.5\n" } else { "{\"step\":1,\"loss\":1}\n" };
        fs::write(copy.path().join(log), text).unwrap();
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, chosen.join(name)).unwrap();
    link("../elsewhere/run", "best");
    link("../elsewhere/run", "best again");
    link("../elsewhere/lines.jsonl", "lines.jsonl");
    link("own", "latest");
    link("..", "above");
    link("nowhere", "lost");
    std::os::unix::fs::symlink("../../chosen", copy.path().join("elsewhere/run/back")).unwrap();
    let lanes: Vec<String> =
        found(&chosen, &Reading::default()).iter().map(|source| source.lane.clone()).collect();
    assert_eq!(lanes, ["best/metrics.csv", "lines.jsonl", "own/metrics.csv"]);
}

#[test]
fn settings_are_kept_by_an_import_and_shown() {
    let root = tempfile::tempdir().unwrap();
    let runs = root.path().join("runs");
    let runs = runs.to_str().unwrap();
    let wandb = folder().join("wandb");
    let wandb = wandb.to_str().unwrap();
    let one = format!("{wandb}/offline-run-20240101_000000-fin1shed");
    let first = output(root.path(), &["import", &one, "--name", "one", "--runs", runs]);
    output(root.path(), &["import", wandb, "--name", "all", "--runs", runs]);
    let shown = output(root.path(), &["show", first.trim_end()]);
    assert!(shown.contains("config      batch_size 8, layers [4,8,8,8,1], lr 0.1, optimizer"), "{shown}");
    let shown = output(root.path(), &["show", "all", "--runs", runs]);
    assert!(shown.contains("config      axis0000.lr 0.1, fin1shed.batch_size 8, "), "{shown}");
    let events = folder().join("tensorboard/pytorch/hparams");
    let shown = output(root.path(), &["show", events.to_str().unwrap()]);
    assert!(shown.contains("config      lr 0.1, nesterov 1, optimizer sgd\n"), "{shown}");
    // A folder of runs stands for all of them, and for what other programs have logged beside them.
    fs::write(format!("{runs}/metrics.csv"), "step,loss\n1,0.5\n").unwrap();
    let all = output(root.path(), &["export", runs, "--format", "csv"]);
    let lane = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join(",");
    let lanes: std::collections::BTreeSet<String> = all.lines().skip(1).map(lane).collect();
    assert_eq!(lanes.len(), 7, "{lanes:?}");
}

#[test]
fn what_is_imported_is_what_is_opened() {
    let root = tempfile::tempdir().unwrap();
    let path = folder().join("tensorboard/restarts");
    let runs = root.path().join("runs");
    let path_text = path.to_str().unwrap();
    let printed =
        output(root.path(), &["import", path_text, "--name", "restarts", "--runs", runs.to_str().unwrap()]);
    let imported = root.path().join(printed.trim_end());
    let own = reading::open(&[imported]).unwrap();
    assert_eq!(own.replay.report(), Default::default());
    let numbers = |app: &App| {
        let of = |lane: &Lane| {
            let mut all = Vec::new();
            for metric in lane.declared().metrics() {
                let history = lane.history(*metric).unwrap();
                let points = history.rows().map(|row| (row.span.last_step, bits(row.last(0).unwrap())));
                all.push((lane.name().to_owned(), metric.to_string(), points.collect::<Vec<_>>()));
            }
            all.sort();
            all
        };
        app.lanes().iter().flat_map(of).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&own.app), numbers(&open(&path).app));
    // What is listed, shown and exported is of the same lanes.
    for command in [&["show", path_text][..], &["runs", path_text], &["export", "--format", "csv", path_text]]
    {
        let text = output(root.path(), command);
        assert!(["plain", "residual", "overlap"].iter().all(|lane| text.contains(lane)), "{text}");
    }
}

#[test]
fn a_pattern_says_what_is_of_layers() {
    let copy = tempfile::tempdir().unwrap();
    let log = copy.path().join("log.jsonl");
    fs::write(&log, "{\"step\":1,\"a.x\":1,\"b.x\":2}\n{\"step\":2,\"a.x\":3,\"b.x\":4}\n").unwrap();
    let layers = |patterns: &[&str]| {
        let layers: Vec<Pattern> = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        let run = Run::Foreign(found(&log, &Reading { layers, indexes: None }));
        let app = reading::open_runs(&[run]).unwrap().app;
        app.lanes()[0].structure().unwrap().layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(layers(&[]), [""; 0]);
    assert_eq!(layers(&["{layer}.x"]), ["a", "b"]);
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("notes.txt");
    fs::write(&file, "hello").unwrap();
    for path in [copy.path(), &file] {
        let error = sources::find(path, &Reading::default()).unwrap_err().to_string();
        assert!(error.contains("expected") && error.contains("TensorBoard"), "{error}");
    }
}
