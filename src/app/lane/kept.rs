//! A lane as the parts that an index keeps: what is small as one, and each history of its own, so that only those
//! are read that a view wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Evaluations, Lane, LaneLabel, LaneState, MARKS};
use crate::app::health::{KeptGates, KeptHealth};
use crate::app::pace::Pace;
use crate::app::parts::{Kept, Part, Parts};
use crate::app::places::Places;
use crate::app::series::Series;
use crate::app::snapshots::{Outline, Snapshots};
use crate::event::{LaneStarted, NonFiniteFound};
use crate::statistic::Statistic;
use crate::units::{LaneIdx, Step};

/// The version of what is folded and of how it is kept. To be raised whenever either changes, so that older indexes
/// are not taken.
pub const FOLD_VERSION: u32 = 3;

/// The part that holds all that is small.
const OUTLINE: &str = "lane";

#[derive(Serialize, Deserialize)]
struct KeptLane {
    state: LaneState,
    last_step: Step,
    elapsed_ms: f64,
    statistics: Vec<String>,
    recorded: u64,
    snapshots: Outline,
    pace: Pace,
    first_non_finite: Option<NonFiniteFound>,
    last_checkpoint: Option<Step>,
    lost_records: u64,
    health: KeptHealth,
    marks: Vec<(String, KeptGates)>,
}

impl Lane {
    /// The lane as named parts; none before it started.
    pub fn to_parts(&self) -> Option<Vec<(String, Vec<u8>)>> {
        self.started.as_ref()?;
        let outline = KeptLane {
            // That the events ended is no event.
            state: if self.state == LaneState::Crashed { LaneState::Running } else { self.state.clone() },
            last_step: self.last_step,
            elapsed_ms: self.elapsed_ms,
            statistics: self.statistics.keys().map(|statistic| statistic.name().to_owned()).collect(),
            recorded: self.recorded,
            snapshots: self.snapshots.outline(),
            pace: self.pace.clone(),
            first_non_finite: self.first_non_finite.clone(),
            last_checkpoint: self.last_checkpoint,
            lost_records: self.lost_records,
            health: KeptHealth::from(&self.health),
            marks: self.marks.iter().map(|(file, mark)| (file.clone(), KeptGates::from(mark))).collect(),
        };
        let mut parts = vec![(OUTLINE.to_owned(), postcard::to_stdvec(&outline).ok()?)];
        let series = self.series().map(|(name, series)| (name, series.to_bytes()));
        parts.extend(series);
        parts.push(("places".to_owned(), self.places.to_bytes()));
        let statistics = self.statistics.iter();
        parts.extend(statistics.map(|(statistic, matrix)| (name_of(*statistic), matrix.get().to_bytes())));
        parts.extend(self.snapshots.parts());
        Some(parts)
    }

    /// A lane from its parts and the first event of its log; histories of layers are read when they are wanted.
    /// None where the parts are not those of a lane, or of one that another version folded.
    pub fn from_parts(
        idx: LaneIdx,
        label: LaneLabel,
        started: LaneStarted,
        parts: &Arc<dyn Parts>,
    ) -> Option<Lane> {
        let kept: KeptLane = postcard::from_bytes(&parts.read(OUTLINE)?).ok()?;
        let series = |name: &str| Series::from_bytes(&parts.read(name)?);
        let evaluations = |at: usize| {
            let [loss, error] = evaluation_names(at);
            Some(Evaluations { loss: series(&loss)?, error: series(&error)? })
        };
        let statistics = kept.statistics.iter().map(|name| {
            let statistic = Statistic::by_name(name)?;
            Some((statistic, Part::kept(parts, name_of(statistic))))
        });
        let marks = kept.marks.into_iter().map(|(file, gates)| Some((file, gates.restore()?)));
        let layers = started.topology.layers.len();
        let mut lane = Lane::new(idx, label);
        lane.loss = series("loss")?;
        lane.error = series("error")?;
        lane.learning_rate = series("learning_rate")?;
        lane.evaluations = [evaluations(0)?, evaluations(1)?, evaluations(2)?, evaluations(3)?];
        lane.statistics = statistics.collect::<Option<BTreeMap<_, _>>>()?;
        lane.snapshots = Snapshots::restore(kept.snapshots, layers, parts)?;
        lane.places = Places::from_bytes(&parts.read("places")?)?;
        lane.marks = marks.take(MARKS).collect::<Option<_>>()?;
        lane.health = kept.health.restore(idx)?;
        lane.started = Some(started);
        lane.state = kept.state;
        lane.last_step = kept.last_step;
        lane.elapsed_ms = kept.elapsed_ms;
        lane.recorded = kept.recorded;
        lane.pace = kept.pace;
        lane.first_non_finite = kept.first_non_finite;
        lane.last_checkpoint = kept.last_checkpoint;
        lane.lost_records = kept.lost_records;
        Some(lane)
    }

    /// The curves of the whole lane, by the names of their parts.
    fn series(&self) -> impl Iterator<Item = (String, &Series)> {
        let own = [("loss", &self.loss), ("error", &self.error), ("learning_rate", &self.learning_rate)];
        let evaluations = self.evaluations.iter().enumerate().flat_map(|(at, evaluations)| {
            let [loss, error] = evaluation_names(at);
            [(loss, &evaluations.loss), (error, &evaluations.error)]
        });
        own.into_iter().map(|(name, series)| (name.to_owned(), series)).chain(evaluations)
    }
}

fn evaluation_names(at: usize) -> [String; 2] {
    ["loss", "error"].map(|what| format!("evaluation/{at}/{what}"))
}

fn name_of(statistic: Statistic) -> String {
    format!("statistic/{}", statistic.name())
}

impl Kept for crate::app::matrix::Matrix {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes)
    }
}
