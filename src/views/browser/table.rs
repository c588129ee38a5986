//! The table: only visible rows are laid out, in columns chosen by the width.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::figures::{self, Unit, dash};
use super::names::{Names, beside};
use super::{Command, Scene};
use crate::printable::printable;
use crate::runlog::LaneSummary;
use crate::runs_list::{Action, Group, LaneGroup, Row, Run, RunsList, SortKey};
use crate::theme::{Glyph, Theme};
use crate::views::explain::{Topic, words};
use crate::widgets::{self, clip, pad_left, pad_right, put, put_centered};

/// The width of marks and arrows before a row.
const GUTTER: u16 = 4;
/// The cells between two columns.
const GAP: u16 = 2;
/// The least width of the name.
const NAME: u16 = 14;
/// How much wider the first column is if a group has repeats.
const REPEATS: u16 = 11;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    State,
    Name,
    Started,
    Networks,
    Step,
    Loss,
    Train,
    Test,
    Duration,
    Seed,
    Tags,
}

/// A column: its heading, its sort key, its width, whether it is right-aligned.
struct Column {
    what: What,
    title: &'static str,
    sort: SortKey,
    width: u16,
    right: bool,
}

const fn column(what: What, title: &'static str, sort: SortKey, width: u16, right: bool) -> Column {
    Column { what, title, sort, width, right }
}

/// All columns in their order.
const COLUMNS: [Column; 11] = [
    column(What::State, "state", SortKey::State, 10, false),
    column(What::Name, "run", SortKey::Id, NAME, false),
    column(What::Started, "started", SortKey::Started, 11, false),
    column(What::Networks, "networks", SortKey::Depth, 18, false),
    column(What::Step, "step", SortKey::Step, 11, true),
    column(What::Loss, "loss", SortKey::Loss, 9, true),
    column(What::Train, "train", SortKey::Train, 9, true),
    column(What::Test, "test", SortKey::Test, 9, true),
    column(What::Duration, "time", SortKey::Duration, 6, true),
    column(What::Seed, "seed", SortKey::Seed, 5, true),
    column(What::Tags, "tags", SortKey::Tag, 12, false),
];

/// Columns by importance, in which they are given room; the first two are always shown.
const IMPORTANCE: [What; 11] = [
    What::State,
    What::Name,
    What::Test,
    What::Loss,
    What::Started,
    What::Step,
    What::Networks,
    What::Train,
    What::Duration,
    What::Tags,
    What::Seed,
];

/// The visible columns, each with its offset and its width in cells.
fn layout(list: &RunsList, width: u16) -> Vec<(&'static Column, u16, u16)> {
    let repeats = if list.groups().iter().any(|group| group.repeats() > 0) { REPEATS } else { 0 };
    let mut room = width.saturating_sub(GUTTER + repeats);
    let mut shown: Vec<What> = Vec::new();
    for what in IMPORTANCE {
        let needed = COLUMNS.iter().find(|column| column.what == what).map_or(0, |column| column.width + GAP);
        if shown.len() < 2 || needed <= room {
            shown.push(what);
            room = room.saturating_sub(needed);
        } else {
            // A narrower, less important column would appear and disappear as the width changes.
            break;
        }
    }
    // The remaining width goes to the name and, beyond that of a whole id, to the tags.
    let to_tags = if shown.contains(&What::Tags) { room.saturating_sub(24) } else { 0 };
    let mut x = GUTTER;
    let mut laid = Vec::new();
    for column in COLUMNS.iter().filter(|column| shown.contains(&column.what)) {
        let extra = match column.what {
            What::State => repeats,
            What::Name => room - to_tags,
            What::Tags => to_tags,
            _ => 0,
        };
        laid.push((column, x, column.width + extra));
        x += column.width + extra + GAP;
    }
    laid
}

/// What the columns show, the one that the list is sorted by first.
pub(super) fn topics(list: &RunsList) -> Vec<Topic> {
    let topic = |column: &Column| match column.what {
        What::State => Topic::Word(&words::STATE),
        What::Name => Topic::Word(&words::RUN),
        What::Started => Topic::Word(&words::STARTED),
        What::Networks => Topic::Word(&words::NETWORKS),
        What::Step => Topic::Word(&words::STEP),
        What::Loss => Topic::Word(&words::LOSS_COLUMN),
        What::Train => Topic::Word(&words::TRAIN),
        What::Test => Topic::Word(&words::TEST),
        What::Duration => Topic::Word(&words::TIME),
        What::Seed => Topic::Word(&words::SEED),
        What::Tags => Topic::Word(&words::TAGS),
    };
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    columns.sort_by_key(|column| column.sort != list.sort().key);
    columns.into_iter().map(topic).collect()
}

/// The number of visible rows.
pub(super) fn page(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(1)).max(1)
}

/// The first visible row: the cursor is in the middle where possible.
fn first_row(list: &RunsList, area: Rect) -> usize {
    let most = list.rows().len().saturating_sub(page(area));
    list.cursor().saturating_sub(page(area) / 2).min(most)
}

/// Draws headings and the visible rows.
pub(super) fn draw(list: &RunsList, area: Rect, Scene { buffer, hits, .. }: &mut Scene<'_>, theme: &Theme) {
    let laid = layout(list, area.width);
    for (column, x, width) in &laid {
        let is_sorted = list.sort().key == column.sort;
        let style = if is_sorted { theme.accent() } else { theme.muted() };
        put_cell(buffer, area, (area.x + x, area.y), column.title, *width, column.right, style, theme);
        let heading = Rect { x: area.x + x, width: *width, height: 1, ..area };
        hits.does(heading.intersection(area), vec![Command::Act(Action::SortBy(column.sort))]);
    }
    if list.rows().is_empty() {
        let text = match list.complete() {
            None => "reading",
            Some(_) if list.runs().is_empty() => "no runs yet; `skiplane train` makes one",
            Some(_) => "no run matches the filter; Esc clears it",
        };
        return put_centered(buffer, area, area.height / 2, text, theme.muted());
    }
    let first = first_row(list, area);
    let rows = || list.rows().iter().enumerate().skip(first).take(page(area));
    let width = laid.iter().find(|(column, ..)| column.what == What::Name).map_or(0, |(.., width)| *width);
    let names = Names::of(list, rows().map(|(_, row)| row), width);
    for (line, (index, row)) in rows().enumerate() {
        let place = Rect { y: area.y + 1 + line as u16, height: 1, ..area };
        if place.y >= area.bottom() {
            break;
        }
        draw_row(list, index, row, &laid, &names, place, buffer, theme);
        let select = Command::Act(Action::SelectRow(index));
        hits.does(place, vec![select]);
        let gutter = Rect { width: GUTTER.min(place.width), ..place };
        hits.does(gutter, vec![select, Command::Act(Action::ToggleOpen)]);
        if index == list.cursor() {
            buffer.set_style(place, theme.selected_row());
        }
    }
    let x = area.right() - 1;
    if first > 0 {
        put(buffer, area, x, area.y + 1, &theme.glyph(Glyph::ArrowUp).to_string(), theme.muted());
    }
    if first + page(area) < list.rows().len() {
        put(buffer, area, x, area.bottom() - 1, &theme.glyph(Glyph::ArrowDown).to_string(), theme.muted());
    }
}

#[expect(clippy::too_many_arguments, reason = "all of it is plain data of one row")]
fn draw_row(
    list: &RunsList,
    index: usize,
    row: &Row,
    laid: &[(&Column, u16, u16)],
    names: &Names,
    place: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    draw_gutter(list, row, place, buffer, theme);
    let last = !matches!(
        list.rows().get(index + 1),
        Some(Row::Lane { .. } | Row::GroupLane { .. } | Row::Run { nested: true, .. })
    );
    for (column, x, width) in laid {
        let (text, style) = match *row {
            Row::Run { run: index, nested } => match list.runs().get(index) {
                None => continue,
                Some(run) => match run.problem() {
                    // Nothing else is known, so the reason takes the rest of the row.
                    Some(problem) if column.what == What::Started => {
                        let room = place.width.saturating_sub(*x);
                        put_cell(
                            buffer,
                            place,
                            (place.x + x, place.y),
                            &printable(problem),
                            room,
                            false,
                            theme.muted(),
                            theme,
                        );
                        return;
                    }
                    _ => {
                        let member = nested.then(|| is_counted(list, index, run));
                        of_run(run, member, column.what, names, theme)
                    }
                },
            },
            Row::Lane { run, lane, nested } => match list.runs().get(run) {
                Some(run) => of_lane(run, (lane, last, nested), column.what, names.width(), theme),
                None => continue,
            },
            Row::Group { group } => match list.groups().get(group) {
                Some(group) => of_group(list, group, column.what, names, theme),
                None => continue,
            },
            Row::GroupLane { group, lane } => {
                let group = list.groups().get(group);
                match group.and_then(|group| Some((&group.lanes, group.lanes.get(lane)?))) {
                    Some((all, lane)) => of_group_lane(lane, all, last, column.what, names.width(), theme),
                    None => continue,
                }
            }
        };
        put_cell(buffer, place, (place.x + x, place.y), &text, *width, column.right, style, theme);
    }
}

/// Whether a run counts in the group that it is shown below.
fn is_counted(list: &RunsList, index: usize, run: &Run) -> bool {
    let group = list.groups().iter().find(|group| run.group_key() == Some(group.key));
    group.is_some_and(|group| group.counts(index))
}

/// A mark, and an arrow that shows whether the row is expanded.
fn draw_gutter(list: &RunsList, row: &Row, place: Rect, buffer: &mut Buffer, theme: &Theme) {
    let marked = match row {
        Row::Run { run, .. } => list.runs().get(*run).is_some_and(|run| list.is_marked(run.id())),
        Row::Group { group } => list.groups().get(*group).is_some_and(|group| {
            group.runs.iter().all(|run| list.runs().get(*run).is_some_and(|run| list.is_marked(run.id())))
        }),
        Row::Lane { .. } | Row::GroupLane { .. } => return,
    };
    if marked {
        put(buffer, place, place.x, place.y, &theme.glyph(Glyph::Here).to_string(), theme.accent());
    }
    let glyph = if list.is_open(row) { Glyph::Open } else { Glyph::Closed };
    put(buffer, place, place.x + 2, place.y, &theme.glyph(glyph).to_string(), theme.muted());
}

/// A cell of a run; `member` says whether it counts in the group that it is shown below.
fn of_run(run: &Run, member: Option<bool>, what: What, names: &Names, theme: &Theme) -> (String, Style) {
    let lanes = |figure: fn(&LaneSummary) -> Option<f32>| run.lanes().iter().filter_map(figure);
    let text = match what {
        What::State => {
            let (glyph, name, style) = figures::state(run.state(), lost_records(run), theme);
            return (format!("{glyph} {name}"), style);
        }
        What::Name => {
            let (before, style) = match member {
                None => (String::new(), theme.heading()),
                Some(true) => (format!("  seed {}  ", seed(run)), theme.heading()),
                Some(false) => (format!("  repeat of {}  ", seed(run)), theme.muted()),
            };
            return (names.beside(&before, &names.of_run(run), theme), style);
        }
        What::Started => return (figures::time(run.started_ms(), false), theme.muted()),
        What::Networks => figures::networks(run, theme),
        What::Step => {
            let least = run.lanes().iter().min_by_key(|lane| lane.step);
            least.map_or_else(dash, |lane| lane.progress())
        }
        What::Loss => Unit::Plain.range(lanes(|lane| lane.loss), theme),
        What::Train => Unit::Percent.range(lanes(|lane| lane.train_error), theme),
        What::Test => Unit::Percent.range(lanes(|lane| lane.test_error), theme),
        What::Duration => return (run.duration_ms().map_or_else(dash, widgets::duration), theme.muted()),
        What::Seed => return (seed(run), theme.muted()),
        What::Tags => {
            let tags = run.notes().map(|notes| printable(&notes.tags().join(" "))).unwrap_or_default();
            return (tags, theme.cursor());
        }
    };
    (text, theme.text())
}

fn seed(run: &Run) -> String {
    run.seed().map_or_else(dash, |seed| seed.to_string())
}

/// A cell of a lane: which one, whether it is the last, and whether its run is shown below a group.
fn of_lane(
    run: &Run,
    (index, last, nested): (usize, bool, bool),
    what: What,
    width: u16,
    theme: &Theme,
) -> (String, Style) {
    let Some(lane) = run.lanes().get(index) else { return (String::new(), theme.text()) };
    let figure = |unit: Unit, value: Option<f32>| value.map_or_else(dash, |value| unit.exact(value.into()));
    let text = match what {
        What::State => {
            let (glyph, name, style) = figures::state(Some(lane.state), lane.lost_records, theme);
            return (format!("{glyph} {name}"), style);
        }
        What::Name => {
            let branch = theme.glyph(if last { Glyph::LastBranch } else { Glyph::Branch });
            let indent = if nested { "  " } else { "" };
            let all = run.lanes().iter().map(|lane| printable(&lane.name)).collect();
            let before = format!("{indent} {branch} ");
            return (beside(&before, &printable(&lane.name), &all, width, theme), theme.lane(index));
        }
        What::Networks => figures::network(run, index),
        What::Step => lane.progress(),
        What::Loss => figure(Unit::Plain, lane.loss),
        What::Train => figure(Unit::Percent, lane.train_error),
        What::Test => figure(Unit::Percent, lane.test_error),
        What::Duration => return (widgets::duration(lane.elapsed_ms), theme.muted()),
        What::Started | What::Seed | What::Tags => String::new(),
    };
    (text, theme.text())
}

/// Records that the logs of a run lack.
fn lost_records(run: &Run) -> u64 {
    run.lanes().iter().map(|lane| lane.lost_records).sum()
}

fn of_group(list: &RunsList, group: &Group, what: What, names: &Names, theme: &Theme) -> (String, Style) {
    let Some(first) = group.runs.first().and_then(|run| list.runs().get(*run)) else {
        return (String::new(), theme.text());
    };
    let means = |figure: fn(&LaneGroup) -> f64| {
        group.lanes.iter().map(figure).filter(|mean| !mean.is_nan()).map(|mean| mean as f32)
    };
    let text = match what {
        What::State => {
            let runs = group.runs.iter().filter_map(|run| list.runs().get(*run));
            let lost = runs.map(lost_records).sum();
            let (glyph, _, style) = figures::state(first.state(), lost, theme);
            return (format!("{glyph} {}", figures::seeds(group)), style);
        }
        What::Name => return (names.beside("", &first.label(), theme), theme.heading()),
        What::Started => return (figures::time(first.started_ms(), false), theme.muted()),
        What::Networks => figures::networks(first, theme),
        What::Loss => Unit::Plain.range(means(|lane| lane.loss.mean), theme),
        What::Train => Unit::Percent.range(means(|lane| lane.train.mean), theme),
        What::Test => Unit::Percent.range(means(|lane| lane.test.mean), theme),
        What::Step | What::Duration | What::Seed | What::Tags => String::new(),
    };
    (text, theme.text())
}

fn of_group_lane(
    lane: &LaneGroup,
    all: &[LaneGroup],
    last: bool,
    what: What,
    width: u16,
    theme: &Theme,
) -> (String, Style) {
    let text = match what {
        What::Name => {
            let branch = theme.glyph(if last { Glyph::LastBranch } else { Glyph::Branch });
            let all = all.iter().map(|lane| printable(&lane.name)).collect();
            let before = format!(" {branch} ");
            return (beside(&before, &printable(&lane.name), &all, width, theme), theme.text());
        }
        What::Step => return ("mean".to_owned(), theme.muted()),
        What::Loss => Unit::Plain.spread(&lane.loss, theme),
        What::Train => Unit::Percent.spread(&lane.train, theme),
        What::Test => Unit::Percent.spread(&lane.test, theme),
        What::State | What::Started | What::Networks | What::Duration | What::Seed | What::Tags => {
            String::new()
        }
    };
    (text, theme.text())
}

#[expect(clippy::too_many_arguments, reason = "all of it is plain data of one cell")]
fn put_cell(
    buffer: &mut Buffer,
    area: Rect,
    (x, y): (u16, u16),
    text: &str,
    width: u16,
    right: bool,
    style: Style,
    theme: &Theme,
) {
    let width = usize::from(width);
    let text = clip(text, width, theme);
    let text = if right { pad_left(&text, width) } else { pad_right(&text, width) };
    put(buffer, area, x, y, &text, style);
}
