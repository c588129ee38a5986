//! Makes events of what the records of another program say: declares each tag as a metric where it first appears,
//! collects what is of layers into rows, and the numbers of a step into one event. Knows neither files nor formats.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::layers::{self, OfLayer, Pattern};
use super::naming::{self, OfLayers};
use super::said::{Found, Measured, Other, Said, Tags};
use super::steps::{Anew, Steps};
use crate::event::{
    Declared, FORMAT_VERSION, Histogram, Kind, LaneFinished, LaneResumed, LaneStarted, MISSING,
    MetricsDeclared, Outcome, RunEvent, Value, Values,
};
use crate::metric::Metric;
use crate::structure::{Layer, Structure};
use crate::units::Step;

/// The most metrics of a lane; what is more is not shown.
const MOST_METRICS: usize = 4_000;
/// The most settings of a run that are kept.
const MOST_SETTINGS: usize = 1_000;
/// An event with the byte at which the first record that it is of begins.
pub(super) type Placed = (RunEvent, u64);

/// Makes events of records.
#[derive(Debug)]
pub(super) struct Translation {
    patterns: Vec<Pattern>,
    lane: String,
    /// The tags that were known when the lane was started, from which its layers were found.
    surveyed: Vec<Found>,
    started: LaneStarted,
    declared: Declared,
    /// What each tag is taken for, by its place.
    places: Vec<Taken>,
    /// The rows of layers, by metric.
    rows: Vec<Row>,
    /// Numbers of one step that are not events yet.
    group: Group,
    /// What goes with a position.
    held: Held,
    out: Vec<Placed>,
    unshown: Vec<String>,
}

/// What a reader that goes on from a position must know of what came before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// When the log begins, in seconds of Unix time.
    begun: Option<f64>,
    /// The last time that a record told, in milliseconds since then.
    at_ms: f64,
    steps: Steps,
    /// The step whose numbers came last, and when its first one did, which is the time of all of them: whether they come at
    /// once or one by one must not matter.
    began: Option<(Step, f64)>,
    name: Option<String>,
    config: Vec<(String, String)>,
    /// What came for rows that are not complete, each with the place of its row.
    rows: Vec<(usize, HeldRow)>,
}

/// What has come of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HeldRow {
    step: Step,
    at_ms: f64,
    from: u64,
    came: Vec<bool>,
    numbers: Vec<f32>,
    histograms: Vec<Histogram>,
    std: Vec<f32>,
}

/// A tag that has another name here, or is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Its name in the log.
    pub tag: String,
    /// The metric that its values are of; none if they are not shown.
    pub metric: Option<&'static str>,
    /// The layer that they are of, if they are of one.
    pub layer: Option<String>,
}

/// What a tag is taken for.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Number(Metric),
    /// A column of a row.
    Row(usize, usize),
    /// It is not shown: a histogram that is of no layer, or a metric too many.
    Nothing,
}

/// A metric over layers, or histograms with their means and standard deviations.
#[derive(Debug)]
struct Row {
    of: OfLayers,
    /// How many layers it is measured of.
    expected: usize,
    held: Option<HeldRow>,
}

/// The numbers of a step.
#[derive(Debug, Default)]
struct Group {
    step: Step,
    at_ms: f64,
    from: u64,
    values: Values,
}

impl Held {
    /// What is known at the beginning of a log with these steps.
    pub(super) fn with(steps: Steps) -> Held {
        Held { steps, ..Held::default() }
    }
}

impl Translation {
    /// A translation by the tags that were found in the beginning of a log, and those that were declared later.
    pub(super) fn new(
        lane: &str,
        patterns: &[Pattern],
        surveyed: Vec<Found>,
        later: &[Box<str>],
        held: Held,
    ) -> Translation {
        let mut translation = Translation {
            patterns: patterns.to_owned(),
            lane: lane.to_owned(),
            started: LaneStarted::default(),
            declared: Declared::default(),
            places: Vec::new(),
            rows: Vec::new(),
            group: Group::default(),
            held,
            out: Vec::new(),
            unshown: Vec::new(),
            surveyed,
        };
        translation.plan();
        let mut names: Vec<Box<str>> = translation.surveyed.iter().map(|(name, _)| name.clone()).collect();
        for name in later {
            names.push(name.clone());
            // Had there been a reason to read the log anew, there would be no later tag.
            let _ = translation.declare(&names);
        }
        translation
    }

    /// How the lane starts.
    pub(super) fn started(&self) -> RunEvent {
        RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(self.started.clone())))
    }

    /// How the lane starts, and what is declared so far.
    pub(super) fn into_started(self) -> (LaneStarted, Declared) {
        (self.started, self.declared)
    }

    /// The tags by which the lane was started.
    pub(super) fn surveyed(&self) -> &[Found] {
        &self.surveyed
    }

    /// When the log begins, in milliseconds of Unix time.
    pub(super) fn begun_unix_ms(&self) -> Option<i64> {
        self.held.begun.map(|begun| (begun * 1e3) as i64)
    }

    /// What a reader that goes on from here must know; numbers of a step must have been taken.
    pub(super) fn held(&self) -> Held {
        let rows = self.rows.iter().enumerate();
        let rows = rows.filter_map(|(at, row)| Some((at, row.held.clone()?))).collect();
        Held { rows, ..self.held.clone() }
    }

    /// The name of the run, if the log tells it.
    pub(super) fn name(&self) -> Option<&str> {
        self.held.name.as_deref()
    }

    /// The settings of the run.
    pub(super) fn config(&self) -> &[(String, String)] {
        &self.held.config
    }

    /// The tags that have other names here, and those that are not shown.
    pub(super) fn renamed(&self) -> Vec<Renamed> {
        let name = |((tag, _), taken): (&Found, &Taken)| {
            let (metric, layer) = match taken {
                Taken::Number(metric) if metric.name() == &**tag => return None,
                Taken::Number(metric) => (Some(metric.name()), None),
                Taken::Row(row, column) => {
                    let of = &self.rows.get(*row)?.of;
                    let metric = of.histograms.map_or(of.numbers, |(histograms, _)| histograms);
                    let layer = self.started.structure.layers.get(*column)?;
                    (Some(metric.name()), Some(layer.name.clone()))
                }
                Taken::Nothing => (None, None),
            };
            Some(Renamed { tag: tag.to_string(), metric, layer })
        };
        self.surveyed.iter().zip(&self.places).filter_map(name).collect()
    }

    /// Decides what each tag is taken for.
    fn plan(&mut self) {
        let names: Vec<Box<str>> = self.surveyed.iter().map(|(name, _)| name.clone()).collect();
        let mut of_layers = layers::of_layers(&names, &self.patterns);
        for (at, (name, _)) in self.surveyed.iter().enumerate().filter(|(_, (_, is_histogram))| *is_histogram)
        {
            // Histograms are drawn by layer: one that is of none is a layer of its own.
            let alone = || OfLayer { metric: "histogram".to_owned(), layer: name.to_string() };
            of_layers.entry(at).or_insert_with(alone);
        }
        let ordered: Vec<&OfLayer> = (0..names.len()).filter_map(|at| of_layers.get(&at)).collect();
        let layers = layers::in_order(ordered.iter().map(|of| of.layer.as_str()));
        let columns: HashMap<&str, usize> =
            layers.iter().enumerate().map(|(at, layer)| (layer.as_str(), at)).collect();
        let (mut rows, mut metrics): (HashMap<(&str, bool), usize>, Vec<Metric>) = Default::default();
        for (at, (name, is_histogram)) in self.surveyed.iter().enumerate() {
            let row = of_layers.get(&at).and_then(|of| {
                let column = *columns.get(of.layer.as_str())?;
                let row = match rows.get(&(of.metric.as_str(), *is_histogram)) {
                    Some(row) => *row,
                    None => {
                        let named = naming::of_layers(&of.metric, *is_histogram)?;
                        let all = named.metrics();
                        if !all.iter().all(|metric| is_free(&metrics, *metric)) {
                            return None;
                        }
                        metrics.extend(all);
                        self.rows.push(Row { of: named, expected: 0, held: None });
                        rows.insert((&of.metric, *is_histogram), self.rows.len() - 1);
                        self.rows.len() - 1
                    }
                };
                self.rows.get_mut(row)?.expected += 1;
                Some(Taken::Row(row, column))
            });
            let taken = row.or_else(|| {
                let metric = naming::number(name, &names)
                    .filter(|metric| !is_histogram && is_free(&metrics, *metric))?;
                metrics.push(metric);
                Some(Taken::Number(metric))
            });
            self.places.push(taken.unwrap_or(Taken::Nothing));
        }
        let layers = layers.into_iter().map(|name| Layer { name, ..Layer::default() });
        self.started = LaneStarted {
            version: FORMAT_VERSION,
            lane: self.lane.clone(),
            structure: Structure { layers: layers.collect(), blocks: Vec::new() },
            declared: MetricsDeclared { metrics, axes: Vec::new() },
            ..LaneStarted::default()
        };
        // It cannot fail: names are different, and metrics are only over layers.
        let _ = self.declared.note(&self.started());
        for (row, held) in std::mem::take(&mut self.held.rows) {
            if let Some(row) = self.rows.get_mut(row) {
                row.held = Some(held);
            }
        }
    }

    /// Declares tags that were found later.
    ///
    /// # Errors
    /// If one may be of a layer, or is what another was taken for.
    fn declare_more(&mut self, tags: &Tags, said: &Said) -> Result<(), Anew> {
        for (tag, value) in &said.values {
            // Tags are numbered in the order in which they appear.
            while self.places.len() <= tag.0 as usize {
                let Some(names) = tags.names().get(..=self.places.len()) else { break };
                let is_histogram = matches!(value, Measured::Histogram { .. });
                if is_histogram || names.last().is_some_and(|name| layers::could_be(name, &self.patterns)) {
                    return Err(Anew::Layers);
                }
                if let Some(event) = self.declare(names)? {
                    self.flush();
                    self.out.push((event, self.group.from));
                }
            }
        }
        Ok(())
    }

    /// Declares the last of these tags, a number of no layer; none if it cannot be declared.
    ///
    /// # Errors
    /// If it is rather the known metric that another tag was taken for.
    fn declare(&mut self, names: &[Box<str>]) -> Result<Option<RunEvent>, Anew> {
        let metric = names.last().and_then(|name| naming::number(name, names));
        let is_taken = metric.is_some_and(|metric| self.declared.metrics().contains(&metric));
        if is_taken && metric.is_some_and(naming::is_known) {
            return Err(Anew::Names);
        }
        let declared = metric.filter(|_| !is_taken).and_then(|metric| {
            let kind = Kind::MetricsDeclared(MetricsDeclared { metrics: vec![metric], axes: Vec::new() });
            let event = RunEvent::new(Step(self.held.steps.last()), self.held.at_ms, kind);
            self.declared.note(&event).is_ok().then_some((metric, event))
        });
        self.places.push(declared.as_ref().map_or(Taken::Nothing, |(metric, _)| Taken::Number(*metric)));
        Ok(declared.map(|(_, event)| event))
    }

    /// Takes what a record says that begins at byte `from`. Returns the reason if it does not fit.
    ///
    /// # Errors
    /// If it changes what was made of the records before it; then the log has to be read anew.
    pub(super) fn take(
        &mut self,
        said: &mut Said,
        tags: &Tags,
        from: u64,
    ) -> Result<Result<(), String>, Anew> {
        let step = match self.held.steps.of(said, tags)? {
            Ok(step) => Step(step),
            Err(reason) => return Ok(Err(reason)),
        };
        self.declare_more(tags, said)?;
        if let Some(at) = said.at.filter(|at| at.is_finite()) {
            let begun = *self.held.begun.get_or_insert(at);
            self.held.at_ms = ((at - begun) * 1e3).clamp(0.0, 1e15);
        }
        for (tag, value) in said.values.drain(..) {
            match (self.places.get(tag.0 as usize).copied(), value) {
                (Some(Taken::Number(metric)), Measured::Number(number)) => {
                    self.number(step, from, metric, number)
                }
                (Some(Taken::Row(row, column)), value) => self.of_row(step, from, row, column, value),
                _ => {}
            }
        }
        for other in said.other.drain(..) {
            self.other(other, from);
        }
        Ok(Ok(()))
    }

    fn number(&mut self, step: Step, from: u64, metric: Metric, number: f64) {
        if self.group.step != step || self.group.values.get(metric).is_some() {
            self.flush();
        }
        if self.group.values.is_empty() {
            let began =
                self.held.began.filter(|(began, _)| *began == step).unwrap_or((step, self.held.at_ms));
            self.held.began = Some(began);
            (self.group.step, self.group.at_ms, self.group.from) = (step, began.1, from);
        }
        self.group.values.push_new(metric, Value::Number(number as f32));
    }

    /// Puts a value into its row, which becomes an event when it is complete, or when another step begins.
    fn of_row(&mut self, step: Step, from: u64, at: usize, column: usize, value: Measured) {
        let (width, at_ms) = (self.started.structure.layers.len(), self.held.at_ms);
        let Some(row) = self.rows.get_mut(at) else { return };
        let is_other =
            row.held.as_ref().is_some_and(|held| held.step != step || held.came.get(column) == Some(&true));
        if is_other {
            self.complete(at);
        }
        let Some(row) = self.rows.get_mut(at) else { return };
        let held = row.held.get_or_insert_with(|| HeldRow {
            step,
            at_ms,
            from,
            came: vec![false; width],
            numbers: vec![MISSING; width],
            histograms: Vec::new(),
            std: Vec::new(),
        });
        match value {
            Measured::Number(number) => held.numbers[column] = number as f32,
            Measured::Histogram { counts, mean, std } => {
                held.histograms.resize(width, Histogram::default());
                held.std.resize(width, MISSING);
                held.histograms[column] = *counts;
                (held.numbers[column], held.std[column]) = (mean as f32, std as f32);
            }
        }
        held.came[column] = true;
        if held.came.iter().filter(|came| **came).count() == row.expected {
            self.complete(at);
        }
    }

    /// Makes an event of what has come of a row.
    fn complete(&mut self, at: usize) {
        let Some(row) = self.rows.get_mut(at) else { return };
        let Some(held) = row.held.take() else { return };
        let mut values = Values::default();
        values.push_new(row.of.numbers, Value::Numbers(held.numbers));
        if let Some((histograms, std)) = row.of.histograms
            && !held.histograms.is_empty()
        {
            values.push_new(histograms, Value::Histograms(held.histograms));
            values.push_new(std, Value::Numbers(held.std));
        }
        self.flush();
        self.out.push((RunEvent::new(held.step, held.at_ms, Kind::Measured(values)), held.from));
    }

    fn other(&mut self, other: Other, from: u64) {
        let (step, at_ms) = (Step(self.held.steps.last()), self.held.at_ms);
        match other {
            Other::Purge(purged) if purged >= 0 && purged as u64 <= self.held.steps.last() => {
                self.complete_all();
                // The state of the start is returned to where everything is void.
                let checkpoint = (purged > 0).then(String::new);
                let resumed = LaneResumed { checkpoint, ..LaneResumed::default() };
                self.held.steps.go_back_to((purged as u64).saturating_sub(1));
                let event = RunEvent::new(Step(self.held.steps.last()), at_ms, Kind::LaneResumed(resumed));
                self.out.push((event, from));
            }
            Other::Ended(code) => {
                self.complete_all();
                let outcome = match code {
                    0 => Outcome::Completed,
                    code => Outcome::Failed { reason: format!("exit status {code}") },
                };
                self.out
                    .push((RunEvent::new(step, at_ms, Kind::LaneFinished(LaneFinished { outcome })), from));
            }
            // An axis has been taken already.
            Other::Purge(_) | Other::Axis(_) => {}
            Other::Name(name) => self.held.name = Some(name),
            Other::Config(more) => {
                for (key, value) in more {
                    self.held.config.retain(|(other, _)| *other != key);
                    self.held.config.push((key, value));
                }
                self.held.config.truncate(MOST_SETTINGS);
            }
            Other::Unshown(kind) => self.unshown.push(kind),
        }
    }

    /// Makes an event of the numbers that came of a step.
    pub(super) fn flush(&mut self) {
        if self.group.values.is_empty() {
            return;
        }
        let Group { step, at_ms, from, values } = std::mem::take(&mut self.group);
        self.out.push((RunEvent::new(step, at_ms, Kind::Measured(values)), from));
        self.group.from = from;
    }

    fn complete_all(&mut self) {
        (0..self.rows.len()).for_each(|row| self.complete(row));
        self.flush();
    }

    /// What was found since the last call and is not shown, by its kind.
    pub(super) fn unshown(&mut self) -> std::vec::Drain<'_, String> {
        self.unshown.drain(..)
    }

    /// The events that were made since the last call.
    pub(super) fn events(&mut self) -> std::vec::Drain<'_, Placed> {
        self.out.drain(..)
    }
}

/// Whether there is room for a metric, and no other of its name.
fn is_free(metrics: &[Metric], metric: Metric) -> bool {
    metrics.len() < MOST_METRICS && metrics.iter().all(|other| other.name() != metric.name())
}
