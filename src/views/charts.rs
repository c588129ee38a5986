//! Every single number over time, a chart each with all lanes in it, side by side: what is pinned first, then in groups by
//! what stands before the last slash or dot of their names. One chart is selected; the screen with it is shown.

use ratatui::layout::Rect;

use super::explain::words;
use super::overview::charts::{Chart, Scales, What, render};
use super::tiles::{LEAST, tiles};
use super::{Command, Empty, Key, Number, Scene, Topic, View, empty, lanes, numbers, told};
use crate::app::{Action, App, Charted, Chosen, Lane, ViewKind, Wanted};
use crate::printable::printable;
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, clip, grouped};

/// The view of charts.
#[derive(Debug)]
pub(super) struct Charts;

impl View for Charts {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "charts", chooses: Chosen::Charts, draws_losses: true }
    }

    fn title(&self) -> &'static str {
        "every single number over time, what is pinned first"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Char('*'), Key::Char('\\'), Key::Char('y'), Key::Char('e')]
    }

    fn vertical(&self, by: i64) -> Action {
        Action::MoveChart(by)
    }

    fn vertical_name(&self) -> &'static str {
        "chart"
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let drawn = app.charts().into_iter().map(|chart| Wanted::OverTime(chart.metric));
        [Wanted::Cursor].into_iter().chain(drawn).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        let empty = empty::without_lanes(app);
        if empty.is_some() || app.chart().is_some() {
            return empty;
        }
        Some(match &app.options().metrics {
            Some(filter) => {
                let comes =
                    format!("No single number of these lanes has a name that /{} finds.", filter.pattern());
                Empty::new("nothing found", comes).with(Command::FilterMetrics, "finds others")
            }
            None => Empty::new(
                "no numbers",
                "These lanes have measured no single numbers, such as a loss. Losses and errors come with the first step.",
            ),
        })
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        app.charts().iter().flat_map(|chart| numbers::over_time(app, chart)).collect()
    }

    fn told(&self, app: &App) -> Vec<String> {
        let of = |chart: &Charted| {
            let value = |lane: &Lane| {
                let cell = chart.point_at(lane, app.step())?.cell;
                Some(format!("{} {}", lanes::name(app, lane), told::value(chart.metric, cell.last)))
            };
            let values: Vec<String> = app.visible_lanes().filter_map(value).collect();
            let pinned = if app.options().pins.contains(chart) { ", pinned" } else { "" };
            (!values.is_empty()).then(|| format!("{}{pinned}: {}", name(chart), values.join(", ")))
        };
        app.charts().iter().filter_map(of).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words = [&words::PIN, &words::SCALE, &words::SEEDS].map(Topic::Word);
        let selected = app.chart().map(|(_, chart)| Topic::Metric(chart.metric));
        let others = app.charts().into_iter().map(|chart| Topic::Metric(chart.metric));
        let mut topics: Vec<Topic> = selected.into_iter().chain(words).collect();
        others.for_each(|other| topics.extend((!topics.contains(&other)).then_some(other)));
        topics
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let area = area.intersection(scene.buffer.area);
        let (charts, Some((selected, _))) = (app.charts(), app.chart()) else { return };
        if area.is_empty() {
            return;
        }
        let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        let places = tiles(body, charts.len(), LEAST);
        let first = selected / places.len().max(1) * places.len();
        let shown: Vec<(usize, What)> = (first..)
            .zip(charts.iter().skip(first).take(places.len()))
            .map(|(at, chart)| (at, What::of(chart.clone())))
            .collect();
        let heading = heading(app, charts.len(), first, shown.len());
        let heading = clip(&heading, area.width.into(), theme);
        widgets::put(scene.buffer, area, area.x, area.y, &heading, theme.muted());
        let scales = Scales::of(app, shown.iter().map(|(_, what)| what));
        let all: Vec<&Lane> = app.visible_lanes().collect();
        for ((at, what), place) in shown.iter().zip(places) {
            let (at, is_pinned) =
                (*at, charts.get(*at).is_some_and(|chart| app.options().pins.contains(chart)));
            let mark = match (at == selected, is_pinned) {
                (true, true) => format!("{}* ", theme.glyph(Glyph::CursorRight)),
                (true, false) => format!("{} ", theme.glyph(Glyph::CursorRight)),
                (false, true) => "* ".to_owned(),
                (false, false) => String::new(),
            };
            let click = Action::SelectChart(at);
            let chart = Chart::of(what.clone(), all.clone(), place).among(mark, click);
            render(app, &chart, &scales, scene, theme);
            // The row of the title selects the chart, the rest a step, too.
            let title = Rect { height: place.height.min(1), ..place };
            scene.hits.does(title, vec![Command::Act(click)]);
        }
    }
}

/// How many charts there are, which of them are on the screen, and which metrics are left out.
fn heading(app: &App, count: usize, first: usize, shown: usize) -> String {
    let pinned = match app.pins().count() {
        0 => String::new(),
        pinned => format!(", {pinned} pinned"),
    };
    let number = |count: usize| grouped(count as u64);
    let left_out = app.scalars().into_iter().filter(|metric| !app.shows_metric(*metric)).count();
    let found = app
        .options()
        .metrics
        .as_ref()
        .map(|filter| format!(", {} left out by /{}", number(left_out), printable(filter.pattern())));
    let found = found.unwrap_or_default();
    match shown == count {
        true => format!("{} charts{pinned}{found}", number(count)),
        false => {
            let (from, to) = (number(first + 1), number(first + shown));
            format!("charts {from} to {to} of {}{pinned}{found}", number(count))
        }
    }
}

/// A chart in words.
fn name(chart: &Charted) -> String {
    match &chart.place {
        Some(place) => format!("{} of {place}", chart.metric),
        None => chart.metric.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::NameFilter;
    use crate::app::specimen;
    use crate::views::{Format, kind_named, snapshot};

    fn shown() -> App {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectView(kind_named("charts").unwrap()));
        app
    }

    fn frame(app: &App, size: (u16, u16)) -> String {
        snapshot(app, size, &Theme::default(), Format::Text)
    }

    #[test]
    fn the_page_with_the_selected_chart_is_shown() {
        let mut app = shown();
        let names: Vec<String> = app.charts().iter().map(name).collect();
        assert!(names.len() > 4, "{names:?}");
        let first = frame(&app, (80, 24));
        assert!(first.contains(&format!("charts 1 to 4 of {}", names.len())), "{first}");
        assert!(first.contains(&names[0]) && !first.contains(&format!("{} ", names[4])), "{first}");
        app.act(Action::MoveChart(4));
        let second = frame(&app, (80, 24));
        assert!(second.contains("charts 5 to ") && second.contains(&names[4]), "{second}");
        app.act(Action::MoveChart(1000));
        assert_eq!(app.chart().unwrap().0, names.len() - 1);
    }

    #[test]
    fn a_pin_comes_first_here_and_in_the_overview_and_can_be_of_a_layer() {
        let mut app = shown();
        app.act(Action::MoveChart(3));
        let pinned = app.chart().unwrap().1;
        app.act(Action::TogglePin);
        assert_eq!(app.chart(), Some((0, pinned.clone())), "it stays selected where it goes");
        app.act(Action::SelectView(kind_named("layer").unwrap()));
        app.act(Action::TogglePin);
        let of_layer = app.pins().nth(1).cloned().unwrap();
        assert_eq!(of_layer.metric, app.statistic());
        app.act(Action::SelectView(kind_named("overview").unwrap()));
        let overview = frame(&app, (200, 50));
        assert!(overview.contains(&name(&pinned)) && overview.contains(&name(&of_layer)), "{overview}");
        app.act(Action::SelectView(kind_named("layer").unwrap()));
        app.act(Action::TogglePin);
        assert_eq!(app.pins().count(), 1);
        app.act(Action::Undo);
        assert_eq!(app.pins().count(), 2);
    }

    #[test]
    fn a_filter_leaves_charts_out_and_says_so() {
        let mut app = shown();
        let all = app.charts().len();
        app.filter_metrics(NameFilter::new("loss").unwrap());
        let left = app.charts().len();
        assert!(left > 0 && left < all);
        assert!(frame(&app, (120, 40)).contains(&format!("{left} charts, {} left out by /loss", all - left)));
        app.filter_metrics(NameFilter::new("nothing has this name").unwrap());
        assert!(frame(&app, (120, 40)).contains("nothing found"));
        app.act(Action::Undo);
        assert_eq!(app.charts().len(), left);
    }

    #[test]
    fn a_click_selects_a_chart_and_a_step() {
        use crate::views::{Status, draw};
        use ratatui::buffer::Buffer;
        let mut app = shown();
        let area = Rect::new(0, 0, 120, 40);
        let mut buffer = Buffer::empty(area);
        let hits = draw(&app, &Status::default(), area, &mut buffer, &Theme::default());
        let commands = hits.click(&app, (100, 6).into());
        let actions: Vec<Action> = commands
            .iter()
            .filter_map(|command| if let Command::Act(action) = command { Some(*action) } else { None })
            .collect();
        app.act_together(&actions);
        assert!(app.chart().unwrap().0 > 0 && !app.follows(), "{actions:?}");
    }
}
