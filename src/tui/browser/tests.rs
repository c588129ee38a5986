//! Tests of the loop with a screen and a stock in memory: keys in, frames out.

use crossbeam_channel::{Receiver, bounded, unbounded};
use crossterm::event::{Event, KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::runlog::Listed;
use crate::runs_list::specimen;
use crate::theme::{Background, Characters, Colors};
use crate::tui::input::Input;
use crate::tui::page;
use crate::tui::screen::Render;

struct Memory(Buffer);

impl Screen for Memory {
    fn area(&self) -> io::Result<Rect> {
        Ok(self.0.area)
    }

    fn paint(&mut self, render: &mut Render<'_>) -> io::Result<usize> {
        self.0.reset();
        render(self.0.area, &mut self.0);
        Ok(0)
    }

    fn tell(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) {}
}

/// A stock that records what was done to it.
struct Remembering {
    found: Receiver<Found>,
    done: Vec<String>,
}

impl Stock for Remembering {
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(&self.found);
    }

    fn drain(&mut self, fold: &mut dyn FnMut(Found)) {
        self.found.try_iter().for_each(fold);
    }

    fn want_curves(&mut self, ids: Vec<String>) -> bool {
        self.done.push(format!("curves {}", ids.join(" ")));
        true
    }

    fn write(&mut self, id: &str, notes: &Notes) -> Result<Option<Listed>, String> {
        self.done.push(format!("write {id} [{}] [{}]", notes.note(), notes.tags().join(" ")));
        Err("a disk full of notes\x1b[31m".to_owned())
    }

    fn discard(&mut self, id: &str) -> Result<Discarded, String> {
        self.done.push(format!("discard {id}"));
        Ok(Discarded { id: id.to_owned(), name: id.to_owned() })
    }

    fn restore(&mut self, run: &Discarded) -> Result<Option<Listed>, String> {
        self.done.push(format!("restore {}", run.id));
        Ok(specimen::runs().into_iter().find(|listed| listed.id == run.id))
    }
}

fn key(code: KeyCode) -> Input {
    Input::Terminal(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Text as keys: `\n` is Enter, `\x1b` is Escape.
fn keys(text: &str) -> Vec<Input> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        c => KeyCode::Char(c),
    };
    text.chars().map(|c| key(code(c))).collect()
}

struct Outcome {
    choice: Choice,
    list: RunsList,
    done: Vec<String>,
    /// The screen as it was drawn last.
    text: String,
}

/// Runs the specimens with these inputs, then waits for a frame, then presses `q`.
fn browse(inputs: Vec<Input>) -> Outcome {
    let mut list = RunsList::new();
    let (found, receiver) = unbounded();
    found.send(Found::Time(specimen::DAY)).unwrap();
    found.send(Found::Runs(specimen::runs())).unwrap();
    found.send(Found::Complete(Ok(()))).unwrap();
    let mut stock = Remembering { found: receiver, done: Vec::new() };
    let mut screen = Memory(Buffer::empty(Rect::new(0, 0, 100, 40)));
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
    let setup = Setup { theme, ..Setup::default() };
    let (sender, receiver) = bounded(1_000);
    let user = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        // Anything open is closed first.
        keys("\x1b\x1bq").into_iter().for_each(|input| drop(sender.send(input)));
        sender
    });
    let mut browser = Browser::new(&mut list, &mut stock, &mut screen, &setup);
    browser.fold(Instant::now()).unwrap();
    // Each input after a frame, as a user gives it.
    let left = inputs.into_iter().find_map(|input| {
        browser.draw(Instant::now()).unwrap();
        page::take(&mut browser, input).unwrap()
    });
    let choice = left.unwrap_or_else(|| page::run(&mut browser, &receiver).unwrap());
    drop(user.join().unwrap());
    let width = usize::from(screen.0.area.width);
    let row =
        |cells: &[ratatui::buffer::Cell]| cells.iter().map(|cell| cell.symbol()).collect::<String>() + "\n";
    let text = screen.0.content().chunks(width).map(row).collect();
    drop(found);
    Outcome { choice, list, done: stock.done, text }
}

#[test]
fn runs_are_filtered_marked_and_opened() {
    let outcome = browse(keys("/depth=56 loss<0.08\n  \n"));
    let ids = ["20261123-070000-depth", "20261123-071000-depth"].map(str::to_owned).to_vec();
    assert_eq!(outcome.choice, Choice::Open(ids));
}

#[test]
fn letters_are_text_while_a_line_is_typed() {
    let outcome = browse(keys("/q D\x1bq"));
    assert_eq!(outcome.choice, Choice::Leave(Ending::Left));
    assert!(outcome.list.filter().is_everything() && outcome.done.is_empty());
}

#[test]
fn a_deletion_is_asked_for_done_and_taken_back() {
    let id = "20261123-070000-depth";
    let outcome = browse(keys("/070000\nDn"));
    assert_eq!(outcome.done, [""; 0]);
    let outcome = browse(keys("/070000\nDy"));
    assert_eq!(outcome.done, [format!("discard {id}")]);
    assert!(outcome.list.run(id).is_none());
    let outcome = browse(keys("/070000\nD\nu"));
    assert_eq!(outcome.done, [format!("discard {id}"), format!("restore {id}")]);
    assert!(outcome.list.run(id).is_some() && !outcome.list.can_undo());
}

#[test]
fn notes_and_tags_are_handed_on_and_what_went_wrong_is_said() {
    let outcome = browse(keys("/072000\nn!\nt new\n"));
    let id = "20261123-072000-depth";
    let expected = [
        format!("write {id} [the seed with the dip!] [baseline paper]"),
        format!("write {id} [the seed with the dip] [baseline new paper]"),
    ];
    assert_eq!(outcome.done, expected);
}

#[test]
fn curves_are_asked_for_when_they_are_to_be_seen() {
    let outcome = browse(keys("/070000\nb"));
    assert_eq!(outcome.done, ["curves 20261123-070000-depth"]);
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Input {
    Input::Terminal(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

fn click(column: u16, row: u16) -> Input {
    mouse(MouseEventKind::Down(MouseButton::Left), column, row)
}

#[test]
fn two_clicks_on_a_run_open_it_whatever_is_marked() {
    let mut inputs = keys(" ");
    inputs.extend([click(20, 12), mouse(MouseEventKind::Up(MouseButton::Left), 20, 12), click(30, 12)]);
    let outcome = browse(inputs);
    assert_eq!(outcome.list.marked().len(), 1);
    let Choice::Open(ids) = outcome.choice else { panic!("{:?}", outcome.choice) };
    assert_eq!(ids, [outcome.list.current().unwrap().id()]);
    assert!(!outcome.list.is_marked(&ids[0]));
    let leave = Choice::Leave(Ending::Left);
    assert_eq!(browse(vec![click(20, 12), click(20, 11)]).choice, leave, "two rows");
    assert_eq!(browse(vec![click(2, 12), click(2, 12)]).choice, leave, "opened and closed");
    assert_eq!(browse(vec![click(20, 2), click(20, 2)]).choice, leave, "a heading");
}

#[test]
fn a_click_selects_a_row_and_a_heading_orders() {
    // Title, filter and headings are above the first row.
    let outcome = browse(vec![click(20, 5), mouse(MouseEventKind::ScrollDown, 20, 5)]);
    assert_eq!(outcome.list.cursor(), 3);
    let outcome = browse(vec![click(6, 2)]);
    assert_eq!(outcome.list.sort().key.name(), "state");
    let outcome = browse(vec![click(2, 3)]);
    assert_eq!(outcome.list.rows().len(), 12, "the lanes of the first run are shown");
}

#[test]
fn nothing_from_a_file_or_an_error_reaches_the_screen_as_a_command() {
    let outcome = browse(keys("e/red\nn!\n"));
    assert!(outcome.text.contains("red"), "{}", outcome.text);
    assert!(!outcome.text.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn a_signal_ends_the_loop() {
    let outcome = browse(vec![Input::Signal(signal_hook::consts::SIGTERM)]);
    assert_eq!(outcome.choice, Choice::Leave(Ending::Signal(signal_hook::consts::SIGTERM)));
}
