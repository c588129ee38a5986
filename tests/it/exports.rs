//! Exports to other formats than text, through the binary: event files of TensorBoard are read back by this program, and
//! what cannot be exported is refused before anything is written.

use std::fs;
use std::path::Path;

use skiplane::units::LaneIdx;

use crate::cli::{folder_with_a_run, output, refused};

const TENSORBOARD: [&str; 4] = ["export", "latest", "--format", "tensorboard"];

fn to(out: &str) -> Vec<&str> {
    TENSORBOARD.into_iter().chain(["--out", out]).collect()
}

#[test]
fn event_files_are_read_back_with_the_same_losses() {
    let (folder, _) = folder_with_a_run();
    assert_eq!(output(folder.path(), &to("events")), "");
    let lane = folder.path().join("events/20261123-121610-quick/plain");
    let files: Vec<_> = fs::read_dir(&lane).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 1);
    let name = files[0].to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents.") && name.ends_with(".skiplane"), "{name}");
    let losses = |run: &str| -> Vec<String> {
        let table = output(folder.path(), &["export", run, "--format", "csv"]);
        let rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let of_loss = rows.filter(|row| row[1] == "plain" && row[6] == "loss");
        of_loss.map(|row| format!("{} {}", row[2], row[7])).collect()
    };
    let before = losses("latest");
    assert!(!before.is_empty());
    assert_eq!(losses("events/20261123-121610-quick"), before);
}

#[test]
fn event_files_go_into_a_new_or_an_empty_folder_only() {
    let (folder, run) = folder_with_a_run();
    let folder = folder.path();
    let error = refused(folder, &TENSORBOARD, 2);
    assert!(error.contains("expected `--out DIR`"), "{error}");
    fs::create_dir(folder.join("full")).unwrap();
    fs::write(folder.join("full/file"), "kept").unwrap();
    let inside = run.log(LaneIdx(0)).unwrap();
    let inside = inside.parent().unwrap().join("events");
    for (out, found) in [
        ("full", "one with files in it"),
        ("full/file", "a file"),
        (inside.to_str().unwrap(), "one of a run"),
    ] {
        let error = refused(folder, &to(out), 2);
        assert!(
            error.contains("expected a folder that does not exist or is empty") && error.contains(found),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(folder.join("full/file")).unwrap(), "kept");
    assert!(!Path::new(&inside).exists());
    assert!(refused(folder, &to("no/such/events"), 1).contains("could not write no/such/events"));
    fs::create_dir(folder.join("empty")).unwrap();
    assert_eq!(output(folder, &to("empty")), "");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_parquet_says_how_to_get_it() {
    let (folder, _) = folder_with_a_run();
    let error = refused(folder.path(), &["export", "latest", "--format", "parquet", "--out", "x"], 2);
    assert!(error.contains("cargo install skiplane --features parquet"), "{error}");
    assert!(!folder.path().join("x").exists());
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_has_its_magic_at_both_ends() {
    let (folder, _) = folder_with_a_run();
    assert_eq!(output(folder.path(), &["export", "latest", "--format", "parquet", "--out", "x"]), "");
    let file = fs::read(folder.path().join("x")).unwrap();
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
}
