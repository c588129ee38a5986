//! What a view wants that is not in memory: histories that are in an index, and the exact values of a step, or of a range
//! of steps, whose records were merged with others. The state lists what it needs; answers may come at any time, in any order.

use std::ops::Range;

use super::{App, HistoryKey, Lane};
use crate::event::Values;
use crate::history::History;
use crate::metric::{LAYER, Metric, Shape, known, probed};
use crate::units::{LaneIdx, Step};

/// What a view draws from, besides what is always in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The values of all metrics at the cursor.
    Cursor,
    /// A metric at any step.
    History(Metric),
    /// A metric over time: in the range that is shown, all of its records.
    OverTime(Metric),
    /// The histograms of the cursor's layer over time.
    Histograms(Metric),
}

/// Something to look up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A metric's history.
    History {
        /// Of this lane.
        lane: LaneIdx,
        /// Which one.
        key: HistoryKey,
    },
    /// The values measured at a step.
    Step {
        /// Of this lane.
        lane: LaneIdx,
        /// The step.
        step: Step,
        /// The byte of the lane's log at which to start looking for it.
        from: u64,
    },
    /// All records of a metric between two steps.
    Range {
        /// Of this lane.
        lane: LaneIdx,
        /// Which one.
        metric: Metric,
        /// The first and the last step.
        steps: (Step, Step),
        /// The bytes of the lane's log that hold them.
        bytes: Range<u64>,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A history.
    History {
        /// Of this lane.
        lane: LaneIdx,
        /// Which one.
        key: HistoryKey,
        /// The history.
        history: History,
    },
    /// The values measured at the last step that is not after the requested one.
    Step {
        /// Of this lane.
        lane: LaneIdx,
        /// The requested step.
        asked: Step,
        /// The step of the values.
        found: Step,
        /// The values.
        values: Values,
    },
    /// All records of a metric between two steps.
    Range {
        /// Of this lane.
        lane: LaneIdx,
        /// Which one.
        metric: Metric,
        /// The first and the last step.
        steps: (Step, Step),
        /// The records; none if they cannot be read.
        history: Option<History>,
    },
}

impl App {
    /// What of this is not in memory.
    pub fn needs(&self, wanted: &[Wanted]) -> Vec<Need> {
        let mut needs = Vec::new();
        for lane in self.visible_lanes() {
            for wanted in wanted {
                self.add_needs(lane, *wanted, &mut needs);
            }
        }
        needs
    }

    fn add_needs(&self, lane: &Lane, wanted: Wanted, needs: &mut Vec<Need>) {
        let idx = lane.idx();
        let of = |key| lane.is_saved(key).then_some(Need::History { lane: idx, key });
        match wanted {
            Wanted::Cursor => match lane.wanted_at(self.step()) {
                Some(from) => needs.push(Need::Step { lane: idx, step: self.step(), from }),
                // Metrics that this record lacks come from an earlier one.
                None => needs.extend(lane.lacking_at(self.step()).filter_map(of)),
            },
            Wanted::History(metric) => needs.extend(of(HistoryKey { metric, slot: 0 })),
            Wanted::OverTime(metric) => {
                needs.extend(of(HistoryKey { metric, slot: 0 }));
                let lacking = self.range().and_then(|range| lane.lacking_detail(metric, range));
                needs.extend(lacking.map(|(steps, bytes)| Need::Range { lane: idx, metric, steps, bytes }));
            }
            Wanted::Histograms(metric) => {
                let place = self.layer_in(lane).and_then(|layer| lane.place_of(layer));
                needs.extend(place.and_then(|slot| of(HistoryKey { metric, slot })));
            }
        }
    }

    /// Applies an answer. Returns whether anything on screen may have changed.
    pub fn answer(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::History { lane, key, history } => {
                let Some(lane) = self.lanes.get_mut(lane.0).filter(|lane| lane.is_saved(key)) else {
                    return false;
                };
                lane.supply(key, history);
            }
            Answer::Step { lane, asked, found, values } => {
                let Some(lane) = self.lanes.get_mut(lane.0) else { return false };
                lane.set_exact(asked, (found, values));
            }
            Answer::Range { lane, metric, steps, history } => {
                let Some(lane) = self.lanes.get_mut(lane.0) else { return false };
                lane.set_detail(metric, steps, history);
            }
        }
        true
    }

    /// Replaces a lane, such as one whose index turned out to be damaged.
    pub fn replace(&mut self, lane: Lane) {
        self.place(lane.idx(), [lane]);
    }
}

/// Which metrics are shown.
impl App {
    /// The metrics of layers, or of blocks, that visible lanes have declared, in the order of declaration.
    pub fn statistics(&self, of_blocks: bool) -> Vec<Metric> {
        let mut all: Vec<Metric> = Vec::new();
        let of_kind = |metric: &&Metric| {
            let is_numbers = metric.shape() == Shape::Numbers && !probed::PICTURES.contains(metric);
            is_numbers && metric.is_of_blocks() == of_blocks
        };
        for lane in self.visible_lanes() {
            for metric in lane.declared().metrics().iter().filter(of_kind) {
                if !all.contains(metric) {
                    all.push(*metric);
                }
            }
        }
        // Metrics of layers first; those over other axes are few, and have a view of their own.
        all.sort_by_key(|metric| metric.axis() != Some(LAYER));
        all
    }

    /// The single numbers that visible lanes have declared, in the order of declaration.
    pub fn scalars(&self) -> Vec<Metric> {
        let mut all: Vec<Metric> = Vec::new();
        for lane in self.visible_lanes() {
            let scalars = lane.declared().metrics().iter().filter(|metric| metric.shape() == Shape::Scalar);
            for metric in scalars {
                if !all.contains(metric) {
                    all.push(*metric);
                }
            }
        }
        all
    }

    /// The single number that is compared between runs: the chosen one, or the first if no visible lane has that.
    pub fn scalar(&self) -> Metric {
        chosen_of(&self.scalars(), self.options.scalar)
    }

    /// The metric of layers that is shown: the chosen one, or the first if no visible lane has that.
    pub fn statistic(&self) -> Metric {
        chosen_of(&self.statistics(false), self.options.statistic)
    }

    /// The metrics of which the visible lanes have histograms by layer: those that this program counts, then others.
    pub fn histograms(&self) -> Vec<Metric> {
        let declared = self.visible_lanes().flat_map(|lane| lane.declared().metrics());
        let own = [known::ACTIVATIONS, known::WEIGHT_GRADIENTS, known::WEIGHTS];
        let mut all: Vec<Metric> = Vec::new();
        for metric in
            declared.filter(|metric| metric.shape() == Shape::Histograms && metric.axes() == [LAYER])
        {
            if !all.contains(metric) {
                all.push(*metric);
            }
        }
        all.sort_by_key(|metric| own.iter().position(|own| own == metric).unwrap_or(own.len()));
        all
    }

    /// The metric whose histograms are shown.
    pub fn histogram(&self) -> Metric {
        chosen_of(&self.histograms(), self.options.histogram)
    }

    /// The metric of blocks that is shown.
    pub fn block_statistic(&self) -> Metric {
        chosen_of(&self.statistics(true), self.options.block_statistic)
    }
}

/// What is chosen, if it is among all there are; else the first of them.
fn chosen_of(all: &[Metric], chosen: Metric) -> Metric {
    if all.contains(&chosen) { chosen } else { all.first().copied().unwrap_or(chosen) }
}
