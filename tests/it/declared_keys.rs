//! Keys that architectures and data sets declare: every kind of value is checked by its declaration alone, and an
//! experiment with any of them survives writing and reading.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;
use skiplane::experiment::*;
use skiplane::{datasets, model, trainer};

fn available() -> Available {
    let dataset = |name, kind, path, keys: Vec<Key>| DatasetEntry { name, summary: "", kind, path, keys };
    let architecture = |name, data, keys: Vec<Key>, check: CheckSettings| ArchitectureEntry {
        name,
        summary: "",
        data,
        keys,
        check,
    };
    let share = Allowed::Number { least: 0.0, most: 0.5 };
    let table = vec![
        Key::required("target", "", Allowed::Text),
        Key::with_default("test_share", "", share, 0.2),
        Key::with_default("shuffled", "", Allowed::Flag, true),
    ];
    let context = Key::optional("context", "", Allowed::Whole { least: 8, most: usize::MAX });
    Available {
        datasets: vec![
            dataset("glyphs", DataKind::Images, Path::None, Vec::new()),
            dataset("table", DataKind::Vectors, Path::File, table),
            dataset("letters", DataKind::Sequences, Path::Folder, vec![context]),
        ],
        architectures: vec![
            architecture("mlp", DataKind::Vectors, of_mlp(), check_mlp),
            architecture("linear", DataKind::Vectors, Vec::new(), |_| Ok(())),
            architecture("resnet", DataKind::Images, Vec::new(), |_| Ok(())),
        ],
        probes: trainer::probes(),
    }
}

/// A key for each kind of value.
fn of_mlp() -> Vec<Key> {
    vec![
        Key::required("depth", "", Allowed::Depth { step: 2, offset: 1, most: 100, unless: None }),
        Key::required("hidden", "", Allowed::Compiled(vec![16, 64])),
        Key::with_default("activation", "", Allowed::Words(vec!["relu", "gelu", "none"]), "relu"),
        Key::with_default("dropout", "", Allowed::Number { least: 0.0, most: 0.9 }, 0.0),
        Key::optional("slope", "", Allowed::Number { least: f64::NEG_INFINITY, most: 2.5 }),
        Key::optional("groups", "", Allowed::Whole { least: 2, most: 32 }),
        Key::with_default("bias", "", Allowed::Flag, true),
        Key::optional("label", "", Allowed::Text),
    ]
}

fn check_mlp(settings: &Settings) -> Result<(), (&'static str, String)> {
    let hidden = settings.whole("hidden").unwrap_or(0);
    match settings.whole("groups") {
        Some(groups) if !hidden.is_multiple_of(groups) => {
            Err(("groups", format!("expected a divisor of the {hidden} of `hidden`, found {groups}")))
        }
        _ => Ok(()),
    }
}

const GOOD: &str = r#"[data]
name = "table"
path = "prices.csv"
target = "price"
[training]
steps = 10
batch = 4
optimizer = { kind = "sgd", learning_rate = 0.05 }
[[lane]]
name = "a"
architecture = "mlp"
depth = 3
hidden = 16
"#;

fn parsed(text: &str) -> Result<Experiment, String> {
    parse(text, "x.toml", &available(), &[]).map_err(|error| error.to_string())
}

/// The good file with a line in its lane.
fn with_line(line: &str) -> String {
    format!("{GOOD}{line}\n")
}

#[test]
fn defaults_are_filled_in_and_optional_keys_stay_absent() {
    let experiment = parsed(GOOD).unwrap();
    let lane = Settings::default()
        .with("depth", Setting::Whole(3))
        .with("hidden", Setting::Whole(16))
        .with("activation", "relu".into())
        .with("dropout", 0.0.into())
        .with("bias", true.into());
    assert_eq!(experiment.lanes[0].settings, lane);
    let data = Settings::default()
        .with("target", "price".into())
        .with("test_share", 0.2.into())
        .with("shuffled", true.into());
    assert_eq!(experiment.data.settings, data);
}

#[test]
fn valid_values_are_taken() {
    let settings = |line: &str| parsed(&with_line(line)).unwrap().lanes[0].settings.clone();
    assert_eq!(settings("activation = \"gelu\"").word("activation"), Some("gelu"));
    // A whole number may stand for any number.
    assert_eq!(settings("slope = -3").get("slope"), Some(&Setting::Number(-3.0)));
    assert_eq!(settings("dropout = 0.9").number("dropout"), Some(0.9));
    assert_eq!(settings("groups = 2").whole("groups"), Some(2));
    assert!(!settings("bias = false").flag("bias"));
    assert_eq!(settings("label = \"wide\"").word("label"), Some("wide"));
    let depth =
        |depth: &str| parsed(&GOOD.replace("depth = 3", depth)).unwrap().lanes[0].settings.whole("depth");
    assert_eq!((depth("depth = 3"), depth("depth = 99")), (Some(3), Some(99)));
}

#[test]
fn values_that_are_not_allowed_are_told_with_the_nearest_that_is() {
    let cases = [
        (
            "activation = \"rely\"",
            "activation: expected `relu`, `gelu` or `none`, found `rely`; the nearest is `relu`",
        ),
        ("activation = 3", "activation: expected `relu`, `gelu` or `none`, found `3`"),
        ("dropout = 1", "dropout: expected a number from 0 to 0.9, found `1`; the nearest is 0.9"),
        ("dropout = -0.1", "dropout: expected a number from 0 to 0.9, found `-0.1`; the nearest is 0"),
        ("dropout = nan", "dropout: expected a number from 0 to 0.9, found `NaN`"),
        ("dropout = \"0.1\"", "dropout: expected a number from 0 to 0.9, found `0.1`"),
        (
            "dropout = 1e-60",
            "dropout: expected a number from 0 to 0.9, found `1e-60`, which is 0 in single precision",
        ),
        ("slope = 3", "slope: expected a number of at most 2.5, found `3`; the nearest is 2.5"),
        (
            "slope = -1e39",
            "slope: expected a number of at most 2.5, found `-1e39`, which is -inf in single precision",
        ),
        ("groups = 33", "groups: expected a whole number from 2 to 32, found `33`; the nearest is 32"),
        ("groups = -5", "groups: expected a whole number from 2 to 32, found `-5`; the nearest is 2"),
        ("groups = 2.0", "groups: expected a whole number from 2 to 32, found `2.0`"),
        ("bias = 1", "bias: expected `true` or `false`, found `1`"),
        ("label = \"\"", "label: expected a text in quotes that is not empty, found ``"),
        ("label = true", "label: expected a text in quotes that is not empty, found `true`"),
        ("labels = \"\"", "labels: unknown key; the nearest known one is `label`"),
        ("groups = 3", "groups: expected a divisor of the 16 of `hidden`, found 3"),
    ];
    for (line, expected) in cases {
        let expected = format!("x.toml:14: lane.a.{expected}");
        assert_eq!(parsed(&with_line(line)).unwrap_err(), expected, "{line}");
    }
    let cases = [
        ("depth = 3", "depth = 100", "expected 2n+1 layers for `mlp`, 3 to 99, found 100; the nearest is 99"),
        ("depth = 3", "depth = 6", "the nearest are 5 and 7"),
        ("depth = 3", "depth = 0", "lane.a.depth: expected a whole number of at least 1, found `0`"),
        (
            "depth = 3",
            "",
            "x.toml:9: lane.a.depth: expected a whole number of at least 1, found no such key; add it",
        ),
        (
            "hidden = 16",
            "hidden = 50",
            "lane.a.hidden: expected a hidden that is compiled in (16, 64), found 50; the nearest is 64",
        ),
        (
            "hidden = 16",
            "hidden = 16.0",
            "lane.a.hidden: expected a whole number of at least 1, found `16.0`",
        ),
        (
            "target = \"price\"",
            "",
            "data.target: expected a text in quotes that is not empty, found no such key",
        ),
        ("target =", "targets =", "data.targets: unknown key; the nearest known one is `target`"),
        (
            "target =",
            "test_share = 0.75\ntarget =",
            "data.test_share: expected a number from 0 to 0.5, found `0.75`",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(GOOD.contains(from), "{from}");
        let found = parsed(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(found.contains(expected), "{to}\n  expected: {expected}\n  found:    {found}");
    }
}

#[test]
fn rules_between_keys_wait_until_each_is_valid() {
    let found = parsed(&with_line("groups = 3\ndropout = 2")).unwrap_err();
    assert!(found.contains("dropout") && !found.contains("divisor"), "{found}");
}

#[test]
fn the_keys_of_an_unknown_architecture_or_data_set_are_no_problems_of_their_own() {
    let found = parsed(&GOOD.replace("mlp", "mpl")).unwrap_err();
    assert_eq!(
        found,
        "x.toml:11: lane.a.architecture: expected `mlp`, `linear` or `resnet`, found `mpl`; the nearest is `mlp`"
    );
    let found = parsed(&GOOD.replace("\"table\"", "\"tabel\"")).unwrap_err();
    assert!(found.lines().count() == 1 && found.contains("the nearest is `table`"), "{found}");
}

#[test]
fn a_lane_must_take_what_the_examples_are() {
    let message = |from: &str, to: &str| parsed(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert_eq!(
        message("architecture = \"mlp\"\ndepth = 3\nhidden = 16", "architecture = \"resnet\""),
        "x.toml:11: lane.a.architecture: expected an architecture for vectors, the examples of the data set: `mlp` or \
         `linear`, found `resnet`, which takes images"
    );
    let letters = "name = \"letters\"\npath = \"p\"";
    assert_eq!(
        message("name = \"table\"\npath = \"prices.csv\"\ntarget = \"price\"", letters),
        "x.toml:10: lane.a.architecture: expected an architecture for sequences, the examples of the data set, which \
         this build lacks, found `mlp`, which takes vectors; choose a data set of vectors"
    );
}

#[test]
fn what_only_images_have_is_refused_for_other_examples() {
    for key in ["crop", "flip", "transpose"] {
        let with = |value: &str| parsed(&GOOD.replacen("target", &format!("{key} = {value}\ntarget"), 1));
        let expected = format!(
            "x.toml:4: data.{key}: expected no `{key}` for `table`, whose examples are vectors, found `true`; it is for \
             images, remove it"
        );
        assert_eq!(with("true").unwrap_err(), expected);
        assert!(with("1").unwrap_err().contains("expected `true` or `false`, found `1`"));
        // As a resolved experiment has it.
        assert_eq!(with("false"), parsed(GOOD));
    }
}

#[test]
fn a_path_must_be_what_the_data_set_is_read_from() {
    let message = |path: &str| parsed(&GOOD.replacen("path = \"prices.csv\"", path, 1)).unwrap_err();
    assert_eq!(
        message(""),
        "x.toml:1: data.path: expected the file that holds `table`, found no such key; add it"
    );
    assert_eq!(message("path = 3"), "x.toml:3: data.path: expected the path of a file in quotes, found `3`");
}

/// A lane of a log, as it was written before architectures declared their keys.
const EARLIER: &str = r#"{"name":"plain","architecture":"resnet","depth":56,"width":8,"shortcut":"none"}"#;

#[test]
fn a_lane_of_an_earlier_log_reads_back_and_keeps_its_keys() {
    let lane: Lane = serde_json::from_str(EARLIER).unwrap();
    assert_eq!((lane.settings.whole("depth"), lane.settings.whole("width")), (Some(56), Some(8)));
    assert_eq!(lane.settings.word("shortcut"), Some("none"));
    let [written, earlier] = [serde_json::to_string(&lane).unwrap(), EARLIER.to_owned()]
        .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    assert_eq!(written, earlier);
    let toml: Lane = toml::from_str(&toml::to_string(&lane).unwrap()).unwrap();
    assert_eq!(toml, lane);
}

#[test]
fn what_a_newer_version_adds_to_a_lane_does_not_make_it_unreadable() {
    let newer = EARLIER.replace("\"depth\"", "\"gates\":[1,2],\"later\":null,\"more\":{\"a\":1},\"depth\"");
    let [newer, earlier] = [&newer, EARLIER].map(|text| serde_json::from_str::<Lane>(text).unwrap());
    assert_eq!(newer, earlier);
}

#[test]
fn no_declared_key_of_this_build_is_a_key_of_every_table() {
    let of_data = ["name", "path", "train_images", "test_images", "crop", "flip", "transpose"];
    let check = |owner: &str, keys: &[Key], taken: &[&str]| {
        let names: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), keys.len(), "two keys of {owner} have one name");
        assert!(taken.iter().all(|name| !names.contains(name)), "{owner}: {names:?}");
    };
    datasets::available().iter().for_each(|entry| check(entry.name, &entry.keys, &of_data));
    model::available().iter().for_each(|entry| {
        check(entry.name, &entry.keys, &["name", "architecture", "start", "frozen", "group"])
    });
}

/// A number that is the same in single precision.
fn any_number(range: std::ops::RangeInclusive<f32>) -> impl Strategy<Value = f64> {
    range.prop_map(f64::from)
}

/// Valid settings of the architecture with a key for each kind of value.
fn any_lane() -> impl Strategy<Value = Lane> {
    let required = (1..50usize, proptest::sample::select(vec![16usize, 64]));
    let defaults =
        (proptest::sample::select(vec!["relu", "gelu", "none"]), any_number(0.0..=0.875), any::<bool>());
    let groups = option::of(proptest::sample::select(vec![2usize, 4, 8, 16]));
    let optional = (option::of(any_number(-1e30..=2.5)), groups, option::of(".{1,20}"));
    ("[a-z][a-z0-9]{0,8}", required, defaults, optional).prop_map(
        |(name, (n, hidden), (activation, dropout, bias), (slope, groups, label))| {
            let mut settings = Settings::default()
                .with("depth", (2 * n + 1).into())
                .with("hidden", hidden.into())
                .with("activation", activation.into())
                .with("dropout", dropout.into())
                .with("bias", bias.into());
            let optional = [
                ("slope", slope.map(Setting::from)),
                ("groups", groups.map(Setting::from)),
                ("label", label.as_deref().map(Setting::from)),
            ];
            for (key, value) in optional {
                value.into_iter().for_each(|value| settings.set(key, value));
            }
            Lane::new(name, "mlp", settings)
        },
    )
}

/// A valid value of a key of a probe.
fn any_value(allowed: Allowed) -> BoxedStrategy<Setting> {
    match allowed {
        Allowed::Words(words) => proptest::sample::select(words).prop_map(Setting::from).boxed(),
        Allowed::Whole { least, most } => (least..=most).prop_map(Setting::from).boxed(),
        Allowed::Number { least, most } => (least..=most).prop_map(Setting::from).boxed(),
        Allowed::Flag => any::<bool>().prop_map(Setting::from).boxed(),
        other => panic!("no probe has a key of {other}"),
    }
}

/// A probe with all of its keys, as they are once defaults are filled in.
fn any_probe(entry: ProbeEntry) -> impl Strategy<Value = (String, Probe)> {
    let at = prop_oneof![
        Just(When::End),
        Just(When::Evaluations),
        btree_set(0..2_000u64, 1..20).prop_map(|steps| When::Steps(steps.into_iter().collect())),
    ];
    let ProbeEntry { name, keys, check, .. } = entry;
    let values: Vec<_> = keys.iter().map(|key| any_value(key.allowed.clone())).collect();
    let settings = values.prop_filter_map("keys that do not fit each other", move |values| {
        let set = |all: Settings, (key, value): (&Key, Setting)| all.with(key.name, value);
        let settings = keys.iter().zip(values).fold(Settings::default(), set);
        check(&settings).is_ok().then_some(settings)
    });
    (at, settings).prop_map(move |(at, settings)| (name.to_owned(), Probe { at, settings }))
}

/// Some of the probes of this build.
fn any_probes() -> impl Strategy<Value = BTreeMap<String, Probe>> {
    let all: Vec<_> = trainer::probes().into_iter().map(|entry| option::of(any_probe(entry))).collect();
    all.prop_map(|probes| probes.into_iter().flatten().collect())
}

fn any_experiment() -> impl Strategy<Value = Experiment> {
    let data = (".{1,20}", any_number(0.0..=0.5), any::<bool>());
    (any_lane(), data, any_probes()).prop_map(|(lane, (target, test_share, shuffled), probes)| {
        let mut experiment = parsed(GOOD).unwrap();
        experiment.data.settings = Settings::default()
            .with("target", target.as_str().into())
            .with("test_share", test_share.into())
            .with("shuffled", shuffled.into());
        experiment.lanes = vec![lane];
        experiment.probes = probes;
        experiment
    })
}

/// Any setting that a file can hold, whatever declares it.
fn any_setting() -> impl Strategy<Value = Setting> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        any::<bool>().prop_map(Setting::Flag),
        (0..=i64::MAX as usize).prop_map(Setting::Whole),
        (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO).prop_map(Setting::Number),
        (-100..100i32).prop_map(|whole| Setting::Number(whole.into())),
        ".{0,20}".prop_map(Setting::Word),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_resolved_reads_back_as_itself(experiment in any_experiment()) {
        let text = experiment.to_toml().unwrap();
        prop_assert_eq!(parsed(&text), Ok(experiment), "{}", text);
    }

    #[test]
    fn any_settings_survive_files_and_logs(settings in btree_map("x_[a-z_]{0,10}", any_setting(), 0..8)) {
        let mut experiment = parsed(GOOD).unwrap();
        for (key, value) in settings {
            experiment.data.settings.set(&key, value.clone());
            experiment.lanes[0].settings.set(&key, value);
        }
        let text = experiment.to_toml().unwrap();
        prop_assert_eq!(&toml::from_str::<Experiment>(&text).unwrap(), &experiment, "{}", text);
        let text = serde_json::to_string(&experiment).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Experiment>(&text).unwrap(), &experiment, "{}", text);
        // A log's record is read by way of a value.
        let value = serde_json::to_value(&experiment).unwrap();
        prop_assert_eq!(&serde_json::from_value::<Experiment>(value).unwrap(), &experiment);
    }
}

/// The page that explains the keys.
fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/EXPERIMENTS.md")).unwrap()
}

/// The values of a key as the page shows them: all of them, or where they begin and end.
fn shown(allowed: &Allowed) -> Vec<String> {
    match allowed {
        Allowed::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            vec![words.join(", ")]
        }
        Allowed::Compiled(numbers) => {
            [numbers.first(), numbers.last()].into_iter().flatten().map(usize::to_string).collect()
        }
        Allowed::Depth { step, offset, most, unless } => {
            let other = unless.map(|unless| format!("{}n+{offset}", unless.step));
            [format!("{step}n+{offset}"), format!("at most {most}")].into_iter().chain(other).collect()
        }
        Allowed::Whole { least, most } => vec![format!("{least} to {most}")],
        Allowed::Number { least, most } => vec![format!("{least} to {most}")],
        Allowed::Flag | Allowed::Text => Vec::new(),
    }
}

#[test]
fn the_page_explains_every_key_of_an_architecture() {
    let page = page();
    for ArchitectureEntry { name, keys, .. } in model::available() {
        let (_, section) = page.split_once(&format!("## `{name}`\n")).expect(name);
        let section = section.split("\n## ").next().unwrap();
        let table = section.split("|---|---|---|---|\n").nth(1).expect(name).split("\n\n").next().unwrap();
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(" | ").collect()).collect();
        let explained: Vec<&str> = rows.iter().map(|row| row[0].trim_matches(['|', ' ', '`'])).collect();
        assert_eq!(explained, keys.iter().map(|key| key.name).collect::<Vec<_>>(), "{name}");
        for (Key { name: key, allowed, absence, .. }, row) in keys.iter().zip(rows) {
            for value in shown(allowed) {
                assert!(row[1].contains(&value), "{name}.{key}: expected {value:?} in {:?}", row[1]);
            }
            match absence {
                Absence::Refused => assert_eq!(row[2], "required", "{name}.{key}"),
                Absence::Default(default) => assert_eq!(row[2], default.to_string(), "{name}.{key}"),
                Absence::Left => assert_ne!(row[2], "required", "{name}.{key}"),
            }
        }
    }
}

#[test]
fn the_page_explains_every_key_of_a_start() {
    let start = Start {
        checkpoint: "x".to_owned(),
        lane: Some("x".to_owned()),
        step: Some(1),
        sha256: Some("x".to_owned()),
        head: Head::New,
        missing: Missing::Initial,
    };
    let toml::Value::Table(keys) = toml::Value::try_from(start).unwrap() else { panic!("no table") };
    let page = page();
    let (_, table) = page.split_once("| key of `[start]` |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let explained: BTreeSet<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(explained, keys.keys().map(String::as_str).collect());
}

#[test]
fn the_page_explains_every_key_of_a_data_set() {
    let page = page();
    for DatasetEntry { name, keys, kind, .. } in datasets::available() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` | "))).expect(name);
        let [_, _, examples, explained, ..] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        assert!(examples.contains(kind.name()) || examples.contains("the same"), "{name}: {examples}");
        for Key { name: key, allowed, absence, .. } in &keys {
            let (_, about) = explained.split_once(&format!("`{key}`")).expect(key);
            let about = about.split(';').next().unwrap().trim();
            for value in shown(allowed) {
                assert!(about.contains(&value), "{name}.{key}: expected {value:?} in {about:?}");
            }
            if let Absence::Default(default) = absence {
                assert!(about.ends_with(&format!("else {default}")), "{name}.{key}: {default} and {about:?}");
            }
        }
        assert_eq!(explained.matches('`').count(), 2 * keys.len(), "{name}: {explained}");
    }
}

#[test]
fn the_page_explains_every_key_of_a_probe() {
    let page = page();
    let (_, table) = page.split_once("| probe | what it measures | its keys |\n").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let explained: Vec<&str> = rows.iter().map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(explained, trainer::probes().iter().map(|probe| probe.name).collect::<Vec<_>>());
    for (ProbeEntry { name, keys, .. }, row) in trainer::probes().iter().zip(rows) {
        let explained = row.split('|').nth(3).unwrap();
        for Key { name: key, allowed, absence, .. } in keys {
            let (_, about) = explained.split_once(&format!("`{key}`")).expect(key);
            let about = about.split(';').next().unwrap().trim();
            for value in shown(allowed) {
                assert!(about.contains(&value), "{name}.{key}: expected {value:?} in {about:?}");
            }
            let Absence::Default(default) = absence else { panic!("{name}.{key} has no default") };
            assert!(about.ends_with(&format!("else {default}")), "{name}.{key}: {default} and {about:?}");
        }
    }
}
