//! The table of keys: the command of each, and its texts in the help and the hints. Keys are known by name; `tui`
//! translates what a terminal sends.

use super::explain::Topic;
use super::orders::Typed;
use crate::app::Action;

/// A key.
#[expect(missing_docs, reason = "the names are those on the keyboard")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Char(char),
    Control(char),
    Alt(char),
    Up,
    Down,
    Left,
    Right,
    ShiftLeft,
    ShiftRight,
    Home,
    End,
    PageUp,
    PageDown,
    Tab,
    BackTab,
    Enter,
    Escape,
    Backspace,
    Delete,
    /// A function key, from 1.
    F(u8),
}

/// The command of a key: to the state, the training, or the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// An action on the state.
    Act(Action),
    /// Shows the view at a place among all views, if there is one.
    View(usize),
    /// Shows the view this many further on.
    TurnView(i64),
    /// Up or down, as the current view defines it.
    Vertical(i64),
    /// Pauses or resumes: the training while live, the playback in review.
    Pause,
    /// Writes a checkpoint of every lane now; live only.
    Checkpoint,
    /// Makes one step and pauses; live only.
    MakeStep,
    /// Opens a line for typing an order; live only.
    Type(Typed),
    /// Stops the selected lane, after confirmation; live only.
    StopLane,
    /// Hides the selected lane.
    HideLane,
    /// Detaches from the terminal while training goes on; if another process trains, leaves.
    Detach,
    /// Goes to the list of all runs; not while live.
    Browse,
    /// Leaves; asks first while live.
    Quit,
    /// Opens a line for choosing which layers are shown.
    FilterLayers,
    /// Opens a line for choosing which metrics are shown.
    FilterMetrics,
    /// Redraws everything.
    Redraw,
    /// Gives the mouse to the terminal, or takes it back.
    ToggleMouse,
    /// Pictures by the terminal's own graphics, or in cells.
    ToggleGraphics,
    /// Copies the value at the cursor.
    CopyValue,
    /// Copies the view as text.
    CopyFrame,
    /// Saves the view as a picture and as text in the working folder.
    SaveView,
    /// Keeps what is shown for runs of this experiment.
    KeepLayout,
    /// Forgets what was kept for them.
    ForgetLayout,
    /// Begins a count for the next key, with the digit of the key.
    Count,
    /// Carries out the last command again.
    Repeat,
    /// Opens the palette: everything that can be done or chosen, found by typing.
    Palette,
    /// Does what the entry in this place of the open dialog does.
    Choose(usize),
    /// What pressing a key does; for what is clicked.
    Press(Key),
    /// Explains what the shown view is about, and its words.
    Explain,
    /// Explains one thing.
    ExplainTopic(Topic),
}

/// The heading of a key in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Which view.
    Views,
    /// Where the cursor is.
    Cursor,
    /// How things are shown.
    Showing,
    /// Which runs are meant.
    Choosing,
    /// What is changed of runs.
    Changing,
    /// Training and playback.
    Running,
    /// The program itself.
    Program,
}

impl Group {
    /// All groups in the order of the help.
    pub const ALL: [Group; 7] = [
        Group::Views,
        Group::Cursor,
        Group::Showing,
        Group::Choosing,
        Group::Changing,
        Group::Running,
        Group::Program,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Views => "Views",
            Group::Cursor => "Cursor",
            Group::Showing => "Showing",
            Group::Choosing => "Choosing",
            Group::Changing => "Changing",
            Group::Running => "Running",
            Group::Program => "Program",
        }
    }
}

/// One or two keys and what they do.
#[derive(Clone, Copy, Debug)]
pub struct Binding<C: 'static = Command> {
    /// Each key with its command.
    pub keys: &'static [(Key, C)],
    /// The keys in the help; non-ASCII characters have replacements.
    pub label: &'static str,
    /// One or two words for the hints.
    pub hint: &'static str,
    /// What they do.
    pub what: &'static str,
    /// Its heading.
    pub group: Group,
}

/// The command of a key of the dashboard.
pub fn binding_of(key: Key) -> Option<(&'static Binding, Command)> {
    binding_in(BINDINGS, key)
}

/// The command of a key in a table.
pub(crate) fn binding_in<C: Copy>(
    bindings: &'static [Binding<C>],
    key: Key,
) -> Option<(&'static Binding<C>, C)> {
    bindings.iter().find_map(|binding| {
        let (_, command) = binding.keys.iter().find(|(bound, _)| *bound == key)?;
        Some((binding, *command))
    })
}

const fn view(key: char, place: usize) -> (Key, Command) {
    (Key::Char(key), Command::View(place))
}

const fn act(key: char, action: Action) -> (Key, Command) {
    (Key::Char(key), Command::Act(action))
}

macro_rules! binding {
    ($group:ident, $label:literal, $hint:literal, $what:literal, [$($key:expr),* $(,)?]) => {
        $crate::views::Binding {
            keys: &[$($key),*],
            label: $label,
            hint: $hint,
            what: $what,
            group: $crate::views::Group::$group,
        }
    };
}

pub(super) use binding;

/// All keys.
pub const BINDINGS: &[Binding] = &[
    binding!(
        Views,
        "0-9 a i C",
        "view",
        "the view with this number or letter",
        [
            view('1', 0),
            view('2', 1),
            view('3', 2),
            view('4', 3),
            view('5', 4),
            view('6', 5),
            view('7', 6),
            view('8', 7),
            view('9', 8),
            view('0', 9),
            view('a', 10),
            view('i', 11),
            view('C', 12),
        ]
    ),
    binding!(
        Views,
        "Tab",
        "view",
        "next view; with Shift the previous one",
        [(Key::Tab, Command::TurnView(1)), (Key::BackTab, Command::TurnView(-1)),]
    ),
    binding!(
        Cursor,
        "←→",
        "step",
        "one step back or forward; with Shift ten",
        [
            (Key::Left, Command::Act(Action::MoveStep(-1))),
            (Key::Right, Command::Act(Action::MoveStep(1))),
            (Key::ShiftLeft, Command::Act(Action::MoveStep(-10))),
            (Key::ShiftRight, Command::Act(Action::MoveStep(10))),
        ]
    ),
    binding!(
        Cursor,
        "PgUp PgDn",
        "page",
        "a twentieth of the run back or forward",
        [
            (Key::PageUp, Command::Act(Action::MovePage(-1))),
            (Key::PageDown, Command::Act(Action::MovePage(1))),
        ]
    ),
    binding!(
        Cursor,
        "Home End",
        "ends",
        "the first step; the last one, and follow it",
        [
            (Key::Home, Command::Act(Action::SelectFirstStep)),
            (Key::End, Command::Act(Action::FollowLastStep)),
        ]
    ),
    binding!(Cursor, "g", "go to", "go to a step", [act('g', Action::OpenGoTo)]),
    binding!(
        Cursor,
        "↑↓",
        "layer",
        "the layer (block, finding) above or below; also the mouse wheel",
        [(Key::Up, Command::Vertical(-1)), (Key::Down, Command::Vertical(1)),]
    ),
    binding!(
        Cursor,
        "[ ]",
        "block",
        "the block toward the input or the head; { } first and last layer",
        [
            act('[', Action::MoveBlock(-1)),
            act(']', Action::MoveBlock(1)),
            act('{', Action::SelectFirstLayer),
            act('}', Action::SelectLastLayer),
        ]
    ),
    binding!(
        Cursor,
        "l",
        "lane",
        "next lane; L the previous one",
        [act('l', Action::SelectNextLane), act('L', Action::SelectPreviousLane),]
    ),
    binding!(
        Cursor,
        "n N",
        "finding",
        "next or previous finding",
        [act('n', Action::SelectNextFinding), act('N', Action::SelectPreviousFinding),]
    ),
    binding!(
        Showing,
        "z Z",
        "zoom",
        "zoom into the charts around the cursor, or out; also Ctrl and the wheel",
        [act('z', Action::Zoom(2)), act('Z', Action::Zoom(-2)),]
    ),
    binding!(
        Showing,
        "< >",
        "pan",
        "move what the charts show; also Shift and the wheel, or the right button",
        [act('<', Action::PanQuarters(-1)), act('>', Action::PanQuarters(1)),]
    ),
    binding!(
        Showing,
        "j J",
        "values",
        "zoom the vertical axes in or out; also Alt and the wheel",
        [act('j', Action::ZoomValues(2, 50)), act('J', Action::ZoomValues(-2, 50)),]
    ),
    binding!(
        Showing,
        "( )",
        "down, up",
        "move what is shown of the vertical axes",
        [act('(', Action::PanValues(-25)), act(')', Action::PanValues(25)),]
    ),
    binding!(
        Cursor,
        "M",
        "mark",
        "mark this step, or remove the mark: charts tell what lies between it and the cursor",
        [act('M', Action::ToggleMark)]
    ),
    binding!(
        Showing,
        "w b",
        "whole run",
        "the whole run and axes; what was shown before",
        [act('w', Action::ShowWholeRun), act('b', Action::ShowRangeBefore),]
    ),
    binding!(
        Showing,
        "s",
        "statistic",
        "next statistic; S the previous one",
        [act('s', Action::SelectNextStatistic), act('S', Action::SelectPreviousStatistic),]
    ),
    binding!(Showing, "y", "scale", "scale of values: linear or logarithmic", [act('y', Action::CycleScale)]),
    binding!(
        Showing,
        "O",
        "outliers",
        "axes for all values, or without the few that flatten the others",
        [act('O', Action::ToggleWholeAxis)]
    ),
    binding!(Showing, "e", "smoothing", "strength of smoothing", [act('e', Action::CycleSmoothing)]),
    binding!(
        Showing,
        "x",
        "x axis",
        "x axis: steps, epochs, seconds or the clock; in a sweep the next key",
        [act('x', Action::CycleAxis)]
    ),
    binding!(
        Showing,
        "o",
        "overlay",
        "in the overview: a chart for each lane, one for all, or one with the mean and range of seeds",
        [act('o', Action::CycleArrangement)]
    ),
    binding!(
        Showing,
        "A",
        "align",
        "layers of lanes correspond by depth, relative depth, stage or name",
        [act('A', Action::CycleAlignment)]
    ),
    binding!(
        Showing,
        "/",
        "layers",
        "show only the layers whose name a regular expression finds",
        [(Key::Char('/'), Command::FilterLayers)]
    ),
    binding!(
        Showing,
        "\\",
        "metrics",
        "choose and draw only the metrics whose name a regular expression finds",
        [(Key::Char('\\'), Command::FilterMetrics)]
    ),
    binding!(
        Showing,
        "*",
        "pin",
        "draw what the cursor is on over time before all else, in the overview, too; or no longer",
        [act('*', Action::TogglePin)]
    ),
    binding!(
        Showing,
        "f",
        "split",
        "in a sweep: a chart for each value of the next key, or one for all",
        [act('f', Action::CycleSplit)]
    ),
    binding!(
        Showing,
        "h H",
        "histogram",
        "histograms of activations, weight gradients, weights; H over time, mirrored, or as ridges",
        [act('h', Action::SelectNextHistogram), act('H', Action::CycleHistogramForm),]
    ),
    binding!(
        Showing,
        "v",
        "hide",
        "hide the selected lane; V shows all",
        [(Key::Char('v'), Command::HideLane), act('V', Action::ShowAllLanes),]
    ),
    binding!(
        Showing,
        "u",
        "undo",
        "take back the last change of what is shown; U makes it again",
        [act('u', Action::Undo), act('U', Action::Redo), (Key::Control('r'), Command::Act(Action::Redo))]
    ),
    binding!(
        Running,
        "Space",
        "pause",
        "pause or resume training while it runs, otherwise playback",
        [(Key::Char(' '), Command::Pause),]
    ),
    binding!(Running, "p", "play", "play back the recorded steps", [act('p', Action::TogglePlayback)]),
    binding!(
        Running,
        "+ -",
        "speed",
        "playback faster or slower",
        [act('+', Action::SpeedUp), act('=', Action::SpeedUp), act('-', Action::SlowDown),]
    ),
    binding!(
        Running,
        "c",
        "checkpoint",
        "write a checkpoint now; training continues",
        [(Key::Char('c'), Command::Checkpoint)]
    ),
    binding!(
        Running,
        ".",
        "one step",
        "while paused, make one step and pause again",
        [(Key::Char('.'), Command::MakeStep)]
    ),
    binding!(
        Running,
        "R",
        "rate",
        "change the learning rate from the next step on",
        [(Key::Char('R'), Command::Type(Typed::LearningRate))]
    ),
    binding!(
        Running,
        "m",
        "note",
        "write a note into the log at this step",
        [(Key::Char('m'), Command::Type(Typed::Note))]
    ),
    binding!(
        Running,
        "P",
        "probe",
        "measure with a probe before the next step",
        [(Key::Char('P'), Command::Type(Typed::Probe))]
    ),
    binding!(
        Running,
        "X",
        "stop lane",
        "stop the selected lane; asks first",
        [(Key::Char('X'), Command::StopLane)]
    ),
    binding!(
        Running,
        "d",
        "detach",
        "back to the shell; training continues (`skiplane attach`)",
        [(Key::Char('d'), Command::Detach)]
    ),
    binding!(
        Program,
        "r",
        "runs",
        "the list of all runs (review, attach)",
        [(Key::Char('r'), Command::Browse)]
    ),
    binding!(
        Program,
        "Alt-0-9",
        "count",
        "a count for the next key: Alt-2 0 and an arrow move by 20, and with g to that step",
        [
            (Key::Alt('0'), Command::Count),
            (Key::Alt('1'), Command::Count),
            (Key::Alt('2'), Command::Count),
            (Key::Alt('3'), Command::Count),
            (Key::Alt('4'), Command::Count),
            (Key::Alt('5'), Command::Count),
            (Key::Alt('6'), Command::Count),
            (Key::Alt('7'), Command::Count),
            (Key::Alt('8'), Command::Count),
            (Key::Alt('9'), Command::Count),
        ]
    ),
    binding!(
        Program,
        ";",
        "repeat",
        "do again what the last key did, as many times",
        [(Key::Char(';'), Command::Repeat)]
    ),
    binding!(Program, "?", "help", "this help", [act('?', Action::ToggleHelp)]),
    binding!(
        Program,
        "F1",
        "explain",
        "explain any number or word: what it measures, what is normal",
        [(Key::F(1), Command::Explain)]
    ),
    binding!(
        Program,
        "T",
        "tour",
        "three stops that show how to find one's way",
        [act('T', Action::SetTour(Some(0)))]
    ),
    binding!(
        Program,
        ": Ctrl-P",
        "palette",
        "find and do anything by typing a part of its name",
        [(Key::Char(':'), Command::Palette), (Key::Control('p'), Command::Palette)]
    ),
    binding!(
        Program,
        "Y Ctrl-Y",
        "copy",
        "copy the value at the cursor; with Ctrl the view as text",
        [(Key::Char('Y'), Command::CopyValue), (Key::Control('y'), Command::CopyFrame)]
    ),
    binding!(
        Program,
        "W",
        "save",
        "save the view as SVG, text and CSV in the working folder",
        [(Key::Char('W'), Command::SaveView)]
    ),
    binding!(
        Program,
        "K Ctrl-K",
        "keep",
        "open runs of this experiment as it is shown now; with Ctrl as at first",
        [(Key::Char('K'), Command::KeepLayout), (Key::Control('k'), Command::ForgetLayout)]
    ),
    binding!(Program, "Esc", "close", "close what is open", [(Key::Escape, Command::Act(Action::Dismiss))]),
    binding!(Program, "Ctrl-L", "redraw", "redraw the screen", [(Key::Control('l'), Command::Redraw)]),
    binding!(
        Program,
        "t",
        "select text",
        "let the mouse select text, or take it back",
        [(Key::Char('t'), Command::ToggleMouse)]
    ),
    binding!(
        Program,
        "G",
        "graphics",
        "let the terminal draw pictures in its own pixels, or not",
        [(Key::Char('G'), Command::ToggleGraphics)]
    ),
    binding!(
        Program,
        "q Ctrl-C",
        "quit",
        "quit; while training, asks whether to stop or detach",
        [(Key::Char('q'), Command::Quit), (Key::Control('c'), Command::Quit),]
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        let mut keys: Vec<Key> = Vec::new();
        for (key, _) in BINDINGS.iter().flat_map(|binding| binding.keys) {
            assert!(!keys.contains(key), "{key:?}");
            keys.push(*key);
        }
    }

    #[test]
    fn every_view_has_its_key() {
        for at in 0..crate::views::ALL.len() {
            let key = crate::views::key_of(at).expect("a key for each view");
            let bound = binding_of(Key::Char(key)).map(|(_, command)| command);
            assert_eq!(bound, Some(Command::View(at)));
        }
    }
}
