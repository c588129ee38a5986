//! How many directions the output of each block fills: its effective rank (Roy and Vetterli 2007), of all singular values.

use super::features::{Features, OfBlock};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::metric::probed::BLOCK_RANK;
use crate::statistics::{entropy_rank, singular_values};

pub(super) const PROBE: Entry = Entry {
    name: "rank",
    summary: "how many directions each block's output fills (Roy and Vetterli 2007)",
    keys: || vec![split("test"), examples(256)],
    metrics: |_| vec![BLOCK_RANK],
    run,
    ..PLAIN
};

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (split, most) = (subject.split(), subject.whole(EXAMPLES));
    let features = Features::of(subject, split, most)?;
    let mut ranks = vec![f32::NAN; subject.blocks()];
    for (rank, block) in ranks.iter_mut().zip(&features.blocks) {
        *rank = of_block(block) as f32;
        subject.rest()?;
    }
    Ok([(BLOCK_RANK, Value::Numbers(ranks))].into_iter().collect())
}

/// Of the features less their means; NaN where all rows are equal.
fn of_block(features: &OfBlock) -> f64 {
    entropy_rank(&singular_values(&features.centred(), features.width))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows up and down along each axis, so that the mean is the shift: of the singular values `sqrt(2) lengths`.
    #[test]
    fn the_rank_of_a_known_spectrum() {
        let of = |lengths: &[f32]| {
            let width = lengths.len();
            let rows = (0..2 * width).flat_map(|row| {
                let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
                (0..width).map(move |at| if at == row / 2 { 7.0 + sign * lengths[at] } else { 7.0 })
            });
            of_block(&OfBlock { width, numbers: rows.collect() })
        };
        assert!((of(&[2.0; 5]) - 5.0).abs() < 1e-9);
        assert!((of(&[0.0, 3.0, 0.0]) - 1.0).abs() < 1e-9);
        let halves = (0.5_f64 * 2.0_f64.ln() + 0.5 * 4.0_f64.ln()).exp();
        assert!((of(&[2.0, 1.0, 1.0]) - halves).abs() < 1e-9, "shares of 1/2, 1/4 and 1/4");
        assert!(of(&[0.0, 0.0]).is_nan());
    }
}
