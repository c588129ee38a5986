//! Pictures that the terminal draws itself: the real binary in a pseudo-terminal whose answers say that it can.

use std::time::{Duration, Instant};

use skiplane::app::specimen::{Specimen, add_pictures};
use skiplane::units::LaneIdx;

use crate::dashboard::start;
use crate::pseudo_terminal::{PATIENCE, Terminal};
use crate::replay::new_run;

/// What a terminal with kitty graphics and cells of 10 by 20 pixels answers.
const ANSWERS: &str = "\x1b_Gi=31;OK\x1b\\\x1b[?62;22c\x1b[6;20;10t";

/// A folder with a run whose two lanes recorded the same pictures.
fn folder_with_pictures() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = new_run(&folder.path().join("runs"), "pictures");
    for (idx, name, shortcut) in [(0, "plain", "none"), (1, "residual", "identity")] {
        let mut log = run.create_log(LaneIdx(idx)).unwrap();
        for mut event in (Specimen { steps: 20, ..Specimen::new(name, 8, shortcut) }).events() {
            add_pictures(&mut event, false);
            log.append(&event).unwrap();
        }
    }
    folder
}

/// How often kitty was told to take a picture, to show one, to remove one, and to forget one.
fn commands(terminal: &Terminal) -> [usize; 4] {
    let text = String::from_utf8_lossy(terminal.written());
    ["_Ga=t,", "_Ga=p,", "_Ga=d,d=i,", "_Ga=d,d=I,"].map(|command| text.matches(command).count())
}

fn wait_until(terminal: &mut Terminal, is: impl Fn(&Terminal) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is(terminal) {
        assert!(Instant::now() < end, "{:?}\n{}", commands(terminal), terminal.text());
        terminal.read_for(Duration::from_millis(20));
    }
}

#[test]
fn a_terminal_that_says_it_can_draws_pictures_while_they_are_shown() {
    let folder = folder_with_pictures();
    let mut terminal = start(&["review", "latest"], folder.path(), (120, 40));
    terminal.wait_for("1 overview");
    terminal.press("i");
    terminal.wait_for("filters of the first");
    terminal.read_for(Duration::from_millis(200));
    assert_eq!(commands(&terminal), [0; 4], "it has not answered");
    assert!(terminal.text().contains('▀'), "{}", terminal.text());
    let queries = String::from_utf8_lossy(terminal.written()).matches("_Gi=31").count();
    assert_eq!(queries, 1);

    terminal.press(ANSWERS);
    wait_until(&mut terminal, |terminal| commands(terminal)[1] > 0);
    terminal.read_for(Duration::from_millis(200));
    let [given, shown, removed, _] = commands(&terminal);
    // Of each lane an example, three maps and two filters, and two mistakes of the first; those of the lanes are the same.
    assert!((given, shown, removed) == (8, 14, 0), "{:?}", commands(&terminal));
    let legends_have_none = !terminal.text().lines().take(10).any(|line| line.contains('▀'));
    assert!(legends_have_none, "cells below pictures are blank: {}", terminal.text());

    terminal.press("?");
    wait_until(&mut terminal, |terminal| commands(terminal)[2] > 0);
    terminal.press("?");
    wait_until(&mut terminal, |terminal| commands(terminal)[1] > shown);
    terminal.press("1");
    wait_until(&mut terminal, |terminal| commands(terminal)[1] == commands(terminal)[2]);
    terminal.press("i");
    wait_until(&mut terminal, |terminal| commands(terminal)[1] == commands(terminal)[2] + shown);
    terminal.press("G");
    terminal.wait_for("pictures are drawn in cells");
    wait_until(&mut terminal, |terminal| commands(terminal)[1] == commands(terminal)[2]);
    assert_eq!(commands(&terminal)[0], given, "they are given once");
    terminal.press("G");
    terminal.wait_for("kitty graphics");
    terminal.press("\x0c");
    wait_until(&mut terminal, |terminal| commands(terminal)[0] == 2 * given);
    assert_eq!(commands(&terminal)[3], given, "all is given again after a redraw");
    terminal.press("q");
    let status = terminal.finish();
    terminal.assert_restored();
    assert_eq!((status, commands(&terminal)[3]), (0, 2 * given), "{}", terminal.text());
}

#[test]
fn pictures_stay_in_cells_where_the_file_says_so_and_go_as_sixels() {
    let folder = folder_with_pictures();
    std::fs::create_dir(folder.path().join("skiplane")).unwrap();
    let config = |graphics: &str| {
        let text = format!("[screen]\ngraphics = \"{graphics}\"\n");
        std::fs::write(folder.path().join("skiplane/config.toml"), text).unwrap();
    };
    let sixels =
        |terminal: &Terminal| String::from_utf8_lossy(terminal.written()).matches("\x1bP0;1;0q").count();
    config("blocks");
    let mut terminal = start(&["review", "latest"], folder.path(), (120, 40));
    terminal.wait_for("1 overview");
    terminal.press("i");
    terminal.press(ANSWERS);
    terminal.wait_for("filters of the first");
    terminal.press("q");
    terminal.finish();
    assert!(commands(&terminal) == [0; 4] && !String::from_utf8_lossy(terminal.written()).contains("_G"));

    config("sixel");
    let mut terminal = start(&["review", "latest"], folder.path(), (120, 40));
    terminal.wait_for("1 overview");
    terminal.press("\x1b[6;20;10t");
    terminal.press("i");
    wait_until(&mut terminal, |terminal| sixels(terminal) >= 14);
    let shown = sixels(&terminal);
    terminal.read_for(Duration::from_millis(700));
    assert_eq!(sixels(&terminal), shown, "nothing when idle");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0);
    terminal.assert_restored();
}
