//! The dashboard on a pseudo-terminal: what it leaves behind when something panics. The dashboards run as
//! ignored tests of this same binary, in processes of their own.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use skiplane::app::specimen;
use skiplane::event::RunEvent;
use skiplane::theme::Theme;
use skiplane::tui::{self, Source};
use skiplane::units::LaneIdx;
use skiplane::views::Mode;

const SIZE: PtySize = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
const LIMIT: Duration = Duration::from_secs(60);
/// The sequence that leaves the alternate screen.
const LEAVE: &[u8] = b"\x1b[?1049l";

/// Panics where it is asked to: while a frame is drawn, or in another thread.
struct Panicking {
    while_drawing: bool,
    elsewhere: bool,
}

impl Source for Panicking {
    fn mode(&self) -> Mode {
        Mode::Saved
    }

    fn drain(&mut self, _: &mut dyn FnMut(LaneIdx, &RunEvent)) {
        if std::mem::take(&mut self.elsewhere) {
            let thread = std::thread::Builder::new().name("a lane".to_owned());
            _ = thread.spawn(|| panic!("a lane panics")).unwrap().join();
        }
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
    _ = tui::run(&mut specimen::plain_beside_residual(), &mut source, Theme::default());
}

#[test]
#[ignore = "run on a terminal of its own by another test"]
fn dashboard_beside_a_panic() {
    let mut source = Panicking { while_drawing: false, elsewhere: true };
    tui::run(&mut specimen::plain_beside_residual(), &mut source, Theme::default()).unwrap();
}

/// Runs one of the tests above on a terminal; once it shows `awaited`, types `keys`. Answers all its output.
fn on_a_terminal(test: &str, awaited: &str, keys: &str) -> Vec<u8> {
    let pair = native_pty_system().openpty(SIZE).unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("TERM", "xterm-256color");
    command.env("RUST_BACKTRACE", "0");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let (sender, receiver) = crossbeam_channel::unbounded();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // The end of a pseudo-terminal is an error on some systems.
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let started = Instant::now();
    let mut output = Vec::new();
    let mut waiting = !keys.is_empty();
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => output.extend(bytes),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
            Err(_) => assert!(started.elapsed() < LIMIT, "{}", String::from_utf8_lossy(&output)),
        }
        if waiting && screen(&output).screen().contents().contains(awaited) {
            writer.write_all(keys.as_bytes()).unwrap();
            waiting = false;
        }
    }
    child.wait().unwrap();
    output
}

fn screen(output: &[u8]) -> vt100::Parser {
    let of = |cells: u16| std::num::NonZeroU16::new(cells).unwrap();
    let mut parser = vt100::Parser::new(of(SIZE.rows), of(SIZE.cols), 0);
    parser.process(output);
    parser
}

fn place(output: &[u8], wanted: &[u8]) -> Option<usize> {
    output.windows(wanted.len()).position(|window| window == wanted)
}

/// The terminal is as it was, and the message came after it was.
fn assert_restored(output: &[u8], message: &str) {
    let parser = screen(output);
    let screen = parser.screen();
    let text = screen.contents();
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert!(text.contains(message), "{text}");
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
    assert_restored(&on_a_terminal("terminal::dashboard_that_panics", "", ""), "a view panics");
}

#[test]
fn a_panic_elsewhere_is_told_once_the_dashboard_is_closed() {
    let output = on_a_terminal("terminal::dashboard_beside_a_panic", "1 overview", "q");
    assert_restored(&output, "a lane panics");
    let before = &output[..place(&output, LEAVE).unwrap()];
    assert!(screen(before).screen().contents().contains("1 overview"));
}
