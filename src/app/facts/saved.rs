//! The facts of a lane as the sections of an index: everything small in one, and each history in its own, so that only
//! those that are needed are read.

use serde::{Deserialize, Serialize};

use super::histories::{Histories, HistoryKey};
use super::{LaneFacts, LaneLabel, LaneState};
use crate::app::order_history::OrderHistory;
use crate::app::pace::Pace;
use crate::app::step_offsets::StepOffsets;
use crate::event::{Declared, LaneStarted, NonFiniteFound};
use crate::history::{Bounds, History};
use crate::metric::{Metric, Shape};
use crate::units::{LaneIdx, Step};

/// The section with everything small.
const OUTLINE: &str = "lane";
/// The section of the steps and their times.
const STEPS: &str = "steps";
/// The section of the bytes of the log at which records begin.
const OFFSETS: &str = "offsets";

#[derive(Serialize, Deserialize)]
struct Outline {
    state: LaneState,
    last_step: Step,
    elapsed_ms: f64,
    recorded: u64,
    pace: Pace,
    first_non_finite: Option<(Step, NonFiniteFound)>,
    lost_records: u64,
    orders: OrderHistory,
}

/// The name of the section that holds a history of a metric: that of its numbers, or of one of its histograms.
pub fn section_of(declared: &Declared, metric: Metric, part: usize) -> Option<String> {
    let place = declared.place(metric.name().as_bytes(), 0)?;
    (declared.metrics()[place] == metric).then(|| match metric.shape() {
        Shape::Histograms => format!("{place}/{part}"),
        Shape::Scalar | Shape::Numbers => place.to_string(),
    })
}

impl LaneFacts {
    /// The name of the section that holds a history.
    pub fn section_of(&self, key: HistoryKey) -> Option<String> {
        section_of(&self.declared, key.metric, key.slot)
    }

    /// The facts as named sections; none before the lane started, and none while a history is only in the index.
    pub(in crate::app) fn to_sections(&self) -> Option<Vec<(String, Vec<u8>)>> {
        self.started.as_ref()?;
        let outline = Outline {
            // A crash is not an event: the log may be continued.
            state: match &self.state {
                LaneState::Crashed | LaneState::Silent => LaneState::Running,
                state => state.clone(),
            },
            last_step: self.last_step,
            elapsed_ms: self.elapsed_ms,
            recorded: self.recorded,
            pace: self.pace.clone(),
            first_non_finite: self.first_non_finite.clone(),
            lost_records: self.lost_records,
            orders: self.orders.clone(),
        };
        let mut sections = vec![
            (OUTLINE.to_owned(), postcard::to_stdvec(&outline).ok()?),
            (STEPS.to_owned(), self.steps.to_bytes()),
            (OFFSETS.to_owned(), self.offsets.to_bytes()),
        ];
        for key in self.histories.keys() {
            sections.push((self.section_of(key)?, self.histories.get(key)?.to_bytes()));
        }
        Some(sections)
    }

    /// The facts from their sections, the first event of the lane's log and what the log has declared. Histories stay in
    /// the index. None if the sections are not those of a lane, or were folded by another version.
    pub(in crate::app) fn from_sections(
        idx: LaneIdx,
        label: LaneLabel,
        started: LaneStarted,
        declared: Declared,
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<LaneFacts> {
        let outline: Outline = postcard::from_bytes(&read(OUTLINE)?).ok()?;
        let mut lane = LaneFacts::new(idx, label);
        lane.steps = History::from_bytes(&read(STEPS)?, 0, Bounds::SCALARS)?;
        lane.offsets = StepOffsets::from_bytes(&read(OFFSETS)?)?;
        lane.histories = Histories::saved(&declared);
        lane.declared = declared;
        lane.started = Some(started);
        lane.state = outline.state;
        lane.last_step = outline.last_step;
        lane.elapsed_ms = outline.elapsed_ms;
        lane.recorded = outline.recorded;
        lane.pace = outline.pace;
        lane.first_non_finite = outline.first_non_finite;
        lane.lost_records = outline.lost_records;
        lane.orders = outline.orders;
        Some(lane)
    }

    /// A history from the bytes of its section; none if they are not valid.
    pub fn history_from(&self, key: HistoryKey, bytes: &[u8]) -> Option<History> {
        let (width, bounds) = self.bounds_of(key);
        History::from_bytes(bytes, width, bounds)
    }
}
