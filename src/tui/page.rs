//! The one loop of all screens: waits for input, for news or for the time of the next frame, handles everything pending,
//! then draws once, and only if something changed.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select};
use crossterm::event::{Event, KeyEvent, MouseEvent};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGTSTP};

use super::Ending;
use super::input::Input;
use super::pacer::{FRAME, Pacer};
use super::screen::Screen;
use crate::config;

/// The longest wait, in case a change was missed.
const IDLE: Duration = Duration::from_secs(5);

/// A screen of its own, such as the dashboard: what the loop asks of it.
pub(super) trait Page<'d> {
    /// How it is left.
    type Outcome;

    /// What it shares with the loop.
    fn desk(&self) -> &Desk<'d>;

    /// As [`Page::desk`].
    fn desk_mut(&mut self) -> &mut Desk<'d>;

    /// Takes in what has happened elsewhere, and what time does.
    fn fold(&mut self, now: Instant) -> io::Result<()>;

    /// Handles a key.
    fn key(&mut self, key: KeyEvent) -> io::Result<Option<Self::Outcome>>;

    /// Handles the mouse.
    fn mouse(&mut self, mouse: MouseEvent) -> io::Result<Option<Self::Outcome>>;

    /// Draws a frame, and returns its size in bytes; called when one is due.
    fn draw(&mut self, now: Instant) -> io::Result<usize>;

    /// Adds what it waits for to a selection. While a frame is to come, news may wait for it, to be folded together.
    fn watch<'s>(&'s self, select: &mut Select<'s>, frame_comes: bool);

    /// How soon it folds again, if nothing comes.
    fn wakes(&self) -> Option<Duration> {
        None
    }

    /// What leaving it without the user's choice is.
    fn left(ending: Ending) -> Self::Outcome;
}

/// What every page needs: the screen, when to draw, and a notice.
pub(super) struct Desk<'a> {
    pub(super) screen: &'a mut dyn Screen,
    pub(super) pacer: Pacer,
    pub(super) notice: Notice,
}

/// A text that is shown for some time.
#[derive(Debug, Default)]
pub(super) struct Notice(Option<(String, Instant)>);

impl Notice {
    /// The text; none if there is none.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|(text, _)| text.as_str())
    }

    /// How long it still stays.
    fn stays(&self, now: Instant) -> Option<Duration> {
        self.0.as_ref().map(|(_, until)| until.saturating_duration_since(now))
    }
}

impl<'a> Desk<'a> {
    /// A desk whose first frame is due.
    pub(super) fn new(screen: &'a mut dyn Screen, settings: config::Screen) -> Desk<'a> {
        let mut pacer = Pacer::new(settings.budget).calm(settings.reduced_motion);
        pacer.change();
        Desk { screen, pacer, notice: Notice::default() }
    }

    /// Shows a notice for some time.
    pub(super) fn notify(&mut self, text: &str, stays: Duration) {
        self.notice = Notice(Some((text.to_owned(), Instant::now() + stays)));
        self.pacer.answer();
    }

    /// Removes the notice.
    pub(super) fn forget_notice(&mut self) {
        if self.notice.0.take().is_some() {
            self.pacer.change();
        }
    }
}

/// Shows a page until the user leaves it or a signal comes.
pub(super) fn run<'d, P: Page<'d>>(page: &mut P, inputs: &Receiver<Input>) -> io::Result<P::Outcome> {
    loop {
        page.fold(Instant::now())?;
        while let Ok(input) = inputs.try_recv() {
            if let Some(outcome) = take(page, input)? {
                return Ok(outcome);
            }
        }
        let now = Instant::now();
        if page.desk().notice.stays(now) == Some(Duration::ZERO) {
            page.desk_mut().forget_notice();
        }
        let is_ready = page.desk().screen.is_ready()?;
        if is_ready && page.desk().pacer.is_due(now) {
            let desk = page.desk_mut();
            desk.screen.set_fidelity(desk.pacer.fidelity());
            desk.pacer.drawn(now);
            let bytes = page.draw(now)?;
            let desk = page.desk_mut();
            desk.pacer.sent(now, bytes, desk.screen.is_exact());
        }
        wait(page, inputs, is_ready);
    }
}

/// Sleeps until there is something to do.
fn wait<'d, P: Page<'d>>(page: &P, inputs: &Receiver<Input>, is_ready: bool) {
    let now = Instant::now();
    let desk = page.desk();
    // A screen that is not ready for the next frame signals when it is; news are folded meanwhile.
    let frame = if is_ready { desk.pacer.wait(now) } else { Some(FRAME) };
    let longest = [frame, desk.notice.stays(now), page.wakes()].into_iter().flatten().min().unwrap_or(IDLE);
    let mut select = Select::new();
    select.recv(inputs);
    if !is_ready {
        desk.screen.watch(&mut select);
    }
    page.watch(&mut select, !is_ready || desk.pacer.is_changed());
    // Timeouts need no handling: the loop checks everything anyway.
    _ = select.ready_timeout(longest);
}

/// Handles an input.
pub(super) fn take<'d, P: Page<'d>>(page: &mut P, input: Input) -> io::Result<Option<P::Outcome>> {
    match input {
        Input::Terminal(Event::Key(key)) => page.key(key),
        Input::Terminal(Event::Mouse(mouse)) => page.mouse(mouse),
        Input::Terminal(Event::Resize(..)) => {
            let desk = page.desk_mut();
            // Even if the size is the old one by now, what was outside in between is lost.
            desk.screen.forget();
            desk.pacer.answer();
            Ok(None)
        }
        Input::Terminal(_) => Ok(None),
        Input::Learnt => {
            page.desk_mut().pacer.answer();
            Ok(None)
        }
        Input::Signal(signal @ (SIGTSTP | SIGCONT)) => {
            let desk = page.desk_mut();
            if signal == SIGTSTP {
                desk.screen.suspend()?
            } else {
                desk.screen.resume()?
            }
            desk.pacer.answer();
            Ok(None)
        }
        Input::Signal(SIGHUP) => Ok(Some(P::left(Ending::Lost))),
        Input::Signal(signal) => Ok(Some(P::left(Ending::Signal(signal)))),
        Input::Lost(error) => Err(error),
    }
}
