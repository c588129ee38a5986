//! What the user can order, and what that takes of the world.

use super::filter::Filter;
use super::line::Edit;
use super::sort::SortKey;
use crate::runlog::{Discarded, Notes};

/// An order of the user to the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The cursor so many rows down.
    MoveCursor(i64),
    /// The cursor to the first row.
    SelectFirst,
    /// The cursor to the last row.
    SelectLast,
    /// The cursor to a row.
    SelectRow(usize),
    /// Shows what the row consists of.
    Expand,
    /// Hides what the row, or the one it belongs to, consists of.
    Collapse,
    /// Shows or hides what the row consists of.
    ToggleOpen,
    /// Shows what all rows consist of, or hides it.
    ToggleAllOpen,
    /// Marks the run or group under the cursor, or takes the mark away, and goes on to the next row.
    ToggleMark,
    /// Marks all runs that are shown.
    MarkShown,
    /// Takes all marks away.
    ClearMarks,
    /// Orders by the column so many further on.
    MoveSort(i64),
    /// Orders by a column; by the one it is ordered by, the other way round.
    SortBy(SortKey),
    /// Orders the other way round.
    Reverse,
    /// One row for runs that differ in their seed only and ended alike, or a row for each.
    ToggleGroups,
    /// What is shown beside the table.
    SetPane(Pane),
    /// Asks for a filter.
    OpenFilter,
    /// Asks for a note.
    OpenNote,
    /// Asks for tags.
    OpenTags,
    /// Asks whether to delete.
    OpenDelete,
    /// Types into what is asked for.
    Type(char),
    /// Edits what is asked for.
    Edit(Edit),
    /// Answers what is asked for.
    Confirm,
    /// Closes what is open; where nothing is, shows all runs again.
    Dismiss,
    /// Opens the chosen runs on the dashboard.
    Open,
    /// Opens what is under the cursor on the dashboard, whatever is marked.
    OpenRow,
    /// Takes the last deletion back.
    Undo,
    /// Opens or closes the help.
    ToggleHelp,
    /// Scrolls what is open over the table.
    Scroll(i64),
}

/// What is shown beside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The run under the cursor, where there is room.
    #[default]
    Roomy,
    /// The run under the cursor.
    Details,
    /// In what the experiments of the chosen runs differ.
    Differences,
    /// The mean curves of the chosen runs.
    Bands,
    /// Nothing.
    None,
}

/// What an order takes beside the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// To show these runs on the dashboard.
    Open(Vec<String>),
    /// To write these notes.
    Write(Vec<(String, Notes)>),
    /// To move these runs to the trash.
    Discard(Vec<String>),
    /// To take these runs out of the trash.
    Restore(Vec<Discarded>),
    /// To tell the user something.
    Tell(String),
}

impl Request {
    pub(super) fn tell(text: impl Into<String>) -> Option<Request> {
        Some(Request::Tell(text.into()))
    }
}

/// The filter that a text means, while it is typed.
pub(super) fn typed(text: &str) -> Result<Filter, super::FilterError> {
    text.parse()
}
