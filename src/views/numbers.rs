//! The numbers that a view draws, as a table of values separated by commas: a row for each value of a lane.

use crate::app::{App, Charted, Lane};
use crate::history::{Cell, Point};
use crate::metric::Metric;
use crate::units::Step;

use super::shown;

/// The columns. A value that stands for several records, or several numbers of one, is their mean, beside the least and the
/// greatest.
const HEAD: [&str; 8] = ["run", "lane", "step", "metric", "place", "value", "least", "greatest"];

/// A value that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    run: String,
    lane: String,
    step: Step,
    metric: Metric,
    /// The layer, block or other point; empty for a single number.
    place: String,
    cell: Cell,
}

/// The numbers of the shown view as CSV, with a head; none if it draws none.
pub fn csv(app: &App) -> Option<String> {
    let numbers = shown(app)?.numbers(app);
    if numbers.is_empty() {
        return None;
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD).ok()?;
    for number in &numbers {
        let Number { run, lane, step, metric, place, cell } = number;
        let value = if cell.first.to_bits() == cell.last.to_bits() { cell.last } else { cell.mean };
        let [value, least, greatest] = [value, cell.min, cell.max].map(|number| number.to_string());
        let step = step.to_string();
        writer.write_record([run, lane, &step, metric.name(), place, &value, &least, &greatest]).ok()?;
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

fn of(lane: &Lane, step: Step, metric: Metric, place: String, cell: Cell) -> Number {
    let label = lane.label();
    Number { run: label.run.clone(), lane: label.lane.clone(), step, metric, place, cell }
}

/// A chart over time, of every visible lane.
pub(super) fn over_time(app: &App, chart: &Charted) -> Vec<Number> {
    let mut numbers = Vec::new();
    for lane in app.visible_lanes() {
        let (metric, place) = (chart.metric, chart.place.clone().unwrap_or_default());
        let number = |point: Point| of(lane, point.last_step, metric, place.clone(), point.cell);
        numbers.extend(chart.points(lane).map(number));
    }
    numbers
}

/// A metric at the cursor, at every point of its first axis that is shown; a single number where it has none.
pub(super) fn at_cursor(app: &App, metric: Metric) -> Vec<Number> {
    let mut numbers = Vec::new();
    for lane in app.visible_lanes() {
        let Some(row) = lane.at(metric, app.step()) else { continue };
        let step = row.span.last_step;
        if metric.axis().is_none() {
            numbers.extend(row.point(0).map(|point| of(lane, step, metric, String::new(), point.cell)));
        }
        let cells = places(app, lane, metric)
            .filter_map(|(at, place)| Some(of(lane, step, metric, place, lane.cell(metric, &row, at)?)));
        numbers.extend(cells);
    }
    numbers
}

/// A metric over time, at every point of its first axis that is shown.
pub(super) fn all_over_time(app: &App, metric: Metric) -> Vec<Number> {
    let mut numbers = Vec::new();
    for lane in app.visible_lanes() {
        for (at, place) in places(app, lane, metric) {
            let points = lane.points_of(metric, at);
            numbers.extend(points.map(|point| of(lane, point.last_step, metric, place.clone(), point.cell)));
        }
    }
    numbers
}

/// The points of a metric's first axis that are shown, with their names.
fn places<'a>(app: &'a App, lane: &'a Lane, metric: Metric) -> impl Iterator<Item = (usize, String)> + 'a {
    let count = lane.axis_length(metric).unwrap_or(0);
    let is_shown =
        move |at: &usize| !metric.is_of_layers() || app.shows_layer(lane, crate::units::LayerIdx(*at));
    let name = move |at| (at, lane.axis_label(metric, at).unwrap_or_else(|| (at + 1).to_string()));
    (0..count).filter(is_shown).map(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, NameFilter, specimen};
    use crate::units::{LayerIdx, Step};
    use crate::views::{ALL, kind_named};

    #[test]
    fn what_is_saved_is_what_was_recorded() {
        let mut app = specimen::plain_beside_residual();
        app.act(Action::SelectStep(Step(100)));
        app.act(Action::SelectView(kind_named("profile").unwrap()));
        let text = csv(&app).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("run,lane,step,metric,place,value,least,greatest"));
        let lane = &app.lanes()[0];
        let value = lane.layer_value(app.statistic(), Step(100), LayerIdx(0)).unwrap();
        let (run, name) = (&lane.label().run, &lane.structure().unwrap().layers[0].name);
        let metric = app.statistic().name();
        assert_eq!(lines.next(), Some(&*format!("{run},plain,100,{metric},{name},{value},{value},{value}")));
        let layers: usize = app.lanes().iter().map(|lane| lane.structure().unwrap().layers.len()).sum();
        assert_eq!(text.lines().count(), 1 + layers);
        app.filter_layers(NameFilter::new(&format!("^{name}$")).unwrap());
        assert_eq!(csv(&app).unwrap().lines().count(), 1 + 2, "only the layers that are shown");
        app.act(Action::SelectView(kind_named("overview").unwrap()));
        let loss = csv(&app).unwrap().lines().filter(|line| line.contains(",loss,")).count();
        assert_eq!(loss, 600, "every step of both lanes");
    }

    #[test]
    fn views_without_numbers_have_no_table() {
        let mut app = specimen::one_diverged();
        for view in ALL {
            app.act(Action::SelectView(view.kind()));
            let with = csv(&app).is_some();
            let without =
                ["findings", "verdict", "pictures", "probes", "surface"].contains(&view.kind().name);
            assert_eq!(with, !without, "{}", view.kind().name);
        }
        assert_eq!(csv(&App::new(Vec::new())), None);
    }
}
