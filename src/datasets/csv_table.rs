//! Reads a table of comma-separated values (RFC 4180) without trusting it, row by row, and finds out what its columns
//! hold. Knows nothing of what they are used for. What it quotes of the file in messages is made safe to print.

use std::collections::BTreeSet;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::DatasetError;
use crate::printable::{grouped, printable};

/// The most columns.
const MOST_COLUMNS: usize = 4096;
/// Different values of a column that are collected; one more than these if it has more.
pub(super) const MOST_VALUES: usize = 256;
/// Characters of a field that are quoted in messages.
const QUOTED: usize = 40;

/// A table whose rows all have the same number of fields, none of them empty.
pub(super) struct Table<'a> {
    path: &'a Path,
    text: &'a str,
    delimiter: u8,
    /// Whether the first row names the columns.
    has_header: bool,
    /// Its columns, at least one.
    pub(super) columns: Vec<Column>,
    /// The number of rows, without the header.
    pub(super) rows: usize,
}

/// What a column holds below the header.
#[derive(Default)]
pub(super) struct Column {
    /// Its name, if a header has one.
    pub(super) name: Option<String>,
    /// The line of the first field that is a number.
    pub(super) number: Option<u64>,
    /// The first field that is not a number, with its line.
    pub(super) word: Option<(u64, String)>,
    /// Its different fields, up to a bound.
    pub(super) values: BTreeSet<String>,
    /// Whether the field of the first row occurs again.
    repeats_first: bool,
}

/// A row with its line, from 1.
struct Row {
    line: u64,
    fields: StringRecord,
}

impl<'a> Table<'a> {
    /// Reads a table.
    ///
    /// Fields are separated by commas, semicolons or tabs, whichever is most frequent in the first line. The first row
    /// is a header if it has no number while another row has one; in a table without numbers, if no field of it occurs
    /// again in its column. Blanks around fields don't count.
    ///
    /// # Errors
    /// Where a quote is not closed, a row has more or fewer fields than the first one, or a field is empty.
    pub(super) fn read(path: &'a Path, text: &'a str) -> Result<Table<'a>, DatasetError> {
        let delimiter = delimiter(text);
        let mut table = Table { path, text, delimiter, has_header: false, columns: Vec::new(), rows: 0 };
        if let Some(line) = unclosed_quote(text, delimiter) {
            let found = format!("one in line {} that is not", grouped(line));
            let remedy = "close it, or double it if it belongs to the text";
            return Err(table.error("every quote to be closed", found, remedy));
        }
        let Some(first) = table.scan()? else {
            return Err(table.error("rows of fields", "an empty file", "check that it is the right file"));
        };
        table.find_header(&first)?;
        Ok(table)
    }

    /// Collects what is below the first row, which is returned.
    fn scan(&mut self) -> Result<Option<Row>, DatasetError> {
        let mut first: Option<Row> = None;
        let (mut columns, mut rows) = (Vec::<Column>::new(), 0);
        self.each(|line, fields| {
            rows += 1;
            let Some(first) = &first else {
                self.check_width(fields)?;
                columns.resize_with(fields.len(), Column::default);
                first = Some(Row { line, fields: fields.clone() });
                return Ok(());
            };
            self.check_row(line, fields, first)?;
            for ((column, field), of_first) in columns.iter_mut().zip(fields).zip(&first.fields) {
                column.take(line, field);
                column.repeats_first |= field == of_first;
            }
            Ok(())
        })?;
        (self.columns, self.rows) = (columns, rows);
        Ok(first)
    }

    fn find_header(&mut self, first: &Row) -> Result<(), DatasetError> {
        let [numbers, words, repeated] = [
            self.columns.iter().any(|column| column.number.is_some()),
            self.columns.iter().any(|column| column.word.is_some()),
            self.columns.iter().any(|column| column.repeats_first),
        ];
        let is_name = |field: &str| number(field).is_none();
        self.has_header = first.fields.iter().all(is_name) && (numbers || words && !repeated);
        if self.has_header {
            self.rows -= 1;
            for (column, field) in self.columns.iter_mut().zip(&first.fields) {
                column.name = (!field.is_empty()).then(|| field.to_owned());
            }
            return Ok(());
        }
        self.check_row(first.line, &first.fields, first)?;
        for (column, field) in self.columns.iter_mut().zip(&first.fields) {
            column.take(first.line, field);
        }
        Ok(())
    }

    /// Visits the rows below the header, each with its line.
    pub(super) fn each_row(
        &self,
        mut visit: impl FnMut(u64, &StringRecord) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let mut is_header = self.has_header;
        self.each(|line, fields| if std::mem::take(&mut is_header) { Ok(()) } else { visit(line, fields) })
    }

    /// Visits all rows.
    fn each(
        &self,
        mut visit: impl FnMut(u64, &StringRecord) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .trim(Trim::All)
            .from_reader(self.text.as_bytes());
        let (mut fields, mut lines) = (StringRecord::new(), Lines { text: self.text, line: 1, counted: 0 });
        loop {
            match reader.read_record(&mut fields) {
                Ok(true) => visit(lines.of(&fields), &fields)?,
                Ok(false) => return Ok(()),
                // Reading from memory cannot fail, and fields of a text are texts.
                Err(error) => {
                    let found = printable(&error.to_string());
                    return Err(self.error("comma-separated values", found, "check the file"));
                }
            }
        }
    }

    fn check_width(&self, fields: &StringRecord) -> Result<(), DatasetError> {
        if fields.len() <= MOST_COLUMNS {
            return Ok(());
        }
        let expected = format!("at most {} columns", grouped(MOST_COLUMNS as u64));
        Err(self.error(expected, grouped(fields.len() as u64), "remove some"))
    }

    /// Checks that a row is as long as the first one and has no holes.
    fn check_row(&self, line: u64, fields: &StringRecord, first: &Row) -> Result<(), DatasetError> {
        if fields.len() != first.fields.len() {
            let (expected, line) = (count(first.fields.len(), "field"), grouped(line));
            let expected = format!("{expected} in line {line}, as in line {}", first.line);
            let remedy = "add or remove some; a field with a separator in it is written in quotes";
            return Err(self.error(expected, grouped(fields.len() as u64), remedy));
        }
        match fields.iter().position(str::is_empty) {
            None => Ok(()),
            Some(at) => {
                // The header is not known yet, so that the column has only its number.
                let expected = format!("a value in line {}, column {}", grouped(line), at + 1);
                Err(self.error(expected, "nothing", "fill it in, or remove the row or the column"))
            }
        }
    }

    /// A column by number and name: `column 3 (age)`.
    pub(super) fn describe(&self, column: usize) -> String {
        match self.columns.get(column).and_then(|column| column.name.as_deref()) {
            Some(name) => format!("column {} ({})", column + 1, shortened(name)),
            None => format!("column {}", column + 1),
        }
    }

    /// An error of the file.
    pub(super) fn error(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DatasetError {
        DatasetError::file(self.path, expected, found, remedy)
    }
}

/// Counts lines up to one row after another. The parser's own count leaves out blank lines before a row.
struct Lines<'a> {
    text: &'a str,
    line: u64,
    /// The bytes whose line ends are counted.
    counted: usize,
}

impl Lines<'_> {
    fn of(&mut self, row: &StringRecord) -> u64 {
        let before = row.position().map_or(0, |position| position.byte() as usize);
        let bytes = self.text.as_bytes();
        let blank = bytes.iter().skip(before).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let start = (before + blank).clamp(self.counted, bytes.len());
        let ends = bytes[self.counted..start].iter().filter(|&&byte| byte == b'\n').count();
        self.line += ends as u64;
        self.counted = start;
        self.line
    }
}

impl Column {
    fn take(&mut self, line: u64, field: &str) {
        if number(field).is_some() {
            self.number.get_or_insert(line);
        } else if self.word.is_none() {
            self.word = Some((line, field.to_owned()));
        }
        if self.values.len() <= MOST_VALUES && !self.values.contains(field) {
            self.values.insert(field.to_owned());
        }
    }
}

/// The number that a field is, which may be NaN or infinite; none if it is a word.
pub(super) fn number(field: &str) -> Option<f64> {
    field.parse().ok()
}

/// A field as it can be quoted in a message, cut to some length.
pub(super) fn shortened(field: &str) -> String {
    match field.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}..", printable(&field[..end])),
        None => printable(field),
    }
}

/// A count with its noun: `1 field`, `5 fields`.
fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

/// The separator: a comma, unless the first line has more of another.
fn delimiter(text: &str) -> u8 {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let (mut counts, mut is_quoted) = ([(b',', 0), (b';', 0), (b'\t', 0)], false);
    for byte in line.bytes() {
        is_quoted ^= byte == b'"';
        counts.iter_mut().filter(|(one, _)| *one == byte && !is_quoted).for_each(|(_, count)| *count += 1);
    }
    // Of equal ones `max_by_key` takes the last.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// The line of a quote that opens a field and is never closed, which the parser would read up to the end of the file.
fn unclosed_quote(text: &str, delimiter: u8) -> Option<u64> {
    #[derive(Clone, Copy, PartialEq)]
    enum Place {
        FieldStart,
        Unquoted,
        Quoted { since: u64 },
        AfterQuote { since: u64 },
    }
    let (mut place, mut line) = (Place::FieldStart, 1);
    for byte in text.bytes() {
        place = match (place, byte) {
            (Place::FieldStart, b'"') => Place::Quoted { since: line },
            (Place::Quoted { since }, b'"') => Place::AfterQuote { since },
            (Place::AfterQuote { since }, b'"') => Place::Quoted { since },
            (Place::Quoted { since }, _) => Place::Quoted { since },
            (_, b'\n' | b'\r') => Place::FieldStart,
            (_, byte) if byte == delimiter => Place::FieldStart,
            _ => Place::Unquoted,
        };
        line += u64::from(byte == b'\n');
    }
    match place {
        Place::Quoted { since } => Some(since),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table<'_>, String> {
        Table::read(Path::new("t.csv"), text).map_err(|error| error.to_string())
    }

    fn rows(table: &Table<'_>) -> Vec<(u64, Vec<String>)> {
        let mut rows = Vec::new();
        table
            .each_row(|line, fields| {
                rows.push((line, fields.iter().map(str::to_owned).collect()));
                Ok(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn a_header_is_what_has_no_number_above_numbers() {
        for (text, has_header) in [
            ("a,b\n1,x\n2,y", true),
            ("1,x\n2,y", false),
            ("x,1\ny,2", false),
            ("size,kind\n1e3,2\n", true),
            (",b\n0,1\n1,1\n", true),
            ("p,e\nx,s\nx,s\n", true),
            ("p,e\np,s\nx,s\n", false),
            ("p,e\n", false),
        ] {
            let read = table(text).unwrap();
            assert_eq!(read.has_header, has_header, "{text}");
            assert_eq!(read.rows, text.trim_end().lines().count() - usize::from(has_header));
            assert_eq!(rows(&read).len(), read.rows);
        }
        let named = table(",b\n0,1\n").unwrap();
        assert_eq!(named.columns[0].name, None);
        assert_eq!([named.describe(0), named.describe(1)], ["column 1", "column 2 (b)"]);
    }

    #[test]
    fn separators_quotes_and_blanks_are_understood() {
        for text in [
            "a;b,c;d\n1;2,5;3\n",
            "a\tb,c\td\n1\t2,5\t3\n",
            "a,\"b,c\",d\n 1 ,\"2,5\",3\n",
            "\n\na;b,c;d\r\n1;2,5;3\r\n",
        ] {
            let read = table(text).unwrap();
            assert_eq!(read.columns[1].name.as_deref(), Some("b,c"), "{text:?}");
            assert_eq!(rows(&read)[0].1, ["1", "2,5", "3"]);
        }
        let read = table("a,b\n1,\"x\ny\"\"z\"\n2,w\"w\n").unwrap();
        assert_eq!(
            rows(&read),
            [(2, vec!["1".to_owned(), "x\ny\"z".to_owned()]), (4, vec!["2".to_owned(), "w\"w".to_owned()])]
        );
    }

    #[test]
    fn columns_know_their_numbers_and_words() {
        let read = table("a,b,c\n1,x,2\n2,y,NA\n3,x,inf\n").unwrap();
        let [a, b, c] = &read.columns[..] else { panic!("three columns") };
        assert_eq!((a.number, &a.word), (Some(2), &None));
        assert_eq!((b.number, &b.word), (None, &Some((2, "x".to_owned()))));
        assert_eq!((c.number, &c.word), (Some(2), &Some((3, "NA".to_owned()))));
        assert_eq!(b.values.iter().collect::<Vec<_>>(), ["x", "y"]);
        let many: String = (0..1000).map(|row| format!("{row},z\n")).collect();
        assert_eq!(table(&many).unwrap().columns[0].values.len(), MOST_VALUES + 1);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        let wide = vec!["1"; MOST_COLUMNS + 1].join(",");
        for (text, expected) in [
            ("", "t.csv: expected rows of fields, found an empty file; check"),
            ("\n \n", "t.csv: expected a value in line 2, column 1, found nothing;"),
            ("a,b\n1,2\n3\n", "expected 2 fields in line 3, as in line 1, found 1; add or remove some"),
            ("1\n2,3\n", "expected 1 field in line 2, as in line 1, found 2;"),
            ("a,b\n1,2\n\n3, \n", "expected a value in line 4, column 2, found nothing; fill it in"),
            (",b\nx,1\n,2\n", "expected a value in line 3, column 1, found nothing"),
            (",5\nx,1\n", "expected a value in line 1, column 1, found nothing"),
            ("\r\na,b\r\n\r\n1,2\r\n3,\r\n", "expected a value in line 5, column 2, found nothing"),
            (
                "a,b\n1,\"2\n3,4\n",
                "expected every quote to be closed, found one in line 2 that is not; close it",
            ),
            (&wide, "expected at most 4,096 columns, found 4,097; remove some"),
        ] {
            let message = table(text).err().unwrap_or_default();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn what_is_quoted_in_messages_is_short_and_cannot_command_a_terminal() {
        assert_eq!(shortened("a\x1b[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(shortened(&"x".repeat(50)), format!("{}..", "x".repeat(40)));
        let read = table("\x1b]0;\u{202e},b\n1,2\n").unwrap();
        assert_eq!(read.describe(0), "column 1 (\u{fffd}]0;\u{fffd})");
    }
}
