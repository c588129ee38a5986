//! The histograms of a lane's layers over its steps, in bounded memory; layer by layer, because a view shows one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::parts::{Kept, Part, Parts};
use crate::event::{Histogram, LayerHistograms};
use crate::units::{LayerIdx, Step};

/// The most snapshots kept: beyond, neighbours are added up in pairs, in aligned groups of a power of two. No value
/// that was counted is lost.
pub const SNAPSHOTS: usize = 256;

/// The steps that a snapshot covers: one while there are few, neighbours later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    first_step: Step,
    last_step: Step,
    /// How many snapshots were added up.
    count: u32,
}

/// Histograms over time. See [`SNAPSHOTS`].
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    spans: Vec<Span>,
    /// For each layer its histograms, one for each span.
    layers: Vec<Part<OfLayer>>,
    doublings: u32,
}

/// The histograms of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfLayer(Vec<LayerHistograms>);

impl Snapshots {
    /// Adds histograms. A step that was added up with later ones already is passed over: it is made again. Else
    /// one that is not later than the last takes back what was taken from there on.
    ///
    /// One entry a layer, in the order of the topology; none for a layer that is not recorded, at any step.
    pub fn push(&mut self, step: Step, layers: &[Option<&LayerHistograms>]) {
        self.rewind(step);
        if self.spans.last().is_some_and(|last| last.last_step >= step) {
            return;
        }
        if self.spans.is_empty() {
            self.layers = layers.iter().map(|_| Part::default()).collect();
        }
        let adds = self.spans.last().is_some_and(|last| last.count < 1 << self.doublings);
        if !adds && self.spans.len() == SNAPSHOTS {
            self.halve();
            return self.push(step, layers);
        }
        for (layer, more) in self.layers.iter_mut().zip(layers) {
            let Some(more) = *more else { continue };
            let all = &mut layer.get_mut().0;
            match all.last_mut() {
                Some(last) if adds => add_layer(last, more),
                _ => all.push(more.clone()),
            }
        }
        match self.spans.last_mut() {
            Some(last) if adds => {
                last.last_step = step;
                last.count += 1;
            }
            _ => self.spans.push(Span { first_step: step, last_step: step, count: 1 }),
        }
    }

    /// Takes back everything from `step` on. A sum that reaches over it stays whole: its steps are made again.
    pub fn rewind(&mut self, step: Step) {
        let kept = self.spans.partition_point(|span| span.first_step < step);
        if kept < self.spans.len() {
            self.spans.truncate(kept);
            self.layers.iter_mut().for_each(|layer| layer.get_mut().0.truncate(kept));
        }
    }

    fn halve(&mut self) {
        let pair = |pair: &[Span]| match *pair {
            [a, b] => Span { last_step: b.last_step, count: a.count + b.count, ..a },
            _ => pair[0],
        };
        self.spans = self.spans.chunks(2).map(pair).collect();
        for layer in &mut self.layers {
            let all = &mut layer.get_mut().0;
            for at in 1..all.len() {
                if at % 2 == 1 {
                    let (earlier, later) = all.split_at_mut(at);
                    add_layer(&mut earlier[at - 1], &later[0]);
                }
            }
            let mut at = 0;
            all.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        self.doublings = (self.doublings + 1).min(31);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What a layer showed at `step`, and the last step it covers: of the snapshot that covers it, else of the one
    /// before it.
    pub fn at(&self, step: Step, layer: LayerIdx) -> Option<(Step, &LayerHistograms)> {
        let at = self.spans.partition_point(|span| span.first_step <= step).checked_sub(1)?;
        Some((self.spans.get(at)?.last_step, self.layers.get(layer.0)?.get().0.get(at)?))
    }

    /// One layer over time: the first and the last step that each covers, and its histograms.
    pub fn of_layer(&self, layer: LayerIdx) -> impl Iterator<Item = (Step, Step, &LayerHistograms)> {
        let all = self.layers.get(layer.0).map(|layer| layer.get().0.as_slice()).unwrap_or_default();
        self.spans.iter().zip(all).map(|(span, layer)| (span.first_step, span.last_step, layer))
    }
}

/// What is kept beside the layers themselves.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outline {
    spans: Vec<Span>,
    layers: usize,
    doublings: u32,
}

/// Kept in an index.
impl Snapshots {
    pub(super) fn outline(&self) -> Outline {
        Outline { spans: self.spans.clone(), layers: self.layers.len(), doublings: self.doublings }
    }

    /// The name and the bytes of each layer's histograms.
    pub(super) fn parts(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        self.layers.iter().enumerate().map(|(at, layer)| (name_of(at), layer.get().to_bytes()))
    }

    /// From an outline, for a network of so many layers; none where it cannot be one of it.
    pub(super) fn restore(outline: Outline, layers: usize, parts: &Arc<dyn Parts>) -> Option<Snapshots> {
        let Outline { spans, layers: kept, doublings } = outline;
        let sound = spans.windows(2).all(|pair| pair[0].last_step < pair[1].first_step)
            && spans.iter().all(|span| span.first_step <= span.last_step);
        if !sound || spans.len() > SNAPSHOTS || !(kept == layers || spans.is_empty()) || doublings > 31 {
            return None;
        }
        let layers = (0..layers).map(|at| Part::kept(parts, name_of(at))).filter(|_| !spans.is_empty());
        let layers = layers.collect();
        Some(Snapshots { spans, layers, doublings })
    }
}

fn name_of(layer: usize) -> String {
    format!("histograms/{layer}")
}

impl Kept for OfLayer {
    /// For each histogram its first bin, its number of counts, its count of what is not finite, and the counts.
    fn to_bytes(&self) -> Vec<u8> {
        let mut words: Vec<u32> = Vec::new();
        let all =
            self.0.iter().flat_map(|layer| [&layer.activations, &layer.weight_gradients, &layer.weights]);
        for Histogram { first, counts, non_finite } in all {
            words.extend([u32::from(*first), counts.len() as u32, *non_finite]);
            words.extend(counts);
        }
        bytemuck::cast_slice(&words).to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<OfLayer> {
        if !bytes.len().is_multiple_of(size_of::<u32>()) {
            return None;
        }
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let mut words = words.as_slice();
        let mut layers = Vec::new();
        while !words.is_empty() {
            let mut next = || histogram(&mut words);
            let (activations, weight_gradients, weights) = (next()?, next()?, next()?);
            layers.push(LayerHistograms { activations, weight_gradients, weights });
        }
        Some(OfLayer(layers))
    }
}

fn histogram(words: &mut &[u32]) -> Option<Histogram> {
    let ([first, length, non_finite], rest) = words.split_first_chunk()?;
    let first = u8::try_from(*first).ok()?;
    let (counts, rest) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
    *words = rest;
    let fits = usize::from(first) + counts.len() <= Histogram::BINS;
    fits.then(|| Histogram { first, counts: counts.to_vec(), non_finite: *non_finite })
}

fn add_layer(sum: &mut LayerHistograms, more: &LayerHistograms) {
    sum.activations = add(&sum.activations, &more.activations);
    sum.weight_gradients = add(&sum.weight_gradients, &more.weight_gradients);
    sum.weights = add(&sum.weights, &more.weights);
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

    fn taken(step: u64) -> LayerHistograms {
        let mut bins = [0; Histogram::BINS];
        bins[40] = 2;
        bins[(step % 65) as usize] += 1;
        let activations = Histogram::from_bins(&bins, u32::from(step == 700));
        LayerHistograms { activations, ..Default::default() }
    }

    fn push(snapshots: &mut Snapshots, step: u64) {
        snapshots.push(Step(step), &[Some(&taken(step))]);
    }

    #[test]
    fn beyond_the_bound_counts_are_added_and_none_is_lost() {
        let mut snapshots = Snapshots::default();
        let steps = 5 * SNAPSHOTS as u64 + 3;
        (1..=steps).for_each(|step| push(&mut snapshots, step));
        assert!(snapshots.len() <= SNAPSHOTS);
        let of_layer = || snapshots.of_layer(LayerIdx(0)).map(|(_, _, layer)| &layer.activations);
        let counts: u32 = of_layer().flat_map(|h| h.bins()).sum();
        assert_eq!(u64::from(counts), 3 * steps);
        assert_eq!(of_layer().map(|h| h.non_finite).sum::<u32>(), 1);
        let steps_of: Vec<(Step, Step)> =
            snapshots.of_layer(LayerIdx(0)).map(|(first, last, _)| (first, last)).collect();
        assert!(steps_of.windows(2).all(|pair| pair[0].1.0 + 1 == pair[1].0.0));
        assert_eq!(steps_of.last().expect("some").1, Step(steps));
    }

    #[test]
    fn a_layer_is_read_back_from_its_bytes_and_never_from_others() {
        let layers = OfLayer((1..=300).map(taken).collect());
        let bytes = layers.to_bytes();
        assert_eq!(OfLayer::from_bytes(&bytes).expect("just written"), layers);
        for length in [1, 4, 16, bytes.len() - 4] {
            assert_eq!(OfLayer::from_bytes(&bytes[..length]), None);
        }
        let mut wrong = bytes;
        wrong[4..8].fill(0xff);
        assert_eq!(OfLayer::from_bytes(&wrong), None);
    }

    #[test]
    fn steps_made_again_leave_the_same_history() {
        let mut straight = Snapshots::default();
        (1..=1_300).for_each(|step| push(&mut straight, step));
        let mut resumed = Snapshots::default();
        (1..=900).for_each(|step| push(&mut resumed, step));
        resumed.rewind(Step(401));
        (401..=1_300).for_each(|step| push(&mut resumed, step));
        assert_eq!(format!("{resumed:?}"), format!("{straight:?}"));
    }
}
