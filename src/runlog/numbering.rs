//! Follows the numbers of a log's records: which records are missing, duplicated, or in the wrong place. Records
//! without numbers, as in earlier versions, are accepted as they come.

use serde::{Deserialize, Serialize};

/// The greatest number that is accepted.
const MOST: u64 = 1 << 48;

/// The numbers of the records read so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Numbering {
    /// The number of the last record, or the count of records if none had a number.
    last: u64,
    /// Whether any had one.
    known: bool,
}

/// The place of a record relative to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one.
    Next,
    /// This many are missing before it, unless they come after it.
    Behind(u64),
    /// Its place was before the last record.
    Late,
}

impl Numbering {
    /// The number that the next record has.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    /// The place of a record of this number; `explained` is how many it says are missing before it.
    pub(super) fn place(&self, number: Option<u64>, explained: u64) -> Place {
        let Some(number) = number.filter(|_| self.known) else { return Place::Next };
        match number.checked_sub(self.next()) {
            _ if number > MOST => Place::Late,
            None => Place::Late,
            Some(missing) if missing <= explained => Place::Next,
            Some(missing) => Place::Behind(missing - explained),
        }
    }

    /// Registers a record.
    pub(super) fn take(&mut self, number: Option<u64>) {
        match number.filter(|number| *number <= MOST) {
            Some(number) => (self.last, self.known) = (number, true),
            None => self.last = self.next().min(MOST),
        }
    }

    /// Registers that this many are missing.
    pub(super) fn skip(&mut self, missing: u64) {
        self.last += missing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_what_is_missing_and_what_is_late() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.place(Some(7), 0), Place::Next, "a log may go on with numbers");
        numbering.take(None);
        numbering.take(Some(7));
        assert_eq!(numbering.next(), 8);
        let places = [7, 8, 9, 12].map(|number| numbering.place(Some(number), 0));
        assert_eq!(places, [Place::Late, Place::Next, Place::Behind(1), Place::Behind(4)]);
        assert_eq!(numbering.place(Some(12), 4), Place::Next);
        assert_eq!(numbering.place(Some(12), 3), Place::Behind(1));
        assert_eq!(numbering.place(None, 0), Place::Next);
        assert_eq!(numbering.place(Some(u64::MAX), 0), Place::Late);
        numbering.skip(4);
        assert_eq!(numbering.place(Some(12), 0), Place::Next);
    }
}
