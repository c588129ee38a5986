//! The real binary in a real pseudo-terminal: what a person sees from the first frame to the last, and the
//! state of the terminal afterwards.

use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a screen may take to show what is awaited; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary in a pseudo-terminal, with the screen that a terminal would show.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
    screen: vt100::Parser,
    child: Process,
}

/// The running binary; killed where a test ends before it.
struct Process(Box<dyn Child + Send + Sync>);

impl Terminal {
    /// Starts the binary with `arguments`, in `folder`, on a screen of that many columns and rows.
    fn start(arguments: &[&str], folder: &Path, (columns, rows): (u16, u16)) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
        command.args(arguments);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let child = Process(pair.slave.spawn_command(command).unwrap());
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Terminal {
            master: pair.master,
            keys,
            output,
            reader,
            screen: vt100::Parser::new(cells(rows), cells(columns), 0),
            child,
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads output until the screen shows what `is_shown` asks for.
    fn wait(&mut self, what: &str, is_shown: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_shown(self.screen.screen()) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => panic!("{error} while waiting for {what}; the screen:\n{}", self.text()),
            }
        }
    }

    fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(size(columns, rows)).unwrap();
        self.screen.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// Waits for the end of the binary, reads what it still wrote, and gives its exit status.
    fn finish(&mut self) -> u32 {
        let status = self.child.0.wait().unwrap();
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(500)) {
            self.screen.process(&bytes);
        }
        status.exit_code()
    }

    /// Panics unless the terminal is as a shell wants it.
    fn assert_restored(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was left on");
        assert!(!screen.hide_cursor(), "the cursor was left hidden");
        assert_eq!(
            screen.mouse_protocol_mode(),
            vt100::MouseProtocolMode::None,
            "the mouse was left captured"
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Best effort: it may have ended long ago.
        drop(self.0.kill());
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

/// An experiment that goes on until it is stopped.
fn endless(folder: &Path) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let text = fs::read_to_string(file).unwrap().replace("steps = 60", "steps = 1000000");
    let endless = folder.join("endless.toml");
    fs::write(&endless, text).unwrap();
    fs::create_dir(folder.join("runs")).unwrap();
    endless.to_str().unwrap().to_owned()
}

/// Every view's key, and words that only its screen shows.
const VIEWS: [(&str, &str); 6] = [
    ("1", "batch error"),
    ("2", "decades/layer"),
    ("3", "weight_gradient_norm"),
    ("4", "over time, in signed powers of two"),
    ("5", "branch_cosine"),
    ("6", "must be equal"),
];

#[test]
fn a_run_is_watched_in_every_view_resized_stopped_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = Terminal::start(&["train", &file], folder.path(), (120, 40));
    terminal.wait_for("1 overview");
    terminal.wait_for("resnet-14");
    for (key, words) in VIEWS {
        terminal.press(key);
        terminal.wait_for(words);
    }
    terminal.resize(80, 24);
    terminal.press("1");
    terminal.wait_for("running");
    terminal.resize(18, 4);
    terminal.wait_for("too small");
    terminal.resize(120, 40);
    terminal.wait_for("batch error");
    terminal.press("?");
    terminal.wait_for("Showing");
    terminal.press("?");
    terminal.press("q");
    terminal.wait_for("go on without the dashboard");
    terminal.press("s");
    let status = terminal.finish();
    terminal.assert_restored();
    assert_eq!(status, 0, "{}", terminal.text());

    let mut terminal = Terminal::start(&["review", "latest"], folder.path(), (120, 40));
    terminal.wait_for("stopped");
    for (key, words) in VIEWS {
        terminal.press(key);
        terminal.wait_for(words);
    }
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
}

#[test]
fn a_termination_signal_gives_the_terminal_back_and_ends_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = Terminal::start(&["train", &file], folder.path(), (100, 30));
    terminal.wait_for("running");
    let process = terminal.child.0.process_id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap();
    assert!(sent.success());
    terminal.finish();
    terminal.assert_restored();
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_skiplane"))
        .args(["show", "latest"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("stopped"), "{shown:?}");
}

#[test]
fn a_live_dashboard_can_be_left_while_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let mut terminal = Terminal::start(&["train", file.to_str().unwrap()], folder.path(), (100, 30));
    terminal.wait_for("1 overview");
    terminal.press("q");
    terminal.wait_for("go on without the dashboard");
    terminal.press("g");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
    assert!(terminal.text().contains("opens the run again"), "{}", terminal.text());
}

/// Closes the terminal and waits for the end of the binary.
fn close(terminal: Terminal) {
    let Terminal { master, keys, output, reader, child: mut process, .. } = terminal;
    drop(output);
    // The reading thread gives its end of the terminal back with the next output, which new sizes bring about.
    let mut width = 90;
    while !reader.is_finished() {
        width += 1;
        master.resize(size(width, 28)).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    drop((master, keys));
    let end = Instant::now() + PATIENCE;
    while process.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "the process outlived its terminal");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn training_goes_on_to_its_end_when_the_terminal_is_closed_and_a_review_leaves() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("runs")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quick.toml");
    let mut terminal = Terminal::start(&["train", file.to_str().unwrap()], folder.path(), (100, 30));
    terminal.wait_for("running");
    close(terminal);
    let mut terminal = Terminal::start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("completed");
    close(terminal);
}
