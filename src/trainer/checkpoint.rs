//! Checkpoints: the network's state dict as safetensors under the names of the PyTorch reference, and the optimiser's
//! state in a second file. Files are written atomically, equal states give equal bytes, and the returned checksums
//! detect a damaged file.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use thiserror::Error;

use crate::disk::sync_folder;
use crate::event::Checksums;
use crate::model::{NamedTensor, Network, TensorData};
use crate::printable::printable;
use crate::units::Step;

/// The folder of checkpoints in a run's folder.
const FOLDER: &str = "checkpoints";
/// The part that a name of an optimiser's file has in addition: `plain-00000200.optimizer.safetensors`.
const OPTIMIZER: &str = "optimizer";
/// The longest file that is read back.
const MAX_BYTES: u64 = 1 << 32;
/// A file's header is a multiple of this many bytes, and follows its length, which takes this many itself.
const ALIGNMENT: usize = size_of::<u64>();
/// The permissions of a new file, subject to the umask.
const PERMISSIONS: u32 = 0o666;

/// The state of a lane after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The lane's name.
    pub lane: String,
    /// The updates made.
    pub step: Step,
    /// The network's state, by name.
    pub state: Vec<NamedTensor>,
    /// The optimiser's state, by name; empty if its file is missing.
    pub optimizer: Vec<NamedTensor>,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A file system operation failed.
    #[error("{}: {source}; check the disk's space and the folder's permissions", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It isn't a checkpoint, or contains what no checkpoint of skiplane does.
    #[error("{}: expected a checkpoint in safetensors' format, found {found}", shown(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// It is not what was written.
    #[error(
        "{}: expected the checksum {expected:08x} of its record, found {found:08x}; the file was damaged",
        shown(path)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The checksum of what was written.
        expected: u32,
        /// The checksum of what was read.
        found: u32,
    },
}

/// A checkpoint that was written.
#[derive(Debug)]
pub(super) struct Written {
    /// The path of the network's file, relative to the run's folder.
    pub(super) file: String,
    /// The checksums of both files.
    pub(super) checksums: Checksums,
    /// Why the files may be missing from their folder after a power failure.
    pub(super) unsynced: Option<CheckpointError>,
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// Writes a lane's checkpoint into `checkpoints` in the run's folder. The optimiser's file is written first, so that
/// the network's file implies both.
pub(super) fn write(
    run_folder: &Path,
    lane: &str,
    step: Step,
    network: &dyn Network,
) -> Result<Written, CheckpointError> {
    let folder = run_folder.join(FOLDER);
    // Only this folder: a run's folder that is gone must not be recreated.
    match fs::create_dir(&folder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(CheckpointError::Io { path: folder, source });
        }
        _ => {}
    }
    let stem = format!("{lane}-{:08}", step.0);
    let optimizer = folder.join(format!("{stem}.{OPTIMIZER}.safetensors"));
    let optimizer = write_tensors(&optimizer, lane, step, &network.optimizer_state())?;
    let file = format!("{stem}.safetensors");
    let network = write_tensors(&folder.join(&file), lane, step, &network.state())?;
    // The new names are on the disk only after syncing the folder.
    let synced = sync_folder(&folder);
    Ok(Written {
        file: format!("{FOLDER}/{file}"),
        checksums: Checksums { network, optimizer },
        unsynced: synced.err().map(|source| CheckpointError::Io { path: folder, source }),
    })
}

/// Reads a checkpoint by the path of its network's file, with the optimiser's file if it exists.
///
/// # Errors
/// If files cannot be read or are not a checkpoint.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (lane, step, state) = read_tensors(path, None)?;
    let optimizer = optimizer_of(path);
    let optimizer = if optimizer.exists() { read_tensors(&optimizer, None)?.2 } else { Vec::new() };
    Ok(Checkpoint { lane, step, state, optimizer })
}

/// Reads a checkpoint to resume from, with the optimiser's state. Without the checksums of its record, damage is
/// detected only if the file is no longer valid safetensors.
///
/// # Errors
/// If either file cannot be read, is damaged, is not a checkpoint, or is of another lane or step.
pub fn read_resumable(
    path: &Path,
    lane: &str,
    step: Step,
    checksums: Option<Checksums>,
) -> Result<Checkpoint, CheckpointError> {
    let read = |path: PathBuf, checksum| {
        let (found_lane, found_step, tensors) = read_tensors(&path, checksum)?;
        if found_lane == lane && found_step == step {
            return Ok(tensors);
        }
        let found = format!("one of lane `{}` at step {found_step}", printable(&found_lane));
        Err(CheckpointError::Malformed { path, found })
    };
    let state = read(path.to_owned(), checksums.map(|of| of.network))?;
    let optimizer = read(optimizer_of(path), checksums.map(|of| of.optimizer))?;
    Ok(Checkpoint { lane: lane.to_owned(), step, state, optimizer })
}

/// The optimiser's file beside a network's.
fn optimizer_of(network: &Path) -> PathBuf {
    network.with_extension(format!("{OPTIMIZER}.safetensors"))
}

/// Writes a temporary file, syncs it, and renames it. Returns its checksum.
fn write_tensors(
    path: &Path,
    lane: &str,
    step: Step,
    tensors: &[NamedTensor],
) -> Result<u32, CheckpointError> {
    let encoded = encode(lane, step, tensors).map_err(|error| malformed(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().permissions(Permissions::from_mode(PERMISSIONS)).tempfile_in(folder);
    let written = new.and_then(|mut file| {
        encoded.pieces().into_iter().try_for_each(|part| file.write_all(part))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
    let mut checksum = Hasher::new();
    encoded.pieces().into_iter().for_each(|part| checksum.update(part));
    Ok(checksum.finalize())
}

/// The bytes of a file, in pieces, so that tensors need not be copied to follow another header.
struct Encoded {
    header: Vec<u8>,
    /// A file with a new header, and where its tensors begin.
    plain: Vec<u8>,
    tensors: usize,
}

impl Encoded {
    fn pieces(&self) -> [&[u8]; 2] {
        [&self.header, &self.plain[self.tensors..]]
    }
}

fn encode(lane: &str, step: Step, tensors: &[NamedTensor]) -> Result<Encoded, SafeTensorError> {
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
    let plain = safetensors::serialize(views, None)?;
    let (length, _) = SafeTensors::read_metadata(&plain)?;
    let tensors = ALIGNMENT + length;
    let header = describe(lane, step, &plain[ALIGNMENT..tensors])?;
    Ok(Encoded { header, plain, tensors })
}

/// A header with its length, made from one without lane and step, which are added here. The library would write these
/// two in a random order.
fn describe(lane: &str, step: Step, plain: &[u8]) -> Result<Vec<u8>, SafeTensorError> {
    let about = BTreeMap::from([("lane", lane.to_owned()), ("step", step.0.to_string())]);
    let mut header = vec![0; ALIGNMENT];
    header.extend_from_slice(b"{\"__metadata__\":");
    serde_json::to_writer(&mut header, &about)?;
    // What follows the opening brace; a header without tensors has only the closing brace.
    let tensors = &plain.trim_ascii_end()[1..];
    if tensors.len() > 1 {
        header.push(b',');
    }
    header.extend_from_slice(tensors);
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let length = (header.len() - ALIGNMENT) as u64;
    header[..ALIGNMENT].copy_from_slice(&length.to_le_bytes());
    Ok(header)
}

fn read_tensors(
    path: &Path,
    checksum: Option<u32>,
) -> Result<(String, Step, Vec<NamedTensor>), CheckpointError> {
    let bytes = read_bytes(path)?;
    if let Some(expected) = checksum {
        let found = crc32fast::hash(&bytes);
        if found != expected {
            return Err(CheckpointError::Damaged { path: path.to_owned(), expected, found });
        }
    }
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

/// The content of a file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let io = |source| CheckpointError::Io { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(io)?;
    let refused = |found| Err(CheckpointError::Malformed { path: path.to_owned(), found });
    // A path to a device has no length and no end.
    if !metadata.is_file() {
        return refused("something other than a regular file".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return refused(format!("{} bytes", metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(io)?;
    Ok(bytes)
}

/// The numbers of a tensor, each decoded from its bytes.
pub(super) fn values<const N: usize, T>(bytes: &[u8], decode: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().copied().map(decode).collect()
}

fn decode(view: &TensorView<'_>) -> Option<TensorData> {
    match view.dtype() {
        Dtype::F32 => Some(TensorData::F32(values(view.data(), f32::from_le_bytes))),
        Dtype::I64 => Some(TensorData::I64(values(view.data(), i64::from_le_bytes))),
        _ => None,
    }
}

pub(super) fn malformed(path: &Path, error: &SafeTensorError) -> CheckpointError {
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

    /// Writes both files of a checkpoint into a folder.
    fn write_both(folder: &Path) -> (PathBuf, Checksums) {
        let path = folder.join("plain-00000042.safetensors");
        let write = |path: &Path| write_tensors(path, "plain", Step(42), &tensors()).unwrap();
        let checksums = Checksums { network: write(&path), optimizer: write(&optimizer_of(&path)) };
        (path, checksums)
    }

    #[test]
    fn a_flipped_bit_anywhere_in_either_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (path, checksums) = write_both(folder.path());
        let read = |checksums| read_resumable(&path, "plain", Step(42), checksums);
        assert_eq!(read(Some(checksums)).unwrap().state, tensors());
        let mut unseen = 0;
        for file in [path.clone(), optimizer_of(&path)] {
            let whole = fs::read(&file).unwrap();
            for bit in (0..8 * whole.len()).step_by(3) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(&file, bytes).unwrap();
                let message = read(Some(checksums)).unwrap_err().to_string();
                assert!(message.contains("expected the checksum"), "bit {bit}: {message}");
                unseen += usize::from(read(None).is_ok());
            }
            fs::write(&file, whole).unwrap();
        }
        // At least every third bit of six weights in each file: only checksums detect these.
        assert!(unseen >= 2 * 6 * 32 / 3, "only {unseen} flips need them");
        assert_eq!(read(Some(checksums)).unwrap(), read(None).unwrap());
    }

    #[test]
    fn equal_states_give_equal_bytes() {
        let bytes = || encode("plain", Step(42), &tensors()).unwrap().pieces().concat();
        let first = bytes();
        // With a hash map, every second of these would have its two entries in another order.
        assert!((0..20).all(|_| bytes() == first));
        let read = SafeTensors::deserialize(&first).unwrap();
        assert!(read.len() == 2 && read.tensor("b.weight").unwrap().shape() == [2, 3]);
        let header = String::from_utf8_lossy(&first[ALIGNMENT..]);
        assert!(header.starts_with(r#"{"__metadata__":{"lane":"plain","step":"42"},"a.num"#), "{header}");
        let empty = encode("plain", Step(42), &[]).unwrap().pieces().concat();
        assert!(SafeTensors::deserialize(&empty).unwrap().is_empty());
    }

    #[test]
    fn a_checkpoint_has_the_permissions_of_any_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = write_both(folder.path());
        let other = folder.path().join("other");
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!([mode(&path), mode(&optimizer_of(&path))], [mode(&other); 2]);
    }

    #[test]
    fn only_whole_files_appear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write_tensors(&path, "plain", Step(1), &tensors()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["x.safetensors"]);
        // A wrong tensor leaves the existing files, and no others.
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
