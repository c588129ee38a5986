//! The dashboard: folds the events of a run, takes keys and the mouse, and draws the shown view with what lies over it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::Select;
use crossterm::event::{KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::graphics::Protocol;
use super::input::key_of;
use super::pacer::{Cost, Playhead};
use super::page::{Desk, Page};
use super::screen::{Drawing, Screen};
use super::source::{Mode, Source};
use super::{Ending, Setup};
use crate::app::{Action, App, NameFilter};
use crate::config::{Layouts, Notify};
use crate::order::Order;
use crate::runs_list::Line;
use crate::theme::Theme;
use crate::views::{self, Command, Dialog, Explaining, Filtered, Hits, Key, Keymap, Palette, Status};

mod counting;
mod dialogs;
mod giving;
mod orders;
mod tour;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(4);
/// Shown from the order to pause until every lane has paused.
const PAUSING: &str = "pausing after this step";
/// How long those about the settings stay.
const LONG_NOTICE: Duration = Duration::from_secs(12);

/// Its state, besides the app.
pub(super) struct Dashboard<'a> {
    app: &'a mut App,
    source: &'a mut dyn Source,
    desk: Desk<'a>,
    theme: &'a Theme,
    keymap: &'a Keymap,
    notify: Notify,
    /// The user's filters of layers, by name.
    filters: &'a [(String, NameFilter)],
    layouts: &'a Layouts,
    playhead: Playhead,
    cost: Cost,
    /// The open dialogs; the last one lies on top and takes keys and mouse.
    dialogs: Vec<Dialog>,
    /// What the mouse does in the frame that is on the screen.
    hits: Hits,
    /// Where a chart was grabbed with the mouse: the step there stays under the mouse while it is dragged.
    grabbed: Option<Position>,
    /// The folder in which views are saved.
    saves_to: PathBuf,
    end_was_folded: bool,
    /// The count that was typed for the next key.
    count: Option<u32>,
    /// The last command that can be repeated, and how many times it was carried out.
    last: Option<(Command, u32)>,
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
        let criticals = giving::criticals(app);
        let mut dashboard = Dashboard {
            app,
            source,
            desk: Desk::new(screen, setup.config.screen),
            theme: &setup.theme,
            keymap: &setup.config.keymap,
            notify: setup.config.notify,
            filters: &setup.config.filters,
            layouts: &setup.layouts,
            playhead: Playhead::default(),
            cost: Cost::default(),
            dialogs: Vec::new(),
            hits: Hits::default(),
            grabbed: None,
            saves_to: PathBuf::from("."),
            end_was_folded,
            count: None,
            last: None,
            criticals,
        };
        dashboard.take_layout();
        dashboard.tell_problems(&setup.config.problems);
        dashboard
    }

    /// Folds all pending events.
    fn fold_events(&mut self) -> io::Result<()> {
        let mut folded = self.source.drain(self.app);
        if self.source.collect(self.app) {
            self.desk.pacer.answer();
        }
        let ended = self.source.is_ended();
        if ended && !self.end_was_folded {
            self.app.sources_ended();
            // Nothing is left to stop or to give orders to.
            self.dialogs.retain(|dialog| !dialog.is_of_training());
            folded = true;
            self.tell_end()?;
        }
        // A followed run that has ended may be resumed, and end again.
        self.end_was_folded = ended;
        if folded {
            self.desk.pacer.change();
            if self.desk.notice.text() == Some(PAUSING) && self.app.is_idle() {
                self.desk.forget_notice();
            }
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
            self.desk.pacer.change();
        }
    }

    /// Handles a pressed or clicked key.
    fn press(&mut self, key: Key) -> io::Result<Option<Ending>> {
        if let Some(dialog) = self.dialogs.pop() {
            return self.in_dialog(dialog, key);
        }
        if self.app.options().go_to.is_some() && self.prompt(key) {
            return Ok(None);
        }
        if self.in_tour(key) {
            return Ok(None);
        }
        if let Some(count) = self.count.take() {
            return self.in_count(count, key);
        }
        match self.keymap.command(key) {
            None => Ok(None),
            Some(Command::Count) => {
                self.begin_count(key);
                Ok(None)
            }
            Some(command) => self.obey_counted(command, None),
        }
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
        self.tour_sees(command);
        match command {
            Command::Act(action) => self.act(action),
            Command::View(_) | Command::TurnView(_) | Command::Vertical(_) | Command::HideLane => {
                if let Some(action) = views::action_of(self.app, command) {
                    self.act(action);
                }
            }
            Command::Pause => self.pause(),
            Command::Checkpoint => self.order(Order::Checkpoint, "checkpoint requested"),
            Command::MakeStep => self.make_step(),
            Command::Type(what) => self.open_typing(what),
            Command::StopLane => self.ask_to_stop_lane(),
            Command::Redraw => self.redraw(),
            Command::ToggleMouse => self.toggle_mouse(),
            Command::ToggleGraphics => self.toggle_graphics(),
            Command::CopyValue => self.copy_value()?,
            Command::CopyFrame => self.copy_frame()?,
            Command::SaveView => self.save_view()?,
            Command::KeepLayout => self.keep_layout(),
            Command::ForgetLayout => self.forget_layout(),
            Command::FilterLayers => self.open_filter(Filtered::Layers),
            Command::FilterMetrics => self.open_filter(Filtered::Metrics),
            // Chosen without a key, it has no digit.
            Command::Count => self.begin_count(Key::Enter),
            Command::Repeat => return self.obey_counted(command, None),
            Command::Palette => self.open(Dialog::Palette(Palette::default())),
            Command::Choose(place) => return self.choose(place),
            Command::Press(key) => return self.press(key),
            Command::Explain => self.open(Dialog::Explain(Explaining::of_view(self.app))),
            Command::ExplainTopic(topic) => {
                self.open(Dialog::Explain(Explaining::of_topic(self.app, topic)));
            }
            Command::Detach if self.is_training() => return Ok(Some(Ending::Detach)),
            Command::Detach if self.source.mode() == Mode::Live => {
                self.notify(&format!("the run is over; {} quits", self.key_of(Command::Quit)));
            }
            Command::Detach => return Ok(Some(Ending::Left)),
            Command::Quit if self.is_training() => self.open(Dialog::Leave(self.source.leaving())),
            Command::Quit => return Ok(Some(Ending::Left)),
            // While training, leaving first asks a question.
            Command::Browse if self.source.mode() == Mode::Live => {
                self.notify(&format!("{} quits; then `skiplane runs`", self.key_of(Command::Quit)))
            }
            Command::Browse => return Ok(Some(Ending::Browse)),
        }
        Ok(None)
    }

    fn open_filter(&mut self, what: Filtered) {
        let shown = what.filter(self.app).map_or("", |filter| filter.pattern());
        self.open(Dialog::Filter(what, Line::new(shown)));
    }

    /// Whether training would go on after leaving.
    fn is_training(&self) -> bool {
        self.source.mode() == Mode::Live && !self.source.is_ended()
    }

    /// The commands of what the mouse does.
    fn clicked(&mut self, event: MouseEvent) -> Vec<Command> {
        let position = Position::new(event.column, event.row);
        if let Some(dialog) = self.dialogs.last() {
            return match event.kind {
                MouseEventKind::Down(MouseButton::Left) => self.hits.click(self.app, position),
                MouseEventKind::ScrollUp if dialog.scrolls() => vec![Command::Press(Key::Up)],
                MouseEventKind::ScrollDown if dialog.scrolls() => vec![Command::Press(Key::Down)],
                _ => Vec::new(),
            };
        }
        let shift = event.modifiers.contains(KeyModifiers::SHIFT);
        let on_timeline = self.hits.is_on_timeline(position);
        let zooms = event.modifiers.contains(KeyModifiers::CONTROL) || on_timeline;
        let zoom = |by| {
            let step = self.hits.step(self.app, position).unwrap_or(self.app.step());
            vec![Command::Act(Action::ZoomAround(by, step))]
        };
        let on_values = event.modifiers.contains(KeyModifiers::ALT);
        let zoom_values = |by| {
            let place = |plot: Rect| 100 * u32::from(plot.bottom() - position.y) / u32::from(plot.height);
            let percent = self.hits.plot(position).map_or(50, |plot| place(plot) as u8);
            vec![Command::Act(Action::ZoomValues(by, percent))]
        };
        // Only what is zoomed can be moved; otherwise the cursor moves.
        let sideways = |by| {
            let is_zoomed = self.app.range().is_some();
            vec![Command::Act(if is_zoomed { Action::PanQuarters(by) } else { Action::MoveStep(by) })]
        };
        match event.kind {
            MouseEventKind::Down(MouseButton::Right | MouseButton::Middle) => {
                // On the timeline a step has its place, whatever the charts show.
                self.grabbed = Some(position).filter(|_| !on_timeline);
                Vec::new()
            }
            MouseEventKind::Up(MouseButton::Right | MouseButton::Middle) => {
                self.grabbed = None;
                Vec::new()
            }
            MouseEventKind::Drag(MouseButton::Right | MouseButton::Middle) => {
                let from = self.grabbed.and_then(|grabbed| self.hits.step(self.app, grabbed));
                let by = from
                    .zip(self.hits.step(self.app, position))
                    .map(|(from, to)| from.0 as i64 - to.0 as i64);
                let plot = self.grabbed.and_then(|grabbed| self.hits.plot(grabbed));
                let up =
                    plot.zip(self.grabbed).filter(|_| self.app.part().is_some()).map(|(plot, grabbed)| {
                        100 * (i64::from(position.y) - i64::from(grabbed.y)) / i64::from(plot.height)
                    });
                self.grabbed = self.grabbed.map(|grabbed| if by.is_some() { position } else { grabbed });
                let moves = [by.map(Action::Pan), up.map(Action::PanValues)];
                moves.into_iter().flatten().map(Command::Act).collect()
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                self.hits.click(self.app, position)
            }
            MouseEventKind::ScrollUp if zooms => zoom(1),
            MouseEventKind::ScrollDown if zooms => zoom(-1),
            MouseEventKind::ScrollUp if on_values => zoom_values(2),
            MouseEventKind::ScrollDown if on_values => zoom_values(-2),
            MouseEventKind::ScrollUp if shift => sideways(-1),
            MouseEventKind::ScrollDown if shift => sideways(1),
            MouseEventKind::ScrollUp => vec![Command::Vertical(-1)],
            MouseEventKind::ScrollDown => vec![Command::Vertical(1)],
            MouseEventKind::ScrollLeft => sideways(-1),
            MouseEventKind::ScrollRight => sideways(1),
            _ => Vec::new(),
        }
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
            self.desk.pacer.answer();
            return Ok(None);
        }
        for command in commands {
            if let Some(ending) = self.obey(command)? {
                return Ok(Some(ending));
            }
        }
        Ok(None)
    }

    fn act(&mut self, action: Action) {
        self.app.act(action);
        self.desk.pacer.answer();
    }

    /// Looks up what the current view lacks.
    fn supply(&mut self) {
        views::supply(self.app, |app, needs| self.source.answer(app, needs));
    }

    fn redraw(&mut self) {
        self.desk.pacer.answer();
        self.desk.screen.forget();
    }

    fn toggle_mouse(&mut self) {
        let key = self.key_of(Command::ToggleMouse);
        match self.desk.screen.toggle_mouse() {
            true => self.notify("the mouse works here again"),
            false => self.notify(&format!("the mouse selects text; {key} takes it back")),
        }
    }

    fn toggle_graphics(&mut self) {
        let key = self.key_of(Command::ToggleGraphics);
        match self.desk.screen.toggle_graphics() {
            Drawing::Blocks => self.notify(&format!("pictures are drawn in cells; {key} changes that")),
            Drawing::By(Protocol::Kitty) => self.notify("the terminal draws pictures: kitty graphics"),
            Drawing::By(Protocol::Sixel) => self.notify("the terminal draws pictures: sixels"),
            Drawing::Unknown => self.notify("this terminal has not said that it draws pictures"),
        }
    }

    /// Shows what is wrong in the settings: the first of it, since all of it was printed before.
    fn tell_problems(&mut self, problems: &[String]) {
        let Some(first) = problems.first() else { return };
        let more = if problems.len() > 1 { format!(" (1 of {})", problems.len()) } else { String::new() };
        self.desk.notify(&format!("{first}{more}"), LONG_NOTICE);
    }

    /// What the first key of a command is called.
    fn key_of(&self, command: Command) -> String {
        self.keymap.label(command, self.theme.is_ascii()).unwrap_or_else(|| "Ctrl-C".to_owned())
    }

    fn notify(&mut self, text: &str) {
        self.desk.notify(text, NOTICE);
    }
}

impl<'d> Page<'d> for Dashboard<'d> {
    type Outcome = Ending;

    fn desk(&self) -> &Desk<'d> {
        &self.desk
    }

    fn desk_mut(&mut self) -> &mut Desk<'d> {
        &mut self.desk
    }

    fn fold(&mut self, now: Instant) -> io::Result<()> {
        self.fold_events()?;
        self.play(now);
        Ok(())
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Ending>> {
        key_of(event).map_or(Ok(None), |key| self.press(key))
    }

    fn mouse(&mut self, event: MouseEvent) -> io::Result<Option<Ending>> {
        let commands = self.clicked(event);
        self.obey_all(commands)
    }

    fn draw(&mut self, now: Instant) -> io::Result<usize> {
        // Once per frame rather than per key: most keys are followed by others before anything is drawn.
        self.supply();
        self.cost.begin(now, self.desk.screen.written());
        let cost = self.cost.text(now, self.source.conflated());
        let progress = self.source.progress(self.app);
        let status = Status {
            notice: self.desk.notice.text(),
            cost: cost.as_deref(),
            progress: progress.as_deref(),
            dialogs: &self.dialogs,
            keymap: Some(self.keymap),
        };
        let (app, theme, hits) = (&*self.app, self.theme, &mut self.hits);
        // Panics as a view might, if a test of a debug build asks for it, with the given message.
        #[cfg(debug_assertions)]
        if let Ok(words) = std::env::var("SKIPLANE_DRAWING_PANICS") {
            panic!("{words}");
        }
        let draw = &mut |area, buffer: &mut _| {
            let drawn = views::draw_scene(app, &status, area, buffer, theme);
            *hits = drawn.hits;
            drawn.graphics
        };
        let bytes = self.desk.screen.paint(draw)?;
        self.cost.end(now.elapsed());
        Ok(bytes)
    }

    fn watch<'s>(&'s self, select: &mut Select<'s>, frame_comes: bool) {
        self.source.watch_answers(select);
        if !frame_comes && !self.source.is_ended() {
            self.source.watch(select);
        }
    }

    fn wakes(&self) -> Option<Duration> {
        let playing = self.app.options().playback.playing.then_some(self.desk.pacer.frame());
        [playing, self.source.poll_every()].into_iter().flatten().min()
    }

    fn left(ending: Ending) -> Ending {
        ending
    }
}

#[cfg(test)]
mod tests;
