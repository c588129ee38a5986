//! Reads the lines of a log backwards from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::reader::MAX_LINE;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// The whole lines in the first bytes of a file, the last one first.
#[derive(Debug)]
pub(super) struct LinesBack<'a> {
    file: &'a File,
    /// Where `bytes` begin in the file.
    start: u64,
    bytes: Vec<u8>,
    /// The length of the part of `bytes` not yet returned: whole lines at its end, with their newlines.
    left: usize,
}

impl<'a> LinesBack<'a> {
    /// Lines in the first `length` bytes of a file; anything after the last newline among them is not a line.
    pub(super) fn new(file: &'a File, length: u64) -> io::Result<LinesBack<'a>> {
        let mut lines = LinesBack { file, start: length, bytes: Vec::new(), left: 0 };
        loop {
            if let Some(at) = memchr::memrchr(b'\n', &lines.bytes) {
                lines.left = at + 1;
                return Ok(lines);
            }
            // What was read is a torn line, and is skipped.
            (lines.bytes, lines.left) = (Vec::new(), 0);
            if !lines.fill()? {
                return Ok(lines);
            }
        }
    }

    /// The end of the last line not yet returned.
    pub(super) fn end(&self) -> u64 {
        self.start + self.left as u64
    }

    /// The line before those already returned, without its newline; none at the beginning, or if it is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let Some(newline) = self.left.checked_sub(1) else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            let before = memchr::memrchr(b'\n', &self.bytes[..newline]);
            if before.is_none() && self.bytes.len() <= MAX_LINE && self.fill()? {
                continue;
            }
            if before.is_none() && self.start > 0 {
                return Ok(None);
            }
            self.left = before.map_or(0, |at| at + 1);
            return Ok(Some(&self.bytes[self.left..newline]));
        }
    }

    /// Reads the preceding chunk; false at the beginning.
    fn fill(&mut self) -> io::Result<bool> {
        let count = self.start.min(CHUNK as u64) as usize;
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, self.start - count as u64)?;
        bytes.extend_from_slice(&self.bytes[..self.left]);
        self.start -= count as u64;
        self.left += count;
        self.bytes = bytes;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(content: &[u8]) -> (u64, Vec<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, content).unwrap();
        let file = File::open(path).unwrap();
        let mut lines = LinesBack::new(&file, content.len() as u64).unwrap();
        let end = lines.end();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line.to_owned());
        }
        (end, found)
    }

    #[test]
    fn lines_come_last_to_first_without_what_is_torn() {
        assert_eq!(back(b""), (0, vec![]));
        assert_eq!(back(b"torn"), (0, vec![]));
        assert_eq!(back(b"a\n\nbc\nto"), (6, vec![b"bc".to_vec(), vec![], b"a".to_vec()]));
        let long =
            [vec![b'x'; 3 * CHUNK], vec![b'\n'], vec![b'y'; CHUNK - 1], vec![b'\n'], vec![b'z'; 2 * CHUNK]]
                .concat();
        let (end, lines) = back(&long);
        assert_eq!(end as usize, 4 * CHUNK + 1);
        assert_eq!(lines, [vec![b'y'; CHUNK - 1], vec![b'x'; 3 * CHUNK]]);
    }
}
