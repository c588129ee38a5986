//! The user's display options: closed choices with their order and names. Knows nothing of lanes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::rows::Alignment;
use super::viewport::Viewports;
use super::{Charted, NameFilter};
use crate::metric::{Metric, Scale, known};
use crate::units::Step;

/// A view of the dashboard, as far as the state knows it. Each view declares its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ViewKind {
    /// Its name on screen and in `--view`.
    pub name: &'static str,
    /// The metrics that can be chosen in it.
    pub chooses: Chosen,
    /// Whether it draws losses and errors beside the chosen metric.
    pub draws_losses: bool,
}

/// Which metrics the user chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chosen {
    /// Those of layers.
    OfLayers,
    /// Those of blocks.
    OfBlocks,
    /// Single numbers.
    Scalars,
    /// Charts over time.
    Charts,
}

impl fmt::Display for ViewKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// The user's choice of a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleChoice {
    /// The natural scale of the number drawn.
    #[default]
    Natural,
    /// Always linear.
    Linear,
    /// Always logarithmic.
    Log,
}

impl ScaleChoice {
    /// The scale to draw on, where `natural` is the number's own; metrics that may be negative have no other.
    pub fn resolve(self, natural: Scale) -> Scale {
        match self {
            _ if natural == Scale::Signed => Scale::Signed,
            ScaleChoice::Natural => natural,
            ScaleChoice::Linear => Scale::Linear,
            ScaleChoice::Log => Scale::Log,
        }
    }

    /// The next choice that looks different in a view of a number of this scale. The overview also draws losses and
    /// errors, whose scale is linear.
    pub(super) fn next(self, draws_losses: bool, natural: Scale) -> ScaleChoice {
        match (self, draws_losses, natural) {
            (ScaleChoice::Natural, true, _) => ScaleChoice::Log,
            (ScaleChoice::Log, true, _) => ScaleChoice::Linear,
            (ScaleChoice::Linear, _, Scale::Log) => ScaleChoice::Natural,
            (_, _, Scale::Log) => ScaleChoice::Linear,
            (ScaleChoice::Log, ..) => ScaleChoice::Natural,
            _ => ScaleChoice::Log,
        }
    }
}

/// How strongly curves are smoothed: the decay of the moving average, see [`super::smoothing::Ema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoothing(usize);

impl Smoothing {
    /// The decays of the levels; the first is off.
    pub(crate) const DECAYS: &'static [f64] = &[0.0, 0.6, 0.9, 0.97, 0.99];

    /// The decay per step; 0 is off.
    pub fn decay(self) -> f64 {
        Smoothing::DECAYS.get(self.0).copied().unwrap_or(0.0)
    }

    /// Whether curves are smoothed at all.
    pub fn is_on(self) -> bool {
        self.decay() > 0.0
    }

    pub(super) fn next(self) -> Smoothing {
        Smoothing((self.0 + 1) % Smoothing::DECAYS.len())
    }
}

impl Default for Smoothing {
    fn default() -> Smoothing {
        Smoothing(2)
    }
}

/// What the x axis of curves counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Updates made.
    #[default]
    Step,
    /// Passes over the training images.
    Epoch,
    /// Seconds since the run started.
    Time,
    /// Seconds since the first of the runs started.
    Clock,
}

impl Axis {
    /// Its label.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Step => "step",
            Axis::Epoch => "epoch",
            Axis::Time => "seconds",
            Axis::Clock => "clock, s",
        }
    }

    pub(super) fn next(self) -> Axis {
        match self {
            Axis::Step => Axis::Epoch,
            Axis::Epoch => Axis::Time,
            Axis::Time => Axis::Clock,
            Axis::Clock => Axis::Step,
        }
    }
}

/// How histograms are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistogramForm {
    /// As colours over time.
    #[default]
    Strip,
    /// Those at the cursor's step as bars, two lanes mirrored about one axis.
    Mirrored,
    /// Over time as outlines one behind another.
    Ridge,
}

impl HistogramForm {
    pub(super) fn next(self) -> HistogramForm {
        match self {
            HistogramForm::Strip => HistogramForm::Mirrored,
            HistogramForm::Mirrored => HistogramForm::Ridge,
            HistogramForm::Ridge => HistogramForm::Strip,
        }
    }
}

/// How the lanes' curves are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// A chart for each lane, as far as there is room.
    #[default]
    Apart,
    /// All lanes in one chart.
    Together,
    /// In one chart, lanes that differ in nothing but the seed as one: their mean, and a band from the least to the
    /// greatest.
    Seeds,
}

impl Arrangement {
    pub(super) fn next(self) -> Arrangement {
        match self {
            Arrangement::Apart => Arrangement::Together,
            Arrangement::Together => Arrangement::Seeds,
            Arrangement::Seeds => Arrangement::Apart,
        }
    }
}

/// Playback: the cursor moves by itself over what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// Whether it is running.
    pub playing: bool,
    /// Its speed, in steps per second.
    pub steps_per_second: u32,
}

impl Playback {
    /// The slowest and the fastest speed.
    pub(crate) const SPEEDS: std::ops::RangeInclusive<u32> = 1..=4_096;
}

impl Default for Playback {
    fn default() -> Playback {
        Playback { playing: false, steps_per_second: 64 }
    }
}

/// All display options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The view shown.
    pub view: Option<ViewKind>,
    /// The statistic of a layer that overview, profile, heatmap and layer show.
    pub statistic: Metric,
    /// The statistic of a block that the shortcut view emphasises.
    pub block_statistic: Metric,
    /// The single number that the sweep view compares.
    pub scalar: Metric,
    /// Which of the keys that differ the sweep view compares by.
    pub key: usize,
    /// Which of the other keys it is split by, counted from 1; 0 for none.
    pub split: usize,
    /// What the layer view's histograms show.
    pub histogram: Metric,
    /// How they are drawn.
    pub histogram_form: HistogramForm,
    /// The scale of values.
    pub scale: ScaleChoice,
    /// Whether vertical axes include every value, even if a few flatten all others.
    pub whole_axis: bool,
    /// The smoothing of curves.
    pub smoothing: Smoothing,
    /// The x axis of curves.
    pub axis: Axis,
    /// How the overview arranges the lanes' curves.
    pub arrangement: Arrangement,
    /// The layers that are shown; none for all.
    pub layers: Option<NameFilter>,
    /// The metrics that can be chosen and are drawn as charts; none for all.
    pub metrics: Option<NameFilter>,
    /// What is drawn over time before all else.
    pub pins: Vec<Charted>,
    /// The chart that is selected where there are many; none for the first.
    pub chart: Option<Charted>,
    /// What layers of different lanes correspond by.
    pub alignment: Alignment,
    /// The range of steps that charts over time show, and those before it.
    pub viewports: Viewports,
    /// The step of the second cursor: charts over time compare what is there with what is at the cursor.
    pub mark: Option<Step>,
    /// The playback.
    pub playback: Playback,
    /// Whether the help is open.
    pub help: bool,
    /// The stop of the tour that is open.
    pub tour: Option<usize>,
    /// The digits typed so far while the prompt for a step is open.
    pub go_to: Option<String>,
    /// The rows by which the current view's list is scrolled down; the view clamps it when drawing.
    pub scroll: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            view: None,
            statistic: known::WEIGHT_GRADIENT_NORM,
            block_statistic: known::BRANCH_RATIO,
            scalar: known::TRAIN_ERROR,
            key: 0,
            split: 0,
            histogram: known::ACTIVATIONS,
            histogram_form: HistogramForm::default(),
            scale: ScaleChoice::default(),
            whole_axis: false,
            smoothing: Smoothing::default(),
            axis: Axis::default(),
            arrangement: Arrangement::default(),
            layers: None,
            metrics: None,
            pins: Vec::new(),
            chart: None,
            alignment: Alignment::default(),
            viewports: Viewports::default(),
            mark: None,
            playback: Playback::default(),
            help: false,
            tour: None,
            go_to: None,
            scroll: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_press_changes_the_scale_that_is_drawn() {
        for natural in [Scale::Linear, Scale::Log] {
            for draws_losses in [false, true] {
                let drawn = |choice: ScaleChoice| {
                    let of_losses = draws_losses.then(|| choice.resolve(Scale::Linear));
                    (choice.resolve(natural), of_losses)
                };
                for choice in [ScaleChoice::Natural, ScaleChoice::Linear, ScaleChoice::Log] {
                    let next = choice.next(draws_losses, natural);
                    assert_ne!(
                        drawn(next),
                        drawn(choice),
                        "{choice:?} of {natural:?}, losses: {draws_losses}"
                    );
                }
            }
        }
    }
}
