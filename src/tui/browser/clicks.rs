//! Detects double clicks on a row.

use std::time::{Duration, Instant};

use crate::runs_list::RowKey;

/// The longest time between them.
const LONGEST: Duration = Duration::from_millis(400);

/// Remembers the last click on a row.
#[derive(Debug, Default)]
pub(super) struct Clicks {
    last: Option<(RowKey, Instant)>,
}

impl Clicks {
    /// Registers a click on a row, or outside all rows; returns whether it is the second of a double click.
    pub(super) fn take(&mut self, row: Option<&RowKey>, now: Instant) -> bool {
        let is_second = self
            .last
            .take()
            .is_some_and(|(before, at)| row == Some(&before) && now.saturating_duration_since(at) <= LONGEST);
        if !is_second {
            // The third of three may start the next double click.
            self.last = row.map(|row| (row.clone(), now));
        }
        is_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of some clicks, each on a row (0: outside all rows) at a millisecond, complete double clicks.
    fn seconds(clicks: &[(u64, u64)]) -> Vec<bool> {
        let (mut taken, start) = (Clicks::default(), Instant::now());
        let take = |(row, at): &(u64, u64)| {
            let row = (*row > 0).then_some(RowKey::Group(*row, None));
            taken.take(row.as_ref(), start + Duration::from_millis(*at))
        };
        clicks.iter().map(take).collect()
    }

    #[test]
    fn two_on_one_row_within_the_time_are_a_double_click() {
        assert_eq!(seconds(&[(1, 0), (1, 400)]), [false, true]);
        assert_eq!(seconds(&[(1, 0), (1, 401)]), [false, false]);
        assert_eq!(seconds(&[(1, 0), (2, 100)]), [false, false]);
        assert_eq!(seconds(&[(0, 0), (0, 100)]), [false, false]);
    }

    #[test]
    fn what_comes_between_or_after_begins_anew() {
        assert_eq!(seconds(&[(1, 0), (2, 50), (1, 100)]), [false; 3]);
        assert_eq!(seconds(&[(1, 0), (0, 50), (1, 100)]), [false; 3]);
        assert_eq!(seconds(&[(1, 0), (1, 100), (1, 200), (1, 300)]), [false, true, false, true]);
        assert_eq!(seconds(&[(1, 0), (1, 500), (1, 800)]), [false, false, true]);
    }
}
