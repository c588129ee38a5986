//! Aligned columns of text and figures. Knows nothing of their content.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::printable::{self, grouped, printable, short};
use crate::runlog::LaneSummary;

/// Spaces between two columns.
const GAP: usize = 2;

/// The side to which a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// For words.
    Left,
    /// For figures.
    Right,
}

/// A table with a heading.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Align)]) -> Table {
        Table {
            columns: columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with as many cells as there are columns.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// Writes the table, each line after `indent`.
    pub(super) fn write(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let lines = || std::iter::once(&heading).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in lines() {
            let mut line = indent.to_owned();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let space = " ".repeat(width - cell.width());
                match align {
                    Align::Left => line.extend([cell.as_str(), &space]),
                    Align::Right => line.extend([space.as_str(), cell]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The state of a lane, and how many records its log lacks.
pub(super) fn state(lane: &LaneSummary) -> String {
    match lane.lost_records {
        0 => lane.state.name().to_owned(),
        lost => format!("{}, lacks {} records", lane.state.name(), grouped(lost)),
    }
}

/// A loss, or a dash if there is none.
pub(super) fn loss(loss: Option<f32>) -> String {
    loss.map_or_else(dash, |loss| short(loss.into()))
}

/// An error, 0 to 1, in percent, or a dash if there is none.
pub(super) fn percent(error: Option<f32>) -> String {
    error.map_or_else(dash, printable::percent)
}

/// A duration in its two largest units.
pub(super) fn duration(ms: f64) -> String {
    let seconds = ms / 1e3;
    if seconds < 60.0 {
        format!("{seconds:.1}s")
    } else if seconds < 3600.0 {
        format!("{}m{:02}s", seconds as u64 / 60, seconds as u64 % 60)
    } else {
        format!("{}h{:02}m", seconds as u64 / 3600, seconds as u64 / 60 % 60)
    }
}

/// A number of bytes in a suitable binary unit.
pub(super) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(&[("name", Align::Left), ("loss", Align::Right), ("x", Align::Left)]);
        table.row(["層層".to_owned(), loss(Some(2.5)), String::new()]);
        table.row(["a\x1b".to_owned(), loss(None), "y".to_owned()]);
        let mut out = Vec::new();
        table.write("# ", &mut out).unwrap();
        let expected = "# name  loss  x\n# 層層   2.5\n# a\u{fffd}       -  y\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn figures_are_short_and_true() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([bytes(12), bytes(2048), bytes(3 << 30)], ["12 B", "2.0 KiB", "3.0 GiB"]);
        assert_eq!([duration(1500.0), duration(61e3), duration(3.7e6)], ["1.5s", "1m01s", "1h01m"]);
        assert_eq!([percent(Some(0.123)), percent(Some(f32::NAN)), percent(None)], ["12.3%", "NaN", "-"]);
        let losses = [0.264_58, 104_263_951_865_961_940_779_008.0, f32::INFINITY].map(|x| loss(Some(x)));
        assert_eq!(losses, ["0.2646", "1e23", "inf"]);
    }
}
