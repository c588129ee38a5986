//! `cifar10`: 60,000 colour photographs of 32x32 pixels in 10 classes (Krizhevsky 2009), binary version.

use crate::datasets::cifar::Format;

/// Its files and their format.
pub(super) const FORMAT: Format = Format {
    name: "cifar10",
    title: "CIFAR-10",
    summary: "CIFAR-10, binary version: 32x32 colour photographs in 10 classes, from a folder",
    archive: "cifar-10-binary.tar.gz",
    folder: "cifar-10-batches-bin",
    pickled: "cifar-10-batches-py",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    labels: &[("class", 10)],
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::datasets::Dataset;
    use crate::datasets::source::Source;
    use crate::units::ImageShape;

    const RECORD: usize = 3073;

    fn load(folder: &Path) -> Result<Dataset, String> {
        FORMAT.load(&FORMAT.data_in(folder), 0).map_err(|error| error.to_string())
    }

    /// Records whose pixels encode where they come from.
    fn records(count: usize, first_label: u8) -> Vec<u8> {
        let record = |index: usize| {
            let label = (first_label + index as u8) % 10;
            std::iter::once(label).chain((0..3072).map(move |at| (at % 251 + index) as u8))
        };
        (0..count).flat_map(record).collect()
    }

    fn folder(train: &[u8], test: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data_batch_1.bin"), train).unwrap();
        fs::write(folder.path().join("test_batch.bin"), test).unwrap();
        folder
    }

    #[test]
    fn planes_become_pixels_and_files_follow_each_other() {
        let folder = folder(&records(3, 0), &records(2, 7));
        fs::write(folder.path().join("data_batch_2.bin"), records(1, 5)).unwrap();
        let dataset = load(folder.path()).unwrap();
        assert_eq!(dataset.shape.image(), Some(ImageShape { channels: 3, height: 32, width: 32 }));
        assert_eq!(dataset.train.labels, [0, 1, 2, 5]);
        assert_eq!(dataset.test.labels, [7, 8]);
        assert_eq!(dataset.classes.len(), 10);
        for (image, at, channel) in [(0, 0, 0), (1, 0, 1), (2, 1023, 2), (0, 517, 1)] {
            let expected = ((channel * 1024 + at) % 251 + image) as u8;
            assert_eq!(dataset.train.pixels()[image * 3072 + at * 3 + channel], expected);
        }
    }

    #[test]
    fn the_archive_s_own_folder_is_found_and_counts_can_be_limited() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("cifar-10-batches-bin");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("data_batch_1.bin"), records(9, 0)).unwrap();
        fs::write(inner.join("test_batch.bin"), records(5, 0)).unwrap();
        let mut limited = FORMAT.data_in(outer.path());
        limited.train_images = Some(4);
        limited.test_images = Some(100);
        let dataset = FORMAT.load(&limited, 0).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (4, 5));
        assert_eq!(dataset.train.pixels().len(), 4 * 3072);
    }

    #[test]
    fn broken_files_are_errors_that_name_file_and_lengths() {
        let good = records(2, 0);
        let mut bad_label = good.clone();
        bad_label[RECORD] = 10;
        let cases: &[(&[u8], &str)] = &[
            (
                &[],
                "data_batch_1.bin: expected a whole number of records of 3,073 bytes, found an empty file; ",
            ),
            (&good[..2 * RECORD - 1], "found 6,145 bytes, 3,072 too many for whole records; unpack"),
            (&vec![0; 3 * 3074], "found 9,222 bytes, which are whole records of CIFAR-100; unpack"),
            (&bad_label, "expected class labels below 10, found 10 in record 1; unpack"),
        ];
        for (bytes, expected) in cases {
            let folder = folder(bytes, &good);
            let message = load(folder.path()).unwrap_err();
            assert!(message.contains(expected) && message.contains("data_batch_1.bin"), "{message}");
        }
        let message = load(folder(&good, &good[1..]).path()).unwrap_err();
        assert!(message.contains("test_batch.bin: expected"), "{message}");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let empty = tempfile::tempdir().unwrap();
        let told = |path: &Path, expected: &str| {
            let message = load(path).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        told(empty.path(), "expected data_batch_1.bin, here or in cifar-10-batches-bin, found neither; get");
        told(&empty.path().join("no"), "expected a folder, found nothing; set data.path");
        fs::write(empty.path().join("cifar-10-binary.tar.gz"), b"x").unwrap();
        told(empty.path(), "found cifar-10-binary.tar.gz still packed; unpack it");
        fs::write(empty.path().join("data_batch_1"), b"x").unwrap();
        told(
            empty.path(),
            "found the pickled Python version; they are not read, since loading a pickle can run",
        );
        let only_train = folder(&records(1, 0), &[]);
        fs::remove_file(only_train.path().join("test_batch.bin")).unwrap();
        told(only_train.path(), "test_batch.bin: expected a readable file, found nothing");
        fs::create_dir(only_train.path().join("test_batch.bin")).unwrap();
        told(only_train.path(), "test_batch.bin: expected a regular file, found a folder");
        let gap = folder(&records(1, 0), &records(1, 0));
        fs::write(gap.path().join("data_batch_3.bin"), records(1, 0)).unwrap();
        told(gap.path(), "found data_batch_3.bin but no data_batch_2.bin");
    }

    #[test]
    fn a_huge_file_is_refused_before_it_is_read() {
        let folder = folder(&records(1, 0), &records(1, 0));
        let file = fs::OpenOptions::new().write(true).open(folder.path().join("data_batch_1.bin")).unwrap();
        // A sparse file of whole records takes no room on the disk.
        file.set_len(3073 * 100_000_000).unwrap();
        let message = load(folder.path()).unwrap_err();
        assert!(
            message.contains("expected at most 1,073,741,824 bytes, found 307,300,000,000 bytes"),
            "{message}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_give_images_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..2 * RECORD),
            whole in any::<bool>(),
        ) {
            let len = if whole { bytes.len() / RECORD * RECORD } else { bytes.len() };
            let folder = folder(&bytes[..len], &records(1, 0));
            match load(folder.path()) {
                Ok(dataset) => {
                    prop_assert_eq!(dataset.train.len() * RECORD, len);
                    prop_assert!(dataset.train.labels.iter().all(|&label| label < 10));
                }
                Err(message) => prop_assert!(message.contains("data_batch_1.bin"), "{}", message),
            }
        }
    }
}
