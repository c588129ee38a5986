//! From characters to tokens, each with its place.

use std::ops::Range;

use super::{Comparison, FilterError};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Comparison(Comparison),
    Open,
    Close,
    And,
    Or,
    Not,
}

/// Characters that are never part of a word.
const SPECIAL: [char; 8] = ['(', ')', '"', '=', '!', '<', '>', '~'];

/// Whether a word may contain it.
pub(super) fn is_of_word(c: char) -> bool {
    !c.is_whitespace() && !SPECIAL.contains(&c)
}

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' => quoted(text, start)?,
            _ if is_of_word(first) => {
                let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                (word(&rest[..end]), end)
            }
            _ => sign(rest),
        };
        tokens.push((token, start..start + length));
        rest = &rest[length..];
    }
}

/// Whether a bare word would be read as an operator.
pub(super) fn is_keyword(text: &str) -> bool {
    !matches!(word(text), Token::Word(_))
}

fn word(text: &str) -> Token {
    match text.to_ascii_lowercase().as_str() {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        _ => Token::Word(text.to_owned()),
    }
}

/// The operator at the start of `rest`, which begins with a special character.
fn sign(rest: &str) -> (Token, usize) {
    // The longest first; `==` is accepted for programmers.
    if rest.starts_with("==") {
        return (Token::Comparison(Comparison::Equal), 2);
    }
    let longest =
        Comparison::ALL.into_iter().filter(|c| rest.starts_with(c.sign())).max_by_key(|c| c.sign().len());
    match longest {
        Some(comparison) => (Token::Comparison(comparison), comparison.sign().len()),
        None => (Token::Not, 1),
    }
}

/// The quoted text that begins at a place, and its length with both quotation marks.
fn quoted(text: &str, start: usize) -> Result<(Token, usize), FilterError> {
    let mut inner = String::new();
    let mut characters = text[start + 1..].char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((Token::Quoted(inner), at + 2)),
            '\\' => inner.extend(characters.next().map(|(_, c)| c)),
            c => inner.push(c),
        }
    }
    Err(FilterError::new(text, start..text.len(), "expected a quotation mark where the quoted text ends"))
}
