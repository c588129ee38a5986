//! `idx`: MNIST and the data sets in its format (Fashion-MNIST, KMNIST, EMNIST): gray images and labels.

use std::path::Path;

use crate::datasets::idx_format::{self, Kind, Values};
use crate::datasets::source::Source;
use crate::datasets::{Dataset, DatasetError, Examples, files, idx_folder};
use crate::experiment::{self, Data, DataKind, DatasetEntry};
use crate::units::ImageShape;

/// The fewest classes: a small excerpt of MNIST may lack a digit.
const FEWEST_CLASSES: u8 = 10;
/// The most classes; the largest known data set of this kind has 62, so that a larger label means a file of another
/// kind.
const MOST_CLASSES: u8 = 100;

/// The data set, read from a folder.
pub(super) struct Idx;

impl Source for Idx {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "idx",
            summary: "MNIST, Fashion-MNIST, EMNIST and others in their format, gzip-compressed or not, from a folder",
            kind: DataKind::Images,
            path: experiment::Path::Folder,
            keys: Vec::new(),
        }
    }

    fn load(&self, data: &Data, _seed: u64) -> Result<Dataset, DatasetError> {
        let found = idx_folder::find(files::folder(data, "idx")?)?;
        let mut train = split(&found.train_images, &found.train_labels, data)?;
        let mut test = split(&found.test_images, &found.test_labels, data)?;
        if test.side != train.side {
            let [expected, found_size] =
                [train.side, test.side].map(|side| format!("images of {side}x{side}"));
            let remedy = "take both splits from one data set";
            return Err(DatasetError::file(&found.test_images, expected, found_size, remedy));
        }
        let labels = Labels::of(&found.train_labels, &train.labels)?;
        for (path, split) in [(&found.train_labels, &mut train), (&found.test_labels, &mut test)] {
            labels.apply(path, &mut split.labels)?;
        }
        let shape = ImageShape { channels: 1, height: train.side, width: train.side };
        let [mut train, mut test] = [train, test].map(|split| Examples::images(split.pixels, &split.labels));
        train.truncate(data.train_images);
        test.truncate(data.test_images);
        Ok(Dataset::new(shape, labels.names(), train, test))
    }
}

/// A split as in its files, and the side of its square images.
struct Split {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    side: usize,
}

fn split(images: &Path, labels: &Path, data: &Data) -> Result<Split, DatasetError> {
    let read = idx_format::read(images, Kind::Images)?;
    let read_labels = idx_format::read(labels, Kind::Labels)?;
    if read.dimensions[0] != read_labels.dimensions[0] {
        return Err(DatasetError::file(
            labels,
            format!("{} labels, one for each image", read.dimensions[0]),
            read_labels.dimensions[0].to_string(),
            "take images and labels from one data set",
        ));
    }
    let (pixels, side) = square(images, read, data.transpose)?;
    Ok(Split { pixels, labels: read_labels.bytes, side })
}

/// The pixels as networks take them: 28x28 in a black frame of two pixels, 16x16 and 32x32 as they are.
fn square(path: &Path, values: Values, transpose: bool) -> Result<(Vec<u8>, usize), DatasetError> {
    let (from, frame) = match values.dimensions[1..] {
        [16, 16] => (16, 0),
        [28, 28] => (28, 2),
        [32, 32] => (32, 0),
        _ => {
            let found = format!("images of {}x{} pixels", values.dimensions[1], values.dimensions[2]);
            return Err(DatasetError::file(
                path,
                "images of 16x16, 28x28 or 32x32 pixels",
                found,
                "scale them to one of these sizes",
            ));
        }
    };
    if frame == 0 && !transpose {
        return Ok((values.bytes, from));
    }
    let side = from + 2 * frame;
    let mut pixels = vec![0; values.dimensions[0] * side * side];
    for (image, into) in values.bytes.chunks_exact(from * from).zip(pixels.chunks_exact_mut(side * side)) {
        for (row, values) in image.chunks_exact(from).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                let (row, column) = if transpose { (column, row) } else { (row, column) };
                into[(row + frame) * side + column + frame] = value;
            }
        }
    }
    Ok((pixels, side))
}

/// What the labels of a data set count from.
struct Labels {
    /// The smallest label: 1 for EMNIST's letters, otherwise 0.
    first: u8,
    classes: u8,
}

impl Labels {
    /// Derived from the training split, which has at least one label. Labels count from 1 if there is no 0 but one that
    /// ten classes from 0 would not have.
    fn of(path: &Path, labels: &[u8]) -> Result<Labels, DatasetError> {
        let mut seen = [false; 256];
        labels.iter().for_each(|&label| seen[usize::from(label)] = true);
        let last = labels.iter().copied().max().unwrap_or_default();
        let first = u8::from(!seen[0] && last >= FEWEST_CLASSES);
        let wrong = |expected: String, found: String| {
            DatasetError::file(path, expected, found, "get the file again, or check that it is the right one")
        };
        if last - first >= MOST_CLASSES {
            return Err(wrong(format!("labels below {MOST_CLASSES}"), last.to_string()));
        }
        let classes = (last - first + 1).max(FEWEST_CLASSES);
        // A label far above all others is an error in the file, not a class.
        let gap = (first..last).find(|&label| !seen[usize::from(label)]);
        match gap {
            Some(gap) if classes > FEWEST_CLASSES => Err(wrong(
                format!("every label up to the highest, {last}"),
                format!("no image with label {gap}"),
            )),
            _ => Ok(Labels { first, classes }),
        }
    }

    /// Shifts labels to count from 0.
    fn apply(&self, path: &Path, labels: &mut [u8]) -> Result<(), DatasetError> {
        for (index, label) in labels.iter_mut().enumerate() {
            match label.checked_sub(self.first).filter(|&class| class < self.classes) {
                Some(class) => *label = class,
                None => {
                    return Err(DatasetError::file(
                        path,
                        format!("labels from {} to {}", self.first, self.first + self.classes - 1),
                        format!("{label} for image {index}"),
                        "take both splits from one data set, or get the file again",
                    ));
                }
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        (self.first..self.first + self.classes).map(|label| label.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn idx(dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, dimensions.len() as u8];
        file.extend(dimensions.iter().flat_map(|d| d.to_be_bytes()));
        file.extend(bytes);
        file
    }

    fn images(count: usize, side: usize) -> Vec<u8> {
        let bytes: Vec<u8> = (0..count * side * side).map(|at| (at % 251) as u8 + 1).collect();
        idx(&[count as u32, side as u32, side as u32], &bytes)
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        idx(&[labels.len() as u32], labels)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn load(files: [&[u8]; 4], transpose: bool) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ];
        for (name, bytes) in names.iter().zip(files) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let data = Data { path: Some(folder.path().to_owned()), transpose, ..Data::named("idx") };
        Idx.load(&data, 0).map_err(|error| error.to_string())
    }

    #[test]
    fn raw_and_packed_files_give_the_same_and_28_is_framed_to_32() {
        let files = [images(3, 28), labels(&[0, 4, 9]), images(1, 28), labels(&[2])];
        let packed = files.clone().map(|file| gzip(&file));
        let raw = load(files.each_ref().map(|file| &file[..]), false).unwrap();
        let unpacked = load(packed.each_ref().map(|file| &file[..]), false).unwrap();
        assert_eq!((&raw.train, &raw.test), (&unpacked.train, &unpacked.test));
        assert_eq!(raw.shape.image(), Some(ImageShape { channels: 1, height: 32, width: 32 }));
        assert_eq!(raw.classes.len(), 10);
        let image = &raw.train.pixels()[1024..2048];
        let framed = |row: usize, column: usize| image[row * 32 + column];
        assert_eq!(framed(2, 2), (784 % 251) as u8 + 1);
        assert_eq!(framed(29, 29), (1567 % 251) as u8 + 1);
        for at in 0..32 {
            assert_eq!([framed(1, at), framed(30, at), framed(at, 1), framed(at, 30)], [0; 4]);
        }
    }

    #[test]
    fn transposing_swaps_rows_and_columns() {
        for (side, frame) in [(16, 0), (28, 2), (32, 0)] {
            let image = images(1, side);
            let files = [&image[..], &labels(&[0]), &image, &labels(&[0])];
            let [plain, swapped] =
                [false, true].map(|transpose| load(files, transpose).unwrap().train.pixels().to_vec());
            let full = side + 2 * frame;
            for row in 0..full {
                for column in 0..full {
                    assert_eq!(plain[row * full + column], swapped[column * full + row]);
                }
            }
            assert_ne!(plain, swapped);
        }
    }

    #[test]
    fn letters_that_count_from_one_are_shifted() {
        let all: Vec<u8> = (1..=26).collect();
        let dataset =
            load([&images(26, 16), &labels(&all), &images(2, 16), &labels(&[1, 26])], false).unwrap();
        assert_eq!(dataset.train.labels, (0..26).collect::<Vec<u16>>());
        assert_eq!(dataset.test.labels, [0, 25]);
        assert_eq!(
            (dataset.classes.len(), &dataset.classes[0][..], &dataset.classes[25][..]),
            (26, "1", "26")
        );
        // A few digits of MNIST without a zero are not.
        let digits = load([&images(2, 16), &labels(&[1, 9]), &images(1, 16), &labels(&[0])], false).unwrap();
        assert_eq!((digits.train.labels, digits.classes.len()), (vec![1, 9], 10));
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let two = images(2, 16);
        let cases: &[([&[u8]; 4], &str)] = &[
            (
                [&two, &labels(&[1]), &two, &labels(&[1, 2])],
                "train-labels-idx1-ubyte: expected 2 labels, one for each image, found 1; ",
            ),
            (
                [&two, &labels(&[0, 200]), &two, &labels(&[1, 2])],
                "train-labels-idx1-ubyte: expected labels below 100, found 200; ",
            ),
            (
                [&two, &labels(&[0, 77]), &two, &labels(&[1, 2])],
                "expected every label up to the highest, 77, found no image with label 1",
            ),
            (
                [&two, &labels(&[0, 9]), &two, &labels(&[1, 10])],
                "t10k-labels-idx1-ubyte: expected labels from 0 to 9, found 10 for image 1",
            ),
            (
                [&two, &labels(&[0, 9]), &images(2, 28), &labels(&[1, 1])],
                "t10k-images-idx3-ubyte: expected images of 16x16, found images of 32x32",
            ),
            (
                [&images(2, 20), &labels(&[0, 9]), &two, &labels(&[1, 1])],
                "expected images of 16x16, 28x28 or 32x32 pixels, found images of 20x20 pixels",
            ),
            (
                [&labels(&[0, 9]), &labels(&[0, 9]), &two, &labels(&[1, 1])],
                "train-images-idx3-ubyte: expected an IDX file of images (00 00 08 03), found an IDX file of labels",
            ),
        ];
        for (files, expected) in cases {
            let message = load(*files, false).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
