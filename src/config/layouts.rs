//! The layouts that the user keeps: a file for the runs of each experiment.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::app::Layout;
use crate::disk;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 16;

/// The folder of layouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layouts {
    /// None keeps nothing.
    folder: Option<PathBuf>,
}

impl Layouts {
    /// Those in a folder, which need not exist.
    pub fn in_folder(folder: Option<PathBuf>) -> Layouts {
        Layouts { folder }
    }

    /// The layout of the experiment of a run; none if none was kept or it cannot be read.
    pub fn read(&self, run: &str) -> Option<Layout> {
        let file = self.file(run)?;
        let is_read = fs::metadata(&file).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
        is_read.then(|| serde_json::from_str(&fs::read_to_string(file).ok()?).ok())?
    }

    /// Keeps a layout for the experiment of a run.
    ///
    /// # Errors
    /// If there is no folder, or it cannot be written to.
    pub fn keep(&self, run: &str, layout: &Layout) -> io::Result<()> {
        let (folder, name) = self.place(run).ok_or_else(|| io::Error::other("there is no home folder"))?;
        fs::create_dir_all(folder)?;
        disk::replace(folder, &name, ".layout-", &serde_json::to_vec(layout)?)
    }

    /// Forgets the layout of the experiment of a run. Returns whether there was one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(&self, run: &str) -> io::Result<bool> {
        let Some(file) = self.file(run) else { return Ok(false) };
        match fs::remove_file(file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn file(&self, run: &str) -> Option<PathBuf> {
        let (folder, name) = self.place(run)?;
        Some(folder.join(name))
    }

    /// The folder, and the name of a file in it.
    fn place(&self, run: &str) -> Option<(&Path, String)> {
        Some((self.folder.as_deref()?, format!("{}.json", disk::file_name(experiment(run)))))
    }
}

/// The name of a run's experiment: its id without the date and the time before it.
pub fn experiment(run: &str) -> &str {
    let is_digits = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    match run.splitn(3, '-').collect::<Vec<_>>()[..] {
        [date, time, name] if is_digits(date, 8) && is_digits(time, 6) && !name.is_empty() => name,
        _ => run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_experiment_share_a_layout_that_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let layouts = Layouts::in_folder(Some(folder.path().join("layouts")));
        let (run, later) = ("20261123-142307-example", "20261127-010203-example");
        assert_eq!(layouts.read(run), None);
        let layout: Layout = serde_json::from_str(r#"{"axis": "epoch", "hidden": ["plain"]}"#).unwrap();
        layouts.keep(run, &layout).unwrap();
        assert_eq!(layouts.read(later), Some(layout));
        assert_eq!(layouts.read("20261127-010203-other"), None);
        assert!(layouts.forget(later).unwrap() && !layouts.forget(later).unwrap());
        assert_eq!(layouts.read(run), None);
        assert!(Layouts::default().keep(run, &Layout::default()).is_err());
    }

    #[test]
    fn a_layout_stays_in_its_folder_and_a_strange_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let layouts = Layouts::in_folder(Some(folder.path().to_owned()));
        layouts.keep("../../etc/passwd", &Layout::default()).unwrap();
        assert!(folder.path().join("______etc_passwd.json").is_file());
        for text in ["", "{", "[1]", "{\"axis\": 5}"] {
            fs::write(folder.path().join("strange.json"), text).unwrap();
            assert_eq!(layouts.read("strange"), None, "{text}");
        }
    }

    #[test]
    fn an_experiment_is_named_by_its_runs() {
        assert_eq!(experiment("20261123-142307-plain-vs-residual"), "plain-vs-residual");
        assert_eq!(experiment("a-b-c"), "a-b-c");
        assert_eq!(experiment("20261123-142307-"), "20261123-142307-");
    }
}
