//! Where runs and settings are kept, and whether a folder can be written to. Knows nothing of what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// The folder of runs of a project.
const RUNS: &str = "runs";

/// Where the folder of runs comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOrigin {
    /// The user named it.
    Given,
    /// The working directory has one.
    WorkingDirectory,
    /// The user's data folder.
    UserData,
}

/// Why there is no folder of runs.
#[derive(Debug, thiserror::Error)]
#[error("expected a home folder to keep runs in, found none; name one with `--runs DIR`")]
pub struct NoHome;

/// The folder of runs: the one given, else `runs` in the working directory if it exists, else `runs` in
/// the user's data folder. It need not exist.
///
/// # Errors
/// If none is given and the user has no home folder.
pub fn runs_folder(given: Option<&Path>) -> Result<(PathBuf, RunsOrigin), NoHome> {
    if let Some(given) = given {
        return Ok((given.to_owned(), RunsOrigin::Given));
    }
    let here = PathBuf::from(RUNS);
    if here.is_dir() {
        return Ok((here, RunsOrigin::WorkingDirectory));
    }
    let user = ProjectDirs::from("", "", "skiplane").ok_or(NoHome)?;
    Ok((user.data_dir().join(RUNS), RunsOrigin::UserData))
}

/// The file of the user's settings, `config.toml` in the user's configuration folder; none without a home folder. It
/// need not exist.
pub fn config_file() -> Option<PathBuf> {
    ProjectDirs::from("", "", "skiplane").map(|user| user.config_dir().join("config.toml"))
}

/// The user's state folder; none without a home folder. It need not exist.
fn state_folder() -> Option<PathBuf> {
    let user = ProjectDirs::from("", "", "skiplane")?;
    Some(user.state_dir().unwrap_or_else(|| user.data_local_dir()).to_owned())
}

/// The folder of indexes of other programs' logs; none without a home folder. It need not exist.
pub fn indexes_folder() -> Option<PathBuf> {
    Some(ProjectDirs::from("", "", "skiplane")?.cache_dir().join("indexes"))
}

/// The folder of the user's layouts; none without a home folder. It need not exist.
pub fn layouts_folder() -> Option<PathBuf> {
    Some(state_folder()?.join("layouts"))
}

/// Whether something is done for the first time, as far as a mark in the user's state folder tells, which is left now.
/// Without a folder that can be written to it never is, so that nothing is repeated at each start.
pub fn is_first_time(what: &str) -> bool {
    state_folder().is_some_and(|folder| leave_mark(&folder, what))
}

/// Leaves a mark in a folder; false if it is there already, or cannot be left.
fn leave_mark(folder: &Path, what: &str) -> bool {
    fs::create_dir_all(folder).and_then(|()| fs::File::create_new(folder.join(what))).is_ok()
}

/// Checks by writing that files can be created in a folder, or in the nearest folder above it that exists.
///
/// # Errors
/// Why they cannot.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let existing =
        folder.ancestors().find(|path| path.as_os_str().is_empty() || fs::exists(path).unwrap_or(false));
    let existing = match existing {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new("."),
    };
    tempfile::Builder::new().prefix(".skiplane-").tempfile_in(existing).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_wins() {
        let (folder, origin) = runs_folder(Some(Path::new("elsewhere"))).unwrap();
        assert_eq!((folder, origin), (PathBuf::from("elsewhere"), RunsOrigin::Given));
    }

    #[test]
    fn a_mark_is_left_once() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        assert!(leave_mark(&below, "toured"));
        assert!(!leave_mark(&below, "toured"));
        assert!(leave_mark(&below, "other"));
        assert!(!leave_mark(&below.join("toured"), "in a file"));
    }

    #[test]
    fn a_folder_that_does_not_exist_is_judged_by_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_writable(&folder.path().join("a/b/c")).is_ok());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check_writable(&file.join("below")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
