//! Every data set there is, one file each. A new one is a file in this folder, a `mod` line and a line in
//! [`SOURCES`].

use super::{Dataset, DatasetError};
use crate::experiment::{Data, DatasetEntry};

mod glyphs;
mod cifar10;
mod cifar100;
mod idx;

/// A registered data set.
pub(super) trait Source: Sync {
    /// Its name, what it is, and whether it is read from a folder.
    fn entry(&self) -> DatasetEntry;

    /// The bytes that its images will take if it is generated; `u64::MAX` on overflow.
    fn generated_bytes(&self, data: &Data) -> u64 {
        let _ = data;
        0
    }

    /// Generates or reads it, with at most `data.train_images` and `data.test_images` images.
    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError>;
}

/// All data sets, in the order in which they are listed to a user.
pub(super) const SOURCES: &[&dyn Source] = &[&glyphs::Glyphs, &cifar10::FORMAT, &cifar100::FORMAT, &idx::Idx];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::SOURCES;

    #[test]
    fn no_data_set_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/datasets/registry");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let registered: BTreeSet<String> =
            SOURCES.iter().map(|source| source.entry().name.to_owned()).collect();
        assert_eq!(files, registered);
        assert_eq!(registered.len(), SOURCES.len(), "two data sets have one name");
    }
}
