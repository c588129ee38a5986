//! Run folders and their logs: written once, append-only, and read back as the events that were written.
//! Format: `docs/RUN_LOG.md`.

// runs/<run-id>/
//   experiment.toml        the experiment as resolved
//   run.json               provenance (Manifest)
//   <lane>.jsonl           one log a lane
//   checkpoints/<lane>-<step>.safetensors
//
// To come, in rooms of their own:
// pub struct Manifest { version, run: String, skiplane: String, seed, started: String (RFC 3339), host, instruction_set,
//     threads, lanes: Vec<ManifestLane { name, log }> , ... }
// pub struct RunFolder  ::create(root, name: Option<&str>, &Experiment, Manifest..) exclusive; ::open(path)
// pub struct LogWriter  ::create(path); append(&RunEvent) -> io::Result<Range<u64>> (bytes of the record); flush; close
// pub struct LogReader  ::open(path) / from(any Read); next() -> Option<Entry>
//     enum Entry { Event(RunEvent), UnknownKind{..}, Bad{line, reason} } and a torn tail that stays unread: offset()
// pub fn resolve(root, "latest" | id | unique prefix | folder) -> Result<PathBuf, ..>
// pub fn list(root) -> Vec<RunSummary>
