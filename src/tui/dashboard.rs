//! The loop: waits for input, events or the time of the next frame, handles everything pending, then draws once, and
//! only if something changed.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select};
use crossterm::event::{Event, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGTSTP};

use super::input::{Input, key_of};
use super::pacer::{Cost, FRAME, Pacer, Playhead};
use super::screen::Screen;
use super::source::{Mode, Source};
use super::{Ending, Setup};
use crate::app::{Action, App, ViewKind};
use crate::config::Notify;
use crate::order::Order;
use crate::theme::Theme;
use crate::views::{self, Command, Key, Keymap, OrderDialog, Palette, Status};

mod giving;
mod orders;
mod palette;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(4);
/// Shown from the order to pause until every lane has paused.
const PAUSING: &str = "pausing after this step";
/// How long those about the settings stay.
const LONG_NOTICE: Duration = Duration::from_secs(12);
/// The longest wait, in case a change was missed.
const IDLE: Duration = Duration::from_secs(5);

/// The loop's state, besides the app.
pub(super) struct Dashboard<'a> {
    app: &'a mut App,
    source: &'a mut dyn Source,
    screen: &'a mut dyn Screen,
    theme: &'a Theme,
    keymap: &'a Keymap,
    notify: Notify,
    pacer: Pacer,
    playhead: Playhead,
    cost: Cost,
    notice: Option<(String, Instant)>,
    asks_to_quit: bool,
    /// The open dialog for an order.
    dialog: Option<OrderDialog>,
    /// Where a chart was grabbed with the mouse: the step there stays under the mouse while it is dragged.
    grabbed: Option<Position>,
    palette: Option<Palette>,
    end_was_folded: bool,
    /// The number of critical findings that the user knows of.
    criticals: usize,
}

impl<'a> Dashboard<'a> {
    pub(super) fn new(
        app: &'a mut App,
        source: &'a mut dyn Source,
        screen: &'a mut dyn Screen,
        setup: &'a Setup,
    ) -> Dashboard<'a> {
        let end_was_folded = source.is_ended();
        let mut pacer = Pacer::default();
        pacer.change();
        let criticals = giving::criticals(app);
        let mut dashboard = Dashboard {
            app,
            source,
            screen,
            theme: &setup.theme,
            keymap: &setup.config.keymap,
            notify: setup.config.notify,
            pacer,
            playhead: Playhead::default(),
            cost: Cost::default(),
            notice: None,
            asks_to_quit: false,
            dialog: None,
            grabbed: None,
            palette: None,
            end_was_folded,
            criticals,
        };
        dashboard.tell_problems(&setup.config.problems);
        dashboard
    }

    /// Runs until the user leaves or a signal comes.
    pub(super) fn run(&mut self, inputs: &Receiver<Input>) -> io::Result<Ending> {
        loop {
            self.fold()?;
            while let Ok(input) = inputs.try_recv() {
                if let Some(ending) = self.take(input)? {
                    return Ok(ending);
                }
            }
            let now = Instant::now();
            self.play(now);
            if self.notice.as_ref().is_some_and(|(_, until)| *until <= now) {
                self.notice = None;
                self.pacer.change();
            }
            let ready = self.screen.is_ready()?;
            if ready && self.pacer.is_due(now) {
                // Once per frame rather than per key: most keys are followed by others before anything is drawn.
                self.supply();
                self.draw(now)?;
            }
            self.wait(inputs, ready);
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self, inputs: &Receiver<Input>, ready: bool) {
        let now = Instant::now();
        // A screen that is not ready for the next frame signals when it is; events are folded meanwhile.
        let frame = if ready { self.pacer.wait(now) } else { Some(FRAME) };
        let playing = self.app.options().playback.playing.then_some(FRAME);
        let notice = self.notice.as_ref().map(|(_, until)| until.saturating_duration_since(now));
        let poll = self.source.poll_every();
        let longest = [frame, playing, notice, poll].into_iter().flatten().min().unwrap_or(IDLE);
        let mut select = Select::new();
        select.recv(inputs);
        self.source.watch_answers(&mut select);
        if !ready {
            self.screen.watch(&mut select);
        }
        // Between two frames events are collected and handled together; input is handled at once.
        if frame.is_none() && !self.source.is_ended() {
            self.source.watch(&mut select);
        }
        // Timeouts need no handling: the loop checks everything anyway.
        _ = select.ready_timeout(longest);
    }

    /// Folds all pending events.
    fn fold(&mut self) -> io::Result<()> {
        let mut folded = self.source.drain(self.app);
        if self.source.collect(self.app) {
            self.pacer.answer();
        }
        let ended = self.source.is_ended();
        if ended && !self.end_was_folded {
            let lanes: Vec<_> = self.app.lanes().iter().map(|lane| lane.idx()).collect();
            lanes.into_iter().for_each(|lane| self.app.source_ended(lane));
            self.asks_to_quit = false;
            self.dialog = None;
            folded = true;
            self.tell_end()?;
        }
        // A followed run that has ended may be resumed, and end again.
        self.end_was_folded = ended;
        if folded {
            self.pacer.change();
            let is_paused = self.app.is_idle();
            self.notice.take_if(|(text, _)| text == PAUSING && is_paused);
            self.tell_findings()?;
        }
        if let Some(problem) = self.source.problem() {
            self.notify(&problem);
        }
        Ok(())
    }

    fn play(&mut self, now: Instant) {
        let playback = self.app.options().playback;
        let steps = self.playhead.advance(now, playback.playing.then_some(playback.steps_per_second));
        if steps > 0 {
            self.app.act(Action::Advance(steps));
            self.pacer.change();
        }
    }

    fn draw(&mut self, now: Instant) -> io::Result<()> {
        self.pacer.drawn(now);
        let cost = self.cost.text(self.source.conflated());
        let progress = self.source.progress(self.app);
        let status = Status {
            notice: self.notice.as_ref().map(|(text, _)| text.as_str()),
            cost: cost.as_deref(),
            progress: progress.as_deref(),
            leaving: self.asks_to_quit.then(|| self.source.leaving()),
            dialog: self.dialog.as_ref(),
            palette: self.palette.as_ref(),
            keymap: Some(self.keymap),
        };
        let (app, theme) = (&*self.app, self.theme);
        // Panics as a view might, if a test of a debug build asks for it, with the given message.
        #[cfg(debug_assertions)]
        if let Ok(words) = std::env::var("SKIPLANE_DRAWING_PANICS") {
            panic!("{words}");
        }
        let bytes = self.screen.paint(&mut |area, buffer| views::draw(app, &status, area, buffer, theme))?;
        self.cost.frame(now.elapsed(), bytes);
        Ok(())
    }

    fn take(&mut self, input: Input) -> io::Result<Option<Ending>> {
        match input {
            Input::Terminal(Event::Key(key)) => Ok(self.key(key)?),
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
            Input::Signal(SIGHUP) => Ok(Some(Ending::Lost)),
            Input::Signal(signal) => Ok(Some(Ending::Signal(signal))),
            Input::Lost(error) => Err(error),
        }
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Ending>> {
        let Some(key) = key_of(event) else { return Ok(None) };
        if self.asks_to_quit {
            return Ok(self.answer(key));
        }
        if let Some(dialog) = self.dialog.take() {
            self.in_dialog(dialog, key);
            return Ok(None);
        }
        if let Some(palette) = self.palette.take() {
            return self.in_palette(palette, key);
        }
        if self.app.options().go_to.is_some() && self.prompt(key) {
            return Ok(None);
        }
        match self.keymap.command(key) {
            Some(command) => self.obey(command),
            None => Ok(None),
        }
    }

    /// Handles the user's answer to the question before leaving.
    fn answer(&mut self, key: Key) -> Option<Ending> {
        match key {
            Key::Char('d' | 'D') => return Some(Ending::Detach),
            Key::Char('s' | 'S') | Key::Control('c') => return Some(Ending::Stop),
            Key::Escape | Key::Char('q' | 'n') => {
                self.asks_to_quit = false;
                self.pacer.answer();
            }
            _ => {}
        }
        None
    }

    /// Whether the open prompt handles the key.
    fn prompt(&mut self, key: Key) -> bool {
        let action = match key {
            Key::Char(c) if c.is_ascii_digit() => Action::TypeGoTo(c),
            Key::Backspace => Action::EraseGoTo,
            Key::Enter => Action::ConfirmGoTo,
            Key::Escape => Action::Dismiss,
            Key::Control(_) => return false,
            _ => return true,
        };
        self.act(action);
        true
    }

    fn obey(&mut self, command: Command) -> io::Result<Option<Ending>> {
        match command {
            Command::Act(action) => self.act(action),
            Command::View(place) => self.show(views::ALL.get(place).map(|view| view.kind())),
            Command::TurnView(by) => self.show(views::kind_after(self.app, by)),
            Command::Vertical(by) => {
                let view = views::shown(self.app);
                let help = self.app.options().help;
                let action = view.filter(|_| !help).map_or(Action::Scroll(by), |view| view.vertical(by));
                self.act(action);
            }
            Command::Pause => self.pause(),
            Command::Checkpoint => self.order(Order::Checkpoint, "checkpoint requested"),
            Command::MakeStep => self.make_step(),
            Command::Type(what) => self.open_typing(what),
            Command::StopLane => self.ask_to_stop_lane(),
            Command::HideLane => self.act(Action::ToggleLane(self.app.selected_lane())),
            Command::Redraw => self.redraw(),
            Command::CopyValue => self.copy_value()?,
            Command::CopyFrame => self.copy_frame()?,
            Command::SaveView => self.save_view()?,
            Command::Palette => self.open_palette(),
            Command::Detach if self.is_training() => return Ok(Some(Ending::Detach)),
            Command::Detach if self.source.mode() == Mode::Live => {
                self.notify(&format!("the run is over; {} quits", self.key_of(Command::Quit)));
            }
            Command::Detach => return Ok(Some(Ending::Left)),
            Command::Quit if self.is_training() => {
                self.asks_to_quit = true;
                self.pacer.answer();
            }
            Command::Quit => return Ok(Some(Ending::Left)),
            // While training, leaving first asks a question.
            Command::Browse if self.source.mode() == Mode::Live => {
                self.notify(&format!("{} quits; then `skiplane runs`", self.key_of(Command::Quit)))
            }
            Command::Browse => return Ok(Some(Ending::Browse)),
        }
        Ok(None)
    }

    /// Whether training would go on after leaving.
    fn is_training(&self) -> bool {
        self.source.mode() == Mode::Live && !self.source.is_ended()
    }

    fn mouse(&mut self, event: MouseEvent) -> io::Result<Option<Ending>> {
        if self.asks_to_quit || self.dialog.is_some() {
            return Ok(None);
        }
        if let Some(palette) = self.palette.take() {
            return self.mouse_in_palette(palette, event);
        }
        let area = self.screen.area()?;
        let position = Position::new(event.column, event.row);
        let step_at = |app: &App, position| views::step_at(app, area, position);
        let shift = event.modifiers.contains(KeyModifiers::SHIFT);
        let zooms = event.modifiers.contains(KeyModifiers::CONTROL) || views::is_on_timeline(area, position);
        let zoom = |app: &App, by| {
            vec![Command::Act(Action::ZoomAround(by, step_at(app, position).unwrap_or(app.step())))]
        };
        // Only what is zoomed can be moved; otherwise the cursor moves.
        let sideways = |app: &App, by| {
            let action = if app.range().is_some() { Action::PanQuarters(by) } else { Action::MoveStep(by) };
            vec![Command::Act(action)]
        };
        let commands = match event.kind {
            MouseEventKind::Down(MouseButton::Right | MouseButton::Middle) => {
                // On the timeline a step has its place, whatever the charts show.
                self.grabbed = Some(position).filter(|position| !views::is_on_timeline(area, *position));
                Vec::new()
            }
            MouseEventKind::Up(MouseButton::Right | MouseButton::Middle) => {
                self.grabbed = None;
                Vec::new()
            }
            MouseEventKind::Drag(MouseButton::Right | MouseButton::Middle) => {
                let from = self.grabbed.and_then(|grabbed| step_at(self.app, grabbed));
                let by = from.zip(step_at(self.app, position)).map(|(from, to)| from.0 as i64 - to.0 as i64);
                self.grabbed = self.grabbed.map(|grabbed| if by.is_some() { position } else { grabbed });
                by.map(|by| Command::Act(Action::Pan(by))).into_iter().collect()
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                views::click(self.app, area, position)
            }
            MouseEventKind::ScrollUp if zooms => zoom(self.app, 1),
            MouseEventKind::ScrollDown if zooms => zoom(self.app, -1),
            MouseEventKind::ScrollUp if shift => sideways(self.app, -1),
            MouseEventKind::ScrollDown if shift => sideways(self.app, 1),
            MouseEventKind::ScrollUp => vec![Command::Vertical(-1)],
            MouseEventKind::ScrollDown => vec![Command::Vertical(1)],
            MouseEventKind::ScrollLeft => sideways(self.app, -1),
            MouseEventKind::ScrollRight => sideways(self.app, 1),
            _ => Vec::new(),
        };
        self.obey_all(commands)
    }

    /// Carries out commands in order; actions without other commands are taken back together.
    fn obey_all(&mut self, commands: Vec<Command>) -> io::Result<Option<Ending>> {
        let action = |command: &Command| match command {
            Command::Act(action) => Some(*action),
            _ => None,
        };
        let actions: Option<Vec<Action>> = commands.iter().map(action).collect();
        if let Some(actions) = actions.filter(|actions| actions.len() > 1) {
            self.app.act_together(&actions);
            self.pacer.answer();
            return Ok(None);
        }
        for command in commands {
            if let Some(ending) = self.obey(command)? {
                return Ok(Some(ending));
            }
        }
        Ok(None)
    }

    fn show(&mut self, view: Option<ViewKind>) {
        if let Some(view) = view {
            self.act(Action::SelectView(view));
        }
    }

    fn act(&mut self, action: Action) {
        self.app.act(action);
        self.pacer.answer();
    }

    /// Looks up what the current view lacks.
    fn supply(&mut self) {
        views::supply(self.app, |app, needs| self.source.answer(app, needs));
    }

    fn redraw(&mut self) {
        self.pacer.answer();
        self.screen.forget();
    }

    /// Shows what is wrong in the settings: the first of it, since all of it was printed before.
    fn tell_problems(&mut self, problems: &[String]) {
        let Some(first) = problems.first() else { return };
        let more = if problems.len() > 1 { format!(" (1 of {})", problems.len()) } else { String::new() };
        self.notice = Some((format!("{first}{more}"), Instant::now() + LONG_NOTICE));
    }

    /// What the first key of a command is called.
    fn key_of(&self, command: Command) -> String {
        self.keymap.label(command, self.theme.is_ascii()).unwrap_or_else(|| "Ctrl-C".to_owned())
    }

    fn notify(&mut self, text: &str) {
        self.notice = Some((text.to_owned(), Instant::now() + NOTICE));
        self.pacer.answer();
    }
}

#[cfg(test)]
mod tests;
