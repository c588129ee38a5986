//! Orders on the screen: the line for typing them, and the marks of those that were carried out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::typed_line::typed_line;
use super::{curves, lanes};
use crate::app::{App, Lane};
use crate::order::{Note, Order, ProbeName, RateChange};
use crate::printable::printable;
use crate::runs_list;
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::widgets::{self, Popup, clip};

/// The widest visible part of a typed line; of a longer one the end is shown.
const WIDEST_LINE: usize = 48;

/// A line that is being typed, and its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    /// The kind of order.
    pub what: Typed,
    /// The line.
    pub line: runs_list::Line,
    /// The lane; none for every lane.
    pub lane: Option<String>,
    /// An error in the line.
    pub problem: Option<String>,
}

/// The kind of order in a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A learning rate, or a factor for it.
    LearningRate,
    /// A note.
    Note,
    /// The name of a probe.
    Probe,
}

impl Typing {
    /// An empty line.
    pub fn new(what: Typed) -> Typing {
        Typing { what, line: runs_list::Line::default(), lane: None, problem: None }
    }

    /// The order in the line.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn order(&self) -> Result<Order, String> {
        let text = self.line.text();
        match self.what {
            Typed::LearningRate => Ok(Order::LearningRate(text.parse::<RateChange>()?)),
            Typed::Note => Ok(Order::Note(Note::try_from(text)?)),
            Typed::Probe => Ok(Order::Probe(ProbeName::try_from(text.trim().to_owned())?)),
        }
    }
}

/// Draws the line that is typed over the area's middle.
pub(super) fn draw_typing(app: &App, typing: &Typing, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let (title, label, help) = match typing.what {
        Typed::LearningRate => {
            ("Learning rate", "rate ", "0.01 sets it, x0.1 multiplies it; the schedule continues")
        }
        Typed::Note => ("Note", "note ", "is logged at this step"),
        Typed::Probe => ("Probe", "probe ", "lesion, cka, rank .. `skiplane keys` lists them"),
    };
    let room = WIDEST_LINE.min(usize::from(area.width).saturating_sub(widgets::width(label) + 6));
    let mut spans = vec![Span::styled(label, theme.muted())];
    // The caret takes one cell.
    spans.extend(typed_line(&typing.line, room + 1, theme));
    let mut lines = vec![Line::from(spans), Line::styled(whose(app, typing, theme), theme.muted())];
    lines.push(match &typing.problem {
        Some(problem) => Line::styled(printable(problem), theme.warning()),
        None => Line::styled(help, theme.muted()),
    });
    lines.push(Line::styled("Enter sends it, Esc cancels", theme.muted()));
    Popup { title, lines: &lines, scroll: 0 }.render(area, buffer, theme);
}

/// Which lanes it is for, and how to change that.
fn whose(app: &App, typing: &Typing, theme: &Theme) -> String {
    match &typing.lane {
        Some(lane) => format!("of lane {}; Tab for every lane", clip(&printable(lane), 24, theme)),
        None if app.lanes().len() < 2 => "from the next step on".to_owned(),
        None => {
            let selected = app.lane(app.selected_lane()).map(|lane| lanes::name(app, lane));
            format!("of every lane; Tab for {} alone", clip(&selected.unwrap_or_default(), 24, theme))
        }
    }
}

/// The places of a lane's orders and notes on the horizontal axis.
pub(super) fn places<'a>(app: &'a App, lane: &'a Lane) -> impl Iterator<Item = f64> + 'a {
    lane.orders().iter().map(move |taken| curves::x_of(app, lane, taken.step))
}

/// The last order or note of a lane up to a step, in short form.
pub(super) fn brief(lane: &Lane, step: Step, theme: &Theme) -> Option<String> {
    let taken = lane.orders().last_at(step)?;
    let what = match &taken.order {
        Order::LearningRate(change) => format!("rate {change}"),
        Order::Note(_) => "note".to_owned(),
        order => order.to_string(),
    };
    Some(format!("{} {}: {what}", theme.glyph(Glyph::Order), taken.step))
}

/// The last order or note of a lane up to a step, at the length that fits.
pub(super) fn last_text(lane: &Lane, step: Step, room: usize, theme: &Theme) -> Option<String> {
    /// The least width at which a cut text says more than the short form.
    const LEAST: usize = 24;
    let taken = lane.orders().last_at(step)?;
    let text = format!("{} {}: {}", theme.glyph(Glyph::Order), taken.step, taken.order);
    if widgets::width(&text) <= room || room >= LEAST {
        return Some(clip(&text, room, theme));
    }
    brief(lane, step, theme).filter(|text| widgets::width(text) <= room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::event::{Kind, NoteTaken, OrderTaken, RunEvent};
    use crate::units::LaneIdx;
    use crate::views::{Command, Dialog, Format, Key, Keymap, Scene, dialogs, snapshot};

    fn with_orders() -> App {
        let mut app = specimen::plain_beside_residual();
        let order = Order::LearningRate("x0.1".parse().unwrap());
        app.apply(LaneIdx(0), &RunEvent::new(Step(100), 1e9, Kind::OrderTaken(OrderTaken { order })));
        let text = "\u{1b}[31mred\u{202e}".to_owned();
        app.apply(LaneIdx(1), &RunEvent::new(Step(200), 1e9, Kind::NoteTaken(NoteTaken { text })));
        app
    }

    #[test]
    fn orders_and_notes_are_told_in_the_card_and_marked_on_charts_and_timeline() {
        let frame = |app: &App, size| snapshot(app, size, &Theme::default(), Format::Text);
        let marks = |text: &str| text.matches(Theme::default().glyph(Glyph::Order)).count();
        let before = specimen::plain_beside_residual();
        for size in [(120, 40), (80, 24)] {
            assert_eq!(marks(&frame(&before, size)), 0);
            let text = frame(&with_orders(), size);
            assert!(text.contains("100: learning rate x0.1"), "{text}");
            assert!(text.contains("200: note: [31mred\u{fffd}"), "{text}");
            let timeline = text.lines().rev().nth(1).unwrap();
            assert_eq!(marks(timeline), 2, "{text}");
            assert!(marks(&text) > 4, "{text}");
        }
    }

    #[test]
    fn a_rate_that_one_lane_was_given_makes_the_comparison_unfair() {
        let frame = |app: &App| snapshot(app, (160, 40), &Theme::default(), Format::Text);
        let mut app = specimen::plain_beside_residual();
        assert!(!frame(&app).contains("unfair"));
        let order = Order::LearningRate("x0.1".parse().unwrap());
        let taken = RunEvent::new(Step(100), 1e9, Kind::OrderTaken(OrderTaken { order }));
        app.apply(LaneIdx(0), &taken);
        assert!(frame(&app).contains("unfair comparison: unequal training"), "{}", frame(&app));
        app.act(crate::app::Action::SelectView(super::super::kind_named("findings").unwrap()));
        assert!(frame(&app).contains("x0.1 at 100"), "{}", frame(&app));
        app.apply(LaneIdx(1), &taken);
        assert!(!frame(&app).contains("x0.1 at 100"), "{}", frame(&app));
    }

    #[test]
    fn before_its_step_nothing_is_told_of_an_order() {
        let mut app = with_orders();
        app.act(crate::app::Action::SelectStep(Step(99)));
        let text = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
        assert!(!text.contains("learning rate x0.1"), "{text}");
    }

    #[test]
    fn dialogs_fit_the_least_terminal_and_show_the_end_of_a_long_line() {
        let app = specimen::plain_beside_residual();
        let mut typing = Typing::new(Typed::Note);
        typing.line = runs_list::Line::new(&format!("{}end", "word ".repeat(70)));
        let dialogs = [Dialog::Typing(typing), Dialog::StopLane("x".repeat(300))];
        for (size, dialog) in
            [(36, 10), (80, 24)].into_iter().flat_map(|size| dialogs.iter().map(move |d| (size, d)))
        {
            let area = Rect::new(0, 0, size.0, size.1);
            let mut buffer = Buffer::empty(area);
            let mut scene = Scene::new(&mut buffer);
            dialogs::draw(&app, dialog, &Keymap::default(), area, &mut scene, &Theme::default());
            let keys = (0..size.1).flat_map(|y| scene.hits.click(&app, (size.0 / 2, y).into()));
            let keys: Vec<Command> = keys.collect();
            let text: String = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
            match dialog {
                Dialog::StopLane(_) => {
                    assert!(text.contains("y    stop this lane"), "{text}");
                    assert_eq!(keys, [Key::Char('y'), Key::Escape].map(Command::Press));
                }
                _ => assert!(text.contains("word end▏") && keys.is_empty(), "{text}"),
            }
        }
    }

    #[test]
    fn a_typed_line_becomes_an_order_or_a_reason() {
        let typed = |what, text: &str| {
            let line = runs_list::Line::new(text);
            Typing { line, ..Typing::new(what) }.order()
        };
        assert_eq!(typed(Typed::LearningRate, "x2"), Ok(Order::LearningRate("x2".parse().unwrap())));
        assert!(typed(Typed::LearningRate, "fast").unwrap_err().contains("found `fast`"));
        assert!(typed(Typed::Note, " ").unwrap_err().contains("nothing but blanks"));
        assert_eq!(typed(Typed::Probe, " cka ").unwrap().to_string(), "probe cka");
        assert!(typed(Typed::Probe, "the lens").unwrap_err().contains("found `the lens`"));
    }
}
