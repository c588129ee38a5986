//! Probes: what is measured of a network between two steps, besides its evaluations. An explicit list, one file per probe.
//! A probe changes nothing, so that training has the same bits with and without it.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::datasets::{Batch, BatchOrder, Dataset};
use crate::event::{Mode, Outcome, Split, Values};
use crate::experiment::{Allowed, CheckSettings, Experiment, Key, Probe, ProbeEntry, Settings};
use crate::metric::{Axis, Metric};
use crate::model::{Changes, Description, Evaluation, LossGradient, Network};
use crate::trainer::evaluation::{Fixed, Total};
use crate::trainer::{Drawn, Task};
use crate::units::{BlockIdx, InputShape, Step};

mod displacement;
mod features;

mod lesion;
mod lens;
mod linear;
mod rank;
mod cka;
mod signal;
mod surface;
mod gradient_noise;
mod hessian;
mod pictures;

/// A probe.
pub(super) struct Entry {
    /// Its name in a file.
    name: &'static str,
    /// One line on what it measures.
    summary: &'static str,
    /// The keys of its table.
    keys: fn() -> Vec<Key>,
    /// Checks what one key alone does not show.
    check: CheckSettings,
    /// What it measures with these settings.
    metrics: fn(&Settings) -> Vec<Metric>,
    /// The axes of that other than layers and blocks.
    axes: fn(&Settings, &Description) -> Vec<Axis>,
    /// Measures a value of each of its metrics.
    ///
    /// # Errors
    /// The outcome by which the lane ends, if an order says so.
    run: fn(&mut Subject<'_>) -> Result<Values, Outcome>,
}

/// Every probe, in the order in which they are run and listed to a user.
const ALL: &[Entry] = &[
    lesion::PROBE,
    lens::PROBE,
    linear::PROBE,
    rank::PROBE,
    cka::PROBE,
    signal::PROBE,
    surface::PROBE,
    gradient_noise::PROBE,
    hessian::PROBE,
    pictures::PROBE,
];

/// What a probe has that needs nothing else.
const PLAIN: Entry = Entry {
    name: "",
    summary: "",
    keys: Vec::new,
    check: |_| Ok(()),
    metrics: |_| Vec::new(),
    axes: |_, _| Vec::new(),
    run: |_| Ok(Values::default()),
};

/// Every probe with the keys it declares, for the parser of experiments.
pub fn available() -> Vec<ProbeEntry> {
    let entry =
        |&Entry { name, summary, keys, check, .. }: &Entry| ProbeEntry { name, summary, keys: keys(), check };
    ALL.iter().map(entry).collect()
}

/// The probes of an experiment, in the order in which they are run.
pub(super) fn chosen(experiment: &Experiment) -> impl Iterator<Item = Chosen<'_>> {
    ALL.iter().filter_map(|entry| {
        Some(Chosen { entry, settings: Cow::Borrowed(experiment.probes.get(entry.name)?) })
    })
}

/// The probe of a name as the experiment has it, or else with the defaults of its keys; none if there is no such probe.
pub(super) fn named<'a>(experiment: &'a Experiment, name: &str) -> Option<Chosen<'a>> {
    let entry = ALL.iter().find(|entry| entry.name == name)?;
    let by_default = || Cow::Owned(Probe { settings: entry.defaults(), ..Probe::default() });
    Some(Chosen { entry, settings: experiment.probes.get(name).map_or_else(by_default, Cow::Borrowed) })
}

/// The name of the probe that measured something of this; none if it was none of this build.
pub fn probe_of(values: &Values) -> Option<&'static str> {
    let has = |metric: &Metric| values.get(*metric).is_some();
    ALL.iter().find(|entry| (entry.metrics)(&entry.defaults()).iter().any(has)).map(|entry| entry.name)
}

impl Entry {
    /// The defaults of its keys.
    fn defaults(&self) -> Settings {
        let mut settings = Settings::default();
        settings.complete(&(self.keys)());
        settings
    }
}

/// A probe with the values of its keys.
pub(super) struct Chosen<'a> {
    entry: &'static Entry,
    pub(super) settings: Cow<'a, Probe>,
}

impl Chosen<'_> {
    /// What it measures.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        (self.entry.metrics)(&self.settings.settings)
    }

    /// The axes of that other than layers and blocks.
    pub(super) fn axes(&self, description: &Description) -> Vec<Axis> {
        (self.entry.axes)(&self.settings.settings, description)
    }

    /// Measures.
    ///
    /// # Errors
    /// The outcome by which the lane ends, if an order says so.
    pub(super) fn run(&self, mut subject: Subject<'_>) -> Result<Values, Outcome> {
        (self.entry.run)(&mut subject)
    }
}

/// A network that something else is done with between two batches, such as carrying out orders.
pub(super) trait Interruptible {
    /// The network.
    fn network(&mut self) -> &mut dyn Network;

    /// Does it.
    ///
    /// # Errors
    /// The outcome by which the lane ends now.
    fn between_batches(&mut self) -> Result<(), Outcome>;
}

/// What a probe is given.
pub(super) struct Subject<'a> {
    lane: &'a mut dyn Interruptible,
    dataset: &'a Dataset,
    experiment: &'a Experiment,
    order: &'a BatchOrder,
    settings: &'a Settings,
    /// The updates made.
    step: Step,
    batch: Batch,
}

impl<'a> Subject<'a> {
    /// A network after a step, for a probe.
    pub(super) fn new(
        lane: &'a mut dyn Interruptible,
        task: &'a Task<'a>,
        step: Step,
        probe: &'a Probe,
    ) -> Subject<'a> {
        let Task { dataset, experiment, order, .. } = *task;
        Subject { lane, dataset, experiment, order, settings: &probe.settings, step, batch: Batch::default() }
    }

    /// The network, for what is done at once.
    fn network(&mut self) -> &mut dyn Network {
        self.lane.network()
    }

    /// Its blocks.
    fn blocks(&mut self) -> usize {
        self.network().description().structure.blocks.len()
    }

    /// What batch norm normalises by: running statistics, unless there are none yet, before the first update.
    fn mode(&self) -> Mode {
        if self.step == Step(0) { Mode::Batch } else { Mode::Eval }
    }

    /// The whole number of a key.
    fn whole(&self, key: &str) -> usize {
        self.settings.whole(key).unwrap_or_default()
    }

    /// The number of a key.
    fn number(&self, key: &str) -> f64 {
        self.settings.number(key).unwrap_or_default()
    }

    /// The examples of the key [`split`].
    fn split(&self) -> Split {
        if self.settings.word("split") == Some("train") { Split::Train } else { Split::Test }
    }

    /// Calls `work` with each batch of the first examples of a split, until it wants no more.
    fn each_batch(
        &mut self,
        split: Split,
        most: usize,
        mode: Mode,
        mut work: impl FnMut(&mut dyn Network, &Batch) -> ControlFlow<()>,
    ) -> Result<(), Outcome> {
        let mut fixed = Fixed::new(self.dataset, split, most, self.experiment.training.batch, mode);
        let mut batch = std::mem::take(&mut self.batch);
        while fixed.next(&mut batch) {
            let flow = work(self.lane.network(), &batch);
            self.lane.between_batches()?;
            if flow.is_break() {
                break;
            }
        }
        self.batch = batch;
        Ok(())
    }

    /// Lets orders be carried out during a long computation.
    fn rest(&mut self) -> Result<(), Outcome> {
        self.lane.between_batches()
    }

    /// The gradient of a batch's loss.
    fn gradients(&mut self, batch: &Batch) -> Result<LossGradient, Outcome> {
        let gradients = self.lane.network().gradients(batch);
        self.lane.between_batches()?;
        Ok(gradients)
    }

    /// The batches of the steps to come.
    fn drawn(&self) -> Drawn<'a> {
        Drawn::new(self.experiment, self.dataset, self.order.clone())
    }

    /// Labels of an example: 1, or one for each token of a sequence.
    fn labels_of_example(&mut self) -> usize {
        match self.network().description().input {
            InputShape::Sequence { context, .. } => context,
            InputShape::Image(_) | InputShape::Vector { .. } => 1,
        }
    }

    /// The mean loss and the error on the examples of the keys [`split`] and [`examples`]; NaN without examples.
    fn loss_and_error(
        &mut self,
        mut evaluate: impl FnMut(&mut dyn Network, &Batch, Mode) -> Evaluation,
    ) -> Result<[f32; 2], Outcome> {
        let (mode, mut total) = (self.mode(), Total::default());
        let (split, most) = (self.split(), self.whole(EXAMPLES));
        self.each_batch(split, most, mode, |network, batch| {
            total.add(evaluate(network, batch, mode));
            ControlFlow::Continue(())
        })?;
        Ok(total.result().map_or([f32::NAN; 2], |(loss, error)| [loss, error]))
    }

    /// The same with changes; NaN if they are not possible.
    fn changed(&mut self, changes: &Changes) -> Result<[f32; 2], Outcome> {
        if !self.network().can_change(changes) {
            return Ok([f32::NAN; 2]);
        }
        self.loss_and_error(|network, batch, mode| network.evaluate_changed(batch, mode, changes))
    }

    /// The next block that can change places with this one.
    fn next_alike(&mut self, block: BlockIdx) -> Option<BlockIdx> {
        let blocks = self.blocks();
        let network = self.network();
        (block.0 + 1..blocks).map(BlockIdx).find(|other| network.can_change(&Changes::swapped(block, *other)))
    }
}

/// The name of the key [`examples`].
const EXAMPLES: &str = "examples";

/// The key of how many examples are used.
fn examples(default: usize) -> Key {
    let allowed = Allowed::Whole { least: 2, most: 1_000_000 };
    Key::with_default(EXAMPLES, "the most examples that are used, the first of the split", allowed, default)
}

/// The key of which examples are used.
fn split(default: &'static str) -> Key {
    let allowed = Allowed::Words(vec!["train", "test"]);
    Key::with_default("split", "whether training or test examples are used", allowed, default)
}

#[cfg(test)]
mod tests;
