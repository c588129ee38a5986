//! The loop of the runs browser: like the dashboard's, but with runs instead of events, and with actions that may
//! change runs on disk.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select};
use crossterm::event::{Event, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGTSTP};

use super::input::{Input, edit_of, key_of};
use super::pacer::Pacer;
use super::screen::Screen;
use super::stock::Stock;
use super::{Choice, Ending};
use crate::runlog::{Discarded, Notes};
use crate::runs_list::{Action, Prompt, Request, RunsList};
use crate::session::listing::Found;
use crate::theme::Theme;
use crate::views::Key;
use crate::views::browser::{self, Command, Status, binding_of};

mod clicks;

use clicks::Clicks;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(6);
/// The longest wait, in case a change was missed.
const IDLE: Duration = Duration::from_secs(5);

/// The loop's state, besides the list.
pub(super) struct Browser<'a> {
    list: &'a mut RunsList,
    stock: &'a mut dyn Stock,
    screen: &'a mut dyn Screen,
    theme: &'a Theme,
    pacer: Pacer,
    notice: Option<(String, Instant)>,
    clicks: Clicks,
}

impl<'a> Browser<'a> {
    pub(super) fn new(
        list: &'a mut RunsList,
        stock: &'a mut dyn Stock,
        screen: &'a mut dyn Screen,
        theme: &'a Theme,
    ) -> Browser<'a> {
        let mut pacer = Pacer::default();
        pacer.change();
        Browser { list, stock, screen, theme, pacer, notice: None, clicks: Clicks::default() }
    }

    /// Shows a notice from the start.
    pub(super) fn notify(&mut self, text: &str) {
        self.notice = Some((text.to_owned(), Instant::now() + NOTICE));
        self.pacer.answer();
    }

    /// Runs until the user leaves or opens runs, or a signal comes.
    pub(super) fn run(&mut self, inputs: &Receiver<Input>) -> io::Result<Choice> {
        loop {
            self.fold();
            while let Ok(input) = inputs.try_recv() {
                if let Some(choice) = self.take(input)? {
                    return Ok(choice);
                }
            }
            let now = Instant::now();
            if self.notice.as_ref().is_some_and(|(_, until)| *until <= now) {
                self.notice = None;
                self.pacer.change();
            }
            let ready = self.screen.is_ready()?;
            if ready && self.pacer.is_due(now) {
                self.draw(now)?;
            }
            self.wait(inputs, ready);
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self, inputs: &Receiver<Input>, ready: bool) {
        let now = Instant::now();
        // A screen that is not ready for the next frame signals when it is.
        let frame = if ready { self.pacer.wait(now) } else { None };
        let notice = self.notice.as_ref().map(|(_, until)| until.saturating_duration_since(now));
        let longest = [frame, notice].into_iter().flatten().min().unwrap_or(IDLE);
        let mut select = Select::new();
        select.recv(inputs);
        if !ready {
            self.screen.watch(&mut select);
        }
        self.stock.watch(&mut select);
        // Timeouts need no handling: the loop checks everything anyway.
        _ = select.ready_timeout(longest);
    }

    /// Folds everything that was found.
    fn fold(&mut self) {
        let (list, pacer) = (&mut *self.list, &mut self.pacer);
        self.stock.drain(&mut |found| {
            // What the user waits for is shown at once: the first runs, the complete list, and curves.
            match &found {
                Found::Runs(_) if !list.runs().is_empty() => pacer.change(),
                Found::Time(_) | Found::Gone(_) => pacer.change(),
                Found::Runs(_) | Found::Complete(_) | Found::Curves(_) => pacer.answer(),
            }
            list.apply(found);
        });
    }

    fn draw(&mut self, now: Instant) -> io::Result<()> {
        self.pacer.drawn(now);
        self.list.settle();
        self.want_curves();
        let status = Status { notice: self.notice.as_ref().map(|(text, _)| text.as_str()) };
        let (list, theme) = (&*self.list, self.theme);
        self.screen.paint(&mut |area, buffer| browser::draw(list, &status, area, buffer, theme))?;
        Ok(())
    }

    fn want_curves(&mut self) {
        if let Some(ids) = self.list.missing_curves()
            && !self.stock.want_curves(ids)
        {
            self.notify("too many runs are being read; try again");
        }
    }

    fn take(&mut self, input: Input) -> io::Result<Option<Choice>> {
        match input {
            Input::Terminal(Event::Key(key)) => self.key(key),
            Input::Terminal(Event::Mouse(mouse)) => self.mouse(mouse),
            Input::Terminal(Event::Resize(..)) => {
                self.pacer.answer();
                Ok(None)
            }
            Input::Terminal(_) => Ok(None),
            Input::Signal(SIGTSTP) => {
                self.screen.suspend()?;
                self.pacer.answer();
                Ok(None)
            }
            Input::Signal(SIGCONT) => {
                self.screen.resume()?;
                self.pacer.answer();
                Ok(None)
            }
            Input::Signal(SIGHUP) => Ok(Some(Choice::Leave(Ending::Lost))),
            Input::Signal(signal) => Ok(Some(Choice::Leave(Ending::Signal(signal)))),
            Input::Lost(error) => Err(error),
        }
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Choice>> {
        let Some(key) = key_of(event) else { return Ok(None) };
        // A further key means that the notice was read.
        self.notice = None;
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
        match binding_of(key) {
            Some((_, command)) => self.obey(command),
            None => Ok(None),
        }
    }

    fn obey(&mut self, command: Command) -> io::Result<Option<Choice>> {
        let action = match command {
            Command::Act(action) => action,
            Command::Page(by) => {
                let rows = browser::page(self.list, self.screen.area()?);
                Action::MoveCursor(by * i64::try_from(rows).unwrap_or(i64::MAX))
            }
            Command::ToggleDetails => browser::toggle_details(self.list, self.screen.area()?),
            Command::Redraw => {
                self.pacer.answer();
                self.screen.forget();
                return Ok(None);
            }
            Command::Quit => return Ok(Some(Choice::Leave(Ending::Left))),
        };
        Ok(self.act(action))
    }

    fn mouse(&mut self, event: MouseEvent) -> io::Result<Option<Choice>> {
        let commands = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.list.settle();
                browser::click(self.list, self.screen.area()?, (event.column, event.row).into())
            }
            MouseEventKind::ScrollUp => vec![Command::Act(self.scroll(-1))],
            MouseEventKind::ScrollDown => vec![Command::Act(self.scroll(1))],
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

    fn scroll(&self, by: i64) -> Action {
        if self.list.help() { Action::Scroll(by) } else { Action::MoveCursor(by) }
    }

    fn act(&mut self, action: Action) -> Option<Choice> {
        self.pacer.answer();
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
