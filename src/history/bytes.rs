//! A history as bytes in native order, as an index stores it. Any bytes that are not a valid history are rejected.

use bytemuck::Pod;

use super::{Bounds, Cell, History, Moment, Rows, Span};
use crate::event::Histogram;

/// The kinds of rows.
const EXACT: u64 = 0;
const MERGED: u64 = 1;
const HISTOGRAMS: u64 = 2;

impl History {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match &self.rows {
            Rows::Exact { .. } => EXACT,
            Rows::Merged { .. } => MERGED,
            Rows::Histograms { .. } => HISTOGRAMS,
        };
        let head = [kind, self.width as u64, self.len() as u64, self.level.into()];
        let mut bytes: Vec<u8> = bytemuck::cast_slice(&head).to_vec();
        match &self.rows {
            Rows::Exact { moments, values } => {
                bytes.extend_from_slice(bytemuck::cast_slice(moments));
                bytes.extend_from_slice(bytemuck::cast_slice(values));
            }
            Rows::Merged { spans, cells } => {
                bytes.extend_from_slice(bytemuck::cast_slice(spans));
                bytes.extend_from_slice(bytemuck::cast_slice(cells));
            }
            Rows::Histograms { spans, histograms } => {
                bytes.extend_from_slice(bytemuck::cast_slice(spans));
                // For each: its first bin, the number of counts, the count of non-finite values, and the counts.
                let mut words: Vec<u32> = Vec::new();
                for Histogram { first, counts, non_finite } in histograms {
                    words.extend([u32::from(*first), counts.len() as u32, *non_finite]);
                    words.extend(counts);
                }
                bytes.extend_from_slice(bytemuck::cast_slice(&words));
            }
        }
        bytes
    }

    /// Restores what [`History::to_bytes`] wrote, of a history of this width within these bounds; none if the bytes
    /// are not valid.
    pub fn from_bytes(bytes: &[u8], width: usize, bounds: Bounds) -> Option<History> {
        let (head, rest) = bytes.split_at_checked(size_of::<[u64; 4]>())?;
        let [kind, found, rows, level] = bytemuck::pod_read_unaligned::<[u64; 4]>(head);
        let (rows, level) = (usize::try_from(rows).ok()?, u32::try_from(level).ok()?);
        let most = if kind == EXACT { bounds.exact } else { bounds.merged.max(2) };
        if found != width as u64 || rows > most || level >= u64::BITS || (kind == EXACT && level > 0) {
            return None;
        }
        let values = rows.checked_mul(width)?;
        let rows = match kind {
            EXACT => {
                let (moments, values) = (take::<Moment>(rest, rows)?, values);
                let rest = &rest[size_of_val(moments.as_slice())..];
                let ascends = moments.windows(2).all(|pair| pair[0].step < pair[1].step);
                Rows::Exact { moments: ascends.then_some(moments)?, values: all_of(rest, values)? }
            }
            MERGED => {
                let (spans, rest) = spans_of(rest, rows)?;
                Rows::Merged { spans, cells: all_of::<Cell>(rest, values)? }
            }
            HISTOGRAMS => {
                let (spans, rest) = spans_of(rest, rows)?;
                Rows::Histograms { spans, histograms: histograms_of(rest, values)? }
            }
            _ => return None,
        };
        Some(History { width, rows, bounds, level })
    }
}

/// The first `count` values in bytes.
fn take<T: Pod>(bytes: &[u8], count: usize) -> Option<Vec<T>> {
    let taken = bytes.get(..count.checked_mul(size_of::<T>())?)?;
    // The fallback, for unaligned bytes, writes the memory twice.
    Some(bytemuck::try_cast_slice(taken).map_or_else(|_| bytemuck::pod_collect_to_vec(taken), <[T]>::to_vec))
}

/// Bytes that are exactly `count` values.
fn all_of<T: Pod>(bytes: &[u8], count: usize) -> Option<Vec<T>> {
    (Some(bytes.len()) == count.checked_mul(size_of::<T>())).then(|| take(bytes, count)).flatten()
}

fn spans_of(bytes: &[u8], rows: usize) -> Option<(Vec<Span>, &[u8])> {
    let spans: Vec<Span> = take(bytes, rows)?;
    let sound = spans.windows(2).all(|pair| pair[0].last_step < pair[1].first_step)
        && spans.iter().all(|span| span.first_step <= span.last_step && span.count > 0);
    let rest = &bytes[size_of_val(spans.as_slice())..];
    sound.then_some((spans, rest))
}

fn histograms_of(bytes: &[u8], count: usize) -> Option<Vec<Histogram>> {
    let words: Vec<u32> = all_of(bytes, bytes.len() / size_of::<u32>())?;
    let mut words = words.as_slice();
    let mut histograms = Vec::new();
    for _ in 0..count {
        let ([first, length, non_finite], rest) = words.split_first_chunk()?;
        let first = u8::try_from(*first).ok()?;
        let (counts, rest) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
        words = rest;
        let fits = usize::from(first) + counts.len() <= Histogram::BINS;
        histograms.push(fits.then(|| Histogram {
            first,
            counts: counts.to_vec(),
            non_finite: *non_finite,
        })?);
    }
    words.is_empty().then_some(histograms)
}
