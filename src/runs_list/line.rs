//! A line of text that the user types, with a cursor.

/// The line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    before: String,
    after: String,
}

/// An edit of the line other than typing.
#[expect(missing_docs, reason = "the names say all there is to say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Left,
    Right,
    Start,
    End,
    Backspace,
    Delete,
    /// Deletes the word before the cursor.
    DeleteWord,
    /// Deletes everything before the cursor.
    DeleteToStart,
}

impl Line {
    /// A line with the cursor after its text.
    pub fn new(text: &str) -> Line {
        Line { before: text.to_owned(), after: String::new() }
    }

    /// Its text.
    pub fn text(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// The text before and after the cursor.
    pub fn halves(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }

    /// Inserts a character at the cursor, unless the line would become longer than `most` bytes. Control characters are
    /// ignored.
    pub fn insert(&mut self, c: char, most: usize) {
        if !c.is_control() && self.before.len() + self.after.len() + c.len_utf8() <= most {
            self.before.push(c);
        }
    }

    /// Applies an edit.
    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Left => {
                if let Some(c) = self.before.pop() {
                    self.after.insert(0, c);
                }
            }
            Edit::Right => {
                if let Some(c) = self.take_next() {
                    self.before.push(c);
                }
            }
            Edit::Start => {
                self.after.insert_str(0, &self.before);
                self.before.clear();
            }
            Edit::End => self.before.push_str(&std::mem::take(&mut self.after)),
            Edit::Backspace => drop(self.before.pop()),
            Edit::Delete => drop(self.take_next()),
            Edit::DeleteWord => {
                let kept = self.before.trim_end().rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.before.truncate(self.before.floor_char_boundary(kept));
            }
            Edit::DeleteToStart => self.before.clear(),
        }
    }

    fn take_next(&mut self) -> Option<char> {
        let next = self.after.chars().next()?;
        self.after.drain(..next.len_utf8());
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_edited_where_the_cursor_is() {
        let mut line = Line::new("depth>20 los");
        line.insert('s', 100);
        line.edit(Edit::Start);
        line.insert('x', 100);
        line.edit(Edit::Delete);
        line.edit(Edit::End);
        assert_eq!(line.text(), "xepth>20 loss");
        line.edit(Edit::DeleteWord);
        assert_eq!(line.halves(), ("xepth>20 ", ""));
        line.edit(Edit::Left);
        line.edit(Edit::DeleteToStart);
        assert_eq!(line.text(), " ");
    }

    proptest! {
        #[test]
        fn any_edits_keep_the_bound(keys in proptest::collection::vec((any::<char>(), 0usize..12), 0..200)) {
            let edits = [Edit::Left, Edit::Right, Edit::Start, Edit::End, Edit::Backspace, Edit::Delete,
                Edit::DeleteWord, Edit::DeleteToStart];
            let mut line = Line::default();
            for (c, what) in keys {
                match edits.get(what) {
                    Some(edit) => line.edit(*edit),
                    None => line.insert(c, 40),
                }
                prop_assert!(line.text().len() <= 40 && !line.text().chars().any(char::is_control));
            }
        }
    }
}
