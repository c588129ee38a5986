//! The runs browser: a table of all runs, details of the one under the cursor beside it, and popups. It only reads the
//! list; keys it translates to actions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line as TextLine, Span};

use super::explain::{self, Explaining, Topic, words};
use super::help;
use super::keymap::Keymap;
use super::typed_line::typed_line;
use crate::printable::printable;
use crate::runs_list::filter::KEYS;
use crate::runs_list::{Action, Line, Pane, Prompt, RunsList};
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, Popup, clip, put, put_centered, put_right};

mod bands;
mod details;
mod differences;
mod figures;
mod keys;
mod names;
mod table;

pub use keys::{BINDINGS, Command};

/// The smallest terminal on which the browser is drawn.
const LEAST_WIDTH: u16 = 36;
/// See [`LEAST_WIDTH`].
const LEAST_HEIGHT: u16 = 8;
/// From this width on there is room beside the table.
const ROOM_BESIDE: u16 = 150;
/// From this height on there is room below it.
const ROOM_BELOW: u16 = 30;
/// The rows of the details below the table.
const DETAILS_HEIGHT: u16 = 13;
/// The most runs named in a question.
const MOST_NAMED: usize = 8;

/// What the screen shows besides the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status<'a> {
    /// A notice of what just happened or went wrong.
    pub notice: Option<&'a str>,
    /// The open explanation.
    pub explaining: Option<&'a Explaining>,
    /// The keys in force, if they are not those of the table.
    pub keymap: Option<&'a Keymap<Command>>,
}

#[derive(Clone, Copy)]
struct Areas {
    title: Rect,
    filter: Rect,
    table: Rect,
    pane: Option<Rect>,
    status: Rect,
}

fn areas(list: &RunsList, area: Rect) -> Option<Areas> {
    if area.width < LEAST_WIDTH || area.height < LEAST_HEIGHT {
        return None;
    }
    let row = |y| Rect { y, height: 1, ..area };
    let body = Rect { y: area.y + 2, height: area.height - 3, ..area };
    let is_roomy = area.width >= ROOM_BESIDE || area.height >= ROOM_BELOW;
    let (table, pane) = match list.pane() {
        Pane::None => (body, None),
        Pane::Roomy if !is_roomy => (body, None),
        _ if area.width >= ROOM_BESIDE => {
            let width = (area.width / 3).clamp(50, 90);
            let table = Rect { width: area.width - width - 1, ..body };
            (table, Some(Rect { x: table.right() + 1, width, ..body }))
        }
        pane => {
            let height = match pane {
                Pane::Roomy | Pane::Details => DETAILS_HEIGHT.min(body.height * 3 / 5),
                _ => body.height * 3 / 5,
            };
            let table = Rect { height: body.height - height, ..body };
            (table, Some(Rect { y: table.bottom(), height, ..body }))
        }
    };
    Some(Areas { title: row(area.y), filter: row(area.y + 1), table, pane, status: row(area.bottom() - 1) })
}

/// What the mouse does where in the browser.
pub type Hits = super::Hits<RunsList, Command>;
type Scene<'b> = super::Scene<'b, RunsList, Command>;

/// Draws the whole screen, and returns what the mouse does where.
pub fn draw(list: &RunsList, status: &Status<'_>, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Hits {
    let area = area.intersection(buffer.area);
    let mut scene = Scene::new(buffer);
    let Some(areas) = areas(list, area) else {
        put_centered(scene.buffer, area, area.height / 2, "too small", theme.heading());
        return scene.hits;
    };
    let keymap = &status.keymap.cloned().unwrap_or_default();
    draw_title(list, areas.title, scene.buffer, theme);
    draw_filter(list, areas.filter, scene.buffer, theme);
    scene.hits.does(areas.filter, vec![Command::Act(Action::OpenFilter)]);
    table::draw(list, areas.table, &mut scene, theme);
    let buffer = &mut *scene.buffer;
    if let Some(pane) = areas.pane {
        match list.pane() {
            Pane::Differences => differences::draw(list, pane, buffer, theme),
            Pane::Bands => bands::draw(list, pane, buffer, theme),
            Pane::Roomy | Pane::Details | Pane::None => details::draw(list, pane, buffer, theme),
        }
    }
    draw_status(list, status, keymap, areas.status, &mut scene, theme);
    let Scene { buffer, hits, .. } = &mut scene;
    if list.help() {
        let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
        let rows = keymap.rows(theme);
        hits.does(area, vec![Command::Act(Action::ToggleHelp)]);
        let key = |command| keymap.label(command, theme.is_ascii());
        let closes = key(Command::Act(Action::ToggleHelp)).unwrap_or_else(|| "Esc".to_owned());
        let explains =
            key(Command::Explain).map(|key| format!("{key} explains columns, ")).unwrap_or_default();
        let ways = format!("{explains}{closes} closes");
        let drawn = help::draw(&rows, &ways, filter_help(theme), list.scroll(), body, buffer, theme);
        hits.covers(drawn.area);
    }
    if let Some(prompt) = list.prompt() {
        hits.covers(area);
        draw_prompt(prompt, area, buffer, theme);
    }
    if let Some(explaining) = status.explaining {
        hits.does(area, vec![Command::Explain]);
        let choices = explain::draw(explaining, area, buffer, theme);
        hits.covers(choices.area());
        hits.on(choices.area(), move |_, position| {
            choices.at(position).map(Command::Choose).into_iter().collect()
        });
    }
    scene.hits
}

/// The words of the list: those of its columns, the one that it is sorted by first.
pub fn topics(list: &RunsList) -> Vec<Topic> {
    let others = [&words::GROUP, &words::REPEAT, &words::SEEDS, &words::RUN, &words::LANE].map(Topic::Word);
    table::topics(list).into_iter().chain(others).collect()
}

/// The number of visible rows of the table.
pub fn page(list: &RunsList, area: Rect) -> usize {
    areas(list, area).map_or(1, |areas| table::page(areas.table))
}

/// The action that shows the details, or hides them if they are shown.
pub fn toggle_details(list: &RunsList, area: Rect) -> Action {
    let shown = areas(list, area).is_some_and(|areas| areas.pane.is_some());
    let are_details = matches!(list.pane(), Pane::Roomy | Pane::Details);
    Action::SetPane(if shown && are_details { Pane::None } else { Pane::Details })
}

fn draw_title(list: &RunsList, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let end = put(buffer, area, area.x, area.y, " Runs ", theme.selected_tab());
    let all = list.runs().len();
    let count = match list.shown() {
        shown if shown == all => format!("  {}", widgets::grouped(all as u64)),
        shown => format!("  {} of {}", widgets::grouped(shown as u64), widgets::grouped(all as u64)),
    };
    let mut spans = vec![Span::styled(count, theme.heading())];
    let marked = list.marked().len();
    if marked > 0 {
        spans.push(Span::styled(format!("  {marked} marked"), theme.accent()));
    }
    if list.is_grouped() {
        spans.push(Span::styled("  grouped over seeds", theme.text()));
    }
    match list.complete() {
        None => spans.push(Span::styled("  reading", theme.warning())),
        Some(Err(problem)) => spans.push(Span::styled(format!("  {}", printable(problem)), theme.error())),
        Some(Ok(())) => {}
    }
    let left = Rect { x: end, width: area.right() - end, ..area };
    let end = widgets::put_line(buffer, left, 0, &TextLine::from(spans));
    let sort = list.sort();
    let arrow = theme.glyph(if sort.descending { Glyph::ArrowDown } else { Glyph::ArrowUp });
    let text = format!("by {} {arrow}", sort.key.name());
    if usize::from(area.right().saturating_sub(end)) > widgets::width(&text) {
        put_right(buffer, area, 0, &text, theme.muted());
    }
}

fn draw_filter(list: &RunsList, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let mut spans = vec![Span::styled(" / ", theme.accent())];
    match list.prompt() {
        Some(Prompt::Filter { line, error, .. }) => {
            spans.extend(typed_line(line, usize::from(area.width).saturating_sub(5), theme));
            if error.is_some() {
                spans[0] = Span::styled(format!(" {} ", theme.glyph(Glyph::Error)), theme.error());
            }
        }
        _ if list.filter().is_everything() => {
            let example = "type / to filter: depth>20 shortcut=identity loss<0.5 not tag=draft";
            spans.push(Span::styled(clip(example, usize::from(area.width) - 3, theme), theme.axis()));
        }
        _ => {
            let text = clip(&printable(&list.filter().to_string()), usize::from(area.width) - 3, theme);
            spans.push(Span::styled(text, theme.text()));
        }
    }
    widgets::put_line(buffer, area, 0, &TextLine::from(spans));
}

/// A notice, an error in the filter, or the most important keys.
fn draw_status(
    list: &RunsList,
    status: &Status<'_>,
    keymap: &Keymap<Command>,
    area: Rect,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    if let Some(Prompt::Filter { error, .. }) = list.prompt() {
        let (text, style) = match error {
            Some(error) => (printable(&error.to_string()), theme.error()),
            None => ("Enter applies the filter, Esc restores the previous one".to_owned(), theme.muted()),
        };
        put(buffer, area, area.x + 1, area.y, &clip(&text, usize::from(area.width) - 1, theme), style);
        return;
    }
    if let Some(notice) = status.notice {
        let text = clip(&printable(notice), usize::from(area.width) - 1, theme);
        put(buffer, area, area.x + 1, area.y, &text, theme.warning());
        return;
    }
    let mut x = area.x + 1;
    for (label, binding, command) in keys::hints(list).filter_map(|key| keymap.hint(key, theme)) {
        let needed = widgets::width(&label) + 1 + widgets::width(binding.hint);
        if usize::from(area.right().saturating_sub(x)) < needed {
            continue;
        }
        let start = x;
        x = put(buffer, area, x, area.y, &label, theme.accent());
        x = put(buffer, area, x, area.y, &format!(" {}  ", binding.hint), theme.muted());
        hits.does(Rect { x: start, width: x.saturating_sub(start + 2), ..area }, vec![command]);
    }
}

fn draw_prompt(prompt: &Prompt, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let room = usize::from(area.width.saturating_sub(6)).min(72);
    let field = |line: &Line| {
        let spans = typed_line(line, room, theme);
        let used: usize = spans.iter().map(Span::width).sum();
        // With its greatest width, so that the box does not move.
        let rest = Span::raw(" ".repeat(room.saturating_sub(used)));
        TextLine::from(spans.into_iter().chain([rest]).collect::<Vec<_>>())
    };
    let muted = |text: &str| TextLine::styled(clip(text, room, theme), theme.muted());
    let (title, lines) = match prompt {
        Prompt::Filter { .. } => return,
        Prompt::Note { id, line } => {
            let lines = vec![muted(&printable(id)), field(line), muted("Enter saves, Esc cancels")];
            ("Note", lines)
        }
        Prompt::Tags { ids, line, .. } => {
            let of = match ids.as_slice() {
                [id] => printable(id),
                ids => format!("the tags that all {} runs have", ids.len()),
            };
            let last = muted("separated by blanks   Enter saves, Esc cancels");
            ("Tags", vec![muted(&of), field(line), last])
        }
        Prompt::Delete { ids } => ("Delete?", question(ids, room, theme)),
    };
    Popup { title, lines: &lines, scroll: 0 }.render(area, buffer, theme);
}

fn question(ids: &[String], room: usize, theme: &Theme) -> Vec<TextLine<'static>> {
    let what = if ids.len() == 1 { "Move this run to the trash?" } else { "Move these runs to the trash?" };
    let mut lines = vec![TextLine::styled(what, theme.text())];
    let named = ids.iter().take(MOST_NAMED);
    lines.extend(
        named.map(|id| {
            TextLine::styled(format!("  {}", clip(&printable(id), room - 2, theme)), theme.heading())
        }),
    );
    if ids.len() > MOST_NAMED {
        lines.push(TextLine::styled(format!("  and {} more", ids.len() - MOST_NAMED), theme.heading()));
    }
    let choice = |key: &'static str, what: &'static str| {
        TextLine::from(vec![
            Span::styled(format!("  {key:<9}"), theme.accent()),
            Span::styled(what, theme.text()),
        ])
    };
    lines.extend([TextLine::from(""), choice("Enter y", "move; u undoes it"), choice("Esc n", "keep")]);
    lines
}

/// How filters are written, for the help.
fn filter_help(theme: &Theme) -> Vec<TextLine<'static>> {
    let muted = |text: String| TextLine::styled(text, theme.text());
    let mut lines = vec![
        TextLine::styled("Filters", theme.heading()),
        muted("  words are searched in id, name, question, note and tags".to_owned()),
        muted("  key=value  !=  <  <=  >  >=  ~ (contains)   and  or  not  ( )  \"quoted\"".to_owned()),
        muted("  conditions on lanes must all match the same lane".to_owned()),
    ];
    let entry = |key: &crate::runs_list::filter::KeyEntry| {
        let of = if key.of_lane { "lane" } else { "run" };
        TextLine::from(vec![
            Span::styled(format!("  {} ", widgets::pad_right(key.name, 13)), theme.accent()),
            Span::styled(format!("{} ({of})", key.what), theme.text()),
        ])
    };
    lines.extend(KEYS.iter().map(entry));
    lines
}
