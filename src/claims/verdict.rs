//! The verdict on a claim: what its rules come to.

use std::fmt;

use super::check::check;
use super::evaluate::Evaluator;
use super::measure::{Observed, metrics};
use super::parser::nearest;
use super::sample::Unit;
use super::{Rule, RuleError, Subject};
use crate::experiment::{Claim, RuleText};
use crate::metric::{Metric, Shape};

/// What was found about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rules hold that confirm it, and none that refutes it.
    Confirmed,
    /// A rule holds that refutes it.
    Refuted,
    /// Neither, or not everything was trained.
    NotShown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Refuted => "refuted",
            Verdict::NotShown => "not shown by this budget",
        })
    }
}

/// The rules of a claim, read and checked.
#[derive(Clone, Debug)]
pub struct Rules {
    /// All of these must hold to confirm it.
    pub confirm: Vec<(Rule, RuleText)>,
    /// One of these refutes it.
    pub refute: Vec<(Rule, RuleText)>,
}

impl Rules {
    /// Reads the rules of a claim and checks them against the lanes of its sweep.
    ///
    /// # Errors
    /// With every rule that is malformed, its place, and what it lacks.
    pub fn of(claim: &Claim, subjects: &[Subject]) -> Result<Rules, Vec<RuleError>> {
        let mut problems = Vec::new();
        for name in claim.figures.iter().filter(|name| !is_scalar(name)) {
            let near = nearest(name, scalars());
            let message =
                format!("expected a metric that is a single number as a figure, found `{name}`{near}");
            problems.push(RuleError::new(name, 0..name.len(), message).standing_at("claim.figures"));
        }
        let mut read = |texts: &[RuleText]| {
            let mut rules = Vec::new();
            for text in texts {
                let rule = Rule::parse(&text.rule).and_then(|rule| check(&rule, subjects).map(|()| rule));
                match rule {
                    Ok(rule) => rules.push((rule, text.clone())),
                    Err(error) => problems.push(error.standing_at(&text.place)),
                }
            }
            rules
        };
        let (confirm, refute) = (read(&claim.confirm), read(&claim.refute));
        if problems.is_empty() { Ok(Rules { confirm, refute }) } else { Err(problems) }
    }

    /// All of them, those that confirm first.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.confirm.iter().chain(&self.refute).map(|(rule, _)| rule)
    }
}

/// The names of metrics that are single numbers.
fn scalars() -> impl Iterator<Item = &'static str> {
    metrics().filter(|metric| metric.shape() == Shape::Scalar).map(Metric::name)
}

fn is_scalar(name: &str) -> bool {
    scalars().any(|known| known == name)
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Whether it holds; none if that cannot be said.
    pub holds: Option<bool>,
    /// Both sides; NaN where one is unknown.
    pub sides: [f64; 2],
    /// The unit of the sides.
    pub unit: Unit,
    /// The numbers that were made of samples, in the order of the text.
    pub terms: Vec<Term>,
    /// Why it cannot be said whether it holds.
    pub problem: Option<String>,
}

/// A number that was made of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its text in the rule.
    pub text: String,
    /// The number.
    pub value: f64,
    /// How many values the sample had.
    pub count: usize,
    /// The least of them.
    pub least: f64,
    /// The greatest of them.
    pub greatest: f64,
    /// The unit of all of these.
    pub unit: Unit,
}

impl Term {
    /// The number with the extent and the count of its sample.
    pub fn in_words(&self) -> String {
        let Term { text, value, count, least, greatest, unit } = self;
        let [value, least, greatest] = [value, least, greatest].map(|x| unit.in_words(*x));
        let values =
            if *count == 1 { "1 value".to_owned() } else { format!("{least} to {greatest}, {count} values") };
        format!("{text} = {value} ({values})")
    }
}

/// Judges a claim by what its lanes measured, those that were trained; returns the verdict, and what each rule came to,
/// first those that confirm.
pub fn judge<O: Observed>(rules: &Rules, lanes: &[(Subject, Option<O>)]) -> (Verdict, [Vec<Judged>; 2]) {
    let judged = [&rules.confirm, &rules.refute]
        .map(|rules| rules.iter().map(|(rule, _)| judge_rule(rule, lanes)).collect::<Vec<Judged>>());
    let [confirm, refute] = &judged;
    let verdict = if refute.iter().any(|rule| rule.holds == Some(true)) {
        Verdict::Refuted
    } else if confirm.iter().all(|rule| rule.holds == Some(true))
        && refute.iter().all(|rule| rule.holds == Some(false))
    {
        Verdict::Confirmed
    } else {
        Verdict::NotShown
    };
    (verdict, judged)
}

fn judge_rule<O: Observed>(rule: &Rule, lanes: &[(Subject, Option<O>)]) -> Judged {
    let mut evaluator = Evaluator { text: rule.text(), lanes, terms: Vec::new() };
    let left = evaluator.number(&rule.left);
    let unit = left.as_ref().map_or(Unit::NONE, |(_, unit)| *unit);
    let sides = left.and_then(|(left, _)| Ok([left, evaluator.number(&rule.right)?.0]));
    let terms = evaluator.terms;
    match sides {
        Ok(sides) if sides.iter().any(|side| side.is_nan()) => {
            let problem = "a side is not a number: of lanes that diverged, or 0 divided by 0".to_owned();
            Judged { holds: None, sides, unit, terms, problem: Some(problem) }
        }
        Ok(sides) => {
            let [left, right] = sides;
            Judged { holds: Some(rule.comparison().holds(left, right)), sides, unit, terms, problem: None }
        }
        Err(problem) => Judged { holds: None, sides: [f64::NAN; 2], unit, terms, problem: Some(problem) },
    }
}
