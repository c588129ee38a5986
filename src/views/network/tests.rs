use std::collections::BTreeSet;

use super::*;
use crate::app::LayerKey;
use crate::app::specimen::{self, Specimen};
use crate::units::{LaneIdx, Step};
use crate::views::{Format, snapshot};

fn deep() -> App {
    let lane = |name: &str, shortcut| Specimen { steps: 2, ..Specimen::new(name, 110, shortcut) };
    specimen::app_of(&[lane("plain", "none"), lane("residual", "projection")])
}

fn frame(app: &mut App, size: (u16, u16)) -> String {
    app.act(Action::SelectView(Network.kind()));
    snapshot(app, size, &Theme::default(), Format::Text)
}

/// What clicks in an area do.
fn clicks(app: &App, area: Rect) -> impl Fn(Position) -> Vec<Action> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, area.right(), area.bottom()));
    let mut scene = Scene::new(&mut buffer);
    Network.render(app, area, &mut scene, &Theme::default());
    let hits = scene.hits;
    let action = |command| match command {
        Command::Act(action) => action,
        other => panic!("{other:?} is no action"),
    };
    move |position| hits.click(app, position).into_iter().map(action).collect()
}

/// The layers of a lane that a click anywhere in an area selects.
fn clickable(app: &App, area: Rect, lane: LaneIdx) -> BTreeSet<LayerIdx> {
    let click = clicks(app, area);
    let layer = |position: Position| match click(position)[..] {
        [Action::SelectLane(of), Action::SelectLayer(key)] if of == lane => {
            app.own_layer_at(app.lane(lane).unwrap(), key)
        }
        _ => None,
    };
    area.positions().filter_map(layer).collect()
}

#[test]
fn every_layer_of_a_deep_network_has_a_cell_to_click_whether_or_not_there_is_room_for_names() {
    let app = deep();
    for (width, has_list) in [(120, true), (40, false)] {
        let area = Rect::new(3, 1, width, 40);
        assert!(Layout::of(&app, area).panels.iter().all(|panel| panel.has_list == has_list));
        for (lane, layers) in [(LaneIdx(0), 110), (LaneIdx(1), 112)] {
            assert_eq!(clickable(&app, area, lane).len(), layers, "{width} wide");
        }
    }
}

#[test]
fn the_selected_layer_stays_where_it_is_when_it_is_clicked() {
    let mut app = deep();
    let area = Rect::new(0, 1, 120, 30);
    app.act(Action::SelectLayer(LayerKey { depth: 77, projection: false }));
    let panel = &Layout::of(&app, area).panels[1];
    let y = (panel.area.y..panel.area.bottom())
        .rev()
        .find(|y| {
            let at = panel.layer_at(&app, Position { x: panel.area.x, y: *y });
            at.is_some() && at == app.layer_in(panel.lane)
        })
        .expect("the selected layer is in sight");
    let before = app.row();
    let actions = clicks(&app, area)(Position { x: panel.area.x + 5, y });
    app.act_together(&actions);
    assert_eq!((app.row(), app.selected_lane()), (before, LaneIdx(1)));
}

#[test]
fn both_kinds_of_blocks_are_told_apart_with_and_without_colours() {
    let mut app =
        specimen::app_of(&[Specimen::new("plain", 8, "none"), Specimen::new("residual", 8, "projection")]);
    let text = frame(&mut app, (120, 40));
    assert!(
        text.contains("shortcut none") && text.contains("identity") && text.contains("projection"),
        "{text}"
    );
    assert!(text.contains("stage 3, 1 block of 32x4x4"), "{text}");
    let ends = text.matches("╰+").count() + text.matches("◆+").count();
    assert_eq!(ends, 3, "a sum at the end of each residual block: {text}");
}

#[test]
fn a_finding_marks_its_layer_while_it_lasts() {
    let mut app = specimen::one_diverged();
    let found = app.findings().into_iter().find(|finding| finding.layer.is_some()).cloned().unwrap();
    let mut marked = |step| {
        app.act(Action::SelectStep(step));
        State::of(&app, app.lane(found.lane).unwrap()).findings.contains_key(&found.layer.unwrap())
    };
    assert!(marked(found.step));
    assert!(!marked(Step(found.step.0 - 1)));
}
