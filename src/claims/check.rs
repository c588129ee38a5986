//! Checks a rule against the lanes of a sweep before anything is measured: its kinds fit together, and every measure
//! selects lanes.

use super::rule::{Expression, Form, Function, Measure, Rule};
use super::subject::Found;
use super::{RuleError, Subject, measure, parser};

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number.
    Number,
    /// A value for each of several lanes.
    Sample,
}

/// Checks a rule.
///
/// # Errors
/// If a side is not a number, a function has the wrong argument, or a measure is unknown or selects no lane.
pub(super) fn check(rule: &Rule, subjects: &[Subject]) -> Result<(), RuleError> {
    let checker = Checker { text: &rule.text, subjects };
    for side in [&rule.left, &rule.right] {
        if checker.kind(side)? == Kind::Sample {
            let message = "expected a number, found a value for each lane; take its `median`, `min` or `max`";
            return Err(RuleError::new(&rule.text, side.at.clone(), message));
        }
    }
    Ok(())
}

struct Checker<'a> {
    text: &'a str,
    subjects: &'a [Subject],
}

impl Checker<'_> {
    fn error(&self, at: &std::ops::Range<usize>, message: impl Into<String>) -> RuleError {
        RuleError::new(self.text, at.clone(), message)
    }

    fn kind(&self, expression: &Expression) -> Result<Kind, RuleError> {
        match &expression.of {
            Form::Number { .. } => Ok(Kind::Number),
            Form::Measure(measure) => {
                self.measure(measure)?;
                Ok(Kind::Sample)
            }
            Form::Negative(inner) => self.kind(inner),
            Form::Slope { sample, key } => {
                self.sample(sample, "slope")?;
                if !self.subjects.iter().any(|subject| subject.setting(&key.text).is_some()) {
                    return Err(self.unknown_key(&key.at, &key.text));
                }
                Ok(Kind::Number)
            }
            Form::Call { function: Function::StepsUntil, arguments } => {
                let [measure, level] = arguments.as_slice() else { return Ok(Kind::Sample) };
                match &measure.of {
                    Form::Measure(inner) if inner.points.is_empty() => self.measure(inner)?,
                    _ => return Err(self.error(&measure.at, "expected a measure such as `loss[plain]`")),
                }
                if self.kind(level)? == Kind::Sample {
                    return Err(self.error(&level.at, "expected a number, found a value for each lane"));
                }
                Ok(Kind::Sample)
            }
            Form::Call { function, arguments } => {
                let Some(argument) = arguments.first() else { return Ok(Kind::Number) };
                match function {
                    Function::Abs | Function::Log10 => self.kind(argument),
                    _ => {
                        let named = Function::ALL.iter().find(|(_, known)| known == function);
                        self.sample(argument, named.map_or("", |(name, _)| name))?;
                        Ok(Kind::Number)
                    }
                }
            }
            Form::Pair { left, right, .. } => match (self.kind(left)?, self.kind(right)?) {
                (Kind::Number, Kind::Number) => Ok(Kind::Number),
                (Kind::Sample, Kind::Sample) => {
                    self.pairs(left)?;
                    self.pairs(right)?;
                    Ok(Kind::Sample)
                }
                _ => Ok(Kind::Sample),
            },
        }
    }

    /// That the argument of a function is a sample.
    fn sample(&self, argument: &Expression, function: &str) -> Result<(), RuleError> {
        match self.kind(argument)? {
            Kind::Sample => Ok(()),
            Kind::Number => {
                let message =
                    format!("expected a measure such as `loss[plain]` in `{function}`, found a number");
                Err(self.error(&argument.at, message))
            }
        }
    }

    /// That no two lanes of a sample have the same seed, by which it is paired with another.
    fn pairs(&self, expression: &Expression) -> Result<(), RuleError> {
        let measure = match &expression.of {
            Form::Measure(measure) => measure,
            Form::Call { arguments, .. } => match arguments.first().map(|argument| &argument.of) {
                Some(Form::Measure(measure)) => measure,
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let selected: Vec<&Subject> =
            self.subjects.iter().filter(|subject| subject.is_selected(measure)).collect();
        let twin = selected.iter().enumerate().find_map(|(at, subject)| {
            selected[..at].iter().find(|other| other.seed() == subject.seed()).map(|other| [*other, *subject])
        });
        let Some([one, other]) = twin else { return Ok(()) };
        let differs = one.keys().find(|key| one.setting(key) != other.setting(key));
        let by = match differs {
            Some(key) => format!("its {key}"),
            None => format!("the lane, `{}` or `{}`", one.lane(), other.lane()),
        };
        let message = format!(
            "expected one lane for each seed, to be paired with another, found several of seed {}; select {by}, or \
             take the median of each side",
            one.seed()
        );
        Err(self.error(&measure.name.at, message))
    }

    fn measure(&self, measure: &Measure) -> Result<(), RuleError> {
        let name = &measure.name;
        if !measure::known_names().any(|known| known == name.text) {
            let near = parser::nearest(&name.text, measure::known_names());
            return Err(self.error(&name.at, format!("expected a measure, found `{}`{near}", name.text)));
        }
        let axes = measure::axes_of(&name.text).unwrap_or(&[]);
        for (at, (given, _)) in measure.points.iter().enumerate() {
            let message = if axes.is_empty() {
                format!("expected no `{}`, because `{}` is a single number", given.text, name.text)
            } else if !axes.contains(&given.text.as_str()) {
                format!("expected `{}`, found `{}`", axes.join("` and `"), given.text)
            } else if measure.points[..at].iter().any(|(other, _)| other.text == given.text) {
                format!("expected `{}` once, found it again", given.text)
            } else {
                continue;
            };
            return Err(self.error(&given.at, message));
        }
        let is_lacking = |axis: &&&str| !measure.points.iter().any(|(given, _)| given.text == **axis);
        if let Some(axis) = axes.iter().find(is_lacking) {
            let message = format!(
                "expected `{axis} = first`, `last`, a number or a name in brackets, because `{}` has a value for each \
                 {axis}",
                name.text
            );
            return Err(self.error(&name.at, message));
        }
        for pattern in &measure.lanes {
            let alone = Measure { lanes: vec![pattern.clone()], conditions: Vec::new(), ..measure.clone() };
            if !self.subjects.iter().any(|subject| subject.is_selected(&alone)) {
                let names = || self.subjects.iter().map(Subject::lane);
                let near = parser::nearest(&pattern.text, names());
                return Err(
                    self.error(&pattern.at, format!("expected a lane, found `{}`{near}", pattern.text))
                );
            }
        }
        for condition in &measure.conditions {
            let (key, values) = condition;
            if !self.subjects.iter().any(|subject| subject.setting(&key.text).is_some()) {
                return Err(self.unknown_key(&key.at, &key.text));
            }
            for value in values {
                let alone = vec![(key.clone(), vec![value.clone()])];
                let alone = Measure { lanes: Vec::new(), conditions: alone, ..measure.clone() };
                if !self.subjects.iter().any(|subject| subject.is_selected(&alone)) {
                    let mut found: Vec<&str> =
                        self.subjects.iter().filter_map(|subject| subject.setting(&key.text)).collect();
                    found.sort_unstable();
                    found.dedup();
                    let message = format!(
                        "expected a value of `{}` ({}), found `{}`",
                        key.text,
                        found.join(", "),
                        value.text
                    );
                    return Err(self.error(&value.at, message));
                }
            }
        }
        if !self.subjects.iter().any(|subject| subject.is_selected(measure)) {
            return Err(
                self.error(&name.at, "expected conditions that some lane of the sweep fulfils, found none")
            );
        }
        Ok(())
    }

    fn unknown_key(&self, at: &std::ops::Range<usize>, key: &str) -> RuleError {
        let several = self.subjects.iter().find_map(|subject| match subject.find(key) {
            Found::Several(keys) => Some(keys.join(", ")),
            _ => None,
        });
        let message = match several {
            Some(keys) => format!("expected one key, found several that end in `{key}`: {keys}"),
            None => {
                let near = parser::nearest(key, self.subjects.iter().flat_map(Subject::keys));
                format!("expected a key of the experiment, found `{key}`{near}")
            }
        };
        self.error(at, message)
    }
}
