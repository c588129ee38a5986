//! Sweeps: their files are expanded and checked, only what is new is trained, a sweep that is killed ends as if it had
//! not been, and verdicts follow from the rules and the numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use portable_pty::CommandBuilder;
use skiplane::experiment::{Sweep, check, expand, is_sweep};
use skiplane::runlog::RunFolder;

use crate::cli::{output, refused, skiplane};
use crate::crashes::Random;
use crate::end_to_end::without_times;
use crate::experiment::{GOOD, available};
use crate::pseudo_terminal::Terminal;

/// The experiment with a sweep before its first table.
fn with(sweep: &str) -> String {
    format!("{GOOD}{sweep}\n")
}

fn expanded(sweep: &str) -> Result<Sweep, String> {
    expand(&with(sweep), "x.toml", &available(), &[]).map_err(|error| error.to_string())
}

fn values(sweep: &str) -> Vec<String> {
    expanded(sweep).unwrap().points.iter().map(|point| point.values.join(" ")).collect()
}

#[test]
fn a_sweep_has_every_combination_of_its_values() {
    let sweep = "[sweep]\n\"lane.*.depth\" = [8, 20]\nseed = [0, 1, 2]";
    assert_eq!(values(sweep), ["8 0", "8 1", "8 2", "20 0", "20 1", "20 2"]);
    let found = expanded(sweep).unwrap();
    assert_eq!(found.keys, ["lane.*.depth", "seed"]);
    let experiment = &found.points[4].checked.experiment;
    assert_eq!(experiment.seed, 1);
    assert!(experiment.lanes.iter().all(|lane| lane.settings.whole("depth") == Some(20)));
    // A lane of its own, a table of its own, words, and numbers.
    let sweep = "[sweep]\nlane.plain.shortcut = [\"none\", \"projection\"]\ntraining.optimizer.learning_rate = [0.1, 1e-2]";
    assert_eq!(values(sweep), ["none 0.1", "none 0.01", "projection 0.1", "projection 0.01"]);
}

#[test]
fn keys_vary_together_and_combinations_are_left_out() {
    let together =
        "[sweep]\nseed = [0, 1]\n[[sweep.together]]\ntraining.steps = [100, 200]\ntraining.batch = [16, 32]";
    assert_eq!(expanded(together).unwrap().keys, ["seed", "training.batch", "training.steps"]);
    assert_eq!(values(together), ["0 16 100", "0 32 200", "1 16 100", "1 32 200"]);
    let without = format!("{together}\n[[sweep.without]]\nseed = 1\ntraining.batch = 32");
    assert_eq!(values(&without), ["0 16 100", "0 32 200", "1 16 100"]);
}

#[test]
fn a_point_is_the_experiment_with_its_values_set() {
    let sweep = expanded("[sweep]\n\"lane.*.depth\" = [8, 20]\nseed = [3]").unwrap();
    for (point, depth) in sweep.points.iter().zip(["8", "20"]) {
        let overrides = [("lane.*.depth", depth), ("seed", "3")];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let same = check(GOOD, "x.toml", &available(), &overrides).unwrap().experiment;
        assert_eq!(point.checked.experiment, same);
    }
}

#[test]
fn what_is_wrong_with_a_sweep_is_told_with_its_place() {
    let line = GOOD.lines().count() + 2;
    let cases = [
        ("seed = 3", "seed: expected an array of values, found `3`"),
        ("seed = []", "seed: expected an array of at least one value, found none"),
        ("seed = [1, 1]", "seed: expected each value once, found `1` twice"),
        ("seed = [1, \"x\"]", "seed: expected a whole number"),
        ("\"lane.*.dept\" = [8]", "lane.plain.dept: unknown key"),
        ("\"lane.plian.depth\" = [8]", "the nearest is `plain`"),
        ("seed = [0]\n[[sweep.together]]\nseed = [1]", "expected each key once"),
        ("[[sweep.together]]\nseed = [0, 1]\ntraining.batch = [8]", "expected as many values"),
        ("seed = [0]\n[[sweep.without]]\nsed = 0", "expected a key that varies (seed), found `sed`"),
        ("seed = [0]\n[[sweep.without]]\nseed = 7", "expected one of its values (0), found `7`"),
        ("seed = [0]\nwithout = 3", "expected tables `[[sweep.without]]` of keys, found `3`"),
    ];
    for (sweep, wanted) in cases {
        let message = expanded(&format!("[sweep]\n{sweep}")).unwrap_err();
        assert!(message.contains(wanted), "{sweep}: {message}");
        assert!(message.starts_with("x.toml:"), "{message}");
    }
    assert!(expanded("[sweep]\nseed = 3").unwrap_err().starts_with(&format!("x.toml:{line}: ")));
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many = many.join(", ");
    let message = expanded(&format!("[sweep]\nseed = [{many}]\ntraining.steps = [{many}]")).unwrap_err();
    assert!(message.contains("expected at most 10000 combinations"), "{message}");
    // A problem of every experiment is told once.
    let message = expanded("[sweep]\nseed = [0, 1, 2]\n\"lane.*.dept\" = [8]").unwrap_err();
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn one_experiment_and_a_sweep_are_told_apart() {
    assert!(!is_sweep(GOOD) && !is_sweep("not TOML ["));
    assert!(is_sweep(&with("[sweep]\nseed = [0]")));
    let error = check(&with("[sweep]\nseed = [0]"), "x.toml", &available(), &[]).unwrap_err().to_string();
    assert!(error.contains("use `skiplane sweep`"), "{error}");
    let error = expanded("").unwrap_err();
    assert!(
        error.contains("sweep: expected a table of keys with lists of values, found no such table"),
        "{error}"
    );
    let claim =
        "[claim]\nsays = \"x\"\n[[claim.confirm]]\nrule = \"1 > 0\"\n[[claim.refute]]\nrule = \"1 < 0\"";
    let sweep = expanded(claim).unwrap();
    assert_eq!((sweep.points.len(), sweep.keys.len()), (1, 0));
    let claim = sweep.claim.unwrap();
    assert_eq!((claim.confirm.len(), claim.refute[0].rule.as_str()), (1, "1 < 0"));
    assert_eq!(claim.confirm[0].place, format!("x.toml:{}", GOOD.lines().count() + 4));
    for (missing, wanted) in [
        ("[claim]\n[[claim.confirm]]\nrule = \"1 > 0\"\n[[claim.refute]]\nrule = \"1 < 0\"", "claim.says: "),
        (
            "[claim]\nsays = \"x\"\n[[claim.refute]]\nrule = \"1 < 0\"",
            "claim.confirm: expected 1 to 64 tables",
        ),
        ("[claim]\nsays = \"x\"\n[[claim.confirm]]\nmeans = \"y\"", "claim.confirm.0.rule: "),
    ] {
        let message = expanded(missing).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

/// Four short runs of two lanes, and a claim about them.
const SWEEP: &str = r#"question = "which is better?"
seed = 5
[data]
name = "moons"
train_images = 64
test_images = 32
[training]
steps = 300
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9, weight_decay = 1e-4 }
schedule = { kind = "cosine", warmup = 5 }
evaluate_every = 60
checkpoint_every = 20
[statistics]
every = 5
histograms_every = 50
[[lane]]
name = "plain"
architecture = "mlp"
depth = 3
width = 16
shortcut = "none"
[[lane]]
name = "residual"
architecture = "mlp"
depth = 3
width = 16
shortcut = "identity"
[sweep]
"lane.*.depth" = [3, 5]
seed = [0, 1]
[claim]
says = "Moons are learned."
[[claim.confirm]]
rule = "max(train_error[residual]) < 40%"
[[claim.refute]]
rule = "median(train_error[plain, depth = 3]) > 90%"
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("moons.toml"), SWEEP).unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    folder
}

fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|run| run.join("run.json").is_file()).collect();
    runs.sort();
    runs
}

/// The effective events of every lane, without times, by what the experiment says.
fn results(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let of_run = |run: &PathBuf| {
        let experiment = fs::read_to_string(run.join(RunFolder::EXPERIMENT)).unwrap();
        let lanes = ["plain", "residual"].map(|lane| without_times(&run.join(format!("{lane}.jsonl"))));
        (experiment, lanes.to_vec())
    };
    let all: Vec<_> = runs(folder).iter().map(of_run).collect();
    let count = all.len();
    let results: BTreeMap<String, Vec<String>> = all.into_iter().collect();
    assert_eq!(results.len(), count, "an experiment was trained twice");
    results
}

fn sweep(folder: &Path) -> String {
    output(folder, &["sweep", "moons.toml", "--headless"])
}

#[test]
fn only_what_is_new_is_trained() {
    let folder = folder();
    let folder = folder.path();
    assert!(
        output(folder, &["check", "moons.toml"])
            .contains("sweep moons: 4 runs to train, 0 to go on with, 0 that")
    );
    let told = sweep(folder);
    assert!(told.contains("4 of 4 runs, 100%") && told.contains("depth=5 seed=1"), "{told}");
    let before = runs(folder);
    assert_eq!(before.len(), 4);
    // Nothing is left.
    let told = sweep(folder);
    assert!(told.contains("0 runs to train, 0 to go on with, 4 that have ended"), "{told}");
    assert_eq!(runs(folder), before);
    // A seed more.
    fs::write(folder.join("moons.toml"), SWEEP.replace("[0, 1]", "[0, 1, 2]")).unwrap();
    let told = sweep(folder);
    assert!(told.contains("2 runs to train, 0 to go on with, 4 that have ended"), "{told}");
    assert_eq!(results(folder).len(), 6);
    // Under another name, or with other settings, everything is new.
    let told = output(folder, &["check", "moons.toml", "--set", "training.steps=7"]);
    assert!(told.contains("6 runs to train"), "{told}");
}

#[test]
fn a_sweep_that_is_killed_ends_as_if_it_had_not_been() {
    let kills = std::env::var("SKIPLANE_CRASHES").map_or(6, |kills| kills.parse().unwrap());
    let whole = folder();
    sweep(whole.path());
    let wanted = results(whole.path());
    let mut random = Random(7);
    let (mut killed, mut resumed) = (0, 0);
    while killed < kills {
        let folder = folder();
        loop {
            let mut child = Command::new(env!("CARGO_BIN_EXE_skiplane"))
                .args(["sweep", "moons.toml", "--headless", "--runs", "runs", "--threads", "2"])
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            thread::sleep(Duration::from_micros((random.next() * 400_000.0) as u64));
            let is_over = child.try_wait().unwrap().is_some_and(|status| status.success());
            let _ = child.kill();
            child.wait().unwrap();
            if is_over {
                break;
            }
            killed += 1;
            if killed >= kills {
                sweep(folder.path());
                break;
            }
        }
        assert_eq!(results(folder.path()), wanted);
        let logs = runs(folder.path())
            .into_iter()
            .flat_map(|run| ["plain", "residual"].map(|lane| run.join(format!("{lane}.jsonl"))));
        resumed += logs.map(|log| crate::crashes::resumptions(&log)).sum::<u64>();
    }
    println!("{killed} kills, {resumed} lanes resumed");
    assert!(resumed > 0, "no lane was killed in the middle");
}

#[test]
fn a_verdict_follows_from_rules_and_numbers_and_is_the_exit_status() {
    let folder = folder();
    let folder = folder.path();
    let open = skiplane(folder, &["verdict", "moons.toml"]);
    assert_eq!(open.status.code(), Some(4));
    let told = String::from_utf8(open.stdout).unwrap();
    assert!(told.contains("not trained yet") && told.contains("0 of 4 experiments were trained"), "{told}");
    sweep(folder);
    let told = output(folder, &["verdict", "moons.toml"]);
    assert!(told.starts_with("moons: confirmed\nMoons are learned.\n"), "{told}");
    // A run tells its sweep, and has the rules that it was started with.
    assert_eq!(output(folder, &["verdict", "latest"]), told);
    // Other numbers in the rules, other verdicts.
    let with = |from: &str, to: &str| {
        fs::write(folder.join("moons.toml"), SWEEP.replace(from, to)).unwrap();
        let judged = skiplane(folder, &["verdict", "moons.toml", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap();
        (judged.status.code(), json["verdict"].as_str().unwrap().to_owned())
    };
    assert_eq!(with("> 90%", "> -1"), (Some(3), "refuted".to_owned()));
    assert_eq!(with("< 40%", "< 0"), (Some(4), "not shown by this budget".to_owned()));
    fs::write(folder.join("moons.toml"), SWEEP.replace("[residual]", "[residul]")).unwrap();
    let message = refused(folder, &["verdict", "moons.toml"], 2);
    assert!(
        message.contains("moons.toml:35: expected a lane, found `residul`; the nearest is `residual`"),
        "{message}"
    );
    // Nothing is trained for rules that cannot be judged.
    assert_eq!(refused(folder, &["sweep", "moons.toml", "--name", "other"], 2), message);
    let message = refused(folder, &["train", "moons.toml"], 2);
    assert!(message.contains("use `skiplane sweep`"), "{message}");
}

#[test]
fn a_sweep_is_shown_and_reported_as_a_whole() {
    let folder = folder();
    let folder = folder.path();
    // What a file says must not become a part of a page.
    let hostile = SWEEP.replace("Moons are learned.", "<script>alert(1)</script> | *moons* are learned.");
    fs::write(folder.join("moons.toml"), hostile).unwrap();
    sweep(folder);
    let frame = output(folder, &["snapshot", "moons", "--view", "sweep", "--size", "120x40"]);
    assert!(frame.contains("train_error at step 300") && frame.contains("difference"), "{frame}");
    assert!(frame.contains("plain") && frame.contains("residual"), "{frame}");
    let frame = output(folder, &["snapshot", "moons", "--view", "verdict", "--size", "120x40"]);
    assert!(frame.contains("confirmed  8 of 8 lanes have ended"), "{frame}");
    assert!(
        frame.contains("holds  max(train_error[residual]) < 40%") && frame.contains("4 values"),
        "{frame}"
    );
    // Lanes are named by what differs between runs.
    let frame = output(folder, &["snapshot", "moons", "--view", "overview", "--size", "160x40"]);
    assert!(frame.contains("plain depth=3 seed=0"), "{frame}");
    let table = output(folder, &["export", "moons", "--format", "csv"]);
    for run in runs(folder) {
        let id = run.file_name().unwrap().to_str().unwrap();
        assert!(table.contains(&format!("\n{id},residual,300,scalar,")), "{id}");
    }
    let listed = output(folder, &["runs", "--plain", "--filter", "sweep = moons"]);
    assert_eq!(listed.matches("finished").count(), 8, "{listed}");
    output(folder, &["report", "moons", "--out", "page.html"]);
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    for wanted in
        ["<svg", "confirmed", "&lt;script&gt;alert(1)&lt;/script&gt;", "max(train_error[residual]) &lt; 40%"]
    {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    let page = output(folder, &["report", "moons.toml", "--format", "markdown"]);
    for wanted in [
        "**Confirmed**",
        r"\<script\>alert(1)\</script\> \| \*moons\* are learned.",
        "| 3 | ",
        "skiplane sweep moons",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let claims = output(folder, &["claims"]);
    assert!(claims.contains("degradation") && claims.contains("not trained yet"), "{claims}");
    let message = refused(folder, &["report", "nothing"], 2);
    assert!(message.contains("no experiment `nothing`"), "{message}");
}

/// The dashboard of a sweep fills in as runs end; leaving it leaves a progress bar, and a signal stops it with all kept.
#[test]
fn a_sweep_is_watched_and_left_alone() {
    let folder = folder();
    let longer = SWEEP.replace("steps = 300", "steps = 40000").replace("every = 5\n", "every = 500\n");
    fs::write(folder.path().join("moons.toml"), longer).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(["sweep", "moons.toml", "--runs", "runs", "--threads", "2"]);
    command.cwd(folder.path());
    let mut terminal = Terminal::start(command, (120, 40));
    // Both depths are there before a lane of the second has started.
    terminal.wait_for("sweep");
    terminal.wait_for("0 of 4 runs");
    terminal.wait_for("depth");
    terminal.press("0");
    terminal.wait_for("not shown by this budget");
    terminal.press(" ");
    terminal.wait_for("paused");
    terminal.press(" ");
    terminal.wait_for("resuming");
    terminal.press("q");
    terminal.wait_for("keep training, with a progress bar here");
    terminal.press("d");
    // The bar, which the dashboard has not.
    terminal.wait_for("░░░");
    terminal.press("\u{3}");
    assert_eq!(terminal.finish(), 130, "{}", terminal.text());
    terminal.assert_restored();
    let listed = skiplane(folder.path(), &["runs", "--runs", "runs"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("stopped"), "{listed:?}");
}
