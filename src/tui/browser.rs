//! The runs browser: like the dashboard, but with runs instead of events, and with actions that may change runs on disk.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::Select;
use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};

use super::explaining;
use super::input::{edit_of, key_of};
use super::page::{Desk, Page};
use super::screen::Screen;
use super::stock::Stock;
use super::{Choice, Ending, Setup};
use crate::runlog::{Discarded, Notes};
use crate::runs_list::{Action, Prompt, Request, RunsList};
use crate::session::listing::Found;
use crate::theme::Theme;
use crate::views::browser::{self, Command, Hits, Status};
use crate::views::{Explaining, Key, Keymap};

mod clicks;

use clicks::Clicks;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(6);
/// Its state, besides the list.
pub(super) struct Browser<'a> {
    list: &'a mut RunsList,
    stock: &'a mut dyn Stock,
    desk: Desk<'a>,
    theme: &'a Theme,
    keymap: &'a Keymap<Command>,
    clicks: Clicks,
    /// What the mouse does in the frame that is on the screen.
    hits: Hits,
    explaining: Option<Explaining>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(
        list: &'a mut RunsList,
        stock: &'a mut dyn Stock,
        screen: &'a mut dyn Screen,
        setup: &'a Setup,
    ) -> Browser<'a> {
        Browser {
            list,
            stock,
            desk: Desk::new(screen, setup.config.screen),
            theme: &setup.theme,
            keymap: &setup.config.runs_keymap,
            clicks: Clicks::default(),
            hits: Hits::default(),
            explaining: None,
        }
    }

    /// Shows a notice from the start.
    pub(super) fn notify(&mut self, text: &str) {
        self.desk.notify(text, NOTICE);
    }

    fn want_curves(&mut self) {
        if let Some(ids) = self.list.missing_curves()
            && !self.stock.want_curves(ids)
        {
            self.notify("too many runs are being read; try again");
        }
    }

    fn obey(&mut self, command: Command) -> io::Result<Option<Choice>> {
        let action = match command {
            Command::Act(action) => action,
            Command::Page(by) => {
                let rows = browser::page(self.list, self.desk.screen.area()?);
                Action::MoveCursor(by * i64::try_from(rows).unwrap_or(i64::MAX))
            }
            Command::ToggleDetails => browser::toggle_details(self.list, self.desk.screen.area()?),
            Command::Explain => {
                self.desk.pacer.answer();
                let open = self.explaining.take().is_some();
                self.explaining = (!open).then(|| Explaining::of(browser::topics(self.list)));
                return Ok(None);
            }
            Command::Choose(place) => {
                self.desk.pacer.answer();
                self.explaining.iter_mut().for_each(|explaining| explaining.choose(place));
                return Ok(None);
            }
            Command::Redraw => {
                self.desk.pacer.answer();
                self.desk.screen.forget();
                return Ok(None);
            }
            Command::Quit => return Ok(Some(Choice::Leave(Ending::Left))),
        };
        Ok(self.act(action))
    }

    /// The commands of the mouse wheel.
    fn scroll(&mut self, by: i64) -> Vec<Command> {
        if let Some(explaining) = &mut self.explaining {
            explaining.turn(by);
            self.desk.pacer.answer();
            return Vec::new();
        }
        vec![Command::Act(if self.list.help() { Action::Scroll(by) } else { Action::MoveCursor(by) })]
    }

    fn act(&mut self, action: Action) -> Option<Choice> {
        self.desk.pacer.answer();
        match self.list.act(action)? {
            Request::Open(ids) => return Some(Choice::Open(ids)),
            Request::Write(notes) => self.write(&notes),
            Request::Discard(ids) => self.discard(&ids),
            Request::Restore(runs) => self.restore(&runs),
            Request::Tell(text) => self.notify(&text),
        }
        None
    }

    fn write(&mut self, all: &[(String, Notes)]) {
        let mut problem = None;
        for (id, notes) in all {
            match self.stock.write(id, notes) {
                Ok(run) => self.list.apply(Found::Runs(run.into_iter().collect())),
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            Some(problem) => self.notify(&problem),
            None => self.notify("saved"),
        }
    }

    fn discard(&mut self, ids: &[String]) {
        let (done, problems): (Vec<_>, Vec<_>) =
            ids.iter().map(|id| self.stock.discard(id)).partition(Result::is_ok);
        let done: Vec<Discarded> = done.into_iter().flatten().collect();
        let count = done.len();
        if count > 0 {
            self.list.apply_discarded(done);
        }
        match problems.into_iter().find_map(Result::err) {
            Some(problem) => self.notify(&problem),
            None if count == 1 => self.notify("moved to the trash; u restores it"),
            None => self.notify(&format!("{count} runs moved to the trash; u restores them")),
        }
    }

    fn restore(&mut self, runs: &[Discarded]) {
        let (mut kept, mut problem) = (Vec::new(), None);
        for run in runs {
            match self.stock.restore(run) {
                Ok(listed) => self.list.apply(Found::Runs(listed.into_iter().collect())),
                Err(error) => {
                    kept.push(run.clone());
                    problem = Some(error);
                }
            }
        }
        self.list.apply_restored(kept);
        self.notify(problem.as_deref().unwrap_or("restored from the trash"));
    }
}

impl<'d> Page<'d> for Browser<'d> {
    type Outcome = Choice;

    fn desk(&self) -> &Desk<'d> {
        &self.desk
    }

    fn desk_mut(&mut self) -> &mut Desk<'d> {
        &mut self.desk
    }

    /// Folds everything that was found.
    fn fold(&mut self, _: Instant) -> io::Result<()> {
        let (list, pacer) = (&mut *self.list, &mut self.desk.pacer);
        self.stock.drain(&mut |found| {
            // What the user waits for is shown at once: the first runs, the complete list, and curves.
            match &found {
                Found::Runs(_) if !list.runs().is_empty() => pacer.change(),
                Found::Time(_) | Found::Gone(_) => pacer.change(),
                Found::Runs(_) | Found::Complete(_) | Found::Curves(_) => pacer.answer(),
            }
            list.apply(found);
        });
        Ok(())
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Choice>> {
        let Some(key) = key_of(event) else { return Ok(None) };
        // A further key means that the notice was read.
        self.desk.forget_notice();
        if let Some(explaining) = self.explaining.take() {
            self.desk.pacer.answer();
            self.explaining = explaining::after_key(explaining, key, self.desk.screen.area()?);
            return Ok(None);
        }
        if let Some(prompt) = self.list.prompt() {
            let action = match prompt {
                Prompt::Delete { .. } => answer(key),
                Prompt::Filter { .. } => typed(key).or(beside_typing(key)),
                Prompt::Note { .. } | Prompt::Tags { .. } => typed(key),
            };
            return Ok(action.and_then(|action| self.act(action)));
        }
        if self.list.help()
            && let Some(action) = in_help(key)
        {
            return Ok(self.act(action));
        }
        self.keymap.command(key).map_or(Ok(None), |command| self.obey(command))
    }

    fn mouse(&mut self, event: MouseEvent) -> io::Result<Option<Choice>> {
        let commands = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.hits.click(self.list, (event.column, event.row).into())
            }
            MouseEventKind::ScrollUp => self.scroll(-1),
            MouseEventKind::ScrollDown => self.scroll(1),
            _ => Vec::new(),
        };
        // Clicks in the gutter expand and collapse rows, and are not double clicks.
        let on_row = matches!(commands[..], [Command::Act(Action::SelectRow(_))]);
        for command in commands {
            if let Some(choice) = self.obey(command)? {
                return Ok(Some(choice));
            }
        }
        if matches!(event.kind, MouseEventKind::Down(_)) {
            let row = self.list.cursor_row().filter(|_| on_row);
            if self.clicks.take(row, Instant::now()) {
                return Ok(self.act(Action::OpenRow));
            }
        }
        Ok(None)
    }

    fn draw(&mut self, _: Instant) -> io::Result<usize> {
        self.list.settle();
        self.want_curves();
        let status = Status {
            notice: self.desk.notice.text(),
            explaining: self.explaining.as_ref(),
            keymap: Some(self.keymap),
        };
        let (list, theme, hits) = (&*self.list, self.theme, &mut self.hits);
        let draw = &mut |area, buffer: &mut _| {
            *hits = browser::draw(list, &status, area, buffer, theme);
            Vec::new()
        };
        self.desk.screen.paint(draw)
    }

    fn watch<'s>(&'s self, select: &mut Select<'s>, _: bool) {
        self.stock.watch(select);
    }

    fn left(ending: Ending) -> Choice {
        Choice::Leave(ending)
    }
}

/// The action of a key while a line is typed.
fn typed(key: Key) -> Option<Action> {
    Some(match key {
        Key::Char(c) => Action::Type(c),
        Key::Enter => Action::Confirm,
        Key::Escape | Key::Control('c') => Action::Dismiss,
        key => Action::Edit(edit_of(key)?),
    })
}

/// The additional keys while a filter is typed, whose result is visible.
fn beside_typing(key: Key) -> Option<Action> {
    match key {
        Key::Up => Some(Action::MoveCursor(-1)),
        Key::Down => Some(Action::MoveCursor(1)),
        _ => None,
    }
}

/// The action of a key while a question is asked.
fn answer(key: Key) -> Option<Action> {
    match key {
        Key::Enter | Key::Char('y' | 'Y') => Some(Action::Confirm),
        Key::Escape | Key::Char('n' | 'N' | 'q') | Key::Control('c') => Some(Action::Dismiss),
        _ => None,
    }
}

/// The action of a key while the help is open.
fn in_help(key: Key) -> Option<Action> {
    match key {
        Key::Up | Key::Char('k') => Some(Action::Scroll(-1)),
        Key::Down | Key::Char('j') => Some(Action::Scroll(1)),
        Key::PageUp => Some(Action::Scroll(-10)),
        Key::PageDown => Some(Action::Scroll(10)),
        Key::Char('?' | 'q') => Some(Action::ToggleHelp),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
