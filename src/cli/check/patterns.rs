//! Checks that the patterns of an experiment match layers and parameters of its lanes.

use std::collections::BTreeSet;

use crate::cli::failure::Failure;
use crate::experiment::{self, Checked, Lane};
use crate::model::{Description, Outline};
use crate::printable::printable;
use crate::structure::Structure;

/// The most names that are suggested.
const SUGGESTIONS: usize = 3;

/// Checks that every pattern for parameters matches one of a lane that has it, and that every lane has a parameter that
/// is trained.
pub(super) fn check_parameters(checked: &Checked, outlines: &[Outline]) -> Result<(), Failure> {
    let lanes = &checked.experiment.lanes;
    let refused = |place: String, message: String| Err(Failure::Input(anyhow::anyhow!("{place}: {message}")));
    for (index, (lane, own)) in lanes.iter().zip(outlines).enumerate() {
        for (key, at, pattern) in patterns(lane) {
            let has =
                |other: &Lane| patterns(other).iter().any(|(of, _, text)| (*of, *text) == (key, pattern));
            let mut others = lanes.iter().zip(outlines).filter(|(other, _)| has(other));
            let matches = |name: &String| experiment::matches_parameter(pattern, name);
            if !others.any(|(_, outline)| outline.parameters.iter().any(matches)) {
                let place =
                    checked.places.of_lane(index, &format!("{key}.{at}"), &format!("training.{key}.{at}"));
                let (name, found, near) = (&lane.name, printable(pattern), near(pattern, &own.parameters));
                let message = format!(
                    "{key}: expected a pattern that matches a parameter of lane `{name}`, found `{found}`; similar \
                     are {near}"
                );
                return refused(place, message);
            }
        }
        if own.parameters.iter().all(|name| lane.freezes(name)) {
            let place = checked.places.of_lane(index, "frozen", "training.frozen");
            let name = &lane.name;
            let message = format!(
                "frozen: expected a parameter of lane `{name}` that is trained, found all of them frozen"
            );
            return refused(place, message);
        }
    }
    Ok(())
}

/// The patterns for a lane's parameters, with their keys and their places there.
fn patterns(lane: &Lane) -> Vec<(&'static str, usize, &str)> {
    let frozen = lane.frozen.iter().enumerate().map(|(at, pattern)| ("frozen", at, pattern.as_str()));
    let groups = lane.groups.iter().enumerate().map(|(at, group)| ("group", at, group.parameters.as_str()));
    frozen.chain(groups).collect()
}

/// The names of parameters, and their beginnings, that are most similar to a pattern.
fn near(pattern: &str, parameters: &[String]) -> String {
    let beginnings = parameters.iter().flat_map(|name| name.match_indices('.').map(|(dot, _)| &name[..dot]));
    let names: BTreeSet<&str> = beginnings.chain(parameters.iter().map(String::as_str)).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let plain = pattern.trim_end_matches(['*', '.']);
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(plain, name);
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(SUGGESTIONS);
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Checks that every pattern matches a layer of some lane, and that at least one layer of every lane is recorded.
pub(super) fn check_layers(checked: &Checked, networks: &[Description]) -> Result<(), Failure> {
    let recording = &checked.experiment.statistics;
    for (index, pattern) in recording.layers.iter().enumerate() {
        let mut layers = networks.iter().flat_map(|network| &network.structure.layers);
        if !layers.any(|layer| experiment::matches(pattern, &layer.name)) {
            let place = checked.places.of(&format!("statistics.layers.{index}"));
            let expected = "expected a pattern that matches a layer of a lane";
            let names = networks.first().map(|network| some_names(&network.structure)).unwrap_or_default();
            let found = printable(pattern);
            return Err(Failure::Input(anyhow::anyhow!(
                "{place}: statistics.layers: {expected}, found `{found}`; layers are named {names}"
            )));
        }
    }
    for (lane, Description { structure, .. }) in checked.experiment.lanes.iter().zip(networks) {
        if !structure.layers.iter().any(|layer| recording.records(&layer.name)) {
            let place = checked.places.of("statistics.layers");
            let expected = format!("expected a pattern that matches a layer of lane `{}`", lane.name);
            let (found, names) = (printable(&recording.layers.join("`, `")), some_names(structure));
            return Err(Failure::Input(anyhow::anyhow!(
                "{place}: statistics.layers: {expected}, found `{found}`; its layers are named {names}"
            )));
        }
    }
    Ok(())
}

/// The first names of layers, and the last one.
fn some_names(structure: &Structure) -> String {
    let names: Vec<String> = structure.layers.iter().map(|layer| format!("`{}`", layer.name)).collect();
    match names.as_slice() {
        [first, second, third, .., last] => format!("{first}, {second}, {third} .. {last}"),
        few => few.join(", "),
    }
}
