//! Parses the text of a rule by recursive descent.

use std::ops::Range;

use super::RuleError;
use super::rule::{Comparison, Expression, Form, Function, Measure, Operator, Point, Rule, When, Word};
use super::scanner::Scanner;
use crate::metric::probed::COMPARED;
use crate::metric::{BLOCK, HEAD, LAYER};

/// The longest rule, in bytes.
const LONGEST: usize = 2_000;
/// The deepest nesting.
const DEEPEST: usize = 32;

/// Reads a rule.
pub(super) fn parse(text: &str) -> Result<Rule, RuleError> {
    if text.len() > LONGEST {
        let message = format!("expected a rule of at most {LONGEST} bytes, found {}", text.len());
        return Err(RuleError::new("", 0..0, message));
    }
    let mut parser = Parser { text, scanner: Scanner::new(text), depth: 0 };
    let left = parser.sum()?;
    let comparison = parser.comparison()?;
    let right = parser.sum()?;
    if !parser.scanner.is_at_end() {
        return Err(parser.unexpected("the end of the rule"));
    }
    Ok(Rule { text: text.to_owned(), left, comparison, right })
}

/// Whether a name may contain it.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

/// Whether a word in brackets may contain it: names of lanes and patterns have hyphens and stars.
fn is_of_word(c: char) -> bool {
    is_of_name(c) || matches!(c, '-' | '+' | '*' | '/')
}

struct Parser<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> RuleError {
        RuleError::new(self.text, at, message)
    }

    /// That something else was expected than what is next.
    fn unexpected(&mut self, expected: &str) -> RuleError {
        let (at, next) = self.scanner.next();
        let found = next.map_or("the end".to_owned(), |c| format!("`{c}`"));
        self.error(at, format!("expected {expected}, found {found}"))
    }

    fn expect(&mut self, sign: &str) -> Result<(), RuleError> {
        if self.scanner.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn comparison(&mut self) -> Result<Comparison, RuleError> {
        let found = Comparison::ALL.into_iter().find(|comparison| self.scanner.eat(comparison.sign()));
        found.ok_or_else(|| self.unexpected("a comparison: `<`, `<=`, `>` or `>=`"))
    }

    /// Terms that are added or subtracted.
    fn sum(&mut self) -> Result<Expression, RuleError> {
        let mut left = self.product()?;
        loop {
            let operator = if self.scanner.eat("+") {
                Operator::Add
            } else if self.scanner.eat("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            left = pair(operator, left, self.product()?);
        }
    }

    /// Factors that are multiplied or divided.
    fn product(&mut self) -> Result<Expression, RuleError> {
        let mut left = self.factor()?;
        loop {
            let operator = if self.scanner.eat("*") {
                Operator::Multiply
            } else if self.scanner.eat("/") {
                Operator::Divide
            } else {
                return Ok(left);
            };
            left = pair(operator, left, self.factor()?);
        }
    }

    fn factor(&mut self) -> Result<Expression, RuleError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let at = self.scanner.start();
            return Err(self.error(at..at, format!("expected at most {DEEPEST} levels, found more")));
        }
        let factor = self.any_factor();
        self.depth -= 1;
        factor
    }

    fn any_factor(&mut self) -> Result<Expression, RuleError> {
        let start = self.scanner.start();
        if self.scanner.eat("(") {
            let inner = self.sum()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.scanner.eat("-") {
            let of = Form::Negative(Box::new(self.factor()?));
            return Ok(Expression { at: start..self.scanner.end(), of });
        }
        if let Some((_, value)) = self.scanner.number() {
            let is_share = self.scanner.eat("%");
            let value = if is_share { value / 100.0 } else { value };
            let of = Form::Number { value, is_share };
            return Ok(Expression { at: start..self.scanner.end(), of });
        }
        let name = self.scanner.while_next(is_of_name).map(word);
        let name = name.ok_or_else(|| self.unexpected("a number, a measure such as `loss[plain]` or `(`"))?;
        let of = if self.scanner.eat("(") { self.call(&name)? } else { Form::Measure(self.measure(name)?) };
        Ok(Expression { at: start..self.scanner.end(), of })
    }

    /// The arguments of a function, after the opening parenthesis.
    fn call(&mut self, name: &Word) -> Result<Form, RuleError> {
        if name.text == Function::SLOPE {
            let sample = Box::new(self.sum()?);
            self.expect(",")?;
            let key = self.scanner.while_next(is_of_word).map(word);
            let key = key.ok_or_else(|| self.unexpected("a key such as `depth`"))?;
            self.expect(")")?;
            return Ok(Form::Slope { sample, key });
        }
        let found = Function::ALL.iter().find(|(known, _)| *known == name.text);
        let Some((_, function)) = found else {
            let names = Function::ALL.iter().map(|(name, _)| *name).chain([Function::SLOPE]);
            let message = format!("expected a function, found `{}`{}", name.text, nearest(&name.text, names));
            return Err(self.error(name.at.clone(), message));
        };
        let mut arguments = vec![self.sum()?];
        while self.scanner.eat(",") {
            arguments.push(self.sum()?);
        }
        self.expect(")")?;
        let wanted = if *function == Function::StepsUntil { 2 } else { 1 };
        if arguments.len() != wanted {
            let (found, plural) = (arguments.len(), if wanted == 1 { "" } else { "s" });
            let message = format!("expected {wanted} argument{plural} of `{}`, found {found}", name.text);
            return Err(self.error(name.at.clone(), message));
        }
        Ok(Form::Call { function: *function, arguments })
    }

    /// The conditions of a measure, in brackets; without them it is of all lanes.
    fn measure(&mut self, name: Word) -> Result<Measure, RuleError> {
        let (lanes, conditions, points) = (Vec::new(), Vec::new(), Vec::new());
        let mut measure = Measure { name, lanes, conditions, step: When::Last, points };
        if !self.scanner.eat("[") {
            return Ok(measure);
        }
        loop {
            let first = self.word("the name of a lane or a key such as `depth`")?;
            if self.scanner.eat("=") {
                let mut values = vec![self.word("a value")?];
                while self.scanner.eat("|") {
                    values.push(self.word("a value")?);
                }
                self.condition(&mut measure, first, values)?;
            } else {
                measure.lanes.push(first);
            }
            if !self.scanner.eat(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(measure)
    }

    /// Adds a condition; `step` and the names of axes say which value of a lane is meant.
    fn condition(&self, measure: &mut Measure, key: Word, mut values: Vec<Word>) -> Result<(), RuleError> {
        let is_axis = [LAYER, BLOCK, HEAD, COMPARED].contains(&key.text.as_str());
        if key.text != "step" && !is_axis {
            measure.conditions.push((key, values));
            return Ok(());
        }
        let value = values.swap_remove(0);
        if !values.is_empty() {
            return Err(
                self.error(key.at.clone(), format!("expected one value of `{}`, found several", key.text))
            );
        }
        let number: Option<i64> = value.text.parse().ok();
        match (value.text.as_str(), number) {
            ("first", _) if is_axis => measure.points.push((key, Point::Nth(1))),
            ("last", _) if is_axis => measure.points.push((key, Point::Nth(-1))),
            (_, Some(number)) if is_axis && number != 0 => measure.points.push((key, Point::Nth(number))),
            (name, None) if is_axis => measure.points.push((key, Point::Named(name.to_owned()))),
            ("first", _) => measure.step = When::First,
            ("last", _) => measure.step = When::Last,
            (_, Some(number)) if number >= 0 && !is_axis => measure.step = When::At(number.unsigned_abs()),
            (found, _) => {
                let expected =
                    if is_axis { "a number from 1, or from -1 backward, or a name" } else { "a step" };
                let message = format!("expected `first`, `last` or {expected}, found `{found}`");
                return Err(self.error(value.at, message));
            }
        }
        Ok(())
    }

    fn word(&mut self, expected: &str) -> Result<Word, RuleError> {
        let found = self.scanner.quoted().or_else(|| self.scanner.while_next(is_of_word));
        found.map(word).ok_or_else(|| self.unexpected(expected))
    }
}

fn word((at, text): (Range<usize>, &str)) -> Word {
    Word { at, text: text.to_owned() }
}

fn pair(operator: Operator, left: Expression, right: Expression) -> Expression {
    let at = left.at.start..right.at.end;
    Expression { at, of: Form::Pair { operator, left: Box::new(left), right: Box::new(right) } }
}

/// `; the nearest is ...`, for a message.
pub(super) fn nearest<'a>(found: &str, choices: impl Iterator<Item = &'a str>) -> String {
    // Comparing takes time in proportion to both lengths.
    let found: String = found.to_lowercase().chars().take(60).collect();
    let likeness = |choice: &str| strsim::normalized_damerau_levenshtein(&found, choice);
    let near = choices.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    near.map_or_else(String::new, |near| format!("; the nearest is `{near}`"))
}
