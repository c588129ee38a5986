//! Every file of the fuzz targets' corpus goes through its target's entry, so that what once failed never fails again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../../fuzz/entries.rs"]
mod entries;

#[test]
fn every_case_is_an_error_or_a_sound_result() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, entry) in entries::ALL {
        let files = fs::read_dir(corpus.join(name)).unwrap_or_else(|e| panic!("{name} has no corpus: {e}"));
        let mut count = 0;
        for file in files {
            let file = file.unwrap().path();
            // Found, not committed: what a local run of the fuzzer left.
            if file.file_name().is_some_and(|name| name.len() == 40) {
                continue;
            }
            entry(&fs::read(&file).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_has_an_entry_and_the_other_way_round() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let files = fs::read_dir(targets).unwrap().map(|file| file.unwrap().path());
    let targets: BTreeSet<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let entries: BTreeSet<String> = entries::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, entries);
    let manifest = include_str!("../../fuzz/Cargo.toml");
    assert!(entries.iter().all(|name| manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\""))));
}
