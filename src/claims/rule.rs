//! A rule as an expression. Every part knows its place in the text, for messages.

use std::ops::Range;

use super::RuleError;
use super::parser::parse;

/// A comparison of two expressions.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(super) text: String,
    pub(super) left: Expression,
    pub(super) comparison: Comparison,
    pub(super) right: Expression,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// If it is not a comparison of two numbers; with the place in the text.
    pub fn parse(text: &str) -> Result<Rule, RuleError> {
        parse(text)
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How its sides are compared.
    pub fn comparison(&self) -> Comparison {
        self.comparison
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// All, the longer signs first.
    pub(super) const ALL: [Comparison; 4] =
        [Comparison::AtMost, Comparison::AtLeast, Comparison::Less, Comparison::Greater];

    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }

    /// Whether it holds; never for NaN.
    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
        }
    }
}

/// A number, or a sample of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression {
    /// Bytes of the rule's text.
    pub(super) at: Range<usize>,
    pub(super) of: Form,
}

/// The form of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// A number that stands there; `10%` is 0.1, and a share.
    Number { value: f64, is_share: bool },
    /// What some lanes measured.
    Measure(Measure),
    /// A function of expressions.
    Call { function: Function, arguments: Vec<Expression> },
    /// `slope(sample, key)`: by how much a sample grows as a key grows by 1.
    Slope { sample: Box<Expression>, key: Word },
    /// `-x`
    Negative(Box<Expression>),
    /// `x + y` and so on.
    Pair { operator: Operator, left: Box<Expression>, right: Box<Expression> },
}

/// A word with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    pub(super) fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
        }
    }
}

/// A function of one sample or number, and for [`Function::StepsUntil`] a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// The value in the middle of a sample.
    Median,
    /// The mean of a sample.
    Mean,
    /// The least of a sample.
    Min,
    /// The greatest of a sample.
    Max,
    /// The greatest of a sample minus the least.
    Range,
    /// How many values a sample has.
    Count,
    /// The value without its sign.
    Abs,
    /// The decimal logarithm.
    Log10,
    /// The first step from which on the mean over 20 steps of a measure was at most a level.
    StepsUntil,
}

impl Function {
    /// All, with their names.
    pub(super) const ALL: [(&'static str, Function); 9] = [
        ("median", Function::Median),
        ("mean", Function::Mean),
        ("min", Function::Min),
        ("max", Function::Max),
        ("range", Function::Range),
        ("count", Function::Count),
        ("abs", Function::Abs),
        ("log10", Function::Log10),
        ("steps_until", Function::StepsUntil),
    ];
    /// The name of [`Form::Slope`].
    pub(super) const SLOPE: &'static str = "slope";
}

/// A measure of the lanes that its conditions select.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    /// What is measured.
    pub(super) name: Word,
    /// The names of the lanes: patterns, of which one must match; empty for all.
    pub(super) lanes: Vec<Word>,
    /// What their experiments must say: keys with the values of which one must be had.
    pub(super) conditions: Vec<(Word, Vec<Word>)>,
    /// The step of the value.
    pub(super) step: When,
    /// The axes of a measure with several numbers a step, with the point on each.
    pub(super) points: Vec<(Word, Point)>,
}

/// The step of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The first that was recorded.
    First,
    /// The last that was recorded.
    Last,
    /// The last record up to this step.
    At(u64),
}

/// A point on an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The nth, from 1; from the end where it is negative.
    Nth(i64),
    /// The one of this name.
    Named(String),
}
