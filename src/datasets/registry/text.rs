//! `text`: the characters of a text, each to be predicted from those before it, from a file in UTF-8.
//!
//! Tokens are the text's distinct characters in the order of their code points. Of more than 256 only the 255 most
//! frequent are kept, and all others are the last token, `other`. Classes are the tokens, named by the characters as
//! they can be printed.
//!
//! The last tenth of the text is the test split. An example is a window of `context` characters with, as the label of
//! each, the character that follows it. Training examples begin at every character, so that they overlap, in an order
//! drawn from the seed; test examples follow each other without a gap, in the order of the text. Such as for a context
//! of 4 in `no noise`:
//!
//! ```text
//! tokens   n o _ n       o _ n o
//! labels   o _ n o       _ n o i
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError, Examples, NO_LABEL, Stored, files};
use crate::experiment::{self, Allowed, Data, DataKind, DatasetEntry, Key, Settings};
use crate::printable::{grouped, is_printable};
use crate::random::{shuffle, stream};
use crate::units::InputShape;

/// The longest text, in bytes: an example takes eight bytes, and there are as many as characters.
const MOST_BYTES: u64 = 16 << 20;
/// The most tokens, `other` included.
const MOST_TOKENS: usize = 256;
/// One character of so many is in the test split.
const TEST_SHARE: usize = 10;

/// The data set, read from a file.
pub(super) struct Text;

fn keys() -> Vec<Key> {
    vec![Key::with_default("context", "characters per example", Allowed::Whole { least: 1, most: 4096 }, 64)]
}

impl Source for Text {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "text",
            summary: "the characters of a text, each to be predicted from those before it, from a file in UTF-8",
            kind: DataKind::Sequences,
            path: experiment::Path::File,
            keys: keys(),
        }
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        read(data, &settings(data, &keys()), seed)
    }
}

fn read(data: &Data, settings: &Settings, seed: u64) -> Result<Dataset, DatasetError> {
    let path = files::file(data, "text")?;
    let text = files::text(path, MOST_BYTES)?;
    let context = settings.whole("context").unwrap_or(64);
    let vocabulary = Vocabulary::of(&text);
    let tokens: Vec<u16> = text.chars().map(|character| vocabulary.token(character)).collect();
    check(path, &tokens, context)?;

    let (train, test) = tokens.split_at(tokens.len() - tokens.len() / TEST_SHARE);
    let mut starts: Vec<usize> = (0..train.len() - context).collect();
    shuffle(&mut stream(seed, "text/order", 0), &mut starts);
    let mut train = windows(train, starts);
    let mut test = windows(test, (0..test.len() - context).step_by(context).collect());
    train.truncate(data.train_images);
    test.truncate(data.test_images);
    let classes = vocabulary.names();
    let shape = InputShape::Sequence { context, vocabulary: classes.len() };
    Ok(Dataset::new(shape, classes, train, test))
}

/// Checks that there are at least two different tokens, and a window in the test split and so in the training split.
fn check(path: &Path, tokens: &[u16], context: usize) -> Result<(), DatasetError> {
    let least = TEST_SHARE * (context + 1);
    if tokens.len() < least {
        let expected = format!(
            "at least {} characters, of which the last tenth holds {} and the one after them",
            grouped(least as u64),
            grouped(context as u64)
        );
        let found = grouped(tokens.len() as u64);
        return Err(DatasetError::file(path, expected, found, "lower data.context, or take a longer text"));
    }
    if tokens.iter().all(|&token| token == tokens[0]) {
        let found = "the same one everywhere";
        return Err(DatasetError::file(
            path,
            "at least two different characters",
            found,
            "take another text",
        ));
    }
    Ok(())
}

/// Windows of a part of a text; each token's label is the next token.
fn windows(tokens: &[u16], starts: Vec<usize>) -> Examples {
    let labels = tokens.iter().skip(1).copied().chain([NO_LABEL]).collect();
    Examples { inputs: Stored::Tokens { tokens: tokens.to_vec(), starts }, labels }
}

/// The characters that have a token of their own.
struct Vocabulary {
    kept: BTreeMap<char, u16>,
    /// Whether there are others, which share the last token.
    has_other: bool,
}

impl Vocabulary {
    fn of(text: &str) -> Vocabulary {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        text.chars().for_each(|character| *counts.entry(character).or_default() += 1);
        let has_other = counts.len() > MOST_TOKENS;
        let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
        if has_other {
            // Stable, so that of equally frequent characters the first ones are kept.
            characters.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
            characters.truncate(MOST_TOKENS - 1);
        }
        let kept: BTreeSet<char> = characters.into_iter().map(|(character, _)| character).collect();
        Vocabulary { kept: kept.into_iter().zip(0..).collect(), has_other }
    }

    fn token(&self, character: char) -> u16 {
        self.kept.get(&character).copied().unwrap_or(self.kept.len() as u16)
    }

    fn names(&self) -> Vec<String> {
        let other = self.has_other.then(|| "other".to_owned());
        self.kept.keys().map(|&character| name(character)).chain(other).collect()
    }
}

/// A character as it can be printed.
fn name(character: char) -> String {
    match character {
        ' ' => "space".to_owned(),
        '\'' | '"' | '\\' => character.to_string(),
        _ => {
            let shown = character.escape_debug().to_string();
            if is_printable(&shown) { shown } else { character.escape_unicode().to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::datasets::Batch;

    fn load(text: &[u8], context: usize, most: Option<usize>) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.txt");
        std::fs::write(&path, text).unwrap();
        let data = Data { path: Some(path), train_images: most, test_images: most, ..Data::named("text") };
        let settings = settings(&data, &keys()).with("context", context.into());
        read(&data, &settings, 0).map_err(|error| error.to_string())
    }

    /// The characters of a batch's tokens or labels.
    fn spelled(dataset: &Dataset, tokens: &[u16]) -> String {
        let spelled = |&token: &u16| match dataset.classes[usize::from(token)].as_str() {
            "space" => ' ',
            name => name.chars().next().unwrap(),
        };
        tokens.iter().map(spelled).collect()
    }

    #[test]
    fn examples_are_windows_and_labels_the_next_characters() {
        let text: String = (0..30).map(|number| format!("line {number}, ")).collect();
        let dataset = load(text.as_bytes(), 7, None).unwrap();
        let (train, test) = text.split_at(text.len() - text.len() / 10);
        assert_eq!((dataset.train.len(), dataset.test.len()), (train.len() - 7, (test.len() - 1) / 7));
        let mut batch = Batch::default();
        let mut seen = HashSet::new();
        for (split, part) in [(&dataset.train, train), (&dataset.test, test)] {
            for index in 0..split.len() {
                dataset.evaluation_batch(split, index..index + 1, &mut batch);
                let inputs = spelled(&dataset, batch.inputs.tokens().unwrap());
                let labels = spelled(&dataset, &batch.labels);
                assert_eq!(inputs[1..], labels[..6]);
                assert!(part.contains(&format!("{}{labels}", &inputs[..1])), "{inputs} {labels}");
                seen.insert(inputs);
            }
        }
        assert!((0..train.len() - 7).all(|at| seen.contains(&train[at..at + 7])));
    }

    #[test]
    fn fewer_examples_are_the_first_of_more() {
        let text: Vec<u8> = (0..3000_u32).map(|at| b'a' + (at * at % 23) as u8).collect();
        let (few, many) = (load(&text, 5, Some(4)).unwrap(), load(&text, 5, Some(9)).unwrap());
        let [mut a, mut b] = [Batch::default(), Batch::default()];
        few.evaluation_batch(&few.train, 0..4, &mut a);
        many.evaluation_batch(&many.train, 0..4, &mut b);
        assert_eq!((a, few.train.len(), many.train.len()), (b, 4, 9));
    }

    #[test]
    fn rare_characters_share_a_token_and_all_names_can_be_printed() {
        let all: Vec<char> = ('\0'..='\u{7f}').chain('\u{2000}'..='\u{20ff}').collect();
        assert!(all.len() > MOST_TOKENS);
        // Each of the last ones once, all others twice.
        let text: String = all.iter().chain(&all[..255]).collect();
        let dataset = load(text.as_bytes(), 4, None).unwrap();
        assert_eq!(dataset.classes.len(), 256);
        assert_eq!(dataset.classes[255], "other");
        assert_eq!(dataset.classes[..2], ["\\0", "\\u{1}"]);
        assert_eq!(
            [&dataset.classes[10][..], &dataset.classes[32], &dataset.classes[92]],
            ["\\n", "space", "\\"]
        );
        assert!(dataset.classes.iter().all(|name| is_printable(name) && !name.trim().is_empty()));
        let distinct: HashSet<&String> = dataset.classes.iter().collect();
        assert_eq!(distinct.len(), 256);
        let Stored::Tokens { tokens, .. } = &dataset.train.inputs else { panic!("these are tokens") };
        assert_eq!((tokens[254], tokens[255], tokens[300]), (254, 255, 255));
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let cases: &[(&[u8], usize, &str)] = &[
            (b"a\nb\xffc", 1, "text.txt: expected text in UTF-8, found a byte that is not UTF-8 in line 2; "),
            (&[b'a'; 1000], 4, "expected at least two different characters, found the same one everywhere"),
            (
                b"ab",
                64,
                "expected at least 650 characters, of which the last tenth holds 64 and the one after",
            ),
            (b"", 1, "expected at least 20 characters"),
        ];
        for (text, context, expected) in cases {
            let message = load(text, *context, None).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(load(&b"ab".repeat(10), 1, None).is_ok());
        assert!(load(&[b"ab".repeat(9), b"a".to_vec()].concat(), 1, None).is_err());
        // The mark at the beginning of a file is no character.
        let message = load("\u{feff}ab".as_bytes(), 1, None).unwrap_err();
        assert!(message.contains("found 2; "), "{message}");
    }
}
