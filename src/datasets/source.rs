//! What every data set of the registry offers.

use super::{Dataset, DatasetError};
use crate::experiment::{Data, DatasetEntry, Key, Settings};

/// A registered data set.
pub(super) trait Source: Sync {
    /// Its name, what it is, what it is read from, and the keys that only it has.
    fn entry(&self) -> DatasetEntry;

    /// The bytes that its examples will take if it is generated; `u64::MAX` on overflow.
    fn generated_bytes(&self, data: &Data) -> u64 {
        let _ = data;
        0
    }

    /// Generates or reads it, with at most `data.train_images` and `data.test_images` examples: the first of those that
    /// there would be without these limits, so that fewer training examples are always some of more.
    ///
    /// # Errors
    /// Where files are missing, unreadable or not as expected, or keys don't fit together.
    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError>;
}

/// The values of the keys that a data set declares: those of an experiment, and defaults where it has none.
pub(super) fn settings(data: &Data, keys: &[Key]) -> Settings {
    let mut settings = data.settings.clone();
    settings.complete(keys);
    settings
}
