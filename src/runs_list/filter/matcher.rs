//! Whether a filter holds for a run.

use super::value::{Field, UNREADABLE, Value};
use super::{Comparison, Condition, Expression, Filter, Key};
use crate::runlog::State;

/// What a filter needs to know about a run.
pub trait Subject {
    /// All text that is searched for words without a key, in lower case.
    fn words(&self) -> &str;

    /// The number of lanes.
    fn lane_count(&self) -> usize;

    /// The value of a key; for a key of lanes, that of the given lane, missing without one.
    fn field(&self, key: Key, lane: Option<usize>) -> Field<'_>;
}

impl Filter {
    /// Whether the filter matches any lane of the run; for a run without lanes, whether it matches without one.
    pub fn matches(&self, run: &impl Subject) -> bool {
        let Some(expression) = &self.0 else { return true };
        if run.lane_count() == 0 || !expression.asks_for_lanes() {
            return expression.holds(run, None);
        }
        (0..run.lane_count()).any(|lane| expression.holds(run, Some(lane)))
    }

    /// Whether the filter matches one lane of the run.
    #[cfg(test)]
    pub(super) fn matches_lane(&self, run: &impl Subject, lane: usize) -> bool {
        self.0.as_ref().is_none_or(|expression| expression.holds(run, Some(lane)))
    }
}

impl Expression {
    fn asks_for_lanes(&self) -> bool {
        match self {
            Expression::Text(_) => false,
            Expression::Condition(condition) => condition.key.entry().of_lane,
            Expression::Not(inner) => inner.asks_for_lanes(),
            Expression::All(terms) | Expression::Any(terms) => terms.iter().any(Expression::asks_for_lanes),
        }
    }

    fn holds(&self, run: &impl Subject, lane: Option<usize>) -> bool {
        match self {
            Expression::Text(text) => contains(run.words(), &text.to_lowercase()),
            Expression::Condition(condition) => condition.holds(run, lane),
            Expression::Not(inner) => !inner.holds(run, lane),
            Expression::All(terms) => terms.iter().all(|term| term.holds(run, lane)),
            Expression::Any(terms) => terms.iter().any(|term| term.holds(run, lane)),
        }
    }
}

impl Condition {
    fn holds(&self, run: &impl Subject, lane: Option<usize>) -> bool {
        let field = run.field(self.key, lane);
        match self.comparison {
            Comparison::Unequal => !self.compares(field, Comparison::Equal),
            comparison => self.compares(field, comparison),
        }
    }

    fn compares(&self, field: Field<'_>, comparison: Comparison) -> bool {
        match (field, &self.value) {
            (Field::Text(text), Value::Text(wanted)) => says(text, comparison, wanted),
            (Field::Texts(texts), Value::Text(wanted)) => {
                texts.iter().any(|text| says(text, comparison, wanted))
            }
            (Field::State(state), Value::State(wanted)) => state == *wanted,
            (Field::State(state), Value::Text(wanted)) => {
                says(state.map_or(UNREADABLE, State::name), comparison, wanted)
            }
            (Field::Number(number), Value::Number(wanted)) => relates(number, comparison, *wanted),
            (Field::Single(number), Value::Number(wanted)) => {
                relates(number.into(), comparison, f64::from(*wanted as f32))
            }
            // Before a day means before its first moment, after it after its last.
            (Field::Time(time), Value::Between(from, to)) => match comparison {
                Comparison::Equal => (*from..*to).contains(&time),
                Comparison::Less => time < *from,
                Comparison::LessOrEqual => time < *to,
                Comparison::Greater => time >= *to,
                Comparison::GreaterOrEqual => time >= *from,
                Comparison::Unequal | Comparison::Contains => false,
            },
            _ => false,
        }
    }
}

fn relates(number: f64, comparison: Comparison, wanted: f64) -> bool {
    match comparison {
        Comparison::Equal => number == wanted || (number.is_nan() && wanted.is_nan()),
        Comparison::Less => number < wanted,
        Comparison::LessOrEqual => number <= wanted,
        Comparison::Greater => number > wanted,
        Comparison::GreaterOrEqual => number >= wanted,
        Comparison::Unequal | Comparison::Contains => false,
    }
}

/// Whether a text equals, or contains, what is wanted, which is in lower case.
fn says(text: &str, comparison: Comparison, wanted: &str) -> bool {
    match comparison {
        Comparison::Contains => contains(&text.to_lowercase(), wanted),
        _ => text.chars().flat_map(char::to_lowercase).eq(wanted.chars()),
    }
}

fn contains(text: &str, wanted: &str) -> bool {
    text.contains(wanted)
}
