//! Where a command writes its output: standard output, or the file that the user names. A regular file is replaced
//! atomically; devices, pipes and the target of standard output are written to directly; links are followed.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

use super::failure::Failure;
use crate::runlog::RunFolder;

/// Links followed before giving up, as the system does.
const MOST_LINKS: usize = 40;

/// What a given path leads to.
enum Target {
    /// The target of standard output.
    Output,
    /// Something that is written to and cannot be replaced.
    Stream(File),
    /// The path of a regular file, and the metadata of an existing one.
    File(PathBuf, Option<Metadata>),
}

/// Lets `fill` write to the file that the user names, else to `out`. Files of `runs` are never overwritten.
pub(super) fn write(
    path: Option<&Path>,
    runs: &[PathBuf],
    out: &mut dyn Write,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(path) = path else { return fill(out) };
    let shown = path.display();
    let failed =
        |e: io::Error| Failure::Failed(anyhow::Error::from(e).context(format!("could not write {shown}")));
    let place = follow(path).map_err(failed)?;
    if let Some(run) = runs.iter().find(|run| holds(run, &place)) {
        let run = run.display();
        let message = "expected a file outside the folder of the run, found one of its own files";
        return Err(Failure::Input(anyhow::anyhow!("--out {shown}: {message}, in {run}")));
    }
    if place.is_dir() {
        return Err(Failure::Input(anyhow::anyhow!("--out {shown}: expected a file, found a folder")));
    }
    match target(place).map_err(failed)? {
        Target::Output => fill(out),
        Target::Stream(file) => {
            let mut out = BufWriter::new(file);
            fill(&mut out)?;
            Ok(out.flush()?)
        }
        Target::File(place, before) => replace(&place, before.as_ref(), fill, failed),
    }
}

/// Makes the folder that the user names, unless it is there and empty, for files of an export. Folders of `runs` are
/// never written into.
pub(super) fn new_folder(path: &Path, runs: &[PathBuf]) -> Result<(), Failure> {
    let shown = path.display();
    let failed =
        |e: io::Error| Failure::Failed(anyhow::Error::from(e).context(format!("could not write {shown}")));
    let unfit = |found: &str| {
        let message =
            format!("--out {shown}: expected a folder that does not exist or is empty, found {found}");
        Failure::Input(anyhow::anyhow!(message))
    };
    let place = follow(path).map_err(failed)?;
    if runs.iter().any(|run| holds(run, &place) || is_below(run, &place)) {
        return Err(unfit("one of a run"));
    }
    match fs::read_dir(&place).map(|mut files| files.next().is_some()) {
        Ok(true) => Err(unfit("one with files in it")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(unfit("a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a path is a folder or in it.
fn is_below(folder: &Path, place: &Path) -> bool {
    match (fs::canonicalize(folder), fs::canonicalize(place)) {
        (Ok(folder), Ok(place)) => place.starts_with(folder),
        _ => false,
    }
}

/// Resolves a path that may be a link. The target need not exist.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&place) {
            // An open file of a process is not a name, although it reads like a link to one.
            Ok(found) if found.is_symlink() && !in_process(&place) => {
                place = folder_of(&place).join(fs::read_link(&place)?);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(place),
        }
    }
    Err(io::Error::from(rustix::io::Errno::LOOP))
}

/// Whether a path is an open file of a process: `/dev/fd/3`, `/proc/self/fd/3`.
fn in_process(path: &Path) -> bool {
    fs::canonicalize(folder_of(path))
        .is_ok_and(|folder| folder.starts_with("/proc") || folder == Path::new("/dev/fd"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a path is in a run's folder, or is another name of a file in it.
fn holds(run: &Path, place: &Path) -> bool {
    let [run, folder] = [run, folder_of(place)].map(fs::canonicalize);
    let Ok(run) = run else { return false };
    if folder.is_ok_and(|folder| folder.starts_with(&run)) {
        return true;
    }
    let Ok(found) = fs::metadata(place) else { return false };
    let is_found = |entry: io::Result<fs::DirEntry>| {
        entry.and_then(|entry| fs::metadata(entry.path())).is_ok_and(|metadata| is_same(&metadata, &found))
    };
    let folders = [run.clone(), run.join(RunFolder::CHECKPOINTS)];
    folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().any(is_found)
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Opens what is at the path, without changing it yet; a pipe blocks until it has a reader.
fn target(place: PathBuf) -> io::Result<Target> {
    let file = match OpenOptions::new().write(true).open(&place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target::File(place, None)),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    let output =
        rustix::stdio::stdout().try_clone_to_owned().and_then(|output| File::from(output).metadata());
    if output.is_ok_and(|output| is_same(&output, &found)) {
        return Ok(Target::Output);
    }
    if !found.is_file() {
        return Ok(Target::Stream(file));
    }
    // Replacing would make another user's file this user's, and would not affect an open file of a process.
    let is_replaceable = found.uid() == geteuid().as_raw() && !in_process(&place);
    if is_replaceable && access(folder_of(&place), Access::WRITE_OK).is_ok() {
        return Ok(Target::File(place, Some(found)));
    }
    file.set_len(0)?;
    Ok(Target::Stream(file))
}

/// Writes a temporary file and renames it when complete, so that no partial file is ever found.
fn replace(
    place: &Path,
    before: Option<&Metadata>,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".skiplane-");
    if before.is_none() {
        // A temporary file is private; a new file gets the usual permissions, subject to the umask.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut out = BufWriter::new(builder.tempfile_in(folder_of(place)).map_err(&failed)?);
    fill(&mut out)?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    if let Some(before) = before {
        let group = std::os::unix::fs::fchown(file.as_file(), None, Some(before.gid()));
        group.and_then(|()| file.as_file().set_permissions(before.permissions())).map_err(&failed)?;
    }
    file.persist(place).map_err(|e| failed(e.error))?;
    Ok(())
}
