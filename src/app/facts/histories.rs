//! The histories of a lane's metrics, each by the place at which the metric was declared. One that is stored in an
//! index is loaded only when it is first needed; until then it is pending.

use super::LaneFacts;
use crate::event::{Declared, Histogram, Value, Values, is_missing};
use crate::history::{Bounds, Cell, History, Point, Row};
use crate::metric::{BLOCK, LAYER, Metric, Points, Shape, known};
use crate::units::{BlockIdx, LayerIdx, Step};

/// All histories of a lane.
#[derive(Debug, Default)]
pub(super) struct Histories(Vec<OfMetric>);

/// The histories of a metric: one of its numbers, or one for each of its histograms, because a view shows only one.
#[derive(Debug)]
struct OfMetric {
    metric: Metric,
    slots: Vec<Slot>,
}

/// A history that is loaded, or only stored in the index.
#[derive(Debug)]
enum Slot {
    /// It is in memory; `saved` if it can be loaded again.
    Here { history: History, saved: bool },
    /// It is only in the index.
    Saved,
}

/// Which history of a metric: that of its numbers, or that of one of its histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryKey {
    /// The metric.
    pub metric: Metric,
    /// 0 for numbers; the histogram's place for histograms.
    pub slot: usize,
}

/// An empty history of a slot of a metric with `width` numbers or histograms per step.
fn empty(metric: Metric, width: usize) -> History {
    match metric.shape() {
        Shape::Scalar => History::of_scalars(),
        Shape::Numbers => History::of_numbers(width, Bounds::COLUMNS),
        Shape::Histograms => History::of_histograms(1, Bounds::HISTOGRAMS),
    }
}

/// How many histories a metric has.
fn slots_of(metric: Metric, width: usize) -> usize {
    if metric.shape() == Shape::Histograms { width } else { 1 }
}

impl Histories {
    /// Adds an empty history for every declared metric that has none yet.
    pub(super) fn declare(&mut self, declared: &Declared) {
        for metric in declared.metrics().iter().skip(self.0.len()) {
            let width = declared.width(*metric).unwrap_or(0);
            let slot = || Slot::Here { history: empty(*metric, width), saved: false };
            let slots = (0..slots_of(*metric, width)).map(|_| slot()).collect();
            self.0.push(OfMetric { metric: *metric, slots });
        }
    }

    /// All histories of the declared metrics, only in the index.
    pub(super) fn saved(declared: &Declared) -> Histories {
        let of = |metric: &Metric| {
            let slots = slots_of(*metric, declared.width(*metric).unwrap_or(0));
            OfMetric { metric: *metric, slots: (0..slots).map(|_| Slot::Saved).collect() }
        };
        Histories(declared.metrics().iter().map(of).collect())
    }

    /// Adds numbers of the metric that was declared at a place.
    pub(super) fn push(&mut self, place: usize, step: Step, at_ms: f64, numbers: &[f32]) {
        if let Some(Slot::Here { history, saved }) = self.0.get_mut(place).and_then(|of| of.slots.first_mut())
        {
            history.push(step, at_ms, numbers);
            *saved = false;
        }
    }

    /// Adds histograms of the metric that was declared at a place.
    pub(super) fn push_histograms(&mut self, place: usize, step: Step, at_ms: f64, all: &[Histogram]) {
        let slots = self.0.get_mut(place).map(|of| of.slots.iter_mut()).into_iter().flatten();
        for (slot, histogram) in slots.zip(all) {
            if let Slot::Here { history, saved } = slot {
                history.push_histograms(step, at_ms, std::slice::from_ref(histogram));
                *saved = false;
            }
        }
    }

    /// Removes everything from a step on.
    pub(super) fn rewind(&mut self, step: Step) {
        for slot in self.0.iter_mut().flat_map(|of| &mut of.slots) {
            if let Slot::Here { history, saved } = slot {
                history.rewind(step);
                *saved = false;
            }
        }
    }

    fn slot(&self, key: HistoryKey) -> Option<&Slot> {
        self.0.iter().find(|of| of.metric == key.metric)?.slots.get(key.slot)
    }

    /// A history that is in memory.
    pub(super) fn get(&self, key: HistoryKey) -> Option<&History> {
        match self.slot(key)? {
            Slot::Here { history, .. } => Some(history),
            Slot::Saved => None,
        }
    }

    /// Whether a history is only in the index.
    pub(super) fn is_saved(&self, key: HistoryKey) -> bool {
        matches!(self.slot(key), Some(Slot::Saved))
    }

    /// The histories that are only in the index.
    pub(super) fn all_saved(&self) -> impl Iterator<Item = HistoryKey> {
        self.0.iter().flat_map(|OfMetric { metric, slots }| {
            let saved = slots.iter().enumerate().filter(|(_, slot)| matches!(slot, Slot::Saved));
            saved.map(|(slot, _)| HistoryKey { metric: *metric, slot })
        })
    }

    /// Supplies a history that is only in the index; one that is in memory stays as it is.
    pub(super) fn supply(&mut self, key: HistoryKey, history: History) {
        let of = self.0.iter_mut().find(|of| of.metric == key.metric);
        if let Some(slot @ Slot::Saved) = of.and_then(|of| of.slots.get_mut(key.slot)) {
            *slot = Slot::Here { history, saved: true };
        }
    }

    /// Keeps what is in memory from now on, because it is to be folded further.
    pub(super) fn own(&mut self) {
        for slot in self.0.iter_mut().flat_map(|of| &mut of.slots) {
            if let Slot::Here { saved, .. } = slot {
                *saved = false;
            }
        }
    }

    /// Drops histories that are also in the index, except for `wanted` metrics.
    pub(super) fn release(&mut self, wanted: impl Fn(Metric) -> bool) {
        for slot in self.0.iter_mut().filter(|of| !wanted(of.metric)).flat_map(|of| &mut of.slots) {
            if matches!(slot, Slot::Here { saved: true, .. }) {
                *slot = Slot::Saved;
            }
        }
    }

    /// The keys of all histories.
    pub(super) fn keys(&self) -> impl Iterator<Item = HistoryKey> {
        let of = |of: &OfMetric| {
            let metric = of.metric;
            (0..of.slots.len()).map(move |slot| HistoryKey { metric, slot })
        };
        self.0.iter().flat_map(of)
    }
}

/// An empty history of single numbers.
static NO_SCALARS: History = History::of_scalars();

/// Its histories.
impl LaneFacts {
    /// A single number over time; empty if it was never measured or is pending.
    pub fn scalar(&self, metric: Metric) -> &History {
        let here = self.histories.get(HistoryKey { metric, slot: 0 });
        here.filter(|_| metric.shape() == Shape::Scalar).unwrap_or(&NO_SCALARS)
    }

    /// Mean cross-entropy of each step's batch, in nats.
    pub fn loss(&self) -> &History {
        self.scalar(known::LOSS)
    }

    /// Share of each step's batch classified wrongly, with batch statistics, 0 to 1.
    pub fn error(&self) -> &History {
        self.scalar(known::ERROR)
    }

    /// The learning rate of each step.
    pub fn learning_rate(&self) -> &History {
        self.scalar(known::LEARNING_RATE)
    }

    /// Numbers over time; none if they were never measured or are pending.
    pub fn history(&self, metric: Metric) -> Option<&History> {
        self.histories.get(HistoryKey { metric, slot: 0 }).filter(|history| !history.is_empty())
    }

    /// A layer's histograms over time; none if they were never taken or are pending.
    pub fn histograms(&self, metric: Metric, layer: LayerIdx) -> Option<&History> {
        let slot = self.column_of(LAYER, layer.0)?;
        self.histories.get(HistoryKey { metric, slot }).filter(|history| !history.is_empty())
    }

    /// Whether a metric was ever measured, as far as known: a pending one is assumed to be.
    pub fn has(&self, metric: Metric) -> bool {
        self.is_pending(metric) || self.history(metric).is_some()
    }

    /// Whether the numbers of a metric are only in the index and not loaded yet.
    pub fn is_pending(&self, metric: Metric) -> bool {
        self.histories.is_saved(HistoryKey { metric, slot: 0 })
    }

    /// Whether a history is only in the index and not loaded yet.
    pub(crate) fn is_saved(&self, key: HistoryKey) -> bool {
        self.histories.is_saved(key)
    }

    /// The histories that are only in the index; there must be none when an event is folded.
    pub fn saved_histories(&self) -> Vec<HistoryKey> {
        self.histories.all_saved().collect()
    }

    /// The width and the bounds of a history.
    pub(crate) fn bounds_of(&self, key: HistoryKey) -> (usize, Bounds) {
        let width = self.declared().width(key.metric).unwrap_or(0);
        match key.metric.shape() {
            Shape::Scalar => (1, Bounds::SCALARS),
            Shape::Numbers => (width, Bounds::COLUMNS),
            Shape::Histograms => (1, Bounds::HISTOGRAMS),
        }
    }

    /// Supplies a history that is only in the index.
    pub fn supply(&mut self, key: HistoryKey, history: History) {
        self.histories.supply(key, history);
    }

    /// Keeps the histories in memory from now on, because they are to be folded further.
    pub(in crate::app) fn own(&mut self) {
        self.histories.own();
    }

    /// Drops the histories that can be loaded again when they are needed, except for these.
    pub(in crate::app) fn release(&mut self, but: &[Metric]) {
        self.histories.release(|metric| metric.shape() == Shape::Scalar || but.contains(&metric));
    }

    /// What was measured at a step: from that step's own record if it is known, otherwise from the history.
    pub fn at(&self, metric: Metric, step: Step) -> Option<Row<'_>> {
        let own = self.record_at(step);
        let own = own.and_then(|(found, values)| match values.get(metric)? {
            Value::Numbers(numbers) => Some(Row::exact(*found, numbers)),
            // Single numbers may also be recorded between the records over axes.
            Value::Number(number) if *found == step => Some(Row::exact(*found, std::slice::from_ref(number))),
            Value::Number(_) | Value::Histograms(_) => None,
        });
        own.or_else(|| self.detail_at(metric, step)).or_else(|| self.history(metric)?.at(step))
    }

    /// The record that was looked up for a step, with its own step.
    fn record_at(&self, step: Step) -> Option<&(Step, Values)> {
        self.exact.as_ref().filter(|(asked, _)| *asked == step).map(|(_, record)| record)
    }

    /// The byte of the log from which to look for what was measured at `step`, if histories are merged or pending and
    /// it was not found yet: it is in the last such record not after `step`, at this byte or later.
    pub(crate) fn wanted_at(&self, step: Step) -> Option<u64> {
        let merged = self.recorded > Bounds::COLUMNS.exact as u64
            || self.histories.all_saved().any(|key| key.metric.shape() == Shape::Numbers);
        (merged && self.record_at(step).is_none()).then(|| self.offsets.before(step)).flatten()
    }

    /// The numbers that the record of `step` lacks, if that record is known.
    pub(in crate::app) fn lacking_at(&self, step: Step) -> impl Iterator<Item = HistoryKey> {
        let numbers = self.declared().metrics().iter().filter(|metric| metric.shape() == Shape::Numbers);
        let lacking = self
            .record_at(step)
            .into_iter()
            .flat_map(move |(_, values)| numbers.clone().filter(|metric| values.numbers(**metric).is_none()));
        lacking.map(|metric| HistoryKey { metric: *metric, slot: 0 })
    }

    /// Supplies what was measured at `step`, with the step of its record.
    pub(crate) fn set_exact(&mut self, step: Step, found: (Step, Values)) {
        self.exact = Some((step, found));
    }

    /// The layer at a place among those that are recorded.
    pub(crate) fn recorded_layer(&self, place: usize) -> LayerIdx {
        let recorded = self.started().and_then(|started| started.recorded.as_ref());
        recorded.and_then(|layers| layers.get(place).copied()).unwrap_or(LayerIdx(place))
    }

    /// Whether a layer is meant to keep its weights.
    pub(crate) fn is_frozen(&self, layer: LayerIdx) -> bool {
        self.structure().and_then(|structure| structure.layer(layer)).is_some_and(|layer| layer.frozen)
    }

    /// The place of a layer among those that are recorded; none if it is not.
    pub(crate) fn place_of(&self, layer: LayerIdx) -> Option<usize> {
        self.column_of(LAYER, layer.0)
    }

    /// The place on an axis of the point of this name.
    pub(crate) fn point_named(&self, axis: &str, name: &str) -> Option<usize> {
        match axis {
            LAYER => self.structure()?.layers.iter().position(|layer| layer.name == name),
            BLOCK => self.structure()?.blocks.iter().position(|block| block.name == name),
            _ => {
                let points = &self.declared().axis(axis)?.points;
                (0..points.len()).find(|at| points.label(*at).as_deref() == Some(name))
            }
        }
    }

    /// The place of a point of an axis among the numbers of a metric over it; none if it is not recorded.
    pub(crate) fn column_of(&self, axis: &str, at: usize) -> Option<usize> {
        let started = self.started()?;
        match (axis, started.recorded.as_ref()) {
            (LAYER, Some(layers)) => layers.binary_search(&LayerIdx(at)).ok(),
            _ => Some(at),
        }
    }

    /// For each point of a metric's first axis, the range of its numbers; none if it is not recorded.
    pub fn columns(&self, metric: Metric) -> Vec<Option<std::ops::Range<usize>>> {
        (0..self.axis_length(metric).unwrap_or(0)).map(|at| self.columns_at(metric, at)).collect()
    }

    /// The range of the numbers of one point of a metric's first axis; none if it is not recorded or does not exist.
    fn columns_at(&self, metric: Metric, at: usize) -> Option<std::ops::Range<usize>> {
        if at >= self.axis_length(metric)? {
            return None;
        }
        let axis = metric.axis().unwrap_or_default();
        let recorded = self.declared().length(axis).filter(|length| *length > 0);
        let each = self.declared().width(metric).zip(recorded).map_or(0, |(width, length)| width / length);
        let first = self.column_of(axis, at)? * each;
        Some(first..first + each)
    }

    /// The value of a row at a point of a metric's first axis: of several numbers, their extent and their mean.
    pub fn cell(&self, metric: Metric, row: &Row<'_>, at: usize) -> Option<Cell> {
        row.across(self.columns_at(metric, at)?)
    }

    /// The value of a layer at a step.
    pub fn layer_value(&self, metric: Metric, step: Step, layer: LayerIdx) -> Option<f32> {
        let value = self.cell(metric, &self.at(metric, step)?, layer.0)?.last;
        (!is_missing(value)).then_some(value)
    }

    /// The value of a block at a step.
    pub fn block_value(&self, metric: Metric, step: Step, block: BlockIdx) -> Option<f32> {
        let value = self.cell(metric, &self.at(metric, step)?, block.0)?.last;
        (!is_missing(value)).then_some(value)
    }

    /// A metric over time, at a point of its first axis.
    pub fn points_of(&self, metric: Metric, at: usize) -> impl Iterator<Item = Point> + '_ {
        let columns = self.columns_at(metric, at);
        self.rows(metric).filter_map(move |row| Some(Point::new(row.span, row.across(columns.clone()?)?)))
    }

    /// The number of points of a metric's first axis, including those that are not recorded.
    pub fn axis_length(&self, metric: Metric) -> Option<usize> {
        let structure = self.structure()?;
        match metric.axis()? {
            LAYER => Some(structure.layers.len()),
            BLOCK => Some(structure.blocks.len()),
            other => self.declared().length(other),
        }
    }

    /// The position of a point on a metric's first axis: its number or, if it has a name, its place from 1.
    pub fn axis_place(&self, metric: Metric, at: usize) -> f64 {
        let axis = metric.axis().and_then(|axis| self.declared().axis(axis));
        match axis.map(|axis| &axis.points) {
            Some(Points::Numbers(all)) => all.get(at).copied().filter(|x| x.is_finite()).unwrap_or(at as f64),
            _ => at as f64 + 1.0,
        }
    }

    /// The name of a point of a metric's first axis, as declared; for layers and blocks, their own.
    pub fn axis_label(&self, metric: Metric, at: usize) -> Option<String> {
        let structure = self.structure()?;
        match metric.axis()? {
            LAYER => structure.layers.get(at).map(|layer| layer.name.clone()),
            BLOCK => structure.blocks.get(at).map(|block| block.name.clone()),
            other => self.declared().axis(other)?.points.label(at),
        }
    }

    /// When a step was made, in milliseconds since the run started.
    pub fn time_of(&self, step: Step) -> Option<f64> {
        self.steps.at(step).map(|row| row.span.at_ms)
    }
}
