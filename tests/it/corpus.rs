//! Runs every file of the fuzz targets' corpus through its target's entry, so that fixed failures stay fixed.

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
            // Not committed: findings of a local run of the fuzzer.
            if file.file_name().is_some_and(|name| name.len() == 40) {
                continue;
            }
            entry(&fs::read(&file).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

/// Deterministic random numbers (Vigna 2015, SplitMix64).
struct Random(u64);

impl Random {
    /// The next one, below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end as u64) as usize
    }
}

/// Snippets that make numbers too large, nesting too deep and text unsafe for a terminal.
const WORDS: [&[u8]; 10] = [
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"null",
    b"[[[[",
    b"{",
    b"\"NaN\"",
    b"\x1b[2J",
    b"\0\0\0\0",
    b"\n",
];

/// Makes a few changes: flips a bit, inserts a snippet, removes a part, or repeats one.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.splice(at..end, WORDS[random.below(WORDS.len())].iter().copied())),
            2 => drop(bytes.drain(at..end)),
            _ => {
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
}

/// `SKIPLANE_MUTATIONS=100000 cargo test --test it corpus` tries that many mutations of each file instead of a few.
#[test]
fn cases_that_are_changed_are_errors_or_sound_results_too() {
    let count = std::env::var("SKIPLANE_MUTATIONS").map_or(40, |count| count.parse().unwrap());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, entry) in entries::ALL {
        for file in fs::read_dir(corpus.join(name)).unwrap() {
            let path = file.unwrap().path();
            let seed = fs::read(&path).unwrap();
            for turn in 0..count {
                let (mut bytes, mut random) = (seed.clone(), Random(turn));
                mutate(&mut bytes, &mut random);
                if std::panic::catch_unwind(|| entry(&bytes)).is_err() {
                    panic!("mutation {turn} of {}", path.display());
                }
            }
        }
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

/// Writes the seed of the target for indexes, which must match the current sections of a lane: run it with `--ignored`
/// when they change.
#[test]
#[ignore = "writes into the sources"]
fn write_the_seed_of_the_index() {
    use skiplane::app::specimen::{Specimen, app_of};

    let lane = Specimen { steps: 12, ..Specimen::new("plain", 8, "none") };
    let app = app_of(&[lane]);
    let mut bytes = Vec::new();
    for (name, part) in app.lanes()[0].to_sections().unwrap() {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&u16::try_from(part.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&part);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/index");
    fs::create_dir_all(&corpus).unwrap();
    fs::write(corpus.join("lane"), bytes).unwrap();
}

/// Otherwise the target would only ever reject its input.
#[test]
fn the_seed_of_the_index_is_taken() {
    let seed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/index/lane")).unwrap();
    assert!(entries::index_is_taken(&seed));
}
