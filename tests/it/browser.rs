//! The runs browser: its frames cell by cell, any size, and the real binary in a real pseudo-terminal.

use std::fs;
use std::path::Path;

use portable_pty::CommandBuilder;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use skiplane::runs_list::{Action, Pane, RunsList, specimen};
use skiplane::session::listing::Found;
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::views::browser::{self, Status};

use crate::frames::{characters, styled};
use crate::pseudo_terminal::Terminal;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

fn draw(list: &RunsList, (width, height): (u16, u16), theme: &Theme) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let area = buffer.area;
    browser::draw(list, &Status::default(), area, &mut buffer, theme);
    buffer
}

fn type_text(list: &mut RunsList, text: &str) {
    text.chars().for_each(|c| drop(list.act(Action::Type(c))));
}

/// The screens, each with a name.
fn scenes() -> Vec<(&'static str, RunsList)> {
    let of = |actions: &[Action]| {
        let mut list = specimen::list();
        for seed in 0..3 {
            let id = format!("20261123-07{seed}000-depth");
            list.apply(Found::Curves(specimen::curves(&id, seed)));
        }
        actions.iter().for_each(|action| drop(list.act(*action)));
        list
    };
    let table = of(&[Action::SelectRow(7), Action::Expand, Action::ToggleMark]);
    let mut filter = of(&[Action::OpenFilter]);
    type_text(&mut filter, "depth>20 shortcat=identity");
    let groups = of(&[Action::ToggleGroups, Action::SelectRow(6), Action::Expand]);
    let mark = [Action::ToggleMark; 4];
    let mut differences = vec![Action::SelectRow(5)];
    differences.extend(mark);
    differences.push(Action::SetPane(Pane::Differences));
    let bands = of(&[Action::SelectRow(8), Action::SetPane(Pane::Bands)]);
    let of_repeats = |actions: &[Action]| {
        let mut list = specimen::list_with_repeats();
        for (seed, minute) in [(0, 30), (1, 10), (2, 20)] {
            list.apply(Found::Curves(specimen::curves(&format!("20261123-07{minute}00-depth"), seed)));
        }
        list.apply(Found::Curves(specimen::diverging_curves("20261123-074000-depth")));
        actions.iter().for_each(|action| drop(list.act(*action)));
        list
    };
    let repeats = of_repeats(&[Action::ToggleGroups, Action::SelectRow(7), Action::Expand]);
    let mut off_the_scale = vec![Action::SelectRow(6)];
    off_the_scale.extend([Action::ToggleMark; 4]);
    off_the_scale.push(Action::SetPane(Pane::Bands));
    let delete = of(&[Action::SelectRow(7), Action::ToggleMark, Action::ToggleMark, Action::OpenDelete]);
    let tags = of(&[Action::SelectRow(7), Action::OpenTags]);
    vec![
        ("table", table),
        ("filter", filter),
        ("groups", groups),
        ("differences", of(&differences)),
        ("bands", bands),
        ("repeats", repeats),
        ("off_the_scale", of_repeats(&off_the_scale)),
        ("delete", delete),
        ("tags", tags),
    ]
}

#[test]
fn golden_frames_of_the_browser() {
    type Dump = fn(&Buffer) -> String;
    let themes: [(&str, Theme, Dump); 3] = [
        ("colour", Theme::default(), styled),
        ("no_color", Theme::new(Colors::None, Background::Dark, Characters::Unicode), characters),
        ("ascii", Theme::new(Colors::None, Background::Dark, Characters::Ascii), characters),
    ];
    for (folder, theme, dump) in themes {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(format!("snapshots/browser/{folder}"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            for (name, list) in scenes() {
                for size in SIZES {
                    let frame = dump(&draw(&list, size, &theme));
                    insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), frame);
                }
            }
        });
    }
}

#[test]
fn the_help_names_every_key_of_the_table() {
    let mut list = specimen::list();
    list.act(Action::ToggleHelp);
    let text = characters(&draw(&list, (120, 90), &Theme::default()));
    for binding in browser::BINDINGS {
        assert!(text.contains(binding.what) && text.contains(binding.label), "{}", binding.what);
    }
    for key in skiplane::runs_list::filter::KEYS {
        assert!(text.contains(key.name) && text.contains(key.what), "{}", key.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_browser_can_be_drawn_and_clicked_at_any_size(
        scene in 0usize..7, width in 0u16..220, height in 0u16..60, (x, y) in (0u16..220, 0u16..60), ascii: bool,
        cursor in 0usize..30,
    ) {
        let characters = if ascii { Characters::Ascii } else { Characters::Unicode };
        let theme = Theme::new(Colors::True, Background::Dark, characters);
        let (_, mut list) = scenes().swap_remove(scene);
        list.act(Action::SelectRow(cursor));
        let area = Rect::new(1, 1, width, height);
        let mut buffer = Buffer::empty(Rect::new(0, 0, width + 2, height + 2));
        let status = Status { notice: Some("a notice\x1b"), ..Status::default() };
        let hits = browser::draw(&list, &status, area, &mut buffer, &theme);
        for (at, cell) in buffer.content().iter().enumerate() {
            let inside = area.contains(Position::from(buffer.pos_of(at)));
            prop_assert!(inside || *cell == ratatui::buffer::Cell::EMPTY, "drawn outside");
            prop_assert!(!cell.symbol().chars().any(char::is_control));
            // Only the content of files may contain other characters than ASCII.
            let of_files = cell.symbol().contains(['層', '\u{fffd}']);
            prop_assert!(!ascii || of_files || cell.symbol().is_ascii(), "{}", cell.symbol());
        }
        for command in hits.click(&list, Position::new(x, y)) {
            if let browser::Command::Act(action) = command {
                list.act(action);
            }
        }
    }
}

/// A folder with the example run under three names, each with its own seed and short logs.
fn folder_with_runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs/20261123-142307-example");
    for seed in 0..3 {
        let run = folder.path().join(format!("runs/20261123-14230{seed}-seed{seed}"));
        fs::create_dir_all(&run).unwrap();
        for file in ["run.json", "experiment.toml"] {
            let text = fs::read_to_string(example.join(file)).unwrap();
            let text = text.replace("seed = 0", &format!("seed = {seed}"));
            fs::write(run.join(file), text.replace("\"seed\": 0", &format!("\"seed\": {seed}"))).unwrap();
        }
        for log in ["plain.jsonl", "residual.jsonl"] {
            let text = fs::read_to_string(example.join(log)).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let shortened = [&lines[..40], &lines[lines.len() - 4..]].concat().join("\n") + "\n";
            fs::write(run.join(log), shortened).unwrap();
        }
    }
    folder
}

fn start(folder: &Path, arguments: &[&str], size: (u16, u16)) -> Terminal {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skiplane"));
    command.args(arguments);
    command.cwd(folder);
    Terminal::start(command, size)
}

#[test]
fn runs_are_browsed_in_a_terminal() {
    let folder = folder_with_runs();
    let mut terminal = start(folder.path(), &["runs"], (120, 40));
    terminal.wait_for("142302-seed2");
    terminal.press("/seed<2 shortcut=identity");
    terminal.wait_for("2 of 3");
    terminal.press("\r  x");
    terminal.wait_for("2 marked");
    terminal.wait_for("differences of 2 runs");
    terminal.press("b");
    terminal.wait_for("mean and range over 2 seeds");
    terminal.wait_for("residual (2)");
    terminal.press("\r");
    terminal.wait_for("1 overview");
    terminal.press("q");
    terminal.wait_for("mean and range over 2 seeds");
    terminal.press("A\x1b");
    // The details instead of the curves; a key right after Escape would be read as one with Alt.
    terminal.wait_for("sgd at 0.05");
    terminal.press("nworth a look\r");
    terminal.wait_for("worth a look");
    terminal.press("D");
    terminal.wait_for("Move this run to the trash?");
    terminal.press("y");
    terminal.wait_for("moved to the trash");
    terminal.press("u");
    terminal.wait_for("restored from the trash");
    terminal.press("\r");
    terminal.wait_for("1 overview");
    terminal.press("r");
    terminal.wait_for("worth a look");
    terminal.press("q");
    assert_eq!(terminal.finish(), 0, "{}", terminal.text());
    terminal.assert_restored();
    let json = crate::cli::skiplane(folder.path(), &["runs", "--json", "--filter", "note~worth"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["note"]), (1, &serde_json::json!("worth a look")));
}
