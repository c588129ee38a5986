//! The checkpoints that lanes start from: finds them in files and runs, and checks that they fit.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::RunsFolder;
use super::failure::Failure;
use super::source::from_anywhere;
use crate::datasets::Dataset;
use crate::experiment::{Checked, Experiment, Lane, Start};
use crate::model::Outline;
use crate::printable::printable;
use crate::reading::{self, Saved};
use crate::runlog::{self, RunFolder};
use crate::trainer::StartFile;
use crate::units::Step;

/// Finds the checkpoint that each lane starts from, and checks that it fits the lane's network. From then on, the
/// experiment names the file and its hash. Returns what each lane takes of it, in words.
pub(super) fn find(
    checked: &mut Checked,
    dataset: &Dataset,
    folder: &RunsFolder,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    // Lanes mostly start from the same file.
    let mut last: Option<(String, StartFile)> = None;
    for (index, lane) in checked.experiment.lanes.iter_mut().enumerate() {
        let Some(start) = lane.start.clone() else { continue };
        let place = checked.places.of_lane(index, "start.checkpoint", "start.checkpoint");
        let name = lane.name.clone();
        let refused = |error: anyhow::Error| {
            Failure::Input(error.context(format!("{place}: start.checkpoint: lane `{name}`")))
        };
        let (path, saved) = locate(&start, lane, folder).map_err(&refused)?;
        let checkpoint = path.to_string_lossy().into_owned();
        let start = Start { checkpoint, lane: None, step: None, ..start };
        let known = last.take().filter(|(path, file)| {
            *path == start.checkpoint && start.sha256.as_ref().is_none_or(|hash| *hash == file.sha256)
        });
        let file = match known {
            Some((_, file)) => file,
            None => StartFile::read(&start).map_err(|error| refused(error.into()))?,
        };
        let checksum = saved.and_then(|saved| saved.checksums).map(|checksums| checksums.network);
        if checksum.is_some_and(|checksum| checksum != file.crc32) {
            let path = printable(&start.checkpoint);
            let error = anyhow!("{path}: the file was damaged since it was written; choose another `step`");
            return Err(refused(error));
        }
        let outline = Outline::of(lane, dataset.shape, dataset.classes.len());
        let outline = outline.map_err(|error| refused(error.into()))?;
        let fitted = file.fit(&outline, &start).map_err(|error| refused(error.into()))?;
        notes.push(format!(
            "lane {} starts from {}: {}",
            lane.name,
            printable(&start.checkpoint),
            fitted.notes.join("; ")
        ));
        lane.start = Some(Start { sha256: Some(file.sha256.clone()), ..start.clone() });
        last = Some((start.checkpoint, file));
    }
    Ok(notes)
}

/// Whether a run is of this experiment, which may still name a checkpoint that the run has found.
pub(super) fn is_of(of_run: &Experiment, experiment: &Experiment) -> bool {
    let mut found = experiment.clone();
    for (lane, of_run) in found.lanes.iter_mut().zip(&of_run.lanes) {
        if let Some((named, file)) =
            lane.start.as_mut().zip(of_run.start.as_ref()).filter(|(a, b)| is_at(a, b))
        {
            *named = file.clone();
        }
    }
    found == *of_run
}

/// Whether a file may be the checkpoint that is named.
fn is_at(named: &Start, file: &Start) -> bool {
    let path = Path::new(&file.checkpoint);
    let is_there = if named.is_file() {
        path.ends_with(&named.checkpoint)
    } else {
        // In the folder `checkpoints` of the run.
        let id = path.ancestors().nth(2).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let run = Path::new(&named.checkpoint).file_name().unwrap_or_default().to_string_lossy();
        run.starts_with("latest") || id.contains(&*run)
    };
    let is_hash = named.sha256.is_none() || named.sha256 == file.sha256;
    is_there && is_hash && (named.head, named.missing) == (file.head, file.missing)
}

/// The path of a checkpoint, and if it is that of a run, its record.
fn locate(start: &Start, lane: &Lane, folder: &RunsFolder) -> anyhow::Result<(PathBuf, Option<Saved>)> {
    if start.is_file() {
        return Ok((from_anywhere(Path::new(&start.checkpoint)), None));
    }
    let root = folder.path().map_err(|failure| anyhow!(failure.message().unwrap_or_default()))?;
    let path = runlog::resolve(&root, &start.checkpoint)?;
    let run = RunFolder::open(&path)?;
    let id = printable(run.id());
    let names: Vec<&str> = run.manifest().lanes.iter().map(|lane| lane.name.as_str()).collect();
    let shown = || printable(&format!("`{}`", names.join("`, `")));
    let wanted = start.lane.as_deref().unwrap_or(&lane.name);
    let index = match names.iter().position(|name| *name == wanted) {
        Some(index) => index,
        None if names.len() == 1 && start.lane.is_none() => 0,
        None => {
            let wanted = printable(wanted);
            anyhow::bail!(
                "expected a lane of run {id} ({}), found `{wanted}`; choose one with `lane`",
                shown()
            )
        }
    };
    let (_, mut resumptions) = reading::open_to_resume(std::slice::from_ref(&path))?;
    let saved =
        resumptions.get_mut(index).map(|lane| std::mem::take(&mut lane.checkpoints)).unwrap_or_default();
    let steps: Vec<String> = saved.iter().map(|saved| saved.step.to_string()).collect();
    let found = match start.step {
        None => saved.into_iter().next_back(),
        Some(step) => saved.into_iter().rfind(|saved| saved.step == Step(step)),
    };
    let name = printable(names[index]);
    let Some(found) = found else {
        match start.step.filter(|_| !steps.is_empty()) {
            Some(step) => anyhow::bail!(
                "expected the step of a checkpoint of lane {name} in run {id} ({}), found {step}",
                steps.join(", ")
            ),
            None => anyhow::bail!("expected a checkpoint of lane {name} in run {id}, found none yet"),
        }
    };
    let file = run.checkpoint(&found.file);
    let file = file.ok_or_else(|| anyhow!("expected a file in the folder of checkpoints of run {id}"))?;
    Ok((from_anywhere(&file), Some(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_the_file_of_what_an_experiment_names() {
        let start = |checkpoint: &str, sha256: Option<&str>| {
            let (sha256, checkpoint) = (sha256.map(str::to_owned), checkpoint.to_owned());
            Start {
                checkpoint,
                lane: None,
                step: None,
                sha256,
                head: Default::default(),
                missing: Default::default(),
            }
        };
        let file =
            start("/home/me/runs/20261127-011048-small-2/checkpoints/a-00000010.safetensors", Some("ab"));
        let is = |named: &str| is_at(&start(named, None), &file);
        for named in ["small-2", "20261127-011048-small-2", "runs/20261127-011048-small-2", "latest"] {
            assert!(is(named), "{named}");
        }
        assert!(is("checkpoints/a-00000010.safetensors") && is(&file.checkpoint));
        for named in ["small-3", "home", "b-00000010.safetensors", "a-00000010"] {
            assert!(!is(named), "{named}");
        }
        assert!(is_at(&start("small", Some("ab")), &file) && !is_at(&start("small", Some("cd")), &file));
        assert!(!is_at(
            &Start { missing: crate::experiment::Missing::Initial, ..start("small", None) },
            &file
        ));
    }
}
