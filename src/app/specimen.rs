//! Synthetic runs that look like real ones, for tests of state and screen: every value comes from closed formulas and a
//! hash. Public only for integration tests.

mod network;
mod pictures;
mod probed;
mod values;

use super::{App, LaneLabel};
use crate::event::*;
use crate::experiment::{
    Data, Experiment, Lane, Optimizer, Recording, Schedule, Setting, Settings, Training,
};
use crate::metric::known;
use crate::structure::Structure;
use crate::units::{LaneIdx, LayerIdx, Step};

pub use network::structure;
pub use pictures::add_pictures;
pub use probed::probed_with;

/// The lane to make up.
#[derive(Clone, Debug, PartialEq)]
pub struct Specimen {
    /// The lane's name.
    pub name: String,
    /// Weight layers, 6n+2.
    pub depth: usize,
    /// Its shortcut: `none`, `identity` or `projection`.
    pub shortcut: &'static str,
    /// Planned updates.
    pub steps: u64,
    /// Updates before its events stop without an end; none for a complete lane.
    pub breaks_off_at: Option<u64>,
    /// The step at which its loss becomes NaN.
    pub diverges_at: Option<u64>,
    /// Varies the noise.
    pub seed: u64,
}

impl Specimen {
    /// A complete lane of 300 steps.
    pub fn new(name: &str, depth: usize, shortcut: &'static str) -> Specimen {
        Specimen {
            name: name.to_owned(),
            depth,
            shortcut,
            steps: 300,
            breaks_off_at: None,
            diverges_at: None,
            seed: 0,
        }
    }

    /// All its events in order.
    pub fn events(&self) -> Vec<RunEvent> {
        let structure = structure(self.depth, 8, self.shortcut);
        let started = Kind::LaneStarted(Box::new(self.started(&structure)));
        let mut events = vec![RunEvent { step: Step(0), time: Time::at(40.0), kind: started }];
        let last = self.breaks_off_at.unwrap_or(self.steps).min(self.steps);
        self.evaluations(0, &mut events);
        for step in 1..=last {
            if self.diverges_at == Some(step) {
                self.diverge(step, &mut events);
                return events;
            }
            events.push(values::step(self, &structure, step));
            if step % HISTOGRAMS_EVERY == 0 || step == 1 {
                events.push(values::histograms(self, &structure, step));
            }
            if step % EVALUATE_EVERY == 0 || step == self.steps {
                self.evaluations(step, &mut events);
            }
        }
        if last == self.steps {
            let (step, time) = (Step(last), Time::at(self.at_ms(last)));
            let file = format!("{}-{last}.safetensors", self.name);
            let written = Kind::CheckpointWritten(CheckpointWritten { file, checksums: None });
            let finished = Kind::LaneFinished(LaneFinished { outcome: Outcome::Completed });
            events.extend([written, finished].map(|kind| RunEvent { step, time, kind }));
        }
        events
    }

    fn started(&self, structure: &Structure) -> LaneStarted {
        let provenance = Provenance {
            experiment: experiment(self.steps, &[self]),
            input: network::INPUT.into(),
            classes: network::CLASSES,
            train_images: 4_000,
            test_images: 1_000,
            initial_weights: "5f0c9a4e17d3b8621f6b0e9d24c7a5830c1e7f92ab64d8350e9b1c7d2f483a6e".to_owned(),
            batch_order: "b81e3d7250fa694c8d17e2b3905cf46a71d80be35f29c6471a0e9d83b5c2764f".to_owned(),
            data_set: None,
        };
        LaneStarted {
            version: FORMAT_VERSION,
            lane: self.name.clone(),
            structure: structure.clone(),
            recorded: None,
            declared: MetricsDeclared { metrics: values::metrics(), axes: Vec::new() },
            steps: Some(self.steps),
            activation_bytes: None,
            provenance: Some(provenance),
        }
    }

    fn diverge(&self, step: u64, events: &mut Vec<RunEvent>) {
        let (at_ms, step) = (self.at_ms(step), Step(step));
        let time = Time::at(at_ms);
        let layer = Some(LayerIdx(self.depth / 2));
        let found = Kind::NonFiniteFound(NonFiniteFound { layer, pass: Pass::Backward });
        events.push(RunEvent { step, time, kind: found });
        let time_of_step =
            Time { at_ms, step_ms: Some(self.step_ms()), statistics_ms: Some(0.4), ..Time::default() };
        let values = Values::default()
            .with(known::LOSS, f32::NAN)
            .with(known::ERROR, 0.9)
            .with(known::LEARNING_RATE, 0.05);
        events.push(RunEvent { step, time: time_of_step, kind: Kind::Measured(values) });
        let finished = Kind::LaneFinished(LaneFinished { outcome: Outcome::Diverged });
        events.push(RunEvent { step, time, kind: finished });
    }

    fn evaluations(&self, step: u64, events: &mut Vec<RunEvent>) {
        let passes = [(Split::Train, Mode::Eval), (Split::Train, Mode::Batch), (Split::Test, Mode::Eval)];
        for (split, mode) in passes {
            events.push(values::evaluation(self, step, split, mode));
        }
    }

    fn step_ms(&self) -> f64 {
        2.0 + 2.4 * self.depth as f64
    }

    fn at_ms(&self, step: u64) -> f64 {
        60.0 + step as f64 * self.step_ms() * 1.04
    }
}

const EVALUATE_EVERY: u64 = 50;
const HISTOGRAMS_EVERY: u64 = 10;
const BATCH: usize = 64;

/// An experiment with these lanes.
pub fn experiment(steps: u64, lanes: &[&Specimen]) -> Experiment {
    Experiment {
        question: "Does depth hurt a plain network, and does a shortcut mend it?".to_owned(),
        seed: 0,
        data: Data { train_images: Some(4_000), test_images: Some(1_000), ..Data::named("glyphs") },
        training: Training {
            steps,
            batch: BATCH,
            evaluate_every: EVALUATE_EVERY,
            evaluate_images: 1_000,
            checkpoint_every: 200,
            optimizer: Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 },
            schedule: Schedule::Steps { at: vec![steps / 2, steps * 3 / 4], factor: 0.1, warmup: 0 },
        },
        statistics: Recording { every: 1, histograms_every: HISTOGRAMS_EVERY, layers: Vec::new() },
        probes: Default::default(),
        lanes: lanes
            .iter()
            .map(|lane| {
                let settings = Settings::default()
                    .with("depth", lane.depth.into())
                    .with("width", Setting::Whole(8))
                    .with("shortcut", lane.shortcut.into());
                Lane::new(lane.name.clone(), "resnet", settings)
            })
            .collect(),
    }
}

/// Folds several specimens, interleaving their events as in one run.
pub fn app_of(specimens: &[Specimen]) -> App {
    app_with(specimens, |_| {})
}

/// As [`app_of`], with each event changed first.
pub fn app_with(specimens: &[Specimen], mut change: impl FnMut(&mut RunEvent)) -> App {
    let label = |s: &Specimen| LaneLabel { run: "glyphs-0001".to_owned(), lane: s.name.clone() };
    let mut app = App::new(specimens.iter().map(label).collect());
    let all: Vec<&Specimen> = specimens.iter().collect();
    let mut events: Vec<(LaneIdx, RunEvent)> = Vec::new();
    for (idx, specimen) in specimens.iter().enumerate() {
        for mut event in specimen.events() {
            if let Kind::LaneStarted(started) = &mut event.kind
                && let Some(provenance) = &mut started.provenance
            {
                provenance.experiment = experiment(specimen.steps, &all);
            }
            change(&mut event);
            events.push((LaneIdx(idx), event));
        }
    }
    events.sort_by(|(_, a), (_, b)| a.time.at_ms.total_cmp(&b.time.at_ms));
    for (lane, event) in &events {
        app.apply(*lane, event);
    }
    app
}

/// Plain-20 beside residual-20, complete.
pub fn plain_beside_residual() -> App {
    app_of(&[Specimen::new("plain", 20, "none"), Specimen::new("residual", 20, "identity")])
}

/// Plain-56 beside residual-56 in the middle of training: two thirds of the steps are made.
pub fn deep_in_the_middle() -> App {
    let half = |name: &str, shortcut| Specimen {
        steps: 600,
        breaks_off_at: Some(400),
        ..Specimen::new(name, 56, shortcut)
    };
    app_of(&[half("plain", "none"), half("residual", "identity")])
}

/// The runs of a sweep: plain and residual lanes of three depths, each with three seeds.
pub fn swept() -> App {
    swept_with(&[8, 20, 56], 3, |_| {})
}

/// The runs of a sweep: plain and residual lanes of these depths, each with so many seeds, each event changed first.
pub fn swept_with(depths: &[usize], seeds: u64, mut change: impl FnMut(&mut RunEvent)) -> App {
    let (mut labels, mut lanes) = (Vec::new(), Vec::new());
    for (depth, seed) in depths.iter().flat_map(|depth| (0..seeds).map(move |seed| (*depth, seed))) {
        let lane =
            |name: &str, shortcut| Specimen { steps: 50, seed, ..Specimen::new(name, depth, shortcut) };
        let both = [lane("plain", "none"), lane("residual", "identity")];
        for specimen in &both {
            labels.push(LaneLabel { run: format!("depths-{depth}-{seed}"), lane: specimen.name.clone() });
            let of_run = Experiment { seed, ..experiment(50, &both.iter().collect::<Vec<_>>()) };
            lanes.push((specimen.clone(), of_run));
        }
    }
    let mut app = App::new(labels);
    for (idx, (specimen, of_run)) in lanes.into_iter().enumerate() {
        for mut event in specimen.events() {
            if let Kind::LaneStarted(started) = &mut event.kind
                && let Some(provenance) = &mut started.provenance
            {
                provenance.experiment = of_run.clone();
            }
            change(&mut event);
            app.apply(LaneIdx(idx), &event);
        }
    }
    app
}

/// A plain lane that diverges in its backward pass at step 120, beside a residual one with projections.
pub fn one_diverged() -> App {
    app_of(&[
        Specimen { diverges_at: Some(120), ..Specimen::new("plain", 20, "none") },
        Specimen::new("residual-B", 20, "projection"),
    ])
}
