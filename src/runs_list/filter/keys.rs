//! The keys that a filter compares: their names and the kinds of their values.

/// A key.
#[expect(missing_docs, reason = "the table says what each is")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    State,
    Id,
    Name,
    Sweep,
    Question,
    Note,
    Tag,
    Seed,
    Steps,
    Started,
    Age,
    Duration,
    Lanes,
    Host,
    System,
    Command,
    Version,
    Threads,
    Data,
    Batch,
    Optimizer,
    LearningRate,
    WeightDecay,
    Schedule,
    Lane,
    Step,
    Loss,
    Error,
    Train,
    Test,
    Depth,
    Width,
    Shortcut,
    Architecture,
}

/// The kind of a key's values, which determines how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, compared for equality ignoring case; not ordered.
    Text,
    /// `running`, `finished` and so on.
    State,
    /// A number: `20`, `0.05`, `1e-4`, `nan`.
    Number,
    /// A share: `0.1` or `10%`.
    Share,
    /// A span of time: `90s`, `1h30m`, `2d`; seconds without a unit.
    Span,
    /// A date or a time in UTC, or the beginning of one: `2026-11`, `2026-11-23T14:05`.
    Time,
}

/// An entry of the table of keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyEntry {
    /// The key.
    pub key: Key,
    /// Its name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// The kind of its values.
    pub kind: Kind,
    /// Whether each lane has a value of its own.
    pub of_lane: bool,
    /// A description.
    pub what: &'static str,
}

/// What has a value of its own.
#[derive(Clone, Copy)]
enum Scope {
    Run,
    Lane,
}

macro_rules! key {
    ($scope:ident $key:ident $kind:ident $name:literal $aliases:expr, $what:literal) => {
        KeyEntry {
            key: Key::$key,
            name: $name,
            aliases: &$aliases,
            kind: Kind::$kind,
            of_lane: matches!(Scope::$scope, Scope::Lane),
            what: $what,
        }
    };
}

/// All keys, in the order of [`Key`].
pub const KEYS: &[KeyEntry] = &[
    key!(Run State State "state" [], "its state: running, finished, crashed, .."),
    key!(Run Id Text "id" ["run"], "the name of its folder"),
    key!(Run Name Text "name" ["experiment"], "the name of its experiment"),
    key!(Run Sweep Text "sweep" [], "the sweep that it is part of"),
    key!(Run Question Text "question" [], "the question of its experiment"),
    key!(Run Note Text "note" [], "your note"),
    key!(Run Tag Text "tag" ["tags"], "one of its tags"),
    key!(Run Seed Number "seed" [], "its seed"),
    key!(Run Steps Number "steps" [], "the planned updates of each lane"),
    key!(Run Started Time "started" ["date"], "when it started, in UTC"),
    key!(Run Age Span "age" [], "the time since it started"),
    key!(Run Duration Span "duration" ["time"], "from its start to its last record"),
    key!(Run Lanes Number "lanes" [], "how many lanes it has"),
    key!(Run Host Text "host" [], "the machine"),
    key!(Run System Text "system" ["os"], "its operating system and processor"),
    key!(Run Command Text "command" [], "the command line"),
    key!(Run Version Text "version" ["skiplane"], "the version that trained it"),
    key!(Run Threads Number "threads" [], "the number of threads"),
    key!(Run Data Text "data" ["dataset"], "the data set"),
    key!(Run Batch Number "batch" [], "examples per step"),
    key!(Run Optimizer Text "optimizer" ["optimiser"], "sgd, adam, adamw"),
    key!(Run LearningRate Number "learning_rate" ["lr"], "the base learning rate"),
    key!(Run WeightDecay Number "weight_decay" ["wd"], "the weight decay"),
    key!(Run Schedule Text "schedule" [], "constant, steps, cosine"),
    key!(Lane Lane Text "lane" [], "the lane's name"),
    key!(Lane Step Number "step" [], "the updates made"),
    key!(Lane Loss Number "loss" [], "the loss of the last step"),
    key!(Lane Error Share "error" [], "the training error of the last step's batch"),
    key!(Lane Train Share "train" ["train_error"], "the last evaluated training error"),
    key!(Lane Test Share "test" ["test_error"], "the last evaluated test error"),
    key!(Lane Depth Number "depth" [], "weight layers"),
    key!(Lane Width Number "width" [], "channels of the first stage"),
    key!(Lane Shortcut Text "shortcut" [], "none, identity, projection"),
    key!(Lane Architecture Text "architecture" ["arch"], "the architecture"),
];

impl Key {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Its entry of the table.
    pub fn entry(self) -> &'static KeyEntry {
        &KEYS[self as usize]
    }

    /// The key with this name.
    pub fn named(name: &str) -> Option<Key> {
        let name = name.to_ascii_lowercase();
        let is_called = |entry: &&KeyEntry| entry.name == name || entry.aliases.contains(&name.as_str());
        KEYS.iter().find(is_called).map(|entry| entry.key)
    }

    /// The name of a key with the spelling nearest to `name`.
    pub(super) fn nearest(name: &str) -> &'static str {
        let names = KEYS.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name]));
        nearest(name, names)
    }
}

/// The choice with the spelling nearest to `found`.
pub(super) fn nearest<'a>(found: &str, choices: impl Iterator<Item = &'a str>) -> &'a str {
    // Longer words cannot be names, and the comparison takes time proportional to the product of both lengths.
    let found: String = found.to_lowercase().chars().take(40).collect();
    let likeness = |choice: &str| {
        let begins = if choice.starts_with(&found) { 0.5 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(&found, choice) + begins
    };
    choices.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_stands_at_its_place_under_names_of_its_own() {
        let mut names = BTreeSet::new();
        for (at, entry) in KEYS.iter().enumerate() {
            assert_eq!(entry.key as usize, at, "{}", entry.name);
            for name in entry.aliases.iter().chain([&entry.name]) {
                assert!(names.insert(*name), "{name}");
                assert_eq!(Key::named(name), Some(entry.key));
            }
        }
    }
}
