//! What a format has to do: take the next record from the bytes of a log. Files, following and what is made of the
//! records are the concern of others.

use super::{Said, Tags};

/// Takes records from the bytes of a file of one format. The first record of a file is taken before all others, also
/// where reading goes on from a later one, so that a parser may learn from it, as from the header of a table.
pub trait Parser: Send + std::fmt::Debug {
    /// Takes the record at the start of `bytes`, which begin at byte `at` of the file, and says in `said`, which is
    /// empty, what it says. `is_whole` says that the file ends with `bytes`.
    fn take(&mut self, bytes: &[u8], at: u64, is_whole: bool, tags: &mut Tags, said: &mut Said) -> Taken;
}

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A record of this many bytes, at least one, with whatever precedes it. It may say nothing.
    Record(usize),
    /// This many bytes, at least one, are not a record: what was expected and what was found.
    Bad(usize, String),
    /// The record does not end within the bytes. Its writer may be in the middle of it: nothing is taken.
    Incomplete,
}
