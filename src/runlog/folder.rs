//! A run's folder: its id, its files, and how it is created so that no two runs share one.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::home::Home;
use super::manifest::{Manifest, ManifestLane, SweepName, is_file_name};
use super::{LogReader, LogWriter, RunLogError};
use crate::disk::{replace, sync_folder};
use crate::event::FORMAT_VERSION;
use crate::experiment::Experiment;
use crate::units::LaneIdx;

/// Ids tried before giving up: the most runs of one name that can start within a second.
const ATTEMPTS: u32 = 100;
/// The prefix of the names of temporary files.
const UNFINISHED: &str = ".tmp";
/// Such prefixes in a run's folder: that of this process, and that of indexes.
const LITTER: [&str; 3] = [UNFINISHED, ".status.json.new", ".index-"];
/// Characters of the name that go into the id.
const NAME_LENGTH: usize = 40;

/// What must be known of a run when its folder is created.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// The experiment's name: the stem of its file, or what the user called the run.
    pub name: &'a str,
    /// The checked experiment.
    pub experiment: &'a Experiment,
    /// The vector instructions that the kernels chose.
    pub instruction_set: String,
    /// Threads that compute, in all lanes.
    pub threads: usize,
    /// The command line.
    pub command: Vec<String>,
    /// When the run starts.
    pub started: Timestamp,
    /// The sweep that it is part of.
    pub sweep: Option<SweepFile<'a>>,
}

/// A sweep as it was started.
#[derive(Clone, Copy, Debug)]
pub struct SweepFile<'a> {
    /// Its name, and the changes to its file.
    pub of: &'a SweepName,
    /// The text of its file.
    pub text: &'a str,
}

/// What is known of a run of another program when a folder is made for it.
#[derive(Clone, Debug)]
pub struct Imported<'a> {
    /// What it is called.
    pub name: &'a str,
    /// When it started.
    pub started: Timestamp,
    /// The names of its lanes.
    pub lanes: &'a [String],
    /// The command line.
    pub command: Vec<String>,
    /// The settings of the run.
    pub config: serde_json::Value,
}

/// A run's folder on disk.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    manifest: Manifest,
    /// Its handle, if the run trains in this process.
    home: Option<Arc<Home>>,
}

impl RunFolder {
    /// The file of the checked experiment.
    pub const EXPERIMENT: &'static str = "experiment.toml";
    /// The file of the sweep that the run is part of, as it was when the run was started.
    pub const SWEEP: &'static str = "sweep.toml";
    /// The folder of checkpoints.
    pub const CHECKPOINTS: &'static str = "checkpoints";

    /// Creates a folder of its own for a new run under `root`, with `experiment.toml`, `run.json` and an
    /// empty folder of checkpoints. The id is the start in UTC and the name, `20261123-121610-quick`; a number is added
    /// if that is taken.
    ///
    /// # Errors
    /// Where a folder or file cannot be created.
    pub fn create(root: &Path, run: NewRun<'_>) -> Result<RunFolder, RunLogError> {
        fs::create_dir_all(root).map_err(RunLogError::io("create", root))?;
        let (id, path) = create_exclusively(root, &run_id(run.started, run.name))?;
        let lanes = run.experiment.lanes.iter();
        let manifest = Manifest {
            version: FORMAT_VERSION,
            run: id,
            skiplane: env!("CARGO_PKG_VERSION").to_owned(),
            experiment: run.name.to_owned(),
            question: run.experiment.question.clone(),
            seed: run.experiment.seed,
            steps: run.experiment.training.steps,
            started: format!("{:.3}", run.started),
            started_unix_ms: run.started.as_millisecond(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            os: format!("{OS} {ARCH}"),
            instruction_set: run.instruction_set,
            threads: run.threads,
            command: run.command,
            sweep: run.sweep.map(|sweep| sweep.of.clone()),
            config: serde_json::Value::Null,
            lanes: lanes
                .map(|l| ManifestLane { name: l.name.clone(), log: format!("{}.jsonl", l.name) })
                .collect(),
        };
        let folder = RunFolder { path, manifest, home: None };
        let checkpoints = folder.checkpoints();
        fs::create_dir(&checkpoints).map_err(RunLogError::io("create", &checkpoints))?;
        let experiment = run.experiment.to_toml().map_err(|e| {
            RunLogError::malformed(&folder.path.join(RunFolder::EXPERIMENT), format!("cannot be TOML: {e}"))
        })?;
        folder.write_new(RunFolder::EXPERIMENT, experiment.as_bytes())?;
        if let Some(sweep) = run.sweep {
            folder.write_new(RunFolder::SWEEP, sweep.text.as_bytes())?;
        }
        folder.write_manifest(root)?;
        Ok(folder)
    }

    /// Creates a folder for a run of another program under `root`, with a `run.json`. The names of its logs are those of
    /// its lanes, as far as they can be.
    ///
    /// # Errors
    /// Where a folder or file cannot be created.
    pub fn import(root: &Path, run: Imported<'_>) -> Result<RunFolder, RunLogError> {
        fs::create_dir_all(root).map_err(RunLogError::io("create", root))?;
        let (id, path) = create_exclusively(root, &run_id(run.started, run.name))?;
        let mut lanes: Vec<ManifestLane> = Vec::new();
        for name in run.lanes {
            let stem: String = name
                .chars()
                .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' })
                .collect();
            let stem = stem.trim_start_matches('.');
            let stem: String = stem.chars().take(NAME_LENGTH).collect();
            let is_free = |log: &String| !log.starts_with('.') && lanes.iter().all(|lane| lane.log != *log);
            let numbered = (2..).map(|n| format!("{stem}-{n}.jsonl"));
            let log =
                std::iter::once(format!("{stem}.jsonl")).chain(numbered).find(is_free).unwrap_or_default();
            lanes.push(ManifestLane { name: name.clone(), log });
        }
        let manifest = Manifest {
            version: FORMAT_VERSION,
            run: id,
            skiplane: String::new(),
            experiment: run.name.to_owned(),
            question: String::new(),
            seed: 0,
            steps: 0,
            started: format!("{:.3}", run.started),
            started_unix_ms: run.started.as_millisecond(),
            host: String::new(),
            os: String::new(),
            instruction_set: String::new(),
            threads: 0,
            command: run.command,
            sweep: None,
            config: run.config,
            lanes,
        };
        let folder = RunFolder { path, manifest, home: None };
        folder.write_manifest(root)?;
        Ok(folder)
    }

    /// Writes `run.json`, the last of all files, because a folder counts as a run as soon as it has one.
    fn write_manifest(&self, root: &Path) -> Result<(), RunLogError> {
        let mut json = serde_json::to_vec_pretty(&self.manifest).map_err(|e| {
            RunLogError::malformed(&self.path.join(Manifest::FILE), format!("cannot be JSON: {e}"))
        })?;
        json.push(b'\n');
        self.write_new(Manifest::FILE, &json)?;
        sync_folder(root).map_err(RunLogError::io("sync", root))
    }

    /// Opens the folder of a run.
    ///
    /// # Errors
    /// If it has no readable `run.json` of this format.
    pub fn open(path: &Path) -> Result<RunFolder, RunLogError> {
        Ok(RunFolder { path: path.to_owned(), manifest: Manifest::read(path)?, home: None })
    }

    /// Keeps the folder open from now on, so that its files are still reached if it is moved.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn hold(&mut self) -> Result<(), RunLogError> {
        self.home = Some(Arc::new(Home::hold(&self.path).map_err(RunLogError::io("open", &self.path))?));
        Ok(())
    }

    /// Removes the temporary files of a killed process. Requires the lock of the run. It may also remove an index that
    /// another process is writing, which is harmless.
    pub fn tidy(&self) {
        remove_files(self.reach(), &LITTER);
        remove_files(&self.checkpoints(), &[UNFINISHED]);
    }

    /// The folder's path, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path by which its files are reached: through the handle if it is open, else as given.
    pub fn reach(&self) -> &Path {
        self.home.as_ref().map_or(&self.path, |home| home.path())
    }

    /// A message with paths through the handle replaced by those that the user knows.
    pub fn named(&self, text: &str) -> String {
        match &self.home {
            Some(home) => text.replace(&*home.path().to_string_lossy(), &self.path.to_string_lossy()),
            None => text.to_owned(),
        }
    }

    /// Where the run comes from.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.manifest.run
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.reach().join(RunFolder::CHECKPOINTS)
    }

    /// The path of a checkpoint by the name in its record; none if that leads out of the folder of checkpoints.
    pub fn checkpoint(&self, name: &str) -> Option<PathBuf> {
        let (folder, file) = name.split_once('/')?;
        (folder == RunFolder::CHECKPOINTS && is_file_name(file)).then(|| self.checkpoints().join(file))
    }

    /// The log of a lane; none if the run has no such lane.
    pub fn log(&self, lane: LaneIdx) -> Option<PathBuf> {
        self.manifest.lanes.get(lane.0).map(|lane| self.reach().join(&lane.log))
    }

    /// Creates the log of a lane.
    ///
    /// # Errors
    /// Where it exists already or cannot be created.
    pub fn create_log(&self, lane: LaneIdx) -> Result<LogWriter, RunLogError> {
        let path = self.existing_log(lane)?;
        let created = LogWriter::create(&path).map_err(RunLogError::io("create", &path))?;
        Ok(created.kept_in(self.home.clone()))
    }

    /// Opens the log of a lane for appending after its first `length` bytes; its next record has at least the number
    /// `next`.
    ///
    /// # Errors
    /// As [`LogWriter::reopen`].
    pub fn reopen_log(&self, lane: LaneIdx, length: u64, next: u64) -> Result<LogWriter, RunLogError> {
        let path = self.existing_log(lane)?;
        let opened = LogWriter::reopen(&path, length).map_err(RunLogError::io("reopen", &path))?;
        Ok(opened.numbered_from(next).kept_in(self.home.clone()))
    }

    /// Opens the log of a lane from its beginning.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn read_log(&self, lane: LaneIdx) -> Result<LogReader<fs::File>, RunLogError> {
        LogReader::open(&self.existing_log(lane)?)
    }

    /// The checked experiment.
    ///
    /// # Errors
    /// If `experiment.toml` cannot be read or is not valid.
    pub fn experiment(&self) -> Result<Experiment, RunLogError> {
        let path = self.path.join(RunFolder::EXPERIMENT);
        let text = fs::read_to_string(&path).map_err(RunLogError::io("read", &path))?;
        toml::from_str(&text).map_err(|e| RunLogError::malformed(&path, e.message()))
    }

    fn existing_log(&self, lane: LaneIdx) -> Result<PathBuf, RunLogError> {
        self.log(lane).ok_or_else(|| {
            let reason = format!("expected a lane {}, found {} lanes", lane.0, self.manifest.lanes.len());
            RunLogError::malformed(&self.path.join(Manifest::FILE), reason)
        })
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), RunLogError> {
        replace(&self.path, name, UNFINISHED, bytes).map_err(RunLogError::io("write", &self.path.join(name)))
    }
}

/// Removes the files of a folder whose names have a prefix. Errors are ignored.
fn remove_files(folder: &Path, beginnings: &[&str]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_unfinished = beginnings.iter().any(|beginning| name.to_string_lossy().starts_with(beginning));
        if is_unfinished && entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The id to try first.
fn run_id(started: Timestamp, name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.chars().map(safe).take(NAME_LENGTH).collect();
    let name = name.trim_matches(['-', '.']);
    let time = started.strftime("%Y%m%d-%H%M%S");
    if name.is_empty() { time.to_string() } else { format!("{time}-{name}") }
}

/// Creates a new folder, with a number appended to its name if needed.
fn create_exclusively(root: &Path, id: &str) -> Result<(String, PathBuf), RunLogError> {
    for attempt in 1..=ATTEMPTS {
        let id = if attempt == 1 { id.to_owned() } else { format!("{id}-{attempt}") };
        let path = root.join(&id);
        match fs::create_dir(&path) {
            Ok(()) => return Ok((id, path)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {}
            Err(e) => return Err(RunLogError::Io { action: "create", path, cause: e }),
        }
    }
    unreachable!("the last attempt returns")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::experiment::{Data, Lane, Optimizer, Recording, Schedule, Setting, Settings, Training};

    pub(in crate::runlog) fn experiment() -> Experiment {
        let lane = |name: &str, shortcut: &str| {
            let settings = Settings::default()
                .with("depth", Setting::Whole(8))
                .with("width", Setting::Whole(4))
                .with("shortcut", shortcut.into());
            Lane::new(name, "resnet", settings)
        };
        Experiment {
            question: "does it?".to_owned(),
            seed: 7,
            data: Data { train_images: Some(512), ..Data::named("glyphs") },
            training: Training {
                steps: 60,
                batch: 32,
                evaluate_every: 20,
                evaluate_images: 128,
                checkpoint_every: 0,
                optimizer: Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 },
                schedule: Schedule::Steps { at: vec![30, 45], factor: 0.1, warmup: 0 },
            },
            statistics: Recording { every: 1, histograms_every: 20, layers: Vec::new() },
            probes: Default::default(),
            lanes: vec![lane("plain", "none"), lane("residual", "identity")],
        }
    }

    pub(in crate::runlog) fn new_run<'a>(name: &'a str, experiment: &'a Experiment) -> NewRun<'a> {
        NewRun {
            name,
            experiment,
            instruction_set: "scalar".to_owned(),
            threads: 2,
            command: vec!["skiplane".to_owned()],
            started: Timestamp::from_millisecond(1_795_436_170_250).unwrap(),
            sweep: None,
        }
    }

    #[test]
    fn runs_of_one_second_and_name_get_folders_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        let ids: Vec<String> = (0..3)
            .map(|_| RunFolder::create(root.path(), new_run("quick", &experiment)).unwrap().id().to_owned())
            .collect();
        assert_eq!(ids, ["20261123-121610-quick", "20261123-121610-quick-2", "20261123-121610-quick-3"]);
    }

    #[test]
    fn what_was_created_is_opened_again() {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        let created = RunFolder::create(root.path(), new_run("quick", &experiment)).unwrap();
        let opened = RunFolder::open(created.path()).unwrap();
        assert_eq!(opened.manifest(), created.manifest());
        assert_eq!(opened.experiment().unwrap(), experiment);
        assert_eq!(opened.manifest().started, "2026-11-23T12:16:10.250Z");
        assert_eq!(opened.log(LaneIdx(1)).unwrap(), created.path().join("residual.jsonl"));
        assert!(opened.log(LaneIdx(2)).is_none());
        assert!(opened.checkpoints().is_dir());
        let file = opened.checkpoint("checkpoints/plain-00000004.safetensors").unwrap();
        assert_eq!(file, opened.checkpoints().join("plain-00000004.safetensors"));
        for name in ["plain", "checkpoints/../../x", "checkpoints/..", "checkpoints/", "/etc/passwd", "../x"]
        {
            assert_eq!(opened.checkpoint(name), None, "{name}");
        }
    }

    #[test]
    fn an_id_is_a_safe_file_name() {
        let started = Timestamp::from_millisecond(1_795_436_170_250).unwrap();
        assert_eq!(run_id(started, "../../a b/ü"), "20261123-121610-a-b");
        assert_eq!(run_id(started, ""), "20261123-121610");
        assert!(run_id(started, &"x".repeat(500)).len() < 64);
    }
}
