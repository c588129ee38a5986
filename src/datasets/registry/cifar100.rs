//! `cifar100`: 60,000 colour photographs of 32x32 pixels in 100 classes (Krizhevsky 2009), binary version.

use crate::datasets::cifar::Format;

/// Its files and their format.
pub(super) const FORMAT: Format = Format {
    name: "cifar100",
    title: "CIFAR-100",
    summary: "CIFAR-100, binary version: 32x32 colour photographs in 100 classes, from a folder",
    archive: "cifar-100-binary.tar.gz",
    folder: "cifar-100-binary",
    pickled: "cifar-100-python",
    train: &["train.bin"],
    test: "test.bin",
    labels: &[("coarse", 20), ("fine", 100)],
    classes: CLASSES,
};

#[rustfmt::skip]
const CLASSES: &[&str] = &[
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::datasets::Dataset;
    use crate::datasets::source::Source;

    fn load(train: &[u8], test: &[u8]) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.bin"), train).unwrap();
        fs::write(folder.path().join("test.bin"), test).unwrap();
        FORMAT.load(&FORMAT.data_in(folder.path()), 0).map_err(|error| error.to_string())
    }

    fn record(coarse: u8, fine: u8) -> Vec<u8> {
        let mut record = vec![coarse, fine];
        record.extend((0..3072).map(|at| (at / 12) as u8));
        record
    }

    #[test]
    fn fine_labels_are_trained_on() {
        let dataset = load(&[record(19, 99), record(0, 3)].concat(), &record(4, 0)).unwrap();
        assert_eq!((&dataset.train.labels[..], &dataset.test.labels[..]), (&[99, 3][..], &[0][..]));
        // The first pixel's red, green and blue are the first bytes of the planes.
        assert_eq!(dataset.train.pixels()[..3], [0, 85, 170]);
        assert_eq!(dataset.classes[99], "worm");
    }

    #[test]
    fn both_labels_are_checked() {
        let good = record(0, 0);
        let message = load(&record(20, 0), &good).unwrap_err();
        assert!(message.contains("expected coarse labels below 20, found 20 in record 0"), "{message}");
        let message = load(&good, &[record(0, 99), record(0, 100)].concat()).unwrap_err();
        assert!(
            message.contains("test.bin: expected fine labels below 100, found 100 in record 1"),
            "{message}"
        );
        let message = load(&vec![0; 3073], &good).unwrap_err();
        assert!(message.contains("which are whole records of CIFAR-10;"), "{message}");
    }

    #[test]
    fn there_are_a_hundred_classes_in_alphabetical_order() {
        assert_eq!(CLASSES.len(), 100);
        assert!(CLASSES.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
