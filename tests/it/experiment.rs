//! Experiment files: every mistake is reported with its place and the nearest valid choice, and a checked experiment
//! survives writing and reading.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use skiplane::experiment::*;
use skiplane::{datasets, model, trainer};

pub(crate) fn available() -> Available {
    let dataset =
        |name, path| DatasetEntry { name, summary: "", kind: DataKind::Images, path, keys: Vec::new() };
    let (none, folder) = (skiplane::experiment::Path::None, skiplane::experiment::Path::Folder);
    Available {
        datasets: vec![dataset("glyphs", none), dataset("cifar10", folder), dataset("idx", folder)],
        architectures: vec![
            architecture("resnet", (6, 2), &[4, 8, 16, 32], &["none", "identity", "projection"]),
            architecture("stack", (1, 0), &[4], &["none"]),
        ],
        probes: Vec::new(),
    }
}

fn architecture(
    name: &'static str,
    (step, offset): (usize, usize),
    widths: &[usize],
    shortcuts: &[&'static str],
) -> ArchitectureEntry {
    let keys = vec![
        Key::required("depth", "", Allowed::Depth { step, offset, most: 2_000, unless: None }),
        Key::required("width", "", Allowed::Compiled(widths.to_vec())),
        Key::required("shortcut", "", Allowed::Words(shortcuts.to_vec())),
    ];
    ArchitectureEntry { name, summary: "", data: DataKind::Images, keys, check: |_| Ok(()) }
}

pub(crate) const GOOD: &str = r#"question = "?"
seed = 1
[data]
name = "glyphs"
[training]
steps = 100
batch = 32
optimizer = { kind = "sgd", learning_rate = 0.05 }
schedule = { kind = "steps", at = [30, 60] }
[statistics]
every = 2
[[lane]]
name = "plain"
architecture = "resnet"
depth = 56
width = 8
shortcut = "none"
[[lane]]
name = "residual.v2"
architecture = "resnet"
depth = 56
width = 8
shortcut = "identity"
"#;

fn parsed(text: &str) -> Result<Experiment, String> {
    parse(text, "x.toml", &available(), &[]).map_err(|error| error.to_string())
}

/// The message after replacing one part of the good file.
fn message(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match parsed(&GOOD.replacen(from, to, 1)) {
        Ok(_) => panic!("accepted {to}"),
        Err(error) => error,
    }
}

fn overridden(overrides: &[&str]) -> Result<Experiment, String> {
    let overrides: Vec<(String, String)> = overrides
        .iter()
        .map(|given| given.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    parse(GOOD, "x.toml", &available(), &overrides).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_filled_in() {
    let experiment = parsed(GOOD).unwrap();
    assert_eq!(
        experiment.training.optimizer,
        Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 }
    );
    assert_eq!(experiment.training.schedule, Schedule::Steps { at: vec![30, 60], factor: 0.1, warmup: 0 });
    assert_eq!(experiment.statistics, Recording { every: 2, histograms_every: 20, layers: Vec::new() });
    assert_eq!((experiment.training.evaluate_every, experiment.training.checkpoint_every), (50, 0));
    assert_eq!(experiment.lanes[1].settings.word("shortcut"), Some("identity"));
    let adam = GOOD.replace(r#""sgd", learning_rate = 0.05"#, r#""adamw", learning_rate = 1"#);
    assert_eq!(
        parsed(&adam).unwrap().training.optimizer,
        Optimizer::AdamW { learning_rate: 1.0, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01 }
    );
}

/// The lanes of the good file, with what is before `[training]`, what is at its end, and what the second lane has.
fn tuned(start: &str, training: &str, lane: &str) -> Result<Vec<Lane>, String> {
    let text = GOOD.replace("[training]", &format!("{start}\n[training]\n{training}"));
    parsed(&format!("{text}{lane}\n")).map(|experiment| experiment.lanes)
}

#[test]
fn a_lane_has_what_all_have_unless_it_says_otherwise() {
    let start = "[start]\ncheckpoint = \"latest\"\nlane = \"x\"\nstep = 4\nhead = \"new\"";
    let training = "frozen = [\"conv1\"]\ngroup = [{ parameters = \"fc\", rate = 2 }]";
    let lanes = tuned(start, training, "").unwrap();
    let group = Group { parameters: "fc".to_owned(), rate: 2.0, weight_decay: None };
    let of_all = Start {
        checkpoint: "latest".to_owned(),
        lane: Some("x".to_owned()),
        step: Some(4),
        sha256: None,
        head: Head::New,
        missing: Missing::Refuse,
    };
    for lane in &lanes {
        assert_eq!(lane.start.as_ref(), Some(&of_all));
        assert_eq!(
            (lane.frozen.as_slice(), lane.groups.as_slice()),
            (["conv1".to_owned()].as_slice(), [group.clone()].as_slice())
        );
    }
    let own = |text: &str| tuned(start, training, text).unwrap().swap_remove(1);
    assert_eq!(own("start = \"initial\"").start, None);
    assert_eq!(own("start = {}").start.as_ref(), Some(&of_all));
    assert_eq!(own("start = { step = 8 }").start, Some(Start { step: Some(8), ..of_all.clone() }));
    // Of another checkpoint, lane and step are others, too.
    let other = Start { checkpoint: "a/b.safetensors".to_owned(), lane: None, step: None, ..of_all.clone() };
    assert_eq!(own("start = { checkpoint = \"a/b.safetensors\" }").start, Some(other));
    let kept = own("start = { head = \"keep\", missing = \"initial\" }").start;
    assert_eq!(kept, Some(Start { head: Head::Keep, missing: Missing::Initial, ..of_all }));
    assert_eq!(own("frozen = []").frozen, [""; 0]);
    assert_eq!(own("group = []").groups, []);
    let decayed = Group { parameters: "*.bias".to_owned(), rate: 1.0, weight_decay: Some(0.0) };
    assert_eq!(own("group = [{ parameters = \"*.bias\", weight_decay = 0 }]").groups, [decayed]);
    let alone = tuned("", "", "start = { checkpoint = \"latest\" }").unwrap();
    assert!(alone[0].start.is_none() && alone[1].start.is_some());
}

#[test]
fn mistakes_of_starts_and_groups_are_told_with_their_place() {
    let cases = [
        ("start = { head = \"new\" }", "lane.residual.v2.start.checkpoint: expected the path of a file"),
        ("start = { checkpoint = 3 }", "start.checkpoint: expected a text in quotes, found `3`"),
        ("start = 3", "start: expected `initial`, for weights drawn from the seed, or a table such as"),
        (
            "start = { checkpoint = \"x\", steps = 3 }",
            "start.steps: unknown key; the nearest known one is `step`",
        ),
        (
            "frozen = \"conv1\"",
            "frozen: expected an array of 0 to 64 patterns such as `[\"conv1\", \"layer1\"]`",
        ),
        ("frozen = [\"\"]", "frozen: expected a pattern of 1 to 100 characters in quotes, found ``"),
        ("group = { parameters = \"x\" }", "group: expected at most 64 tables such as"),
        ("group = [3]", "group: expected a table such as `{ parameters = \"fc\", rate = 10 }`, found `3`"),
        (
            "group = [{ rate = 2 }]",
            "group.0.parameters: expected a text in quotes, found no such key; add it",
        ),
        ("group = [{ parameters = \"\" }]", "group.0.parameters: expected a pattern of 1 to 100 characters"),
        (
            "group = [{ parameters = \"x\", rate = -1 }]",
            "group.0.rate: expected a number above 0, found `-1`",
        ),
        (
            "group = [{ parameters = \"x\", rate = 1e-44 }]",
            "group.0.rate: expected a factor by which the learning rate 0.05",
        ),
        (
            "group = [{ parameters = \"x\", weight_decay = -1 }]",
            "weight_decay: expected a number of at least 0",
        ),
        (
            "group = [{ parameter = \"x\" }]",
            "group.0.parameter: unknown key; the nearest known one is `parameters`",
        ),
    ];
    for (line, expected) in cases {
        let found = tuned("", "", line).unwrap_err();
        assert!(
            found.contains(expected) && found.contains("x.toml:"),
            "{line}\n  expected: {expected}\n  found:    {found}"
        );
    }
    for (key, value, expected) in [
        ("lane.residual.v2.start.checkpoint", "latest", Ok("latest")),
        ("lane.*.start.checkpoint", "latest", Ok("latest")),
        ("start.checkpoint", "latest", Ok("latest")),
        ("lane.other.start.checkpoint", "latest", Err("expected the lane")),
    ] {
        match (overridden(&[&format!("{key}={value}")]), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.lanes[1].start.as_ref().unwrap().checkpoint, expected, "{key}");
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{key}: {found}"),
            (found, _) => panic!("{key}: {found:?}"),
        }
    }
}

#[test]
fn every_mistake_is_told_with_line_key_and_the_nearest_choice() {
    let cases = [
        (
            "steps = 100",
            "step = 100",
            "x.toml:6: training.step: unknown key; the nearest known one is `steps`",
        ),
        ("steps = 100", "steps = 100\nsteps = 3", "x.toml:7: expected TOML: duplicate key"),
        (
            "steps = 100",
            "steps = 1000000000001",
            "x.toml:6: training.steps: expected at most 1,000,000,000,000 steps, found 1,000,000,000,001; choose fewer",
        ),
        ("seed = 1", "seed = \"one\"", "x.toml:2: seed: expected a whole number of at least 0, found `one`"),
        ("seed = 1", "seed = 1.5", "found `1.5`"),
        ("seed = 1", "seed = 99999999999999999999", "found `99999999999999999999`"),
        ("seed = 1", "seed = -1", "found `-1`"),
        (
            "batch = 32",
            "batch = 1",
            "x.toml:7: training.batch: expected a whole number of at least 2, found `1`",
        ),
        (
            "batch = 32",
            "",
            "x.toml:5: training.batch: expected a whole number of at least 2, found no such key",
        ),
        ("0.05", "0", "x.toml:8: training.optimizer.learning_rate: expected a number above 0, found `0`"),
        ("0.05", "nan", "expected a number above 0, found `NaN`"),
        ("0.05", "inf", "expected a number above 0, found `inf`"),
        ("0.05", "0.05, momentum = 1", "momentum: expected a number of at least 0 and below 1, found `1`"),
        (
            "0.05",
            "0.05, momentum = 0.999999999999",
            "momentum: expected a number of at least 0 and below 1, found `0.999999999999`, which is 1 in single precision",
        ),
        (
            "0.05",
            "1e-60",
            "learning_rate: expected a number above 0, found `1e-60`, which is 0 in single precision",
        ),
        (
            "0.05",
            "1e39",
            "learning_rate: expected a number above 0, found `1e39`, which is inf in single precision",
        ),
        (
            "0.05",
            "0.05, weight_decay = 1e-50",
            "weight_decay: expected a number of at least 0, found `1e-50`, which is 0 in single precision",
        ),
        (
            "kind = \"sgd\", learning_rate = 0.05",
            "kind = \"adam\", learning_rate = 0.05, betas = [0.9, 0.999999999999]",
            "betas: expected a number of at least 0 and below 1, found `0.999999999999`, which is 1 in single precision",
        ),
        (
            "kind = \"sgd\", learning_rate = 0.05",
            "kind = \"adamw\", learning_rate = 0.05, epsilon = 1e-50",
            "epsilon: expected a number above 0, found `1e-50`, which is 0 in single precision",
        ),
        (
            "at = [30, 60]",
            "at = [30, 60], factor = 1e-46",
            "factor: expected a number above 0, found `1e-46`, which is 0 in single precision",
        ),
        (
            "at = [30, 60]",
            "at = [30, 60], factor = 1e-30",
            "x.toml:9: training.schedule.factor: expected a factor by which the learning rate 0.05 stays finite and above 0 \
             in single precision, found 1e-30, which makes it 5e-62 after 2 of the 2 steps in `at`; \
             choose a factor nearer to 1, or fewer steps",
        ),
        (
            "at = [30, 60]",
            "at = [30, 60], factor = 1e38",
            "which makes it 5e74 after 2 of the 2 steps in `at`",
        ),
        (
            "kind = \"steps\", at = [30, 60]",
            "kind = \"cosine\", minimum = 1e-45",
            "training.schedule.minimum: expected a share of the learning rate 0.05 that is above 0 in single precision",
        ),
        ("0.05", "0.05, betas = [0.9, 0.9]", "training.optimizer.betas: unknown key"),
        (
            "\"sgd\"",
            "\"adan\"",
            "kind: expected `sgd`, `adam` or `adamw`, found `adan`; the nearest is `adam`",
        ),
        (
            "[30, 60]",
            "[60, 30]",
            "x.toml:9: training.schedule.at: expected ascending steps, found 30 after 60",
        ),
        ("[30, 60]", "[30, 30]", "expected ascending steps, found 30 after 30"),
        ("[30, 60]", "[30, 100]", "expected steps below the 100 of `training.steps`, found 100"),
        ("[30, 60]", "[0]", "expected whole numbers of at least 1, found `0`"),
        ("[30, 60]", "30", "expected an array of ascending steps such as `[300, 450]`, found `30`"),
        ("\"steps\"", "\"cosine\"", "training.schedule.at: unknown key"),
        (
            "\"glyphs\"",
            "\"cifra10\"",
            "x.toml:4: data.name: expected `glyphs`, `cifar10` or `idx`, found `cifra10`; the nearest is `cifar10`",
        ),
        ("\"glyphs\"", "\"cifar10\"", "x.toml:3: data.path: expected the folder that holds `cifar10`"),
        (
            "\"glyphs\"",
            "\"glyphs\"\npath = \"p\"",
            "x.toml:5: data.path: expected no path for `glyphs`, which reads no files; it is for `cifar10` or `idx`",
        ),
        (
            "\"glyphs\"",
            "\"glyphs\"\ntrain_images = 16",
            "training.batch: expected at most the 16 images of `data.train_images`, found 32",
        ),
        ("\"glyphs\"", "\"glyphs\"\nflip = 1", "data.flip: expected `true` or `false`, found `1`"),
        (
            "every = 2",
            "layer = [\"fc\"]",
            "x.toml:11: statistics.layer: unknown key; the nearest known one is `layers`",
        ),
        (
            "every = 2",
            "layers = \"fc\"",
            "x.toml:11: statistics.layers: expected an array of 1 to 64 patterns such as `[\"layer1.*\", \"fc\"]`, found `fc`",
        ),
        ("every = 2", "layers = []", "x.toml:11: statistics.layers: expected an array of 1 to 64 patterns"),
        (
            "every = 2",
            "layers = [\"fc\", \"\"]",
            "x.toml:11: statistics.layers: expected a pattern of 1 to 100 characters in quotes, found ``",
        ),
        ("every = 2", "layers = [3]", "expected a pattern of 1 to 100 characters in quotes, found `3`"),
        ("every = 2", "every = -2", "statistics.every: expected a whole number of at least 0, found `-2`"),
        (
            "depth = 56",
            "depth = 55",
            "x.toml:15: lane.plain.depth: expected 6n+2 layers for `resnet`, 8 to 2000, found 55; the nearest are 50 and 56",
        ),
        ("depth = 56", "depth = 2", "the nearest is 8"),
        ("depth = 56", "depth = 1000000", "the nearest is 2000"),
        ("depth = 56", "depth = \"56\"", "expected a whole number of at least 1, found `56`"),
        (
            "width = 8",
            "width = 12",
            "x.toml:16: lane.plain.width: expected a width that is compiled in (4, 8, 16, 32), found 12; the nearest is 8",
        ),
        (
            "\"none\"",
            "\"identiy\"",
            "expected `none`, `identity` or `projection`, found `identiy`; the nearest is `identity`",
        ),
        (
            "\"resnet\"",
            "\"resent\"",
            "architecture: expected `resnet` or `stack`, found `resent`; the nearest is `resnet`",
        ),
        ("\"plain\"", "\"../plain\"", "x.toml:13: lane.0.name: expected at most 64 letters"),
        ("\"plain\"", "\".plain\"", "lane.0.name: expected"),
        ("\"plain\"", "\"\"", "lane.0.name: expected"),
        (
            "\"plain\"",
            "\"Residual.V2\"",
            "x.toml:19: lane.residual.v2.name: expected a unique name, found `Residual.V2` twice",
        ),
        ("name = \"plain\"", "", "x.toml:12: lane.0.name: expected a text in quotes, found no such key"),
        ("[training]", "[trainig]", "x.toml:5: trainig: unknown key; the nearest known one is `training`"),
        ("[data]", "[data", "x.toml:3: expected TOML"),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        assert!(message.contains(expected), "{to}\n  expected: {expected}\n  found:    {message}");
    }
}

#[test]
fn what_is_just_within_the_bounds_is_taken() {
    for (from, to) in [
        ("steps = 100", "steps = 1000000000000"),
        ("at = [30, 60]", "at = [30, 60], factor = 1e-21"),
        ("at = [30, 60]", "at = [30], factor = 1e38"),
        ("kind = \"steps\", at = [30, 60]", "kind = \"cosine\", minimum = 0"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        assert_eq!(parsed(&GOOD.replacen(from, to, 1)).err(), None, "{to}");
    }
}

#[test]
fn a_shortcut_that_the_architecture_lacks_is_refused() {
    let stack = GOOD.replacen("resnet", "stack", 2).replace("width = 8", "width = 4");
    let message = parsed(&stack).unwrap_err();
    assert_eq!(message, "x.toml:23: lane.residual.v2.shortcut: expected `none`, found `identity`");
}

#[test]
fn a_file_without_lanes_or_with_one_in_single_brackets_is_refused() {
    let head = GOOD.split("[[lane]]").next().unwrap();
    assert_eq!(
        parsed(head).unwrap_err(),
        "x.toml: lane: expected at least one `[[lane]]`, found no such key; add it"
    );
    assert!(parsed(&format!("lane = []\n{head}")).unwrap_err().contains("expected 1 to 32 lanes, found 0"));
    let single = format!("{head}[lane]\nname = \"a\"");
    assert!(
        parsed(&single)
            .unwrap_err()
            .contains("x.toml:12: lane: expected tables `[[lane]]` in double brackets")
    );
}

#[test]
fn all_problems_are_told_together_in_the_order_of_the_file() {
    let text = GOOD.replace("batch = 32", "batch = 0").replace("width = 8", "width = 9");
    let error = parse(&text, "x.toml", &available(), &[]).unwrap_err();
    assert_eq!(error.problems().len(), 3);
    assert!(error.problems()[0].starts_with("x.toml:7:"));
    assert!(error.problems()[2].starts_with("x.toml:22:"));
}

#[test]
fn overrides_win_and_are_named_where_they_are_wrong() {
    let experiment = overridden(&[
        "training.batch=16",
        "training.optimizer.learning_rate=1e-3",
        "data.train_images=64",
        "question=bare words",
        "lane.plain.depth=8",
        "lane.residual.v2.width=16",
        "lane.1.depth=20",
        "statistics.histograms_every=0",
    ])
    .unwrap();
    assert_eq!((experiment.training.batch, experiment.data.train_images), (16, Some(64)));
    assert_eq!(experiment.training.optimizer.learning_rate(), 1e-3);
    assert_eq!(experiment.question, "bare words");
    let size =
        |experiment: &Experiment, lane: usize, key| experiment.lanes[lane].settings.whole(key).unwrap();
    assert_eq!(
        (size(&experiment, 0, "depth"), size(&experiment, 1, "depth"), size(&experiment, 1, "width")),
        (8, 20, 16)
    );
    let layers = |given: &str| overridden(&[given]).unwrap().statistics.layers;
    assert_eq!(layers("statistics.layers=[\"layer2.*\", \"fc\"]"), ["layer2.*", "fc"]);
    assert_eq!(layers("statistics.every=1"), Vec::<String>::new());
    let experiment = overridden(&["lane.*.depth=14", "lane.0.depth=8"]).unwrap();
    assert_eq!(size(&experiment, 1, "depth"), 14);
    let experiment = overridden(&["lane.plain.depth=14", "lane.plain.depth=8"]).unwrap();
    assert_eq!(size(&experiment, 0, "depth"), 8);
    let wrong = [
        ("training.batch=1", "--set training.batch=1: training.batch: expected a whole number of at least 2"),
        ("lane.plain.depth=9", "--set lane.plain.depth=9: lane.plain.depth: expected 6n+2"),
        (
            "lane.plian.depth=8",
            "expected the lane `plain` or `residual.v2`, found `plian`; the nearest is `plain`",
        ),
        ("lane.2.depth=8", "expected the lane"),
        ("training.bach=8", "training.bach: unknown key; the nearest known one is `batch`"),
        ("seed.x=1", "expected a table at `seed`, found a value"),
        (
            "statistics.layers=fc",
            "--set statistics.layers=fc: statistics.layers: expected an array of 1 to 64",
        ),
        ("training..x=1", "expected a dotted key such as `training.steps`"),
        ("question=[1", "--set question=[1: expected a TOML value or a bare word"),
        ("schedule.kind=cosine", "schedule: unknown key"),
    ];
    for (given, expected) in wrong {
        let message = overridden(&[given]).unwrap_err();
        assert!(message.contains(expected), "{given}\n  expected: {expected}\n  found:    {message}");
    }
}

#[test]
fn fewer_steps_by_an_override_keep_the_schedule_up_to_there() {
    let experiment = overridden(&["training.steps=50"]).unwrap();
    assert_eq!(experiment.training.schedule, Schedule::Steps { at: vec![30], factor: 0.1, warmup: 0 });
}

#[test]
fn a_batch_larger_than_the_data_is_told_with_its_line() {
    let checked = check(GOOD, "x.toml", &available(), &[]).unwrap();
    assert!(checked.places.check_images(&checked.experiment, 32).is_ok());
    let error = checked.places.check_images(&checked.experiment, 31).unwrap_err().to_string();
    assert_eq!(
        error,
        "x.toml:7: training.batch: expected at most 31, the number of training examples, found 32"
    );
    assert_eq!(checked.places.of("lane.1.width"), "x.toml:22");
    assert_eq!(checked.places.of("training.evaluate_every"), "x.toml:5");
    assert_eq!(checked.places.of("nowhere"), "x.toml");
}

#[test]
fn hostile_text_reaches_no_terminal() {
    let message = message("\"plain\"", "\"\\u001b[2Jx\"");
    assert!(!message.contains('\u{1b}') && message.contains("\u{fffd}[2Jx"), "{message}");
}

#[test]
fn every_experiment_of_the_house_parses() {
    let (datasets, architectures) = (datasets::available(), model::available());
    let available = Available { datasets, architectures, probes: trainer::probes() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    assert!(files.len() >= 3);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let parsed = parse(&text, &path.to_string_lossy(), &available, &[]);
        assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
    }
}

fn any_optimizer() -> impl Strategy<Value = Optimizer> {
    let rate = || 1e-9..1e3f64;
    // Also below one in single precision.
    let share = || (0.0..1.0f32).prop_map(f64::from);
    prop_oneof![
        (rate(), share(), share()).prop_map(|(learning_rate, momentum, weight_decay)| Optimizer::Sgd {
            learning_rate,
            momentum,
            weight_decay
        }),
        (rate(), [share(), share()], rate(), share(), any::<bool>()).prop_map(
            |(learning_rate, betas, epsilon, weight_decay, decoupled)| if decoupled {
                Optimizer::AdamW { learning_rate, betas, epsilon, weight_decay }
            } else {
                Optimizer::Adam { learning_rate, betas, epsilon, weight_decay }
            }
        ),
    ]
}

fn any_schedule(steps: u64) -> impl Strategy<Value = Schedule> {
    let warmup = || 0..1000u64;
    let at = proptest::collection::btree_set(1..steps.max(2), 0..5)
        .prop_map(move |at| at.into_iter().filter(|&at| at < steps).collect::<Vec<u64>>());
    prop_oneof![
        warmup().prop_map(|warmup| Schedule::Constant { warmup }),
        (at, 1e-6..10.0f64, warmup()).prop_map(|(at, factor, warmup)| Schedule::Steps { at, factor, warmup }),
        (0.0..=1.0f64, warmup()).prop_map(|(minimum, warmup)| Schedule::Cosine { minimum, warmup }),
    ]
}

fn any_training() -> impl Strategy<Value = Training> {
    (1..1_000_000u64).prop_flat_map(|steps| {
        let cadences = (0..500u64, 1..5000usize, 0..500u64);
        (Just(steps), 2..512usize, cadences, any_optimizer(), any_schedule(steps)).prop_map(
            |(steps, batch, (evaluate_every, evaluate_images, checkpoint_every), optimizer, schedule)| {
                Training {
                    steps,
                    batch,
                    evaluate_every,
                    evaluate_images,
                    checkpoint_every,
                    optimizer,
                    schedule,
                }
            },
        )
    })
}

fn any_data() -> impl Strategy<Value = Data> {
    let images = || option::of(512..100_000usize);
    (option::of("[^\0]{1,20}"), images(), images(), any::<[bool; 3]>()).prop_map(
        |(path, train_images, test_images, [crop, flip, transpose])| Data {
            name: if path.is_some() { "idx" } else { "glyphs" }.to_owned(),
            path: path.map(PathBuf::from),
            train_images,
            test_images,
            crop,
            flip,
            transpose,
            settings: Settings::default(),
        },
    )
}

fn any_start() -> impl Strategy<Value = Start> {
    let head = proptest::sample::select(vec![Head::Keep, Head::New]);
    let missing = proptest::sample::select(vec![Missing::Refuse, Missing::Initial]);
    let of_run = ("[^\0]{1,20}[^s\0]", option::of(".{1,20}"), option::of(0..=i64::MAX as u64));
    (of_run, any::<bool>(), option::of("[0-9a-f]{64}"), head, missing).prop_map(
        |((checkpoint, lane, step), is_file, sha256, head, missing)| {
            if is_file {
                let checkpoint = format!("{checkpoint}.safetensors");
                Start { checkpoint, lane: None, step: None, sha256, head, missing }
            } else {
                Start { checkpoint, lane, step, sha256, head, missing }
            }
        },
    )
}

fn any_group() -> impl Strategy<Value = Group> {
    ("\\PC{1,20}", 0.1..10.0f64, option::of(0.0..1.0f32)).prop_map(|(parameters, rate, decay)| Group {
        parameters,
        rate,
        weight_decay: decay.map(f64::from),
    })
}

fn any_experiment() -> impl Strategy<Value = Experiment> {
    let shortcut = proptest::sample::select(vec!["none", "identity", "projection"]);
    let width = proptest::sample::select(vec![4usize, 8, 16, 32]);
    let lane =
        ("[a-z0-9][a-z0-9_.-]{0,20}", 1..300usize, width, shortcut).prop_map(|(name, n, width, shortcut)| {
            let settings = Settings::default()
                .with("depth", (6 * n + 2).into())
                .with("width", width.into())
                .with("shortcut", shortcut.into());
            Lane::new(name, "resnet", settings)
        });
    let tuning = (option::of(any_start()), vec("\\PC{1,20}", 0..3), vec(any_group(), 0..3));
    let lane =
        (lane, tuning).prop_map(|(lane, (start, frozen, groups))| Lane { start, frozen, groups, ..lane });
    let lanes = vec(lane, 1..6).prop_map(|mut lanes| {
        for (index, lane) in lanes.iter_mut().enumerate() {
            lane.name.push_str(&format!("-{index}"));
        }
        lanes
    });
    let statistics = (0..100u64, 0..100u64, vec("\\PC{1,20}", 0..4))
        .prop_map(|(every, histograms_every, layers)| Recording { every, histograms_every, layers });
    (".{0,60}", 0..=i64::MAX as u64, any_data(), any_training(), statistics, lanes).prop_map(
        |(question, seed, data, training, statistics, lanes)| Experiment {
            question,
            seed,
            data,
            training,
            statistics,
            probes: Default::default(),
            lanes,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_resolved_reads_back_as_itself(experiment in any_experiment()) {
        let text = toml::to_string(&experiment).unwrap();
        let read = parsed(&text);
        prop_assert_eq!(read, Ok(experiment), "{}", text);
    }

    #[test]
    fn no_text_at_all_panics(text in "\\PC{0,80}", soup in "[a-z\\[\\]{}=.\"'#\n 0-9_+-]{0,120}") {
        let _ = parsed(&text);
        let _ = parsed(&soup);
    }

    #[test]
    fn no_mutation_of_a_good_file_panics(at in any::<prop::sample::Index>(), length in 0..12usize, to in "[a-z\\[\\]{}=.\"\n 0-9-]{0,8}") {
        let start = at.index(GOOD.len());
        let end = (start + length).min(GOOD.len());
        let text = format!("{}{to}{}", &GOOD[..start], &GOOD[end..]);
        if let Err(error) = parse(&text, "x.toml", &available(), &[]) {
            prop_assert!(error.to_string().starts_with("x.toml"), "{}", error);
        }
    }

    #[test]
    fn no_override_panics(key in "[a-z.0-9*]{0,20}", value in "\\PC{0,20}") {
        let _ = parse(GOOD, "x.toml", &available(), &[(key, value)]);
    }
}
