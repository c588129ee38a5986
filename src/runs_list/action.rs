//! The user's actions, and the requests that follow from them.

use super::filter::Filter;
use super::line::Edit;
use super::sort::SortKey;
use crate::runlog::{Discarded, Notes};

/// A user's action in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves the cursor down by this many rows.
    MoveCursor(i64),
    /// Moves the cursor to the first row.
    SelectFirst,
    /// Moves the cursor to the last row.
    SelectLast,
    /// Moves the cursor to a row.
    SelectRow(usize),
    /// Expands the row.
    Expand,
    /// Collapses the row, or its parent.
    Collapse,
    /// Expands or collapses the row.
    ToggleOpen,
    /// Expands or collapses all rows.
    ToggleAllOpen,
    /// Marks or unmarks the run or group under the cursor, and goes on to the next row.
    ToggleMark,
    /// Marks all runs that are shown.
    MarkShown,
    /// Removes all marks.
    ClearMarks,
    /// Orders by the column this many places further on.
    MoveSort(i64),
    /// Orders by a column; reverses the order if it is already by that column.
    SortBy(SortKey),
    /// Reverses the order.
    Reverse,
    /// Groups runs that differ only in their seed and ended alike into one row, or ungroups them.
    ToggleGroups,
    /// Chooses what is shown beside the table.
    SetPane(Pane),
    /// Asks for a filter.
    OpenFilter,
    /// Asks for a note.
    OpenNote,
    /// Asks for tags.
    OpenTags,
    /// Asks whether to delete.
    OpenDelete,
    /// Types a character into the prompt.
    Type(char),
    /// Edits the line in the prompt.
    Edit(Edit),
    /// Confirms the prompt.
    Confirm,
    /// Closes what is open; if nothing is, clears the filter.
    Dismiss,
    /// Opens the chosen runs on the dashboard.
    Open,
    /// Opens what is under the cursor on the dashboard, regardless of marks.
    OpenRow,
    /// Undoes the last deletion.
    Undo,
    /// Opens or closes the help.
    ToggleHelp,
    /// Scrolls what is open over the table.
    Scroll(i64),
}

/// What is shown beside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The run under the cursor, if there is room.
    #[default]
    Roomy,
    /// The run under the cursor.
    Details,
    /// The differences between the experiments of the chosen runs.
    Differences,
    /// The mean curves of the chosen runs.
    Bands,
    /// Nothing.
    None,
}

/// Something to be done outside the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Show these runs on the dashboard.
    Open(Vec<String>),
    /// Write these notes.
    Write(Vec<(String, Notes)>),
    /// Move these runs to the trash.
    Discard(Vec<String>),
    /// Take these runs out of the trash.
    Restore(Vec<Discarded>),
    /// Show a message to the user.
    Tell(String),
}

impl Request {
    pub(super) fn tell(text: impl Into<String>) -> Option<Request> {
        Some(Request::Tell(text.into()))
    }
}

/// The filter for a text, while it is typed.
pub(super) fn typed(text: &str) -> Result<Filter, super::FilterError> {
    text.parse()
}
