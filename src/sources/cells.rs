//! Cuts a table in text into rows and rows into cells, as RFC 4180 has it and as programs write it: any line end, any
//! of three delimiters, quotes only where a cell begins with one. Knows no meaning of a cell.

use std::borrow::Cow;

use memchr::memchr;

use super::roles::LONGEST_RECORD;

/// The delimiters that there are, in order of preference.
pub(super) const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The most bytes of a row with line ends in its cells. A quote that is never closed would otherwise take all rows that
/// follow it.
const LONGEST_QUOTED: usize = 64 << 10;

/// Where the row at the start of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowEnd {
    /// It has this many bytes, with its line end.
    At(usize),
    /// It is too long for a row, or a quote in it is not closed: this many bytes are to be left out.
    Nowhere(usize),
    /// Not within the bytes.
    Later,
}

/// Finds the end of the row at the start of `bytes`, whose cells end at any of `delimiters`.
pub(super) fn row_end(bytes: &[u8], delimiters: &[u8]) -> RowEnd {
    let within = bytes.get(..LONGEST_RECORD).unwrap_or(bytes);
    let Some(line) = memchr(b'\n', within) else {
        return if bytes.len() < LONGEST_RECORD { RowEnd::Later } else { RowEnd::Nowhere(LONGEST_RECORD) };
    };
    let line = line + 1;
    if memchr(b'"', bytes.get(..line).unwrap_or(bytes)).is_none() {
        return RowEnd::At(line);
    }
    let window = LONGEST_QUOTED.max(line);
    match unquoted_line_end(bytes.get(..window).unwrap_or(bytes), delimiters) {
        Some(end) => RowEnd::At(end + 1),
        None if bytes.len() < window => RowEnd::Later,
        None => RowEnd::Nowhere(line),
    }
}

/// The place of the first line end that is not within quotes.
fn unquoted_line_end(bytes: &[u8], delimiters: &[u8]) -> Option<usize> {
    let (mut begins, mut quoted) = (true, false);
    let mut places = bytes.iter().enumerate().peekable();
    while let Some((place, &byte)) = places.next() {
        match byte {
            // Two quotes within a quoted cell are one of its characters.
            b'"' if quoted && places.next_if(|(_, next)| **next == b'"').is_some() => {}
            b'"' if quoted => quoted = false,
            b'"' if begins => quoted = true,
            b'\n' if !quoted => return Some(place),
            _ => {}
        }
        begins = !quoted && delimiters.contains(&byte);
    }
    None
}

/// Finds the delimiter of a table from its header: the one that is there most often.
pub(super) fn delimiter(header: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let (mut begins, mut has_quotes, mut quoted) = (true, false, false);
    for byte in header {
        let found = DELIMITERS.iter().position(|delimiter| delimiter == byte).filter(|_| !quoted);
        if let Some(count) = found.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
        if *byte == b'"' {
            has_quotes |= begins;
            quoted ^= has_quotes;
        }
        begins = found.is_some();
        has_quotes &= !begins;
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    DELIMITERS.into_iter().zip(counts).find(|(_, count)| *count == most).map_or(b',', |(found, _)| found)
}

/// The row without its line end.
pub(super) fn without_line_end(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    row.strip_suffix(b"\r").unwrap_or(row)
}

/// The cells of a row without its line end, without spaces around them.
pub(super) struct Cells<'a> {
    /// What follows the last delimiter; none after the last cell.
    rest: Option<&'a [u8]>,
    delimiter: u8,
}

impl<'a> Cells<'a> {
    /// The cells of a row.
    pub(super) fn new(row: &'a [u8], delimiter: u8) -> Cells<'a> {
        Cells { rest: Some(row), delimiter }
    }

    /// The cell at the start of `rest`, which begins with a quote; leaves what follows it.
    fn quoted(&mut self, rest: &'a [u8]) -> Cow<'a, [u8]> {
        let mut cell = Vec::new();
        let mut rest = rest.get(1..).unwrap_or_default();
        while let Some(quote) = memchr(b'"', rest) {
            let (before, after) = rest.split_at(quote);
            cell.extend_from_slice(before);
            let after = after.get(1..).unwrap_or_default();
            let Some(again) = after.strip_prefix(b"\"") else {
                // What stands between the closing quote and the delimiter belongs to the cell all the same.
                let end = memchr(self.delimiter, after);
                let (more, next) = split_around(after, end);
                cell.extend_from_slice(more);
                self.rest = next;
                return Cow::Owned(cell.trim_ascii().to_vec());
            };
            cell.push(b'"');
            rest = again;
        }
        cell.extend_from_slice(rest);
        self.rest = None;
        Cow::Owned(cell.trim_ascii().to_vec())
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Cow<'a, [u8]>> {
        let rest = self.rest.take()?;
        if rest.first() == Some(&b'"') {
            return Some(self.quoted(rest));
        }
        let (cell, next) = split_around(rest, memchr(self.delimiter, rest));
        self.rest = next;
        Some(Cow::Borrowed(cell.trim_ascii()))
    }
}

/// What is before a place and what is after it; all and nothing without a place.
fn split_around(bytes: &[u8], place: Option<usize>) -> (&[u8], Option<&[u8]>) {
    match place.and_then(|place| bytes.split_at_checked(place)) {
        Some((before, after)) => (before, after.get(1..)),
        None => (bytes, None),
    }
}

/// The bytes of lines at the start of a file that belong to no table: a byte order mark, empty lines, and settings in
/// JSON behind a `#`, as Stable-Baselines3 writes them into `monitor.csv`.
pub(super) fn preamble(bytes: &[u8]) -> usize {
    let bytes = bytes.get(..LONGEST_RECORD).unwrap_or(bytes);
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        if !line.trim_ascii().is_empty() && !line.starts_with(b"#{") {
            break;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(row: &[u8], delimiter: u8) -> Vec<String> {
        Cells::new(row, delimiter).map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect()
    }

    #[test]
    fn a_row_ends_at_a_line_end_outside_of_quotes() {
        assert_eq!(row_end(b"1,2\r\n3", b","), RowEnd::At(5));
        assert_eq!(row_end(b"1,\"a\nb\"\"\n\",2\n3", b","), RowEnd::At(13));
        assert_eq!(row_end(b"5\" pipe,\n", b","), RowEnd::At(9));
        assert_eq!(row_end(b"1,\"a\nb", b","), RowEnd::Later);
        assert_eq!(row_end(b"", b","), RowEnd::Later);
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_one_line() {
        let mut bytes = b"3,\"torn\n".to_vec();
        bytes.extend(b"4,5\n".repeat(LONGEST_QUOTED / 4));
        assert_eq!(row_end(&bytes, b","), RowEnd::Nowhere(8));
        assert_eq!(row_end(bytes.get(..LONGEST_QUOTED - 1).unwrap(), b","), RowEnd::Later);
    }

    #[test]
    fn a_row_without_an_end_is_left_out_in_parts() {
        let bytes = vec![b'1'; LONGEST_RECORD];
        assert_eq!(row_end(&bytes, b","), RowEnd::Nowhere(LONGEST_RECORD));
        assert_eq!(row_end(bytes.get(1..).unwrap(), b","), RowEnd::Later);
    }

    #[test]
    fn the_delimiter_is_the_most_frequent_outside_of_quotes() {
        let headers: [(&[u8], u8); 5] = [
            (b"step,loss", b','),
            (b"step;loss", b';'),
            (b"step\tloss", b'\t'),
            (b"\"a\"\"b,,c\";d", b';'),
            (b"loss", b','),
        ];
        for (header, found) in headers {
            assert_eq!(delimiter(header), found);
        }
    }

    #[test]
    fn cells_lose_spaces_and_quotes() {
        assert_eq!(cells(b" 1, 2 ,,\"a \"\"b\"\", c\"", b','), ["1", "2", "", "a \"b\", c"]);
        assert_eq!(cells(b"", b','), [""]);
        assert_eq!(cells(b"1,", b','), ["1", ""]);
    }

    #[test]
    fn what_precedes_a_table_is_left_out() {
        assert_eq!(preamble(b"\xef\xbb\xbfstep\n"), 3);
        assert_eq!(preamble(b"\n\r\n#{\"t_start\": 1.5, \"env_id\": \"a\"}\nr,l,t\n"), 36);
        assert_eq!(preamble(b"step"), 0);
    }

    proptest! {
        /// Whatever is written as a table is read as the same cells.
        #[test]
        fn rows_are_read_as_they_were_written(
            rows in prop::collection::vec(prop::collection::vec("[a-c,;\"\n\r0-9]{0,6}", 2..5), 1..6)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let mut rest = bytes.as_slice();
            for row in &rows {
                let RowEnd::At(end) = row_end(rest, b",") else { panic!("no end") };
                let (found, after) = rest.split_at(end);
                let trimmed: Vec<String> = row.iter().map(|cell| cell.trim_ascii().to_owned()).collect();
                prop_assert_eq!(cells(without_line_end(found), b','), trimmed);
                rest = after;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
