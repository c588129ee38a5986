//! The table of the browser's keys, and the names of its commands.

use crate::runs_list::{Action, Pane, RunsList};
use crate::views::bindings::{Binding, Key, binding};
use crate::views::commands::{Named, of};
use crate::views::keymap::Bound;

/// The command of a key: to the list, or the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// An action on the list.
    Act(Action),
    /// Moves down by this many pages.
    Page(i64),
    /// Shows or hides the details.
    ToggleDetails,
    /// Explains the columns.
    Explain,
    /// Redraws everything.
    Redraw,
    /// Chooses the word in this place of the open explanation.
    Choose(usize),
    /// Leaves.
    Quit,
}

const fn act(key: char, action: Action) -> (Key, Command) {
    (Key::Char(key), Command::Act(action))
}

const fn named(key: Key, action: Action) -> (Key, Command) {
    (key, Command::Act(action))
}

/// All keys.
pub const BINDINGS: &[Binding<Command>] = &[
    binding!(
        Cursor,
        "↑↓",
        "row",
        "the row above or below; also j, k and the mouse wheel",
        [
            named(Key::Up, Action::MoveCursor(-1)),
            named(Key::Down, Action::MoveCursor(1)),
            act('k', Action::MoveCursor(-1)),
            act('j', Action::MoveCursor(1)),
        ]
    ),
    binding!(
        Cursor,
        "PgUp PgDn",
        "page",
        "a screen of rows up or down",
        [(Key::PageUp, Command::Page(-1)), (Key::PageDown, Command::Page(1))]
    ),
    binding!(
        Cursor,
        "Home End",
        "ends",
        "the first row; the last one",
        [named(Key::Home, Action::SelectFirst), named(Key::End, Action::SelectLast)]
    ),
    binding!(
        Cursor,
        "←→",
        "lanes",
        "hide or show the lanes of a run or the runs of a group",
        [
            named(Key::Left, Action::Collapse),
            named(Key::Right, Action::Expand),
            named(Key::Tab, Action::ToggleOpen)
        ]
    ),
    binding!(Showing, "e", "all lanes", "the lanes of all runs", [act('e', Action::ToggleAllOpen)]),
    binding!(
        Showing,
        "s S",
        "sort",
        "sort by the next or previous column; also a click on its heading",
        [act('s', Action::MoveSort(1)), act('S', Action::MoveSort(-1))]
    ),
    binding!(Showing, "o", "reverse", "reverse the order", [act('o', Action::Reverse)]),
    binding!(
        Showing,
        "g",
        "group",
        "one row for runs that differ only in their seed",
        [act('g', Action::ToggleGroups)]
    ),
    binding!(
        Showing,
        "i",
        "details",
        "details of the run under the cursor",
        [(Key::Char('i'), Command::ToggleDetails)]
    ),
    binding!(
        Showing,
        "x",
        "differ",
        "differences between the experiments of marked runs",
        [act('x', Action::SetPane(Pane::Differences))]
    ),
    binding!(
        Showing,
        "b",
        "curves",
        "mean and band of the marked runs' curves, or over the seeds of one",
        [act('b', Action::SetPane(Pane::Bands))]
    ),
    binding!(Choosing, "/", "filter", "filter runs", [act('/', Action::OpenFilter)]),
    binding!(Choosing, "Space", "mark", "mark the run or group", [act(' ', Action::ToggleMark)]),
    binding!(
        Choosing,
        "a A",
        "all",
        "mark all that are shown; unmark all",
        [act('a', Action::MarkShown), act('A', Action::ClearMarks)]
    ),
    binding!(
        Choosing,
        "Enter",
        "open",
        "open the marked runs, or the one under the cursor; a double click opens its run",
        [named(Key::Enter, Action::Open)]
    ),
    binding!(Changing, "n", "note", "write a note on the run", [act('n', Action::OpenNote)]),
    binding!(
        Changing,
        "t",
        "tags",
        "tag the marked runs, or the one under the cursor",
        [act('t', Action::OpenTags)]
    ),
    binding!(
        Changing,
        "D Del",
        "delete",
        "move the marked runs, or the one under the cursor, to the trash",
        [act('D', Action::OpenDelete), named(Key::Delete, Action::OpenDelete)]
    ),
    binding!(Changing, "u", "undo", "undo the last deletion", [act('u', Action::Undo)]),
    binding!(Program, "?", "help", "this help", [act('?', Action::ToggleHelp)]),
    binding!(
        Program,
        "F1",
        "explain",
        "explain the columns and every other number or word",
        [(Key::F(1), Command::Explain)]
    ),
    binding!(
        Program,
        "Esc",
        "close",
        "close what is open, otherwise show all runs again",
        [named(Key::Escape, Action::Dismiss)]
    ),
    binding!(Program, "Ctrl-L", "redraw", "redraw the screen", [(Key::Control('l'), Command::Redraw)]),
    binding!(
        Program,
        "q Ctrl-C",
        "quit",
        "quit",
        [(Key::Char('q'), Command::Quit), (Key::Control('c'), Command::Quit)]
    ),
];

const fn does(name: &'static str, action: Action, what: &'static str) -> Named<Command> {
    of(name, Command::Act(action), what)
}

/// All commands, in the order of the help.
pub(super) const COMMANDS: &[Named<Command>] = &[
    does("row_up", Action::MoveCursor(-1), "the row above"),
    does("row_down", Action::MoveCursor(1), "the row below"),
    of("page_up", Command::Page(-1), "a screen of rows up"),
    of("page_down", Command::Page(1), "a screen of rows down"),
    does("first_row", Action::SelectFirst, "the first row"),
    does("last_row", Action::SelectLast, "the last row"),
    does("collapse", Action::Collapse, "hide the lanes of a run or the runs of a group"),
    does("expand", Action::Expand, "show the lanes of a run or the runs of a group"),
    does("toggle_lanes", Action::ToggleOpen, "show the lanes of a run or the runs of a group, or hide them"),
    does("all_lanes", Action::ToggleAllOpen, "the lanes of all runs"),
    does("next_sort", Action::MoveSort(1), "sort by the next column"),
    does("previous_sort", Action::MoveSort(-1), "sort by the previous column"),
    does("reverse", Action::Reverse, "reverse the order"),
    does("group", Action::ToggleGroups, "one row for runs that differ only in their seed"),
    of("details", Command::ToggleDetails, "details of the run under the cursor"),
    does(
        "differences",
        Action::SetPane(Pane::Differences),
        "differences between the experiments of marked runs",
    ),
    does(
        "curves",
        Action::SetPane(Pane::Bands),
        "mean and band of the marked runs' curves, or over the seeds of one",
    ),
    does("filter", Action::OpenFilter, "filter runs"),
    does("mark", Action::ToggleMark, "mark the run or group"),
    does("mark_all", Action::MarkShown, "mark all that are shown"),
    does("unmark_all", Action::ClearMarks, "unmark all"),
    does("open", Action::Open, "open the marked runs, or the one under the cursor"),
    does("note", Action::OpenNote, "write a note on the run"),
    does("tags", Action::OpenTags, "tag the marked runs, or the one under the cursor"),
    does("delete", Action::OpenDelete, "move the marked runs, or the one under the cursor, to the trash"),
    does("undo", Action::Undo, "undo the last deletion"),
    does("help", Action::ToggleHelp, "all keys"),
    of("explain", Command::Explain, "explain the columns and every other number or word"),
    does("close", Action::Dismiss, "close what is open, otherwise show all runs again"),
    of("redraw", Command::Redraw, "redraw the screen"),
    of("quit", Command::Quit, "quit"),
];

impl Bound for Command {
    const BINDINGS: &'static [Binding<Command>] = BINDINGS;
    const COMMANDS: &'static [Named<Command>] = COMMANDS;
    const ALWAYS: (Key, Command) = (Key::Char('?'), Command::Act(Action::ToggleHelp));
}

/// The most important keys of the table, for the status line.
pub(super) fn hints(list: &RunsList) -> impl Iterator<Item = Key> {
    let first: &[char] = match list.marked().len() {
        0 if list.can_undo() => &['u', '/', ' ', 'b'],
        0 => &['/', ' ', 'g', 'b'],
        1 => &[' ', 'A', 'x', 'b'],
        _ => &['x', 'b', 'A', ' '],
    };
    let keys = first.iter().map(|c| Key::Char(*c));
    let last = ['?', 'q', 'n', 't', 's', 'i'].map(Key::Char);
    [Key::Enter].into_iter().chain(keys).chain(last)
}
