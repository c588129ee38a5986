//! What every data set of the registry offers.

use super::{Dataset, DatasetError};
use crate::experiment::{Data, DatasetEntry};

/// A registered data set.
pub(super) trait Source: Sync {
    /// Its name, what it is, what it is read from, and the keys that only it has.
    fn entry(&self) -> DatasetEntry;

    /// The bytes that its images will take if it is generated; `u64::MAX` on overflow.
    fn generated_bytes(&self, data: &Data) -> u64 {
        let _ = data;
        0
    }

    /// Generates or reads it, with at most `data.train_images` and `data.test_images` images.
    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError>;
}
