//! Keys that an architecture or a data set declares for its table of a file, and their values. The parser checks them
//! by their declarations, so that a new architecture or data set needs no line of the parser.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// A key of a lane or of `[data]`, as an architecture or a data set declares it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name in a file.
    pub name: &'static str,
    /// One line on what it means.
    pub about: &'static str,
    /// The values it may have.
    pub allowed: Allowed,
    /// What it means if a file lacks it.
    pub absence: Absence,
}

/// A step of a depth that holds where another key has a certain word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unless {
    /// The other key.
    pub key: &'static str,
    /// Its word.
    pub word: &'static str,
    /// The step.
    pub step: usize,
}

/// What it means that a file lacks a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Absence {
    /// A problem: the key is required.
    Refused,
    /// This value.
    Default(Setting),
    /// That there is no value.
    Left,
}

impl Key {
    /// A key that every file must have.
    pub fn required(name: &'static str, about: &'static str, allowed: Allowed) -> Key {
        Key { name, about, allowed, absence: Absence::Refused }
    }

    /// A key that may be missing, which means a default.
    pub fn with_default(
        name: &'static str,
        about: &'static str,
        allowed: Allowed,
        default: impl Into<Setting>,
    ) -> Key {
        Key { name, about, allowed, absence: Absence::Default(default.into()) }
    }

    /// A key that may be missing, and then has no value.
    pub fn optional(name: &'static str, about: &'static str, allowed: Allowed) -> Key {
        Key { name, about, allowed, absence: Absence::Left }
    }
}

/// The values that a key may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// One of these words.
    Words(Vec<&'static str>),
    /// One of these whole numbers, ascending: what is compiled in.
    Compiled(Vec<usize>),
    /// `step * n + offset` for n from 1, up to `most`: a depth in weight layers. The step is at least 1.
    Depth {
        /// Weight layers that one more block in each stage adds.
        step: usize,
        /// Weight layers outside the stages.
        offset: usize,
        /// The greatest depth.
        most: usize,
        /// Another step where another key asks for other blocks.
        unless: Option<Unless>,
    },
    /// A whole number within these bounds, both allowed.
    Whole {
        /// The least.
        least: usize,
        /// The greatest.
        most: usize,
    },
    /// A finite number within these bounds, both allowed.
    Number {
        /// The least.
        least: f64,
        /// The greatest.
        most: f64,
    },
    /// `true` or `false`.
    Flag,
    /// Any text that is not empty, such as the name of a column.
    Text,
}

impl fmt::Display for Allowed {
    /// All values, as a file spells them, or their bounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Words(words) => f.write_str(&words.join(", ")),
            Allowed::Compiled(numbers) => {
                f.write_str(&numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
            }
            Allowed::Depth { step, offset, most, unless } => {
                write!(f, "{step}n+{offset}")?;
                if let Some(Unless { key, word, step }) = unless {
                    write!(f, " ({step}n+{offset} with {key} = \"{word}\")")?;
                }
                write!(f, ", at most {most}")
            }
            Allowed::Whole { least, most } if *most >= i64::MAX as usize => {
                write!(f, "a whole number of at least {least}")
            }
            Allowed::Whole { least, most } => write!(f, "{least} to {most}"),
            Allowed::Number { least, most } => match (least.is_finite(), most.is_finite()) {
                (true, true) => write!(f, "a number from {least} to {most}"),
                (true, false) => write!(f, "a number of at least {least}"),
                (false, true) => write!(f, "a number of at most {most}"),
                (false, false) => f.write_str("a finite number"),
            },
            Allowed::Flag => f.write_str("true, false"),
            Allowed::Text => f.write_str("a text"),
        }
    }
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// Of [`Allowed::Flag`].
    Flag(bool),
    /// Of [`Allowed::Compiled`], [`Allowed::Depth`] and [`Allowed::Whole`].
    Whole(usize),
    /// Of [`Allowed::Number`].
    Number(f64),
    /// Of [`Allowed::Words`] and [`Allowed::Text`].
    Word(String),
}

/// The values of declared keys, by name. In a checked experiment every declared key has one, with a default filled in
/// where the file has none, unless it has no default and is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Sets a key.
    pub fn set(&mut self, key: &str, value: Setting) {
        self.0.insert(key.to_owned(), value);
    }

    /// The same settings with a key set.
    pub fn with(mut self, key: &str, value: Setting) -> Settings {
        self.set(key, value);
        self
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// A whole number; none if the key is missing or something else.
    pub fn whole(&self, key: &str) -> Option<usize> {
        match self.0.get(key) {
            Some(Setting::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number, whole or not; none if the key is missing or something else.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(key) {
            Some(Setting::Number(number)) => Some(*number),
            Some(Setting::Whole(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// A word; none if the key is missing or something else.
    pub fn word(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Setting::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether a flag is set; false if the key is missing or something else.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(Setting::Flag(true)))
    }

    /// All keys with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Fills in the defaults of declared keys that have no value.
    pub fn complete(&mut self, keys: &[Key]) {
        for Key { name, absence, .. } in keys {
            if let Absence::Default(default) = absence
                && !self.0.contains_key(*name)
            {
                self.set(name, default.clone());
            }
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    /// Leaves out what cannot be a setting: a field that only a newer version knows must not make a log unreadable.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Settings, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Found {
            Setting(Setting),
            Other(IgnoredAny),
        }
        let found = BTreeMap::<String, Found>::deserialize(deserializer)?;
        let settings = found.into_iter().filter_map(|(key, found)| match found {
            Found::Setting(setting) => Some((key, setting)),
            Found::Other(IgnoredAny) => None,
        });
        Ok(Settings(settings.collect()))
    }
}

impl fmt::Display for Setting {
    /// As in a file, but words without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(flag) => flag.fmt(f),
            Setting::Whole(number) => number.fmt(f),
            // Like TOML, so that 1.0 is not taken for a whole number.
            Setting::Number(number) => write!(f, "{number:?}"),
            Setting::Word(word) => f.write_str(word),
        }
    }
}

impl From<usize> for Setting {
    fn from(number: usize) -> Setting {
        Setting::Whole(number)
    }
}

impl From<f64> for Setting {
    fn from(number: f64) -> Setting {
        Setting::Number(number)
    }
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Setting {
        Setting::Flag(flag)
    }
}

impl From<&str> for Setting {
    fn from(word: &str) -> Setting {
        Setting::Word(word.to_owned())
    }
}
