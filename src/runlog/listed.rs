//! A run in a list: what it is and its state, the user's notes, or why it cannot be read. Reads little, whatever is in
//! the folder.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::RunLogError;
use super::bounded::read_bounded;
use super::folder::RunFolder;
use super::listing::summarize;
use super::manifest::Manifest;
use super::notes::Notes;
use super::summary::{RunSummary, State};
use crate::experiment::Experiment;

/// A larger `experiment.toml` is not read.
const MOST_BYTES: usize = 1 << 20;

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The name of its folder.
    pub id: String,
    /// What is known of it, or why it cannot be read.
    pub known: Result<Box<Known>, String>,
}

/// What is known of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its summary.
    pub summary: RunSummary,
    /// The checked experiment; none if it cannot be read.
    pub experiment: Option<Experiment>,
    /// The user's notes.
    pub notes: Notes,
    /// Why the notes cannot be read; then they cannot be changed either.
    pub notes_problem: Option<String>,
}

impl Listed {
    /// Its state; none if it cannot be read.
    pub fn state(&self) -> Option<State> {
        self.known.as_ref().ok().map(|known| known.summary.state)
    }
}

/// The names in a folder of runs that may be runs, ascending: all but files and names that begin with a dot. Of several
/// links to one folder the first is kept, or none if that folder is in `root` itself.
///
/// # Errors
/// If the folder cannot be read. A missing folder has no runs.
pub fn ids(root: &Path) -> Result<Vec<String>, RunLogError> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(RunLogError::io("read", root))?,
    };
    let (mut ids, mut links) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(RunLogError::io("read", root))?;
        let Ok(kind) = entry.file_type() else { continue };
        let Ok(id) = entry.file_name().into_string() else { continue };
        if id.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            ids.push(id);
        } else if kind.is_symlink() {
            links.push(id);
        }
    }
    ids.extend(links_out(root, links));
    ids.sort_unstable();
    Ok(ids)
}

/// The links that lead out of `root`, one to each target.
fn links_out(root: &Path, mut links: Vec<String>) -> Vec<String> {
    links.sort_unstable();
    let home = root.canonicalize().ok();
    let mut targets = HashSet::new();
    links.retain(|id| {
        let target = root.join(id).canonicalize().ok();
        target.is_some_and(|target| target.parent() != home.as_deref() && targets.insert(target))
    });
    links
}

/// Reads a folder of `root`; none if it is not a run: not a folder, or one without `run.json`.
pub fn read_listed(root: &Path, id: &str, now: SystemTime) -> Option<Listed> {
    let path = root.join(id);
    let unreadable = |reason: String| Some(Listed { id: id.to_owned(), known: Err(reason) });
    if !path.is_dir() || fs::symlink_metadata(path.join(Manifest::FILE)).is_err() {
        return None;
    }
    let summary = match summarize(&path, now) {
        Ok(summary) => summary,
        Err(error) => return unreadable(short(&error, &path)),
    };
    let (notes, notes_problem) = match Notes::read(&path) {
        Ok(notes) => (notes, None),
        Err(error) => (Notes::default(), Some(short(&error, &path))),
    };
    let experiment = experiment(&path);
    Some(Listed {
        id: id.to_owned(),
        known: Ok(Box::new(Known { summary, experiment, notes, notes_problem })),
    })
}

fn experiment(run: &Path) -> Option<Experiment> {
    let bytes = read_bounded(&run.join(RunFolder::EXPERIMENT), MOST_BYTES).ok()?;
    toml::from_slice(&bytes).ok()
}

/// The message of an error without the run's folder, which the reader knows.
fn short(error: &RunLogError, run: &Path) -> String {
    let text = error.to_string();
    text.replace(&format!("{}/", super::shown(run)), "")
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::RunFolder;
    use super::super::folder::tests::{experiment, new_run};
    use super::*;

    #[test]
    fn a_run_elsewhere_is_listed_once_by_its_first_link() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let experiment = experiment();
        let here = RunFolder::create(root.path(), new_run("here", &experiment)).unwrap();
        let there = RunFolder::create(elsewhere.path(), new_run("there", &experiment)).unwrap();
        for (target, link) in [
            (there.path(), "linked"),
            (there.path(), "linked-again"),
            (here.path(), "alias"),
            (Path::new("loop"), "loop"),
            (Path::new("gone"), "dangling"),
        ] {
            symlink(target, root.path().join(link)).unwrap();
        }
        assert_eq!(ids(root.path()).unwrap(), [here.id(), "linked"]);
        let listed = read_listed(root.path(), "linked", SystemTime::now()).unwrap();
        assert!(listed.known.is_ok(), "{listed:?}");
    }
}
