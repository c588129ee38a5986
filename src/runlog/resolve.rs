//! Finds the run that a user means: `latest`, one before it as `latest~1`, an id, a unique part of one, or a folder.

use std::path::{Path, PathBuf};

use super::RunLogError;
use super::listed::ids;
use super::manifest::Manifest;
use crate::printable::printable;

/// The most candidates or similar names listed.
const SUGGESTIONS: usize = 5;
/// The least similarity (Jaro-Winkler, 0 to 1) of a similar name.
const NEAR: f64 = 0.75;

/// The folder of the run that `name` means, looked for in `root`. A name with a separator, or `.` or `..`,
/// is a folder; any other is first looked up among the ids, so that no id leads out of the root.
///
/// # Errors
/// If no run or several runs match the name.
pub fn resolve(root: &Path, name: &str) -> Result<PathBuf, RunLogError> {
    if is_path(name) {
        let path = PathBuf::from(name);
        Manifest::read(&path)?;
        return Ok(path);
    }
    if is_run(&root.join(name)) && !name.is_empty() {
        return Ok(root.join(name));
    }
    let ids: Vec<String> =
        ids(root).unwrap_or_default().into_iter().filter(|id| is_run(&root.join(id))).collect();
    if let Some(back) = back_from_latest(name) {
        return nth_latest(root, &ids, back);
    }
    match candidates(name, &ids).as_slice() {
        [one] => Ok(root.join(one)),
        [] if is_run(Path::new(name)) => Ok(PathBuf::from(name)),
        [] if ids.is_empty() => Err(RunLogError::Empty { root: root.to_owned() }),
        [] => {
            let (name, root) = (name.to_owned(), root.to_owned());
            let near = near(&name, &ids);
            Err(RunLogError::NotFound { name, root, near })
        }
        several => {
            let mut candidates: Vec<String> =
                several.iter().rev().take(SUGGESTIONS).map(|id| printable(id)).collect();
            if several.len() > SUGGESTIONS {
                candidates.push(format!("and {} more", several.len() - SUGGESTIONS));
            }
            Err(RunLogError::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

/// The folders of the runs in a folder, in the order of their names; none if it is a run itself.
///
/// # Errors
/// If the folder cannot be read.
pub fn runs_in(folder: &Path) -> Result<Vec<PathBuf>, RunLogError> {
    if is_run(folder) {
        return Ok(Vec::new());
    }
    let paths = ids(folder)?.into_iter().map(|id| folder.join(id));
    Ok(paths.filter(|path| is_run(path)).collect())
}

fn is_run(folder: &Path) -> bool {
    folder.join(Manifest::FILE).is_file()
}

fn is_path(name: &str) -> bool {
    name == "." || name == ".." || name.contains(['/', std::path::MAIN_SEPARATOR])
}

/// The ids that begin with a name; if none does, those that contain it.
fn candidates<'a>(name: &str, ids: &'a [String]) -> Vec<&'a String> {
    if name.is_empty() {
        return Vec::new();
    }
    let begins: Vec<&String> = ids.iter().filter(|id| id.starts_with(name)).collect();
    if begins.is_empty() { ids.iter().filter(|id| id.contains(name)).collect() } else { begins }
}

/// How many runs before the last one `latest`, `latest~1`, ... refer to.
fn back_from_latest(name: &str) -> Option<usize> {
    match name.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

/// The readable run this many before the one that started last; of several that started at the same time, the one with
/// the greatest id is the last.
fn nth_latest(root: &Path, ids: &[String], back: usize) -> Result<PathBuf, RunLogError> {
    let started = |id: &String| {
        let path = root.join(id);
        Manifest::read(&path).ok().map(|manifest| (manifest.started_unix_ms, path))
    };
    let mut runs: Vec<(i64, PathBuf)> = ids.iter().filter_map(started).collect();
    runs.sort_unstable();
    let count = runs.len();
    match runs.into_iter().nth_back(back) {
        Some((_, path)) => Ok(path),
        None if count == 0 => Err(RunLogError::Empty { root: root.to_owned() }),
        None => Err(RunLogError::TooFew { back, root: root.to_owned(), count }),
    }
}

/// Ids similar to the name, the most similar first.
fn near(name: &str, ids: &[String]) -> Vec<String> {
    let likeness = |id: &String| {
        // A mistyped id may also lack its date.
        let label = id.splitn(3, '-').nth(2).unwrap_or(id);
        let whole = strsim::jaro_winkler(name, id);
        whole.max(strsim::jaro_winkler(name, label))
    };
    let mut near: Vec<(f64, &String)> =
        ids.iter().map(|id| (likeness(id), id)).filter(|(likeness, _)| *likeness >= NEAR).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    near.into_iter().take(SUGGESTIONS).map(|(_, id)| printable(id)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::folder::tests::{experiment, new_run};
    use super::super::{NewRun, RunFolder};
    use super::*;

    /// A root with runs of the given names, started a minute apart in this order.
    fn root_with(names: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        for (minute, name) in names.iter().enumerate() {
            let run = new_run(name, &experiment);
            let started = run.started + jiff::SignedDuration::from_mins(minute as i64);
            RunFolder::create(root.path(), NewRun { started, ..run }).unwrap();
        }
        root
    }

    fn found(root: &tempfile::TempDir, name: &str) -> String {
        match resolve(root.path(), name) {
            Ok(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_run_is_found_by_every_way_of_naming_it() {
        let root = root_with(&["quick", "depth"]);
        let quick = "20261123-121610-quick";
        assert_eq!(found(&root, quick), quick);
        assert_eq!(found(&root, "20261123-121610"), quick);
        assert_eq!(found(&root, "latest"), "20261123-121710-depth");
        assert_eq!(found(&root, "latest~0"), "20261123-121710-depth");
        assert_eq!(found(&root, "latest~1"), quick);
        assert_eq!(found(&root, "quick"), quick);
        assert_eq!(found(&root, "1217"), "20261123-121710-depth");
        assert_eq!(found(&root, root.path().join(quick).to_str().unwrap()), quick);
    }

    #[test]
    fn latest_goes_by_time_rather_than_by_name() {
        let root = root_with(&["quick", "depth"]);
        fs::rename(root.path().join("20261123-121610-quick"), root.path().join("example")).unwrap();
        assert_eq!(found(&root, "latest"), "20261123-121710-depth");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_run_of_the_folder_is_a_name_of_it_and_no_run_more() {
        let root = root_with(&["quick", "depth"]);
        std::os::unix::fs::symlink("20261123-121710-depth", root.path().join("best")).unwrap();
        assert_eq!(found(&root, "best"), "best");
        assert_eq!(found(&root, "latest~1"), "20261123-121610-quick");
    }

    #[test]
    fn what_is_not_found_is_explained() {
        let root = root_with(&["quick", "depth"]);
        assert!(found(&root, "20261123-12").contains("20261123-121710-depth, 20261123-121610-quick"));
        assert!(
            found(&root, "qiuck").contains("did you mean 20261123-121610-quick?"),
            "{}",
            found(&root, "qiuck")
        );
        assert!(found(&root, "121").contains("20261123-121710-depth, 20261123-121610-quick"));
        assert!(
            found(&root, "latest~2").contains("latest~2: expected more than 2 runs in "),
            "{}",
            found(&root, "latest~2")
        );
        assert!(found(&root, "latest~x").contains("no run `latest~x`"));
        assert!(found(&root, "zzz").contains("`skiplane runs` lists them"));
        assert!(found(&root, "").contains("no run"));
        let empty = tempfile::tempdir().unwrap();
        assert!(found(&empty, "latest").contains("no run in"));
        assert!(found(&empty, "x").contains("no run in"));
    }

    #[test]
    fn no_name_leads_out_of_the_root() {
        let outer = root_with(&["secret"]);
        let root = outer.path().join("runs");
        fs::create_dir(&root).unwrap();
        for name in ["..", "../20261123-121610-secret", "20261123-121610-secret", "..\\secret"] {
            assert!(resolve(&root, name).is_err(), "{name}");
        }
    }
}
