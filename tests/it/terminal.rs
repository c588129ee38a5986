//! The dashboard on a pseudo-terminal: the state it leaves when something panics. The dashboards run as
//! ignored tests of this same binary, in processes of their own.

use std::io::Write;

use portable_pty::CommandBuilder;
use skiplane::app::App;
use skiplane::app::specimen;
use skiplane::tui::{self, Mode, Setup, Source};

use crate::pseudo_terminal::{Terminal, parser};

/// Columns and rows.
const SIZE: (u16, u16) = (100, 30);
/// The sequence that erases the screen before it is left.
const ERASE: &[u8] = b"\x1b[H\x1b[J";
/// The sequence that leaves the alternate screen.
const LEAVE: &[u8] = b"\x1b[?1049l";

/// Panics on demand: while a frame is drawn, or in another thread.
struct Panicking {
    while_drawing: bool,
    elsewhere: bool,
}

impl Source for Panicking {
    fn mode(&self) -> Mode {
        Mode::Saved
    }

    fn drain(&mut self, _: &mut App) -> bool {
        if std::mem::take(&mut self.elsewhere) {
            let thread = std::thread::Builder::new().name("a lane".to_owned());
            _ = thread.spawn(|| panic!("a lane panics")).unwrap().join();
        }
        false
    }

    fn is_ended(&self) -> bool {
        false
    }

    fn conflated(&self) -> u64 {
        assert!(!self.while_drawing, "a view panics");
        0
    }
}

#[test]
#[ignore = "run on a terminal of its own by another test"]
fn dashboard_that_panics() {
    let mut source = Panicking { while_drawing: true, elsewhere: false };
    _ = tui::run(&mut specimen::plain_beside_residual(), &mut source, Setup::default());
}

#[test]
#[ignore = "run on a terminal of its own by another test"]
fn dashboard_beside_a_panic() {
    let mut source = Panicking { while_drawing: false, elsewhere: true };
    tui::run(&mut specimen::plain_beside_residual(), &mut source, Setup::default()).unwrap();
}

/// Prints from another thread, as a library might, once the dashboard is open.
struct Printing(bool);

impl Source for Printing {
    fn mode(&self) -> Mode {
        Mode::Saved
    }

    fn drain(&mut self, _: &mut App) -> bool {
        if std::mem::take(&mut self.0) {
            let print = || {
                // Past what a test's output is caught by.
                std::io::stdout().write_all(b"stray\x1b]0;owned\x07 output\n").unwrap();
                std::io::stderr().write_all(b"stray error\n").unwrap();
            };
            std::thread::spawn(print).join().unwrap();
        }
        false
    }

    fn is_ended(&self) -> bool {
        true
    }
}

#[test]
#[ignore = "run on a terminal of its own by another test"]
fn dashboard_beside_a_thread_that_prints() {
    tui::run(&mut specimen::plain_beside_residual(), &mut Printing(true), Setup::default()).unwrap();
}

/// Starts one of the tests above on a terminal.
fn start(test: &str) -> Terminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("RUST_BACKTRACE", "0");
    Terminal::start(command, SIZE)
}

fn place(output: &[u8], wanted: &[u8]) -> Option<usize> {
    output.windows(wanted.len()).position(|window| window == wanted)
}

/// Asserts that the terminal was restored, and the message printed after that.
fn assert_restored(terminal: &Terminal, message: &str) {
    terminal.assert_restored();
    assert!(terminal.text().contains(message), "{}", terminal.text());
    let output = terminal.written();
    let left = place(output, LEAVE).expect("the alternate screen was left");
    let said = place(output, message.as_bytes()).expect("the panic was reported");
    assert!(left < said, "the report must not go to the screen that is being left");
    // A terminal in raw mode does not turn a line feed into a new line.
    let after = &output[said..];
    let feeds = after.iter().filter(|byte| **byte == b'\n').count();
    assert!(feeds > 0 && place(after, b"\r\n").is_some(), "the terminal stayed in raw mode");
}

#[test]
fn a_panic_while_drawing_gives_the_terminal_back_first() {
    let mut terminal = start("terminal::dashboard_that_panics");
    terminal.finish();
    assert_restored(&terminal, "a view panics");
}

#[test]
fn a_panic_elsewhere_is_told_once_the_dashboard_is_closed() {
    let mut terminal = start("terminal::dashboard_beside_a_panic");
    terminal.wait_for("1 overview");
    terminal.press("q");
    terminal.finish();
    assert_restored(&terminal, "a lane panics");
    let output = terminal.written();
    let mut before = parser(SIZE);
    before.process(&output[..place(output, ERASE).unwrap()]);
    assert!(before.screen().contents().contains("1 overview"));
}

#[test]
fn what_other_threads_print_does_not_get_into_the_screen() {
    let mut terminal = start("terminal::dashboard_beside_a_thread_that_prints");
    terminal.wait_for("1 overview");
    terminal.press("q");
    terminal.finish();
    assert_restored(&terminal, "stray error");
    let output = terminal.written();
    let (before, after) = output.split_at(place(output, LEAVE).unwrap());
    assert_eq!(place(before, b"stray"), None);
    // Nor does it come later as anything but text.
    assert!(place(after, "stray\u{fffd}]0;owned\u{fffd} output".as_bytes()).is_some(), "{}", terminal.text());
}
