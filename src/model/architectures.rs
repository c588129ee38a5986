//! The architectures by name: an explicit list, one file per architecture. Knows only what is needed to check, describe
//! and build a lane.

use crate::experiment::{ArchitectureEntry, Lane, Optimizer};
use crate::model::{ModelError, Network};
use crate::topology::Topology;
use crate::units::InputShape;

mod resnet;

/// An architecture: three functions, so that a new one is one file and one line of [`ALL`].
pub(super) struct Architecture {
    /// What the parser of experiments needs to know about it.
    pub(super) entry: fn() -> ArchitectureEntry,
    /// Describes a lane's network without building it.
    pub(super) topology: fn(&Lane, InputShape, usize) -> Result<Topology, ModelError>,
    /// Builds a lane's network for a topology described by this architecture.
    pub(super) build: Build,
}

/// Builds a network from a lane, its topology, a seed, the optimiser's settings and the threads of a step.
type Build = fn(&Lane, Topology, u64, &Optimizer, usize) -> Result<Box<dyn Network>, ModelError>;

/// Every architecture, in the order in which they are listed to a user.
pub(super) const ALL: &[Architecture] = &[resnet::ARCHITECTURE];

/// Finds the architecture that a lane names.
pub(super) fn find(name: &str) -> Result<&'static Architecture, ModelError> {
    ALL.iter().find(|architecture| (architecture.entry)().name == name).ok_or_else(|| {
        ModelError::UnknownArchitecture {
            found: name.to_owned(),
            known: ALL.iter().map(|architecture| (architecture.entry)().name).collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_file_of_the_folder_is_forgotten() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/architectures");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of architectures")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        let mut registered: Vec<String> = ALL.iter().map(|a| (a.entry)().name.to_owned()).collect();
        files.sort();
        registered.sort();
        assert_eq!(files, registered, "a file in {folder} is named as its architecture and stands in ALL");
    }
}
