//! The views: one file per view, each drawn from the state alone, inside a frame with tabs, the run's timeline and a
//! status line. They only read the state; keys and clicks they translate to actions.

use ratatui::layout::Rect;

use crate::app::{Action, App, Lane, Need, ViewKind, Wanted};
use crate::theme::Theme;

mod bindings;
mod keys;
mod commands;
mod keymap;
pub mod browser;
mod curves;
mod dialogs;
mod empty;
mod fuzzy;
mod explain;
mod chrome;
mod help;
mod lanes;
mod numbers;
mod orders;
mod palette;
mod scene;
mod snapshot;
mod told;
mod tiles;
mod tour;
mod value;
mod typed_line;
mod wrap;

mod overview;
mod profile;
mod heatmap;
mod layer;
mod shortcut;
mod findings;
mod sweep;
mod probes;
mod surface;
mod verdict;
mod network;
mod pictures;
mod charts;

pub use bindings::{BINDINGS, Binding, Command, Group, Key, binding_of};
pub use chrome::{LEAST_SIZE, Status, draw, draw_scene};
pub use commands::{COMMANDS, NO_OP, Named};
pub use dialogs::{Dialog, Filtered};
pub use empty::Empty;
pub use explain::{Explaining, Topic, topics};
pub use keymap::{Bound, Keymap, command_named, named};
pub use numbers::{Number, csv};
pub use orders::{Typed, Typing};
pub use palette::Palette;
pub use scene::{Drawn, Graphic, Hits, Scene};
pub use snapshot::{Format, snapshot, svg};
pub use told::{Changes, explanation, told};
pub use tour::{tour_after, tour_goes_on};
pub use value::value_at_cursor;

/// A view of the state.
pub trait View: Sync {
    /// Its kind.
    fn kind(&self) -> ViewKind;

    /// Whether it shows the selected finding; otherwise the status line does.
    fn shows_finding(&self) -> bool {
        false
    }

    /// Whether it has anything to show; otherwise it has no tab.
    fn fits(&self, app: &App) -> bool {
        let _ = app;
        true
    }

    /// What it shows, in one line.
    fn title(&self) -> &'static str;

    /// The data it draws besides what the state always has in memory.
    fn wants(&self, app: &App) -> Vec<Wanted> {
        let _ = app;
        vec![Wanted::Cursor]
    }

    /// What it says in sentences and lines of `name: value`, for those who do not see it; as much as it draws.
    fn told(&self, app: &App) -> Vec<String>;

    /// The numbers that it draws, to be saved; none if it draws something else.
    fn numbers(&self, app: &App) -> Vec<Number> {
        let _ = app;
        Vec::new()
    }

    /// What stands in its place while it has nothing to show.
    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_lanes(app)
    }

    /// Draws it, unless it is [empty](View::empty), and says what the mouse does where. Must work for any area, however
    /// small.
    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme);

    /// The lanes that it shows in an area: all visible ones, unless there is no room.
    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        let _ = area;
        app.visible_lanes().collect()
    }

    /// The keys that matter most here, for the status line.
    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Char('y'), Key::Char('n')]
    }

    /// The action of the keys up and down and of the mouse wheel.
    fn vertical(&self, by: i64) -> Action {
        Action::MoveLayer(by)
    }

    /// What those keys move, in one word.
    fn vertical_name(&self) -> &'static str {
        "layer"
    }

    /// The words and numbers that it shows and that can be explained; first what its cursor is on.
    fn topics(&self, app: &App) -> Vec<Topic>;
}

/// All views, in the order of their keys.
pub const ALL: &[&dyn View] = &[
    &overview::Overview,
    &profile::Profile,
    &heatmap::Heatmap,
    &layer::Layer,
    &shortcut::Shortcut,
    &findings::Findings,
    &sweep::Sweep,
    &probes::Probes,
    &surface::Surface,
    &verdict::VerdictView,
    &network::Network,
    &pictures::Pictures,
    &charts::Charts,
];

/// The key that selects the view in a place among all: digits, then letters.
fn key_of(place: usize) -> Option<char> {
    "1234567890aiC".chars().nth(place)
}

/// The kinds of all views.
pub fn kinds() -> Vec<ViewKind> {
    ALL.iter().map(|view| view.kind()).collect()
}

/// The kinds of the views that have something to show.
pub fn fitting(app: &App) -> Vec<ViewKind> {
    ALL.iter().filter(|view| view.fits(app)).map(|view| view.kind()).collect()
}

/// The kind of the view with this name.
pub fn kind_named(name: &str) -> Option<ViewKind> {
    kinds().into_iter().find(|kind| kind.name == name)
}

/// The view that is shown: the first until one is selected.
pub fn shown(app: &App) -> Option<&'static dyn View> {
    ALL.iter().copied().find(|view| app.options().view.is_none_or(|kind| view.kind() == kind))
}

/// The kind of the view this many after the shown one, around the end, of those that have something to show.
pub fn kind_after(app: &App, by: i64) -> Option<ViewKind> {
    let kinds = fitting(app);
    let at = kinds.iter().position(|kind| Some(*kind) == app.options().view).unwrap_or(0);
    let to = (at as i64 + by).rem_euclid(kinds.len().max(1) as i64);
    kinds.get(to as usize).copied()
}

/// The action on the state that a command is now; none for those to the training or the screen.
pub fn action_of(app: &App, command: Command) -> Option<Action> {
    match command {
        Command::Act(action) => Some(action),
        Command::View(place) => Some(Action::SelectView(ALL.get(place)?.kind())),
        Command::TurnView(by) => Some(Action::SelectView(kind_after(app, by)?)),
        Command::Vertical(by) => {
            let view = shown(app).filter(|_| !app.options().help);
            Some(view.map_or(Action::Scroll(by), |view| view.vertical(by)))
        }
        Command::HideLane => Some(Action::ToggleLane(app.selected_lane())),
        _ => None,
    }
}

/// The actions of a command that is carried out a number of times; none where it is carried out once, whatever the number.
pub fn times(app: &App, command: Command, times: u32) -> Option<Vec<Action>> {
    let by = i64::from(times);
    match command {
        Command::TurnView(turns) => Some(action_of(app, Command::TurnView(turns * by)).into_iter().collect()),
        Command::Vertical(rows) => Some(action_of(app, Command::Vertical(rows * by)).into_iter().collect()),
        Command::Act(action) => action.times(times),
        _ => None,
    }
}

/// What the current view lacks: it is drawn without that, and again once it is available.
pub fn needs(app: &App) -> Vec<Need> {
    shown(app).map(|view| app.needs(&view.wants(app))).unwrap_or_default()
}

/// Lets `answer` supply what the current view lacks, repeatedly, since answers may lead to further needs. Returns
/// whether anything was supplied.
pub fn supply(app: &mut App, mut answer: impl FnMut(&mut App, &[Need]) -> bool) -> bool {
    let mut any = false;
    loop {
        let needs = needs(app);
        if needs.is_empty() || !answer(app, &needs) {
            return any;
        }
        any = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::metric::known;
    use crate::theme::{Background, Characters, Colors};
    use crate::units::Step;
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_with_a_view_is_registered() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/views");
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_view = path.is_file() && std::fs::read_to_string(&path).unwrap().contains("impl View for");
            if is_view {
                files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
            }
        }
        let registered: BTreeSet<String> = ALL.iter().map(|view| view.kind().name.to_owned()).collect();
        assert_eq!(files, registered);
    }

    #[test]
    fn the_first_view_is_one_that_the_state_may_assume() {
        let first = ALL[0].kind();
        assert_eq!((first.chooses, first.draws_losses), (crate::app::Chosen::OfLayers, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn any_size_and_any_moment_can_be_drawn_and_clicked(
            width in 0u16..220, height in 0u16..60, step in 0u64..700, layer in -60i64..60, scale in 0usize..3,
            click in (0u16..220, 0u16..60), statistic in 0usize..20, colors in 0usize..4, ascii: bool, axis in 0usize..3, zoom in -1i32..20,
        ) {
            let colors = [Colors::None, Colors::Sixteen, Colors::TwoFiftySix, Colors::True][colors];
            let characters = if ascii { Characters::Ascii } else { Characters::Unicode };
            let theme = Theme::new(colors, Background::Dark, characters);
            for mut app in [App::new(Vec::new()), specimen::one_diverged()] {
                for _ in 0..scale {
                    app.act(Action::CycleScale);
                }
                for _ in 0..axis {
                    app.act(Action::CycleAxis);
                }
                let all: Vec<_> = known::ALL.iter().filter(|m| m.is_of_layers() || m.is_of_blocks()).collect();
                app.act(Action::SelectStatistic(*all[statistic]));
                app.act(Action::SelectStep(Step(step)));
                app.act(Action::MoveLayer(layer));
                app.act(Action::Zoom(zoom));
                for kind in kinds() {
                    app.act(Action::SelectView(kind));
                    let area = Rect::new(0, 0, width, height);
                    let mut buffer = Buffer::empty(area);
                    let hits = draw(&app, &Status::default(), area, &mut buffer, &theme);
                    let is_ascii = buffer.content().iter().all(|cell| cell.symbol().is_ascii());
                    prop_assert!(!ascii || is_ascii, "{kind} at {width}x{height}");
                    hits.click(&app, click.into());
                }
            }
        }
    }

    #[test]
    fn every_hint_is_bound() {
        for view in ALL {
            for key in view.hints() {
                assert!(binding_of(*key).is_some(), "{key:?}");
            }
        }
    }
}
