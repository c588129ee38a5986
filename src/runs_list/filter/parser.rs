//! Parses tokens into a filter by recursive descent; every level counts against [`DEPTH`].

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use super::lexer::{Token, tokens};
use super::{Condition, DEPTH, Expression, FilterError, Key, LENGTH, value};

/// The expression of a text; none if it is blank.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    if text.len() > LENGTH {
        let message = format!("expected at most {LENGTH} bytes, found {}", text.len());
        return Err(FilterError::new(text, text.floor_char_boundary(LENGTH)..text.len(), message));
    }
    let tokens = tokens(text)?.into_iter().peekable();
    let mut parser = Parser { text, tokens, depth: 0 };
    if parser.tokens.peek().is_none() {
        return Ok(None);
    }
    let expression = parser.any()?;
    match parser.tokens.next() {
        None => Ok(Some(expression)),
        // Anything else that could follow is part of the expression.
        Some((_, place)) => Err(parser.error(place, "found `)` without a `(` before it")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Peekable<IntoIter<(Token, Range<usize>)>>,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, place: Range<usize>, message: impl Into<String>) -> FilterError {
        FilterError::new(self.text, place, message)
    }

    fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }

    fn next_is(&mut self, wanted: &Token) -> bool {
        self.tokens.next_if(|(token, _)| token == wanted).is_some()
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut terms = Terms::default();
        loop {
            match self.all()? {
                Expression::Any(inner) => terms.0.extend(inner),
                term => terms.0.push(term),
            }
            if !self.next_is(&Token::Or) {
                return Ok(terms.into_one(Expression::Any));
            }
        }
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut terms = Terms::default();
        loop {
            match self.term()? {
                Expression::All(inner) => terms.0.extend(inner),
                term => terms.0.push(term),
            }
            let and = self.next_is(&Token::And);
            let ends = matches!(self.tokens.peek(), None | Some((Token::Or | Token::Close, _)));
            if ends && !and {
                return Ok(terms.into_one(Expression::All));
            }
        }
    }

    fn term(&mut self) -> Result<Expression, FilterError> {
        let Some((token, place)) = self.tokens.next() else {
            return Err(self.error(self.end(), "expected a word or a condition such as depth>20"));
        };
        match token {
            Token::Not => {
                self.deeper(place, |parser| parser.term().map(|inner| Expression::Not(Box::new(inner))))
            }
            Token::Open => self.deeper(place, Parser::parentheses),
            Token::Quoted(text) => Ok(Expression::Text(text)),
            Token::Word(word) => match self.tokens.peek() {
                Some((Token::Comparison(_), _)) => self.condition(&word, place),
                _ => Ok(Expression::Text(word)),
            },
            Token::Comparison(comparison) => {
                let message = format!("expected a key before {}, such as depth or loss", comparison.sign());
                Err(self.error(place, message))
            }
            Token::Close => Err(self.error(place, "expected a word or a condition before `)`")),
            Token::And | Token::Or => Err(self.error(place, "expected a word or a condition before and, or")),
        }
    }

    fn deeper(
        &mut self,
        place: Range<usize>,
        inner: impl FnOnce(&mut Self) -> Result<Expression, FilterError>,
    ) -> Result<Expression, FilterError> {
        if self.depth == DEPTH {
            let message = format!("expected at most {DEPTH} nested parentheses and negations");
            return Err(self.error(place, message));
        }
        self.depth += 1;
        let expression = inner(self);
        self.depth -= 1;
        expression
    }

    fn parentheses(&mut self) -> Result<Expression, FilterError> {
        let inner = self.any()?;
        if self.next_is(&Token::Close) { Ok(inner) } else { Err(self.error(self.end(), "expected `)`")) }
    }

    fn condition(&mut self, name: &str, place: Range<usize>) -> Result<Expression, FilterError> {
        let Some(key) = Key::named(name) else {
            let message = format!("no key is called `{name}`; did you mean `{}`?", Key::nearest(name));
            return Err(self.error(place, message));
        };
        let Some((Token::Comparison(comparison), _)) = self.tokens.next() else {
            return Err(self.error(place, "expected a comparison"));
        };
        let (source, place) = match self.tokens.next() {
            Some((Token::Word(text) | Token::Quoted(text), place)) => (text, place),
            // As a value, a keyword is an ordinary word.
            Some((Token::And | Token::Or | Token::Not, place))
                if self.text.get(place.clone()) != Some("!") =>
            {
                (self.text.get(place.clone()).unwrap_or_default().to_owned(), place)
            }
            other => {
                let place = other.map_or(self.end(), |(_, place)| place);
                let message = format!("expected a value after `{}{}`", key.name(), comparison.sign());
                return Err(self.error(place, message));
            }
        };
        let value = value::read(key, comparison, &source).map_err(|message| self.error(place, message))?;
        Ok(Expression::Condition(Condition { key, comparison, source, value }))
    }
}

/// The terms of a conjunction or disjunction.
#[derive(Default)]
struct Terms(Vec<Expression>);

impl Terms {
    fn into_one(mut self, several: fn(Vec<Expression>) -> Expression) -> Expression {
        if self.0.len() == 1 { self.0.remove(0) } else { several(self.0) }
    }
}
