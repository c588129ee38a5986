//! Synthetic runs for tests of state and screen. Public only for integration tests.

use std::path::PathBuf;

use super::RunsList;
use crate::experiment::{
    Data, Experiment, Lane, Optimizer, Recording, Schedule, Setting, Settings, Training,
};
use crate::history::{History, Point};
use crate::reading::curves::{LaneCurves, MOST_POINTS, RunCurves};
use crate::runlog::{Known, LaneSummary, Listed, Manifest, ManifestLane, Notes, RunSummary, State};
use crate::session::listing::Found;
use crate::units::Step;

/// 2026-11-23 at midnight, in milliseconds since 1970.
pub const DAY: i64 = 1_795_392_000_000;

/// A synthetic run.
#[derive(Clone, Debug)]
pub struct Made {
    id: String,
    seed: u64,
    batch: usize,
    minute: i64,
    notes: Notes,
    lanes: Vec<(Lane, LaneSummary)>,
}

impl Made {
    /// A run without lanes with this id, from which its time is taken.
    pub fn new(id: &str) -> Made {
        let digits = |range| id.get(range).and_then(|text: &str| text.parse::<i64>().ok()).unwrap_or(0);
        let minute = (digits(6..8) - 23) * 24 * 60 + digits(9..11) * 60 + digits(11..13);
        Made { id: id.to_owned(), seed: 7, batch: 64, minute, notes: Notes::default(), lanes: Vec::new() }
    }

    /// With another seed.
    pub fn seed(mut self, seed: u64) -> Made {
        self.seed = seed;
        self
    }

    /// With another batch.
    pub fn batch(mut self, batch: usize) -> Made {
        self.batch = batch;
        self
    }

    /// With a note and tags.
    pub fn note(mut self, note: &str, tags: &[&str]) -> Made {
        self.notes = Notes::new(note, tags);
        self
    }

    /// With one more lane; its errors follow from its loss.
    pub fn lane(&mut self, name: &str, depth: usize, shortcut: &str, state: State, loss: Option<f32>) {
        let architecture = "resnet".to_owned();
        let settings = Settings::default()
            .with("depth", depth.into())
            .with("width", Setting::Whole(8))
            .with("shortcut", shortcut.into());
        let lane = Lane::new(name, architecture, settings);
        let step = match state {
            State::Finished => 600,
            _ if loss.is_none() => 0,
            _ => 240,
        };
        let error = |factor: f32| loss.map(|loss| (factor * loss / 2.5).min(0.9));
        let summary = LaneSummary {
            name: name.to_owned(),
            state,
            step: Step(step),
            steps: 600,
            loss,
            error: error(0.9),
            train_error: error(0.8),
            test_error: error(1.0),
            elapsed_ms: step as f64 * 520.0,
            log_bytes: 0,
            lost_records: 0,
            reason: (state == State::Failed)
                .then(|| "could not write a checkpoint: no space left".to_owned()),
        };
        self.lanes.push((lane, summary));
    }

    /// With a plain lane and a residual one, both of 56 layers.
    pub fn pair(mut self, state: State, plain: f32, residual: f32) -> Made {
        self.lane("plain", 56, "none", state, Some(plain));
        self.lane("residual", 56, "identity", state, Some(residual));
        self
    }

    /// The run as it would be listed.
    pub fn listed(self) -> Listed {
        let label = self.id.splitn(3, '-').nth(2).unwrap_or(&self.id).to_owned();
        let (lanes, summaries): (Vec<Lane>, Vec<LaneSummary>) = self.lanes.into_iter().unzip();
        let started_unix_ms = DAY + self.minute * 60_000;
        let logs =
            lanes.iter().map(|l| ManifestLane { name: l.name.clone(), log: format!("{}.jsonl", l.name) });
        let manifest = Manifest {
            version: 1,
            run: self.id.clone(),
            skiplane: "0.1.0".to_owned(),
            experiment: label,
            question: "Does depth hurt a plain network, and does a shortcut mend it?".to_owned(),
            seed: self.seed,
            steps: 600,
            started: "2026-11-23T14:05:00.000Z".to_owned(),
            started_unix_ms,
            host: "mill".to_owned(),
            os: "linux x86_64".to_owned(),
            instruction_set: "avx2".to_owned(),
            threads: 2,
            command: ["skiplane", "train", "--headless"].map(str::to_owned).to_vec(),
            sweep: None,
            config: Default::default(),
            lanes: logs.collect(),
        };
        let summary = RunSummary {
            id: self.id.clone(),
            path: PathBuf::from("runs").join(&self.id),
            state: summaries.iter().map(|lane| lane.state).max().unwrap_or(State::Crashed),
            manifest,
            lanes: summaries,
        };
        let experiment = Some(experiment(self.seed, self.batch, lanes));
        let known = Known { summary, experiment, notes: self.notes, notes_problem: None };
        Listed { id: self.id, known: Ok(Box::new(known)) }
    }
}

/// A run that cannot be read.
pub fn unreadable(id: &str, why: &str) -> Listed {
    Listed { id: id.to_owned(), known: Err(why.to_owned()) }
}

fn experiment(seed: u64, batch: usize, lanes: Vec<Lane>) -> Experiment {
    Experiment {
        question: "Does depth hurt a plain network, and does a shortcut mend it?".to_owned(),
        seed,
        data: Data { train_images: Some(4_000), test_images: Some(1_000), ..Data::named("glyphs") },
        training: Training {
            steps: 600,
            batch,
            evaluate_every: 50,
            evaluate_images: 1_000,
            checkpoint_every: 200,
            optimizer: Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 },
            schedule: Schedule::Steps { at: vec![300, 450], factor: 0.1, warmup: 0 },
        },
        statistics: Recording { every: 1, histograms_every: 20, layers: Vec::new() },
        probes: Default::default(),
        lanes,
    }
}

/// Twelve runs in every state, among them three seeds of one configuration and one with another batch.
pub fn runs() -> Vec<Listed> {
    let mut tall = Made::new("20261122-231500-tall");
    tall.lane("110 層", 110, "projection", State::Crashed, Some(1.204));
    let mut diverged = Made::new("20261123-081200-too-fast").note("rate of 0.5", &[]);
    diverged.lane("plain", 20, "none", State::Diverged, Some(f32::NAN));
    diverged.lane("residual", 20, "identity", State::Finished, Some(0.311));
    let mut failed = Made::new("20261123-093000-full-disk");
    failed.lane("plain", 8, "none", State::Failed, Some(1.9));
    let mut empty = Made::new("20261123-150100-quick");
    empty.lane("plain", 14, "none", State::Running, None);
    vec![
        tall.listed(),
        Made::new("20261123-070000-depth")
            .seed(0)
            .note("", &["baseline"])
            .pair(State::Finished, 2.301, 0.0712)
            .listed(),
        Made::new("20261123-071000-depth")
            .seed(1)
            .note("", &["baseline"])
            .pair(State::Finished, 2.298, 0.0655)
            .listed(),
        Made::new("20261123-072000-depth")
            .seed(2)
            .note("the seed with the dip", &["baseline", "paper"])
            .pair(State::Finished, 2.312, 0.0834)
            .listed(),
        Made::new("20261123-080000-depth").seed(0).batch(128).pair(State::Stopped, 2.3, 0.402).listed(),
        diverged.listed(),
        failed.listed(),
        unreadable(
            "20261123-100000-broken",
            "run.json: expected a run's provenance: EOF while parsing a value",
        ),
        Made::new("20261123-110000-\u{1b}[31mred")
            .batch(32)
            .note("\u{7}beeps", &["a\u{1b}b"])
            .pair(State::Paused, 1.1, 1.2)
            .listed(),
        Made::new("20261123-140500-depth-over-night-with-a-long-name")
            .batch(256)
            .pair(State::Running, 1.73, 0.921)
            .listed(),
        empty.listed(),
    ]
}

/// The list of [`runs`], an hour after the last one started.
pub fn list() -> RunsList {
    let mut list = RunsList::new();
    list.apply(Found::Time(DAY + 16 * 3_600_000));
    list.apply(Found::Runs(runs()));
    list.apply(Found::Complete(Ok(())));
    list.settle();
    list
}

fn lane_curves(name: &str, loss: &History, test: &History) -> LaneCurves {
    let points =
        |history: &History| -> Vec<Point> { history.level(0, (Step(0), Step(u64::MAX)), MOST_POINTS) };
    LaneCurves { name: name.to_owned(), loss: points(loss), test: points(test) }
}

/// The curves of a pair of lanes, varied by a seed.
pub fn curves(id: &str, seed: u64) -> RunCurves {
    let lane = |name: &str, floor: f32| {
        let [mut loss, mut test] = [(); 2].map(|()| History::of_scalars());
        for step in 1..=600u64 {
            let noise = ((step * 2_654_435_761 + seed * 40_503) % 1_000) as f32 / 1_000.0 - 0.5;
            let shift = (seed as f32 - 1.0) * 0.05;
            let value = floor + (2.3 - floor) * (-(step as f32) / 150.0).exp() + 0.1 * noise + shift;
            loss.push(Step(step), 0.0, &[value]);
            if step.is_multiple_of(50) {
                let value = floor / 2.5 + 0.5 * (-(step as f32) / 150.0).exp() + 0.4 * shift;
                test.push(Step(step), 0.0, &[value]);
            }
        }
        lane_curves(name, &loss, &test)
    };
    RunCurves { id: id.to_owned(), lanes: Ok(vec![lane("plain", 1.6), lane("residual", 0.1)]) }
}

/// The list of [`runs`] with two repeats of the first seed of its group, and one that diverged.
pub fn list_with_repeats() -> RunsList {
    let mut list = list();
    let again =
        |id: &str| Made::new(id).seed(0).note("", &["baseline"]).pair(State::Finished, 2.3, 0.07).listed();
    let diverged = Made::new("20261123-074000-depth").seed(3).pair(State::Diverged, f32::NAN, f32::NAN);
    let (second, third) = (again("20261123-072500-depth"), again("20261123-073000-depth"));
    list.apply(Found::Runs(vec![second, third, diverged.listed()]));
    list.settle();
    list
}

/// Curves that grow out of any scale from a third of the steps on.
pub fn diverging_curves(id: &str) -> RunCurves {
    let lane = |name: &str| {
        let [mut loss, mut test] = [(); 2].map(|()| History::of_scalars());
        for step in 1..=300u64 {
            loss.push(Step(step), 0.0, &[if step < 200 { 2.3 } else { 1e21 * step as f32 }]);
            if step.is_multiple_of(50) {
                test.push(Step(step), 0.0, &[0.9]);
            }
        }
        lane_curves(name, &loss, &test)
    };
    RunCurves { id: id.to_owned(), lanes: Ok(vec![lane("plain"), lane("residual")]) }
}
