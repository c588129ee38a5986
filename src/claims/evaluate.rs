//! Evaluates the sides of a rule over the lanes of a sweep.

use super::measure::{Observed, Select, unit_of};
use super::rule::{Expression, Form, Function, Measure, Operator, Word};
use super::sample::{Sample, Unit, Value};
use super::{Subject, Term};
use crate::statistics::slope;

/// What an expression comes to.
enum Outcome {
    Number(f64),
    Sample(Sample),
}

/// The lanes of a sweep, and what was measured of those that were trained.
pub(super) struct Evaluator<'a, O> {
    pub(super) text: &'a str,
    pub(super) lanes: &'a [(Subject, Option<O>)],
    /// Every number that was made of a sample.
    pub(super) terms: Vec<Term>,
}

impl<O: Observed> Evaluator<'_, O> {
    /// The number of a side, and its unit.
    pub(super) fn number(&mut self, expression: &Expression) -> Result<(f64, Unit), String> {
        match self.outcome(expression)? {
            (Outcome::Number(number), unit) => Ok((number, unit)),
            (Outcome::Sample(_), _) => Err("expected a number, found a value for each lane".to_owned()),
        }
    }

    /// What an expression comes to, and its unit.
    fn outcome(&mut self, expression: &Expression) -> Result<(Outcome, Unit), String> {
        match &expression.of {
            Form::Number { value, is_share } => {
                let unit = if *is_share { Unit::Share } else { Unit::NONE };
                Ok((Outcome::Number(*value), unit))
            }
            Form::Measure(measure) => {
                let sample =
                    self.sample(measure, |lane| lane.measured(&measure.name.text, &Select::of(measure)))?;
                Ok((Outcome::Sample(sample), unit_of(&measure.name.text)))
            }
            Form::Negative(inner) => {
                let (outcome, unit) = self.outcome(inner)?;
                Ok((each(outcome, |x| -x), unit))
            }
            Form::Slope { sample, key } => {
                let (outcome, unit) = self.outcome(sample)?;
                let Outcome::Sample(sample) = outcome else { return Err(NOT_A_SAMPLE.to_owned()) };
                let number = self.slope(&sample, key)?;
                self.note(expression, &sample, number, unit);
                Ok((Outcome::Number(number), unit))
            }
            Form::Call { function: Function::StepsUntil, arguments } => {
                let [Expression { of: Form::Measure(measure), .. }, level] = arguments.as_slice() else {
                    return Err(NOT_A_SAMPLE.to_owned());
                };
                let (level, _) = self.number(level)?;
                let sample = self.sample(measure, |lane| lane.steps_until(&measure.name.text, level))?;
                Ok((Outcome::Sample(sample), Unit::Of("steps")))
            }
            Form::Call { function, arguments } => {
                let Some(argument) = arguments.first() else { return Err(NOT_A_SAMPLE.to_owned()) };
                let (outcome, unit) = self.outcome(argument)?;
                self.call(*function, outcome, unit, expression)
            }
            Form::Pair { operator, left, right } => {
                let ((a, unit), (b, other)) = (self.outcome(left)?, self.outcome(right)?);
                let of = |x, y| operator.apply(x, y);
                let outcome = match (a, b) {
                    (Outcome::Number(a), Outcome::Number(b)) => Outcome::Number(of(a, b)),
                    (Outcome::Sample(a), Outcome::Number(b)) => Outcome::Sample(a.map(|a| of(a, b))),
                    (Outcome::Number(a), Outcome::Sample(b)) => Outcome::Sample(b.map(|b| of(a, b))),
                    (Outcome::Sample(a), Outcome::Sample(b)) => {
                        let paired = a.paired(&b, of).filter(|pairs| !pairs.values.is_empty());
                        Outcome::Sample(
                            paired.ok_or("expected a lane of each side for each seed, found others")?,
                        )
                    }
                };
                Ok((outcome, unit_of_pair(*operator, unit, other)))
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        outcome: Outcome,
        unit: Unit,
        expression: &Expression,
    ) -> Result<(Outcome, Unit), String> {
        match function {
            Function::Abs => return Ok((each(outcome, f64::abs), unit)),
            Function::Log10 => return Ok((each(outcome, f64::log10), Unit::NONE)),
            _ => {}
        }
        let Outcome::Sample(sample) = outcome else { return Err(NOT_A_SAMPLE.to_owned()) };
        let [least, greatest] = sample.extent();
        let number = match function {
            Function::Median => sample.median(),
            Function::Mean => sample.mean(),
            Function::Min => least,
            Function::Max => greatest,
            Function::Range if least == greatest => 0.0,
            Function::Range => greatest - least,
            _ => sample.values.len() as f64,
        };
        self.note(expression, &sample, number, unit);
        let unit = if function == Function::Count { Unit::NONE } else { unit };
        Ok((Outcome::Number(number), unit))
    }

    /// A value for each lane that a measure selects.
    fn sample(&self, measure: &Measure, of: impl Fn(&O) -> Result<f64, String>) -> Result<Sample, String> {
        let mut values = Vec::new();
        for (at, (subject, lane)) in self.lanes.iter().enumerate() {
            if !subject.is_selected(measure) {
                continue;
            }
            let keys = || measure.conditions.iter().map(|(key, _)| key.text.as_str());
            let about = |problem: String| format!("{}: {problem}", subject.described(keys()));
            let lane = lane.as_ref().ok_or_else(|| about("not trained yet".to_owned()))?;
            if !lane.is_over() {
                return Err(about("has not ended".to_owned()));
            }
            values.push(Value { at, seed: subject.seed(), value: of(lane).map_err(about)? });
        }
        if values.is_empty() {
            return Err(format!("no lane fulfils the conditions of `{}`", measure.name.text));
        }
        Ok(Sample { values })
    }

    /// By how much a sample grows as a key grows by 1: the slope of the line with the least squares.
    fn slope(&self, sample: &Sample, key: &Word) -> Result<f64, String> {
        let point = |value: &Value| {
            let found = self.lanes.get(value.at)?.0.setting(&key.text)?;
            Some((found.parse::<f64>().ok()?, value.value))
        };
        let points: Vec<(f64, f64)> = sample.values.iter().filter_map(point).collect();
        let found = slope(points.iter().copied()).filter(|_| points.len() == sample.values.len());
        found
            .ok_or_else(|| format!("expected at least two different numbers as `{}`, found others", key.text))
    }

    fn note(&mut self, expression: &Expression, sample: &Sample, value: f64, unit: Unit) {
        let text = self.text.get(expression.at.clone()).unwrap_or_default().to_owned();
        let [least, greatest] = sample.extent();
        self.terms.push(Term { text, value, count: sample.values.len(), least, greatest, unit });
    }
}

const NOT_A_SAMPLE: &str = "expected a value for each lane, found a number";

fn each(outcome: Outcome, of: impl Fn(f64) -> f64) -> Outcome {
    match outcome {
        Outcome::Number(number) => Outcome::Number(of(number)),
        Outcome::Sample(sample) => Outcome::Sample(sample.map(of)),
    }
}

/// Sums have the unit of their terms; a product or a ratio has that of its one side if the other has none.
fn unit_of_pair(operator: Operator, left: Unit, right: Unit) -> Unit {
    match (operator, left, right) {
        (Operator::Add | Operator::Subtract, Unit::Of(""), other) => other,
        (Operator::Add | Operator::Subtract, unit, _) => unit,
        (Operator::Divide, unit, Unit::Of("")) => unit,
        (Operator::Multiply, unit, Unit::Of("")) | (Operator::Multiply, Unit::Of(""), unit) => unit,
        _ => Unit::NONE,
    }
}
