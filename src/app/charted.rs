//! What is drawn over time in a chart of its own: a single number, or a metric of one layer or block. The user pins what
//! is to come first.

use serde::{Deserialize, Serialize};

use super::{App, Chosen, Lane};
use crate::history::Point;
use crate::metric::{Better, Metric, Shape, known};
use crate::units::Step;

/// What a chart shows over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charted {
    /// The metric.
    pub metric: Metric,
    /// The name of the layer or block; none for a single number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Charted {
    /// A single number.
    pub fn scalar(metric: Metric) -> Charted {
        Charted { metric, place: None }
    }

    /// Where a lane has it on the metric's axis, 0 for a single number; none where it does not.
    pub fn at(&self, lane: &Lane) -> Option<usize> {
        let structure = lane.structure()?;
        let is_declared = lane.declared().metrics().contains(&self.metric);
        let at = match &self.place {
            None => (self.metric.shape() == Shape::Scalar).then_some(0),
            Some(name) if self.metric.is_of_layers() => {
                structure.layers.iter().position(|of| of.name == *name)
            }
            Some(name) if self.metric.is_of_blocks() => {
                structure.blocks.iter().position(|of| of.name == *name)
            }
            Some(_) => None,
        };
        at.filter(|_| is_declared)
    }

    /// What a lane has of it over time; nothing where it does not have it.
    pub fn points<'l>(&self, lane: &'l Lane) -> Box<dyn Iterator<Item = Point> + 'l> {
        match self.at(lane) {
            _ if self.place.is_none() => Box::new(lane.points(self.metric)),
            Some(at) => Box::new(lane.points_of(self.metric, at)),
            None => Box::new(std::iter::empty()),
        }
    }

    /// What a lane measured of it at a step or last before it.
    pub fn point_at(&self, lane: &Lane, step: Step) -> Option<Point> {
        let row = lane.at(self.metric, step)?;
        if self.place.is_none() {
            return row.point(0);
        }
        let cell = lane.cell(self.metric, &row, self.at(lane)?)?;
        Some(Point::new(row.span, cell))
    }
}

fn group_of(name: &str) -> &str {
    name.rfind(['/', '.']).map_or("", |at| &name[..at])
}

impl App {
    /// What the user has pinned, as far as a visible lane has it.
    pub fn pins(&self) -> impl Iterator<Item = &Charted> {
        self.options.pins.iter().filter(|pin| self.visible_lanes().any(|lane| pin.at(lane).is_some()))
    }

    /// What the overview draws over time, the most important first: what is pinned, then loss and error.
    pub fn main_charts(&self) -> Vec<Charted> {
        let mut all: Vec<Charted> = self.pins().cloned().collect();
        let others = self.curves().map(Charted::scalar);
        all.extend(others.into_iter().filter(|other| !self.options.pins.contains(other)));
        all
    }

    /// What can be drawn over time: what is pinned, then the single numbers whose name the filter of metrics finds, in
    /// groups by what stands before the last slash or dot of their names.
    pub fn charts(&self) -> Vec<Charted> {
        let mut all: Vec<Charted> = self.pins().cloned().collect();
        let scalars: Vec<Metric> =
            self.scalars().into_iter().filter(|metric| self.shows_metric(*metric)).collect();
        let mut groups: Vec<&str> = Vec::new();
        for metric in &scalars {
            let group = group_of(metric.name());
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        for group in groups {
            let own = scalars.iter().filter(|metric| group_of(metric.name()) == group);
            let own = own.copied().map(Charted::scalar);
            all.extend(own.filter(|other| !self.options.pins.contains(other)));
        }
        all
    }

    /// The chart that is selected of [`App::charts`], with its place there.
    pub fn chart(&self) -> Option<(usize, Charted)> {
        let all = self.charts();
        let chosen = self.options.chart.as_ref();
        let at = chosen.and_then(|chosen| all.iter().position(|chart| chart == chosen)).unwrap_or(0);
        all.into_iter().nth(at).map(|chart| (at, chart))
    }

    /// Whether the filter of metrics finds a metric.
    pub fn shows_metric(&self, metric: Metric) -> bool {
        self.options.metrics.as_ref().is_none_or(|filter| filter.shows(metric.name()))
    }

    /// What the cursor is on in the shown view, as a chart over time.
    pub fn charted_here(&self) -> Option<Charted> {
        let lane = self.lane(self.lane)?;
        match self.options.view.map_or(Chosen::OfLayers, |view| view.chooses) {
            Chosen::Charts => self.chart().map(|(_, chart)| chart),
            Chosen::Scalars => Some(Charted::scalar(self.scalar())),
            Chosen::OfLayers => {
                let metric = self.statistic();
                let name = lane.structure()?.layer(self.layer_in(lane)?)?.name.clone();
                metric.is_of_layers().then_some(Charted { metric, place: Some(name) })
            }
            Chosen::OfBlocks => {
                let metric = self.block_statistic();
                let name = lane.structure()?.blocks.get(self.block_in(lane)?.0)?.name.clone();
                metric.is_of_blocks().then_some(Charted { metric, place: Some(name) })
            }
        }
    }

    /// The two single numbers that every run is told by: loss and error. One that no visible lane has is replaced by another,
    /// preferably one of which one value is better than another.
    pub fn curves(&self) -> [Metric; 2] {
        let all = self.scalars();
        let ranked = || {
            let judged = all.iter().filter(|metric| metric.better() != Better::None);
            judged.chain(all.iter().filter(|metric| metric.better() == Better::None))
        };
        let of = |wanted: Metric, taken: Option<Metric>| {
            let other = || ranked().copied().find(|metric| Some(*metric) != taken);
            if all.contains(&wanted) { wanted } else { other().unwrap_or(wanted) }
        };
        let upper = of(known::LOSS, all.contains(&known::ERROR).then_some(known::ERROR));
        [upper, of(known::ERROR, Some(upper))]
    }
}
