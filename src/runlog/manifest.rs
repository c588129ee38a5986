//! `run.json`: where a run comes from. Everything in it may differ between two runs of one experiment.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunLogError;
use super::bounded::read_bounded;
use crate::event::FORMAT_VERSION;

/// The longest file that is read.
const MOST_BYTES: usize = 1 << 20;
/// The most lanes.
const MOST_LANES: usize = 1_000;

/// The provenance of a run. Only version and lanes are required. Unknown fields of newer writers are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the folder and its logs, [`FORMAT_VERSION`] of the writer.
    pub version: u32,
    /// The run's id, the original name of its folder.
    #[serde(default)]
    pub run: String,
    /// The version of skiplane that trained it; empty for other programs.
    #[serde(default)]
    pub skiplane: String,
    /// The experiment's name: the stem of its file, or what `--name` gave.
    #[serde(default)]
    pub experiment: String,
    /// The experiment's question.
    #[serde(default)]
    pub question: String,
    /// The seed.
    #[serde(default)]
    pub seed: u64,
    /// The updates each lane is to make.
    #[serde(default)]
    pub steps: u64,
    /// When it started, RFC 3339 in UTC.
    #[serde(default)]
    pub started: String,
    /// The same in milliseconds since 1970; `at_ms` of every event counts from here.
    #[serde(default)]
    pub started_unix_ms: i64,
    /// The name of the machine.
    #[serde(default)]
    pub host: String,
    /// The operating system and processor: `linux x86_64`.
    #[serde(default)]
    pub os: String,
    /// The vector instructions that the kernels chose: `avx2`.
    #[serde(default)]
    pub instruction_set: String,
    /// Threads that compute, in all lanes.
    #[serde(default)]
    pub threads: usize,
    /// The command line.
    #[serde(default)]
    pub command: Vec<String>,
    /// The sweep that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepName>,
    /// The settings of a run of another program, of any form.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// The lanes in the order of the experiment.
    pub lanes: Vec<ManifestLane>,
}

/// The sweep that a run is part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepName {
    /// The name by which its runs belong together.
    pub name: String,
    /// The changes to its file on the command line, each `KEY=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
}

/// A lane and its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLane {
    /// The lane's name.
    pub name: String,
    /// Its log, a file name in the run's folder.
    pub log: String,
}

/// The fields of every version of the file.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Manifest {
    /// The settings of a run of another program with dotted keys, ascending.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        flatten("", &self.config, &mut settings);
        settings
    }

    /// The file's name in the run's folder.
    pub const FILE: &'static str = "run.json";

    /// Reads `run.json` of a run's folder.
    ///
    /// # Errors
    /// If it cannot be read, is of a newer format, or names a log outside the folder.
    pub fn read(folder: &Path) -> Result<Manifest, RunLogError> {
        let path = folder.join(Manifest::FILE);
        let text = read_bounded(&path, MOST_BYTES).map_err(RunLogError::io("read", &path))?;
        let malformed =
            |e: serde_json::Error| RunLogError::malformed(&path, format!("expected a run's provenance: {e}"));
        let read: Result<Manifest, serde_json::Error> = serde_json::from_slice(&text);
        if !read.as_ref().is_ok_and(|manifest| manifest.version <= FORMAT_VERSION) {
            let Versioned { version } = serde_json::from_slice(&text).map_err(malformed)?;
            if version > u64::from(FORMAT_VERSION) {
                return Err(RunLogError::Newer { path, found: version });
            }
        }
        let mut manifest = read.map_err(malformed)?;
        if manifest.run.is_empty() {
            manifest.run =
                folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        if manifest.lanes.len() > MOST_LANES {
            let reason = format!("expected at most {MOST_LANES} lanes, found {}", manifest.lanes.len());
            return Err(RunLogError::malformed(&path, reason));
        }
        for lane in &manifest.lanes {
            if !is_file_name(&lane.log) {
                let reason =
                    format!("expected a file name as the log of lane `{}`, found `{}`", lane.name, lane.log);
                return Err(RunLogError::malformed(&path, reason));
            }
        }
        Ok(manifest)
    }
}

/// Whether a name stays in its folder.
pub(super) fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let one = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    one && components.next().is_none() && !name.contains(['/', '\\', '\0'])
}

/// Adds what a value holds below a dotted key; a list is one value.
fn flatten(key: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, settings);
            }
        }
        Value::String(text) => settings.push((key.to_owned(), text.clone())),
        value => settings.push((key.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_names_inside_the_folder_are_file_names() {
        for name in ["plain.jsonl", "a b", ".hidden"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".", "..", "/etc/passwd", "../x", "a/b", "a/", "a\\b", "./a"] {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_even_where_nothing_else_is_known() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(Manifest::FILE), r#"{"version": 99, "shape": "unheard of"}"#).unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("found 99") && error.contains("newer skiplane"), "{error}");
    }

    #[test]
    fn hostile_files_are_refused_in_bounded_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Manifest::FILE);
        let nested = format!(r#"{{"version":1,"x":{}"#, "[".repeat(100_000));
        let lane = r#"{"name":"x","log":"x"},"#.repeat(2_000);
        let lanes = format!(
            r#"{{"version":1,"run":"r","skiplane":"0","experiment":"e","seed":0,"steps":1,"started":"",
            "started_unix_ms":0,"lanes":[{}]}}"#,
            lane.trim_end_matches(',')
        );
        let huge = " ".repeat(MOST_BYTES + 1);
        let cases = [(nested, "a run's provenance"), (huge, "at most 1048576 bytes"), (lanes, "found 2000")];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = Manifest::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_log_outside_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"run":"r","skiplane":"0","experiment":"e","seed":0,"steps":1,"started":"",
            "started_unix_ms":0,"lanes":[{"name":"plain","log":"../../secret"}]}"#;
        fs::write(folder.path().join(Manifest::FILE), text).unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("../../secret"));
    }
}
