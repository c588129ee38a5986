//! Metrics in a table of text, as Lightning, Keras and Ultralytics write them: a header, then a row for each step.
//! Knows what columns mean by their names; how rows and cells are cut is the concern of `cells`.

use std::collections::HashSet;

use super::cells::{Cells, DELIMITERS, RowEnd, delimiter, preamble, row_end, without_line_end};
use super::roles::{rank, time_rank, unix_seconds, whole};
use super::saying::{unshown, value};
use super::{Measured, Parser, Said, Tags, Taken};

/// The names of the column that says the step, the best first. An epoch is a step only where there is nothing finer.
const STEPS: [&str; 8] =
    ["step", "_step", "global_step", "iter", "iteration", "iterations", "batch", "epoch"];

/// The rows that are looked at to recognise a table. The first ones may hold text only.
const ROWS_OF_RECOGNITION: usize = 10;

/// Reads a table. A row counts once its line end is there: without it, a number may be cut short.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The header without its line end; programs that are restarted write it again.
    header: Vec<u8>,
    delimiter: u8,
    columns: Vec<Column>,
}

/// A column.
#[derive(Debug)]
struct Column {
    name: String,
    role: Role,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Step,
    /// The step if it is an integer; there may be rows for parts of an epoch.
    Epoch,
    /// A time if it looks like Unix time.
    Time,
    Value,
}

/// What a cell holds.
enum Cell {
    Nothing,
    Number(f64),
    Text,
}

/// Whether a file of this name that begins with `head` is a table of metrics.
pub(super) fn recognises(head: &[u8], name: &str) -> bool {
    let text = head.get(preamble(head)..).unwrap_or_default();
    if matches!(text.trim_ascii_start().first(), None | Some(b'{' | b'[')) {
        return false;
    }
    let RowEnd::At(end) = row_end(text, &DELIMITERS) else { return false };
    let (header, mut rows) = text.split_at_checked(end).unwrap_or_default();
    let is_text = std::str::from_utf8(header).is_ok() && !header.contains(&0);
    let header = without_line_end(header);
    let delimiter = delimiter(header);
    let mut width = 0;
    let mut names = 0;
    for cell in Cells::new(header, delimiter) {
        width += 1;
        names += usize::from(matches!(cell_of(&cell), Cell::Text));
    }
    let name = name.to_ascii_lowercase();
    let is_named = name.ends_with(".csv") || name.ends_with(".tsv");
    // Prose has commas too: without a telling name, all columns have to look like columns.
    if !is_text || names == 0 || !is_named && (width < 2 || names < width) {
        return false;
    }
    for seen in 0..ROWS_OF_RECOGNITION {
        let RowEnd::At(end) = row_end(rows, &[delimiter]) else { return seen == 0 && is_named };
        let (row, after) = rows.split_at_checked(end).unwrap_or_default();
        let cells = || Cells::new(without_line_end(row), delimiter);
        if cells().any(|cell| matches!(cell_of(&cell), Cell::Number(_))) {
            return is_named || cells().count() == width;
        }
        rows = after;
    }
    false
}

impl Parser for Table {
    fn take(&mut self, bytes: &[u8], at: u64, _: bool, tags: &mut Tags, said: &mut Said) -> Taken {
        if at == 0 {
            return self.take_header(bytes);
        }
        let end = match row_end(bytes, &[self.delimiter]) {
            RowEnd::At(end) => end,
            RowEnd::Later => return Taken::Incomplete,
            RowEnd::Nowhere(length) => return Taken::Bad(length, no_row()),
        };
        let row = without_line_end(bytes.get(..end).unwrap_or(bytes));
        match self.say(row, tags, said) {
            Ok(()) => Taken::Record(end),
            Err(why) => {
                said.clear();
                Taken::Bad(end, why)
            }
        }
    }
}

impl Table {
    /// Takes the header, with what precedes it.
    fn take_header(&mut self, bytes: &[u8]) -> Taken {
        *self = Table::default();
        let before = preamble(bytes);
        let bytes = bytes.get(before..).unwrap_or_default();
        let end = match row_end(bytes, &DELIMITERS) {
            RowEnd::At(end) => end,
            RowEnd::Later => return Taken::Incomplete,
            RowEnd::Nowhere(length) => return Taken::Bad(before + length, no_row()),
        };
        self.header = without_line_end(bytes.get(..end).unwrap_or(bytes)).to_vec();
        self.delimiter = delimiter(&self.header);
        self.columns = columns(&self.header, self.delimiter);
        Taken::Record(before + end)
    }

    /// Says what a row says.
    fn say(&self, row: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), String> {
        if row.trim_ascii().is_empty() || *row == *self.header {
            return Ok(());
        }
        let mut columns = self.columns.iter();
        let mut cells = Cells::new(row, self.delimiter);
        for cell in cells.by_ref() {
            let Some(column) = columns.next() else {
                // A delimiter behind the last cell makes no cell.
                match cell.is_empty() {
                    true => continue,
                    false => return Err(self.too_many(row)),
                }
            };
            match (column.role, cell_of(&cell)) {
                (_, Cell::Nothing) | (Role::Time, Cell::Text) => {}
                (Role::Step, found) => said.step = Some(step(&cell, found)?),
                (Role::Epoch, Cell::Number(number)) if whole(number).is_some() => said.step = whole(number),
                (Role::Time, Cell::Number(number)) if unix_seconds(number).is_some() => {
                    said.at = unix_seconds(number);
                }
                (_, Cell::Number(number)) => value(said, tags, &column.name, Measured::Number(number)),
                (_, Cell::Text) => unshown(said, "text"),
            }
        }
        Ok(())
    }

    /// Why a row with more cells than the header is bad.
    fn too_many(&self, row: &[u8]) -> String {
        let found = Cells::new(row, self.delimiter).count();
        match self.columns.len() {
            0 => "expected a header first, found none".to_owned(),
            expected => format!("expected {expected} cells as in the header, found {found}"),
        }
    }
}

/// Why there is no row.
fn no_row() -> String {
    "expected a row, found no end of it or a quote that is not closed".to_owned()
}

/// The step that a cell says.
fn step(cell: &[u8], found: Cell) -> Result<i64, String> {
    // Not every integer is a floating-point number.
    let exact = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok());
    let step = match found {
        Cell::Number(number) => exact.or(whole(number)),
        Cell::Nothing | Cell::Text => exact,
    };
    step.ok_or_else(|| {
        let beginning: String = String::from_utf8_lossy(cell).chars().take(20).collect();
        format!("expected an integer as the step, found `{beginning}`")
    })
}

/// What is in a cell. Python writes `True` and `False`.
fn cell_of(cell: &[u8]) -> Cell {
    match cell {
        b"" => Cell::Nothing,
        b"True" | b"true" | b"TRUE" => Cell::Number(1.0),
        b"False" | b"false" | b"FALSE" => Cell::Number(0.0),
        _ => fast_float2::parse(cell).map_or(Cell::Text, Cell::Number),
    }
}

/// The columns of a header, each with a name of its own.
fn columns(header: &[u8], delimiter: u8) -> Vec<Column> {
    let mut taken = HashSet::new();
    let mut columns = Vec::new();
    for (place, cell) in Cells::new(header, delimiter).enumerate() {
        let written = String::from_utf8_lossy(&cell);
        // numpy writes its header as a comment.
        let written = if place == 0 { written.trim_start_matches('#').trim() } else { written.trim() };
        let written = if written.is_empty() { format!("column {}", place + 1) } else { written.to_owned() };
        let mut name = written.clone();
        let mut number = 1_usize;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{written} ({number})");
        }
        columns.push(Column { name, role: Role::Value });
    }
    let step = columns.iter_mut().filter_map(|column| Some((rank(&STEPS, &column.name)?, column)));
    if let Some((rank, column)) = step.min_by_key(|(rank, _)| *rank) {
        column.role = if rank + 1 == STEPS.len() { Role::Epoch } else { Role::Step };
    }
    let time = columns.iter_mut().filter_map(|column| Some((time_rank(&column.name)?, column)));
    if let Some((_, column)) = time.min_by_key(|(rank, _)| *rank) {
        column.role = Role::Time;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::taking::{Piece, is_read_alike_in_parts, is_read_up_to_any_cut, pieces, told};
    use super::*;
    use proptest::prelude::*;

    const LIGHTNING: &str = "epoch,lr-Adam,step,train_loss,val_acc,val_loss\n\
        0,,49,0.6931471824645996,,\n0,,99,,0.8125,0.5\n1,0.001,149,nan,,\n";
    const KERAS: &str = "epoch,accuracy,loss,val_loss\r\n0,0.5,1.25,inf\r\n1,0.75,1.0,-inf\r\n";
    const ULTRALYTICS: &str = "                  epoch,         train/box_loss,      metrics/mAP50(B)\n\
        \x20                     1,                 1.1607,                0.0125\n";

    fn read(text: &str) -> Vec<String> {
        told(&pieces::<Table>(text.as_bytes(), &[text.len()]))
    }

    #[test]
    fn lightning_leaves_cells_empty() {
        let expected = [
            "49: epoch=0 train_loss=0.6931471824645996",
            "99: epoch=0 val_acc=0.8125 val_loss=0.5",
            "149: epoch=1 lr-Adam=0.001 train_loss=NaN",
        ];
        assert_eq!(read(LIGHTNING), expected);
    }

    #[test]
    fn keras_counts_epochs() {
        assert_eq!(
            read(KERAS),
            ["0: accuracy=0.5 loss=1.25 val_loss=inf", "1: accuracy=0.75 loss=1 val_loss=-inf"]
        );
    }

    #[test]
    fn ultralytics_pads_names_and_cells() {
        assert_eq!(read(ULTRALYTICS), ["1: metrics/mAP50(B)=0.0125 train/box_loss=1.1607"]);
    }

    #[test]
    fn delimiters_quotes_and_marks_are_found() {
        assert_eq!(read("\u{feff}Step;\"a;\nb\"\n3;\"4\"\n"), ["3: a;\nb=4"]);
        assert_eq!(read("# step\tloss\n12.0\t0.5\n"), ["12: loss=0.5"]);
        assert_eq!(read("#{\"env_id\": \"a\", \"t_start\": 1}\nr,l,t\n9.5,10,0.25\n"), ["l=10 r=9.5 t=0.25"]);
    }

    #[test]
    fn names_are_made_different() {
        assert_eq!(read("a,a,a (2),\n1,2,3,4\n"), ["a (2) (2)=3 a (2)=2 a=1 column 4=4"]);
    }

    #[test]
    fn times_truths_and_texts_are_told_apart() {
        let text = "iter,timestamp,time,phase,best,Step\n7,1700000000.5,0.25,train,True,8\n9,2024-01-01,1e3,,False,10\n";
        assert_eq!(
            read(text),
            ["8: @1700000000.5 best=1 iter=7 time=0.25 (text)", "10: best=0 iter=9 time=1000"]
        );
    }

    #[test]
    fn epochs_in_parts_are_values() {
        assert_eq!(read("epoch,loss\n0.5,1\n1.0,2\n"), ["epoch=0.5 loss=1", "1: loss=2"]);
    }

    #[test]
    fn a_bad_row_costs_only_itself() {
        let text =
            "step,loss\n1,0.5\n2,0.5,0.5\nx,1\n2.5,1\nnan,1\n\n3\n4,1,\nstep,loss\n9007199254740993,\n";
        let expected = ["1: loss=0.5", "bad", "bad", "bad", "bad", "3:", "4: loss=1", "9007199254740993:"];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_row_is_complete_with_its_line_end() {
        for text in [LIGHTNING, KERAS, ULTRALYTICS, "a,\"b\n\"\n1,\"2\n\"\n"] {
            is_read_up_to_any_cut::<Table>(text.as_bytes());
        }
    }

    #[test]
    fn rows_without_a_header_are_bad() {
        let found: Vec<Piece> = super::super::taking::from(&mut Table::default(), b"1,2\n3,4\n", 4, &[8]);
        assert_eq!(told(&found), ["bad"]);
    }

    #[test]
    fn tables_are_recognised() {
        for text in [LIGHTNING, KERAS, ULTRALYTICS] {
            assert!(recognises(text.as_bytes(), "metrics.csv") && recognises(text.as_bytes(), "metrics.txt"));
        }
        assert!(recognises(b"step,loss\n", "METRICS.CSV"));
        assert!(recognises(b"step,loss\n1,0.", "metrics.csv"));
        assert!(recognises(b"step,note\n,text\n1,\n", "metrics.csv"));
        let others: [(&[u8], &str); 9] = [
            (b"", "a.csv"),
            (b"step,loss", "a.csv"),
            (b"step,loss\n", "a.txt"),
            (b"1,2\n3,4\n", "a.csv"),
            (b"{\"a\": 1, \"b\": 2}\n{\"a\": 1, \"b\": 2}\n", "a.csv"),
            (b"name,city\nA,B\n", "a.csv"),
            (b"Hello, world\n3 apples, 4 pears\n", "a.txt"),
            (b"loss\n1\n", "a.txt"),
            (b"a\0,b\n1,2\n", "a.csv"),
        ];
        for (head, name) in others {
            assert!(!recognises(head, name), "{}", String::from_utf8_lossy(head));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_in_parts(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[step,;\t\"\r\n0-9.ena #{]{0,120}".prop_map(String::into_bytes),
                "step,a,b\n([0-9]{1,2},[0-9\"\n]{0,3},[a-z0-9,]{0,2}\r?\n){0,8}".prop_map(String::into_bytes),
            ],
            sizes in prop::collection::vec(1_usize..20, 1..5),
        ) {
            is_read_alike_in_parts::<Table>(&bytes, &sizes)?;
            recognises(&bytes, "metrics.csv");
            recognises(&bytes, "metrics.log");
        }
    }
}
