//! What each block contributes to a network as it is: its loss and error without the block, and with two blocks in each
//! other's place (Veit et al. 2016, section 4). Batch norm keeps its statistics.

use super::{Entry, PLAIN, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::metric::probed;
use crate::model::Changes;
use crate::units::BlockIdx;

pub(super) const PROBE: Entry = Entry {
    name: "lesion",
    summary: "loss and error without each block, and with two blocks in each other's place",
    keys: || vec![split("test"), examples(256)],
    metrics: |_| {
        vec![
            probed::INTACT_LOSS,
            probed::INTACT_ERROR,
            probed::LESION_LOSS,
            probed::LESION_ERROR,
            probed::SWAP_ERROR,
        ]
    },
    run,
    ..PLAIN
};

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let [intact_loss, intact_error] = subject.changed(&Changes::default())?;
    let [mut losses, mut errors, mut swapped] = [const { Vec::new() }; 3];
    for block in (0..subject.blocks()).map(BlockIdx) {
        let [loss, error] = subject.changed(&Changes::without(block))?;
        losses.push(loss);
        errors.push(error);
        swapped.push(match subject.next_alike(block) {
            Some(other) => subject.changed(&Changes::swapped(block, other))?[1],
            None => f32::NAN,
        });
    }
    let of_blocks =
        [(probed::LESION_LOSS, losses), (probed::LESION_ERROR, errors), (probed::SWAP_ERROR, swapped)];
    let of_blocks = of_blocks.into_iter().map(|(metric, numbers)| (metric, Value::Numbers(numbers)));
    Ok(Values::default()
        .with(probed::INTACT_LOSS, intact_loss)
        .with(probed::INTACT_ERROR, intact_error)
        .and(of_blocks.collect()))
}
