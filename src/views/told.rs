//! The views in plain sentences and in lines of `name: value`, for screen readers: no frames, no marks, no columns. What a
//! view draws as curves or colours, it tells as numbers.

use ratatui::text::Line;

use super::keymap::named;
use super::{Empty, View, explain, lanes, shown};
use crate::app::health::Finding;
use crate::app::{App, Lane, LayerKey};
use crate::history::Cell;
use crate::metric::Metric;
use crate::printable::{duration, grouped, percent, printable, short};

mod changes;

pub use changes::Changes;

/// The most lines of a list; further entries are counted.
const MOST: usize = 400;

/// The shown view: where the cursor is, then what the view says.
pub fn told(app: &App) -> Vec<String> {
    let Some(view) = shown(app) else { return Vec::new() };
    let mut lines = vec![heading(app, view)];
    match view.empty(app) {
        Some(empty) => lines.extend(told_empty(&empty)),
        None => lines.extend(view.told(app)),
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {} more lines", grouped(more as u64)));
    }
    lines.into_iter().map(|line| printable(&line)).collect()
}

fn heading(app: &App, view: &dyn View) -> String {
    let step = grouped(app.step().0);
    // Before its first record, how long a run is may not be known.
    let planned = Some(app.planned_steps().0).filter(|steps| *steps > 0);
    let of = planned.map(|steps| format!(" of {}", grouped(steps))).unwrap_or_default();
    let follows = if app.follows() { ", the last one" } else { "" };
    let lane = app.lane(app.selected_lane());
    let layer = lane.and_then(|lane| lane.structure()?.layer(app.layer_in(lane)?));
    let lane = lane.map(|lane| format!("; lane {}", lanes::name(app, lane))).unwrap_or_default();
    let layer = layer.map(|layer| format!("; layer {}", layer.name)).unwrap_or_default();
    format!("{}, {}; step {step}{of}{follows}{lane}{layer}", view.kind(), view.title())
}

/// An explanation: its name, and a line for each of its parts.
pub fn explanation(topic: explain::Topic) -> Vec<String> {
    let parts = topic.parts().into_iter();
    let parts =
        parts.map(|(heading, text)| if heading.is_empty() { text } else { format!("{heading}: {text}") });
    std::iter::once(format!("{}, {}", topic.name(), topic.kind())).chain(parts).collect()
}

fn told_empty(empty: &Empty) -> Vec<String> {
    let helps = empty
        .helps
        .iter()
        .filter_map(|(command, what)| Some(format!("`{}` {what}", named(*command)?.name.replace('_', " "))));
    [format!("{}.", empty.title), empty.comes.clone()].into_iter().chain(helps).collect()
}

/// A line of text without its styles.
pub(super) fn text_of(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}

/// A value of a metric in words: shares in per cent.
pub(super) fn value(metric: Metric, value: f32) -> String {
    match value {
        value if value.is_nan() => "not a number".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "infinite" } else { "minus infinite" }.to_owned(),
        value if metric.unit() == "share" => percent(value),
        value => short(value.into()),
    }
}

/// A lane's values under one name: `conv1: plain 0.12, residual 0.1`.
fn line(name: &str, values: Vec<(String, String)>) -> Option<String> {
    let values: Vec<String> = values.into_iter().map(|(lane, value)| format!("{lane} {value}")).collect();
    (!values.is_empty()).then(|| format!("{name}: {}", values.join(", ")))
}

/// A metric at the cursor: a line for each layer, block or other point of its first axis, with the values of all lanes.
pub(super) fn by_axis(app: &App, metric: Metric) -> Vec<String> {
    if metric.is_of_layers() {
        return app.rows().iter().filter_map(|row| of_layer(app, metric, *row)).collect();
    }
    let shown: Vec<&Lane> = app.visible_lanes().collect();
    let longest = shown.iter().map(|lane| lane.columns(metric).len()).max().unwrap_or(0);
    let at = |place: usize| {
        let name = shown.iter().find_map(|lane| lane.axis_label(metric, place));
        let value_of = |lane: &&Lane| {
            let cell = lane.at(metric, app.step())?.across(lane.columns(metric).get(place)?.clone()?)?;
            Some((lanes::name(app, lane), in_words(metric, cell)))
        };
        line(&name.unwrap_or_else(|| (place + 1).to_string()), shown.iter().filter_map(value_of).collect())
    };
    (0..longest).filter_map(at).collect()
}

/// A metric of a layer at the cursor, of all lanes that have it.
pub(super) fn of_layer(app: &App, metric: Metric, row: LayerKey) -> Option<String> {
    let mut name = None;
    let value_of = |lane: &Lane| {
        let layer = app.layer_at(lane, row)?;
        name.get_or_insert(lane.structure()?.layer(layer)?.name.clone());
        let cell = lane.cell(metric, &lane.at(metric, app.step())?, layer.0)?;
        Some((lanes::name(app, lane), in_words(metric, cell)))
    };
    let values: Vec<(String, String)> = app.visible_lanes().filter_map(value_of).collect();
    let name = name?;
    let depth =
        if row.projection { format!("projection at {}", row.depth) } else { format!("layer {}", row.depth) };
    line(&format!("{depth} {name}"), values)
}

/// One value, or where steps or parts were merged, the last with the least and the greatest.
fn in_words(metric: Metric, cell: Cell) -> String {
    if cell.min.to_bits() == cell.max.to_bits() || cell.min == cell.max {
        return value(metric, cell.last);
    }
    let [last, least, greatest] = [cell.last, cell.min, cell.max].map(|x| value(metric, x));
    format!("{last} (from {least} to {greatest})")
}

/// A metric over time: a line for each layer or other point of its first axis with its first, last, least and greatest
/// value, of every lane.
pub(super) fn over_time(app: &App, metric: Metric) -> Vec<String> {
    let mut lines = Vec::new();
    for lane in app.visible_lanes() {
        let name = lanes::name(app, lane);
        for at in 0..lane.columns(metric).len() {
            let cells = lane.points_of(metric, at).map(|point| point.cell);
            let Some(whole) = whole(cells) else { continue };
            let label = lane.axis_label(metric, at).unwrap_or_else(|| (at + 1).to_string());
            lines.push(format!("{name}, {label}: {}", course(metric, &whole)));
        }
    }
    lines
}

/// A layer's course over time, of every lane.
pub(super) fn course_of_layer(app: &App, metric: Metric) -> Vec<String> {
    let of_lane = |lane: &Lane| {
        let layer = app.layer_in(lane)?;
        let whole = whole(lane.points_of(metric, layer.0).map(|point| point.cell))?;
        Some(format!("{} over time: {}", lanes::name(app, lane), course(metric, &whole)))
    };
    app.visible_lanes().filter_map(of_lane).collect()
}

/// First, last, least and greatest of many values, and the number of those that are not finite.
struct Whole {
    first: f32,
    last: f32,
    least: f32,
    greatest: f32,
    non_finite: u64,
}

fn whole(cells: impl Iterator<Item = Cell>) -> Option<Whole> {
    cells.fold(None, |whole: Option<Whole>, cell| {
        let mut all = whole.unwrap_or(Whole {
            first: cell.first,
            last: cell.last,
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            non_finite: 0,
        });
        all.last = cell.last;
        all.least = all.least.min(cell.min);
        all.greatest = all.greatest.max(cell.max);
        all.non_finite += u64::from(cell.non_finite);
        Some(all)
    })
}

fn course(metric: Metric, whole: &Whole) -> String {
    let [first, last, least, greatest] =
        [whole.first, whole.last, whole.least, whole.greatest].map(|x| value(metric, x));
    let broken = match whole.non_finite {
        0 => String::new(),
        count => format!(", {} not finite", grouped(count)),
    };
    format!("from {first} to {last}, least {least}, greatest {greatest}{broken}")
}

/// A lane's state: how far it is, and the time.
pub(super) fn state(lane: &Lane) -> String {
    let of = lane.planned_steps().map(|steps| format!(" of {}", grouped(steps))).unwrap_or_default();
    let time = match lane.remaining_ms() {
        Some(ms) => format!("{} left", duration(ms)),
        None => format!("took {}", duration(lane.elapsed_ms())),
    };
    format!("{}, step {}{of}, {time}", lane.state().name(), grouped(lane.last_step().0))
}

/// A finding in a sentence.
pub(super) fn finding(app: &App, finding: &Finding) -> String {
    let lane = app.lane(finding.lane).map(|lane| lanes::name(app, lane)).unwrap_or_default();
    let until =
        finding.cleared_at.map_or("ongoing".to_owned(), |step| format!("until step {}", grouped(step.0)));
    let (severity, rule) = (finding.severity.name(), finding.rule.replace('_', " "));
    printable(&format!(
        "{severity}: {rule} in {lane}, since step {}, {until}: {}",
        finding.step, finding.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, LaneLabel, specimen};
    use crate::metric::known;
    use crate::views;

    fn of(app: &mut App, view: &str) -> Vec<String> {
        app.act(Action::SelectView(views::kind_named(view).unwrap()));
        told(app)
    }

    #[test]
    fn a_run_of_unknown_length_is_at_step_0_of_nothing() {
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "gpt".to_owned() }]);
        let heading = of(&mut app, "overview").remove(0);
        assert!(heading.contains("; step 0,") && !heading.contains(" of 0"), "{heading}");
    }

    #[test]
    fn every_view_is_told_without_pictures() {
        for mut app in [App::new(Vec::new()), specimen::plain_beside_residual(), specimen::one_diverged()] {
            for kind in views::kinds() {
                let lines = of(&mut app, kind.name);
                assert!(lines.len() > 1, "{kind}: {lines:?}");
                for line in lines {
                    let is_plain = |c: char| !('\u{2500}'..='\u{28ff}').contains(&c) && !c.is_control();
                    assert!(line.chars().all(is_plain), "{kind}: {line}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_those_of_the_lanes() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectStatistic(known::UPDATE_RATIO));
        let lines = of(&mut app, "profile");
        let lane = &app.lanes()[0];
        let value = lane.layer_value(known::UPDATE_RATIO, app.step(), crate::units::LayerIdx(0)).unwrap();
        let name = &lane.structure().unwrap().layers[0].name;
        let expected = format!("layer 1 {name}: plain {}", short(value.into()));
        assert!(lines.iter().any(|line| line.starts_with(&expected)), "{expected} in {lines:?}");
        let lines = of(&mut app, "findings");
        assert!(lines.iter().any(|line| line.contains("differ in the shortcut only")), "{lines:?}");
    }

    #[test]
    fn what_is_not_finite_is_said_in_words() {
        assert_eq!(value(known::LOSS, f32::NAN), "not a number");
        assert_eq!(value(known::LOSS, f32::NEG_INFINITY), "minus infinite");
        assert_eq!(value(known::ZERO_RATE, 0.5), "50.0%");
    }
}
