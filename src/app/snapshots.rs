//! The history of every layer's histograms, in bounded memory.

use crate::event::{Histogram, HistogramsTaken, LayerHistograms};
use crate::units::{LayerIdx, Step};

/// The most snapshots a lane holds: then neighbours are merged in pairs, their counts added.
///
/// 57 layers with three full histograms take 57 x 3 x 65 x 4 x 256 bytes, 11 MB, when full.
pub const SNAPSHOTS: usize = 256;

/// The histograms of all layers at a step, or added over neighbouring recorded steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The first step it covers.
    pub first_step: Step,
    /// The last step it covers.
    pub last_step: Step,
    /// How many recorded steps were added.
    pub count: u32,
    /// One entry a layer, in the order of the topology.
    pub layers: Vec<LayerHistograms>,
}

/// A lane's histograms over time. See [`SNAPSHOTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshots {
    all: Vec<Snapshot>,
    doublings: u32,
}

impl Snapshots {
    /// Adds a step's histograms; a step that is not later than the last takes back those from there on.
    pub fn push(&mut self, taken: &HistogramsTaken) {
        self.rewind(taken.step);
        match self.all.last_mut() {
            Some(last) if last.count < 1 << self.doublings => {
                add_layers(&mut last.layers, &taken.layers);
                last.last_step = taken.step;
                last.count += 1;
            }
            _ => {
                if self.all.len() == SNAPSHOTS {
                    self.halve();
                }
                self.all.push(Snapshot {
                    first_step: taken.step,
                    last_step: taken.step,
                    count: 1,
                    layers: taken.layers.clone(),
                });
            }
        }
    }

    /// Takes back everything from `step` on. A merged snapshot that reaches over it is cut in its steps only.
    pub fn rewind(&mut self, step: Step) {
        while self.all.last().is_some_and(|last| last.first_step >= step) {
            self.all.pop();
        }
        if let Some(last) = self.all.last_mut()
            && last.last_step >= step
        {
            last.last_step = Step(step.0.saturating_sub(1)).max(last.first_step);
        }
    }

    fn halve(&mut self) {
        let mut merged: Vec<Snapshot> = Vec::with_capacity(SNAPSHOTS);
        for (at, snapshot) in self.all.drain(..).enumerate() {
            match merged.last_mut() {
                Some(earlier) if at % 2 == 1 => {
                    add_layers(&mut earlier.layers, &snapshot.layers);
                    earlier.last_step = snapshot.last_step;
                    earlier.count += snapshot.count;
                }
                _ => merged.push(snapshot),
            }
        }
        self.all = merged;
        // 2^31 snapshots merged into one is past any run; staying there keeps the shift valid.
        self.doublings = (self.doublings + 1).min(31);
    }

    /// All snapshots, in ascending steps.
    pub fn all(&self) -> &[Snapshot] {
        &self.all
    }

    /// What stood at `step`: the snapshot that covers it, else the one before it.
    pub fn at(&self, step: Step) -> Option<&Snapshot> {
        let after = self.all.partition_point(|snapshot| snapshot.first_step <= step);
        self.all[..after].last()
    }

    /// A layer's snapshots over time, with the first and the last step each covers.
    pub fn of_layer(&self, layer: LayerIdx) -> impl Iterator<Item = (Step, Step, &LayerHistograms)> {
        self.all.iter().filter_map(move |s| Some((s.first_step, s.last_step, s.layers.get(layer.0)?)))
    }
}

fn add_layers(sum: &mut Vec<LayerHistograms>, more: &[LayerHistograms]) {
    if sum.len() < more.len() {
        sum.resize_with(more.len(), LayerHistograms::default);
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.activations = add(&sum.activations, &more.activations);
        sum.weight_gradients = add(&sum.weight_gradients, &more.weight_gradients);
        sum.weights = add(&sum.weights, &more.weights);
    }
}

fn add(a: &Histogram, b: &Histogram) -> Histogram {
    let mut bins = a.bins();
    for (sum, more) in bins.iter_mut().zip(b.bins()) {
        *sum = sum.saturating_add(more);
    }
    Histogram::from_bins(&bins, a.non_finite.saturating_add(b.non_finite))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_counts_are_added_and_none_is_lost() {
        let mut snapshots = Snapshots::default();
        let steps = 5 * SNAPSHOTS as u64 + 3;
        for step in 1..=steps {
            let mut bins = [0; Histogram::BINS];
            bins[40] = 2;
            bins[(step % 65) as usize] += 1;
            let activations = Histogram::from_bins(&bins, u32::from(step == 700));
            let layers = vec![LayerHistograms { activations, ..Default::default() }];
            snapshots.push(&HistogramsTaken { step: Step(step), layers, time: Default::default() });
        }
        assert!(snapshots.all().len() <= SNAPSHOTS);
        let of_layer = || snapshots.of_layer(LayerIdx(0)).map(|(_, _, layer)| &layer.activations);
        let counts: u32 = of_layer().flat_map(|h| h.bins()).sum();
        assert_eq!(u64::from(counts), 3 * steps);
        assert_eq!(of_layer().map(|h| h.non_finite).sum::<u32>(), 1);
        let covered = snapshots.all().windows(2).all(|w| w[0].last_step.0 + 1 == w[1].first_step.0);
        assert!(covered && snapshots.all().last().expect("some").last_step == Step(steps));
    }
}
