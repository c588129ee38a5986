//! What can be explained: metrics, health rules and words, each with its text. Metrics are explained by
//! [`crate::metric::explained`], rules by their entries, words by [`super::words`].

use super::words::{self, Word};
use crate::app::health::{RULES, RuleEntry};
use crate::metric::explained::explanation;
use crate::metric::{Metric, Scale, known, probed};
use crate::printable::printable;

/// Something that can be explained.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// A metric.
    Metric(Metric),
    /// A health rule.
    Rule(&'static RuleEntry),
    /// A word or a figure of the screen.
    Word(&'static Word),
}

impl PartialEq for Topic {
    fn eq(&self, other: &Topic) -> bool {
        match (self, other) {
            (Topic::Metric(a), Topic::Metric(b)) => a == b,
            (Topic::Rule(a), Topic::Rule(b)) => a.name == b.name,
            (Topic::Word(a), Topic::Word(b)) => a.name == b.name,
            _ => false,
        }
    }
}

impl Eq for Topic {}

/// A part of an explanation: its heading, which may be empty, and its text.
pub(in crate::views) type Part = (&'static str, String);

impl Topic {
    /// The rule of this name.
    pub(in crate::views) fn rule(name: &str) -> Option<Topic> {
        RULES.iter().find(|rule| rule.name == name).map(|rule| Topic::Rule(rule))
    }

    /// As it is called on screen.
    pub fn name(self) -> String {
        match self {
            Topic::Metric(metric) => printable(&metric.name().replace('_', " ")),
            Topic::Rule(rule) => rule.title(),
            Topic::Word(word) => word.name.to_owned(),
        }
    }

    /// What sort of thing it is.
    pub(in crate::views) fn kind(self) -> &'static str {
        match self {
            Topic::Metric(_) => "metric",
            Topic::Rule(_) => "health rule",
            Topic::Word(_) => "word",
        }
    }

    /// In one line, what it is.
    pub fn summary(self) -> String {
        match self {
            Topic::Metric(metric) => printable(metric.about()),
            Topic::Rule(rule) => format!("reports if {}", rule.bad),
            Topic::Word(word) => word.what.to_owned(),
        }
    }

    /// The whole explanation.
    pub fn parts(self) -> Vec<Part> {
        let parts = match self {
            Topic::Metric(metric) => of_metric(metric),
            Topic::Rule(rule) => of_rule(rule),
            Topic::Word(Word { what, normal, source, .. }) => {
                vec![
                    ("", (*what).to_owned()),
                    ("normal", (*normal).to_owned()),
                    ("source", (*source).to_owned()),
                ]
            }
        };
        parts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }
}

fn of_metric(metric: Metric) -> Vec<Part> {
    let over = match metric.over() {
        [] => "a single number".to_owned(),
        over => format!(
            "numbers by {}",
            over.iter().map(|axis| printable(axis)).collect::<Vec<_>>().join(" and ")
        ),
    };
    let unit = match metric.unit() {
        "" => String::new(),
        "share" => ", a share from 0 to 1".to_owned(),
        unit => format!(", in {}", printable(unit)),
    };
    let scale = match metric.scale() {
        Scale::Linear => "a linear scale",
        Scale::Log => "a logarithmic scale",
        Scale::Signed => "a scale about zero",
    };
    let explained = explanation(metric);
    let [how, normal, source] = explained.map_or([""; 3], |e| [e.how, e.normal, e.source]).map(str::to_owned);
    let about = match metric.about() {
        "" => "Its log does not say what it is.".to_owned(),
        about => sentence(&printable(about)),
    };
    vec![
        ("", about),
        ("shape", format!("{over}{unit}; drawn on {scale}.")),
        ("computed", how),
        ("normal", normal),
        ("source", source),
        ("name", format!("{} in logs and exports.", printable(metric.name()))),
    ]
}

fn of_rule(rule: &RuleEntry) -> Vec<Part> {
    let needs =
        rule.needs.iter().map(|any| any.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(" or "));
    let mut needs: Vec<String> = needs.collect();
    needs.extend(rule.network.map(|(what, _)| what.to_owned()));
    let source = match rule.source {
        "" => "The bounds are engineering judgement.".to_owned(),
        source => format!("{source}. Bounds that it does not state are engineering judgement."),
    };
    vec![
        ("", format!("A health rule. It reports if {}.", rule.bad)),
        ("means", rule.meaning.to_owned()),
        (
            "lasts",
            format!(
                "A finding opens after {} and ends after {}.",
                records(rule.opens_after, "bad"),
                records(rule.closes_after, "good")
            ),
        ),
        ("needs", format!("{}.", needs.join("; "))),
        ("source", source),
    ]
}

fn records(count: u32, kind: &str) -> String {
    if count == 1 { format!("one {kind} record") } else { format!("{count} {kind} records in a row") }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Everything that this program can explain.
pub fn topics() -> impl Iterator<Item = Topic> {
    let metrics = known::ALL.iter().chain(probed::ALL).map(|metric| Topic::Metric(*metric));
    let rules = RULES.iter().map(|rule| Topic::Rule(rule));
    words::ALL.iter().map(|word| Topic::Word(word)).chain(metrics).chain(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Better, DeclarationText};
    use std::collections::BTreeSet;

    #[test]
    fn every_topic_has_a_name_of_its_own_and_says_something() {
        let mut names = BTreeSet::new();
        for topic in topics() {
            let parts = topic.parts();
            assert!(names.insert((topic.kind(), topic.name())), "{} twice", topic.name());
            assert!(parts.iter().all(|(_, text)| text.is_ascii()), "{}", topic.name());
            assert!(parts[0].1.len() > 10 && parts[0].1.ends_with('.'), "{}: {}", topic.name(), parts[0].1);
        }
        assert_eq!(names.len(), words::ALL.len() + known::ALL.len() + probed::ALL.len() + RULES.len());
    }

    #[test]
    fn a_metric_of_another_program_is_explained_by_its_declaration() {
        let declared = DeclarationText {
            name: "thickness_of_ice".to_owned(),
            over: vec!["layer".to_owned()],
            unit: "mm".to_owned(),
            scale: Scale::Log,
            better: Better::None,
            about: "what I measure".to_owned(),
        };
        let topic = Topic::Metric(Metric::declare(&declared).unwrap());
        let parts = topic.parts();
        assert_eq!(topic.name(), "thickness of ice");
        assert_eq!(parts[0].1, "What I measure.");
        assert_eq!(parts[1].1, "numbers by layer, in mm; drawn on a logarithmic scale.");
        assert_eq!(parts.len(), 3);
    }
}
