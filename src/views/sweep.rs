//! A single number, such as the training error, against a key that differs between runs, such as the depth: the median
//! and the extent over the seeds for each group of lanes, at the cursor's step, with a table of the same numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::explain::words;
use super::tiles::tiles;
use super::{Command, Empty, Key, Number, Scene, Topic, View, curves, empty, numbers};
use crate::app::{Action, App, Chosen, ViewKind, Wanted};
use crate::claims::{Cell, Compared, in_words};
use crate::metric::Metric;
use crate::printable::printable;
use crate::statistics::rank_sum;
use crate::theme::Theme;
use crate::widgets::{self, Axis, Bucket, Column, Extent, LineChart, Series, SeriesKind, Table, Values};

/// The least width and height of each of several charts.
const LEAST_PART: (u16, u16) = (24, 7);

/// How many times the least value of a key its greatest is, where its axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// The sweep view.
#[derive(Debug)]
pub(super) struct Sweep;

impl View for Sweep {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "sweep", chooses: Chosen::Scalars, draws_losses: false }
    }

    fn fits(&self, app: &App) -> bool {
        let mut runs = app.lanes().iter().map(|lane| &lane.label().run);
        let first = runs.next();
        runs.any(|run| Some(run) != first)
    }

    fn title(&self) -> &'static str {
        "an error or a loss against what differs between runs, with the spread over seeds"
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        vec![Wanted::History(app.scalar())]
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Char('x'), Key::Char('f'), Key::Left, Key::Char('y')]
    }

    fn vertical(&self, by: i64) -> Action {
        Action::Scroll(by)
    }

    fn vertical_name(&self) -> &'static str {
        "row"
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        if Compared::is_possible(app.visible_lanes()) || app.lanes().is_empty() {
            return empty::without_lanes(app).filter(|_| app.lanes().is_empty());
        }
        let comes = "No key of an experiment differs between these lanes. This view shows an error or a loss against what \
                     differs between the runs of a sweep (`skiplane sweep FILE`), or between any runs that are open \
                     together: mark several in the list.";
        Some(Empty::new("nothing differs", comes).with(Command::Browse, "shows all runs"))
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        numbers::at_cursor(app, app.scalar())
    }

    fn told(&self, app: &App) -> Vec<String> {
        let metric = app.scalar();
        let compared = Compared::of(app.visible_lanes(), metric, app.step(), app.options().key);
        let Some(Compared { grid, cells }) = compared else { return Vec::new() };
        let about = format!("{metric}, {}, by {}", Detail::All.about(), grid.name());
        let rows = grid.values.iter().zip(&cells).flat_map(|(value, row)| {
            let groups = grid.groups.iter().zip(row);
            groups.map(move |(group, cell)| format!("{value}, {group}: {}", Detail::All.text(cell, metric)))
        });
        std::iter::once(about).chain(rows).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words = [&words::MEDIAN, &words::CHANCE, &words::SEEDS, &words::RUN, &words::SEED, &words::SCALE];
        [Topic::Metric(app.scalar())].into_iter().chain(words.map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let buffer = &mut *scene.buffer;
        let metric = app.scalar();
        let compared = Compared::of(app.visible_lanes(), metric, app.step(), app.options().key);
        let Some(compared) = compared else { return };
        let rows = compared.grid.values.len() as u16;
        let table = (rows + 2).min(area.height / 2);
        let above = Rect { height: area.height - table, ..area };
        let below = Rect { y: above.bottom(), height: table, ..area };
        let split = app.options().split;
        match compared.grid.numbers().filter(|numbers| numbers.len() > 1) {
            Some(_) => {
                match compared.split(app.visible_lanes(), metric, app.step(), split) {
                    Some(parts) => draw_parts(app, metric, &parts, above, buffer, theme),
                    None => {
                        let title = format!("{metric} at step {}", app.step());
                        draw_chart(app, metric, &compared, &title, None, above, buffer, theme);
                    }
                }
                draw_table(app, metric, &compared, below, buffer, theme);
            }
            // Words have no axis.
            None => draw_table(app, metric, &compared, area, buffer, theme),
        }
    }
}

/// How much is said of a cell, for which there must be room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// `81.2% (79.0% to 83.1%, 3)`
    All,
    /// `81.2% (79.0% to 83.1%)`
    Extent,
    /// `81.2%`
    Median,
}

impl Detail {
    const MOST_FIRST: [Detail; 3] = [Detail::All, Detail::Extent, Detail::Median];

    /// What the heading says of it.
    fn about(self) -> &'static str {
        match self {
            Detail::All => "median (least to greatest, lanes)",
            Detail::Extent => "median (least to greatest)",
            Detail::Median => "median",
        }
    }

    /// A cell in words.
    fn text(self, cell: &Cell, metric: Metric) -> String {
        let Some((median, (least, greatest))) = cell.median().zip(cell.extent()) else {
            return if cell.lanes > 0 { "no number" } else { "-" }.to_owned();
        };
        let [median, least, greatest] = [median, least, greatest].map(|x| in_words(x, metric));
        match (self, cell.numbers.len()) {
            (Detail::Median, _) | (_, 1) => median,
            // Of several that all diverged nothing more is to be said.
            _ if cell.finite().next().is_none() => median,
            (Detail::Extent, _) => format!("{median} ({least} to {greatest})"),
            (Detail::All, count) => format!("{median} ({least} to {greatest}, {count})"),
        }
    }
}

/// Small multiples: as many charts as there is room for, all on one scale.
fn draw_parts(
    app: &App,
    metric: Metric,
    parts: &[(String, Compared)],
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let extent: Extent = parts.iter().flat_map(|(_, compared)| compared.numbers()).collect();
    let y = Axis::fit([extent], curves::is_log(app, metric));
    let places = tiles(area, parts.len(), LEAST_PART);
    let left_out = parts.len() - places.len();
    for (at, ((title, compared), area)) in parts.iter().zip(&places).enumerate() {
        let more =
            if at + 1 == places.len() && left_out > 0 { format!(", {left_out} more") } else { String::new() };
        let title = format!("{}{more}", printable(title));
        draw_chart(app, metric, compared, &title, Some(y), *area, buffer, theme);
    }
}

#[expect(clippy::too_many_arguments, reason = "a chart, where it is drawn, and what it shares with others")]
fn draw_chart(
    app: &App,
    metric: Metric,
    compared: &Compared,
    title: &str,
    y: Option<Axis>,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let Some(numbers) = compared.grid.numbers() else { return };
    let bucket = |(x, cell): (&f64, &Cell)| {
        let extent: Extent = cell.finite().collect();
        Some(Bucket { x: *x, extent, last: cell.median().filter(|x| x.is_finite())? })
    };
    let points: Vec<Vec<Bucket>> = compared
        .cells
        .iter()
        .map(|cells| numbers.iter().zip(cells).filter_map(bucket).collect::<Vec<Bucket>>())
        .collect();
    let names: Vec<String> = compared.grid.groups.iter().map(|group| printable(group)).collect();
    let series: Vec<Series<'_>> = names
        .iter()
        .zip(&points)
        .enumerate()
        .map(|(at, (name, buckets))| Series {
            name,
            buckets,
            style: theme.lane(at),
            mark: theme.lane_mark(at),
            kind: SeriesKind::Points,
            read_out: None,
            between: None,
        })
        .collect();
    let Some((first, last)) = numbers.first().zip(numbers.last()) else { return };
    // Rates that differ by factors, such as 0.001, 0.01 and 0.1.
    let is_log = *first > 0.0 && last / first >= LOG_FROM;
    let x_name = printable(compared.grid.name());
    let chart = LineChart {
        title,
        series: &series,
        x: Axis::new(*first, *last, is_log).with_margin(0.03),
        x_name: &x_name,
        y,
        spacing: curves::spacing(app, metric),
        values: Values { whole: true, ..curves::values(app) },
        cursor: None,
        mark: None,
        reference: None,
    };
    chart.render(area, buffer, theme);
}

/// A row for each value of the key, a column for each group, and of two groups their difference.
fn draw_table(
    app: &App,
    metric: Metric,
    compared: &Compared,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let Compared { grid, cells } = compared;
    let key = printable(grid.name());
    let names: Vec<String> = grid.groups.iter().map(|group| printable(group)).collect();
    let column = |title, dispensable| Column { title, right: true, dispensable };
    let mut columns = vec![column(&key, 0)];
    columns
        .extend(names.iter().enumerate().map(|(at, name)| column(name, u8::try_from(at).unwrap_or(u8::MAX))));
    let pair = if let [a, b] = cells.as_slice() { Some((a, b)) } else { None };
    if pair.is_some() {
        columns.extend([column("difference", 10), column("p", 11)]);
    }
    let row = |detail: Detail, (at, value): (usize, &String)| {
        let mut row = vec![(printable(value), theme.heading())];
        let text = |cells: &Vec<Cell>| detail.text(&cells[at], metric);
        row.extend(cells.iter().enumerate().map(|(group, cells)| (text(cells), theme.lane(group))));
        if let Some((a, b)) = pair {
            row.extend(difference(metric, &a[at], &b[at], theme));
        }
        row
    };
    let with = |detail| {
        let rows = grid.values.iter().enumerate().map(|value| row(detail, value));
        let rows: Vec<Vec<(String, Style)>> = rows.collect();
        (detail, rows)
    };
    let fits = |(_, rows): &(Detail, Vec<Vec<(String, Style)>>)| {
        let width = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| widgets::width(text));
            cells.max().unwrap_or(0).max(widgets::width(columns[at].title)) + 2
        };
        (0..columns.len()).map(width).sum::<usize>() <= usize::from(area.width) + 2
    };
    let found = Detail::MOST_FIRST.into_iter().map(with).find(fits);
    let (detail, rows) = found.unwrap_or_else(|| with(Detail::Median));
    let others: Vec<&str> =
        grid.keys.iter().map(String::as_str).filter(|other| !other.ends_with(grid.name())).collect();
    let more =
        if others.is_empty() { String::new() } else { format!("; x: by {}", printable(&others.join(", "))) };
    let about = format!("{metric}: {}{more}", detail.about());
    widgets::put(
        buffer,
        area,
        area.x,
        area.y,
        &widgets::clip(&about, area.width.into(), theme),
        theme.muted(),
    );
    let body = Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area };
    let selected = Some(app.options().scroll.min(rows.len().saturating_sub(1)));
    Table { columns: &columns, rows: &rows, selected }.render(body, buffer, theme);
}

/// The difference of the medians of two cells, and by how much it is more than chance.
fn difference(metric: Metric, a: &Cell, b: &Cell, theme: &Theme) -> [(String, Style); 2] {
    let apart = a.median().zip(b.median()).map(|(a, b)| a - b).filter(|x| x.is_finite());
    let apart = apart.map(|x| in_words(x, metric));
    let [a, b] = [a, b].map(|cell| cell.numbers.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>());
    let chance = rank_sum(&a, &b).filter(|_| a.len() > 1 && b.len() > 1).map(|p| format!("{p:.2}"));
    [apart, chance].map(|text| (text.unwrap_or_else(|| "-".to_owned()), theme.text()))
}
