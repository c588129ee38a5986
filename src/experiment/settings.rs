//! An experiment as a list of dotted keys and their values, to tell what differs between two of them.

use super::Experiment;

impl Experiment {
    /// Every key of the file as resolved with its value as it is written there, in the order of the file. A
    /// lane's keys go by its name, as in an override: `lane.plain.depth`.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        // What cannot be TOML has no keys; `parse` gives no such experiment.
        let Ok(toml::Value::Table(mut file)) = toml::Value::try_from(self) else { return settings };
        let lanes = file.remove("lane");
        flatten("", &toml::Value::Table(file), &mut settings);
        for lane in lanes.iter().filter_map(toml::Value::as_array).flatten() {
            let name = lane.get("name").and_then(toml::Value::as_str).unwrap_or_default();
            flatten(&format!("lane.{name}"), lane, &mut settings);
        }
        settings
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
