//! The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of one or two label bytes and
//! 3,072 pixels, the red plane of 32x32 first, then green, then blue; no header, nothing between records.

use std::path::Path;

use super::source::Source;
use super::{Dataset, DatasetError, Examples, files};
use crate::experiment::{self, Data, DataKind, DatasetEntry};
use crate::printable::grouped;
use crate::units::ImageShape;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const PIXELS: usize = 3 * PLANE;
const SHAPE: ImageShape = ImageShape { channels: 3, height: SIDE, width: SIDE };

/// What differs between the two data sets.
pub(super) struct Format {
    /// The name it is registered by.
    pub(super) name: &'static str,
    /// The name its authors use.
    pub(super) title: &'static str,
    /// Its description for users.
    pub(super) summary: &'static str,
    /// The archive with its files.
    pub(super) archive: &'static str,
    /// The folder in the archive.
    pub(super) folder: &'static str,
    /// The folder of the pickled Python version, which is not supported.
    pub(super) pickled: &'static str,
    /// The files of the training split; the first is required, and none may be missing before another.
    pub(super) train: &'static [&'static str],
    /// The file of the test split.
    pub(super) test: &'static str,
    /// A record's label bytes: the meaning of each and its number of values. The last one is trained on.
    pub(super) labels: &'static [(&'static str, u8)],
    /// The classes by the last label.
    pub(super) classes: &'static [&'static str],
}

impl Format {
    fn record(&self) -> usize {
        self.labels.len() + PIXELS
    }

    /// What an experiment says of the data set in a folder.
    #[cfg(test)]
    pub(super) fn data_in(&self, folder: &Path) -> Data {
        Data { path: Some(folder.to_owned()), ..Data::named(self.name) }
    }

    fn remedy(&self) -> String {
        format!("unpack {} ({}, \"binary version\") again", self.archive, self.title)
    }
}

impl Source for Format {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: self.name,
            summary: self.summary,
            kind: DataKind::Images,
            path: experiment::Path::Folder,
            keys: Vec::new(),
        }
    }

    /// Reads the folder that the experiment names, or the archive's folder inside it. Files may contain any number of
    /// whole records.
    fn load(&self, data: &Data, _seed: u64) -> Result<Dataset, DatasetError> {
        let folder = find(self, files::folder(data, self.name)?)?;
        let train = read_training_files(self, &folder)?;
        let mut test = Records::default();
        read_records(self, &folder.join(self.test), &mut test)?;
        let [mut train, mut test] = [train, test].map(|read| Examples::images(read.pixels, &read.labels));
        train.truncate(data.train_images);
        test.truncate(data.test_images);
        let classes = self.classes.iter().map(|&class| class.to_owned()).collect();
        Ok(Dataset::new(SHAPE, classes, train, test))
    }
}

/// The images of a split's files, with a label each.
#[derive(Default)]
struct Records {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// Reads the training files, which follow one another without a gap.
fn read_training_files(format: &Format, folder: &Path) -> Result<Records, DatasetError> {
    let mut train = Records::default();
    let mut missing = None;
    for name in format.train {
        let path = folder.join(name);
        match (path.exists(), missing) {
            (true, None) => read_records(format, &path, &mut train)?,
            (true, Some(missing)) => {
                let found = format!("{name} but no {missing}");
                return Err(DatasetError::file(
                    folder,
                    "training files without a gap",
                    found,
                    format.remedy(),
                ));
            }
            (false, _) => missing = missing.or(Some(name)),
        }
    }
    Ok(train)
}

/// The folder with the first training file. If there is none, the error says what is there instead.
fn find(format: &Format, folder: &Path) -> Result<std::path::PathBuf, DatasetError> {
    let first = format.train[0];
    let holds = |names: &[String]| names.iter().any(|name| name == first);
    if let Some((found, _)) = files::first_folder_that(folder, &[format.folder], holds)? {
        return Ok(found);
    }
    let names = files::names(folder)?;
    let has = |name: &str| names.iter().any(|other| other == name);
    let stem = first.trim_end_matches(".bin");
    let (found, remedy) = if has(stem) || has(format.pickled) {
        let why = "they are not read, since loading a pickle can run any code";
        (
            "the pickled Python version".to_owned(),
            format!("{why}; get {}, the binary version", format.archive),
        )
    } else if has(format.archive) {
        (format!("{} still packed", format.archive), "unpack it there with tar -xzf".to_owned())
    } else {
        let download = format!("get {} ({}, \"binary version\")", format.archive, format.title);
        ("neither".to_owned(), format!("{download}, unpack it and set data.path to its folder"))
    };
    Err(DatasetError::file(folder, format!("{first}, here or in {}", format.folder), found, remedy))
}

/// Adds a file's records. The length is checked before reading, the labels before use.
fn read_records(format: &Format, path: &Path, into: &mut Records) -> Result<(), DatasetError> {
    let opened = files::open(path)?;
    let record = format.record();
    if opened.len == 0 || opened.len % record as u64 != 0 {
        return Err(wrong_length(format, path, opened.len));
    }
    let bytes = files::read(path, opened)?;
    let images = bytes.len() / record;
    into.labels.reserve_exact(images);
    into.pixels.reserve_exact(images * PIXELS);
    for (index, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, planes) = record.split_at(format.labels.len());
        for (&label, (what, count)) in labels.iter().zip(format.labels) {
            if label >= *count {
                let found = format!("{label} in record {}", grouped(index as u64));
                let expected = format!("{what} labels below {count}");
                return Err(DatasetError::file(path, expected, found, format.remedy()));
            }
        }
        into.labels.extend(labels.last());
        into.pixels
            .extend((0..PLANE).flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]]));
    }
    Ok(())
}

fn wrong_length(format: &Format, path: &Path, len: u64) -> DatasetError {
    let record = format.record() as u64;
    let other = if format.labels.len() == 1 { ("CIFAR-100", record + 1) } else { ("CIFAR-10", record - 1) };
    let found = match len {
        0 => "an empty file".to_owned(),
        len if len.is_multiple_of(other.1) => {
            format!("{} bytes, which are whole records of {}", grouped(len), other.0)
        }
        len => format!("{} bytes, {} too many for whole records", grouped(len), grouped(len % record)),
    };
    let expected = format!("a whole number of records of {} bytes", grouped(record));
    DatasetError::file(path, expected, found, format.remedy())
}
