//! Deleted runs: moved into a folder beside the others, from which they can be restored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RunLogError;
use super::bounded::kind;
use super::lock::{RunLock, is_locked};
use super::manifest::is_file_name;
use super::status::Status;

/// The folder of deleted runs, in the folder of runs.
pub(crate) const TRASH: &str = ".trash";
/// The most names tried in the trash for runs of one id.
const ATTEMPTS: u32 = 1_000;

/// A run in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The run's id.
    pub id: String,
    /// The name of its folder in the trash.
    pub name: String,
}

/// Moves a run's folder into the trash.
///
/// # Errors
/// If the id is not that of a folder in the runs folder itself, a process trains the run, or it cannot be moved.
pub fn discard(root: &Path, id: &str) -> Result<Discarded, RunLogError> {
    let path = named(root, id)?;
    folder(&path)?;
    // Held until the folder is moved, so that no process starts to train it meanwhile.
    let _lock = lock(&path)?;
    let trash = root.join(TRASH);
    match fs::create_dir(&trash) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(RunLogError::io("create", &trash)(error));
        }
        _ => folder(&trash)?,
    }
    for attempt in 1..=ATTEMPTS {
        let name = if attempt == 1 { id.to_owned() } else { format!("{id}-{attempt}") };
        let to = trash.join(&name);
        // Renaming would silently replace an empty folder.
        if fs::symlink_metadata(&to).is_err() {
            fs::rename(&path, &to).map_err(RunLogError::io("move to the trash", &path))?;
            return Ok(Discarded { id: id.to_owned(), name });
        }
    }
    Err(RunLogError::malformed(&trash, format!("holds {ATTEMPTS} runs of the id {id}; empty it")))
}

/// Moves a run back to where it was.
///
/// # Errors
/// If it is no longer in the trash, its place is taken, or it cannot be moved.
pub fn restore(root: &Path, run: &Discarded) -> Result<(), RunLogError> {
    let to = named(root, &run.id)?;
    let trash = root.join(TRASH);
    folder(&trash)?;
    let from = named(&trash, &run.name)?;
    folder(&from)?;
    if fs::symlink_metadata(&to).is_ok() {
        return Err(RunLogError::malformed(&to, "expected nothing in the run's place, found another run"));
    }
    fs::rename(&from, &to).map_err(RunLogError::io("move back", &from))
}

/// The folder of a run that is in the folder of runs, or that a link there leads to.
///
/// # Errors
/// If the id is not a valid name, or not that of a folder.
pub fn run_path(root: &Path, id: &str) -> Result<PathBuf, RunLogError> {
    let path = named(root, id)?;
    let metadata = fs::metadata(&path).map_err(RunLogError::io("find", &path))?;
    is_folder(&path, &metadata)?;
    Ok(path)
}

fn named(root: &Path, name: &str) -> Result<PathBuf, RunLogError> {
    if !is_file_name(name) || name.starts_with('.') {
        return Err(RunLogError::malformed(root, format!("expected the id of a run, found `{name}`")));
    }
    Ok(root.join(name))
}

fn folder(path: &Path) -> Result<(), RunLogError> {
    let metadata = fs::symlink_metadata(path).map_err(RunLogError::io("find", path))?;
    is_folder(path, &metadata)
}

fn is_folder(path: &Path, metadata: &fs::Metadata) -> Result<(), RunLogError> {
    if metadata.is_dir() {
        return Ok(());
    }
    Err(RunLogError::malformed(path, format!("expected a folder, found {}", kind(metadata))))
}

/// Takes the lock of a run that no process trains; none if it has no lock file, since this must not create one.
fn lock(run: &Path) -> Result<Option<RunLock>, RunLogError> {
    let refused = || RunLogError::malformed(run, "a process is training it; stop it before deleting the run");
    if is_locked(run).is_none() {
        let lives = Status::read(run).is_some_and(|status| status.life(run) == Some(true));
        return if lives { Err(refused()) } else { Ok(None) };
    }
    let taken = RunLock::take(run).map_err(RunLogError::io("lock", run))?;
    taken.map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for id in ["a", "b"] {
            fs::create_dir(root.path().join(id)).unwrap();
            fs::write(root.path().join(id).join("run.json"), id).unwrap();
        }
        root
    }

    fn text(root: &Path, path: &str) -> String {
        fs::read_to_string(root.join(path).join("run.json")).unwrap()
    }

    #[test]
    fn what_was_discarded_is_restored_as_it_was() {
        let root = root();
        let run = discard(root.path(), "a").unwrap();
        assert!(!root.path().join("a").exists());
        assert_eq!(text(root.path(), ".trash/a"), "a");
        restore(root.path(), &run).unwrap();
        assert_eq!(text(root.path(), "a"), "a");
        assert!(restore(root.path(), &run).is_err(), "it is no longer in the trash");
    }

    #[test]
    fn two_runs_of_one_id_do_not_replace_each_other() {
        let root = root();
        let first = discard(root.path(), "a").unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/run.json"), "another").unwrap();
        assert!(restore(root.path(), &first).unwrap_err().to_string().contains("another run"));
        let second = discard(root.path(), "a").unwrap();
        assert_ne!(first.name, second.name);
        restore(root.path(), &first).unwrap();
        assert_eq!(
            (text(root.path(), "a").as_str(), text(root.path(), ".trash/a-2").as_str()),
            ("a", "another")
        );
    }

    #[test]
    fn a_run_whose_lock_is_held_stays() {
        let root = root();
        let lock = RunLock::take(&root.path().join("a")).unwrap();
        assert!(discard(root.path(), "a").unwrap_err().to_string().contains("a process is training it"));
        assert_eq!(text(root.path(), "a"), "a");
        drop(lock);
        discard(root.path(), "a").unwrap();
    }

    #[test]
    fn no_id_leads_out_of_the_runs_folder_and_nothing_behind_a_link_is_moved() {
        let outer = root();
        let root = outer.path().join("runs");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(outer.path().join("a"), root.join("link")).unwrap();
        for id in ["", ".", "..", "../a", "/etc", "link", "a/b", ".trash", "none"] {
            assert!(discard(&root, id).is_err(), "{id}");
            assert_eq!(run_path(&root, id).is_ok(), id == "link", "{id}");
            let discarded = Discarded { id: "x".into(), name: id.into() };
            assert!(restore(&root, &discarded).is_err(), "{id}");
        }
        fs::create_dir(root.join("mine")).unwrap();
        std::os::unix::fs::symlink(outer.path().join("b"), root.join(TRASH)).unwrap();
        assert!(discard(&root, "mine").unwrap_err().to_string().contains("symbolic link"));
        assert!(root.join("mine").is_dir());
    }
}
