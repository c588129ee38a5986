//! Real networks learn from real files, and equal seeds give equal logs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use skiplane::datasets;
use skiplane::event::{Kind, Outcome, RunEvent};
use skiplane::experiment::{Data, Experiment};
use skiplane::metric::known;
use skiplane::reading::effective;
use skiplane::runlog::{Entry, RunFolder};
use skiplane::session::live::{Setup, start};
use skiplane::trainer::read_checkpoint;
use skiplane::units::{LaneIdx, Step};

fn data(name: &str, path: Option<&Path>) -> Data {
    Data { path: path.map(Path::to_owned), ..Data::named(name) }
}

/// A plain and a residual network of 8 layers for a few steps.
fn experiment(data: Data) -> Experiment {
    let mut experiment = crate::runlog::experiment(&["plain", "residual"]);
    experiment.lanes[0].settings.set("shortcut", "none".into());
    experiment.data = data;
    let training = &mut experiment.training;
    (training.steps, training.batch, training.evaluate_every, training.evaluate_images) = (4, 8, 2, 8);
    experiment
}

/// Trains on a data set and returns the run's folder.
fn train(root: &Path, experiment: &Experiment) -> RunFolder {
    let dataset = datasets::load(&experiment.data, experiment.seed).unwrap();
    let folder = crate::live::folder(root, experiment);
    let mut live = start(Setup::new(experiment.clone(), Arc::new(dataset), folder.clone(), 2)).unwrap();
    assert_eq!(live.join(), [Outcome::Completed, Outcome::Completed]);
    folder
}

fn events(folder: &RunFolder, lane: usize) -> Vec<RunEvent> {
    let mut reader = folder.read_log(LaneIdx(lane)).unwrap();
    let mut events = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Event { event, .. } => events.push(event),
            other => panic!("expected an event, found {other:?}"),
        }
    }
    events
}

fn assert_trained(folder: &RunFolder) {
    for lane in 0..2 {
        let events = events(folder, lane);
        let losses: Vec<f32> = events
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::Measured(values) => values.number(known::LOSS),
                _ => None,
            })
            .collect();
        assert_eq!(losses.len(), 4);
        assert!(losses.iter().all(|loss| loss.is_finite() && *loss > 0.0), "{losses:?}");
        assert!(losses[1..].iter().any(|&loss| loss != losses[0]), "{losses:?}");
    }
}

/// The effective events of a log without any field `time`, and without checksums, which cover times, too.
pub(crate) fn without_times(log: &Path) -> String {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("time");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut lines = String::new();
    let told = effective(log, |event, _| {
        let mut value = serde_json::to_value(event).unwrap();
        strip(&mut value);
        lines += &(value.to_string() + "\n");
    });
    told.unwrap();
    lines
}

#[test]
fn one_seed_gives_one_log() {
    let root = tempfile::tempdir().unwrap();
    let mut glyphs = data("glyphs", None);
    (glyphs.train_images, glyphs.test_images) = (Some(32), Some(16));
    (glyphs.crop, glyphs.flip) = (true, true);
    let mut experiment = experiment(glyphs);
    let [first, second] = [0, 1].map(|_| train(root.path(), &experiment));
    for lane in [0, 1].map(LaneIdx) {
        let [a, b] = [&first, &second].map(|folder| without_times(&folder.log(lane).unwrap()));
        assert!(a.lines().count() > 10 && a == b, "lane {lane} differs between two runs");
    }
    experiment.seed += 1;
    let other = train(root.path(), &experiment);
    assert_ne!(events(&first, 0)[1..], events(&other, 0)[1..]);

    let started = [0, 1].map(|lane| match &events(&first, lane)[0].kind {
        Kind::LaneStarted(started) => started.provenance.clone().unwrap(),
        other => panic!("expected the lane's start, found {other:?}"),
    });
    assert_eq!(started[0].initial_weights, started[1].initial_weights);
    assert_eq!(started[0].batch_order, started[1].batch_order);

    let checkpoint = read_checkpoint(&first.checkpoints().join("plain-00000004.safetensors")).unwrap();
    assert!(checkpoint.state.iter().any(|tensor| tensor.name == "conv1.weight"));
    assert!(!checkpoint.optimizer.is_empty());
}

/// The end of the record of a lane's checkpoint at a step, as a byte of its log.
fn end_of_checkpoint(folder: &RunFolder, lane: usize, step: u64) -> u64 {
    let mut reader = folder.read_log(LaneIdx(lane)).unwrap();
    loop {
        match reader.next_entry().unwrap().unwrap() {
            Entry::Event { event, bytes }
                if matches!(event.kind, Kind::CheckpointWritten(_)) && event.step == Step(step) =>
            {
                return bytes.end;
            }
            _ => {}
        }
    }
}

#[test]
fn a_run_that_was_cut_off_goes_on_as_if_it_never_was() {
    let root = tempfile::tempdir().unwrap();
    let mut glyphs = data("glyphs", None);
    (glyphs.train_images, glyphs.test_images, glyphs.flip) = (Some(32), Some(16), true);
    let mut experiment = experiment(glyphs);
    experiment.training.checkpoint_every = 2;
    let folder = train(root.path(), &experiment);
    let logs = [0, 1].map(|lane| folder.log(LaneIdx(lane)).unwrap());
    let whole = logs.each_ref().map(|log| without_times(log));
    // The first lane was cut off in the middle of a record after its second step; the other one is complete.
    let cut = end_of_checkpoint(&folder, 0, 2) + 100;
    fs::OpenOptions::new().write(true).open(&logs[0]).unwrap().set_len(cut).unwrap();
    let before = fs::read(&logs[0]).unwrap();
    fs::remove_file(folder.checkpoints().join("plain-00000004.safetensors")).unwrap();

    let dataset = Arc::new(datasets::load(&experiment.data, experiment.seed).unwrap());
    let earlier = [0, 1].map(|lane| events(&folder, lane).len());
    let (setup, opened) = Setup::resume(dataset, folder.clone(), 2, false).unwrap();
    assert_eq!([0, 1].map(|lane| opened.app.lanes()[lane].last_step().0), [2, 4]);
    let mut live = start(setup).unwrap();
    assert_eq!(live.join(), [Outcome::Completed, Outcome::Completed]);
    assert_eq!(logs.each_ref().map(|log| without_times(log)), whole);
    let mut seen = [Vec::new(), Vec::new()];
    live.drain(|lane, event, _| seen[lane.0].push(event.clone()));
    assert!(live.is_finished());
    assert_eq!(seen, [0, 1].map(|lane| events(&folder, lane).split_off(earlier[lane])));
    // The log is only appended to, after the torn record is removed.
    let whole = before.iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    assert!(fs::read(&logs[0]).unwrap().starts_with(&before[..whole]));
    let times: Vec<f64> = seen[0].iter().map(|event| event.time.at_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn cifar_files_train() {
    let files = tempfile::tempdir().unwrap();
    let record = |index: usize| {
        std::iter::once((index % 10) as u8).chain((0..3072).map(move |at| (at * (index % 10 + 1) / 7) as u8))
    };
    let records = |count: usize| (0..count).flat_map(record).collect::<Vec<u8>>();
    fs::write(files.path().join("data_batch_1.bin"), records(12)).unwrap();
    fs::write(files.path().join("data_batch_2.bin"), records(8)).unwrap();
    fs::write(files.path().join("test_batch.bin"), records(8)).unwrap();
    let root = tempfile::tempdir().unwrap();
    assert_trained(&train(root.path(), &experiment(data("cifar10", Some(files.path())))));
}

#[test]
fn raw_and_packed_idx_files_train_alike() {
    let images = |count: u32| {
        let mut bytes = vec![0, 0, 8, 3];
        bytes.extend([count, 28, 28].iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend((0..count * 784).map(|at| (at * (at / 784 % 10 + 1) / 5) as u8));
        bytes
    };
    let labels = |count: u32| {
        let mut bytes = vec![0, 0, 8, 1];
        bytes.extend(count.to_be_bytes());
        bytes.extend((0..count).map(|at| (at % 10) as u8));
        bytes
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let names = [
        ("train-images-idx3-ubyte", images(20)),
        ("train-labels-idx1-ubyte", labels(20)),
        ("t10k-images-idx3-ubyte", images(8)),
        ("t10k-labels-idx1-ubyte", labels(8)),
    ];
    let [raw, packed] = [false, true].map(|is_packed| {
        let files = tempfile::tempdir().unwrap();
        for (name, bytes) in &names {
            let bytes = if is_packed { gzip(bytes) } else { bytes.clone() };
            fs::write(files.path().join(name), bytes).unwrap();
        }
        let root = tempfile::tempdir().unwrap();
        let folder = train(root.path(), &experiment(data("idx", Some(files.path()))));
        assert_trained(&folder);
        without_times(&folder.log(LaneIdx(0)).unwrap())
    });
    // The first line contains the path of the files.
    let steps = |log: &str| log.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(steps(&raw), steps(&packed));
}
