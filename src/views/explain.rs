//! Explains any number or word of the screen: a dialog with the words of the shown view, first of all what its cursor is
//! on, and the explanation of the chosen one. Typing searches everything that can be explained.

use nucleo_matcher::pattern::CaseMatching;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::fuzzy;
use super::typed_line::typed_line;
use super::wrap::wrap;
use crate::app::{App, Lane, LaneState};
use crate::runs_list::{self, Edit};
use crate::theme::{Glyph, Theme};
use crate::widgets::{Popup, Rows, clip, pad_right};

mod topic;
pub(super) mod words;

pub use topic::{Topic, topics};

/// The longest line that can be typed, in bytes.
const LONGEST_LINE: usize = 80;
/// The widest text in the box, in cells.
const WIDEST: usize = 100;
/// The most rows of the box's text.
const MOST_ROWS: usize = 24;
/// The cells of the list of words, and of what parts it from the text.
const LIST: usize = 24;
const GAP: usize = 3;
/// The least width at which the list stands beside the text.
const LEAST_WITH_LIST: usize = 60;
/// The rows besides list and text: what was typed, and the keys.
const OTHER_ROWS: usize = 2;

/// The open dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explaining {
    line: runs_list::Line,
    /// The words of the screen, the most important first.
    on_screen: Vec<Topic>,
    /// The chosen one of what is found.
    chosen: usize,
    /// The first line of the explanation that is shown.
    scroll: usize,
}

impl Explaining {
    /// About the words of a screen; the first is explained.
    pub fn of(on_screen: Vec<Topic>) -> Explaining {
        let mut topics: Vec<Topic> = Vec::new();
        for topic in on_screen {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        Explaining { on_screen: topics, ..Explaining::default() }
    }

    /// About the shown view.
    pub fn of_view(app: &App) -> Explaining {
        let of_view = super::shown(app).map(|view| view.topics(app)).unwrap_or_default();
        Explaining::of(of_view.into_iter().chain(around(app)).collect())
    }

    /// About one thing, before the words of the shown view.
    pub fn of_topic(app: &App, topic: Topic) -> Explaining {
        let others = Explaining::of_view(app).on_screen;
        Explaining::of(std::iter::once(topic).chain(others).collect())
    }

    /// Types a character.
    pub fn insert(&mut self, c: char) {
        self.line.insert(c, LONGEST_LINE);
        (self.chosen, self.scroll) = (0, 0);
    }

    /// Edits the typed line.
    pub fn edit(&mut self, edit: Edit) {
        let before = self.line.text();
        self.line.edit(edit);
        if self.line.text() != before {
            (self.chosen, self.scroll) = (0, 0);
        }
    }

    /// Chooses the word this many rows below the chosen one, around the end.
    pub fn turn(&mut self, by: i64) {
        let len = self.found().len().max(1);
        let at = self.chosen.min(len - 1) as i64 + by;
        (self.chosen, self.scroll) = (at.rem_euclid(len as i64) as usize, 0);
    }

    /// Scrolls the explanation by pages, on a screen of this size.
    pub fn page(&mut self, by: i64, area: Rect) {
        let shape = Shape::of(area);
        let lines = self.topic().map_or(0, |topic| text(topic, shape.text, &Theme::default()).len());
        let most = lines.saturating_sub(shape.rows);
        let page = shape.rows.saturating_sub(1).max(1) as i64;
        self.scroll = self.scroll.saturating_add_signed((by * page) as isize).min(most);
    }

    /// Chooses the word in a place of what is found.
    pub fn choose(&mut self, place: usize) {
        (self.chosen, self.scroll) = (place, 0);
    }

    /// What is explained.
    pub fn topic(&self) -> Option<Topic> {
        let found = self.found();
        found.get(self.chosen.min(found.len().saturating_sub(1))).copied()
    }

    /// What matches the typed line, the best first, words of the screen before others; those alone if nothing is typed.
    fn found(&self) -> Vec<Topic> {
        let typed = self.line.text();
        if typed.trim().is_empty() {
            return self.on_screen.clone();
        }
        let others = topics().filter(|topic| !self.on_screen.contains(topic));
        let all = self.on_screen.iter().copied().chain(others);
        let text = |topic: &Topic| format!("{} {}", topic.name(), topic.kind());
        let found = fuzzy::ranked(&typed.replace('_', " "), CaseMatching::Ignore, all, text);
        found.into_iter().map(|found| found.item).collect()
    }
}

/// The size of the box's text, which does not depend on what is found, so that nothing jumps.
struct Shape {
    width: usize,
    /// The width of the explanation.
    text: usize,
    /// The rows of the list and of the explanation.
    rows: usize,
}

impl Shape {
    fn of(area: Rect) -> Shape {
        let width = WIDEST.min(usize::from(area.width).saturating_sub(4));
        let rows = usize::from(area.height).saturating_sub(2 + OTHER_ROWS).min(MOST_ROWS - OTHER_ROWS);
        let text = if width >= LEAST_WITH_LIST { width - LIST - GAP } else { width };
        Shape { width, text, rows }
    }

    fn has_list(&self) -> bool {
        self.text < self.width
    }
}

/// Where the drawn dialog has its words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices {
    drawn: Rows,
    has_list: bool,
    rows: usize,
    first: usize,
    len: usize,
}

impl Choices {
    /// The inside of the dialog.
    pub(super) fn area(self) -> Rect {
        self.drawn.area
    }

    /// The place of the word at a position.
    pub(super) fn at(self, position: Position) -> Option<usize> {
        let in_list = self.has_list && usize::from(position.x.saturating_sub(self.drawn.area.x)) <= LIST;
        // The first row is the typed line.
        let row = self.drawn.row_at(position.y)?.checked_sub(1).filter(|row| in_list && *row < self.rows)?;
        Some(self.first + row).filter(|at| *at < self.len)
    }
}

/// Draws the dialog over the area's middle.
pub(super) fn draw(explaining: &Explaining, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Choices {
    let shape = Shape::of(area);
    let found = explaining.found();
    let chosen = explaining.chosen.min(found.len().saturating_sub(1));
    let first = fuzzy::first_row(explaining.chosen, found.len(), shape.rows);
    let explained = found.get(chosen).map(|topic| text(*topic, shape.text, theme)).unwrap_or_default();
    let most = explained.len().saturating_sub(shape.rows);
    let scroll = explaining.scroll.min(most);
    let mut typed = vec![Span::styled("explain ", theme.accent())];
    typed.extend(typed_line(&explaining.line, shape.width.saturating_sub(8), theme));
    let mut lines = vec![Line::from(typed)];
    for row in 0..shape.rows {
        let mut spans = Vec::new();
        if shape.has_list() {
            let entry = found.get(first + row).map(|topic| topic.name()).unwrap_or_default();
            let is_chosen = first + row == chosen && !found.is_empty();
            let mark = if is_chosen { theme.glyph(Glyph::CursorRight) } else { ' ' };
            let entry = pad_right(&clip(&format!("{mark} {entry}"), LIST, theme), LIST);
            let style = if is_chosen { theme.selected_row().patch(theme.heading()) } else { theme.text() };
            spans.push(Span::styled(entry, style));
            spans.push(Span::styled(format!(" {} ", theme.glyph(Glyph::Vertical)), theme.axis()));
        }
        spans.extend(explained.get(scroll + row).map(|line| line.spans.clone()).unwrap_or_default());
        lines.push(Line::from(spans));
    }
    let arrows = format!("{}{}", theme.glyph(Glyph::ArrowUp), theme.glyph(Glyph::ArrowDown));
    let more = if most > 0 { "  PgUp PgDn scrolls" } else { "" };
    let keys = match found.is_empty() {
        true => "nothing of this name; Esc closes".to_owned(),
        false => format!("{arrows} other words  type to search all{more}  Esc closes"),
    };
    lines.push(Line::styled(pad_right(&clip(&keys, shape.width, theme), shape.width), theme.muted()));
    let title = match found.len() {
        0 => "Explain".to_owned(),
        len => format!("Explain: {} of {len}", chosen + 1),
    };
    let drawn = Popup { title: &title, lines: &lines, scroll: 0 }.render(area, buffer, theme);
    Choices { drawn, has_list: shape.has_list(), rows: shape.rows, first, len: found.len() }
}

/// An explanation in lines of a width.
fn text(topic: Topic, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let title = Line::from(vec![
        Span::styled(clip(&topic.name(), width, theme), theme.heading()),
        Span::styled(format!("  {}", topic.kind()), theme.muted()),
    ]);
    let mut lines = vec![title];
    for (heading, text) in topic.parts() {
        let label = if heading.is_empty() { String::new() } else { format!("{heading}: ") };
        for (at, line) in wrap(&format!("{label}{text}"), width).into_iter().enumerate() {
            let line = clip(&line, width, theme);
            lines.push(match line.strip_prefix(label.trim_end()).filter(|_| at == 0 && !label.is_empty()) {
                Some(rest) => Line::from(vec![
                    Span::styled(label.trim_end().to_owned(), theme.accent()),
                    Span::styled(rest.to_owned(), theme.text()),
                ]),
                None => Line::styled(line, theme.text()),
            });
        }
    }
    lines
}

/// The words of the status line, of the timeline and of what every view has.
fn around(app: &App) -> Vec<Topic> {
    let options = app.options();
    let mut found = vec![&words::LANE];
    found.extend(app.lane(app.selected_lane()).map(|lane| state(lane.state())));
    found.push(if app.follows() { &words::FOLLOWING } else { &words::CURSOR });
    found.push(if options.smoothing.is_on() { &words::SMOOTHING } else { &words::RAW });
    found.extend(app.range().map(|_| &words::RANGE));
    found.extend(options.mark.map(|_| &words::MARK));
    found.extend([&words::STEP, &words::TIMELINE, &words::OUTLIERS, &words::NOT_FINITE, &words::RUN]);
    let finding = app.visited_finding().and_then(|(_, finding)| Topic::rule(finding.rule));
    found.into_iter().map(Topic::Word).chain(finding).collect()
}

/// The word of a lane's state.
pub(super) fn state(state: &LaneState) -> &'static words::Word {
    match state {
        LaneState::Waiting => &words::WAITING,
        LaneState::Running => &words::RUNNING,
        LaneState::Paused => &words::PAUSED,
        LaneState::Completed => &words::FINISHED,
        LaneState::Stopped => &words::STOPPED,
        LaneState::Diverged => &words::DIVERGED,
        LaneState::Failed(_) => &words::FAILED,
        LaneState::Crashed => &words::CRASHED,
        LaneState::Silent => &words::SILENT,
    }
}

/// The rules of which a lane has open findings at the cursor, the worst first.
pub(super) fn open_rules(app: &App, lane: &Lane) -> Vec<Topic> {
    let mut open: Vec<_> = lane.health().open_at(app.step()).collect();
    open.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.step)));
    open.into_iter().filter_map(|finding| Topic::rule(finding.rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, specimen};
    use crate::metric::known;
    use crate::theme::{Background, Characters, Colors};
    use crate::views::{self, Dialog, Status};

    fn screen(app: &App, explaining: &Explaining, size: (u16, u16), theme: &Theme) -> String {
        let area = Rect::new(0, 0, size.0, size.1);
        let mut buffer = Buffer::empty(area);
        let dialogs = [Dialog::Explain(explaining.clone())];
        let status = Status { dialogs: &dialogs, ..Status::default() };
        views::draw(app, &status, area, &mut buffer, theme);
        buffer.content().chunks(size.0.into()).fold(String::new(), |text, row| {
            text + row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end() + "\n"
        })
    }

    #[test]
    fn what_the_view_is_about_is_explained_first() {
        let mut app = specimen::one_diverged();
        let first = |app: &App| Explaining::of_view(app).topic();
        app.act(Action::SelectView(views::kind_named("profile").unwrap()));
        app.act(Action::SelectStatistic(known::UPDATE_RATIO));
        assert_eq!(first(&app), Some(Topic::Metric(known::UPDATE_RATIO)));
        app.act(Action::SelectView(views::kind_named("shortcut").unwrap()));
        assert_eq!(first(&app), Some(Topic::Metric(known::BRANCH_RATIO)));
        app.act(Action::SelectView(views::kind_named("findings").unwrap()));
        app.act(Action::SelectFinding(0));
        assert_eq!(first(&app), Topic::rule(app.findings()[0].rule));
    }

    #[test]
    fn every_view_has_words_before_anything_has_happened() {
        let mut app = App::new(Vec::new());
        for kind in views::kinds() {
            app.act(Action::SelectView(kind));
            assert!(Explaining::of_view(&app).topic().is_some(), "{kind}");
        }
    }

    #[test]
    fn typing_searches_everything_and_the_text_can_be_read_to_its_end() {
        let app = specimen::plain_beside_residual();
        let mut explaining = Explaining::of_view(&app);
        "half batch".chars().for_each(|c| explaining.insert(c));
        assert!(explaining.topic().is_some_and(|topic| topic.name().contains("half batch cosine")));
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Ascii);
        let small = (44, 14);
        let mut read = screen(&app, &explaining, small, &theme);
        assert!(read.is_ascii());
        for _ in 0..20 {
            explaining.page(1, Rect::new(0, 0, small.0, small.1));
            read += &screen(&app, &explaining, small, &theme);
        }
        let words = explaining
            .topic()
            .unwrap()
            .parts()
            .into_iter()
            .map(|(_, text)| text)
            .collect::<Vec<_>>()
            .join(" ");
        for word in words.split_whitespace() {
            assert!(read.contains(word), "{word} in {read}");
        }
        explaining.edit(Edit::DeleteToStart);
        "no such word at all".chars().for_each(|c| explaining.insert(c));
        assert_eq!(explaining.topic(), None);
        assert!(screen(&app, &explaining, (80, 24), &theme).contains("nothing of this name"));
    }

    #[test]
    fn a_click_chooses_and_outside_it_nothing_is_chosen() {
        let app = specimen::plain_beside_residual();
        let area = Rect::new(0, 0, 120, 40);
        let mut explaining = Explaining::of_view(&app);
        let choices = draw(&explaining, area, &mut Buffer::empty(area), &Theme::default());
        let inside = choices.area();
        let at = |x, y| choices.at(Position::new(inside.x + x, inside.y + y));
        assert_eq!([at(2, 0), at(2, 1), at(2, 3), at(60, 3)], [None, Some(0), Some(2), None]);
        explaining.choose(2);
        assert_eq!(explaining.chosen, 2);
    }
}
