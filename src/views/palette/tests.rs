//! Tests of the palette: what is found, what it does, and how it looks.

use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::*;
use crate::app::Action;
use crate::app::specimen;
use crate::metric::known;
use crate::theme::{Background, Characters, Colors};
use crate::units::{LaneIdx, LayerIdx, Step};
use crate::views::{self, COMMANDS};

fn typed(text: &str) -> Palette {
    let mut palette = Palette::default();
    text.chars().for_each(|c| palette.insert(c));
    palette
}

/// What Enter does after typing a text.
fn does(app: &App, text: &str) -> Vec<Command> {
    typed(text).commands(app, &Keymap::default())
}

fn picture(app: &App, palette: &Palette, size: (u16, u16), theme: &Theme) -> String {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buffer = Buffer::empty(area);
    draw(palette, app, &Keymap::default(), area, &mut Scene::new(&mut buffer), theme);
    let row = |cells: &[ratatui::buffer::Cell]| {
        cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n"
    };
    buffer.content().chunks(usize::from(size.0).max(1)).map(row).collect()
}

#[test]
fn a_part_of_a_name_finds_what_can_be_done_or_chosen() {
    let app = specimen::one_diverged();
    let act = |action| vec![Command::Act(action)];
    assert_eq!(does(&app, "heatm"), [Command::View(2)]);
    assert_eq!(does(&app, "smooth"), act(Action::CycleSmoothing));
    assert_eq!(does(&app, "lane resid"), act(Action::SelectLane(LaneIdx(1))));
    assert_eq!(does(&app, "metric activation std"), act(Action::SelectStatistic(known::ACTIVATION_STD)));
    assert_eq!(does(&app, "finding non fin"), act(Action::SelectFinding(0)));
    let lane = &app.lanes()[0];
    let layer = &lane.structure().unwrap().layers[3];
    let key = app.row_of(lane, LayerIdx(3)).unwrap();
    assert_eq!(does(&app, &format!("layer {}", layer.name)), act(Action::SelectLayer(key)));
    assert_eq!(does(&app, "qzqzqz"), []);
}

#[test]
fn a_metric_that_the_view_does_not_choose_is_shown_in_one_that_does() {
    let mut app = specimen::plain_beside_residual();
    app.act(Action::SelectView(views::kind_named("findings").unwrap()));
    let shortcut = views::kind_named("shortcut").unwrap();
    let expected = [Action::SelectView(shortcut), Action::SelectStatistic(known::BRANCH_RATIO)];
    let name = known::BRANCH_RATIO.name();
    assert_eq!(does(&app, &format!("metric {name}")), expected.map(Command::Act));
}

#[test]
fn a_number_is_a_step_and_one_with_a_sign_a_way() {
    let mut app = specimen::plain_beside_residual();
    app.act(Action::SelectStep(Step(100)));
    let to = |step| vec![Command::Act(Action::SelectStep(Step(step)))];
    assert_eq!(does(&app, "123"), to(123));
    assert_eq!(does(&app, "+50"), to(150));
    assert_eq!(does(&app, "-250"), to(0));
    assert_eq!(does(&app, "99,999,999,999,999,999,999,999"), to(app.last_step().0));
    assert_ne!(does(&app, "+-3"), to(97));
}

#[test]
fn every_command_is_found_by_its_words() {
    let app = specimen::plain_beside_residual();
    for named in COMMANDS {
        let is_offered = match named.command {
            Command::Palette | Command::Act(Action::Dismiss) => false,
            Command::View(place) => views::ALL[place].fits(&app),
            _ => true,
        };
        let palette = typed(named.what.trim_start_matches("view: "));
        let found = palette.found(&app, &Keymap::default());
        let is_found = found.iter().any(|found| found.item.does == [named.command]);
        assert_eq!(is_found, is_offered, "{}", named.name);
    }
}

#[test]
fn the_chosen_row_is_visible_has_its_keys_and_can_be_clicked() {
    let (app, keymap, area) = (specimen::plain_beside_residual(), Keymap::default(), Rect::new(0, 0, 80, 24));
    let mut palette = Palette::default();
    for _ in 0..30 {
        palette.turn(&app, &keymap, 1);
    }
    let expected = palette.commands(&app, &keymap);
    let theme = Theme::default();
    let text = picture(&app, &palette, (80, 24), &theme);
    assert!(text.contains("previous finding"), "{text}");
    let row = text.lines().position(|line| line.contains("previous finding")).unwrap();
    assert!(text.lines().nth(row).unwrap().contains(" N "), "{text}");
    let mut buffer = Buffer::empty(area);
    let mut scene = Scene::new(&mut buffer);
    draw(&palette, &app, &keymap, area, &mut scene, &theme);
    let [Command::Choose(at)] = scene.hits.click(&app, (30, row as u16).into())[..] else { panic!("no row") };
    let mut clicked = palette.clone();
    clicked.choose(at);
    assert_ne!(expected, []);
    assert!(clicked.commands(&app, &keymap) == [Command::Act(Action::SelectPreviousFinding)]);
    assert_eq!(scene.hits.click(&app, (0, 0).into()), [Command::Press(Key::Escape)]);
    palette.turn(&app, &keymap, -31);
    assert_eq!(palette.chosen, palette.found(&app, &keymap).len() - 1);
}

#[test]
fn what_was_typed_is_marked() {
    let theme = Theme::default();
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    let app = specimen::plain_beside_residual();
    draw(&typed("heatm"), &app, &Keymap::default(), area, &mut Scene::new(&mut buffer), &theme);
    let is_marked = |cell: &&ratatui::buffer::Cell| cell.modifier.contains(Modifier::UNDERLINED);
    let marked: String = buffer.content().iter().filter(is_marked).map(|cell| cell.symbol()).collect();
    assert!(marked.starts_with("heatm"), "{marked}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_in_any_size_can_be_drawn_and_clicked(
        text in "\\PC{0,20}", size in (0u16..130, 0u16..40), at in (0u16..130, 0u16..40), by in -200i64..200, ascii: bool,
    ) {
        let app = specimen::one_diverged();
        let characters = if ascii { Characters::Ascii } else { Characters::Unicode };
        let theme = Theme::new(Colors::None, Background::Dark, characters);
        let mut palette = typed(&text);
        palette.turn(&app, &Keymap::default(), by);
        let drawn = picture(&app, &palette, size, &theme);
        let has_escape = drawn.contains('\x1b');
        prop_assert!(!has_escape);
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        let mut scene = Scene::new(&mut buffer);
        draw(&palette, &app, &Keymap::default(), Rect::new(0, 0, size.0, size.1), &mut scene, &theme);
        if let [Command::Choose(at)] = scene.hits.click(&app, at.into())[..] {
            palette.choose(at);
            prop_assert!(!palette.commands(&app, &Keymap::default()).is_empty());
        }
    }
}
