//! Training by the real binary: what it leaves in the run's folder, what it prints, how it stops.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use skiplane::app::Lane;
use skiplane::event::Kind;
use skiplane::metric::known;
use skiplane::reading;
use skiplane::reading::effective;
use skiplane::runlog::LogWriter;
use skiplane::units::LayerIdx;

use crate::cli::skiplane;

const SMALL: &str = r#"question = "small?"
seed = 3
[data]
name = "glyphs"
train_images = 64
test_images = 32
[training]
steps = 6
batch = 16
optimizer = { kind = "sgd", learning_rate = 0.05 }
evaluate_every = 3
evaluate_images = 32
[statistics]
every = 1
histograms_every = 3
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

/// A folder with `runs/` and the small experiment.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeded(output: &Output) -> String {
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    text(&output.stdout)
}

/// The log of a lane of the only run with this name, without what depends on the clock.
fn log_without_times(folder: &Path, name: &str, lane: &str) -> Vec<String> {
    let mut runs = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.find(|path| path.to_string_lossy().ends_with(name)).unwrap();
    let log = fs::read_to_string(run.join(format!("{lane}.jsonl"))).unwrap();
    log.lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            // The checksum covers the time, too.
            record.as_object_mut().unwrap().remove("crc32").unwrap();
            record.as_object_mut().unwrap().remove("record").unwrap();
            for event in record.as_object_mut().unwrap().values_mut() {
                event.as_object_mut().unwrap().remove("time").unwrap();
            }
            record.to_string()
        })
        .collect()
}

#[test]
fn a_piped_run_tells_lines_and_leaves_every_value() {
    let folder = folder();
    let told = succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless"]));
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(told.lines().all(|line| line.as_bytes()[4] == b'-' && line.contains("Z ")), "{told}");
    assert!(
        told.contains("plain    step 6: finished") && told.contains("residual step 6: finished"),
        "{told}"
    );

    let table = succeeded(&skiplane(folder.path(), &["export", "latest", "--format", "csv"]));
    let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[3] == "layer" || cells[3] == "block" {
            seen.insert(vec![cells[1], cells[2], cells[3], cells[4], cells[6]]);
        }
    }
    // Of what is measured at every step.
    let of_layers =
        known::ALL.iter().filter(|metric| metric.is_of_layers() && **metric != known::EFFECTIVE_RANK);
    for lane in ["plain", "residual"] {
        for step in ["1", "2", "3", "4", "5", "6"] {
            for statistic in of_layers.clone() {
                for layer in 0..8 {
                    let row = [lane, step, "layer", &layer.to_string(), statistic.name()].map(str::to_owned);
                    let row: Vec<&str> = row.iter().map(String::as_str).collect();
                    assert!(seen.contains(&row), "{row:?}");
                }
            }
        }
    }
    assert!(seen.iter().any(|row| row[0] == "residual" && row[4] == "branch_ratio"));
}

/// The exported rows for the layers of a lane: step, index, name, statistic, value.
fn layer_rows<'a>(table: &'a str, lane: &str) -> BTreeSet<Vec<&'a str>> {
    let rows = table.lines().map(|line| line.split(',').collect::<Vec<&str>>());
    rows.filter(|row| row[1] == lane && row[3] == "layer")
        .map(|row| vec![row[2], row[4], row[5], row[6], row[7]])
        .collect()
}

/// The folder of the only run with this name.
fn run_folder(folder: &Path, name: &str) -> PathBuf {
    let mut runs = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    runs.find(|path| path.to_string_lossy().ends_with(name)).unwrap()
}

#[test]
fn layers_that_no_pattern_chooses_are_neither_in_the_log_nor_in_what_is_folded() {
    let folder = folder();
    let patterns = "statistics.layers=[\"layer2.*\", \"f?\"]";
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless", "--name", "whole"]));
    let some = ["train", "small.toml", "--headless", "--name", "some", "--set", patterns];
    succeeded(&skiplane(folder.path(), &some));
    let [whole, some] = ["whole", "some"].map(|name| run_folder(folder.path(), name));

    let export = |run: &Path| {
        succeeded(&skiplane(folder.path(), &["export", run.to_str().unwrap(), "--format", "csv"]))
    };
    let (all_rows, some_rows) = (export(&whole), export(&some));
    let opened = [&whole, &some].map(|run| reading::open(std::slice::from_ref(run)).unwrap());
    for (idx, lane) in ["plain", "residual"].into_iter().enumerate() {
        // After the first record, which is there twice.
        let bytes = |run: &Path| {
            let log = fs::read_to_string(run.join(format!("{lane}.jsonl"))).unwrap();
            log.lines().skip(2).map(str::len).sum::<usize>()
        };
        assert!(bytes(&some) < bytes(&whole) * 2 / 3, "{} {}", bytes(&some), bytes(&whole));

        let is_chosen = |name: &str| name.starts_with("layer2.") || name == "fc";
        let mut expected = layer_rows(&all_rows, lane);
        expected.retain(|row| is_chosen(row[2]));
        // Two convolutions and the head, over six steps; the effective rank as often as histograms, at 1, 3 and 6.
        let (rare, others): (Vec<_>, Vec<_>) =
            expected.iter().partition(|row| row.contains(&"effective_rank"));
        assert_eq!((rare.len(), others.len() % (3 * 6)), (3 * 3, 0));
        assert!(!expected.is_empty());
        assert_eq!(layer_rows(&some_rows, lane), expected);

        let [all, chosen] = [0, 1].map(|at| &opened[at].app.lanes()[idx]);
        let layers = &chosen.structure().unwrap().layers;
        let mut compared = 0;
        for &metric in known::ALL.iter().filter(|metric| metric.is_of_layers() || metric.is_of_blocks()) {
            let (Some(a), Some(b)) = (all.history(metric), chosen.history(metric)) else {
                assert!(all.history(metric).is_none() && chosen.history(metric).is_none());
                continue;
            };
            assert_eq!(a.len(), b.len());
            for (a, b) in a.rows().zip(b.rows()) {
                let of_layers = layers.iter().map(|layer| is_chosen(&layer.name));
                let kept = of_layers.map(|is_kept| is_kept || metric.is_of_blocks());
                for (at, is_kept) in kept.enumerate().take(all.axis_length(metric).unwrap()) {
                    let [a, b] = [(all, a), (chosen, b)].map(|(lane, row)| lane.cell(metric, &row, at));
                    assert!(a.is_some());
                    assert_eq!(format!("{b:?}"), format!("{:?}", a.filter(|_| is_kept)));
                    compared += usize::from(is_kept);
                }
            }
        }
        assert!(compared > 100, "{compared}");
        for (at, layer) in layers.iter().enumerate() {
            let at = LayerIdx(at);
            let histograms = |lane: &Lane| {
                let taken = lane.histograms(known::WEIGHTS, at)?;
                Some(format!("{:?}", taken.rows().map(|row| row.histogram(0)).collect::<Vec<_>>()))
            };
            assert_eq!(chosen.records(at), is_chosen(&layer.name));
            assert_eq!(all.histograms(known::WEIGHTS, at).unwrap().len(), 3);
            assert_eq!(histograms(chosen), histograms(all).filter(|_| is_chosen(&layer.name)));
        }
        let findings = chosen.health().findings();
        assert!(findings.iter().all(|finding| finding.rule != "non_finite"), "{findings:?}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_refused_before_anything_is_written() {
    let folder = folder();
    for (patterns, expected) in [
        (
            "[\"fc\", \"head*\"]",
            "expected a pattern that matches a layer of a lane, found `head*`; layers are named `conv1`, ",
        ),
        (
            "[\"*.downsample.*\"]",
            "expected a pattern that matches a layer of lane `plain`, found `*.downsample.*`; its layers are named `conv1`, ",
        ),
    ] {
        let set = format!("statistics.layers={patterns}");
        let projection = ["--set", "lane.residual.shortcut=projection", "--set", &set];
        for command in [vec!["train", "small.toml", "--headless"], vec!["check", "small.toml"]] {
            let output = skiplane(folder.path(), &[command.as_slice(), projection.as_slice()].concat());
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(told.contains(&format!("--set {set}: statistics.layers: {expected}")), "{told}");
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
    let check = ["check", "small.toml", "--set", "statistics.layers=[\"fc\"]"];
    assert!(succeeded(&skiplane(folder.path(), &check)).contains("layers = [\"fc\"]"));
}

#[test]
fn two_runs_of_one_seed_leave_equal_logs_apart_from_times() {
    let folder = folder();
    for name in ["first", "second"] {
        succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless", "--name", name]));
    }
    let other = ["train", "small.toml", "--headless", "--name", "other", "--seed", "4"];
    succeeded(&skiplane(folder.path(), &other));
    for lane in ["plain", "residual"] {
        let first = log_without_times(folder.path(), "first", lane);
        assert_eq!(first, log_without_times(folder.path(), "second", lane));
        assert_ne!(first[1..], log_without_times(folder.path(), "other", lane)[1..]);
    }
}

/// The names and bytes of the files in a run's folder of checkpoints.
fn checkpoints(run: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn two_runs_of_one_seed_leave_equal_checkpoints_that_anybody_may_read_who_may_read_their_logs() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let runs = ["first", "second"].map(|name| {
        let checkpoints = ["--set", "training.checkpoint_every=2"];
        let train = ["train", "small.toml", "--headless", "--name", name];
        succeeded(&skiplane(folder.path(), &[&train[..], &checkpoints].concat()));
        run_folder(folder.path(), name)
    });
    let [first, second] = runs.each_ref().map(|run| checkpoints(run));
    assert_eq!(first.len(), 2 * 3 * 2, "of two lanes, three steps, network and optimiser");
    for ((name, first), (other, second)) in first.iter().zip(&second) {
        assert!(name == other && first == second, "{name} differs");
    }
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode();
    for (name, _) in &first {
        assert_eq!(mode(runs[0].join("checkpoints").join(name)), mode(runs[0].join("plain.jsonl")), "{name}");
    }
}

/// Removes the end of a lane from its log, so that it has steps left.
fn cut_end(run: &Path, lane: &str) {
    let log = run.join(format!("{lane}.jsonl"));
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.find("{\"lane_finished\"").unwrap()]).unwrap();
}

#[test]
fn what_a_killed_process_left_half_written_is_removed_when_its_run_goes_on() {
    let folder = folder();
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless"]));
    let run = run_folder(folder.path(), "small");
    let litter = [".tmpAbC123", ".status.json.new", ".index-AbC123", "checkpoints/.tmpAbC123"];
    let others = ["notes.tmp", "checkpoints/mine.safetensors", "checkpoints/.hidden"];
    litter.iter().chain(&others).for_each(|name| fs::write(run.join(name), "half").unwrap());
    fs::create_dir(run.join("checkpoints/.tmp-folder")).unwrap();
    // A finished run is not resumed, and nothing is written in its folder.
    succeeded(&skiplane(folder.path(), &["show", "latest"]));
    assert!(litter.iter().all(|name| run.join(name).exists()));
    cut_end(&run, "plain");
    succeeded(&skiplane(folder.path(), &["train", "--headless", "--resume", "latest"]));
    assert_eq!(litter.map(|name| run.join(name).exists()), [false; 4]);
    assert_eq!(others.map(|name| run.join(name).exists()), [true; 3]);
    assert!(run.join("checkpoints/.tmp-folder").is_dir());
}

#[test]
fn the_program_alone_trains_the_default_experiment_with_the_options_of_train() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["data.train_images=64", "data.test_images=32", "training.batch=16", "lane.*.depth=8"];
    let bare = ["--runs", "elsewhere", "--steps", "3", "--headless"];
    let arguments: Vec<&str> = bare.into_iter().chain(small.iter().flat_map(|set| ["--set", set])).collect();
    let told = succeeded(&skiplane(folder.path(), &arguments));
    assert!(told.contains("residual step 3: finished"), "{told}");
    let run = fs::read_dir(folder.path().join("elsewhere")).unwrap().next().unwrap().unwrap().path();
    assert!(run.to_string_lossy().ends_with("-plain-vs-residual") && run.join("run.json").is_file());
    let experiment = fs::read_to_string(run.join("experiment.toml")).unwrap();
    assert!(experiment.contains("steps = 3"), "{experiment}");
}

/// All files of a folder and the folders below it, with their bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_whose_experiment_has_changed_is_refused_and_left_alone_unless_forced() {
    let folder = folder();
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless"]));
    let run = run_folder(folder.path(), "small");
    cut_end(&run, "plain");
    let file = run.join("experiment.toml");
    let original = fs::read_to_string(&file).unwrap();
    let resume = ["train", "--headless", "--resume", "latest"];
    let force = [&resume[..], &["--force"]].concat();
    for (before, now, expected) in [
        ("learning_rate = 0.05", "learning_rate = 0.5", "training.optimizer.learning_rate = 0.5, was 0.05"),
        ("seed = 3", "seed = 4", "seed = 4, was 3"),
        // The images are drawn from the seed, and now differ.
        ("seed = 3", "seed = 4", "different examples or labels of glyphs"),
        ("train_images = 64", "train_images = 48", "data.train_images = 48, was 64"),
        ("depth = 8", "depth = 14", "lane.plain.depth = 14, was 8"),
        ("name = \"residual\"", "name = \"other\"", "the lanes plain, other, were plain, residual"),
    ] {
        assert!(original.contains(before), "{original}");
        fs::write(&file, original.replacen(before, now, 1)).unwrap();
        let untouched = contents(&run);
        let output = skiplane(folder.path(), &resume);
        let told = text_of(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("\n  {expected}\n")), "{told}");
        let can_be_forced = !now.contains("depth") && !now.contains("other");
        assert_eq!(told.contains("--force"), can_be_forced, "{told}");
        if !can_be_forced {
            assert_eq!(skiplane(folder.path(), &force).status.code(), Some(2));
        }
        assert!(contents(&run) == untouched, "something was written");
    }
    fs::write(&file, original.replacen("learning_rate = 0.05", "learning_rate = 0.5", 1)).unwrap();
    let told = succeeded(&skiplane(folder.path(), &force));
    let change = "training.optimizer.learning_rate = 0.5, was 0.05";
    assert!(
        told.contains(&format!("resumed at step 6 from checkpoints/plain-00000006.safetensors; {change}"))
    );
    let log = fs::read_to_string(run.join("plain.jsonl")).unwrap();
    assert!(log.contains(&format!("\"changes\":[\"{change}\"]")), "{log}");
}

/// Writes CIFAR-10 files of a few images whose pixels depend on a number.
fn write_cifar(folder: &Path, number: usize) {
    fs::create_dir_all(folder).unwrap();
    let record = |index: usize| {
        let pixels = move |at: usize| (at * (index % 10 + number) / 7) as u8;
        std::iter::once((index % 10) as u8).chain((0..3072).map(pixels))
    };
    for (name, images) in [("data_batch_1.bin", 20), ("test_batch.bin", 8)] {
        fs::write(folder.join(name), (0..images).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
}

#[test]
fn a_run_on_files_is_gone_on_with_from_anywhere_and_with_no_other_files() {
    let folder = folder();
    let [here, elsewhere] = ["here", "elsewhere"].map(|name| folder.path().join(name));
    write_cifar(&here.join("files"), 1);
    fs::create_dir(&elsewhere).unwrap();
    let sets = ["data={name=\"cifar10\",path=\"files\"}", "training.batch=8", "training.evaluate_images=8"];
    let sets = sets.iter().flat_map(|set| ["--set", *set]);
    let train: Vec<&str> =
        ["train", "../small.toml", "--headless", "--runs", "../runs"].into_iter().chain(sets).collect();
    succeeded(&skiplane(&here, &train));
    let run = run_folder(folder.path(), "small");
    let resume = ["train", "--headless", "--runs", "../runs", "--resume", "latest"];
    let whole = crate::end_to_end::without_times(&run.join("plain.jsonl"));
    cut_end(&run, "plain");
    succeeded(&skiplane(&elsewhere, &resume));
    assert_eq!(crate::end_to_end::without_times(&run.join("plain.jsonl")), whole);

    cut_end(&run, "plain");
    write_cifar(&here.join("files"), 2);
    let refused = skiplane(&elsewhere, &resume);
    let files = here.join("files");
    let expected = format!("different examples or labels of cifar10 in {}\n", files.display());
    assert_eq!(refused.status.code(), Some(2));
    assert!(text_of(&refused).contains(&expected), "{}", text_of(&refused));

    // On another machine they are somewhere else.
    let moved = elsewhere.join("data");
    write_cifar(&moved, 1);
    fs::remove_dir_all(&files).unwrap();
    let missing = skiplane(&elsewhere, &resume);
    assert_eq!(missing.status.code(), Some(2));
    let told = text_of(&missing);
    assert!(told.contains("experiment.toml:") && told.contains("data.path: "), "{told}");
    assert!(told.contains(&format!("{}: expected a folder, found nothing", files.display())), "{told}");
    let file = run.join("experiment.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(files.to_str().unwrap(), moved.to_str().unwrap())).unwrap();
    succeeded(&skiplane(folder.path(), &["train", "--headless", "--resume", "latest"]));
    assert_eq!(crate::end_to_end::without_times(&run.join("plain.jsonl")), whole);
}

#[test]
fn a_run_of_an_earlier_version_goes_on_and_says_what_it_cannot_tell() {
    let folder = folder();
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless"]));
    let run = run_folder(folder.path(), "small");
    for lane in ["plain", "residual"] {
        cut_end(&run, lane);
        let log = run.join(format!("{lane}.jsonl"));
        let mut events = Vec::new();
        effective(&log, |event, _| events.push(event)).unwrap();
        fs::remove_file(&log).unwrap();
        let mut log = LogWriter::create(&log).unwrap();
        for mut event in events {
            match &mut event.kind {
                Kind::LaneStarted(started) => started.provenance.as_mut().unwrap().data_set = None,
                Kind::CheckpointWritten(written) => written.checksums = None,
                _ => {}
            }
            log.append(&event).unwrap();
        }
    }
    let output = skiplane(folder.path(), &["train", "--headless", "--resume", "latest"]);
    assert_eq!(output.status.code(), Some(0));
    let note = "warning: cannot check that the data is unchanged: ";
    assert_eq!(text_of(&output).matches(note).count(), 1, "{}", text_of(&output));
    let told = text(&output.stdout);
    assert_eq!(told.matches("warning: the checkpoint of step 6 is unverified: ").count(), 2, "{told}");
}

#[test]
fn other_instructions_are_warned_of_where_they_give_other_bits() {
    let folder = folder();
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--headless"]));
    let run = run_folder(folder.path(), "small");
    let manifest = fs::read_to_string(run.join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let own = json["instruction_set"].as_str().unwrap();
    let others = if own == "baseline" { ["baseline", "avx512"] } else { ["avx2+fma", "baseline"] };
    for (other, is_warned_of) in others.into_iter().zip([false, true]) {
        cut_end(&run, "plain");
        let changed = manifest.replace(&format!("\"{own}\""), &format!("\"{other}\""));
        fs::write(run.join("run.json"), changed).unwrap();
        let output = skiplane(folder.path(), &["train", "--headless", "--resume", "latest"]);
        assert_eq!(output.status.code(), Some(0));
        let warning =
            format!("warning: the run was started with {other} instructions and continues with {own}: ");
        assert_eq!(text_of(&output).contains(&warning), is_warned_of, "{other}: {}", text_of(&output));
    }
}

#[test]
fn a_damaged_checkpoint_is_told_of_and_the_one_before_gone_on_from() {
    let folder = folder();
    let train = ["train", "small.toml", "--headless", "--set", "training.checkpoint_every=2"];
    succeeded(&skiplane(folder.path(), &train));
    let run = run_folder(folder.path(), "small");
    let log = run.join("plain.jsonl");
    let whole = crate::end_to_end::without_times(&log);
    cut_end(&run, "plain");
    let damaged = run.join("checkpoints/plain-00000006.safetensors");
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&damaged, bytes).unwrap();
    let told = succeeded(&skiplane(folder.path(), &["train", "--resume", "latest", "--headless"]));
    let warning = "plain    warning: skipping the checkpoint of step 6: ";
    assert!(told.contains(warning) && told.contains("the file was damaged"), "{told}");
    assert!(
        told.contains("plain    resumed at step 4 from checkpoints/plain-00000004.safetensors"),
        "{told}"
    );
    assert_eq!(crate::end_to_end::without_times(&log), whole);
}

#[test]
fn a_run_that_cannot_be_trained_leaves_no_folder() {
    let folder = folder();
    for wrong in ["training.batch=65", "data.name=nothing", "lane.*.width=5"] {
        let output = skiplane(folder.path(), &["train", "small.toml", "--set", wrong]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("--set"), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
}

#[test]
fn sizes_that_no_memory_holds_are_refused_before_anything_is_made() {
    let folder = folder();
    // The greatest number; 257 TB; and a number whose bytes exceed 64 bits.
    for images in ["9223372036854775807", "1000000000000", "100000000000000000"] {
        for key in ["data.train_images", "data.test_images"] {
            let set = format!("{key}={images}");
            for command in ["train", "check"] {
                let output = skiplane(folder.path(), &[command, "small.toml", "--set", &set]);
                let told = text(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{told}");
                let expected = format!("--set {set}: {key}: expected at most the ");
                assert!(told.contains(&expected) && told.contains("found that the examples need "), "{told}");
            }
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
}

#[test]
fn lanes_that_no_memory_holds_are_refused_before_anything_is_made() {
    let folder = folder();
    let sets = ["data.train_images=8192", "training.batch=8192", "lane.*.depth=2000", "lane.*.width=32"];
    for command in ["train", "check"] {
        let arguments = [command, "small.toml"].into_iter().chain(sets.iter().flat_map(|set| ["--set", set]));
        let output = skiplane(folder.path(), &arguments.collect::<Vec<_>>());
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{told}");
        let expected = "--set training.batch=8192: training.batch: expected at most the ";
        assert!(told.contains(expected) && told.contains("found that the lanes need "), "{told}");
    }
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_has_no_thread_that_nobody_asked_for() {
    let folder = folder();
    let mut child = start_endless(folder.path());
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim_end().to_owned()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // Syncing happens from time to time. A thread without a name has that of its parent.
    names.retain(|name| name != "log-to-disk");
    names.sort();
    let expected = [
        "batches-plain",
        "batches-residua",
        "control",
        "indexes",
        "lane-plain",
        "lane-residual",
        "lines",
        "signals",
        "skiplane",
        "status",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_needs_a_terminal_says_so() {
    let folder = folder();
    succeeded(&skiplane(folder.path(), &["train", "small.toml", "--steps", "1"]));
    for command in ["review", "attach"] {
        let output = skiplane(folder.path(), &[command, "latest"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("expected a terminal"), "{}", text(&output.stderr));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_every_lane_with_a_checkpoint() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let folder = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["train", "small.toml", "--steps", "1000000", "--headless"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("step 1/") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended before its first step");
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("stopping with a checkpoint"), "{rest}");
    let runs = succeeded(&skiplane(folder.path(), &["runs", "--json"]));
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    for lane in 0..2 {
        assert_eq!(runs[0]["lanes"][lane]["state"], "stopped");
    }
    let checkpoints = Path::new(runs[0]["path"].as_str().unwrap()).join("checkpoints");
    assert!(fs::read_dir(folder.path().join(checkpoints)).unwrap().count() >= 2);
}

#[test]
fn a_run_that_was_interrupted_is_gone_on_with_once() {
    let folder = folder();
    let train = |arguments: &[&str]| {
        let arguments = [&["train", "--headless"], arguments].concat();
        skiplane(folder.path(), &arguments)
    };
    succeeded(&train(&["small.toml"]));
    let log = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let log = log.join("plain.jsonl");
    let whole = crate::end_to_end::without_times(&log);
    let said = succeeded(&train(&["--resume", "latest"]));
    assert!(said.contains("nothing to resume"), "{said}");

    let text = fs::read_to_string(&log).unwrap();
    let end = text.find("{\"lane_finished\"").unwrap();
    fs::write(&log, &text[..end]).unwrap();
    let told = succeeded(&train(&["--resume", "latest"]));
    assert!(
        told.contains("plain    resumed at step 6 from checkpoints/plain-00000006.safetensors"),
        "{told}"
    );
    assert!(!told.contains("step 3"), "what happened before is told again: {told}");
    assert_eq!(crate::end_to_end::without_times(&log), whole);
    for arguments in [["--seed", "4"], ["--name", "x"], ["--set", "training.batch=8"], ["--steps", "9"]] {
        let output = train(&[&["--resume", "latest"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text_of(&output).contains("cannot be used with"), "{}", text_of(&output));
    }
}

fn text_of(output: &Output) -> String {
    text(&output.stderr)
}

/// Starts an endless run without a dashboard, and waits for its first step.
fn start_endless(folder: &Path) -> std::process::Child {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let mut child = Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["train", "small.toml", "--steps", "1000000", "--headless", "--threads", "1"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("step 1/") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended before its first step");
    }
    // From here on nothing is read, which must not matter.
    child
}

/// Starts training with its output going into a full pipe, and returns the pipe's other end, which is not read.
fn start_unread(folder: &Path, arguments: &[&str]) -> (std::process::Child, std::io::PipeReader) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use std::io::{ErrorKind, Write};
    use std::process::{Command, Stdio};

    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let full = loop {
        if let Err(error) = writer.write(&[b'.'; 512]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, flags).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(["train", "small.toml", "--headless"]).args(arguments).current_dir(folder);
    (command.stdout(Stdio::from(writer)).stderr(Stdio::null()).spawn().unwrap(), reader)
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_neither_training_nor_its_end() {
    let folder = folder();
    // Three lines per evaluation are more than the queue can hold.
    let many = ["--steps", "200", "--set", "training.evaluate_every=1"];
    let (mut child, reader) = start_unread(folder.path(), &many);
    wait_for_state(folder.path(), "finished");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(reader);
}

#[test]
fn a_signal_stops_a_training_whose_lines_nobody_reads() {
    let folder = folder();
    let (mut child, reader) = start_unread(folder.path(), &["--steps", "1000000"]);
    wait_for_state(folder.path(), "running");
    let signal = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(signal.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_for_state(folder.path(), "stopped");
    drop(reader);
}

/// Waits until the only run is in a state.
fn wait_for_state(folder: &Path, state: &str) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let runs = succeeded(&skiplane(folder, &["runs", "--json"]));
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        if runs[0]["state"] == state {
            return;
        }
        assert!(std::time::Instant::now() < end, "{runs}");
    }
}

#[test]
fn a_run_obeys_its_owner_until_it_is_over() {
    let folder = folder();
    let mut child = start_endless(folder.path());
    let order = |order| skiplane(folder.path(), &["control", "latest", order]);
    for (word, state) in [("pause", "paused"), ("resume", "running")] {
        succeeded(&order(word));
        wait_for_state(folder.path(), state);
    }
    succeeded(&order("checkpoint"));
    let control = |words: &[&str]| skiplane(folder.path(), &[&["control", "latest"], words].concat());
    let told = succeeded(&control(&["learning-rate", "x0.5", "--lane", "plain"]));
    assert!(told.ends_with(", lane plain continues with learning rate x0.5 after this step\n"), "{told}");
    succeeded(&control(&["note", "two", "words"]));
    let unknown = control(&["pause", "--lane", "x"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text_of(&unknown).contains("expected one of the lanes plain, residual, found `x`"),
        "{}",
        text_of(&unknown)
    );
    for (words, reason) in [
        (
            &["learning-rate", "-1"][..],
            "learning-rate: expected a finite number above zero that an f32 can hold, found -1.0",
        ),
        (
            &["learning-rate"],
            "learning-rate: expected a rate such as 0.01 or a factor such as x0.1, found ``",
        ),
        (&["step", "0"], "step: expected a number of steps, at least 1, found `0`"),
        (&["note"], "note: expected the text of a note"),
        (&["stop", "now"], "stop: expected nothing after it, found `now`"),
    ] {
        let refused = control(words);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text_of(&refused).contains(reason), "{}", text_of(&refused));
    }
    succeeded(&control(&["step", "2"]));
    wait_for_state(folder.path(), "paused");
    succeeded(&order("stop"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    wait_for_state(folder.path(), "stopped");
    let refused = order("pause");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text_of(&refused).contains("it is over (stopped)"), "{}", text_of(&refused));
    let run = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    assert!(!run.join("control.sock").exists());
    let shown = succeeded(&skiplane(folder.path(), &["show", "latest"]));
    for words in ["plain     learning rate x0.5", "residual  note: two words", "residual  stop"] {
        assert!(shown.contains(words), "{shown}");
    }
    let exported = succeeded(&skiplane(folder.path(), &["export", "latest", "--format", "csv"]));
    assert!(exported.contains(",event,,learning rate x0.5,order_taken,"));
    assert!(exported.contains(",event,,two words,note_taken,"));
}

#[test]
fn a_run_that_is_killed_is_known_to_have_crashed_at_once() {
    let folder = folder();
    let mut child = start_endless(folder.path());
    wait_for_state(folder.path(), "running");
    let held = skiplane(folder.path(), &["train", "--resume", "latest"]);
    assert_eq!(held.status.code(), Some(2));
    let expected = format!("process {} on ", child.id());
    assert!(text_of(&held).contains(&expected), "{}", text_of(&held));
    child.kill().unwrap();
    child.wait().unwrap();
    let runs = succeeded(&skiplane(folder.path(), &["runs"]));
    assert!(runs.contains("crashed") && !runs.contains("running"), "{runs}");
    let refused = skiplane(folder.path(), &["control", "latest", "stop"]);
    assert!(
        text_of(&refused).contains("its process is gone; `skiplane train --resume`"),
        "{}",
        text_of(&refused)
    );
}
