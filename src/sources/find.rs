//! Finds the logs of other programs at a path, by their content.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::FORMATS;
use super::files::Where;
use super::source::{Format, Reading, Source};
use crate::printable::printable;
use crate::runlog::RunLogError;

/// Bytes by which a format is recognised.
const HEAD: u64 = 64 << 10;
/// How deep folders are searched, and how many entries of them in all.
const DEEPEST: usize = 8;
const MOST_ENTRIES: usize = 50_000;

/// The logs at a path: of a file its own, of a folder all that are in it and in its folders, by their names.
///
/// # Errors
/// If it cannot be read, or is no log of a known format.
pub fn find(path: &Path, reading: &Reading) -> Result<Vec<Arc<Source>>, RunLogError> {
    let failed = |cause| RunLogError::Io { action: "read", path: path.to_owned(), cause };
    let run = name_of(path);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        let format = format_of(path).map_err(failed)?.ok_or_else(|| unknown(path))?;
        return Ok(vec![Source::new(run.clone(), run, Where::File(path.to_owned()), format, reading)]);
    }
    let home = path.canonicalize().map_err(failed)?;
    let mut search =
        Search { root: path, home, run, reading, entries: 0, links: Vec::new(), found: Vec::new() };
    search.folder(path, 0).map_err(failed)?;
    let mut found = search.found;
    if found.is_empty() {
        return Err(unknown(path));
    }
    // A folder's own files come before those of the folders in it.
    found.sort_by_key(|source| natural(&source.path().strip_prefix(path).unwrap_or(path).to_string_lossy()));
    Ok(found)
}

fn unknown(path: &Path) -> RunLogError {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let is_folder = path.is_dir();
    let reason = format!(
        "expected {}a run of skiplane, or {}; found neither",
        if is_folder { "in this folder " } else { "" },
        names.join(", ")
    );
    RunLogError::Malformed { path: path.to_owned(), reason }
}

/// A search of folders.
struct Search<'a> {
    root: &'a Path,
    /// The root without links.
    home: PathBuf,
    run: String,
    reading: &'a Reading,
    entries: usize,
    /// Where the links lead that were followed.
    links: Vec<PathBuf>,
    found: Vec<Arc<Source>>,
}

impl Search<'_> {
    /// Searches a folder, and those in it; links are followed if they lead out of the root, where all is found anyway.
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let (mut files, mut folders, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                break;
            }
            let kind = entry.file_type()?;
            match () {
                () if kind.is_dir() => folders.push(entry.path()),
                () if kind.is_file() => files.push(entry.path()),
                () if kind.is_symlink() => links.push(entry.path()),
                () => {}
            }
        }
        links.sort_unstable();
        for link in links {
            match self.leading_out(&link) {
                Some(target) if target.is_dir() => folders.push(link),
                Some(target) if target.is_file() => files.push(link),
                _ => {}
            }
        }
        files.sort_unstable();
        self.files(folder, &files);
        folders.sort_unstable();
        // Of the states that a trainer saved one after the other, the last has what the others have.
        let is_ended = files.iter().any(|file| file.ends_with("trainer_state.json"));
        let last = folders.iter().filter_map(|folder| checkpoint_of(folder)).max();
        folders.retain(|folder| checkpoint_of(folder).is_none_or(|step| !is_ended && Some(step) == last));
        for folder in folders {
            if depth < DEEPEST && !name_of(&folder).starts_with('.') {
                // A folder that cannot be read hides what is in it, and nothing else.
                let _ = self.folder(&folder, depth + 1);
            }
        }
        Ok(())
    }

    /// Where a link leads; none if that is nowhere, within the root, or where another one led.
    fn leading_out(&mut self, link: &Path) -> Option<PathBuf> {
        let target = link.canonicalize().ok()?;
        let is_known = target.starts_with(&self.home) || self.home.starts_with(&target);
        if is_known || self.links.contains(&target) {
            return None;
        }
        self.links.push(target.clone());
        Some(target)
    }

    fn files(&mut self, folder: &Path, files: &[PathBuf]) {
        let mut seen = Vec::new();
        for file in files {
            let name = name_of(file);
            let fits = |format: &&Format| format.endings.iter().any(|ending| name.ends_with(ending));
            let whole =
                FORMATS.iter().copied().find(|format| format.part.is_some_and(|part| name.contains(part)));
            if let Some(format) = whole {
                if !seen.contains(&format.name) {
                    seen.push(format.name);
                    self.add(
                        folder,
                        Where::Folder(folder.to_owned(), format.part.unwrap_or_default()),
                        format,
                    );
                }
            } else if FORMATS.iter().copied().any(|format| fits(&format))
                && let Ok(Some(format)) = format_of(file)
            {
                self.add(file, Where::File(file.clone()), format);
            }
        }
    }

    fn add(&mut self, path: &Path, at: Where, format: &'static Format) {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        let lane = lane_name(relative).unwrap_or_else(|| self.run.clone());
        self.found.push(Source::new(self.run.clone(), lane, at, format, self.reading));
    }
}

/// The name of a lane by its path in the folder; that of a W&B run is the run's id, as in `run-ID.wandb`, and that of a
/// state that a trainer saved the same for all of its checkpoints.
fn lane_name(relative: &Path) -> Option<String> {
    let last = relative.file_name()?.to_string_lossy().into_owned();
    if let Some(id) = last.strip_suffix(".wandb") {
        return Some(id.trim_start_matches("run-").to_owned());
    }
    let folders = relative.iter().filter(|part| checkpoint_of(Path::new(part)).is_none());
    Some(folders.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"))
}

/// The step of a folder that a trainer saved a state in.
fn checkpoint_of(folder: &Path) -> Option<u64> {
    name_of(folder).strip_prefix("checkpoint-")?.parse().ok()
}

/// The format of a file, by its content.
fn format_of(path: &Path) -> io::Result<Option<&'static Format>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut head = Vec::new();
    fs::File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    let name = name_of(path);
    Ok(FORMATS.iter().copied().find(|format| (format.recognises)(&head, &name)))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let whole = || path.canonicalize().ok()?.file_name().map(|name| name.to_string_lossy().into_owned());
    printable(&name.or_else(whole).unwrap_or_else(|| "runs".to_owned()))
}

/// A key by which numbers in names are ordered as numbers.
pub(super) fn natural(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, more) = rest.split_at(text);
        let digits = more.find(|c: char| !c.is_ascii_digit()).unwrap_or(more.len());
        let (digits, more) = more.split_at(digits);
        key.push((text.to_owned(), digits.parse().unwrap_or(u64::MAX)));
        rest = more;
    }
    key
}
