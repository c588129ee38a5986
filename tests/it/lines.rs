//! The dashboard on lines and terminals that are slow, stop, or change: what is sent, how soon keys are obeyed, and the
//! state that the terminal is left in.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use portable_pty::CommandBuilder;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use skiplane::app::specimen;
use skiplane::theme::Theme;
use skiplane::views::{self, Status};

use crate::cli::folder_with_a_run;
use crate::dashboard::{Background, endless, start};
use crate::pseudo_terminal::Terminal;

/// What ends a frame.
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";
/// What enters the alternate screen.
const ENTER: &[u8] = b"\x1b[?1049h";

fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Leaves the dashboard of a run that is over.
fn quit(mut terminal: Terminal) {
    terminal.press("q");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
}

#[test]
fn while_nothing_changes_nothing_is_sent() {
    let (folder, _) = folder_with_a_run();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.answer();
    terminal.wait_for("1 overview");
    terminal.press("3");
    // Colours that were only nearly right are made exact after half a second.
    terminal.read_for(Duration::from_millis(1500));
    let before = terminal.written().len();
    terminal.read_for(Duration::from_secs(3));
    assert_eq!(
        terminal.written().len(),
        before,
        "{:?}",
        String::from_utf8_lossy(&terminal.written()[before..])
    );
    quit(terminal);
}

#[test]
fn on_a_slow_line_a_key_waits_for_one_frame_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file], folder.path(), (100, 30));
    terminal.answer();
    terminal.wait_for("running");
    let run = Background::find(folder.path());
    run.wait_for_steps();
    terminal.set_rate(2_000);
    // Without answers, the buffers between would now fill with frames for 10 seconds.
    terminal.read_for(Duration::from_secs(5));
    for (key, words) in [("6", "must be equal"), ("5", "branch_cosine"), ("2", "a layer toward")] {
        terminal.read_for(Duration::from_millis(700));
        let before = terminal.written().len();
        terminal.press(key);
        terminal.wait_for(words);
        let frames = count(&terminal.written()[before..], END_OF_FRAME);
        assert!(frames <= 2, "{frames} frames before the answer to {key}");
    }
    terminal.set_rate(0);
    terminal.press("qs");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    // No answer was left for the shell.
    assert!(!terminal.text().contains("[0n"), "{}", terminal.text());
}

#[test]
fn a_run_that_trains_keeps_to_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("skiplane")).unwrap();
    let config = "[screen]\nbudget = \"2 kB/s\"\nmouse = false\n";
    fs::write(folder.path().join("skiplane/config.toml"), config).unwrap();
    let file = endless(folder.path());
    let mut terminal = start(&["train", &file, "--colors", "true"], folder.path(), (120, 40));
    terminal.answer();
    terminal.wait_for("running");
    let run = Background::find(folder.path());
    run.wait_for_steps();
    terminal.press("2");
    terminal.wait_for("a layer toward");
    // What the key took is made good within two seconds or so.
    terminal.read_for(Duration::from_secs(3));
    let before = terminal.written().len();
    terminal.read_for(Duration::from_secs(6));
    let sent = terminal.written().len() - before;
    assert!((200..=16_000).contains(&sent), "{sent} bytes in 6 seconds");
    assert_eq!(count(terminal.written(), b"\x1b[?1002h"), 0, "the mouse is the terminal's");
    terminal.press("qs");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
}

#[test]
fn a_storm_of_resizes_leaves_the_screen_as_it_should_be() {
    let (folder, _) = folder_with_a_run();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("1 overview");
    let mut noise = 7u32;
    for _ in 0..300 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (columns, rows) = (1 + (noise >> 8) % 240, 1 + (noise >> 20) % 70);
        terminal.resize(columns as u16, rows as u16);
        if noise.is_multiple_of(5) {
            thread::sleep(Duration::from_millis(3));
        }
    }
    terminal.resize(100, 30);
    terminal.wait_for("1 overview");
    terminal.read_for(Duration::from_millis(1500));
    let shown = terminal.text();
    terminal.press("\x0c");
    terminal.read_for(Duration::from_millis(1000));
    assert_eq!(shown, terminal.text());
    quit(terminal);
}

#[test]
fn a_process_that_is_stopped_and_continued_draws_again() {
    let (folder, _) = folder_with_a_run();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("1 overview");
    let entered = count(terminal.written(), ENTER);
    signal("-STOP", terminal.process_id());
    terminal.press("?");
    terminal.read_for(Duration::from_millis(300));
    assert!(!terminal.text().contains("Showing"));
    signal("-CONT", terminal.process_id());
    terminal.wait_for("Showing");
    // The key may be answered before the signal is.
    for _ in 0..100 {
        if count(terminal.written(), ENTER) > entered {
            break;
        }
        terminal.read_for(Duration::from_millis(50));
    }
    assert_eq!(count(terminal.written(), ENTER), entered + 1, "the modes are set again");
    terminal.press("?");
    quit(terminal);
}

#[test]
#[cfg(debug_assertions)]
fn training_goes_on_if_a_thread_that_reads_or_writes_panics() {
    for thread in ["terminal input", "terminal output"] {
        let folder = tempfile::tempdir().unwrap();
        let file = endless(folder.path());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
        command.args(["train", &file]);
        command.cwd(folder.path());
        command.env("SKIPLANE_PANICS_IN", thread);
        let mut terminal = Terminal::start(command, (100, 30));
        if thread == "terminal input" {
            terminal.wait_for("1 overview");
            terminal.press("2");
        }
        assert_eq!(terminal.finish(), 0, "{}", terminal.text());
        terminal.assert_restored();
        assert!(terminal.text().contains("panicked"), "{}", terminal.text());
        let run = Background::find(folder.path());
        run.wait_for_steps();
        let output = fs::read_to_string(run.0.join("output.log")).unwrap();
        assert!(output.contains("asked to panic"), "{output}");
        run.stop();
    }
}

#[test]
fn the_mouse_is_the_terminals_at_a_key() {
    let (folder, _) = folder_with_a_run();
    let mut terminal = start(&["review", "latest"], folder.path(), (100, 30));
    terminal.wait_for("1 overview");
    let mode = |terminal: &Terminal| terminal.screen().mouse_protocol_mode();
    assert_eq!(
        mode(&terminal),
        vt100::MouseProtocolMode::ButtonMotion,
        "moves without a button are not reported"
    );
    terminal.press("t");
    terminal.wait_for("the mouse selects text");
    assert_eq!(mode(&terminal), vt100::MouseProtocolMode::None);
    terminal.press("t");
    terminal.wait_for("the mouse works here again");
    assert_eq!(mode(&terminal), vt100::MouseProtocolMode::ButtonMotion);
    quit(terminal);
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let (folder, _) = folder_with_a_run();
    let on_dumb = |arguments: &[&str]| {
        let mut command = CommandBuilder::new("env");
        command.args(["TERM=dumb", env!("CARGO_BIN_EXE_skiplane")]);
        command.args(arguments);
        command.cwd(folder.path());
        let mut terminal = Terminal::start(command, (100, 30));
        let status = terminal.finish();
        (status, String::from_utf8_lossy(terminal.written()).into_owned())
    };
    let (status, text) = on_dumb(&["train", "quick", "--steps", "3"]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("residual step 3") && !text.contains('\u{1b}'), "{text:?}");
    let (status, text) = on_dumb(&["runs"]);
    assert!(status == 0 && text.contains("quick") && !text.contains('\u{1b}'), "{text:?}");
    let (status, text) = on_dumb(&["review", "latest"]);
    assert!(status == 2 && text.contains("TERM is `dumb`"), "{status} {text:?}");
}

#[test]
fn the_cost_of_drawing_never_takes_the_place_of_a_key() {
    let app = specimen::plain_beside_residual();
    let line = |width: u16, cost: Option<&str>| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 20));
        views::draw(&app, &Status { cost, ..Status::default() }, buffer.area, &mut buffer, &Theme::default());
        (0..width).map(|x| buffer[(x, 19)].symbol()).collect::<String>()
    };
    let cost = "12.3 ms 1234.5 kB/s 1234 merged";
    let mut shown = 0;
    for width in 36..=240 {
        let (without, with) = (line(width, None), line(width, Some(cost)));
        shown += usize::from(with.contains(cost));
        assert_eq!(with.replace(cost, "").trim_end(), without.trim_end(), "at {width} columns");
    }
    assert!(shown > 0, "it is shown where there is room");
}
