//! The exported table as text: comma-separated values, or a JSON object per line.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::rows::{COLUMNS, Row, Table};
use crate::printable;

/// A format of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// A table that is written as text.
pub(super) struct Text<'a> {
    format: Format,
    /// The rows of one event.
    buffer: String,
    out: &'a mut dyn Write,
}

impl<'a> Text<'a> {
    /// Begins a table, with its heading if the format has one.
    pub(super) fn new(format: Format, out: &'a mut dyn Write) -> io::Result<Text<'a>> {
        if format == Format::Csv {
            writeln!(out, "{}", COLUMNS.join(","))?;
        }
        Ok(Text { format, buffer: String::new(), out })
    }
}

impl Table for Text<'_> {
    /// Escaped for the format; in JSON, with quotes.
    type Cell = String;
    /// The row up to the step.
    type Label = String;

    fn cell(&mut self, text: &str) -> String {
        escaped(self.format, text)
    }

    fn label(&mut self, run: &str, lane: &str) -> String {
        let (run, lane) = (self.cell(run), self.cell(lane));
        match self.format {
            Format::Csv => format!("{run},{lane},"),
            Format::Jsonl => format!("{{\"run\":{run},\"lane\":{lane},\"step\":"),
        }
    }

    fn row(&mut self, label: &String, row: Row<'_, String>) {
        let Row { step, kind, index, name, statistic, number } = row;
        let row = &mut self.buffer;
        // Writing to a String cannot fail.
        let _ = match (self.format, index) {
            (Format::Csv, Some(index)) => {
                writeln!(row, "{label}{step},{kind},{index},{name},{statistic},{number}")
            }
            (Format::Csv, None) => writeln!(row, "{label}{step},{kind},,{name},{statistic},{number}"),
            (Format::Jsonl, index) => {
                let _ = write!(row, "{label}{step},\"kind\":{kind}");
                if let Some(index) = index {
                    let _ = write!(row, ",\"index\":{index}");
                }
                let quote = if number.is_finite() { "" } else { "\"" };
                writeln!(row, ",\"name\":{name},\"statistic\":{statistic},\"value\":{quote}{number}{quote}}}")
            }
        };
    }

    fn end_event(&mut self) -> io::Result<()> {
        self.out.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        Ok(())
    }
}

/// A text as a field of the format.
fn escaped(format: Format, text: &str) -> String {
    match format {
        Format::Csv => {
            let text = printable::escaped(text);
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.into_owned()
            }
        }
        Format::Jsonl => printable::escaped_json(&serde_json::Value::from(text).to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped_where_they_must_be() {
        assert_eq!(escaped(Format::Csv, "layer1.0.conv1"), "layer1.0.conv1");
        assert_eq!(escaped(Format::Csv, "a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(escaped(Format::Csv, "a\u{1b}\r\0\u{9b}"), r"a\u{1b}\u{d}\u{0}\u{9b}");
        assert_eq!(escaped(Format::Jsonl, "a\"\u{1b}\u{9b}"), r#""a\"\u001b\u009b""#);
    }
}
