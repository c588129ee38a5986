//! Tests of the loop with a screen in memory: keys in, frames out.

use std::io;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use crossterm::event::{Event, KeyCode};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::app::specimen::{self, Specimen};
use crate::app::{LaneLabel, LaneState};
use crate::config::{Config, Notify};
use crate::event::{Kind, RunEvent};
use crate::order::LaneOrder;
use crate::theme::{Background, Characters, Colors};
use crate::tui::input::Input;
use crate::tui::screen::Render;
use crate::tui::{Saved, page};
use crate::units::{LaneIdx, Step};

mod storm;

struct Memory {
    buffer: Buffer,
    frames: usize,
    told: Vec<u8>,
}

impl Memory {
    fn new(width: u16, height: u16) -> Memory {
        Memory { buffer: Buffer::empty(Rect::new(0, 0, width, height)), frames: 0, told: Vec::new() }
    }

    fn text(&self) -> String {
        let width = usize::from(self.buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| {
            cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
        };
        self.buffer.content().chunks(width).map(|cells| row(cells) + "\n").collect()
    }
}

impl Screen for Memory {
    fn area(&self) -> io::Result<Rect> {
        Ok(self.buffer.area)
    }

    fn paint(&mut self, render: &mut Render<'_>) -> io::Result<usize> {
        self.buffer.reset();
        render(self.buffer.area, &mut self.buffer);
        self.frames += 1;
        Ok(0)
    }

    fn tell(&mut self, sequence: &[u8]) -> io::Result<()> {
        self.told.extend(sequence);
        Ok(())
    }

    fn forget(&mut self) {
        self.buffer.reset();
    }
}

/// A live run whose events a test sends.
struct Live {
    events: Receiver<(LaneIdx, RunEvent)>,
    orders: Sender<LaneOrder>,
    ended: bool,
}

impl Source for Live {
    fn mode(&self) -> Mode {
        Mode::Live
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(&self.events);
    }

    fn drain(&mut self, app: &mut App) -> bool {
        let mut news = false;
        loop {
            match self.events.try_recv() {
                Ok((lane, event)) => app.apply(lane, &event),
                Err(error) => {
                    self.ended = error.is_disconnected();
                    return news;
                }
            }
            news = true;
        }
    }

    fn is_ended(&self) -> bool {
        self.ended
    }

    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        self.orders.send(order.clone()).map_err(|error| error.to_string())
    }
}

fn key(code: KeyCode) -> Input {
    Input::Terminal(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn keys(text: &str) -> Vec<Input> {
    text.chars().map(|c| key(KeyCode::Char(c))).collect()
}

fn setup() -> Setup {
    let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
    Setup { theme, ..Setup::default() }
}

/// Shows saved specimens with these inputs, each after a frame, followed by `q`.
fn review(inputs: Vec<Input>) -> (App, Ending, Memory) {
    let mut app = specimen::plain_beside_residual();
    let mut screen = Memory::new(120, 40);
    let (mut source, setup) = (Saved::default(), setup());
    let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
    let mut take = |input| {
        dashboard.draw(Instant::now()).unwrap();
        page::take(&mut dashboard, input).unwrap()
    };
    let ending = inputs.into_iter().chain(keys("q")).find_map(&mut take).expect("`q` leaves");
    dashboard.draw(Instant::now()).unwrap();
    (app, ending, screen)
}

#[test]
fn keys_do_what_the_table_says() {
    let (app, ending, _) = review(keys("3s"));
    assert_eq!(ending, Ending::Left);
    assert_eq!(app.options().view, views::kind_named("heatmap"));
    assert_ne!(app.options().statistic, specimen::plain_beside_residual().options().statistic);
}

#[test]
fn the_prompt_goes_to_a_step() {
    let mut inputs = keys("g12");
    inputs.extend([
        key(KeyCode::Backspace),
        key(KeyCode::Char('5')),
        key(KeyCode::Enter),
        key(KeyCode::Right),
    ]);
    let (app, ending, _) = review(inputs);
    assert_eq!((app.step(), ending), (Step(16), Ending::Left));
}

#[test]
fn the_palette_does_what_is_typed_and_closes() {
    let mut inputs = keys(":heatmap");
    inputs.push(key(KeyCode::Enter));
    inputs.extend(keys(":123"));
    inputs.push(key(KeyCode::Enter));
    inputs.extend(keys(":q"));
    inputs.push(key(KeyCode::Esc));
    let (app, ending, _) = review(inputs);
    assert_eq!((app.options().view, app.step()), (views::kind_named("heatmap"), Step(123)));
    assert_eq!(ending, Ending::Left);
    let mut inputs = keys(":quit");
    inputs.push(key(KeyCode::Enter));
    assert_eq!(review(inputs).1, Ending::Left);
}

#[test]
fn what_is_typed_while_something_is_explained_gives_no_command() {
    let mut inputs = vec![key(KeyCode::F(1))];
    inputs.extend(keys("branch 3q"));
    inputs.extend([key(KeyCode::Down), key(KeyCode::PageDown), key(KeyCode::Esc)]);
    let (app, ending, _) = review(inputs);
    assert_eq!((app.options().view, ending), (None, Ending::Left));
    let mut inputs = keys(":explain update ratio");
    inputs.extend([key(KeyCode::Enter), key(KeyCode::Enter), key(KeyCode::Char('3'))]);
    assert_eq!(review(inputs).0.options().view, views::kind_named("heatmap"), "closed by the second Enter");
}

#[test]
fn the_tour_goes_on_by_enter_or_by_what_it_asks_for_and_is_left_by_esc() {
    fn joined<const N: usize>(parts: [Vec<Input>; N]) -> Vec<Input> {
        parts.into_iter().flatten().collect()
    }
    let at = |inputs| review(inputs).0.options().tour;
    assert_eq!(at(keys("T")), Some(0));
    let enter = || key(KeyCode::Enter);
    assert_eq!(at(joined([keys("T"), vec![enter()]])), Some(1));
    assert_eq!(at(joined([keys("T"), vec![key(KeyCode::Left)], keys("3")])), Some(2));
    assert_eq!(at(joined([keys("T"), vec![key(KeyCode::Left)], keys("3?")])), None);
    assert_eq!(at(joined([keys("Ts"), vec![key(KeyCode::Esc)]])), None);
    assert_eq!(at(joined([keys("T"), vec![enter(), enter(), enter()]])), None);
}

#[test]
fn the_keys_of_the_user_are_in_force_and_what_is_wrong_is_shown() {
    let config =
        Config::parse("[keys]\nz = \"view_heatmap\"\n\"3\" = \"no_op\"\nq = \"quitt\"\n", "config.toml");
    let setup = Setup { config, ..setup() };
    let mut app = specimen::plain_beside_residual();
    let mut screen = Memory::new(120, 40);
    let (sender, receiver) = unbounded();
    keys("2z").into_iter().for_each(|input| sender.send(input).unwrap());
    sender.send(Input::Signal(signal_hook::consts::SIGTERM)).unwrap();
    let mut source = Saved::default();
    let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
    dashboard.draw(Instant::now()).unwrap();
    page::run(&mut dashboard, &receiver).unwrap();
    assert_eq!(app.options().view, views::kind_named("heatmap"));
    assert!(screen.text().contains("config.toml:4: expected an action, found `quitt`"), "{}", screen.text());
}

#[test]
fn the_wheel_zooms_on_the_timeline_and_the_right_button_takes_the_range_along() {
    let mouse = |kind, column, row| mouse(kind, (column, row));
    let range = |columns: &[u16]| {
        let wheel = || mouse(MouseEventKind::ScrollUp, 60, 38);
        let mut inputs = vec![key(KeyCode::Char('3')), wheel(), wheel()];
        inputs.push(mouse(MouseEventKind::Down(MouseButton::Right), 40, 20));
        let drag = |column: &u16| mouse(MouseEventKind::Drag(MouseButton::Right), *column, 20);
        inputs.extend(columns.iter().map(drag));
        let (first, last) = review(inputs).0.range().unwrap();
        (first.0, last.0 - first.0)
    };
    let (first, length) = range(&[]);
    assert!(first.abs_diff(75) <= 3 && length.abs_diff(150) <= 1, "{first} {length}");
    let (moved, length_moved) = range(&[30]);
    assert!((10..60).contains(&(moved - first)) && length_moved == length, "{moved}");
    let (further, _) = range(&[30, 20]);
    assert!(further.abs_diff(moved + (moved - first)) <= 4, "{first} {moved} {further}");
    assert!(range(&[30, 20, 40]).0.abs_diff(first) <= 3, "and back");
}

#[test]
fn the_wheel_moves_the_layer_and_a_click_the_step() {
    let mouse = |kind, column, row| mouse(kind, (column, row));
    let before = specimen::plain_beside_residual().row().unwrap().depth;
    let down = mouse(MouseEventKind::ScrollDown, 4, 4);
    // The timeline is the row above the status line.
    let click = mouse(MouseEventKind::Down(MouseButton::Left), 60, 38);
    let (app, _, _) = review(vec![key(KeyCode::Char('2')), down, click]);
    assert_eq!(app.row().unwrap().depth, before + 1);
    assert!(app.step().0.abs_diff(150) <= 2, "{}", app.step());
}

#[test]
fn leaving_a_live_run_asks_first() {
    let mut app = App::new(vec![LaneLabel { run: "run".into(), lane: "plain".into() }]);
    let (events, receiver) = unbounded();
    let (orders, ordered) = unbounded();
    let specimen = Specimen { breaks_off_at: Some(30), ..Specimen::new("plain", 20, "none") };
    specimen.events().into_iter().for_each(|event| events.send((LaneIdx(0), event)).unwrap());
    let mut source = Live { events: receiver, orders, ended: false };
    let mut screen = Memory::new(80, 24);
    let (sender, inputs) = bounded(64);
    for input in keys(" qn2qd") {
        sender.send(input).unwrap();
    }
    let ending =
        page::run(&mut Dashboard::new(&mut app, &mut source, &mut screen, &setup()), &inputs).unwrap();
    assert_eq!(ending, Ending::Detach);
    assert_eq!(ordered.try_recv(), Ok(Order::Pause.into()));
    assert_eq!(app.last_step(), Step(30));
    assert_eq!(app.options().view, views::kind_named("profile"));
    drop(events);
}

#[test]
fn that_it_pauses_is_said_until_it_has_paused() {
    let mut app =
        specimen::app_of(&[Specimen { breaks_off_at: Some(30), ..Specimen::new("plain", 8, "none") }]);
    let (events, receiver) = unbounded();
    let (orders, _ordered) = unbounded();
    let mut source = Live { events: receiver, orders, ended: false };
    let mut screen = Memory::new(80, 24);
    let setup = setup();
    let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
    dashboard.obey(Command::Pause).unwrap();
    let said = |dashboard: &Dashboard<'_>| dashboard.desk.notice.text().map(str::to_owned);
    dashboard.fold_events().unwrap();
    assert_eq!(said(&dashboard).as_deref(), Some(PAUSING));
    let paused = RunEvent::new(Step(30), 9e9, Kind::Paused);
    events.send((LaneIdx(0), paused)).unwrap();
    dashboard.fold_events().unwrap();
    assert_eq!(said(&dashboard), None);
}

#[test]
fn all_that_is_pending_is_drawn_once_and_the_end_is_noticed() {
    let mut app = App::new(vec![LaneLabel { run: "run".into(), lane: "plain".into() }]);
    let (events, receiver) = unbounded();
    let (orders, _ordered) = unbounded();
    let specimen = Specimen { breaks_off_at: Some(200), ..Specimen::new("plain", 20, "none") };
    specimen.events().into_iter().for_each(|event| events.send((LaneIdx(0), event)).unwrap());
    drop(events);
    let mut source = Live { events: receiver, orders, ended: false };
    app.act(Action::SelectView(views::kind_named("profile").unwrap()));
    let mut screen = Memory::new(100, 30);
    let (sender, inputs) = bounded(64);
    let user = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(350));
        sender.send(key(KeyCode::Char('q'))).unwrap();
        sender
    });
    let ending =
        page::run(&mut Dashboard::new(&mut app, &mut source, &mut screen, &setup()), &inputs).unwrap();
    drop(user.join().unwrap());
    assert_eq!(ending, Ending::Left, "nothing runs any more, so nothing is asked");
    assert_eq!(*app.lanes()[0].state(), LaneState::Crashed);
    assert_eq!(screen.frames, 1, "nothing changed after the first frame");
    assert!(screen.text().contains("step 200"), "{}", screen.text());
}

/// Folds a lane that diverges and ends, and returns what the terminal is told beyond frames.
fn told(notify: Notify) -> Vec<u8> {
    let mut app = App::new(vec![LaneLabel { run: "r\u{1b}un".into(), lane: "plain".into() }]);
    let (events, receiver) = unbounded();
    let (orders, _ordered) = unbounded();
    let diverged = Specimen { diverges_at: Some(120), ..Specimen::new("plain", 20, "none") };
    diverged.events().into_iter().for_each(|event| events.send((LaneIdx(0), event)).unwrap());
    drop(events);
    let mut source = Live { events: receiver, orders, ended: false };
    let mut screen = Memory::new(80, 24);
    let setup = Setup { config: Config { notify, ..Config::default() }, ..setup() };
    let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
    dashboard.fold_events().unwrap();
    dashboard.fold_events().unwrap();
    screen.told
}

#[test]
fn the_terminal_is_told_once_of_the_end_and_of_critical_findings_if_the_user_wants_it() {
    assert_eq!(told(Notify::default()), b"");
    assert_eq!(told(Notify { bell: true, osc9: false }), b"\x07\x07");
    let messages = String::from_utf8(told(Notify { bell: false, osc9: true })).unwrap();
    assert!(messages.contains("\x1b]9;skiplane r\u{fffd}un: ended\x07"), "{messages:?}");
    assert!(messages.contains("\x1b]9;skiplane r\u{fffd}un: critical finding\x07"), "{messages:?}");
}

#[test]
fn what_is_copied_goes_to_the_clipboard_of_the_terminal() {
    let (app, _, screen) = review(keys("3Y"));
    let value = views::value_at_cursor(&app).unwrap();
    assert!(screen.told.starts_with(&crate::tui::sequences::copy(&value, None)), "{value}");
}

fn mouse(kind: MouseEventKind, (column, row): (u16, u16)) -> Input {
    Input::Terminal(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

/// Where a text is in the frame of a saved run after some keys.
fn place_of(text: &str, typed: &str) -> (u16, u16) {
    let mut app = specimen::plain_beside_residual();
    let (mut source, mut screen) = (Saved::default(), Memory::new(120, 40));
    let setup = setup();
    let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
    for c in typed.chars() {
        dashboard.press(Key::Char(c)).unwrap();
    }
    dashboard.draw(Instant::now()).unwrap();
    let frame = screen.text();
    let found = frame.lines().zip(0..).find_map(|(line, row)| Some((line.find(text)? as u16, row)));
    found.unwrap_or_else(|| panic!("no {text} in {frame}"))
}

#[test]
fn the_text_of_a_key_a_tab_and_an_entry_of_the_palette_can_be_clicked() {
    let down = MouseEventKind::Down(MouseButton::Left);
    let view = |app: &App| app.options().view;
    // Each click is answered by the frame on the screen, which follows the keys before it.
    let clicked = |typed: &str, text: &str| {
        let mut app = specimen::plain_beside_residual();
        let (mut source, mut screen) = (Saved::default(), Memory::new(120, 40));
        let setup = setup();
        let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
        for c in typed.chars() {
            dashboard.press(Key::Char(c)).unwrap();
        }
        dashboard.draw(Instant::now()).unwrap();
        let Input::Terminal(Event::Mouse(event)) = mouse(down, place_of(text, typed)) else { unreachable!() };
        let left = dashboard.mouse(event).unwrap();
        let dialogs = dashboard.dialogs.len();
        (app, left, dialogs)
    };
    assert_eq!(clicked("", "quit").1, Some(Ending::Left));
    assert!(clicked("", "help").0.options().help);
    assert!(clicked("?", "Views").0.options().help, "the help itself does nothing");
    assert_eq!(view(&clicked("", "heatmap").0), views::kind_named("heatmap"));
    let (app, left, dialogs) = clicked(":heatmap", "view      heatmap");
    assert_eq!((view(&app), left, dialogs), (views::kind_named("heatmap"), None, 0));
    assert_eq!(clicked(":", "step 300").2, 0, "a click outside closes it");
    assert!(clicked("", "step 300").0.options().go_to.is_some());
}

#[test]
fn alt_and_the_wheel_zoom_the_vertical_axis_around_the_mouse_and_the_right_button_takes_it_along() {
    let part = |inputs: Vec<Input>| review(inputs).0.part().map(|part| part.ends());
    let alt = |row| {
        let (kind, column, modifiers) = (MouseEventKind::ScrollUp, 60, KeyModifiers::ALT);
        Input::Terminal(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
    };
    assert_eq!(part(keys("2jw")), None);
    assert_eq!(part(keys("2j")), Some((0.25, 0.75)));
    assert_eq!(part(keys("2j)")), Some((0.375, 0.875)));
    assert_eq!(part(keys("2jb")), None);
    assert_eq!(part(keys("2j3")), None, "its axes are others");
    let zoomed = |row| part(keys("2").into_iter().chain([alt(row)]).collect()).expect("zoomed");
    let (upper, lower) = (zoomed(4), zoomed(24));
    assert!(upper.0 > 0.3 && lower.1 < 0.7, "{upper:?} {lower:?}");
    let right = MouseButton::Right;
    let drag = [mouse(MouseEventKind::Down(right), (60, 10)), mouse(MouseEventKind::Drag(right), (60, 14))];
    let (low, _) = part(keys("2jj").into_iter().chain(drag).collect()).expect("zoomed");
    assert!(low > 0.375, "what was grabbed goes down with the mouse: {low}");
}

#[test]
fn the_answers_of_a_question_can_be_clicked() {
    let answer = |text: &str| {
        let mut app =
            specimen::app_of(&[Specimen { breaks_off_at: Some(30), ..Specimen::new("plain", 8, "none") }]);
        let (_events, receiver) = unbounded();
        let (orders, _ordered) = unbounded();
        let mut source = Live { events: receiver, orders, ended: false };
        let mut screen = Memory::new(80, 24);
        let setup = setup();
        let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
        dashboard.press(Key::Char('q')).unwrap();
        dashboard.draw(Instant::now()).unwrap();
        // A dialog takes the mouse from all that is below.
        let rows = (0..24).flat_map(|row| dashboard.hits.click(dashboard.app, Position::new(40, row)));
        let keys: Vec<Command> = rows.collect();
        assert_eq!(keys, [Key::Char('d'), Key::Char('s'), Key::Escape].map(Command::Press));
        let key = *keys.iter().find(|key| format!("{key:?}").contains(text)).unwrap();
        let left = dashboard.obey(key).unwrap();
        (left, dashboard.dialogs.len())
    };
    assert_eq!(answer("'d'"), (Some(Ending::Detach), 0));
    assert_eq!(answer("'s'"), (Some(Ending::Stop), 0));
    assert_eq!(answer("Escape"), (None, 0));
}

#[test]
fn the_end_of_a_run_closes_what_asks_for_its_training_only() {
    let open = |dialog: Dialog| {
        let mut app =
            specimen::app_of(&[Specimen { breaks_off_at: Some(30), ..Specimen::new("plain", 8, "none") }]);
        let (events, receiver) = unbounded();
        let (orders, _ordered) = unbounded();
        let mut source = Live { events: receiver, orders, ended: false };
        let mut screen = Memory::new(80, 24);
        let setup = setup();
        let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
        dashboard.fold_events().unwrap();
        dashboard.open(dialog);
        drop(events);
        dashboard.fold_events().unwrap();
        dashboard.dialogs.len()
    };
    assert_eq!(open(Dialog::Leave("detach")), 0);
    assert_eq!(open(Dialog::StopLane("plain".to_owned())), 0);
    assert_eq!(open(Dialog::Explain(Explaining::default())), 1);
    assert_eq!(open(Dialog::Palette(Palette::default())), 1);
}

#[test]
fn a_signal_ends_the_loop() {
    let mut inputs = keys("2");
    inputs.push(Input::Signal(signal_hook::consts::SIGTERM));
    let (_, ending, _) = review(inputs);
    assert_eq!(ending, Ending::Signal(signal_hook::consts::SIGTERM));
}

#[test]
fn a_count_before_a_key_does_it_so_many_times_and_a_semicolon_repeats_it() {
    let step = |typed: &str| {
        let mut app = specimen::plain_beside_residual();
        let (mut source, mut screen) = (Saved::default(), Memory::new(120, 40));
        let setup = setup();
        let mut dashboard = Dashboard::new(&mut app, &mut source, &mut screen, &setup);
        for c in typed.chars() {
            // Capital letters stand for Alt and a digit: A for 1, B for 2.
            let key = match c {
                '<' => Key::Left,
                'A'..='I' => Key::Alt(char::from(b'1' + (c as u8 - b'A'))),
                '!' => Key::Escape,
                c => Key::Char(c),
            };
            dashboard.press(key).unwrap();
        }
        (app.step().0, app.options().view.map(|view| view.name), app.options().help)
    };
    assert_eq!(step("B0<").0, 280, "Alt-2 0 Left");
    assert_eq!(step("BE<").0, 275, "further digits with Alt");
    assert_eq!(step("A2<;").0, 276, "as many times");
    assert_eq!(step("<C;").0, 296, "or as many as are typed before it");
    assert_eq!(step("A0!<").0, 299, "Escape forgets it");
    assert_eq!(step(";<").0, 299, "nothing to repeat yet");
    assert_eq!(step("<A2?;").0, 298, "what cannot be repeated is not what was done last");
    assert_eq!(step("B50g").0, 250, "to that step");
    assert_eq!(step("A2?"), (300, None, true), "once, where more makes no sense");
    assert_eq!(step("I999999<").0, 0);
}
