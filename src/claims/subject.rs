//! The lanes that rules are about: their names, and what their experiments say of them.

use super::rule::{Measure, Word};
use crate::experiment::{Experiment, Lane};

/// A lane of a sweep, as a rule selects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    lane: String,
    seed: u64,
    /// Dotted keys with their values, as [`Experiment::settings_of`] has them.
    settings: Vec<(String, String)>,
}

/// What a key of a rule refers to.
pub(super) enum Found<'a> {
    Value(&'a str),
    Nothing,
    /// The keys that end in it.
    Several(Vec<&'a str>),
}

impl Subject {
    /// The lanes of an experiment, in its order.
    pub fn all_of(experiment: &Experiment) -> Vec<Subject> {
        experiment.lanes.iter().map(|lane| Subject::with(experiment, lane)).collect()
    }

    /// The lane of this name.
    pub fn of(experiment: &Experiment, lane: &str) -> Option<Subject> {
        let found = experiment.lanes.iter().find(|known| known.name == lane);
        found.map(|lane| Subject::with(experiment, lane))
    }

    fn with(experiment: &Experiment, lane: &Lane) -> Subject {
        Subject { lane: lane.name.clone(), seed: experiment.seed, settings: experiment.settings_of(lane) }
    }

    /// The lane's name.
    pub fn lane(&self) -> &str {
        &self.lane
    }

    /// The seed of its experiment.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether two lanes are the same but for the seed.
    pub(super) fn differs_in_seed_only(&self, other: &Subject) -> bool {
        let all = |subject: &Subject| {
            let but_seed = subject.settings.iter().filter(|(key, _)| key != "seed");
            but_seed.cloned().collect::<Vec<(String, String)>>()
        };
        self.lane == other.lane && all(self) == all(other)
    }

    /// The value of a key, given by its dotted path or the end of one: `training.batch` is `batch`, too.
    pub fn setting(&self, key: &str) -> Option<&str> {
        match self.find(key) {
            Found::Value(value) => Some(value),
            Found::Nothing | Found::Several(_) => None,
        }
    }

    pub(super) fn find(&self, key: &str) -> Found<'_> {
        if let Some((_, value)) = self.settings.iter().find(|(known, _)| known == key) {
            return Found::Value(value);
        }
        let ends = |known: &str| known.strip_suffix(key).is_some_and(|before| before.ends_with('.'));
        let found: Vec<&(String, String)> = self.settings.iter().filter(|(known, _)| ends(known)).collect();
        match found.as_slice() {
            [] => Found::Nothing,
            [(_, value)] => Found::Value(value),
            several => Found::Several(several.iter().map(|(key, _)| key.as_str()).collect()),
        }
    }

    /// Its keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().map(|(key, _)| key.as_str())
    }

    /// Whether the conditions of a measure select it.
    pub(super) fn is_selected(&self, measure: &Measure) -> bool {
        let named = |pattern: &Word| matches_name(&pattern.text, &self.lane);
        let holds = |(key, values): &(Word, Vec<Word>)| {
            let found = self.setting(&key.text);
            found.is_some_and(|found| values.iter().any(|value| is_same(found, &value.text)))
        };
        (measure.lanes.is_empty() || measure.lanes.iter().any(named)) && measure.conditions.iter().all(holds)
    }

    /// Its name and the values of these keys, in words: `plain, depth 56, seed 2`.
    pub(super) fn described<'a>(&self, keys: impl Iterator<Item = &'a str>) -> String {
        let mut text = self.lane.clone();
        for key in keys.filter(|key| *key != "seed").chain(["seed"]) {
            if let Some(value) = self.setting(key) {
                text.push_str(&format!(", {} {value}", key.rsplit('.').next().unwrap_or(key)));
            }
        }
        text
    }
}

/// Whether two values are the same, as numbers if they are numbers: `0.10` is `0.1`.
fn is_same(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a == b || number(a).zip(number(b)).is_some_and(|(a, b)| a == b)
}

/// Whether a name matches a pattern, in which `*` stands for any characters.
fn matches_name(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(begin) else { return false };
    let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    starts.into_iter().any(|at| matches_name(rest, &name[at..]))
}

#[cfg(test)]
impl Subject {
    /// A lane by its name and settings: `plain depth=8 seed=0`.
    pub(super) fn told(text: &str) -> Subject {
        let mut words = text.split(' ');
        let lane = words.next().unwrap().to_owned();
        let setting = |word: &str| {
            let (key, value) = word.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let settings: Vec<(String, String)> = words.map(setting).collect();
        let seed = settings.iter().find(|(key, _)| key == "seed");
        let seed = seed.map_or(0, |(_, seed)| seed.parse().unwrap());
        Subject { lane, seed, settings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Available, parse};

    /// A lane's name may be the beginning of another's, up to a dot.
    #[test]
    fn a_lane_has_no_settings_of_another() {
        let lane = |name: &str, depth: usize| {
            format!(
                "[[lane]]\nname = \"{name}\"\narchitecture = \"resnet\"\ndepth = {depth}\nwidth = 8\n\
                 shortcut = \"none\"\n"
            )
        };
        let text = format!(
            "seed = 3\n[data]\nname = \"glyphs\"\n[training]\nsteps = 10\nbatch = 8\n\
             optimizer = {{ kind = \"sgd\", learning_rate = 0.05 }}\nschedule = {{ kind = \"constant\" }}\n{}{}",
            lane("a", 8),
            lane("a.b", 20)
        );
        let available = Available {
            datasets: crate::datasets::available(),
            architectures: crate::model::available(),
            probes: Vec::new(),
        };
        let experiment = parse(&text, "x.toml", &available, &[]).unwrap();
        let [a, b] = Subject::all_of(&experiment).try_into().unwrap();
        assert_eq!((a.setting("depth"), b.setting("depth")), (Some("8"), Some("20")));
        assert_eq!((a.setting("training.batch"), b.setting("batch")), (Some("8"), Some("8")));
        assert_eq!((a.lane(), b.lane(), b.seed()), ("a", "a.b", 3));
        let keys = |subject: &Subject| subject.keys().map(str::to_owned).collect::<Vec<String>>();
        assert_eq!(keys(&a), keys(&b));
        assert!(keys(&a).iter().all(|key| !key.starts_with("b.") && key != "name"), "{:?}", keys(&a));
        assert_eq!(Subject::of(&experiment, "a.b"), Some(b));
        assert_eq!(Subject::of(&experiment, "c"), None);
    }
}
