//! Reads the sources and fails on an import that goes up or sideways, or on a third-party crate outside its
//! rooms (`docs/ARCHITECTURE.md`). Test modules may import what they like.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room and the rooms it may import from, floor by floor. A room may always import from itself.
const IMPORTS: &[(&str, &[&str])] = &[
    // 0: words
    ("panics", &[]),
    ("printable", &[]),
    ("disk", &[]),
    ("units", &[]),
    ("metric", &["printable"]),
    ("structure", &["units"]),
    ("experiment", &["printable"]),
    ("order", &["printable", "units"]),
    ("event", &["experiment", "metric", "order", "structure", "units"]),
    // 1: arithmetic
    ("random", &[]),
    ("statistics", &["event"]),
    ("history", &["event", "units"]),
    // 2: material
    ("datasets", &["experiment", "random", "printable", "units"]),
    ("nn", &["event", "statistics", "units"]),
    (
        "model",
        &[
            "datasets",
            "event",
            "experiment",
            "metric",
            "nn",
            "random",
            "statistics",
            "structure",
            "printable",
            "units",
        ],
    ),
    ("runlog", &["disk", "event", "experiment", "metric", "structure", "printable", "units"]),
    ("sources", &["event", "metric", "printable", "runlog", "structure", "units"]),
    // 3: state, and what reads it
    (
        "app",
        &[
            "event",
            "experiment",
            "history",
            "metric",
            "order",
            "statistics",
            "structure",
            "printable",
            "units",
        ],
    ),
    ("reading", &["app", "event", "history", "metric", "order", "panics", "runlog", "sources", "units"]),
    // 4: work
    (
        "trainer",
        &[
            "datasets",
            "disk",
            "event",
            "experiment",
            "metric",
            "model",
            "order",
            "random",
            "statistics",
            "structure",
            "printable",
            "units",
        ],
    ),
    // 5: joints
    (
        "session",
        &[
            "datasets",
            "event",
            "experiment",
            "model",
            "order",
            "reading",
            "runlog",
            "panics",
            "printable",
            "trainer",
            "units",
        ],
    ),
    // 6: the state of the list of runs
    ("runs_list", &["experiment", "history", "reading", "runlog", "session", "printable", "units"]),
    ("claims", &["app", "experiment", "history", "metric", "printable", "statistics", "units"]),
    // 7: pictures
    ("theme", &[]),
    ("widgets", &["event", "printable", "theme"]),
    (
        "views",
        &[
            "app",
            "claims",
            "runs_list",
            "event",
            "experiment",
            "history",
            "metric",
            "order",
            "runlog",
            "statistics",
            "structure",
            "printable",
            "theme",
            "units",
            "widgets",
        ],
    ),
    // 8: street
    ("paths", &[]),
    ("config", &["app", "disk", "printable", "theme", "views"]),
    ("headless", &["app", "event", "metric", "reading", "session", "printable", "trainer", "units"]),
    (
        "tui",
        &[
            "app",
            "config",
            "disk",
            "reading",
            "runs_list",
            "order",
            "runlog",
            "session",
            "panics",
            "printable",
            "theme",
            "views",
            "widgets",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "claims",
            "config",
            "reading",
            "runs_list",
            "datasets",
            "event",
            "experiment",
            "headless",
            "history",
            "metric",
            "model",
            "nn",
            "order",
            "paths",
            "runlog",
            "session",
            "sources",
            "structure",
            "printable",
            "trainer",
            "theme",
            "tui",
            "units",
            "views",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Third-party crates that may be used only in some rooms.
const CRATES: &[(&str, &[&str])] = &[
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
    ("crc32c", &["sources"]),
    ("crc32fast", &["runlog", "sources", "trainer"]),
    ("crossbeam_channel", &["session", "reading", "tui", "cli"]),
    ("crossterm", &["tui", "cli"]),
    ("csv", &["datasets", "views"]),
    ("dfdx", &["nn", "model"]),
    ("directories", &["paths"]),
    ("fast_float2", &["runlog", "sources"]),
    ("flate2", &["datasets", "tui"]),
    ("indicatif", &["headless"]),
    ("memchr", &["runlog", "sources"]),
    ("parquet", &["cli"]),
    ("ratatui", &["theme", "widgets", "views", "tui"]),
    ("rayon", &["model"]),
    ("rustix", &["runlog", "session", "tui", "cli"]),
    ("safetensors", &["trainer"]),
    ("serde_json", &["runlog", "session", "sources", "trainer", "config", "cli"]),
    ("sha2", &["random", "datasets", "model", "sources", "trainer"]),
    ("signal_hook", &["tui", "headless", "cli"]),
    ("toml", &["experiment", "runlog", "config"]),
    ("regex_lite", &["app"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !is_for_tests(&path) {
            found.push(path);
        }
    }
}

/// Whether a file is a module that its parent declares for tests only.
fn is_for_tests(file: &Path) -> bool {
    let within = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file);
    if within.components().any(|part| part.as_os_str() == "tests") {
        return true;
    }
    let name = file.file_stem().unwrap().to_str().unwrap();
    let parent = fs::read_to_string(file.parent().unwrap().with_extension("rs")).unwrap_or_default();
    let declares = |line: &str| {
        let declared = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        declared.is_some_and(|(_, declared)| declared == name)
    };
    parent.split("\n#[cfg(test)]\n").skip(1).any(|after| after.lines().next().is_some_and(declares))
}

/// The top-level module a file belongs to: the first part of its path below `src`.
fn room(file: &Path, src: &Path) -> String {
    let below = file.strip_prefix(src).unwrap();
    below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments and without its test module, which comes last.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// A line without its comment; two slashes inside a string don't begin one.
fn without_comment(line: &str) -> &str {
    let is_outside = |at: usize| {
        let before = line[..at].replace("\\\\", "").replace("\\\"", "").replace("'\"'", "");
        before.matches('"').count().is_multiple_of(2)
    };
    let comment = line.match_indices("//").map(|(at, _)| at).find(|at| is_outside(*at));
    comment.map_or(line, |at| &line[..at])
}

/// The names that follow `prefix` in the code, where `prefix` begins a path.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| is_name(c) || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    _ => {}
                }
                if depth == 0 && start && is_name(c) {
                    name.push(c);
                } else if !name.is_empty() {
                    names.insert(std::mem::take(&mut name));
                    start = c == ',';
                }
            }
            names.extend((!name.is_empty()).then_some(name));
        } else {
            names.insert(rest.chars().take_while(|&c| is_name(c)).collect());
        }
    }
    names
}

#[test]
fn every_import_goes_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in &files {
        let room = room(file, &src);
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
            panic!("{} belongs to no room of the import table", file.display());
        };
        let code = code(file);
        for prefix in ["crate::", "skiplane::"] {
            for name in names_after(&code, prefix) {
                let is_room = IMPORTS.iter().any(|(other, _)| *other == name);
                if is_room && name != room && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}: `{room}` may not import `{name}`", file.display()));
                }
            }
        }
        // Channels of the standard library would not be found by a room's name.
        if code.contains("mpsc") {
            wrong.push(format!("{}: expected channels of crossbeam, found others", file.display()));
        }
        for (name, rooms) in CRATES {
            if !rooms.contains(&room.as_str()) && !names_after(&code, &format!("{name}::")).is_empty() {
                wrong.push(format!("{}: the crate `{name}` has no business in `{room}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_goes_down() {
    for (at, (room, allowed)) in IMPORTS.iter().enumerate() {
        for name in *allowed {
            let below = IMPORTS.iter().position(|(other, _)| other == name);
            assert!(
                below.is_some_and(|b| b < at),
                "`{room}` imports `{name}`, which does not stand above it"
            );
        }
    }
}

#[test]
fn imports_are_found_in_every_spelling() {
    let code = "use crate::{event::{Columns, Split}, units::Step};\nuse crate::app::App;\nlet x = crate::printable::printable(y);";
    let found = names_after(code, "crate::");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["app", "event", "printable", "units"]);
    assert!(names_after("use mycrate::thing;", "crate::").is_empty());
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|e| e == "rs") && name != "main" {
            assert!(
                main.contains(&format!("mod {name};")),
                "{name}.rs is not registered in tests/it/main.rs"
            );
        }
    }
}

/// Drawing changes nothing: no room that `render` reaches has interior mutability.
#[test]
fn nothing_below_render_changes_while_it_is_drawn() {
    const ROOMS: &[&str] = &["app", "history", "views", "widgets"];
    const CELLS: &[&str] = &[
        "cell::Cell",
        "RefCell",
        "UnsafeCell",
        "OnceCell",
        "OnceLock",
        "LazyCell",
        "Mutex",
        "RwLock",
        "Atomic",
        "dyn Fn()",
    ];
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.retain(|file| ROOMS.contains(&room(file, &src).as_str()));
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let code = code(&file);
        let found = CELLS.iter().find(|cell| code.contains(**cell));
        assert_eq!(found, None, "{}", file.display());
    }
}
