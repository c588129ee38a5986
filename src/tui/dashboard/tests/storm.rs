//! Random keys, mouse and sizes over hostile values: nothing panics. `SKIPLANE_EVENTS` sets how many, for hours of them,
//! and the slowest frame is printed.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use rand_xoshiro::Xoshiro256PlusPlus;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::*;
use crate::app::specimen::{self, Specimen};
use crate::event::{Kind, RunEvent, Value};
use crate::random::{below, stream};
use crate::theme::{Background, Characters, Colors};
use crate::tui::input::Input;
use crate::tui::screen::Render;
use crate::tui::{Saved, page};

/// The number of events without [`EVENTS`].
const FEW: u64 = 4_000;
/// The variable for more.
const EVENTS: &str = "SKIPLANE_EVENTS";
/// The most events of one state, so that each comes to its turn.
const MOST_OF_ONE: u64 = 500;

/// A screen whose size the test changes; nothing is kept of what is drawn.
struct Paper {
    size: Rc<Cell<Rect>>,
    slowest: Rc<Cell<Duration>>,
}

impl Screen for Paper {
    fn area(&self) -> io::Result<Rect> {
        Ok(self.size.get())
    }

    fn paint(&mut self, render: &mut Render<'_>) -> io::Result<usize> {
        let mut buffer = Buffer::empty(self.size.get());
        let begun = Instant::now();
        render(self.size.get(), &mut buffer);
        self.slowest.set(self.slowest.get().max(begun.elapsed()));
        let control = buffer.content().iter().any(|cell| cell.symbol().chars().any(char::is_control));
        assert!(!control, "a control character");
        Ok(0)
    }

    fn tell(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) {}
}

/// Gives all numbers that were measured other values, by the place of each.
fn with_values(lanes: &[Specimen], value: impl Fn(usize) -> f32) -> App {
    specimen::app_with(lanes, |event: &mut RunEvent| {
        let Kind::Measured(values) = &mut event.kind else { return };
        let metrics: Vec<_> = values.iter().map(|(metric, _)| metric).collect();
        for metric in metrics {
            let changed = match values.get(metric) {
                Some(Value::Number(_)) => Value::Number(value(0)),
                Some(Value::Numbers(numbers)) => Value::Numbers((0..numbers.len()).map(&value).collect()),
                _ => continue,
            };
            values.insert(metric, changed);
        }
    })
}

/// States with values, sizes and names that are hard to draw.
fn states() -> Vec<App> {
    let short = |name: &str, depth, shortcut| Specimen { steps: 24, ..Specimen::new(name, depth, shortcut) };
    let two = [short("plain", 20, "none"), short("residual", 20, "identity")];
    let long = "層\u{1b}[31m\u{202e}".repeat(60);
    let many: Vec<Specimen> =
        [8, 14, 20, 26, 32, 38, 44, 56].map(|depth| short(&depth.to_string(), depth, "none")).into();
    vec![
        App::new(Vec::new()),
        specimen::app_of(&[Specimen { steps: 1, ..Specimen::new("one", 8, "none") }]),
        specimen::one_diverged(),
        specimen::swept(),
        specimen::app_of(&many),
        specimen::app_of(&[short(&long, 8, "projection"), short(&"n".repeat(300), 56, "none")]),
        with_values(&two, |_| f32::NAN),
        with_values(&two, |_| 0.25),
        with_values(&two, |at| if at % 2 == 0 { f32::MAX } else { f32::MIN }),
        with_values(&two, |at| [1e38, -1e38, f32::INFINITY, f32::MIN_POSITIVE, -0.0, 1e-45][at % 6]),
    ]
}

fn key(random: &mut Xoshiro256PlusPlus) -> Event {
    const OTHERS: [KeyCode; 16] = [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
        KeyCode::F(12),
    ];
    let modifiers = [
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::SHIFT,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
    ];
    let modifiers = modifiers[below(random, 5) as usize];
    let code = match below(random, 3) {
        0 => OTHERS[below(random, OTHERS.len() as u64) as usize],
        1 if below(random, 40) == 0 => KeyCode::Char('層'),
        _ => KeyCode::Char((b' ' + below(random, 95) as u8).into()),
    };
    Event::Key(KeyEvent::new(code, modifiers))
}

fn mouse(random: &mut Xoshiro256PlusPlus, size: Rect) -> Event {
    let button = [MouseButton::Left, MouseButton::Right, MouseButton::Middle][below(random, 3) as usize];
    let kind = [
        MouseEventKind::Down(button),
        MouseEventKind::Drag(button),
        MouseEventKind::Up(button),
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollLeft,
        MouseEventKind::ScrollRight,
        MouseEventKind::Moved,
    ][below(random, 8) as usize];
    let modifiers = [KeyModifiers::NONE, KeyModifiers::SHIFT, KeyModifiers::CONTROL, KeyModifiers::ALT];
    let modifiers = modifiers[below(random, 4) as usize];
    // A terminal that has become smaller may still send places outside.
    let (column, row) = (below(random, u64::from(size.width) + 3), below(random, u64::from(size.height) + 3));
    Event::Mouse(MouseEvent { kind, column: column as u16, row: row as u16, modifiers })
}

#[test]
fn any_keys_clicks_and_sizes_over_hostile_values_are_survived() {
    let events: u64 = std::env::var(EVENTS).ok().and_then(|text| text.parse().ok()).unwrap_or(FEW);
    let folder = tempfile::tempdir().unwrap();
    let (size, slowest) = (Rc::new(Cell::new(Rect::new(0, 0, 80, 24))), Rc::new(Cell::new(Duration::ZERO)));
    let (mut done, mut round) = (0, 0);
    while done < events {
        for (place, mut app) in states().into_iter().enumerate() {
            let mut random = stream(round, "storm", place as u64);
            let colors = [Colors::None, Colors::Sixteen, Colors::TwoFiftySix, Colors::True];
            let characters = [Characters::Ascii, Characters::Unicode][below(&mut random, 2) as usize];
            let theme = Theme::new(colors[below(&mut random, 4) as usize], Background::Dark, characters);
            let setup = Setup { theme, ..Setup::default() };
            let mut screen = Paper { size: Rc::clone(&size), slowest: Rc::clone(&slowest) };
            let mut source = Saved::default();
            let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
            dashboard.saves_to = folder.path().to_owned();
            for _ in 0..MOST_OF_ONE.min(events.div_ceil(10)) {
                done += 1;
                let event = match below(&mut random, 20) {
                    0 => {
                        let (width, height) = (below(&mut random, 240), below(&mut random, 70));
                        size.set(Rect::new(0, 0, width as u16, height as u16));
                        Event::Resize(width as u16, height as u16)
                    }
                    1..6 => mouse(&mut random, size.get()),
                    _ => key(&mut random),
                };
                // Whatever leaves stays here.
                let _ = page::take(&mut dashboard, Input::Terminal(event)).unwrap();
                dashboard.fold(Instant::now()).unwrap();
                if below(&mut random, 4) == 0 {
                    dashboard.draw(Instant::now()).unwrap();
                }
            }
        }
        round += 1;
    }
    println!("{done} events, the slowest frame {:?}", slowest.get());
}
