//! Names for lanes of several runs by what their experiments differ in, and those that differ in nothing but the seed.

use std::collections::BTreeSet;

use super::grid::{LANE, last_part};
use super::{Grid, Subject};
use crate::app::Lane;

/// Lanes that differ in nothing but the seed.
#[derive(Clone, Debug)]
pub struct Alike<'a> {
    /// Their name, without the seed if there are several: `plain depth=56`.
    pub name: String,
    /// The lanes, at least one.
    pub lanes: Vec<&'a Lane>,
}

/// A name for each lane of several runs: `plain depth=56 seed=2`. None if that does not tell all of them apart, or if there
/// is one run only.
pub fn names(lanes: &[Lane]) -> Vec<String> {
    if lanes.windows(2).all(|pair| pair[0].label().run == pair[1].label().run) {
        return Vec::new();
    }
    let subjects: Vec<Subject> = lanes.iter().map_while(of_lane).collect();
    if subjects.len() < lanes.len() {
        return Vec::new();
    }
    let seeds = subjects.iter().any(|subject| subject.seed() != subjects[0].seed());
    let mut keys = differing(&subjects);
    keys.extend(seeds.then(|| "seed".to_owned()));
    let names: Vec<String> = subjects.iter().map(|subject| name(subject, &keys)).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    if distinct.len() == names.len() { names } else { Vec::new() }
}

/// Puts lanes together that differ in nothing but the seed, in the order of the first of each. `name_of` names one that is
/// alone.
pub fn alike<'a>(
    lanes: impl IntoIterator<Item = &'a Lane>,
    name_of: impl Fn(&Lane) -> String,
) -> Vec<Alike<'a>> {
    let mut groups: Vec<(Option<Subject>, Vec<&Lane>)> = Vec::new();
    for lane in lanes {
        let subject = of_lane(lane);
        let of_group = |(known, _): &&mut (Option<Subject>, Vec<&Lane>)| {
            subject.as_ref().zip(known.as_ref()).is_some_and(|(a, b)| a.differs_in_seed_only(b))
        };
        match groups.iter_mut().find(of_group) {
            Some((_, group)) => group.push(lane),
            None => groups.push((subject, vec![lane])),
        }
    }
    let subjects: Vec<Subject> = groups.iter().filter_map(|(subject, _)| subject.clone()).collect();
    let keys = differing(&subjects);
    let named = |(subject, lanes): (Option<Subject>, Vec<&'a Lane>)| {
        let name = match (subject, lanes.as_slice()) {
            (Some(subject), [_, _, ..]) => name(&subject, &keys),
            (_, [lane, ..]) => name_of(lane),
            _ => String::new(),
        };
        Alike { name, lanes }
    };
    groups.into_iter().map(named).collect()
}

fn of_lane(lane: &Lane) -> Option<Subject> {
    Subject::of(lane.experiment()?, lane.name())
}

/// The keys that differ between lanes of one name: what differs between others, their names tell.
fn differing(subjects: &[Subject]) -> Vec<String> {
    let differs = |key: &String| {
        let of_name = |one: &Subject| subjects.iter().find(|other| other.lane() == one.lane());
        subjects.iter().any(|one| of_name(one).is_some_and(|first| first.setting(key) != one.setting(key)))
    };
    let keys = Grid::of(subjects, 0).map_or_else(Vec::new, |grid| grid.keys);
    keys.into_iter().filter(|key| key != LANE && differs(key)).collect()
}

fn name(subject: &Subject, keys: &[String]) -> String {
    let pair = |key: &String| Some(format!(" {}={}", last_part(key), subject.setting(key)?));
    format!("{}{}", subject.lane(), keys.iter().filter_map(pair).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{App, specimen};

    #[test]
    fn lanes_of_a_sweep_are_named_by_what_differs() {
        let app = specimen::swept();
        let names = names(app.lanes());
        assert_eq!(names[..3], ["plain depth=8 seed=0", "residual depth=8 seed=0", "plain depth=8 seed=1"]);
        assert_eq!(names.len(), app.lanes().len());
        // In one run, names alone are clear.
        assert!(super::names(specimen::plain_beside_residual().lanes()).is_empty());
        // The same experiment twice is told apart by its runs.
        let twice: Vec<Lane> =
            [specimen::swept(), specimen::swept()].into_iter().flat_map(App::into_lanes).collect();
        assert!(super::names(&twice).is_empty());
    }

    #[test]
    fn what_lanes_of_a_run_differ_in_their_names_tell() {
        let lanes = [
            "plain-20 depth=20 shortcut=none seed=0",
            "residual-56 depth=56 shortcut=identity seed=0",
            "plain-20 depth=20 shortcut=none seed=1",
        ];
        let subjects = lanes.map(Subject::told);
        assert!(differing(&subjects).is_empty());
        let deeper = [lanes[0], lanes[1], "plain-20 depth=32 shortcut=none seed=0"].map(Subject::told);
        assert_eq!(differing(&deeper), ["depth"]);
    }

    #[test]
    fn seeds_of_one_network_are_alike() {
        let app = specimen::swept();
        let groups = alike(app.lanes(), |lane| lane.name().to_owned());
        assert_eq!(groups.len() * 3, app.lanes().len());
        assert!(groups.iter().all(|group| group.lanes.len() == 3));
        assert_eq!(groups[0].name, "plain depth=8");
        assert_eq!(groups[1].lanes.iter().map(|lane| lane.idx().0).collect::<Vec<_>>(), [1, 3, 5]);
        let two = specimen::plain_beside_residual();
        let alone: Vec<String> = alike(two.lanes(), |lane| format!("<{}>", lane.name()))
            .into_iter()
            .map(|group| group.name)
            .collect();
        assert_eq!(alone, two.lanes().iter().map(|lane| format!("<{}>", lane.name())).collect::<Vec<_>>());
    }
}
