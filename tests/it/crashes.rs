//! Kills the real binary at random times and resumes it until it has finished: the effective events of its logs then
//! equal those of an uninterrupted run.
//!
//! `SKIPLANE_CRASHES=1000 cargo test --test it crashes -- --nocapture` makes that many runs instead of a few.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use skiplane::event::Kind;
use skiplane::order::{Note, Order, Taken};
use skiplane::runlog::{Entry, LogReader};
use skiplane::session::control;

use crate::end_to_end::without_times;
use crate::orders::{taken_in, uninterrupted};

/// Checkpoints with and without an evaluation at the same step, histograms, momentum, random crops, and probes at
/// evaluations and beside them.
const EXPERIMENT: &str = r#"question = "what is left of it?"
seed = 5
[data]
name = "glyphs"
train_images = 64
test_images = 32
crop = true
flip = true
[training]
steps = 60
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9, weight_decay = 1e-4 }
schedule = { kind = "cosine", warmup = 5 }
evaluate_every = 6
evaluate_images = 32
checkpoint_every = 4
[statistics]
every = 1
histograms_every = 5
[probe.lesion]
at = "evaluations"
examples = 16
[probe.gradient_noise]
at = [4, 9, 20, 44]
batches = 2
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
shortcut = "projection"
"#;
pub(crate) const LANES: [&str; 2] = ["plain", "residual"];
/// The default number of crashed runs.
const RUNS: u64 = 5;
/// The most further runs, if no lane of the others was resumed.
const MOST_FURTHER: u64 = 20;
/// A run is killed at most this often; then it may finish.
const MOST_KILLS: u64 = 12;

/// Deterministic random numbers (Vigna 2015, SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one, at least 0 and less than 1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .arg("train")
        .args(arguments)
        .args(["--headless", "--runs", "runs", "--threads", "2"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The run in a folder; none if its process was killed before creating it.
pub(crate) fn run_in(folder: &Path) -> Option<PathBuf> {
    let mut runs = fs::read_dir(folder.join("runs")).ok()?.map(|entry| entry.unwrap().path());
    runs.find(|run| run.join("run.json").is_file())
}

/// Starts or resumes a run, killing it after `life` if it has not ended by then. Returns whether it ended.
pub(crate) fn train(folder: &Path, life: Option<Duration>) -> bool {
    train_beside(folder, life, |_| {})
}

/// As [`train`], repeating an action meanwhile, once the run exists.
fn train_beside(folder: &Path, life: Option<Duration>, mut beside: impl FnMut(&Path)) -> bool {
    let run = run_in(folder);
    let mut child = match &run {
        Some(run) => start(folder, &["--resume", run.to_str().unwrap()]),
        None => start(folder, &["experiment.toml"]),
    };
    if let Some(life) = life {
        let end = Instant::now() + life;
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            if let Some(run) = run_in(folder) {
                beside(&run);
            }
            thread::sleep(Duration::from_micros(200));
        }
        // It may have just ended.
        let _ = child.kill();
    }
    let output = child.wait_with_output().unwrap();
    match output.status.code() {
        Some(0) => true,
        None => false,
        code => panic!("it ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn folder(experiment: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("experiment.toml"), experiment).unwrap();
    folder
}

/// The effective events of each lane, without times.
pub(crate) fn logs(folder: &Path, lanes: &[&str]) -> Vec<String> {
    let run = run_in(folder).unwrap();
    lanes.iter().map(|lane| without_times(&run.join(format!("{lane}.jsonl")))).collect()
}

/// How often a lane was resumed; also checks that its log is undamaged.
pub(crate) fn resumptions(log: &Path) -> u64 {
    let (mut reader, mut count) = (LogReader::open(log).unwrap(), 0);
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            Entry::Event { event, .. } => count += u64::from(matches!(event.kind, Kind::LaneResumed(_))),
            other => panic!("{}: {other:?}", log.display()),
        }
    }
    assert_eq!(reader.torn_bytes(), 0);
    count
}

#[test]
fn a_run_that_is_killed_and_resumed_is_the_run_it_would_have_been() {
    let runs = std::env::var("SKIPLANE_CRASHES").map_or(RUNS, |runs| runs.parse().unwrap());
    println!("{}", kill_and_compare(EXPERIMENT, &LANES, runs));
}

/// Networks of other architectures, on other data, and those that decide at random in each step.
#[test]
fn networks_of_every_kind_go_on_as_if_they_had_not_been_killed() {
    let runs = std::env::var("SKIPLANE_CRASHES").map_or(1, |runs| runs.parse().unwrap());
    let resnet = r#"{ architecture = "resnet", depth = 8, width = 4, "#;
    let transformer = r#"{ architecture = "transformer", depth = 2, width = 32, heads = 2, "#;
    let mlp = r#"{ architecture = "mlp", depth = 3, width = 16, "#;
    let kinds: [(&str, &[(&str, String)]); 3] = [
        (
            "glyphs",
            &[
                ("gate", format!(r#"{resnet} shortcut = "exclusive-gate" }}"#)),
                ("dropout", format!(r#"{resnet} shortcut = "dropout" }}"#)),
                ("chance", format!(r#"{resnet} shortcut = "identity", order = "pre", survival = 0.5 }}"#)),
                ("fixup", format!(r#"{resnet} shortcut = "identity", norm = "none", init = "fixup" }}"#)),
                ("dense", r#"{ architecture = "densenet", depth = 16, growth = 8 }"#.to_owned()),
            ],
        ),
        (
            "moons",
            &[
                ("plain", format!(r#"{mlp} shortcut = "none" }}"#)),
                ("residual", format!(r#"{mlp} shortcut = "identity" }}"#)),
            ],
        ),
        (
            "copy",
            &[
                ("pre", format!(r#"{transformer} residual = "pre" }}"#)),
                ("scalars", format!(r#"{transformer} residual = "scalars" }}"#)),
                ("streams", format!(r#"{transformer} residual = "hyper-dynamic" }}"#)),
                ("mixed", format!(r#"{transformer} residual = "mhc" }}"#)),
            ],
        ),
    ];
    for (data, lanes) in kinds {
        let mut table = EXPERIMENT.split("[[lane]]").next().unwrap().parse::<toml::Table>().unwrap();
        table["data"]["name"] = data.into();
        if data != "glyphs" {
            table["data"].as_table_mut().unwrap().retain(|key, _| key != "crop" && key != "flip");
            let optimizer = r#"{ kind = "adamw", learning_rate = 1e-3, weight_decay = 0.01 }"#;
            table["training"]["optimizer"] = value(optimizer);
        }
        if data == "moons" {
            // Steps take so little that 60 of them are over before they can be killed.
            table["training"]["steps"] = 1_500.into();
            table["training"]["checkpoint_every"] = 50.into();
            table["training"]["evaluate_every"] = 75.into();
        }
        let lane = |(name, settings): &(&str, String)| {
            let mut lane = value(settings);
            lane.as_table_mut().unwrap().insert("name".into(), (*name).into());
            lane
        };
        table.insert("lane".into(), toml::Value::Array(lanes.iter().map(lane).collect()));
        let names: Vec<&str> = lanes.iter().map(|(name, _)| *name).collect();
        println!("{data}: {}", kill_and_compare(&toml::to_string(&table).unwrap(), &names, runs));
    }
}

/// A value as a file spells it.
fn value(text: &str) -> toml::Value {
    format!("value = {text}").parse::<toml::Table>().unwrap().remove("value").unwrap()
}

/// Compares runs that are killed at random times with one that is not; says how often they were.
fn kill_and_compare(experiment: &str, lanes: &[&str], runs: u64) -> String {
    let folder = || folder(experiment);
    let whole = folder();
    assert!(train(whole.path(), None));
    let begun = Instant::now();
    let again = folder();
    assert!(train(again.path(), None));
    let length = begun.elapsed();
    let expected = logs(whole.path(), lanes);
    assert_eq!(expected, logs(again.path(), lanes), "two uninterrupted runs differ");
    assert!(expected.iter().all(|log| log.lines().count() > 60));

    let (mut kills, mut resumed, mut seed) = (0, 0, 0);
    // A short run may have ended, or have written no checkpoint yet, whenever it was to be killed; then there are more.
    while seed < runs || resumed == 0 && seed < runs + MOST_FURTHER {
        let (folder, mut random) = (folder(), Random(seed));
        let mut killed = 0;
        // Short times more often than long ones, so that a run is killed several times.
        while killed < MOST_KILLS && !train(folder.path(), Some(length.mul_f64(random.next().powi(2)))) {
            killed += 1;
        }
        if killed == MOST_KILLS {
            assert!(train(folder.path(), None));
        }
        kills += killed;
        for (lane, (found, expected)) in lanes.iter().zip(logs(folder.path(), lanes).iter().zip(&expected)) {
            let place = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
            assert!(found == expected, "seed {seed}: {lane} differs from record {place:?} on");
            resumed += resumptions(&run_in(folder.path()).unwrap().join(format!("{lane}.jsonl")));
        }
        seed += 1;
    }
    assert!(resumed > 0, "no lane was resumed in {kills} kills");
    format!("{seed} of {seed} runs equal after {kills} kills, lanes resumed {resumed} times")
}

/// Every order and note in a log, including superseded ones.
fn ever_taken(log: &Path) -> Vec<Taken> {
    let (mut reader, mut taken) = (LogReader::open(log).unwrap(), Vec::new());
    while let Some(entry) = reader.next_entry().unwrap() {
        if let Entry::Event { event, .. } = entry {
            taken.extend(event.as_taken());
        }
    }
    taken
}

/// Orders change every step after them, so a run in which one was not repeated at its step would differ from there on.
/// The run it is compared with is trained in this process, uninterrupted, and given its orders by the test itself.
#[test]
fn a_run_that_is_given_orders_between_kills_is_the_run_that_was_given_them_and_never_killed() {
    let runs = std::env::var("SKIPLANE_CRASHES").map_or(RUNS, |runs| runs.parse().unwrap());
    let whole = folder(EXPERIMENT);
    let begun = Instant::now();
    assert!(train(whole.path(), None));
    let length = begun.elapsed();
    let (mut kills, mut orders, mut again) = (0, 0, 0);
    for seed in 0..runs {
        let (folder, mut random) = (folder(EXPERIMENT), Random(seed.wrapping_add(1 << 32)));
        let (mut killed, mut sent) = (0, 0);
        loop {
            let life = (killed < MOST_KILLS).then(|| length.mul_f64(random.next().powi(2)));
            let mut next = Instant::now();
            let ended = train_beside(folder.path(), life, |run| {
                if Instant::now() < next {
                    return;
                }
                next = Instant::now() + length.mul_f64(0.1 * random.next());
                let order = match (random.next() * 5.0) as u32 {
                    0 => Order::LearningRate("x0.9".parse().unwrap()),
                    1 => Order::LearningRate("x1.15".parse().unwrap()),
                    2 => Order::LearningRate("0.03".parse().unwrap()),
                    3 => Order::Probe("rank".to_owned().try_into().unwrap()),
                    _ => Order::Note(Note::cut(&format!("note {sent}")).unwrap()),
                };
                let lane = LANES.get((random.next() * 3.0) as usize);
                let order = lane.map_or(order.clone().into(), |lane| order.for_lane(lane));
                // Fails before a process listens or after it has ended.
                sent += u32::from(control::send(run, &order).is_ok());
            });
            if ended {
                break;
            }
            killed += 1;
        }
        kills += killed;
        for lane in LANES {
            let log = run_in(folder.path()).unwrap().join(format!("{lane}.jsonl"));
            let taken = taken_in(&log);
            let ever = ever_taken(&log);
            let lost: Vec<_> = ever.iter().filter(|order| !taken.contains(order)).collect();
            assert!(lost.is_empty(), "seed {seed}: {lane} was once given {lost:?}");
            let (found, expected) = (without_times(&log), uninterrupted(&log, &taken));
            let place = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
            assert!(found == expected, "seed {seed}: {lane} differs from record {place:?} on");
            orders += taken.len();
            again += ever.len() - taken.len();
        }
    }
    assert!(orders > 0 && again > 0, "{orders} orders were taken, {again} of them again");
    println!("{runs} of {runs} runs equal after {kills} kills, {orders} orders taken, {again} of them again");
}
