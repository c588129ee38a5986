//! Turns the columns of a table into features and labels: numbers as they are, words as one feature for each.

use std::collections::BTreeMap;

use super::DatasetError;
use super::csv_table::{MOST_VALUES, Table, number, shortened};
use crate::printable::{escaped, grouped};

/// The most different words of a column of features.
const MOST_WORDS: usize = 64;
/// The most numbers of a data set: 512 MiB of them.
const MOST_NUMBERS: usize = 1 << 27;

/// All rows of a table as examples.
pub(super) struct Columns {
    /// Features per row.
    pub(super) features: usize,
    /// The features of row after row.
    pub(super) numbers: Vec<f32>,
    /// The label of each row.
    pub(super) labels: Vec<u16>,
    /// The names of the classes, safe to print: in the order of their numbers if all are numbers, else of their texts.
    pub(super) classes: Vec<String>,
}

/// What becomes of a column.
enum Role {
    Label(BTreeMap<String, u16>),
    Number,
    /// The place of each word among the column's features.
    Words(BTreeMap<String, usize>),
}

impl Columns {
    /// Reads a table whose labels are in the column of that name or number, from 1; in the last one if none is given.
    ///
    /// # Errors
    /// Where there is no such column or no other, there are too few or too many classes, words or numbers, or a number
    /// is not finite or missing.
    pub(super) fn read(table: &Table<'_>, label: Option<&str>) -> Result<Columns, DatasetError> {
        let label = label_column(table, label)?;
        let (classes, by_value) = classes(table, label)?;
        let mut roles = Vec::new();
        for at in 0..table.columns.len() {
            roles.push(if at == label { Role::Label(by_value.clone()) } else { role(table, at)? });
        }
        let features: usize = roles.iter().map(Role::features).sum();
        let size = features.saturating_mul(table.rows);
        if features == 0 || size > MOST_NUMBERS {
            let (expected, found) = match features {
                0 => ("a column besides the one of the labels".to_owned(), "none".to_owned()),
                _ => (
                    format!("at most {} numbers", grouped(MOST_NUMBERS as u64)),
                    format!("{} features in {} rows", grouped(features as u64), grouped(table.rows as u64)),
                ),
            };
            return Err(table.error(expected, found, "take another table, or some of its columns or rows"));
        }
        let (mut numbers, mut labels) = (Vec::with_capacity(size), Vec::with_capacity(table.rows));
        table.each_row(|line, fields| {
            for ((at, field), role) in fields.iter().enumerate().zip(&roles) {
                match role {
                    Role::Label(classes) => labels.push(classes.get(field).copied().unwrap_or_default()),
                    Role::Number => numbers.push(finite(table, line, at, field)?),
                    Role::Words(words) => {
                        let own = words.get(field).copied();
                        numbers.extend((0..words.len()).map(|word| f32::from(u8::from(own == Some(word)))));
                    }
                }
            }
            Ok(())
        })?;
        Ok(Columns { features, numbers, labels, classes })
    }
}

impl Role {
    fn features(&self) -> usize {
        match self {
            Role::Label(_) => 0,
            Role::Number => 1,
            Role::Words(words) => words.len(),
        }
    }
}

/// The column that a name or a number from 1 means; a name counts first.
fn label_column(table: &Table<'_>, label: Option<&str>) -> Result<usize, DatasetError> {
    let count = table.columns.len();
    let Some(label) = label else { return Ok(count - 1) };
    let named = table.columns.iter().position(|column| column.name.as_deref() == Some(label));
    let numbered = || label.parse::<usize>().ok().filter(|number| (1..=count).contains(number));
    named.or_else(|| numbered().map(|number| number - 1)).ok_or_else(|| {
        let names: Vec<String> =
            table.columns.iter().flat_map(|c| c.name.as_deref()).map(shortened).collect();
        let known = match names.as_slice() {
            [] => "it has no header with names".to_owned(),
            [first, second, .., last] if names.len() > 12 => {
                format!("its columns are {first}, {second} .. {last}")
            }
            few => format!("its columns are {}", few.join(", ")),
        };
        let expected = format!("the name of a column or a number from 1 to {count}");
        DatasetError::key("label", expected, format!("`{}`", shortened(label)), known)
    })
}

/// The classes and the label of each value of a column.
fn classes(table: &Table<'_>, at: usize) -> Result<(Vec<String>, BTreeMap<String, u16>), DatasetError> {
    let column = &table.columns[at];
    let expected = match column.values.len() {
        0 | 1 => "at least two classes",
        2..=MOST_VALUES => {
            let mut values: Vec<&String> = column.values.iter().collect();
            let as_number = |value: &str| number(value).filter(|_| column.word.is_none());
            let order = |value: &str| as_number(value).unwrap_or_default();
            values.sort_by(|a, b| order(a).total_cmp(&order(b)));
            let names = values.iter().map(|value| class_name(value)).collect();
            return Ok((names, values.into_iter().cloned().zip(0..).collect()));
        }
        _ => "at most 256 classes",
    };
    let found = match column.values.first() {
        Some(only) if column.values.len() == 1 => format!("only `{}`", shortened(only)),
        Some(_) => "more".to_owned(),
        None => "none".to_owned(),
    };
    let remedy = "set data.label to the column of the classes";
    Err(table.error(format!("{expected} in {}", table.describe(at)), found, remedy))
}

/// The name of a class: unsafe characters are written as `\u{1b}`, so that different classes have different names.
fn class_name(value: &str) -> String {
    escaped(value).replace('\n', "\\n")
}

/// What becomes of a column of features.
fn role(table: &Table<'_>, at: usize) -> Result<Role, DatasetError> {
    let column = &table.columns[at];
    match (column.number, &column.word) {
        (Some(first), Some((line, word))) => {
            let expected =
                format!("a number in line {}, {}, as in line {first}", grouped(*line), table.describe(at));
            let remedy = "fill it in, remove the row or the column, or make all of them words";
            Err(table.error(expected, format!("`{}`", shortened(word)), remedy))
        }
        (None, Some(_)) if column.values.len() > MOST_WORDS => {
            let expected = format!("at most {MOST_WORDS} different words in {}", table.describe(at));
            Err(table.error(
                expected,
                "more",
                "remove the column, or set data.label to it if it has the classes",
            ))
        }
        (None, Some(_)) => Ok(Role::Words(column.values.iter().cloned().zip(0..).collect())),
        _ => Ok(Role::Number),
    }
}

/// A number that is finite in single precision.
fn finite(table: &Table<'_>, line: u64, at: usize, field: &str) -> Result<f32, DatasetError> {
    match number(field).map(|number| number as f32) {
        Some(single) if single.is_finite() => Ok(single),
        _ => {
            let expected = format!(
                "a finite number of at most 3.4e38 in line {}, {}",
                grouped(line),
                table.describe(at)
            );
            let remedy = "fill it in, or remove the row or the column";
            Err(table.error(expected, format!("`{}`", shortened(field)), remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str, label: Option<&str>) -> Result<Columns, String> {
        Table::read(Path::new("t.csv"), text)
            .and_then(|table| Columns::read(&table, label))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_stay_and_words_get_a_feature_each() {
        let found = read("size,colour,kind\n1.5,red,b\n-2,blue,a\n3e1,red,b\n", None).unwrap();
        assert_eq!(found.features, 3);
        assert_eq!(found.numbers, [1.5, 0.0, 1.0, -2.0, 1.0, 0.0, 30.0, 0.0, 1.0]);
        assert_eq!((found.labels, found.classes), (vec![1, 0, 1], vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn the_label_is_a_name_or_a_number_or_last() {
        let text = "10,9,1\n9,8,1\n10,7,2\n";
        assert_eq!(read(text, None).unwrap().classes, ["1", "2"]);
        // In the order of numbers, not of texts.
        let first = read(text, Some("1")).unwrap();
        assert_eq!((first.classes, first.labels), (vec!["9".to_owned(), "10".to_owned()], vec![1, 0, 1]));
        assert_eq!(first.numbers, [9.0, 1.0, 8.0, 1.0, 7.0, 2.0]);
        let named = "id,class\n1,x\n2,y\n";
        assert_eq!(read(named, Some("class")).unwrap().numbers, [1.0, 2.0]);
        assert_eq!(read(named, Some("id")).unwrap().classes, ["1", "2"]);
        let message = read(named, Some("clas")).err().unwrap();
        assert_eq!(
            message,
            "expected the name of a column or a number from 1 to 2, found `clas`; its columns are id, class"
        );
        let message = read("1,2\n3,4\n", Some("0")).err().unwrap();
        assert!(message.ends_with("found `0`; it has no header with names"), "{message}");
    }

    #[test]
    fn what_cannot_be_learnt_is_told_with_its_place() {
        let rows = |of: &dyn Fn(usize) -> String| (0..300).map(of).collect::<String>();
        let regression = format!("x,price\n{}", rows(&|row| format!("1,{row}.5\n")));
        let names = format!("x,who,y\n{}", rows(&|row| format!("1,w{row},{}\n", row % 2)));
        for (text, label, expected) in [
            (
                "a,b\n1,x\n2,x\n",
                None,
                "expected at least two classes in column 2 (b), found only `x`; set data.label",
            ),
            (
                &*regression,
                None,
                "expected at most 256 classes in column 2 (price), found more; set data.label",
            ),
            (&*names, None, "expected at most 64 different words in column 2 (who), found more; remove"),
            ("a\n1\n2\n", None, "expected a column besides the one of the labels, found none; take"),
            (
                "age,k\n1,x\nNA,y\n",
                None,
                "t.csv: expected a number in line 3, column 1 (age), as in line 2, found `NA`; fill it in",
            ),
            (
                "a,k\n1,x\nnan,y\n",
                None,
                "a finite number of at most 3.4e38 in line 3, column 1 (a), found `nan`",
            ),
            ("a,k\n-inf,x\n2,y\n", None, "in line 2, column 1 (a), found `-inf`"),
            ("1e39,x\n2,y\n", None, "in line 1, column 1, found `1e39`"),
            ("a,k\n1,x\n\x1b[2J,y\n", None, "found `\u{fffd}[2J`; "),
        ] {
            let message = read(text, label).err().unwrap_or_default();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn names_of_classes_are_safe_and_different() {
        let found = read("1,\"\x1b[2J\n\"\n2,\u{202e}\n3,plain \u{e9}\n", None).unwrap();
        assert_eq!(found.classes, ["\\u{1b}[2J", "plain \u{e9}", "\\u{202e}"]);
        let found = read("1,\"a\nb\"\n2,a b\n", None).unwrap();
        assert_eq!(found.classes, ["a\\nb", "a b"]);
    }
}
