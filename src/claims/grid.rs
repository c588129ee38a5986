//! Lanes of many runs in a grid: along one key of their experiments that differs, such as the depth, and in groups of
//! those that differ in nothing else but that and the seed.

use super::Subject;

/// Stands for the names of lanes where a key is meant.
pub(super) const LANE: &str = "lane";

/// The lanes of a sweep by the values of a key, and by what else differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The keys along which lanes can be put.
    pub keys: Vec<String>,
    /// The place among them of the key that was chosen.
    pub key: usize,
    /// What tells the groups apart: other keys that differ, and the names of lanes.
    pub others: Vec<String>,
    /// The values of the key: numbers in ascending order, words in the order of the lanes.
    pub values: Vec<String>,
    /// The groups, in the order of the lanes: their names.
    pub groups: Vec<String>,
    /// The lanes of each group at each value.
    pub lanes: Vec<Vec<Vec<usize>>>,
}

impl Grid {
    /// Whether lanes can be put along anything: their names differ, or a key other than the seed. This is told much sooner
    /// than where each of them is.
    pub fn is_possible(subjects: &[Subject]) -> bool {
        let mut names = subjects.iter().map(Subject::lane);
        let first = names.next();
        names.any(|name| Some(name) != first) || !differing(subjects).is_empty()
    }

    /// Puts lanes along the chosen of the keys that differ, counted around; none if nothing differs but the seed.
    pub fn of(subjects: &[Subject], choice: usize) -> Option<Grid> {
        let differing = telling(differing(subjects), subjects);
        // What differs between lanes of one name differs between runs, and the name stands for the rest.
        let mut names: Vec<&str> = Vec::new();
        for subject in subjects {
            if !names.contains(&subject.lane()) {
                names.push(subject.lane());
            }
        }
        let between_runs = |key: &&String| {
            names.iter().any(|name| {
                let mut same =
                    subjects.iter().filter(|subject| subject.lane() == *name).map(|s| s.setting(key));
                let first = same.next();
                same.any(|value| Some(value) != first)
            })
        };
        let swept: Vec<String> = differing.iter().filter(between_runs).cloned().collect();
        let is_swept = !swept.is_empty();
        let mut keys = if is_swept { swept.clone() } else { differing.clone() };
        if !is_swept && names.len() > 1 {
            keys.push(LANE.to_owned());
        }
        // Numbers can be drawn along an axis; the one with the most values first. Of one run, a lane's name says more than
        // one of the words in which it differs.
        let count = |key: &String| values(subjects, key).len();
        keys.sort_by_key(|key| (!is_number(subjects, key), key != LANE, std::cmp::Reverse(count(key))));
        let at = choice % keys.len().max(1);
        let key = keys.get(at)?.clone();
        let others: Vec<&String> = if is_swept { &swept } else { &differing }
            .iter()
            .filter(|other| **other != key && key != LANE)
            .collect();
        let apart: Vec<String> = others.iter().map(|other| (*other).clone()).collect();
        let by_name = (is_swept && names.len() > 1).then(|| LANE.to_owned());
        let group = |subject: &Subject| {
            let name = is_swept.then(|| subject.lane().to_owned());
            let settings = others.iter().filter_map(|other| subject.setting(other)).map(str::to_owned);
            let name = name.into_iter().chain(settings).collect::<Vec<String>>().join(" ");
            if name.is_empty() { "all".to_owned() } else { name }
        };
        let values = values(subjects, &key);
        let mut groups: Vec<String> = Vec::new();
        let mut lanes: Vec<Vec<Vec<usize>>> = Vec::new();
        for (lane, subject) in subjects.iter().enumerate() {
            let Some(place) =
                value_of(subject, &key).and_then(|value| values.iter().position(|v| v == value))
            else {
                continue;
            };
            let name = group(subject);
            let at = groups.iter().position(|known| *known == name).unwrap_or_else(|| {
                groups.push(name);
                lanes.push(vec![Vec::new(); values.len()]);
                groups.len() - 1
            });
            lanes[at][place].push(lane);
        }
        let others = apart.into_iter().chain(by_name).collect();
        Some(Grid { keys, key: at, others, values, groups, lanes })
    }

    /// The same lanes along the same key, split by one that tells groups apart: for each of its values, the places of the
    /// lanes that have it. Values of which there is nothing along the key are left out.
    pub(super) fn split(&self, subjects: &[Subject], other: &str) -> Vec<(String, Vec<usize>)> {
        let has = |value: &String| {
            let lanes = self.lanes.iter().flatten().flatten().copied();
            let mut of_value: Vec<usize> =
                lanes.filter(|lane| value_of(&subjects[*lane], other) == Some(value)).collect();
            of_value.sort_unstable();
            of_value
        };
        let values = values(subjects, other).into_iter().map(|value| (value.clone(), has(&value)));
        values.filter(|(_, lanes)| !lanes.is_empty()).collect()
    }

    /// The name of the chosen key, without the tables that it is in.
    pub fn name(&self) -> &str {
        last_part(self.keys.get(self.key).map_or("", String::as_str))
    }

    /// The values of the key as numbers; none if one of them is not.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(|value| value.parse().ok()).collect()
    }
}

/// The last part of a key, without the tables that it is in.
pub(super) fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The keys whose values differ between lanes, but the seed and what goes with it.
fn differing(subjects: &[Subject]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in subjects.iter().flat_map(Subject::keys) {
        if key != "seed" && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    keys.retain(|key| {
        let mut values = subjects.iter().map(|subject| subject.setting(key));
        let first = values.next();
        values.any(|value| Some(value) != first) && !is_start_of_seed(key, subjects)
    });
    keys
}

/// Whether a key tells the checkpoint that lanes start from, of which there is one for each seed.
fn is_start_of_seed(key: &str, subjects: &[Subject]) -> bool {
    let is_other = |one: &Subject, other: &Subject| {
        let values = one.setting(key).zip(other.setting(key));
        one.seed() == other.seed() && values.is_some_and(|(one, other)| one != other)
    };
    let is_single = |(at, one): (usize, &Subject)| !subjects[..at].iter().any(|other| is_other(one, other));
    ["start.checkpoint", "start.sha256"].contains(&key) && subjects.iter().enumerate().all(is_single)
}

/// Leaves out keys that follow from another one: a data set has a noise of its own, so the noise says nothing beside its
/// name. Of keys that follow from each other the first that is not a list stays.
fn telling(keys: Vec<String>, subjects: &[Subject]) -> Vec<String> {
    let follows = |key: &String, from: &String| {
        subjects.iter().enumerate().all(|(at, one)| {
            let same =
                |other: &&Subject| one.setting(from).is_some() && other.setting(from) == one.setting(from);
            subjects[..at].iter().filter(same).all(|other| other.setting(key) == one.setting(key))
        }) && subjects.iter().all(|subject| subject.setting(from).is_some())
    };
    // A list, such as the steps of a schedule, says less than what it follows from.
    let rank = |at: usize| (values(subjects, &keys[at]).iter().any(|value| value.starts_with('[')), at);
    let is_telling = |(at, key): &(usize, &String)| {
        !keys.iter().enumerate().any(|(other_at, other)| {
            other_at != *at && follows(key, other) && (rank(other_at) < rank(*at) || !follows(other, key))
        })
    };
    keys.iter().enumerate().filter(is_telling).map(|(_, key)| key.clone()).collect()
}

/// The value of a key, or the lane's name.
fn value_of<'a>(subject: &'a Subject, key: &str) -> Option<&'a str> {
    if key == LANE { Some(subject.lane()) } else { subject.setting(key) }
}

/// The values of a key: numbers in ascending order, words in the order of the lanes.
fn values(subjects: &[Subject], key: &str) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for value in subjects.iter().filter_map(|subject| value_of(subject, key)) {
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    let number = |value: &String| value.parse::<f64>().ok();
    if values.iter().all(|value| number(value).is_some()) {
        values.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    values
}

fn is_number(subjects: &[Subject], key: &str) -> bool {
    values(subjects, key).iter().all(|value| value.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes by their names and settings: `plain depth=8 seed=0`.
    fn subjects(lanes: &[&str]) -> Vec<Subject> {
        lanes.iter().map(|lane| Subject::told(lane)).collect()
    }

    fn grid(lanes: &[&str], choice: usize) -> Grid {
        Grid::of(&subjects(lanes), choice).unwrap()
    }

    #[test]
    fn lanes_of_a_name_are_a_group_along_what_differs_between_runs() {
        let found = grid(
            &[
                "plain depth=20 shortcut=none seed=0",
                "residual depth=20 shortcut=identity seed=0",
                "plain depth=8 shortcut=none seed=0",
                "residual depth=8 shortcut=identity seed=0",
                "plain depth=20 shortcut=none seed=1",
            ],
            0,
        );
        assert_eq!(
            (found.name(), found.values.as_slice()),
            ("depth", &["8".to_owned(), "20".to_owned()][..])
        );
        assert_eq!(found.groups, ["plain", "residual"]);
        assert_eq!(found.lanes, [[vec![2], vec![0, 4]], [vec![3], vec![1]]]);
        assert_eq!(found.numbers(), Some(vec![8.0, 20.0]));
    }

    #[test]
    fn a_key_that_follows_from_another_is_left_out() {
        let lanes = ["a data=moons noise=0.1", "a data=spirals noise=0.2 arms=3", "a data=digits noise=0.3"];
        let found = grid(&lanes, 0);
        assert_eq!((found.keys, found.groups), (vec!["data".to_owned()], vec!["a".to_owned()]));
        let found = grid(&["a at=[3] steps=6", "a at=[6] steps=12"], 0);
        assert_eq!(found.keys, ["steps"]);
        // Each of two depths has both rates.
        let found =
            grid(&["a depth=1 rate=1", "a depth=2 rate=1", "a depth=1 rate=2", "a depth=2 rate=2"], 0);
        assert_eq!(found.keys, ["depth", "rate"]);
    }

    #[test]
    fn the_checkpoint_of_a_seed_is_left_out() {
        let lanes = [
            "scratch steps=10 seed=0",
            "deeper steps=10 start.checkpoint=x seed=0",
            "scratch steps=20 seed=0",
            "deeper steps=20 start.checkpoint=x seed=0",
            "deeper steps=20 start.checkpoint=y seed=1",
        ];
        let found = grid(&lanes, 0);
        assert_eq!(
            (found.keys, found.groups),
            (vec!["steps".to_owned()], vec!["scratch".into(), "deeper".into()])
        );
        // Lanes that start from several are told apart by them.
        let found = grid(&["a start.checkpoint=x seed=0", "a start.checkpoint=y seed=0"], 0);
        assert_eq!((found.name(), found.values.len()), ("checkpoint", 2));
    }

    #[test]
    fn another_key_that_differs_makes_more_groups() {
        let lanes = [
            "a rate=0.1 order=pre",
            "a rate=0.2 order=pre",
            "a rate=0.1 order=post",
            "a rate=0.3 order=post",
        ];
        let found = grid(&lanes, 0);
        assert_eq!(
            (found.name(), found.groups.as_slice()),
            ("rate", &["a pre".to_owned(), "a post".to_owned()][..])
        );
        let found = grid(&lanes, 1);
        assert_eq!((found.name(), found.numbers()), ("order", None));
        assert_eq!(found.groups, ["a 0.1", "a 0.2", "a 0.3"]);
        assert_eq!(grid(&lanes, 2), grid(&lanes, 0));
    }

    #[test]
    fn within_a_run_lanes_are_told_apart_by_their_settings() {
        let found = grid(
            &["p8 depth=8 shortcut=none", "p20 depth=20 shortcut=none", "r8 depth=8 shortcut=identity"],
            0,
        );
        assert_eq!(
            (found.name(), found.groups.as_slice()),
            ("depth", &["none".to_owned(), "identity".to_owned()][..])
        );
        let found = grid(
            &["a norm=batch shortcut=none", "b norm=none shortcut=none", "c norm=none shortcut=identity"],
            0,
        );
        assert_eq!((found.name(), found.groups.as_slice()), ("lane", &["all".to_owned()][..]));
        assert_eq!(
            (found.values, found.lanes),
            (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], vec![vec![vec![0], vec![1], vec![2]]])
        );
        let alike = ["a depth=8 seed=0", "a depth=8 seed=1"];
        assert_eq!(Grid::of(&subjects(&alike), 0), None);
        assert_eq!(Grid::of(&[], 0), None);
        let others = ["a depth=8 seed=0", "a depth=14 seed=1"];
        for lanes in [&alike[..], &[], &alike[..1], &others, &["a depth=8 seed=0", "b depth=8 seed=0"]] {
            let lanes = subjects(lanes);
            assert_eq!(Grid::is_possible(&lanes), Grid::of(&lanes, 0).is_some(), "{lanes:?}");
        }
    }
}
