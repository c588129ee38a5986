//! The keys in force: those of the table, changed by those of the user. The help, the hints and the palette tell keys
//! from here.

use std::fmt;

use super::bindings::{BINDINGS, Binding, Command, Group, Key, binding_in};
use super::commands::{COMMANDS, Named};
use super::help::{self, Row};
use crate::theme::Theme;

/// A command that keys have: of the dashboard, or of the list of runs.
pub trait Bound: Copy + Eq + fmt::Debug + 'static {
    /// The table of keys.
    const BINDINGS: &'static [Binding<Self>];
    /// The commands with their names, in the order of the help.
    const COMMANDS: &'static [Named<Self>];
    /// The command by which all others can be reached, with the key that it has at least.
    const ALWAYS: (Key, Self);
}

impl Bound for Command {
    const BINDINGS: &'static [Binding] = BINDINGS;
    const COMMANDS: &'static [Named] = COMMANDS;
    const ALWAYS: (Key, Command) = (Key::Char(':'), Command::Palette);
}

/// The command of this name.
pub fn command_named<C: Bound>(name: &str) -> Option<C> {
    C::COMMANDS.iter().find(|named| named.name == name).map(|named| named.command)
}

/// A command's name and what it does.
pub fn named<C: Bound>(command: C) -> Option<&'static Named<C>> {
    C::COMMANDS.iter().find(|named| named.command == command)
}

/// Keys with their commands. A key has at most one command; a command may have any number of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap<C = Command> {
    /// The user's keys first, so that these are the ones told.
    keys: Vec<(Key, C)>,
    /// The number of the user's keys.
    bound: usize,
}

impl<C: Bound> Default for Keymap<C> {
    /// The keys of the table.
    fn default() -> Keymap<C> {
        let keys = C::BINDINGS.iter().flat_map(|binding| binding.keys).copied().collect();
        Keymap { keys, bound: 0 }
    }
}

impl<C: Bound> Keymap<C> {
    /// The command of a key.
    pub fn command(&self, key: Key) -> Option<C> {
        self.keys.iter().find(|(bound, _)| *bound == key).map(|(_, command)| *command)
    }

    /// The keys of a command, the user's first.
    pub fn keys(&self, command: C) -> impl Iterator<Item = Key> + '_ {
        self.keys.iter().filter(move |(_, other)| *other == command).map(|(key, _)| *key)
    }

    /// Gives a key a command, or takes its command away.
    pub fn bind(&mut self, key: Key, command: Option<C>) {
        if let Some(at) = self.keys.iter().position(|(bound, _)| *bound == key) {
            self.keys.remove(at);
            self.bound -= usize::from(at < self.bound);
        }
        if let Some(command) = command {
            self.keys.insert(self.bound, (key, command));
            self.bound += 1;
        }
    }

    /// The names of the commands with their keys, and what they do: in the order of the help.
    pub fn table(&self) -> impl Iterator<Item = (&'static str, Vec<String>, &'static str)> + '_ {
        let row = |of: &'static Named<C>| {
            (of.name, self.keys(of.command).map(Key::name).collect::<Vec<_>>(), of.what)
        };
        C::COMMANDS.iter().map(row)
    }

    /// The first key of a command, as it is called on screen.
    pub fn label(&self, command: C, ascii: bool) -> Option<String> {
        self.keys(command).next().map(|key| key.label(ascii))
    }

    /// All keys of a command, as they are called on screen.
    pub(super) fn labels(&self, command: C, ascii: bool) -> String {
        self.keys(command).map(|key| key.label(ascii)).collect::<Vec<_>>().join(" ")
    }

    /// What the keys in force of the command that this key has in the table are called in a hint, with its binding and the
    /// command.
    pub(super) fn hint(&self, default: Key, theme: &Theme) -> Option<(String, &'static Binding<C>, C)> {
        let (binding, command) = binding_in(C::BINDINGS, default)?;
        if self.keeps(binding) {
            return Some((help::label(binding, theme), binding, command));
        }
        Some((self.label(command, theme.is_ascii())?, binding, command))
    }

    /// The rows of the help.
    pub(super) fn rows(&self, theme: &Theme) -> Vec<Row> {
        C::BINDINGS.iter().flat_map(|binding| self.rows_of(binding, theme)).collect()
    }

    /// A row for a binding of which all keys are in force, with further keys; else a row for each of its commands.
    fn rows_of(&self, binding: &'static Binding<C>, theme: &Theme) -> Vec<Row> {
        let row = |label, what| Row { group: binding.group, label, what };
        let commands = commands_of(binding);
        if self.keeps(binding) {
            let is_further = |key: &Key| binding.keys.iter().all(|(default, _)| default != key);
            let further = commands.iter().flat_map(|command| self.keys(*command)).filter(is_further);
            let labels = further.map(|key| key.label(theme.is_ascii()));
            let all: Vec<String> = std::iter::once(help::label(binding, theme)).chain(labels).collect();
            return vec![row(all.join(" "), binding.what)];
        }
        let labelled = commands.into_iter().filter_map(|command| {
            let label = self.labels(command, theme.is_ascii());
            (!label.is_empty()).then(|| row(label, named(command).map_or(binding.what, |of| of.what)))
        });
        labelled.collect()
    }

    /// Whether all keys of a binding of the table still have its commands.
    fn keeps(&self, binding: &Binding<C>) -> bool {
        binding.keys.iter().all(|(key, command)| self.command(*key) == Some(*command))
    }
}

fn commands_of<C: Bound>(binding: &Binding<C>) -> Vec<C> {
    let mut commands: Vec<C> = binding.keys.iter().map(|(_, command)| *command).collect();
    commands.dedup();
    commands
}

/// The heading under which the help has a command.
pub(super) fn group_of(command: Command) -> Option<Group> {
    let has = |binding: &&Binding| binding.keys.iter().any(|(_, other)| *other == command);
    BINDINGS.iter().find(has).map(|binding| binding.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;
    use crate::views::browser;

    fn row<'a>(rows: &'a [Row], what: &str) -> Option<&'a str> {
        rows.iter().find(|row| row.what == what).map(|row| row.label.as_str())
    }

    #[test]
    fn the_user_decides_what_a_key_does_and_the_help_tells_it() {
        let theme = Theme::default();
        let mut keymap: Keymap = Keymap::default();
        assert_eq!(keymap.rows(&theme).len(), BINDINGS.len());
        keymap.bind(Key::Control('o'), Some(Command::Palette));
        keymap.bind(Key::Char('l'), Some(Command::Act(Action::MoveStep(1))));
        keymap.bind(Key::Char('e'), None);
        assert_eq!(keymap.command(Key::Char('l')), Some(Command::Act(Action::MoveStep(1))));
        assert_eq!(keymap.command(Key::Char('e')), None);
        let rows = keymap.rows(&theme);
        assert_eq!(row(&rows, "find and do anything by typing a part of its name"), Some(": Ctrl-P Ctrl-O"));
        assert_eq!(row(&rows, "one step back or forward; with Shift ten"), Some("←→ l"));
        assert_eq!(row(&rows, "next lane; L the previous one"), None);
        assert_eq!(row(&rows, "previous lane"), Some("L"));
        assert_eq!(row(&rows, "strength of smoothing"), None);
        assert_eq!(keymap.hint(Key::Char('e'), &theme).map(|(label, ..)| label), None);
        assert_eq!(keymap.label(Command::Palette, false).as_deref(), Some("Ctrl-O"));
    }

    #[test]
    fn the_documents_list_the_commands_with_their_keys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");
        let text = std::fs::read_to_string(path).unwrap();
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let row = |(name, keys, what): (&str, Vec<String>, &str)| {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            format!("| `{name}` | {} | {what} |", keys.join(" "))
        };
        let (dashboard, runs) = (Keymap::<Command>::default(), Keymap::<browser::Command>::default());
        let expected: Vec<String> = dashboard.table().chain(runs.table()).map(row).collect();
        assert_eq!(found, expected, "docs/CONFIG.md should list:\n{}", expected.join("\n"));
    }

    #[test]
    fn a_key_bound_again_has_its_last_command() {
        let mut keymap: Keymap = Keymap::default();
        keymap.bind(Key::F(2), Some(Command::Palette));
        keymap.bind(Key::F(2), Some(Command::Redraw));
        assert_eq!(keymap.command(Key::F(2)), Some(Command::Redraw));
        keymap.bind(Key::F(2), None);
        assert_eq!(keymap, Keymap::default());
    }
}
