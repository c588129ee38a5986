//! Which layers are recorded and which parameters are frozen or in a group: globs over their names, in which `*` stands
//! for any characters, dots included, and `?` for one.

use super::Recording;

impl Recording {
    /// Whether the statistics of a layer of this name are recorded.
    pub fn records(&self, layer: &str) -> bool {
        self.layers.is_empty() || self.layers.iter().any(|pattern| matches(pattern, layer))
    }
}

/// Whether a pattern matches the name of a parameter, or the beginning of it up to a dot: `layer1` matches all of a stage,
/// `layer1.0.bn?` the norms of a block, `*.bias` all biases.
pub fn matches_parameter(pattern: &str, name: &str) -> bool {
    let beginnings = name.match_indices('.').map(|(dot, _)| &name[..dot]);
    beginnings.chain([name]).any(|beginning| matches(pattern, beginning))
}

/// Whether a pattern matches a whole name.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut taken) = (0, 0);
    // The place after the last star, and how much of the name is matched up to there. Once a star is reached, earlier
    // ones never need to match more.
    let mut star = None;
    while taken < name.len() {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, taken));
            }
            Some(&c) if c == '?' || c == name[taken] => (at, taken) = (at + 1, taken + 1),
            _ => {
                let Some((behind, end)) = star else { return false };
                star = Some((behind, end + 1));
                (at, taken) = (behind, end + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The reference definition, which may take exponential time.
    fn defined(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            (['*', rest @ ..], name) => (0..=name.len()).any(|taken| defined(rest, &name[taken..])),
            (['?', rest @ ..], [_, name @ ..]) => defined(rest, name),
            ([a, rest @ ..], [b, name @ ..]) => a == b && defined(rest, name),
            (_, []) => false,
        }
    }

    #[test]
    fn stars_stand_for_anything_and_question_marks_for_one_character() {
        for (pattern, name) in [
            ("layer2.*", "layer2.0.conv1"),
            ("*", "fc"),
            ("*", ""),
            ("*.conv?", "layer1.0.conv2"),
            ("fc", "fc"),
            ("layer?.0.*", "layer3.0.downsample.0"),
            ("*1*1", "layer1.0.conv1"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("layer2.*", "layer1.2.conv1"),
            ("fc", "fc1"),
            ("conv?", "conv"),
            ("", "fc"),
            ("?", ""),
            ("FC", "fc"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_beginning_stands_for_all_parameters_below_it() {
        for pattern in
            ["layer1", "layer1.0", "layer1.0.bn1", "layer1.0.bn1.weight", "*.bn?", "layer?", "*.weight"]
        {
            assert!(matches_parameter(pattern, "layer1.0.bn1.weight"), "{pattern}");
        }
        for pattern in ["layer", "layer1.0.bn", "bn1", "weight", "layer1.", "layer1.0.bn1.weight.*", ""] {
            assert!(!matches_parameter(pattern, "layer1.0.bn1.weight"), "{pattern}");
        }
        assert!(!matches_parameter("layer1", "layer10.0.weight"));
    }

    #[test]
    fn many_stars_cost_little() {
        assert!(!matches(&"*a".repeat(50), &"a".repeat(49)));
        assert!(!matches(&format!("{}b", "*a".repeat(45)), &"a".repeat(90)));
    }

    proptest! {
        #[test]
        fn it_is_what_is_defined(pattern in "[ab*?]{0,7}", name in "[ab]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<char>>();
            prop_assert_eq!(matches(&pattern, &name), defined(&chars(&pattern), &chars(&name)));
        }
    }
}
