//! What all views share about lanes: their names, colours and columns.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::{App, Lane, LaneState};
use crate::printable::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets;

/// A name of more cells is shortened wherever it is shown, because it would leave no room for what is said of it.
const LONGEST: usize = 40;
/// To so many cells.
const SHORTENED: usize = 24;

/// A lane's name; if several runs are open, with what their experiments differ in, or the part of the run's name that
/// distinguishes it. A very long one is shortened so that no two lanes look the same.
pub(super) fn name(app: &App, lane: &Lane) -> String {
    let name = whole_name(app, lane);
    if widgets::width(&name) <= LONGEST {
        return name;
    }
    let all: BTreeSet<String> = app.lanes().iter().map(|other| whole_name(app, other)).collect();
    let number = || format!("{}{ELLIPSIS}", lane.idx().0 + 1);
    widgets::name_among(&name, &all, SHORTENED, ELLIPSIS).unwrap_or_else(number)
}

/// Of names that are shown in ASCII, too.
const ELLIPSIS: &str = "...";

fn whole_name(app: &App, lane: &Lane) -> String {
    if let Some(name) = app.name_among_runs(lane.idx()) {
        return printable(name);
    }
    let label = lane.label();
    let mut runs: Vec<&str> = app.lanes().iter().map(|other| other.label().run.as_str()).collect();
    runs.dedup();
    match runs.as_slice() {
        [] | [_] => printable(&label.lane),
        runs => printable(&format!("{}/{}", telling(&label.run, runs), label.lane)),
    }
}

/// The dash-separated words of a name, without those at its beginning and end that it shares with all others.
fn telling<'a>(name: &'a str, all: &[&str]) -> &'a str {
    let mut rest = name;
    let mut others: Vec<&str> = all.to_vec();
    while let Some((word, behind)) = rest.split_once('-')
        && let Some(cut) = others.iter().map(|other| other.split_once('-')).collect::<Option<Vec<_>>>()
        && cut.iter().all(|(other, _)| *other == word)
    {
        rest = behind;
        others = cut.into_iter().map(|(_, behind)| behind).collect();
    }
    while let Some((before, word)) = rest.rsplit_once('-')
        && let Some(cut) = others.iter().map(|other| other.rsplit_once('-')).collect::<Option<Vec<_>>>()
        && cut.iter().all(|(_, other)| *other == word)
    {
        rest = before;
        others = cut.into_iter().map(|(before, _)| before).collect();
    }
    rest
}

/// A lane's name within a width in cells. If too long, it is shortened so that no two lanes look the same: as little of
/// its beginning as necessary, and as much of its end as possible; without room for that, the lane's number.
pub(super) fn name_within(app: &App, lane: &Lane, cells: usize, theme: &Theme) -> String {
    let all: BTreeSet<String> = app.lanes().iter().map(|other| name(app, other)).collect();
    let number =
        || widgets::clip(&format!("{}{}", lane.idx().0 + 1, theme.glyph(Glyph::Ellipsis)), cells, theme);
    let ellipsis = theme.glyph(Glyph::Ellipsis).to_string();
    widgets::name_among(&name(app, lane), &all, cells, &ellipsis).unwrap_or_else(number)
}

/// A lane's colour.
pub(super) fn style(lane: &Lane, theme: &Theme) -> Style {
    theme.lane(lane.idx().0)
}

/// The character and style of a lane's state.
pub(super) fn state(state: &LaneState, theme: &Theme) -> (char, Style) {
    match state {
        LaneState::Waiting => (theme.glyph(Glyph::Separator), theme.muted()),
        LaneState::Running => (theme.glyph(Glyph::Running), theme.good()),
        LaneState::Paused => (theme.glyph(Glyph::Paused), theme.warning()),
        LaneState::Completed => (theme.glyph(Glyph::Check), theme.good()),
        LaneState::Stopped | LaneState::Silent => (theme.glyph(Glyph::Paused), theme.muted()),
        LaneState::Diverged | LaneState::Failed(_) => (theme.glyph(Glyph::Error), theme.error()),
        LaneState::Crashed => (theme.glyph(Glyph::Warning), theme.warning()),
    }
}

/// Draws a title into the first row of an area, shortened to its width, and a rule from its end to the edge.
pub(super) fn title(buffer: &mut Buffer, area: Rect, mut spans: Vec<Span<'_>>, theme: &Theme) {
    let mut room = usize::from(area.width);
    for span in &mut spans {
        // Blanks at the end may be cut.
        let text = span.content.trim_end();
        if widgets::width(text) > room {
            span.content = widgets::clip(text, room, theme).into();
        }
        room = room.saturating_sub(span.width());
    }
    let end = widgets::put_line(buffer, area, 0, &Line::from(spans));
    let rule =
        theme.glyph(Glyph::Horizontal).to_string().repeat(usize::from(area.right().saturating_sub(end)));
    widgets::put(buffer, area, end, area.y, &rule, theme.axis());
}

/// Which of some lanes diverged before the cursor and when, in words; none if none did.
pub(super) fn diverged(app: &App, lanes: &[&Lane]) -> Option<String> {
    let since = |lane: &&Lane| Some((name(app, lane), lane.diverged_since(app.step())?));
    let mut lost = lanes.iter().filter_map(since);
    let (first, step) = lost.next()?;
    let others = lost.map(|(name, step)| format!(", {name} at step {step}"));
    Some(format!("{first} diverged at step {step}{}", others.collect::<String>()))
}

/// The visible lanes in order, or as many as there is room for: the two that are compared, then those around the
/// selected one.
pub(super) fn in_sight(app: &App, room: usize) -> Vec<&Lane> {
    let lanes: Vec<&Lane> = app.visible_lanes().collect();
    let place = |idx| lanes.iter().position(|lane| lane.idx() == idx).unwrap_or(0);
    let selected = place(app.selected_lane());
    let pair = app.pair().map(|(a, b)| [place(a.idx()), place(b.idx())]).unwrap_or_default();
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    order.sort_by_key(|at| (*at != selected, !pair.contains(at), at.abs_diff(selected)));
    order.truncate(room);
    order.sort_unstable();
    order.into_iter().map(|at| lanes[at]).collect()
}

/// The visible lanes in columns of equal width, as many as fit with the least width.
pub(super) fn columns(app: &App, area: Rect, least: u16) -> Vec<(&Lane, Rect)> {
    let room = usize::from(area.width.saturating_add(1) / least.max(1).saturating_add(1)).max(1);
    let lanes = in_sight(app, room);
    let count = lanes.len();
    if count == 0 || area.width == 0 {
        return Vec::new();
    }
    let gaps = (count - 1) as u16;
    let cells = area.width.saturating_sub(gaps);
    let edge = |i: usize| (u32::from(cells) * i as u32 / count as u32) as u16;
    let place = |(i, lane)| {
        let x = area.x + edge(i) + i as u16;
        (lane, Rect { x, width: edge(i + 1) - edge(i), ..area })
    };
    lanes.into_iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{self, Specimen};
    use crate::app::{Action, LaneLabel};
    use crate::units::LaneIdx;
    use proptest::prelude::*;

    fn app(labels: &[(&str, &str)]) -> App {
        let label =
            |(run, lane): &(&str, &str)| LaneLabel { run: (*run).to_owned(), lane: (*lane).to_owned() };
        App::new(labels.iter().map(label).collect())
    }

    #[test]
    fn of_several_runs_the_names_keep_what_differs() {
        let names = |labels: &[(&str, &str)]| {
            let app = app(labels);
            app.lanes().iter().map(|lane| name(&app, lane)).collect::<Vec<_>>()
        };
        let quick = [("20261124-182951-quick", "plain"), ("20261124-183012-quick", "plain")];
        assert_eq!(names(&quick), ["182951/plain", "183012/plain"]);
        assert_eq!(names(&[("a", "plain"), ("a-2", "plain")]), ["a/plain", "a-2/plain"]);
        assert_eq!(names(&[("one-a", "plain"), ("one-a", "residual")]), ["plain", "residual"]);
        let seeds = [("20261124-182951-seed-1", "plain"), ("20261124-182951-seed-2", "plain")];
        assert_eq!(names(&seeds), ["1/plain", "2/plain"]);
    }

    #[test]
    fn a_very_long_name_leaves_room_and_is_still_distinct() {
        let long = |end: &str| format!("{}{end}", "very-long-name-".repeat(20));
        let labels = [long("plain"), long("residual"), "x".repeat(40)];
        let app = app(&labels.each_ref().map(|lane| ("run", lane.as_str())));
        let names: Vec<String> = app.lanes().iter().map(|lane| name(&app, lane)).collect();
        let is_short = |name: &String| widgets::width(name) == SHORTENED;
        assert!(names[0].ends_with("-plain") && names[1].ends_with("-residual"), "{names:?}");
        assert!(names[..2].iter().all(is_short) && names[2] == labels[2], "{names:?}");
    }

    #[test]
    fn the_two_that_are_compared_are_in_sight_before_neighbours() {
        let lane =
            |name: &str, depth, shortcut| Specimen { steps: 1, ..Specimen::new(name, depth, shortcut) };
        let mut app = specimen::app_of(&[
            lane("plain-8", 8, "none"),
            lane("plain-14", 14, "none"),
            lane("plain-20", 20, "none"),
            lane("residual-8", 8, "identity"),
            lane("residual-14", 14, "identity"),
            lane("residual-20", 20, "identity"),
        ]);
        let names =
            |app: &App, room| in_sight(app, room).into_iter().map(|lane| name(app, lane)).collect::<Vec<_>>();
        assert_eq!(names(&app, 1), ["plain-8"]);
        assert_eq!(names(&app, 2), ["plain-8", "residual-8"]);
        assert_eq!(names(&app, 3), ["plain-8", "plain-14", "residual-8"]);
        app.act(Action::SelectLane(LaneIdx(5)));
        assert_eq!(names(&app, 2), ["plain-20", "residual-20"]);
        assert_eq!(names(&app, 9).len(), 6);
    }

    proptest! {
        #[test]
        fn two_lanes_never_read_the_same_where_their_names_differ(
            labels in prop::collection::vec(("[a-c2層-]{0,9}", "(plain|residual)-[0-9]{1,2}"), 1..9), cells in 3usize..40,
        ) {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(run, lane)| (run.as_str(), lane.as_str())).collect();
            let (app, theme) = (app(&labels), Theme::default());
            for a in app.lanes() {
                let shown = name_within(&app, a, cells, &theme);
                prop_assert!(widgets::width(&shown) <= cells, "{}", shown);
                for b in app.lanes().iter().filter(|b| name(&app, b) != name(&app, a)) {
                    prop_assert_ne!(&shown, &name_within(&app, b, cells, &theme));
                }
            }
        }

        #[test]
        fn columns_lie_side_by_side_within_the_area(width in 0u16..200, least in 0u16..60) {
            let app = specimen::plain_beside_residual();
            let area = Rect::new(3, 1, width, 5);
            let mut free_from = area.x;
            for (_, column) in columns(&app, area, least) {
                prop_assert!(column.x >= free_from && column.right() <= area.right());
                free_from = column.right() + 1;
            }
        }
    }
}
