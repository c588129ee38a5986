//! Tapes, as `examples/record` plays them: what they may say, what is wrong with others, and a film of a real dashboard.

use std::path::Path;
use std::time::Duration;

use crate::cli::folder_with_a_run;
use tape::{Step, parse};

#[path = "../../examples/record/film.rs"]
mod film;
#[path = "../../examples/record/play.rs"]
mod play;
#[path = "../../examples/record/tape.rs"]
mod tape;

#[test]
fn a_tape_says_what_to_run_and_which_keys_to_press() {
    let text = "# a comment\n\nsize 80x24\nrun review latest\nwait 500ms\nkey 3\nkeys down*2 *\ntype \"a b\"\nhold 1.5s\n";
    let tape = parse(text).unwrap();
    assert_eq!((tape.size, tape.arguments), ((80, 24), vec!["review".to_owned(), "latest".to_owned()]));
    let press = |label: &str, sent: &str| Step::Press(label.to_owned(), sent.to_owned());
    let expected = [
        Step::Wait(Duration::from_millis(500)),
        press("3", "3"),
        press("↓", "\x1b[B"),
        press("↓", "\x1b[B"),
        press("*", "*"),
        Step::Type('a'),
        Step::Type(' '),
        Step::Type('b'),
        Step::Hold(Duration::from_millis(1500)),
    ];
    assert_eq!(tape.steps, expected);
}

#[test]
fn what_is_wrong_with_a_tape_is_told_with_its_line() {
    let whole = |line: &str| format!("size 80x24\nrun review latest\n{line}\n");
    for (line, expected) in [
        ("press 3", "line 3: expected size, run, key, keys, type, wait or hold, found `press`"),
        ("key f99", "line 3: expected a key such as s, ctrl-p, up, "),
        ("key", "line 3: expected a key such as s"),
        ("keys down*0", "line 3: expected a key and how often, such as down*5, found `down*0`"),
        ("keys down*many", "line 3: expected a key and how often"),
        ("keys", "line 3: expected keys such as down*5, found none"),
        ("type heat", "line 3: expected a text in quotes such as \"heat\", found `heat`"),
        ("wait soon", "line 3: expected a time such as 500ms or 1.5s, found `soon`"),
        ("hold -1s", "line 3: expected a time"),
        ("size 80", "line 3: expected columns x rows such as 100x30, found `80`"),
        ("run", "line 3: expected arguments after `run`, found none"),
    ] {
        let problem = parse(&whole(line)).unwrap_err().to_string();
        assert!(problem.starts_with(expected), "{problem}");
    }
    let of = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(of("size 80x24\nkey 3\nrun review latest"), "line 2: expected `run` before the first step");
    assert_eq!(of("run review latest"), "expected a line `size 100x30`, found none");
    assert_eq!(of("size 80x24"), "expected a line `run review example`, found none");
}

#[test]
fn every_tape_of_the_documentation_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tapes");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let tape = parse(&std::fs::read_to_string(&path).unwrap());
        tape.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn a_film_shows_the_dashboard_after_each_key_and_draws_what_stays_once() {
    let (folder, _) = folder_with_a_run();
    let text = "size 100x30\nrun review latest\nhold 1s\nkeys 3 left*2\ntype \"?\"\nhold 500ms\n";
    let tape = parse(text).unwrap();
    let shots = play::play(&tape, Path::new(env!("CARGO_BIN_EXE_skiplane")), folder.path()).unwrap();
    let captions: Vec<&str> = shots.iter().map(|shot| shot.caption.as_str()).collect();
    assert_eq!(captions, ["$ skiplane review latest", "3", "←", "← ×2", "?"]);
    assert_eq!(shots[0].shown, Duration::from_secs(1));
    let text_of = |at: usize| {
        let screen = &shots[at].screen;
        screen.content().iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    assert!(text_of(0).contains("1 overview") && text_of(1).contains("3 heatmap"), "{}", text_of(1));
    assert!(text_of(4).contains("Showing"), "{}", text_of(4));
    let film = film::film(&shots);
    for at in 0..shots.len() {
        assert!(film.contains(&format!("@keyframes k{at}{{")) && film.contains(&format!("id=\"s{at}\"")));
    }
    assert!(film.contains("prefers-reduced-motion") && film.ends_with("</svg>\n"));
    let (drawn, placed) = (film.matches("<g id=\"r").count(), film.matches("<use ").count());
    assert!(drawn < placed, "{drawn} rows are drawn, {placed} are shown");
}
