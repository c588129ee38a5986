//! An experiment as a list of dotted keys and values, for finding the differences between two experiments.

use std::collections::BTreeMap;

use super::{Experiment, Lane};

/// A key whose value differs between two experiments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The dotted key.
    pub key: String,
    /// Its value in the earlier one; none if it lacks the key.
    pub before: Option<String>,
    /// Its value in the later one; none if it lacks the key.
    pub now: Option<String>,
}

impl Experiment {
    /// Every key of the serialised file with its value as written there, in the order of the file. A lane's keys
    /// contain its name, as in an override: `lane.plain.depth`.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        // An experiment that cannot be TOML has no keys; `parse` returns none such.
        let Ok(toml::Value::Table(mut file)) = toml::Value::try_from(self) else { return settings };
        let lanes = file.remove("lane");
        flatten("", &toml::Value::Table(file), &mut settings);
        for lane in lanes.iter().filter_map(toml::Value::as_array).flatten() {
            let name = lane.get("name").and_then(toml::Value::as_str).unwrap_or_default();
            flatten(&format!("lane.{name}"), lane, &mut settings);
        }
        settings
    }

    /// The keys of one of its lanes, without the lane's name, after those that are for all lanes: `training.batch`,
    /// `depth`.
    pub fn settings_of(&self, lane: &Lane) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        let (file, own) = (toml::Value::try_from(self), toml::Value::try_from(lane));
        let (Ok(toml::Value::Table(mut file)), Ok(toml::Value::Table(mut own))) = (file, own) else {
            return settings;
        };
        file.remove("lane");
        own.remove("name");
        flatten("", &toml::Value::Table(file), &mut settings);
        flatten("", &toml::Value::Table(own), &mut settings);
        settings
    }

    /// The keys whose value differs in a later experiment, ordered by name.
    pub fn changes(&self, now: &Experiment) -> Vec<Change> {
        let [before, now] = [self, now].map(|of| of.settings().into_iter().collect::<BTreeMap<_, _>>());
        let gone = before.keys().filter(|key| !now.contains_key(*key));
        let mut keys: Vec<&String> = gone.chain(now.keys()).collect();
        keys.sort_unstable();
        let change = |key: &String| {
            let (before, now) = (before.get(key).cloned(), now.get(key).cloned());
            (before != now).then(|| Change { key: key.clone(), before, now })
        };
        keys.into_iter().filter_map(change).collect()
    }
}

fn flatten(path: &str, value: &toml::Value, settings: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, settings);
            }
        }
        toml::Value::String(text) => settings.push((path.to_owned(), text.clone())),
        value => settings.push((path.to_owned(), value.to_string())),
    }
}
