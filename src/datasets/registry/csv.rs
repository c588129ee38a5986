//! `csv`: vectors from a file of comma-separated values (RFC 4180), in UTF-8.
//!
//! Each row is an example, blank lines don't count. The column `label` has the classes, at most 256; the others have
//! the features: numbers as they are, and a column of words becomes a feature for each of at most 64 different words,
//! 1 where it is the row's and 0 elsewhere. What separates fields, and whether the first row is a header, is found out
//! (`csv_table`). Every row must be complete; nothing is guessed for a missing value.
//!
//! Rows are put into an order drawn from the seed, of which the first `test_share` is the test split.

use crate::datasets::csv_columns::Columns;
use crate::datasets::csv_table::Table;
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError, Examples, files};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::{shuffle, stream};
use crate::units::InputShape;

/// The longest file, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// The data set, read from a file.
pub(super) struct Csv;

fn keys() -> Vec<Key> {
    let about = "the column of the classes: its name, or its number from 1; the last one where not given";
    let share = Allowed::Number { least: 0.0, most: 0.9 };
    vec![
        Key::optional("label", about, Allowed::Text),
        Key::with_default("test_share", "the share of the rows that is the test split", share, 0.2),
    ]
}

impl Source for Csv {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "csv",
            summary: "rows of numbers and words with a class each, from a file of comma-separated values",
            kind: DataKind::Vectors,
            path: Path::File,
            keys: keys(),
        }
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        read(data, &settings(data, &keys()), seed)
    }
}

fn read(data: &Data, settings: &Settings, seed: u64) -> Result<Dataset, DatasetError> {
    let path = files::file(data, "csv")?;
    let text = files::text(path, MOST_BYTES)?;
    let columns = Columns::read(&Table::read(path, &text)?, settings.word("label"))?;
    drop(text);

    let rows = columns.labels.len();
    let mut order: Vec<usize> = (0..rows).collect();
    shuffle(&mut stream(seed, "csv/order", 0), &mut order);
    let share = settings.number("test_share").unwrap_or(0.2);
    // At least one row is left for training.
    let tested = ((rows as f64 * share).round() as usize).min(rows - 1);
    let (test, train) = order.split_at(tested);
    let [mut train, mut test] = [train, test].map(|order| examples(&columns, order));
    train.truncate(data.train_images);
    test.truncate(data.test_images);
    Ok(Dataset::new(InputShape::Vector { features: columns.features }, columns.classes, train, test))
}

fn examples(columns: &Columns, order: &[usize]) -> Examples {
    let of = |&row: &usize| &columns.numbers[row * columns.features..][..columns.features];
    let mut numbers = Vec::with_capacity(order.len() * columns.features);
    order.iter().for_each(|row| numbers.extend_from_slice(of(row)));
    Examples::vectors(numbers, order.iter().map(|&row| columns.labels[row]).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::experiment::Setting;

    fn data(path: PathBuf, most: Option<usize>) -> Data {
        Data { path: Some(path), train_images: most, ..Data::named("csv") }
    }

    fn load(text: &[u8], most: Option<usize>, set: &[(&str, Setting)], seed: u64) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let data = data(path, most);
        let mut settings = settings(&data, &keys());
        set.iter().for_each(|(key, value)| settings.set(key, value.clone()));
        read(&data, &settings, seed).map_err(|error| error.to_string())
    }

    /// Rows whose label follows from their number, so that they can be recognised.
    fn rows(count: usize) -> String {
        "id,kind\n".to_owned() + &(0..count).map(|id| format!("{id},{}\n", id % 3)).collect::<String>()
    }

    #[test]
    fn rows_are_shared_between_the_splits_and_keep_their_labels() {
        let dataset = load(rows(50).as_bytes(), None, &[], 0).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (40, 10));
        assert_eq!((dataset.shape, dataset.classes.len()), (InputShape::Vector { features: 1 }, 3));
        let mut seen = BTreeSet::new();
        for split in [&dataset.train, &dataset.test] {
            for (&id, &label) in split.numbers().iter().zip(&split.labels) {
                assert_eq!(id as u16 % 3, label);
                seen.insert(id as usize);
            }
        }
        assert_eq!(seen, (0..50).collect());
        let other = load(rows(50).as_bytes(), None, &[], 1).unwrap();
        assert_ne!(dataset.train, other.train);
    }

    #[test]
    fn fewer_rows_are_the_first_of_more_and_the_test_split_stays() {
        let [few, many] = [5, 20].map(|most| load(rows(50).as_bytes(), Some(most), &[], 0).unwrap());
        assert_eq!(few.train.numbers(), &many.train.numbers()[..5]);
        assert_eq!(few.test, many.test);
        for (share, tested) in [(0.0, 0), (0.5, 25), (0.9, 45)] {
            let dataset = load(rows(50).as_bytes(), None, &[("test_share", share.into())], 0).unwrap();
            assert_eq!((dataset.test.len(), dataset.train.len()), (tested, 50 - tested));
        }
        let two = load(b"1,a\n2,b\n", None, &[("test_share", 0.9.into())], 0).unwrap();
        assert_eq!((two.train.len(), two.test.len()), (1, 1));
    }

    #[test]
    fn the_label_is_the_column_that_the_key_says() {
        let by_id = load(rows(30).as_bytes(), None, &[("label", "id".into())], 0).unwrap();
        assert_eq!(by_id.classes.len(), 30);
    }

    #[test]
    fn files_that_cannot_be_read_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let told = |data: &Data, expected: &str| {
            let error = Csv.load(data, 0).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.about(), "data.path");
        };
        told(&data(folder.path().join("no.csv"), None), "no.csv: expected a readable file, found nothing");
        told(&data(folder.path().to_owned(), None), "expected a regular file, found a folder");
        let path = folder.path().join("huge.csv");
        // A sparse file takes no room on the disk.
        std::fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        told(&data(path, None), "huge.csv: expected at most 268,435,456 bytes, found 268,435,457 bytes");
        let mut without = data(PathBuf::new(), None);
        without.path = None;
        told(&without, "expected the file of csv, found none; set data.path to it");
        let message = load(b"a,b\n1,\xff\n", None, &[], 0).unwrap_err();
        assert!(
            message.contains("expected text in UTF-8, found a byte that is not UTF-8 in line 2"),
            "{message}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn any_text_gives_vectors_or_an_error(text in "[ab1-3.,;\"\n\r\t \u{feff}\u{1b}é]{0,40}") {
            match load(text.as_bytes(), None, &[], 0) {
                Ok(dataset) => {
                    let rows = dataset.train.len() + dataset.test.len();
                    prop_assert!(rows >= 2 && dataset.classes.len() >= 2);
                    for split in [&dataset.train, &dataset.test] {
                        prop_assert_eq!(split.numbers().len(), split.len() * dataset.shape.len());
                        prop_assert!(split.numbers().iter().all(|number| number.is_finite()));
                        prop_assert!(split.labels.iter().all(|&l| usize::from(l) < dataset.classes.len()));
                    }
                }
                Err(message) => prop_assert!(crate::printable::is_printable(&message), "{}", message),
            }
        }
    }
}
