//! Lanes that start from a checkpoint, by the real binary: what they compute first, what is refused and how, and that they
//! are resumed as any other.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use skiplane::datasets::{Batch, Inputs};
use skiplane::event::{Kind, Mode, RunEvent};
use skiplane::experiment::{Head, Lane, Missing, Optimizer, Settings, Start};
use skiplane::model::{self, Network, TensorData};
use skiplane::reading::effective;
use skiplane::runlog::{Entry, LogReader};
use skiplane::trainer::{StartFile, read_checkpoint, start_from};
use skiplane::units::ImageShape;

use crate::cli::{output, refused, skiplane};
use crate::crashes::{self, Random};
use crate::end_to_end::without_times;

/// What is trained first.
const BASE: &str = r#"question = "what does it start from?"
seed = 3
[data]
name = "glyphs"
train_images = 64
test_images = 32
[training]
steps = 8
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05 }
evaluate_every = 4
evaluate_images = 64
checkpoint_every = 4
[[lane]]
name = "plain"
architecture = "resnet"
depth = 8
width = 4
shortcut = "none"
[[lane]]
name = "residual"
architecture = "resnet"
depth = 8
width = 4
shortcut = "identity"
"#;

/// The same with a `[start]`.
fn with_start(start: &str) -> String {
    BASE.replace("[data]", &format!("[start]\n{start}\n[data]"))
}

/// A folder with the run that others start from.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    write(folder.path(), "base.toml", BASE);
    output(folder.path(), &["train", "base.toml", "--headless"]);
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// The run whose name ends so.
fn run(folder: &Path, name: &str) -> PathBuf {
    let mut runs = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    runs.find(|path| path.to_string_lossy().ends_with(name)).unwrap()
}

/// The events of a lane that count.
fn events(run: &Path, lane: &str) -> Vec<RunEvent> {
    let mut events = Vec::new();
    effective(&run.join(format!("{lane}.jsonl")), |event, _| events.push(event.clone())).unwrap();
    events
}

/// What was measured by evaluations after a step, as bits.
fn evaluated(run: &Path, lane: &str, step: u64) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    for event in events(run, lane).iter().filter(|event| event.step.0 == step) {
        if let Kind::Measured(values) = &event.kind {
            for (metric, _) in values.iter().filter(|(metric, _)| metric.name().starts_with("t")) {
                all.extend(values.number(metric).map(|value| (metric.name().to_owned(), value.to_bits())));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_lane_starts_where_another_one_ended() {
    let folder = folder();
    let base = run(folder.path(), "base");
    write(folder.path(), "tuned.toml", &with_start("checkpoint = \"latest\""));
    let told = output(folder.path(), &["train", "tuned.toml", "--headless"]);
    assert!(
        told.contains("lane residual starts from ") && told.contains(" tensors are those of the"),
        "{told}"
    );
    let tuned = run(folder.path(), "tuned");
    for lane in ["plain", "residual"] {
        let (ended, starts) = (evaluated(&base, lane, 8), evaluated(&tuned, lane, 0));
        // The end also evaluates with the statistics of each batch.
        assert!(
            !starts.is_empty() && starts.iter().all(|value| ended.contains(value)),
            "{starts:?} {ended:?}"
        );
        let checkpoint = |run: &Path, step: u64| {
            read_checkpoint(&run.join(format!("checkpoints/{lane}-{step:08}.safetensors"))).unwrap()
        };
        assert_eq!(checkpoint(&base, 8).state, checkpoint(&tuned, 0).state);
        assert_ne!(checkpoint(&base, 8).state, checkpoint(&tuned, 8).state);
    }
    // The log and the run's experiment name the file and its hash, and so does `check`, which is an experiment itself.
    let checked = output(folder.path(), &["check", "tuned.toml", "--set", "start.checkpoint=base"]);
    assert!(checked.contains("# lane plain starts from "), "{checked}");
    let Kind::LaneStarted(started) = &events(&tuned, "residual")[0].kind else { panic!("no start") };
    let start = started.experiment().unwrap().lanes[1].start.clone().unwrap();
    assert!(start.checkpoint.ends_with("residual-00000008.safetensors") && start.sha256.is_some());
    let kept = fs::read_to_string(tuned.join("experiment.toml")).unwrap();
    assert!(kept.contains(start.sha256.as_ref().unwrap()) && !kept.contains("latest"));
    write(folder.path(), "again.toml", &checked);
    assert_eq!(output(folder.path(), &["check", "again.toml"]), checked);
    // What the two lanes start from is not the same.
    let shown = output(folder.path(), &["show", "tuned"]);
    assert!(shown.contains("not fair:\n  initial weights:"), "{shown}");
}

#[test]
fn lanes_override_what_all_start_from() {
    let folder = folder();
    let text = with_start("checkpoint = \"base\"\nlane = \"residual\"\nstep = 4")
        .replace("shortcut = \"none\"", "shortcut = \"none\"\nstart = \"initial\"\nfrozen = [\"conv1\"]")
        + "start = { head = \"new\" }\ngroup = [{ parameters = \"fc\", rate = 10 }]\n";
    write(folder.path(), "mixed.toml", &text);
    let checked = output(folder.path(), &["check", "mixed.toml"]);
    assert!(!checked.contains("# lane plain starts") && checked.contains("residual-00000004.safetensors"));
    assert!(checked.contains("the head keeps its initial weights: `fc.weight`, `fc.bias`"), "{checked}");
    output(folder.path(), &["train", "mixed.toml", "--headless"]);
    let mixed = run(folder.path(), "mixed");
    let state = |lane: &str, step: u64| {
        let state =
            read_checkpoint(&mixed.join(format!("checkpoints/{lane}-{step:08}.safetensors"))).unwrap().state;
        state.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect::<HashMap<_, _>>()
    };
    assert!(!mixed.join("checkpoints/plain-00000000.safetensors").exists(), "it starts from no checkpoint");
    assert_eq!(state("plain", 4)["conv1.weight"], state("plain", 8)["conv1.weight"]);
    assert_ne!(state("plain", 4)["bn1.weight"], state("plain", 8)["bn1.weight"]);
    let shown = output(folder.path(), &["show", "mixed"]);
    assert!(shown.contains("training: see below"), "{shown}");
    let frame = output(folder.path(), &["snapshot", "mixed", "--view", "findings", "--size", "200x60"]);
    for difference in ["lane.start ", "training.frozen", "training.group"] {
        assert!(frame.contains(difference), "{difference}: {frame}");
    }
    // A frozen layer is not a finding.
    assert!(!shown.contains("frozen_layer"), "{shown}");
    // The keys of a lane can be set one by one.
    let set = ["check", "mixed.toml", "--set", "lane.residual.start.head=keep", "--set", "lane.*.frozen=[]"];
    let checked = output(folder.path(), &set);
    assert!(checked.contains("head = \"keep\"") && !checked.contains("frozen"), "{checked}");
}

#[test]
fn what_cannot_be_started_from_is_refused_with_its_place() {
    let folder = folder();
    let base = run(folder.path(), "base");
    let error = |start: &str, command: &[&str]| {
        write(folder.path(), "x.toml", &with_start(start));
        refused(folder.path(), &[&["check", "x.toml"], command].concat(), 2)
    };
    let cases: &[(&str, &[&str], &str)] = &[
        ("checkpoint = \"nothing\"", &[], "x.toml:4: start.checkpoint: lane `plain`: no run `nothing`"),
        ("checkpoint = \"gone.safetensors\"", &[], "gone.safetensors: No such file"),
        (
            "checkpoint = \"base\"\nlane = \"dense\"",
            &[],
            "(`plain`, `residual`), found `dense`; choose one with `lane`",
        ),
        ("checkpoint = \"base\"\nstep = 5", &[], "expected the step of a checkpoint of lane plain in run "),
        ("checkpoint = \"base\"\nstep = 5", &[], "(4, 8), found 5"),
        (
            "checkpoint = \"base\"",
            &["--set", "lane.*.width=8"],
            "expected `conv1.weight` of shape [8, 1, 3, 3], found [4",
        ),
        ("checkpoint = \"base\"", &["--set", "lane.*.depth=14"], "set missing = \"initial\""),
        (
            "checkpoint = \"base\"\nsha256 = \"00\"",
            &[],
            "x.toml:5: start.sha256: expected 64 hexadecimal digits in lower case, found `00`",
        ),
        ("chekpoint = \"base\"", &[], "start.chekpoint: unknown key; the nearest known one is `checkpoint`"),
        (
            "head = \"new\"",
            &[],
            "start.checkpoint: expected the path of a file that ends in `.safetensors`, or a run",
        ),
        ("checkpoint = \"base\"\nhead = \"none\"", &[], "start.head: expected `keep` or `new`, found `none`"),
        (
            "checkpoint = \"a.safetensors\"\nstep = 3",
            &[],
            "x.toml:5: start.step: expected no `step` beside a file",
        ),
        (
            "checkpoint = \"base\"",
            &["--set", "lane.plain.start=scratch"],
            "lane.plain.start: expected `initial`, for weights drawn from the seed, or a table",
        ),
        (
            "checkpoint = \"base\"",
            &["--set", "training.frozen=[\"layr1\"]"],
            "frozen: expected a pattern that matches a parameter of lane `plain`, found `layr1`; similar are `layer1`",
        ),
        (
            "checkpoint = \"base\"",
            &["--set", "training.group=[{ parameters = \"fc.wieght\" }]"],
            "found `fc.wieght`; similar are `fc.weight`",
        ),
        (
            "checkpoint = \"base\"",
            &["--set", "lane.residual.group=[{ parameters = \"fc\", rate = 0 }]"],
            "lane.residual.group.0.rate: expected a number above 0, found `0`",
        ),
        (
            "checkpoint = \"base\"",
            &["--set", "lane.residual.frozen=[\"*\"]"],
            "frozen: expected a parameter of lane `residual` that is trained, found all of them frozen",
        ),
    ];
    for (start, command, expected) in cases {
        let found = error(start, command);
        assert!(found.contains(expected), "{start} {command:?}\n  expected: {expected}\n  found:    {found}");
    }
    // A checkpoint that is no longer what was written.
    let path = base.join("checkpoints/plain-00000008.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let found = error("checkpoint = \"base\"", &[]);
    assert!(found.contains("the file was damaged since it was written; choose another `step`"), "{found}");
    error("checkpoint = \"base\"\nlane = \"plain\"", &["--set", "start.step=3"]);
    assert!(skiplane(folder.path(), &["check", "x.toml", "--set", "start.step=4"]).status.success());
}

/// The folder of checkpoints that PyTorch has written, by `make.py` there.
const TORCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/start");
const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
const IMAGE: ImageShape = ImageShape { channels: 1, height: 16, width: 16 };

fn start(path: &Path) -> Start {
    let (head, missing) = (Head::Keep, Missing::Refuse);
    let checkpoint = path.to_str().unwrap().to_owned();
    Start { checkpoint, lane: None, step: None, sha256: None, head, missing }
}

fn lane(path: &Path) -> Lane {
    let settings = Settings::default().with("depth", 8_usize.into()).with("width", 4_usize.into());
    Lane {
        start: Some(start(path)),
        ..Lane::new("lane", "resnet", settings.with("shortcut", "identity".into()))
    }
}

fn started(path: &Path) -> Result<Box<dyn Network>, String> {
    let lane = lane(path);
    let mut network = model::build(&lane, IMAGE, 10, 9, &SGD, 1).unwrap();
    start_from(&mut *network, &lane, IMAGE.into(), 10).map_err(|error| error.to_string())?;
    Ok(network)
}

#[test]
fn checkpoints_of_pytorch_give_its_outputs() {
    let folder = Path::new(TORCH);
    let expected = StartFile::read(&start(&folder.join("expected.safetensors"))).unwrap();
    let numbers = |name: &str| match &expected.tensors.iter().find(|tensor| tensor.name == name).unwrap().data
    {
        TensorData::F32(values) => values.clone(),
        TensorData::I64(_) => panic!("{name} holds no floats"),
    };
    let batch = Batch { inputs: Inputs::Numbers(numbers("input")), labels: vec![0; 4] };
    for (name, types) in [("plain", "F32"), ("wrapped", "BF16")] {
        let path = folder.join(format!("{name}.safetensors"));
        let logits = started(&path).unwrap().logits(&batch, Mode::Eval);
        let reference = numbers(name);
        let size = reference.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        assert!(size > 0.1, "{reference:?}");
        for (ours, theirs) in logits.iter().zip(&reference) {
            assert!((ours - theirs).abs() < 1e-5 * size, "{name}: {logits:?} {reference:?}");
        }
        let file = StartFile::read(&start(&path)).unwrap();
        let converted = format!("numbers of {types} are converted to F32");
        assert_eq!(file.notes, if types == "F32" { vec![] } else { vec![converted] });
    }
    let halves = numbers("plain").iter().zip(numbers("wrapped")).any(|(a, b)| (a - b).abs() > 1e-4);
    assert!(halves, "the two checkpoints differ");
}

#[test]
fn numbers_of_half_and_double_precision_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let read = |kind, bytes: &[u8]| {
        let view = TensorView::new(kind, vec![bytes.len() * 8 / kind.bitsize()], bytes).unwrap();
        fs::write(&path, serialize([("x", view)], None).unwrap()).unwrap();
        StartFile::read(&start(&path))
            .map(|file| file.tensors[0].data.clone())
            .map_err(|error| error.to_string())
    };
    let halves = [0x3c00_u16, 0xc000, 0x7bff, 0x0001, 0x8000, 0x03ff, 0x0400, 0x3555, 0x7c00];
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    let smallest = 2.0_f32.powi(-24);
    let expected = vec![
        1.0,
        -2.0,
        65504.0,
        smallest,
        -0.0,
        1023.0 * smallest,
        2.0_f32.powi(-14),
        0.333_251_95,
        f32::INFINITY,
    ];
    assert_eq!(read(Dtype::F16, &bytes), Ok(TensorData::F32(expected)));
    let bytes: Vec<u8> = [0.1_f64, -3.0, 1e300].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(read(Dtype::F64, &bytes), Ok(TensorData::F32(vec![0.1, -3.0, f32::INFINITY])));
    assert_eq!(read(Dtype::BF16, &[0x80, 0x3f, 0x49, 0x40]), Ok(TensorData::F32(vec![1.0, 3.140_625])));
    assert_eq!(read(Dtype::I32, &[255, 255, 255, 255]), Ok(TensorData::I64(vec![-1])));
    let error = read(Dtype::F8_E4M3, &[1, 2]).unwrap_err();
    assert!(error.contains("found `x` of F8_E4M3; save it as F32"), "{error}");
}

#[test]
fn hostile_files_are_refused_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let whole = fs::read(Path::new(TORCH).join("plain.safetensors")).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        started(&path).err().expect("it is refused")
    };
    for length in [0, 1, 7, 8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let error = refused(&whole[..length]);
        assert!(error.contains("expected a checkpoint in safetensors' format"), "{length}: {error}");
    }
    let mut header = whole.clone();
    header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&header);
    refused(b"PK\x03\x04 a pickle of torch.save, zipped");
    let error = refused(&{
        let tensors = SafeTensors::deserialize(&whole).unwrap();
        let kept = tensors.tensors().into_iter().filter(|(name, _)| name != "fc.bias");
        serialize(kept, None).unwrap()
    });
    assert!(error.contains("expected `fc.bias` of shape [10], found no such tensor"), "{error}");
    // Its own names are told without control characters.
    let values = [0; 4];
    let view = TensorView::new(Dtype::F32, vec![1], &values).unwrap();
    let error = refused(&serialize([("a\u{1b}[2J", view)], None).unwrap());
    assert!(!error.contains('\u{1b}') && error.contains("a\u{fffd}[2J"), "{error}");
    let folder_instead = folder.path().join("folder.safetensors");
    fs::create_dir(&folder_instead).unwrap();
    let error = started(&folder_instead).err().unwrap();
    assert!(error.contains("something other than a regular file"), "{error}");
    // Another file than the one that is meant.
    let mut pinned = lane(&Path::new(TORCH).join("plain.safetensors"));
    let mut network = model::build(&pinned, IMAGE, 10, 9, &SGD, 1).unwrap();
    if let Some(start) = &mut pinned.start {
        start.sha256 = Some("0".repeat(64));
    }
    let error = start_from(&mut *network, &pinned, IMAGE.into(), 10).unwrap_err().to_string();
    assert!(
        error.contains("expected the file with SHA-256 000") && error.contains("or remove `sha256`"),
        "{error}"
    );
}

/// An experiment in which everything is used, with the run that it starts from in another folder.
fn tuned(folder: &Path) -> String {
    let base = run(folder, "base");
    with_start(&format!("checkpoint = {:?}\nlane = \"residual\"\nhead = \"new\"", base.to_str().unwrap()))
        .replace("steps = 8", "steps = 40")
        .replace("shortcut = \"none\"", "shortcut = \"none\"\nfrozen = [\"conv1\", \"bn1\", \"layer1\"]")
        + "group = [{ parameters = \"fc\", rate = 3, weight_decay = 0 }, { parameters = \"*\", rate = 0.3 }]\n"
}

/// A folder in which the run is to be trained.
fn workplace(experiment: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "experiment.toml", experiment);
    folder
}

#[test]
fn a_fine_tuned_run_that_is_killed_and_resumed_is_the_run_it_would_have_been() {
    let base = folder();
    let experiment = tuned(base.path());
    let whole = workplace(&experiment);
    let begun = Instant::now();
    assert!(crashes::train(whole.path(), None));
    let length = begun.elapsed();
    let expected = crashes::logs(whole.path(), &crashes::LANES);
    let mut resumed = 0;
    for seed in 0..4 {
        let (folder, mut random) = (workplace(&experiment), Random(seed));
        let mut kills = 0;
        while kills < 12 && !crashes::train(folder.path(), Some(length.mul_f64(random.next().powi(2)))) {
            kills += 1;
        }
        if kills == 12 {
            assert!(crashes::train(folder.path(), None));
        }
        assert!(crashes::logs(folder.path(), &crashes::LANES) == expected, "seed {seed}");
        let run = crashes::run_in(folder.path()).unwrap();
        resumed += ["plain", "residual"]
            .map(|lane| crashes::resumptions(&run.join(format!("{lane}.jsonl"))))
            .iter()
            .sum::<u64>();
    }
    assert!(resumed > 0, "no lane was resumed");
}

/// The bytes of a log up to its first record of a kind.
fn up_to(log: &Path, is_it: impl Fn(&Kind) -> bool) -> u64 {
    let mut reader = LogReader::open(log).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        if let Entry::Event { event, bytes, .. } = entry
            && is_it(&event.kind)
        {
            return bytes.end;
        }
    }
    panic!("no such record");
}

#[test]
fn a_lane_that_has_started_no_longer_needs_what_it_started_from() {
    let base = folder();
    let experiment = tuned(base.path());
    let whole = workplace(&experiment);
    assert!(crashes::train(whole.path(), None));
    let run = crashes::run_in(whole.path()).unwrap();
    let expected = crashes::logs(whole.path(), &crashes::LANES);
    // As a run that was killed after its first records, with and without the checkpoint of its start.
    let interrupt = |is_last: &dyn Fn(&Kind) -> bool| {
        for lane in ["plain", "residual"] {
            let log = run.join(format!("{lane}.jsonl"));
            let bytes = up_to(&log, is_last);
            fs::File::options().write(true).open(&log).unwrap().set_len(bytes).unwrap();
            let _ = fs::remove_file(run.join(format!("{lane}.index")));
        }
    };
    fs::remove_dir_all(base.path().join("runs")).unwrap();
    interrupt(&|kind| matches!(kind, Kind::CheckpointWritten(_)));
    assert!(crashes::train(whole.path(), None));
    assert!(crashes::logs(whole.path(), &crashes::LANES) == expected);
    let resumed = events_of_all(&run.join("plain.jsonl"), |kind| matches!(kind, Kind::LaneResumed(_)));
    let Kind::LaneResumed(resumed) = &resumed[0].kind else { panic!("not resumed") };
    assert_eq!(resumed.checkpoint.as_deref(), Some("checkpoints/plain-00000000.safetensors"));
    // Without any checkpoint of its own, it needs the one that it started from.
    interrupt(&|kind| matches!(kind, Kind::LaneStarted(_)));
    let failed = skiplane(whole.path(), &["train", "--resume", run.to_str().unwrap(), "--headless"]);
    let error = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{error}");
    assert!(
        error.contains("lane plain failed") && error.contains("residual-00000008.safetensors: No such"),
        "{error}"
    );
}

/// The events of a log of a kind, including superseded ones.
fn events_of_all(log: &Path, is_it: impl Fn(&Kind) -> bool) -> Vec<RunEvent> {
    let (mut reader, mut events) = (LogReader::open(log).unwrap(), Vec::new());
    while let Some(entry) = reader.next_entry().unwrap() {
        if let Entry::Event { event, .. } = entry
            && is_it(&event.kind)
        {
            events.push(event);
        }
    }
    events
}

/// He et al. 2015, section 1, by the real binary: a deeper plain network has the training error of the shallower one.
#[test]
fn the_identity_witness_has_exactly_the_error_of_the_shallower_network() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    let plain = "shortcut = \"none\"\nnorm = \"none\"\ninit = \"dirac\"";
    let of_dirac = BASE.replace("0.05", "0.01").replace("shortcut = \"none\"", plain);
    let shallow = of_dirac.split("[[lane]]\nname = \"residual\"").next().unwrap().to_owned();
    write(folder.path(), "shallow.toml", &shallow);
    output(folder.path(), &["train", "shallow.toml", "--headless"]);
    let deep = shallow
        .replace("depth = 8", "depth = 44")
        .replace("[data]", "[start]\ncheckpoint = \"shallow\"\nmissing = \"initial\"\n[data]");
    write(folder.path(), "deep.toml", &deep);
    output(folder.path(), &["train", "deep.toml", "--headless"]);
    let [shallow, deep] =
        [("shallow", 8), ("deep", 0)].map(|(name, step)| evaluated(&run(folder.path(), name), "plain", step));
    assert!(deep.iter().any(|(name, _)| name == "train_batch_error"), "{deep:?}");
    assert!(deep.iter().all(|value| shallow.contains(value)), "{shallow:?} {deep:?}");
}

/// Nothing that a log says of a lane without a start has changed.
#[test]
fn a_lane_without_a_start_is_logged_as_ever() {
    let folder = folder();
    let log = without_times(&run(folder.path(), "base").join("plain.jsonl"));
    let first = log.lines().next().unwrap();
    for word in ["\"start\"", "\"frozen\"", "\"group\""] {
        assert!(!first.contains(word), "{word}: {first}");
    }
}
