//! The tour: three stops, each about something that is on the screen, in a panel below the view. It goes on when the user
//! does what a stop says, or with Enter, and can be left at any time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::bindings::Command;
use super::keymap::Keymap;
use super::lanes;
use super::wrap::wrap;
use crate::app::{Action, App};
use crate::theme::Theme;
use crate::widgets::{self, clip};

/// The rows of the panel: a title, the text, and the keys.
const ROWS: u16 = 5;
/// The least height of what is above it, without which the panel is not shown.
const LEAST_ABOVE: u16 = 5;

/// What a stop points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The first row of the view.
    Headline,
    /// The tabs.
    Tabs,
    /// The status line.
    Status,
}

/// A stop of the tour.
struct Stop {
    title: &'static str,
    says: &'static str,
    at: Place,
    /// What to do to go on: a command, and what it does.
    does: (Command, &'static str),
    /// Whether a command is what the stop asks for, or something like it.
    is_done_by: fn(Command) -> bool,
}

const STOPS: &[Stop] = &[
    Stop {
        title: "two networks side by side",
        says: "Each network of the run is a lane, with a colour of its own: all are trained on the same examples in the \
               same order. The marked line compares them: which one leads, since when, and whether that is fair.",
        at: Place::Headline,
        does: (Command::Act(Action::MoveStep(-1)), "goes back to an earlier step, in all lanes"),
        is_done_by: |command| {
            use Action::{FollowLastStep, MovePage, MoveStep, SelectFirstStep, SelectStep};
            matches!(
                command,
                Command::Act(MoveStep(_) | MovePage(_) | SelectStep(_) | SelectFirstStep | FollowLastStep)
            )
        },
    },
    Stop {
        title: "one view for each question",
        says: "The marked tabs are views of the same run at the same step, down to single layers. Each has a number.",
        at: Place::Tabs,
        does: (Command::View(2), "shows every layer over time"),
        is_done_by: |command| {
            matches!(command, Command::View(_) | Command::TurnView(_) | Command::Act(Action::SelectView(_)))
        },
    },
    Stop {
        title: "what does this mean?",
        says: "Any number and any word on the screen is explained, all keys are listed, and everything can be found by a \
               part of its name. The marked line has the keys that matter most here.",
        at: Place::Status,
        does: (Command::Explain, "explains what this view shows"),
        is_done_by: |command| {
            let is_help = matches!(command, Command::Act(Action::ToggleHelp));
            is_help || matches!(command, Command::Explain | Command::ExplainTopic(_) | Command::Palette)
        },
    },
];

/// The next stop, or the end of the tour, if a command is what the open stop asks for.
pub fn tour_after(app: &App, command: Command) -> Option<Action> {
    let at = app.options().tour?;
    STOPS.get(at).is_none_or(|stop| (stop.is_done_by)(command)).then(|| Action::SetTour(next(at)))
}

/// The next stop, or the end of the tour, if it is open.
pub fn tour_goes_on(app: &App) -> Option<Action> {
    app.options().tour.map(|at| Action::SetTour(next(at)))
}

fn next(at: usize) -> Option<usize> {
    Some(at + 1).filter(|next| *next < STOPS.len())
}

/// The panel's place at the bottom of a view's area, and what remains of that above it; no panel where the tour is not
/// open, or there is no room.
fn split(app: &App, area: Rect) -> (Rect, Option<Rect>) {
    if app.options().tour.is_none() || area.height < ROWS + LEAST_ABOVE {
        return (area, None);
    }
    let above = Rect { height: area.height - ROWS, ..area };
    (above, Some(Rect { y: above.bottom(), height: ROWS, ..area }))
}

/// What the panel leaves of a view's area.
pub(super) fn above(app: &App, area: Rect) -> Rect {
    split(app, area).0
}

/// What the open stop points at.
pub(super) fn pointed_at(app: &App) -> Option<Place> {
    Some(STOPS.get(app.options().tour?)?.at)
}

/// Marks a row that the open stop points at.
pub(super) fn point(row: Rect, buffer: &mut Buffer) {
    buffer.set_style(row.intersection(buffer.area), Style::new().add_modifier(Modifier::UNDERLINED));
}

/// Draws the panel at the bottom of a view's area.
pub(super) fn draw(app: &App, keymap: &Keymap, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let (_, Some(panel)) = split(app, area) else { return };
    let Some((at, stop)) = app.options().tour.and_then(|at| Some((at, STOPS.get(at)?))) else { return };
    let title = format!("Tour {} of {}: {} ", at + 1, STOPS.len(), stop.title);
    lanes::title(buffer, panel, vec![Span::styled(title, theme.accent())], theme);
    let rows = usize::from(ROWS) - 2;
    for (row, line) in wrap(stop.says, panel.width.into()).into_iter().take(rows).enumerate() {
        let line = clip(&line, panel.width.into(), theme);
        widgets::put(buffer, panel, panel.x, panel.y + 1 + row as u16, &line, theme.text());
    }
    let y = panel.bottom() - 1;
    let mut x = panel.x;
    let key = keymap.label(stop.does.0, theme.is_ascii());
    let own = key.map(|key| (key, stop.does.1.to_owned()));
    let closes = keymap.label(Command::Act(Action::Dismiss), theme.is_ascii());
    let last = if next(at).is_some() { "goes on" } else { "ends the tour" };
    let others =
        [Some(("Enter".to_owned(), last.to_owned())), closes.map(|key| (key, "leaves it".to_owned()))];
    // On a narrow screen the ways on and out are kept.
    let needs = |(key, what): &(String, String)| widgets::width(key) + widgets::width(what) + 3;
    let kept: usize = others.iter().flatten().map(needs).sum();
    let own = own.filter(|own| needs(own) + kept <= usize::from(panel.width));
    for (key, what) in own.into_iter().chain(others.into_iter().flatten()) {
        x = widgets::put(buffer, panel, x, y, &key, theme.accent());
        x = widgets::put(buffer, panel, x, y, &format!(" {what}  "), theme.muted());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::theme::{Background, Characters, Colors};
    use crate::views::{self, Format, Status, snapshot};

    fn started() -> App {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SetTour(Some(0)));
        app
    }

    /// What the dashboard does with a command.
    fn obey(app: &mut App, command: Command) {
        tour_after(app, command).into_iter().for_each(|action| app.act(action));
        match command {
            Command::Act(action) => app.act(action),
            Command::View(place) => app.act(Action::SelectView(views::ALL[place].kind())),
            _ => {}
        }
    }

    #[test]
    fn doing_what_each_stop_says_leads_through_the_tour() {
        let mut app = started();
        for (at, stop) in STOPS.iter().enumerate() {
            assert_eq!(app.options().tour, Some(at));
            obey(&mut app, Command::Redraw);
            assert_eq!(app.options().tour, Some(at), "something else does not go on");
            obey(&mut app, stop.does.0);
        }
        assert_eq!(app.options().tour, None);
        let mut app = started();
        for _ in STOPS {
            tour_goes_on(&app).into_iter().for_each(|action| app.act(action));
        }
        assert_eq!((app.options().tour, tour_goes_on(&app)), (None, None));
    }

    #[test]
    fn it_can_be_left_at_any_time_and_is_no_change_to_be_taken_back() {
        let mut app = started();
        app.act(Action::Dismiss);
        assert_eq!(app.options().tour, None);
        app.act(Action::Undo);
        assert_eq!(app.options().tour, None);
    }

    #[test]
    fn every_stop_has_room_for_its_words_and_hides_nothing_of_the_view() {
        for (at, stop) in STOPS.iter().enumerate() {
            let mut app = started();
            app.act(Action::SetTour(Some(at)));
            let frame = snapshot(&app, (80, 24), &Theme::default(), Format::Text);
            let words = frame.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(stop.says) && words.contains(stop.does.1), "{frame}");
            assert!(
                words.contains("Esc leaves it") && words.contains("plain  resnet-20")
                    || words.contains("plain"),
                "{frame}"
            );
        }
        // A view is drawn as on a screen that is lower by the panel.
        let area = Rect::new(0, 1, 80, 21);
        assert_eq!(above(&started(), area), Rect::new(0, 1, 80, 16));
        assert_eq!(above(&started(), Rect::new(0, 1, 80, 9)), Rect::new(0, 1, 80, 9));
    }

    #[test]
    fn it_is_drawn_in_ascii_and_at_any_size() {
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        for (width, height) in [(36, 10), (36, 14), (80, 24), (200, 50)] {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            views::draw(&started(), &Status::default(), area, &mut buffer, &theme);
            assert!(buffer.content().iter().all(|cell| cell.symbol().is_ascii()));
        }
    }
}
