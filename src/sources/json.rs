//! Goes through the bytes of JSON, value by value. Lenient where Python and others are: NaN and infinities may stand
//! without quotes. It is faster than a reader that has to check all that it leaves out. Knows nothing of what values are
//! for.

use std::borrow::Cow;

use memchr::memchr2;

/// A way through one document.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    json: &'a [u8],
    place: usize,
}

/// A value, or the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A number, and how it is written.
    Number(f64, &'a [u8]),
    Truth(bool),
    Null,
    /// What is between the quotes, as it is written.
    Text(&'a [u8]),
    /// A list, all of it.
    List,
    /// The opening brace of an object; its keys are next.
    Object,
}

/// Where something else was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

impl<'a> Cursor<'a> {
    /// Begins before the document.
    pub(super) fn new(json: &'a [u8]) -> Cursor<'a> {
        Cursor { json, place: 0 }
    }

    /// The next value. The keys of an object have to be gone through before the next one.
    pub(super) fn value(&mut self) -> Result<Token<'a>, Damage> {
        let rest = self.rest();
        let (length, token) = match rest.first() {
            Some(b'{') => (1, Token::Object),
            Some(b'[') => (self.past_value()?, Token::List),
            Some(b'"') => {
                let text = self.text(rest)?;
                (text.len(), Token::Text(within_quotes(text)))
            }
            Some(_) if rest.starts_with(b"null") => (4, Token::Null),
            Some(_) if rest.starts_with(b"true") => (4, Token::Truth(true)),
            Some(_) if rest.starts_with(b"false") => (5, Token::Truth(false)),
            _ => {
                let (number, length) =
                    fast_float2::parse_partial(rest).map_err(|_| self.damage("a value"))?;
                (length, Token::Number(number, rest.get(..length).unwrap_or(rest)))
            }
        };
        self.place += length;
        match self.json.get(self.place) {
            Some(byte) if is_of_word(*byte) && token != Token::Object => {
                Err(self.damage("the end of a value"))
            }
            _ => Ok(token),
        }
    }

    /// The next key of an object, as it is written between its quotes; none at the end of the object.
    pub(super) fn key(&mut self, is_first: bool) -> Result<Option<&'a [u8]>, Damage> {
        match self.rest().first() {
            Some(b'}') => {
                self.place += 1;
                return Ok(None);
            }
            Some(b',') if !is_first => self.place += 1,
            _ if is_first => {}
            _ => return Err(self.damage("`,` or `}`")),
        }
        let rest = self.rest();
        if rest.first() != Some(&b'"') {
            return Err(self.damage("a key"));
        }
        let key = self.text(rest)?;
        self.place += key.len();
        if self.rest().first() != Some(&b':') {
            return Err(self.damage("`:`"));
        }
        self.place += 1;
        Ok(Some(within_quotes(key)))
    }

    /// Leaves the next value out, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), Damage> {
        self.rest();
        self.place += self.past_value()?;
        Ok(())
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Damage> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.damage("nothing more")) }
    }

    /// That something was expected here.
    pub(super) fn damage(&self, expected: &'static str) -> Damage {
        Damage { at: self.place, expected }
    }

    /// What follows, without white space before it.
    fn rest(&mut self) -> &'a [u8] {
        let rest = self.json.get(self.place..).unwrap_or_default();
        let white = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.place += white;
        rest.get(white..).unwrap_or_default()
    }

    /// The text at the start of `rest`.
    fn text(&self, rest: &'a [u8]) -> Result<&'a [u8], Damage> {
        text_end(rest).and_then(|end| rest.get(..end)).ok_or_else(|| self.damage("the end of a text"))
    }

    /// The bytes of the value that is next.
    fn past_value(&self) -> Result<usize, Damage> {
        let rest = self.json.get(self.place..).unwrap_or_default();
        let end = value_end(rest).ok_or_else(|| self.damage("a value that ends"))?;
        let closing = match rest.first() {
            Some(b'[') => b']',
            Some(b'{') => b'}',
            _ => return Ok(end),
        };
        let closes = rest.get(end - 1) == Some(&closing);
        if closes { Ok(end) } else { Err(self.damage("a value that ends")) }
    }
}

/// The text that is written between quotes; none if it is damaged.
pub(super) fn decoded(written: &[u8]) -> Option<Cow<'_, str>> {
    if !written.contains(&b'\\') {
        return std::str::from_utf8(written).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", written, b"\""].concat();
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}

/// The bytes of the value at the start of `json`; none if it does not end within, or there is none. A number at the end
/// of `json` may go on, so it does not end.
pub(super) fn value_end(json: &[u8]) -> Option<usize> {
    match json.first()? {
        b'"' => text_end(json),
        b'{' | b'[' => nested_end(json),
        _ => json.iter().position(|byte| !is_of_word(*byte)).filter(|end| *end > 0),
    }
}

/// Whether a number or a word has this byte.
pub(super) fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// What is within the quotes of a text.
pub(super) fn within_quotes(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    text.strip_suffix(b"\"").unwrap_or(text)
}

/// The bytes of the text at the start of `json`, with its quotes.
fn text_end(json: &[u8]) -> Option<usize> {
    let mut end = 1;
    loop {
        let rest = json.get(end..)?;
        let place = memchr2(b'"', b'\\', rest)?;
        end += place + 1;
        if rest.get(place) == Some(&b'"') {
            return Some(end);
        }
        // What follows a backslash is no end.
        end += 1;
    }
}

/// The bytes of the object or list at the start of `json`. Whether braces and brackets match is for others to find.
fn nested_end(json: &[u8]) -> Option<usize> {
    let (mut place, mut depth) = (0, 0_usize);
    loop {
        let rest = json.get(place..)?;
        place += 1;
        match rest.first()? {
            b'"' => place += text_end(rest)? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Goes through a value; counts its texts, numbers, truths and nulls outside of lists.
    fn count(cursor: &mut Cursor) -> Result<usize, Damage> {
        if cursor.value()? != Token::Object {
            return Ok(1);
        }
        let (mut is_first, mut sum) = (true, 0);
        while let Some(key) = cursor.key(is_first)? {
            assert!(decoded(key).is_some());
            is_first = false;
            sum += count(cursor)?;
        }
        Ok(sum)
    }

    fn counted(json: &[u8]) -> Result<usize, Damage> {
        let mut cursor = Cursor::new(json);
        let counted = count(&mut cursor)?;
        cursor.end().map(|()| counted)
    }

    fn count_of(value: &Value) -> usize {
        value.as_object().map_or(1, |object| object.values().map(count_of).sum())
    }

    #[test]
    fn values_end_where_they_do() {
        for json in [r#"{"a}": ["]", {"b\"}": 1}]}"#, "[]", r#""\\""#, "-1.5e+3", "null", "NaN"] {
            for cut in 0..json.len() {
                assert_eq!(value_end(json.get(..cut).unwrap().as_bytes()), None);
            }
            assert_eq!(value_end(format!("{json}, 1").as_bytes()), Some(json.len()));
        }
        assert_eq!([",", ":", ""].map(|json| value_end(json.as_bytes())), [None; 3]);
    }

    #[test]
    fn numbers_that_json_does_not_have_are_read() {
        let read = |json: &'static str| Cursor::new(json.as_bytes()).value();
        assert!(matches!(read("NaN"), Ok(Token::Number(number, b"NaN")) if number.is_nan()));
        assert_eq!(read("-Infinity"), Ok(Token::Number(f64::NEG_INFINITY, b"-Infinity")));
        assert_eq!(read(" inf,"), Ok(Token::Number(f64::INFINITY, b"inf")));
        assert_eq!(read("nano"), Err(Damage { at: 3, expected: "the end of a value" }));
    }

    #[test]
    fn damage_is_found() {
        for json in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "{\"a\":1 \"b\":2}",
            "{1:1}",
            "{\"a\":[1}",
            "{\"a\" 1}",
            "{\"a\":1}}",
            "{\"a\":nulls}",
            "{\"a\":-}",
            "{\"a\":\"}",
            "{\"a\":1.5.2}",
        ] {
            assert!(counted(json.as_bytes()).is_err(), "{json}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a\"\\\\{}\\[\\]\né]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\é]{0,3}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn proper_json_is_gone_through(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(counted(text.as_bytes()), Ok(count_of(&value)));
                prop_assert_eq!(value_end(format!("{text} ").as_bytes()), Some(text.len()));
            }
        }

        #[test]
        fn numbers_are_read_as_they_were_written(number in any::<f64>()) {
            let text = Value::from(number).to_string();
            let Ok(Token::Number(read, _)) = Cursor::new(text.as_bytes()).value() else { return Ok(()) };
            prop_assert_eq!(read.to_bits(), number.to_bits());
        }

        #[test]
        fn texts_are_read_as_they_were_written(text in ".{0,8}") {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(decoded(within_quotes(written.as_bytes())).unwrap(), text);
        }
    }
}
