//! A run in plain lines, for screen readers: a line for each change, and an answer to each line that is typed. Nothing is
//! drawn: no cursor moves, no colours, no frames.

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Select, TryRecvError, bounded};

use super::{Ending, Mode, Source};
use crate::app::{Action, App};
use crate::order::{LaneOrder, Order};
use crate::printable::printable;
use crate::runs_list::Line;
use crate::views::{self, COMMANDS, Changes, Command, Explaining, Keymap, Palette, Topic, Typed, Typing};

/// The longest wait for anything, so that signals are noticed.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often a view is asked again for what it lacks while that is being read, and how many times.
const READING: Duration = Duration::from_millis(20);
const READINGS: usize = 150;
/// The longest line that is read, in bytes; what is behind is dropped.
const LONGEST_LINE: u64 = 1_000;
/// The most lines that wait.
const WAITING: usize = 64;

/// What can be typed besides the names of commands.
const FORMS: &[&str] = &[
    "Enter: say the view again",
    "step 300, or +10, or -10: go to a step",
    "view findings, or only findings: show a view",
    "lane NAME, layer NAME, metric NAME, finding NAME: choose one; a part of a name is enough",
    "explain WORD: what a word or a number means; explain alone, what this view is about",
    RATE_FORM,
    NOTE_FORM,
    PROBE_FORM,
    "stop lane NAME: stop a lane with a checkpoint",
    "stop: stop training with a checkpoint, and leave",
    "quit: leave; training must have ended, or be stopped",
];

const RATE_FORM: &str = "rate 0.01, or rate x0.1: set or multiply the learning rate of every lane";
const NOTE_FORM: &str = "note WORDS: write a note into the log at this step";
const PROBE_FORM: &str =
    "probe lesion: measure with a probe before the next step; `skiplane keys` lists probes";

/// How an order is typed.
fn form(what: Typed) -> &'static str {
    match what {
        Typed::LearningRate => RATE_FORM,
        Typed::Note => NOTE_FORM,
        Typed::Probe => PROBE_FORM,
    }
}

/// The commands that only screens have.
macro_rules! of_screens {
    () => {
        Command::Detach
            | Command::Browse
            | Command::Redraw
            | Command::ToggleMouse
            | Command::ToggleGraphics
            | Command::FilterLayers
            | Command::FilterMetrics
            | Command::CopyFrame
            | Command::SaveView
            | Command::KeepLayout
            | Command::ForgetLayout
            | Command::Palette
            | Command::Count
            | Command::Repeat
            | Command::Choose(_)
            | Command::Press(_)
    };
}

/// Shows a run in lines until the user leaves or a signal comes. `input` is read in a thread of its own, `is_asked` says
/// whether a signal has asked for the end.
///
/// # Errors
/// If nothing can be written.
pub fn plain(
    app: &mut App,
    source: &mut dyn Source,
    input: impl BufRead + Send + 'static,
    out: &mut dyn Write,
    is_asked: &dyn Fn() -> Option<i32>,
) -> io::Result<Ending> {
    let lines = read(input)?;
    let changes = Changes::since(app);
    Plain { app, source, out, changes, said: Vec::new(), keymap: Keymap::default() }.run(&lines, is_asked)
}

/// The lines of an input, read in a thread; the channel closes at its end.
fn read(mut input: impl BufRead + Send + 'static) -> io::Result<Receiver<String>> {
    let (sender, receiver) = bounded(WAITING);
    let body = move || {
        loop {
            let mut line = Vec::new();
            let read = io::Read::take(&mut input, LONGEST_LINE).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) || sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("typed lines".to_owned()).spawn(body)?;
    Ok(receiver)
}

struct Plain<'a> {
    app: &'a mut App,
    source: &'a mut dyn Source,
    out: &'a mut dyn Write,
    changes: Changes,
    /// The lines of the view as they were said last.
    said: Vec<String>,
    keymap: Keymap,
}

impl Plain<'_> {
    fn run(&mut self, lines: &Receiver<String>, is_asked: &dyn Fn() -> Option<i32>) -> io::Result<Ending> {
        self.say_view()?;
        self.tell("`help` lists what can be typed")?;
        let (mut is_open, mut is_ended) = (true, self.source.is_ended());
        loop {
            if self.source.drain(self.app) {
                for line in self.changes.lines(self.app) {
                    self.tell(&line)?;
                }
            }
            self.source.collect(self.app);
            if let Some(problem) = self.source.problem() {
                self.tell(&format!("warning: {problem}"))?;
            }
            if self.source.is_ended() && !is_ended {
                is_ended = true;
                self.end()?;
            }
            match lines.try_recv() {
                Ok(line) => {
                    if let Some(ending) = self.obey_line(line.trim())? {
                        return Ok(ending);
                    }
                    continue;
                }
                Err(TryRecvError::Disconnected) => is_open = false,
                Err(TryRecvError::Empty) => {}
            }
            if let Some(signal) = is_asked() {
                return Ok(Ending::Signal(signal));
            }
            if !is_open && is_ended {
                return Ok(Ending::Left);
            }
            self.wait(is_open.then_some(lines), is_ended);
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self, lines: Option<&Receiver<String>>, is_ended: bool) {
        let mut select = Select::new();
        if let Some(lines) = lines {
            select.recv(lines);
        }
        if !is_ended {
            self.source.watch(&mut select);
        }
        let poll = self.source.poll_every().unwrap_or(PATIENCE).min(PATIENCE);
        // Timeouts need no handling: the loop checks everything anyway.
        _ = select.ready_timeout(poll);
    }

    /// Tells that no more events will come.
    fn end(&mut self) -> io::Result<()> {
        self.app.sources_ended();
        for line in self.changes.lines(self.app) {
            self.tell(&line)?;
        }
        self.tell("the run has ended; `quit` leaves")
    }

    fn obey_line(&mut self, line: &str) -> io::Result<Option<Ending>> {
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match (verb, rest) {
            ("", _) => self.say_view()?,
            ("help", _) => self.help()?,
            ("explain", "") => self.explain(Explaining::of_view(self.app).topic())?,
            ("explain", words) => {
                let mut explaining = Explaining::of_view(self.app);
                words.chars().for_each(|c| explaining.insert(c));
                self.explain(explaining.topic())?;
            }
            ("rate", _) => self.order_typed(Typed::LearningRate, rest)?,
            ("note", _) => self.order_typed(Typed::Note, rest)?,
            ("probe", _) => self.order_typed(Typed::Probe, rest)?,
            ("stop", "") if self.is_training() => return Ok(Some(Ending::Stop)),
            ("stop", words) if words.starts_with("lane ") => self.stop_lane(words["lane ".len()..].trim())?,
            ("quit", "") => return self.quit(),
            _ => match self.meant(line) {
                Some(commands) => return self.obey_all(commands),
                None => self.tell(&format!("not understood: {line}; `help` lists what can be typed"))?,
            },
        }
        Ok(None)
    }

    /// The commands that a line means: those of its name, or those that the palette finds for a kind and a name.
    fn meant(&self, line: &str) -> Option<Vec<Command>> {
        let name = line.to_lowercase().replace([' ', '-'], "_");
        if let Some(command) = views::command_named(&name) {
            return Some(vec![command]);
        }
        if let Some(kind) = views::kind_named(line) {
            return Some(vec![Command::Act(Action::SelectView(kind))]);
        }
        let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let typed = match kind {
            "step" => rest.trim(),
            "statistic" => return self.found(&format!("metric {rest}")),
            "view" | "lane" | "layer" | "metric" | "finding" | "run" if !rest.is_empty() => line,
            _ if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) => line,
            _ => return None,
        };
        self.found(typed)
    }

    fn found(&self, typed: &str) -> Option<Vec<Command>> {
        let mut palette = Palette::default();
        typed.chars().for_each(|c| palette.insert(c));
        Some(palette.commands(self.app, &self.keymap)).filter(|commands| !commands.is_empty())
    }

    fn obey_all(&mut self, commands: Vec<Command>) -> io::Result<Option<Ending>> {
        let view = self.app.options().view;
        for command in commands {
            if let Some(ending) = self.obey(command)? {
                return Ok(Some(ending));
            }
        }
        if self.app.options().view == view {
            self.say_changes()?
        } else {
            self.say_view()?
        }
        Ok(None)
    }

    fn obey(&mut self, command: Command) -> io::Result<Option<Ending>> {
        match command {
            Command::Act(Action::ToggleHelp) => self.help()?,
            Command::Act(action) => self.app.act(action),
            Command::View(_) | Command::TurnView(_) | Command::Vertical(_) | Command::HideLane => {
                views::action_of(self.app, command).into_iter().for_each(|action| self.app.act(action));
            }
            Command::Explain => self.explain(Explaining::of_view(self.app).topic())?,
            Command::ExplainTopic(topic) => self.explain(Some(topic))?,
            Command::CopyValue => {
                let value = views::value_at_cursor(self.app);
                self.tell(value.as_deref().unwrap_or("nothing was measured at the cursor"))?;
            }
            Command::Pause if self.app.is_idle() => self.order(Order::Resume, "resuming")?,
            Command::Pause => self.order(Order::Pause, "pausing after this step")?,
            Command::Checkpoint => self.order(Order::Checkpoint, "checkpoint requested")?,
            Command::MakeStep => self.order(Order::Step(std::num::NonZeroU64::MIN), "making one step")?,
            Command::StopLane => self.tell("which one? `stop lane NAME` stops it")?,
            Command::Quit => return self.quit(),
            Command::Type(what) => self.tell(&format!("`{}`", form(what)))?,
            of_screens!() => self.tell("only on the dashboard")?,
        }
        Ok(None)
    }

    fn is_training(&self) -> bool {
        self.source.mode() == Mode::Live && !self.source.is_ended()
    }

    fn quit(&mut self) -> io::Result<Option<Ending>> {
        if !self.is_training() {
            return Ok(Some(Ending::Left));
        }
        self.tell("training is still running; `stop` stops it with a checkpoint and leaves")?;
        Ok(None)
    }

    fn stop_lane(&mut self, name: &str) -> io::Result<()> {
        match self.app.lanes().iter().find(|lane| lane.name() == name) {
            Some(lane) => {
                let order = Order::StopLane.for_lane(lane.name());
                self.order(order, "this lane stops with a checkpoint")
            }
            None => self.tell(&format!("no lane is called {name}")),
        }
    }

    /// Gives an order in a line, to every lane.
    fn order_typed(&mut self, what: Typed, line: &str) -> io::Result<()> {
        if line.is_empty() {
            return self.tell(form(what));
        }
        let typing = Typing { line: Line::new(line), ..Typing::new(what) };
        match typing.order() {
            Ok(order) => {
                let taken = format!("{order}: after this step");
                self.order(LaneOrder { order, lane: None }, &taken)
            }
            Err(problem) => self.tell(&problem),
        }
    }

    fn order(&mut self, order: impl Into<LaneOrder>, taken: &str) -> io::Result<()> {
        match self.source.order(&order.into()) {
            Ok(()) => self.tell(taken),
            Err(reason) => self.tell(&reason),
        }
    }

    fn explain(&mut self, topic: Option<Topic>) -> io::Result<()> {
        let lines = topic.map(views::explanation).unwrap_or_else(|| vec!["nothing of this name".to_owned()]);
        lines.iter().try_for_each(|line| self.tell(line))
    }

    fn help(&mut self) -> io::Result<()> {
        FORMS.iter().try_for_each(|form| self.tell(form))?;
        let can = |command: &Command| {
            !matches!(
                command,
                of_screens!()
                    | Command::Type(_)
                    | Command::Act(Action::SetTour(_) | Action::OpenGoTo | Action::Dismiss)
            )
        };
        for named in COMMANDS.iter().filter(|named| can(&named.command)) {
            self.tell(&format!("{}: {}", named.name.replace('_', " "), named.what))?;
        }
        Ok(())
    }

    /// Says the whole view.
    fn say_view(&mut self) -> io::Result<()> {
        self.said = self.view();
        let lines = self.said.clone();
        lines.iter().try_for_each(|line| self.tell(line))
    }

    /// Says the lines of the view that are not as they were said last.
    fn say_changes(&mut self) -> io::Result<()> {
        let now = self.view();
        let before = std::mem::replace(&mut self.said, now);
        let lines: Vec<String> = self.said.iter().filter(|line| !before.contains(line)).cloned().collect();
        lines.iter().try_for_each(|line| self.tell(line))
    }

    /// The view in lines, with what it lacks looked up.
    fn view(&mut self) -> Vec<String> {
        for _ in 0..READINGS {
            views::supply(self.app, |app, needs| self.source.answer(app, needs));
            self.source.collect(self.app);
            if views::needs(self.app).is_empty() {
                break;
            }
            thread::sleep(READING);
        }
        views::told(self.app)
    }

    fn tell(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", printable(line))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::tui::Saved;

    fn session(app: &mut App, typed: &str) -> (String, Ending) {
        let mut out = Vec::new();
        let input = io::Cursor::new(typed.to_owned().into_bytes());
        let ending = plain(app, &mut Saved::default(), input, &mut out, &|| None).unwrap();
        (String::from_utf8(out).unwrap(), ending)
    }

    #[test]
    fn lines_move_the_cursor_and_what_changed_is_said() {
        let mut app = specimen::plain_beside_residual();
        let (text, ending) = session(&mut app, "step 100\nview heatmap\nlayer linear\nnext lane\nfindings\n");
        assert_eq!(ending, Ending::Left);
        assert_eq!(app.step().0, 100);
        assert_eq!(app.options().view.map(|view| view.name), Some("findings"));
        assert_eq!(app.selected_lane().0, 1);
        assert!(text.contains("overview, ") && text.contains("step 100 of 300; lane plain"), "{text}");
        assert!(text.contains("; layer linear"), "{text}");
        assert!(!text.contains("not understood"), "{text}");
    }

    #[test]
    fn nothing_that_is_written_moves_a_cursor_or_draws() {
        let mut app = specimen::one_diverged();
        let all: String = COMMANDS
            .iter()
            .filter(|named| named.name != "quit")
            .map(|named| named.name.to_owned() + "\n")
            .collect();
        let (text, _) = session(&mut app, &(all + "say \u{1b}[2J\nhelp\nexplain update ratio\n"));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(text.chars().all(|c| !('\u{2500}'..='\u{28ff}').contains(&c)), "{text}");
        assert!(text.contains("not understood: say "), "{text}");
        assert!(text.contains("update ratio, metric") && text.contains("normal: About 1e-3."), "{text}");
    }

    #[test]
    fn the_end_of_the_input_or_quitting_leaves_and_orders_need_a_run() {
        let mut app = specimen::plain_beside_residual();
        let (text, ending) = session(&mut app, "pause\nquit\nstep 5\n");
        assert_eq!((ending, app.step().0), (Ending::Left, 300));
        assert!(text.contains("no training to give orders to"), "{text}");
        assert_eq!(session(&mut app, "").1, Ending::Left);
        let (text, _) = session(
            &mut app,
            "rate x0\nrate x0.1\nnote\nnote two words\nprobe lesion\nprobe\nlearning rate\n",
        );
        assert_eq!(text.matches("no training to give orders to").count(), 3, "{text}");
        assert!(text.contains("expected") && text.contains(NOTE_FORM) && text.contains(PROBE_FORM), "{text}");
        assert_eq!(text.matches(RATE_FORM).count(), 1, "{text}");
    }
}
