//! Every data set there is, one file each. A new one is a file in this folder, a `mod` line and a line in
//! [`SOURCES`].

use super::source::Source;

mod glyphs;
mod cifar10;
mod cifar100;
mod idx;
mod spirals;
mod moons;
mod mnist1d;
mod csv;
mod recall;
mod copy;
mod text;

/// All data sets, in the order in which they are listed to a user.
pub(super) const SOURCES: &[&dyn Source] = &[
    &glyphs::Glyphs,
    &cifar10::FORMAT,
    &cifar100::FORMAT,
    &idx::Idx,
    &spirals::Spirals,
    &moons::Moons,
    &mnist1d::Mnist1d,
    &csv::Csv,
    &recall::Recall,
    &copy::CopyTask,
    &text::Text,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::SOURCES;
    use crate::experiment::{Absence, Allowed, Key, Setting};

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

    #[test]
    fn every_default_is_allowed() {
        for Key { name, allowed, absence, .. } in SOURCES.iter().flat_map(|source| source.entry().keys) {
            match (allowed, absence) {
                (_, Absence::Left | Absence::Refused) => {}
                (Allowed::Whole { least, most }, Absence::Default(Setting::Whole(number))) => {
                    assert!((least..=most).contains(&number), "{name} = {number}");
                }
                (Allowed::Number { least, most }, Absence::Default(Setting::Number(number))) => {
                    assert!((least..=most).contains(&number), "{name} = {number}");
                }
                (allowed, absence) => panic!("{name} should be {allowed:?} and is {absence:?}"),
            }
        }
    }
}
