//! What is shown, as it can be kept for other runs: names instead of places, and nothing of a single run but what its
//! lanes are called.

use serde::{Deserialize, Deserializer, Serialize};

use super::options::{Arrangement, Axis, HistogramForm, Options, ScaleChoice, Smoothing, ViewKind};
use super::undo::Shown;
use super::{Alignment, App, Charted, NameFilter, act};
use crate::metric::{Metric, known};

/// A layout. What a later version adds has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    view: Option<String>,
    statistic: Metric,
    block_statistic: Metric,
    scalar: Metric,
    #[serde(deserialize_with = "histogram")]
    histogram: Metric,
    histogram_form: HistogramForm,
    scale: ScaleChoice,
    whole_axis: bool,
    smoothing: Smoothing,
    axis: Axis,
    arrangement: Arrangement,
    alignment: Alignment,
    /// The pattern of the filter of layers; empty without one.
    layers: String,
    /// That of the filter of metrics.
    metrics: String,
    pins: Vec<Charted>,
    /// The names of hidden lanes.
    hidden: Vec<String>,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::of_options(&Options::default(), Vec::new())
    }
}

impl Layout {
    /// What a state shows.
    pub fn of(app: &App) -> Layout {
        let is_hidden = |lane: &&super::Lane| !app.is_visible(lane.idx());
        let hidden = app.lanes().iter().filter(is_hidden).map(|lane| lane.name().to_owned());
        Layout::of_options(app.options(), hidden.collect())
    }

    fn of_options(options: &Options, hidden: Vec<String>) -> Layout {
        Layout {
            view: options.view.map(|view| view.name.to_owned()),
            statistic: options.statistic,
            block_statistic: options.block_statistic,
            scalar: options.scalar,
            histogram: options.histogram,
            histogram_form: options.histogram_form,
            scale: options.scale,
            whole_axis: options.whole_axis,
            smoothing: options.smoothing,
            axis: options.axis,
            arrangement: options.arrangement,
            alignment: options.alignment,
            layers: pattern(options.layers.as_ref()),
            metrics: pattern(options.metrics.as_ref()),
            pins: options.pins.clone(),
            hidden,
        }
    }

    /// The name of its view.
    pub fn view(&self) -> Option<&str> {
        self.view.as_deref()
    }

    /// Has a state show it; `view` is the view of its name. Lanes of other names stay visible.
    pub fn put(&self, app: &mut App, view: Option<ViewKind>) {
        let before = Shown::of(app);
        let Layout { statistic, block_statistic, scalar, histogram, scale, whole_axis, .. } = *self;
        let Layout { histogram_form, smoothing, axis, arrangement, alignment, .. } = *self;
        app.options = Options {
            view: view.or(app.options.view),
            statistic,
            block_statistic,
            scalar,
            histogram,
            histogram_form,
            scale,
            whole_axis,
            smoothing,
            axis,
            arrangement,
            alignment,
            // Patterns that were accepted when they were kept.
            layers: NameFilter::new(&self.layers).ok().flatten(),
            metrics: NameFilter::new(&self.metrics).ok().flatten(),
            pins: self.pins.clone(),
            ..app.options.clone()
        };
        for (lane, hidden) in app.lanes.iter().zip(&mut app.hidden) {
            *hidden = self.hidden.iter().any(|name| name == lane.name());
        }
        act::settle(app);
        let now = Shown::of(app);
        app.changes.note(before, &now);
    }
}

/// What histograms are of: a metric, or one of the three words of earlier versions.
fn histogram<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metric, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Metric(Metric),
        Earlier(String),
    }
    Ok(match Kept::deserialize(deserializer)? {
        Kept::Metric(metric) => metric,
        Kept::Earlier(word) if word == "weights" => known::WEIGHTS,
        Kept::Earlier(word) if word == "weight_gradients" => known::WEIGHT_GRADIENTS,
        Kept::Earlier(_) => known::ACTIVATIONS,
    })
}

fn pattern(filter: Option<&NameFilter>) -> String {
    filter.map_or_else(String::new, |filter| filter.pattern().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Action, specimen};
    use crate::units::LaneIdx;

    #[test]
    fn a_layout_of_an_earlier_version_names_histograms_by_a_word() {
        let layout: Layout = serde_json::from_str(r#"{"histogram":"weight_gradients"}"#).unwrap();
        assert_eq!(layout.histogram, known::WEIGHT_GRADIENTS);
    }

    #[test]
    fn a_layout_is_put_back_in_another_run_and_can_be_undone() {
        let mut app = specimen::plain_beside_residual();
        let actions = [
            Action::SelectNextStatistic,
            Action::CycleScale,
            Action::CycleSmoothing,
            Action::CycleAlignment,
            Action::CycleHistogramForm,
            Action::TogglePin,
            Action::ToggleLane(LaneIdx(0)),
        ];
        actions.into_iter().for_each(|action| app.act(action));
        app.filter_layers(NameFilter::new("conv2").unwrap());
        app.filter_metrics(NameFilter::new("norm").unwrap());
        let kept = serde_json::to_string(&Layout::of(&app)).unwrap();
        let layout: Layout = serde_json::from_str(&kept).unwrap();
        assert_eq!(layout, Layout::of(&app));
        let mut other = specimen::plain_beside_residual();
        layout.put(&mut other, None);
        assert_eq!(Layout::of(&other), layout);
        assert_eq!((other.rows(), other.selected_lane(), other.pins().count()), (app.rows(), LaneIdx(1), 1));
        other.act(Action::Undo);
        assert_eq!(Layout::of(&other), Layout::of(&specimen::plain_beside_residual()));
    }

    #[test]
    fn of_an_older_or_a_strange_layout_the_rest_has_its_default() {
        let layout: Layout = serde_json::from_str(r#"{"axis": "time", "layers": "(", "more": 1}"#).unwrap();
        let mut app = specimen::plain_beside_residual();
        layout.put(&mut app, None);
        assert_eq!((app.options().axis, app.options().layers.is_none()), (Axis::Time, true));
    }
}
