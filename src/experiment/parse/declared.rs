//! The keys that an architecture or a data set declares for its table: each value is checked by its declaration. Knows
//! no key by name.

use super::node::{Node, Value};
use super::problem::either;
use super::section::Section;
use crate::experiment::{Absence, Allowed, Key, Setting, Settings};

/// Reads the keys that `owner`, an architecture or a data set, declares; none if one of them is missing or wrong, which
/// is reported.
pub(super) fn settings(section: &Section<'_>, owner: &str, keys: &[Key]) -> Option<Settings> {
    let mut settings = Some(Settings::default());
    for key in keys {
        let read = match (section.node(key.name), &key.absence) {
            (Some(node), _) => value(section, owner, key, node),
            (None, Absence::Default(default)) => Some(default.clone()),
            (None, Absence::Left) => continue,
            (None, Absence::Refused) => {
                section.missing(key.name, &expected(&key.allowed));
                None
            }
        };
        settings = settings.zip(read).map(|(settings, read)| settings.with(key.name, read));
    }
    settings
}

/// Accepts keys unread: those of a table whose owner is unknown, which is a problem of its own.
pub(super) fn accept<'k>(section: &Section<'_>, keys: impl IntoIterator<Item = &'k Key>) {
    for key in keys {
        section.node(key.name);
    }
}

/// The value of a key; none if it is not allowed, which is reported.
fn value(section: &Section<'_>, owner: &str, key: &Key, node: &Node) -> Option<Setting> {
    let name = key.name;
    let checked = match (&key.allowed, &node.value) {
        (Allowed::Words(words), _) => {
            return section.choice(name, words).and_then(|found| words.get(found)).map(|&word| word.into());
        }
        (Allowed::Compiled(known), &Value::Integer(found @ 1..)) => compiled(name, known, size(found)),
        (&Allowed::Depth { step, offset, most, unless }, &Value::Integer(found @ 1..)) => {
            let unless = unless.filter(|unless| has_word(section, unless.key, unless.word));
            let step = unless.map_or(step, |unless| unless.step);
            depth(owner, step.max(1), offset, most, size(found))
        }
        (&Allowed::Whole { least, most }, &Value::Integer(found)) => whole(&key.allowed, least, most, found),
        (&Allowed::Number { least, most }, &Value::Integer(found)) => {
            number(&key.allowed, least, most, found as f64, node)
        }
        (&Allowed::Number { least, most }, &Value::Float(found)) if found.is_finite() => {
            number(&key.allowed, least, most, found, node)
        }
        (Allowed::Flag, &Value::Boolean(flag)) => Ok(flag.into()),
        (Allowed::Text, Value::Text(text)) if !text.is_empty() => Ok(text.as_str().into()),
        (allowed, _) => Err(format!("expected {}, found {}", expected(allowed), node.describe())),
    };
    checked.map_err(|message| section.note(name, message)).ok()
}

/// Whether a key has a word.
fn has_word(section: &Section<'_>, key: &'static str, word: &str) -> bool {
    matches!(section.node(key), Some(Node { value: Value::Text(found), .. }) if found == word)
}

/// What a key may be, for a message; where it depends on a list or a step, only its type.
fn expected(allowed: &Allowed) -> String {
    match *allowed {
        Allowed::Words(ref words) => either(words),
        Allowed::Compiled(_) | Allowed::Depth { .. } => "a whole number of at least 1".to_owned(),
        // No file has a greater one.
        Allowed::Whole { most, .. } if most >= size(i64::MAX) => allowed.to_string(),
        Allowed::Whole { least, most } => format!("a whole number from {least} to {most}"),
        Allowed::Number { .. } => allowed.to_string(),
        Allowed::Flag => "`true` or `false`".to_owned(),
        Allowed::Text => "a text in quotes that is not empty".to_owned(),
    }
}

fn compiled(name: &str, known: &[usize], found: usize) -> Result<Setting, String> {
    if known.contains(&found) {
        return Ok(found.into());
    }
    let listed: Vec<String> = known.iter().map(usize::to_string).collect();
    let near = known.iter().min_by_key(|known| known.abs_diff(found));
    let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
    let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    Err(format!("expected {article} {name} that is compiled in ({}), found {found}{near}", listed.join(", ")))
}

fn depth(owner: &str, step: usize, offset: usize, most: usize, found: usize) -> Result<Setting, String> {
    let least = offset + step;
    let greatest = offset + most.saturating_sub(offset) / step * step;
    if (least..=greatest).contains(&found) && (found - offset).is_multiple_of(step) {
        return Ok(found.into());
    }
    let below = offset + found.saturating_sub(offset) / step * step;
    let near = if found < least {
        format!("the nearest is {least}")
    } else if found > greatest {
        format!("the nearest is {greatest}")
    } else {
        format!("the nearest are {below} and {}", below + step)
    };
    Err(format!(
        "expected {step}n+{offset} layers for `{owner}`, {least} to {greatest}, found {found}; {near}"
    ))
}

fn whole(allowed: &Allowed, least: usize, most: usize, found: i64) -> Result<Setting, String> {
    let nearest = size(found).clamp(least, most);
    match usize::try_from(found) {
        Ok(number) if number == nearest => Ok(number.into()),
        _ => Err(format!("expected {}, found `{found}`; the nearest is {nearest}", expected(allowed))),
    }
}

/// Networks compute in single precision, so it must not vanish or overflow in that.
fn number(allowed: &Allowed, least: f64, most: f64, found: f64, node: &Node) -> Result<Setting, String> {
    let (expected, shown) = (expected(allowed), node.describe());
    if found < least || found > most {
        let nearest = if found < least { least } else { most };
        return Err(format!("expected {expected}, found {shown}; the nearest is {nearest}"));
    }
    let single = found as f32;
    if !single.is_finite() || single == 0.0 && found != 0.0 {
        return Err(format!("expected {expected}, found {shown}, which is {single} in single precision"));
    }
    Ok(found.into())
}

/// As a `usize`; 0 for a negative number.
fn size(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}
