//! Tests of the settings: what is understood, what is told, and that any text gives usable keys.

use proptest::prelude::*;

use super::*;
use crate::app::Action;
use crate::views::{COMMANDS, Command};

fn parse(text: &str) -> Config {
    Config::parse(text, "config.toml")
}

#[test]
fn keys_get_other_commands_several_keys_one_and_some_none() {
    let config = parse(
        "[keys]\n\"ctrl-o\" = \"palette\"\nf2 = \"palette\"\n\"x\" = \"no_op\"\nj = \"down\"\n[notify]\nbell = true\n",
    );
    assert_eq!(config.problems, Vec::<String>::new());
    let keymap = &config.keymap;
    let palette: Vec<Key> = keymap.keys(Command::Palette).collect();
    assert_eq!(palette, [Key::Control('o'), Key::F(2), Key::Char(':'), Key::Control('p')]);
    assert_eq!(keymap.command(Key::Char('x')), None);
    assert_eq!(keymap.command(Key::Char('j')), Some(Command::Vertical(1)));
    assert_eq!(keymap.command(Key::Char('y')), Some(Command::Act(Action::CycleScale)));
    assert_eq!(config.notify, Notify { bell: true, osc9: false });
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_default_stays() {
    let text = "[keys]\n\"ctrl-q\" = \"palete\"\nleeft = \"quit\"\n\"ctrl-c\" = \"no_op\"\ne = 3\n\
                Q = \"quit\"\n\"shift-q\" = \"detach\"\n[notfy]\nbell = true\n[notify]\nbel = true\nosc9 = 1\n";
    let config = parse(text);
    assert_eq!(
        config.problems,
        [
            "config.toml:2: expected an action, found `palete`; the nearest is `palette`",
            "config.toml:3: expected a key such as `p`, `ctrl-p` or `f5`, found `leeft`; the nearest is `left`",
            "config.toml:4: `ctrl-c` is always for quitting",
            "config.toml:5: expected the name of an action in quotation marks",
            "config.toml:7: `Q` has a command already; that one stays",
            "config.toml:8: expected a table, found `notfy`; the nearest is `notify`",
            "config.toml:11: expected a key, found `bel`; the nearest is `bell`",
            "config.toml:12: expected true or false",
        ]
    );
    let mut expected = Keymap::default();
    expected.bind(Key::Char('Q'), Some(Command::Quit));
    assert_eq!(config.keymap, expected);
}

#[test]
fn the_screen_has_a_budget_in_any_unit_or_none() {
    let screen = |text: &str| {
        let config = parse(&format!("[screen]\n{text}\n"));
        (config.screen, config.problems)
    };
    let budgets = [
        ("20 kB/s", Some(20_000)),
        ("2.5kB/s", Some(2_500)),
        ("100 B/s", Some(100)),
        ("1.5 MB/s", Some(1_500_000)),
        ("none", None),
    ];
    for (text, budget) in budgets {
        let (found, problems) = screen(&format!("budget = {text:?}"));
        assert_eq!((found.budget, problems), (budget, Vec::new()), "{text}");
    }
    for text in
        ["\"20\"", "\"20 KB/s\"", "\"-1 kB/s\"", "\"99 B/s\"", "\"inf B/s\"", "\"5000 MB/s\"", "20", "-0.0"]
    {
        let (found, problems) = screen(&format!("budget = {text}"));
        assert_eq!(found, Screen::default(), "{text}");
        assert!(problems[0].starts_with("config.toml:2: expected \"none\" or a rate"), "{problems:?}");
    }
    assert_eq!(screen("budget = 0").0.budget, None);
    assert!(!screen("mouse = false").0.mouse);
    assert_eq!(screen("mouse = 0").1, ["config.toml:2: expected true or false"]);
    assert_eq!(
        screen("mose = false").1,
        ["config.toml:2: expected a key, found `mose`; the nearest is `mouse`"]
    );
}

#[test]
fn pictures_are_drawn_as_the_file_says() {
    assert_eq!(parse("").screen.graphics, Graphics::Auto);
    let of = |line: &str| parse(&format!("[screen]\ngraphics = {line}\n"));
    assert_eq!(of("\"sixel\"").screen.graphics, Graphics::Sixel);
    assert_eq!(of("\"blocks\"").screen.graphics, Graphics::Blocks);
    assert_eq!(
        of("\"kity\"").problems,
        ["config.toml:2: expected how pictures are drawn, found `kity`; the nearest is `kitty`"]
    );
    assert_eq!(
        of("true").problems,
        ["config.toml:2: expected `auto`, `kitty`, `sixel` or `blocks` in quotation marks"]
    );
}

#[test]
fn motion_is_reduced_on_demand_only() {
    assert!(!parse("").screen.reduced_motion);
    assert!(parse("[screen]\nreduced_motion = true\n").screen.reduced_motion);
    let config = parse("[screen]\nreduced = true\nreduced_motion = 1\n");
    assert_eq!(
        config.problems,
        [
            "config.toml:2: expected a key, found `reduced`; the nearest is `reduced_motion`",
            "config.toml:3: expected true or false",
        ]
    );
}

#[test]
fn a_text_that_is_no_toml_leaves_the_defaults() {
    let config = parse("[keys]\nx = \"no_op\"\ny = \n");
    assert!(config.problems[0].starts_with("config.toml:3: "), "{:?}", config.problems);
    assert_eq!((config.problems.len(), config.keymap), (1, Keymap::default()));
}

#[test]
fn the_list_of_runs_has_keys_of_its_own() {
    let text = "[keys]\nx = \"no_op\"\n[keys.runs]\n\"ctrl-d\" = \"page_down\"\nx = \"view_layer\"\n\"?\" = \"no_op\"\n";
    let config = parse(text);
    assert_eq!(config.keymap.command(Key::Char('x')), None);
    let keymap = &config.runs_keymap;
    assert_eq!(keymap.command(Key::Control('d')), Some(browser::Command::Page(1)));
    let told = [
        "config.toml:5: expected an action, found `view_layer`; the nearest is `filter`",
        "config.toml:1: expected a key for `help`, found none; `?` opens it",
    ];
    assert_eq!(config.problems, told);
    assert_eq!(parse("[keys]\nruns = \"quit\"\n").problems.len(), 1);
}

#[test]
fn the_palette_keeps_a_key() {
    let config = parse("[keys]\n\":\" = \"no_op\"\n\"ctrl-p\" = \"quit\"\n");
    assert_eq!(config.keymap.keys(Command::Palette).collect::<Vec<_>>(), [Key::Char(':')]);
    assert_eq!(config.problems.len(), 1);
}

#[test]
fn a_file_may_be_missing_but_is_told_if_it_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Config::read(&folder.path().join("config.toml")), Config::default());
    assert!(Config::read(folder.path()).problems[0].ends_with("expected a file"));
    let file = folder.path().join("binary");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(Config::read(&file).problems.len(), 1);
}

fn entry() -> impl Strategy<Value = String> {
    let names: Vec<String> = COMMANDS.iter().map(|named| named.name.to_owned()).collect();
    let key = prop_oneof!["[ -~]", "(ctrl|alt|shift)-[a-z]", "f[0-9]{1,2}", "\\PC{0,6}"];
    let action = prop_oneof![proptest::sample::select(names), Just(NO_OP.to_owned()), "[a-z_]{0,9}"];
    (key, action).prop_map(|(key, action)| format!("{key:?} = {action:?}\n"))
}

proptest! {
    #[test]
    fn any_text_gives_keys_by_which_everything_can_be_reached(
        entries in proptest::collection::vec(entry(), 0..40), rest in "(\\PC|\n){0,80}", valid: bool,
    ) {
        let mut text = format!("[keys]\n{}", entries.concat());
        if !valid {
            text.push_str(&rest);
        }
        let config = parse(&text);
        prop_assert!(config.keymap.keys(Command::Palette).next().is_some());
        prop_assert_eq!(config.keymap.command(Key::Control('c')), Some(Command::Quit));
        prop_assert!(config.problems.len() <= MOST_PROBLEMS + 1);
        prop_assert!(config.problems.iter().all(|problem| crate::printable::is_printable(problem)));
    }
}

#[test]
fn curves_are_drawn_in_other_dots_on_demand() {
    use crate::theme::Dots;
    assert_eq!(parse("").screen.dots, Dots::Braille);
    assert_eq!(parse("[screen]\ndots = \"octants\"\n").screen.dots, Dots::Octants);
    let config = parse("[screen]\ndots = \"octant\"\n[screen.x]\n");
    assert_eq!(config.screen.dots, Dots::Braille);
    assert!(
        config.problems[0].starts_with("config.toml:2: expected what curves are drawn in, found `octant`")
    );
    assert!(
        parse("[screen]\ndots = 2\n").problems[0].contains("expected `braille`, `quadrants` or `octants`")
    );
}
