//! The names of runs and lanes in the table, shortened if necessary so that visible ones can be told apart.

use std::collections::BTreeSet;

use crate::printable::printable;
use crate::runs_list::{Row, Run, RunsList};
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, clip, name_among};

/// The least width at which a run is named by its whole id.
const WHOLE_ID: u16 = 26;

/// The names of the visible runs and groups.
pub(super) struct Names {
    all: BTreeSet<String>,
    width: u16,
}

impl Names {
    /// The names for some rows, in a column of `width` cells.
    pub(super) fn of<'a>(list: &RunsList, rows: impl Iterator<Item = &'a Row>, width: u16) -> Names {
        let mut names = Names { all: BTreeSet::new(), width };
        let name = |row: &Row| match *row {
            Row::Run { run, .. } => list.runs().get(run).map(|run| names.of_run(run)),
            Row::Group { group } => {
                let first = list.groups().get(group)?.runs.first()?;
                list.runs().get(*first).map(Run::label)
            }
            Row::Lane { .. } | Row::GroupLane { .. } => None,
        };
        names.all = rows.filter_map(name).collect();
        names
    }

    /// The name of a run.
    pub(super) fn of_run(&self, run: &Run) -> String {
        if self.width >= WHOLE_ID { printable(run.id()) } else { run.label() }
    }

    /// The width of names in cells.
    pub(super) fn width(&self) -> u16 {
        self.width
    }

    /// The name of a run or group after a prefix.
    pub(super) fn beside(&self, before: &str, name: &str, theme: &Theme) -> String {
        beside(before, name, &self.all, self.width, theme)
    }
}

/// A name shortened to the width that a prefix leaves: its beginning or, if another name has the same beginning, a form
/// that differs from it.
pub(super) fn beside(before: &str, name: &str, all: &BTreeSet<String>, width: u16, theme: &Theme) -> String {
    let room = usize::from(width).saturating_sub(widgets::width(before));
    let beginning = clip(name, room, theme);
    let is_shared = all.iter().any(|other| other != name && clip(other, room, theme) == beginning);
    let cut =
        if is_shared { name_among(name, all, room, &theme.glyph(Glyph::Ellipsis).to_string()) } else { None };
    format!("{before}{}", cut.unwrap_or(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runlog::State;
    use crate::runs_list::specimen::Made;
    use crate::session::listing::Found;

    #[test]
    fn where_beginnings_read_the_same_the_end_that_differs_stays() {
        let mut list = RunsList::new();
        let made = |id| Made::new(id).pair(State::Finished, 1.0, 0.5).listed();
        let ids = [
            "20261123-070000-learning-rates-0.1",
            "20261123-071000-learning-rates-0.5",
            "20261123-072000-long-in-the-night",
        ];
        list.apply(Found::Runs(ids.map(made).to_vec()));
        list.settle();
        let (theme, rows) = (Theme::default(), list.rows().to_vec());
        let shown = |width| {
            let names = Names::of(&list, rows.iter(), width);
            list.runs().iter().map(|run| names.beside("", &names.of_run(run), &theme)).collect::<Vec<_>>()
        };
        assert_eq!(shown(14), ["…ing-rates-0.1", "…ing-rates-0.5", "long-in-the-n…"]);
        assert_eq!(shown(34), ids);
        let seeds = BTreeSet::from(["depth-a".to_owned(), "depth-b".to_owned()]);
        assert_eq!(beside("  seed 1  ", "depth-b", &seeds, 14, &theme), "  seed 1  …h-b");
    }
}
