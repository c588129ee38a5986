//! Draws every view in every size and state: nothing panics, and nothing is drawn outside the area.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use skiplane::app::specimen::{self, Specimen};
use skiplane::app::{Action, App, LaneLabel};
use skiplane::theme::{Background, Characters, Colors, Theme};
use skiplane::units::{LaneIdx, Step};
use skiplane::views::{self, Scene};

/// States with different things to draw; made once, since that folds runs.
fn states() -> Vec<App> {
    let label = |lane: &str| LaneLabel { run: "run".to_owned(), lane: lane.to_owned() };
    let waiting = App::new(vec![label("plain"), label("residual\u{1b}[31m")]);
    let short = |name: &str, depth, shortcut| Specimen { steps: 12, ..Specimen::new(name, depth, shortcut) };
    let single = specimen::app_of(&[short("plain", 8, "none")]);
    let four = specimen::app_of(&[
        short("a", 8, "none"),
        short("層層層", 14, "identity"),
        short("c", 20, "projection"),
        Specimen { diverges_at: Some(5), ..short("d", 8, "none") },
    ]);
    let mut started = App::new(vec![label("plain"), label("residual")]);
    let first = short("plain", 8, "none").events().swap_remove(0);
    started.apply(LaneIdx(0), &first);
    vec![App::new(Vec::new()), waiting, started, single, four, specimen::one_diverged()]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0u64..320).prop_map(|step| Action::SelectStep(Step(step))),
        (-30i64..30).prop_map(Action::MoveLayer),
        (0usize..4).prop_map(|lane| Action::ToggleLane(LaneIdx(lane))),
        (0usize..4).prop_map(|lane| Action::SelectLane(LaneIdx(lane))),
        proptest::sample::select(vec![
            Action::SelectNextStatistic,
            Action::SelectNextHistogram,
            Action::CycleScale,
            Action::CycleSmoothing,
            Action::CycleAxis,
            Action::SelectNextFinding,
            Action::FollowLastStep,
            Action::ToggleHelp,
            Action::OpenGoTo,
        ]),
    ]
}

#[test]
fn every_view_can_be_drawn_anywhere() {
    let colors = prop::sample::select(vec![Colors::None, Colors::Sixteen, Colors::TwoFiftySix, Colors::True]);
    let characters = prop::sample::select(vec![Characters::Unicode, Characters::Ascii]);
    let place = (0u16..4, 0u16..4, 0u16..170, 0u16..60);
    let actions = proptest::collection::vec(any_action(), 0..8);
    let states = std::cell::RefCell::new(states());
    let strategy = (0usize..6, 0..views::ALL.len(), place, colors, characters, actions);
    let config = ProptestConfig::with_cases(300);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |(state, view, (x, y, width, height), colors, characters, actions)| {
            let app = &mut states.borrow_mut()[state];
            for action in actions {
                app.act(action);
            }
            let theme = Theme::new(colors, Background::Dark, characters);
            let area = Rect::new(x, y, width, height);
            let mut buffer = Buffer::empty(Rect::new(0, 0, area.right() + 2, area.bottom() + 2));
            let view = views::ALL[view];
            let mut scene = Scene::new(&mut buffer);
            view.render(app, area, &mut scene, &theme);
            let clicked = scene.hits.click(app, Position::new(x + width / 2, y + height / 2));
            let blank = ratatui::buffer::Cell::EMPTY;
            for (at, cell) in buffer.content().iter().enumerate() {
                let inside = area.contains(Position::from(buffer.pos_of(at)));
                prop_assert!(inside || *cell == blank, "{:?} drew outside", view.kind());
                // Only the names of lanes may contain other characters, but never control characters.
                let of_names = cell.symbol().contains(['層', '\u{fffd}']);
                let may_stand = characters == Characters::Unicode || cell.symbol().is_ascii() || of_names;
                prop_assert!(may_stand, "a character beyond ASCII");
                let control = cell.symbol().chars().any(char::is_control);
                prop_assert!(!control, "a control character");
            }
            for command in clicked {
                let views::Command::Act(action) = command else { panic!("{command:?} is no action") };
                app.act(action);
            }
            Ok(())
        })
        .unwrap();
}
