//! Records of a range of steps that were read again from the log, because a lane's history is merged there. They stand in
//! place of the merged rows, so that everything drawn from a history shows them.

use super::{HistoryKey, LaneFacts};
use crate::history::{Bounds, History, Point, Row};
use crate::metric::Metric;
use crate::units::Step;

/// The most steps of a range whose records are read again: as many records as a history over layers keeps exactly, so
/// that no frame goes over more.
pub(crate) const MOST: u64 = Bounds::COLUMNS.exact as u64;
/// The most ranges that a lane keeps: those of the two metrics that a view shows, and of the view before.
const MOST_KEPT: usize = 6;

/// The ranges that were read, the newest first; at most one of each metric.
#[derive(Debug, Default)]
pub(super) struct Details(Vec<Detail>);

#[derive(Debug)]
struct Detail {
    metric: Metric,
    steps: (Step, Step),
    /// None if the log could not be read.
    history: Option<History>,
}

impl Details {
    fn of(&self, metric: Metric) -> Option<(&Detail, &History)> {
        let detail = self.0.iter().find(|detail| detail.metric == metric)?;
        Some((detail, detail.history.as_ref()?))
    }

    /// Whether the records of a range were read. At the end an eighth of the range may be missing, so that a range that
    /// moves on with each step is not read again with each.
    fn cover(&self, metric: Metric, (first, last): (Step, Step)) -> bool {
        let slack = (last.0 - first.0) / 8;
        self.0.iter().any(|Detail { metric: of, steps, .. }| {
            *of == metric && steps.0 <= first && steps.1.0 + slack >= last.0
        })
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl LaneFacts {
    /// An empty history for the records of a range.
    pub(crate) fn detail(&self, metric: Metric) -> History {
        let bounds = Bounds { exact: MOST as usize, merged: 2 };
        History::of_numbers(self.bounds_of(HistoryKey { metric, slot: 0 }).0, bounds)
    }

    /// The range of steps to read again from the log, and the bytes of it, so that all of a metric's records between two
    /// steps are known; none if they are already, or are too many. It is wider than asked for, so that not every move needs
    /// another one.
    pub(crate) fn lacking_detail(
        &self,
        metric: Metric,
        (first, last): (Step, Step),
    ) -> Option<((Step, Step), std::ops::Range<u64>)> {
        let length = last.0.checked_sub(first.0).filter(|length| *length < MOST)?;
        let is_known = self.history(metric).is_none_or(History::is_exact);
        if is_known || self.details.cover(metric, (first, last)) {
            return None;
        }
        let more = (length / 2).min((MOST - 1 - length) / 2);
        let steps = (Step(first.0.saturating_sub(more)), Step(last.0 + more).min(self.last_step()));
        let from = self.offsets.before(steps.0).unwrap_or(0);
        let bytes = from..self.offsets.after(steps.1).unwrap_or(u64::MAX);
        (!self.offsets.is_empty()).then_some((steps, bytes))
    }

    /// Supplies the records of a range; none if the log could not be read.
    pub(crate) fn set_detail(&mut self, metric: Metric, steps: (Step, Step), history: Option<History>) {
        // The lane may have gone back since the range was asked for.
        if steps.1 > self.last_step() {
            return;
        }
        self.details.0.retain(|detail| detail.metric != metric);
        self.details.0.insert(0, Detail { metric, steps, history });
        self.details.0.truncate(MOST_KEPT);
    }

    /// The numbers of a metric over time, in detail where that was read.
    pub fn rows(&self, metric: Metric) -> impl Iterator<Item = Row<'_>> {
        let detail = self.details.of(metric);
        let [start, end] = steps_of(detail);
        let rows = move || self.history(metric).map(History::rows).into_iter().flatten();
        let within = detail.map(|(_, history)| history.rows()).into_iter().flatten();
        let after = detail.map(|_| rows()).into_iter().flatten();
        rows()
            .take_while(move |row| row.span.last_step < start)
            .chain(within)
            .chain(after.filter(move |row| row.span.last_step > end))
    }

    /// A single number over time, in detail where that was read.
    pub fn points(&self, metric: Metric) -> impl Iterator<Item = Point> + '_ {
        let detail = self.details.of(metric);
        let [start, end] = steps_of(detail);
        let within = detail.map(|(_, history)| history.points(0)).into_iter().flatten();
        let after = detail.map(|_| self.scalar(metric).points(0)).into_iter().flatten();
        self.scalar(metric)
            .points(0)
            .take_while(move |point| point.last_step < start)
            .chain(within)
            .chain(after.filter(move |point| point.last_step > end))
    }

    /// What was measured at a step or last before it, if its record was read with its range.
    pub(super) fn detail_at(&self, metric: Metric, step: Step) -> Option<Row<'_>> {
        let (detail, history) = self.details.of(metric)?;
        history.at(step).filter(|_| step <= detail.steps.1)
    }
}

/// The first and the last step of a range; without one, those after which nothing comes.
fn steps_of(detail: Option<(&Detail, &History)>) -> [Step; 2] {
    detail.map_or([Step(u64::MAX); 2], |(detail, _)| [detail.steps.0, detail.steps.1])
}
