//! Checkpoints: the network's state dict as safetensors under the names of the PyTorch reference, and beside
//! it what the optimiser remembers. Files appear whole or not at all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use thiserror::Error;

use crate::model::{NamedTensor, Network, TensorData};
use crate::text::printable;
use crate::units::Step;

/// The folder of checkpoints in a run's folder.
const FOLDER: &str = "checkpoints";
/// What stands between a model's file and its optimiser's: `plain-00000200.optimizer.safetensors`.
const OPTIMIZER: &str = "optimizer";
/// The longest file that is read back.
const MAX_BYTES: u64 = 1 << 32;

/// The state of a lane after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The lane's name.
    pub lane: String,
    /// The updates made.
    pub step: Step,
    /// The network's state, by name.
    pub state: Vec<NamedTensor>,
    /// The optimiser's state, by name; empty where its file is missing.
    pub optimizer: Vec<NamedTensor>,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {source}; check the disk's space and the folder's permissions", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It isn't a checkpoint, or holds what no checkpoint of skiplane holds.
    #[error("{}: expected a checkpoint in safetensors' format, found {found}", shown(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// Writes a lane's checkpoint into `checkpoints` in the run's folder and returns the path of the model's file
/// relative to the run's folder. The optimiser's file is written first, so that whoever finds a model finds both.
pub(super) fn write(
    run_folder: &Path,
    lane: &str,
    step: Step,
    network: &dyn Network,
) -> Result<String, CheckpointError> {
    let folder = run_folder.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|source| CheckpointError::Io { path: folder.clone(), source })?;
    let stem = format!("{lane}-{:08}", step.0);
    let optimizer = folder.join(format!("{stem}.{OPTIMIZER}.safetensors"));
    write_tensors(&optimizer, lane, step, &network.optimizer_state())?;
    let file = format!("{stem}.safetensors");
    write_tensors(&folder.join(&file), lane, step, &network.state())?;
    Ok(format!("{FOLDER}/{file}"))
}

/// Reads a checkpoint by the path of its model's file, with the optimiser's file where it is there.
///
/// # Errors
/// Files that cannot be read or are no checkpoint.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (lane, step, state) = read_tensors(path)?;
    let optimizer = path.with_extension(format!("{OPTIMIZER}.safetensors"));
    let optimizer = if optimizer.exists() { read_tensors(&optimizer)?.2 } else { Vec::new() };
    Ok(Checkpoint { lane, step, state, optimizer })
}

/// Reads a checkpoint to go on from, with what the optimiser remembers.
///
/// # Errors
/// Where either file cannot be read, is no checkpoint, or is of another lane or step.
pub fn read_resumable(path: &Path, lane: &str, step: Step) -> Result<Checkpoint, CheckpointError> {
    let read = |path: PathBuf| {
        let (found_lane, found_step, tensors) = read_tensors(&path)?;
        if found_lane == lane && found_step == step {
            return Ok(tensors);
        }
        let found = format!("one of lane `{}` at step {found_step}", printable(&found_lane));
        Err(CheckpointError::Malformed { path, found })
    };
    let state = read(path.to_owned())?;
    let optimizer = read(path.with_extension(format!("{OPTIMIZER}.safetensors")))?;
    Ok(Checkpoint { lane: lane.to_owned(), step, state, optimizer })
}

/// Writes a file beside its place and moves it there once it is on the disk.
fn write_tensors(
    path: &Path,
    lane: &str,
    step: Step,
    tensors: &[NamedTensor],
) -> Result<(), CheckpointError> {
    let bytes = encode(lane, step, tensors).map_err(|error| malformed(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The new name is on the disk only once the folder is. Where folders can't be opened, so be it.
        File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
    });
    written.map_err(|source| CheckpointError::Io { path: path.to_owned(), source })
}

fn encode(lane: &str, step: Step, tensors: &[NamedTensor]) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|tensor| match &tensor.data {
            TensorData::F32(values) => (Dtype::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            TensorData::I64(values) => (Dtype::I64, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        })
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, (kind, bytes))| {
            Ok((&*tensor.name, TensorView::new(*kind, tensor.shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    let about =
        HashMap::from([("lane".to_owned(), lane.to_owned()), ("step".to_owned(), step.0.to_string())]);
    safetensors::serialize(views, Some(about))
}

fn read_tensors(path: &Path) -> Result<(String, Step, Vec<NamedTensor>), CheckpointError> {
    let io = |source| CheckpointError::Io { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(io)?;
    let refused = |found| Err(CheckpointError::Malformed { path: path.to_owned(), found });
    // What leads to a device has no length and no end.
    if !metadata.is_file() {
        return refused("something that is no file".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return refused(format!("{} bytes", metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(io)?;
    let (_, about) = SafeTensors::read_metadata(&bytes).map_err(|error| malformed(path, &error))?;
    let about = about.metadata().as_ref();
    let word = |key: &str| about.and_then(|about| about.get(key)).cloned();
    let missing = |key: &str| CheckpointError::Malformed {
        path: path.to_owned(),
        found: format!("no `{key}` in its metadata"),
    };
    let lane = word("lane").ok_or_else(|| missing("lane"))?;
    let step = word("step").and_then(|step| step.parse().ok()).ok_or_else(|| missing("step"))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| malformed(path, &error))?;
    let mut named = tensors
        .iter()
        .map(|(name, view)| {
            let data = decode(&view).ok_or_else(|| CheckpointError::Malformed {
                path: path.to_owned(),
                found: format!("`{}` of type {:?}", printable(name), view.dtype()),
            })?;
            Ok(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), data })
        })
        .collect::<Result<Vec<_>, CheckpointError>>()?;
    named.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((lane, Step(step), named))
}

fn decode(view: &TensorView<'_>) -> Option<TensorData> {
    fn values<const N: usize, T>(bytes: &[u8], decode: fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks().0.iter().copied().map(decode).collect()
    }
    match view.dtype() {
        Dtype::F32 => Some(TensorData::F32(values(view.data(), f32::from_le_bytes))),
        Dtype::I64 => Some(TensorData::I64(values(view.data(), i64::from_le_bytes))),
        _ => None,
    }
}

fn malformed(path: &Path, error: &SafeTensorError) -> CheckpointError {
    CheckpointError::Malformed { path: path.to_owned(), found: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> Vec<NamedTensor> {
        vec![
            NamedTensor {
                name: "a.num_batches_tracked".into(),
                shape: vec![],
                data: TensorData::I64(vec![-7]),
            },
            NamedTensor {
                name: "b.weight".into(),
                shape: vec![2, 3],
                data: TensorData::F32(vec![0.5, -1.0, f32::MIN_POSITIVE, 3.25e8, 0.0, -0.0]),
            },
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_tensors(&path, "plain", Step(42), &tensors()).unwrap();
        let read = read_checkpoint(&path).unwrap();
        assert_eq!((&*read.lane, read.step, read.optimizer.len()), ("plain", Step(42), 0));
        assert_eq!(read.state, tensors());
        write_tensors(&folder.path().join("x.optimizer.safetensors"), "plain", Step(42), &tensors()).unwrap();
        assert_eq!(read_checkpoint(&path).unwrap().optimizer, tensors());
    }

    #[test]
    fn only_whole_files_appear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_tensors(&path, "plain", Step(1), &tensors()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["x.safetensors"]);
        // A wrong tensor leaves what is there and nothing else.
        let before = fs::read(&path).unwrap();
        let mut wrong = tensors();
        wrong[1].shape = vec![7];
        assert!(write_tensors(&path, "plain", Step(2), &wrong).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn broken_checkpoints_are_errors_that_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_tensors(&path, "plain", Step(1), &tensors()).unwrap();
        let whole = fs::read(&path).unwrap();
        let anonymous = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
        for bytes in [&[][..], &whole[..whole.len() - 1], &[0xff; 64], &anonymous] {
            fs::write(&path, bytes).unwrap();
            let message = read_checkpoint(&path).unwrap_err().to_string();
            assert!(message.contains("x.safetensors: expected a checkpoint"), "{message}");
        }
        assert!(read_checkpoint(&folder.path().join("none")).is_err());
    }
}
