//! Lets a network start from a checkpoint: of this program, or of any other that writes safetensors with the names of a
//! PyTorch state dict. Unlike a checkpoint that a lane is resumed from, it may lack what skiplane adds, and have other
//! types of numbers.

use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::checkpoint::{CheckpointError, malformed, read_bytes, values};
use crate::experiment::{Lane, Start};
use crate::model::{Fitted, ModelError, NamedTensor, Network, Outline, TensorData};
use crate::printable::printable;
use crate::random;
use crate::units::InputShape;

/// A file that a network can start from.
#[derive(Clone, Debug, PartialEq)]
pub struct StartFile {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Its CRC-32, as in the record of a checkpoint.
    pub crc32: u32,
    /// Its tensors, by name. Numbers are in single precision.
    pub tensors: Vec<NamedTensor>,
    /// What was converted, in words.
    pub notes: Vec<String>,
}

/// Why a network cannot start from a checkpoint.
#[derive(Debug, Error)]
pub enum StartError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// It is another file than the experiment means.
    #[error(
        "{}: expected the file with SHA-256 {expected}, found {found}; restore it, or remove `sha256`",
        printable(&path.display().to_string())
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The hash in the experiment.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// It does not fit the network.
    #[error("{}: {cause}", printable(&path.display().to_string()))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ModelError,
    },
}

impl StartFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not safetensors, has numbers that cannot be converted to single precision, or is not the
    /// one that the experiment means.
    pub fn read(start: &Start) -> Result<StartFile, StartError> {
        let path = Path::new(&start.checkpoint);
        let bytes = read_bytes(path)?;
        let sha256 = random::hex(Sha256::new_with_prefix(&bytes));
        if let Some(expected) = start.sha256.clone().filter(|expected| *expected != sha256) {
            return Err(StartError::Changed { path: path.to_owned(), expected, found: sha256 });
        }
        let all = SafeTensors::deserialize(&bytes).map_err(|error| malformed(path, &error))?;
        let (mut tensors, mut notes) = (Vec::new(), Vec::new());
        for (name, view) in all.iter() {
            let kind = view.dtype();
            let data = decode(&view).ok_or_else(|| CheckpointError::Malformed {
                path: path.to_owned(),
                found: format!("`{}` of {kind:?}; save it as F32", printable(name)),
            })?;
            let note = format!("numbers of {kind:?} are converted to F32");
            if matches!(data, TensorData::F32(_)) && kind != Dtype::F32 && !notes.contains(&note) {
                notes.push(note);
            }
            tensors.push(NamedTensor { name: name.to_owned(), shape: view.shape().to_vec(), data });
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        notes.sort_unstable();
        Ok(StartFile { sha256, crc32: crc32fast::hash(&bytes), tensors, notes })
    }

    /// What a network takes of it.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn fit(&self, outline: &Outline, start: &Start) -> Result<Fitted, StartError> {
        let path = PathBuf::from(&start.checkpoint);
        let mut fitted =
            outline.fit(self.tensors.clone(), start).map_err(|cause| StartError::Unfit { path, cause })?;
        fitted.notes.extend(self.notes.iter().cloned());
        Ok(fitted)
    }
}

/// Gives a lane's network, in its initial state, the weights of the checkpoint that the lane starts from, if any.
///
/// # Errors
/// If the checkpoint cannot be read or does not fit.
pub fn start_from(
    network: &mut dyn Network,
    lane: &Lane,
    input: InputShape,
    classes: usize,
) -> Result<(), StartError> {
    let Some(start) = &lane.start else { return Ok(()) };
    let unfit = |cause| StartError::Unfit { path: PathBuf::from(&start.checkpoint), cause };
    let outline = Outline::of(lane, input, classes).map_err(unfit)?;
    let fitted = StartFile::read(start)?.fit(&outline, start)?;
    let mut state = network.state();
    for taken in fitted.tensors {
        if let Some(own) = state.iter_mut().find(|own| own.name == taken.name) {
            *own = taken;
        }
    }
    network.load_state(&state).map_err(unfit)
}

/// The numbers of a tensor, in single precision, or whole; none of other types.
fn decode(view: &TensorView<'_>) -> Option<TensorData> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => TensorData::F32(values(bytes, f32::from_le_bytes)),
        Dtype::F64 => TensorData::F32(values(bytes, |b| f64::from_le_bytes(b) as f32)),
        Dtype::BF16 => {
            TensorData::F32(values(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)))
        }
        Dtype::F16 => TensorData::F32(values(bytes, |b| from_half(u16::from_le_bytes(b)))),
        Dtype::I64 => TensorData::I64(values(bytes, i64::from_le_bytes)),
        Dtype::I32 => TensorData::I64(values(bytes, |b| i32::from_le_bytes(b).into())),
        Dtype::U32 => TensorData::I64(values(bytes, |b| u32::from_le_bytes(b).into())),
        Dtype::I16 => TensorData::I64(values(bytes, |b| i16::from_le_bytes(b).into())),
        Dtype::U16 => TensorData::I64(values(bytes, |b| u16::from_le_bytes(b).into())),
        Dtype::I8 => TensorData::I64(values(bytes, |b| i8::from_le_bytes(b).into())),
        Dtype::U8 | Dtype::BOOL => TensorData::I64(values(bytes, |b| u8::from_le_bytes(b).into())),
        _ => return None,
    })
}

/// A number of half precision (IEEE 754 binary16): a sign, 5 bits of exponent, 10 of fraction.
fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    }
}
