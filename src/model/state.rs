//! Converts a network's tensors to named ones in the layout of PyTorch's state dict, and back.

use crate::model::builder::{Entry, Named, NamedRunning};
use crate::model::optimizer::Optimizer;
use crate::model::{ModelError, NamedTensor, TensorData};
use crate::nn::ops::Running;
use crate::units::BlockIdx;

/// The parameters among the entries.
pub(super) fn parameters(entries: &[Entry]) -> impl Iterator<Item = &Named> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Parameter(named) => Some(named),
        Entry::Running(_) => None,
    })
}

/// The running statistics of every batch norm.
pub(super) fn running(entries: &[Entry]) -> Vec<Running> {
    entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Running(named) => Some(named.running.borrow().clone()),
            Entry::Parameter(_) => None,
        })
        .collect()
}

/// Restores running statistics that [`running`] returned.
pub(super) fn restore_running(entries: &[Entry], saved: Vec<Running>) {
    let all = entries.iter().filter_map(|entry| match entry {
        Entry::Running(named) => Some(&named.running),
        Entry::Parameter(_) => None,
    });
    all.zip(saved).for_each(|(running, saved)| *running.borrow_mut() = saved);
}

/// The tensors of a block, in the order in which they were declared.
fn of_block(entries: &[Entry], block: BlockIdx) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(move |entry| entry.block() == Some(block))
}

/// The shapes in memory of the tensors of a block, in the order in which they were declared.
pub(super) fn shapes_of_block(entries: &[Entry], block: BlockIdx) -> Vec<Vec<usize>> {
    let shape = |entry: &Entry| match entry {
        Entry::Parameter(named) => named.parameter.shape(),
        Entry::Running(named) => vec![named.running.borrow().mean.len()],
    };
    of_block(entries, block).map(shape).collect()
}

/// Exchanges the tensors of two blocks, which have the same shapes.
pub(super) fn exchange(entries: &[Entry], [a, b]: [BlockIdx; 2]) {
    for pair in of_block(entries, a).zip(of_block(entries, b)) {
        match pair {
            (Entry::Parameter(a), Entry::Parameter(b)) => {
                a.parameter.values_mut().swap_with_slice(&mut b.parameter.values_mut());
            }
            (Entry::Running(a), Entry::Running(b)) => a.running.swap(&b.running),
            _ => unreachable!("blocks of the same shapes declare the same tensors"),
        }
    }
}

/// The state dict.
pub(super) fn of_model(entries: &[Entry]) -> Vec<NamedTensor> {
    entries.iter().flat_map(of_entry).collect()
}

/// The tensors of an entry in the state dict.
pub(super) fn of_entry(entry: &Entry) -> Vec<NamedTensor> {
    match entry {
        Entry::Parameter(Named { name, parameter, .. }) => {
            vec![in_torch_layout(name.clone(), &parameter.shape(), &parameter.values())]
        }
        Entry::Running(NamedRunning { name: norm, running, .. }) => {
            let running = running.borrow();
            let length = [running.mean.len()];
            vec![
                in_torch_layout(format!("{norm}.running_mean"), &length, &running.mean),
                in_torch_layout(format!("{norm}.running_var"), &length, &running.variance),
                scalar(format!("{norm}.num_batches_tracked"), running.batches),
            ]
        }
    }
}

/// The optimiser's state.
pub(super) fn of_optimizer(optimizer: &Optimizer, entries: &[Entry]) -> Vec<NamedTensor> {
    let mut state = vec![scalar("optimizer.updates".to_owned(), optimizer.updates())];
    for (index, Named { name, parameter, .. }) in parameters(entries).enumerate() {
        for (kind, values) in optimizer.memory(index) {
            state.push(in_torch_layout(format!("optimizer.{kind}.{name}"), &parameter.shape(), values));
        }
    }
    state
}

/// Checks that a state has exactly the tensors of `expected`, each with its shape and type.
pub(super) fn check(state: &[NamedTensor], expected: &[NamedTensor]) -> Result<(), ModelError> {
    for wanted in expected {
        let name = || wanted.name.clone();
        let found = find(state, &wanted.name).ok_or_else(|| ModelError::MissingTensor { name: name() })?;
        let (wanted, found) = (describe(wanted), describe(found));
        if wanted != found {
            return Err(ModelError::TensorShape { name: name(), expected: wanted, found });
        }
    }
    match state.iter().find(|tensor| find(expected, &tensor.name).is_none()) {
        Some(surplus) => Err(ModelError::SurplusTensor { name: surplus.name.clone() }),
        None => Ok(()),
    }
}

/// Loads the entries from a state checked by [`check`].
pub(super) fn load_model(entries: &[Entry], state: &[NamedTensor]) {
    for entry in entries {
        match entry {
            Entry::Parameter(Named { name, parameter, .. }) => {
                fill(state, name, &parameter.shape(), &mut parameter.values_mut());
            }
            Entry::Running(NamedRunning { name: norm, running, .. }) => {
                let mut running = running.borrow_mut();
                let length = [running.mean.len()];
                fill(state, &format!("{norm}.running_mean"), &length, &mut running.mean);
                fill(state, &format!("{norm}.running_var"), &length, &mut running.variance);
                if let Some(batches) = find_scalar(state, &format!("{norm}.num_batches_tracked")) {
                    running.batches = batches;
                }
            }
        }
    }
}

/// Loads the optimiser from a state checked by [`check`].
pub(super) fn load_optimizer(optimizer: &mut Optimizer, entries: &[Entry], state: &[NamedTensor]) {
    if let Some(updates) = find_scalar(state, "optimizer.updates") {
        optimizer.set_updates(updates);
    }
    for (index, Named { name, parameter, .. }) in parameters(entries).enumerate() {
        for (kind, values) in optimizer.memory_mut(index) {
            fill(state, &format!("optimizer.{kind}.{name}"), &parameter.shape(), values);
        }
    }
}

fn find<'a>(state: &'a [NamedTensor], name: &str) -> Option<&'a NamedTensor> {
    state.iter().find(|tensor| tensor.name == name)
}

fn find_scalar(state: &[NamedTensor], name: &str) -> Option<i64> {
    match &find(state, name)?.data {
        TensorData::I64(values) => values.first().copied(),
        TensorData::F32(_) => None,
    }
}

fn scalar(name: String, value: i64) -> NamedTensor {
    NamedTensor { name, shape: Vec::new(), data: TensorData::I64(vec![value]) }
}

/// Type, shape and length, which must be equal for two tensors.
fn describe(tensor: &NamedTensor) -> String {
    let (kind, length) = match &tensor.data {
        TensorData::F32(values) => ("f32", values.len()),
        TensorData::I64(values) => ("i64", values.len()),
    };
    format!("{length} {kind} of shape {:?}", tensor.shape)
}

/// The order of axes that converts the memory layout to PyTorch's: convolutions from height, width, in, out to out, in,
/// height, width; others unchanged.
fn torch_index(shape: &[usize]) -> (Vec<usize>, impl Fn(usize) -> usize) {
    let convolution = match *shape {
        [height, width, inputs, outputs] => Some([height, width, inputs, outputs]),
        _ => None,
    };
    let torch_shape = convolution.map_or_else(|| shape.to_vec(), |[h, w, i, o]| vec![o, i, h, w]);
    let index = move |torch: usize| match convolution {
        None => torch,
        Some([height, width, inputs, outputs]) => {
            let (pixel, channel) = (torch % (height * width), torch / (height * width));
            let (input, output) = (channel % inputs, channel / inputs);
            (pixel * inputs + input) * outputs + output
        }
    };
    (torch_shape, index)
}

pub(super) fn in_torch_layout(name: String, shape: &[usize], values: &[f32]) -> NamedTensor {
    let (shape, index) = torch_index(shape);
    let data = (0..values.len()).map(|torch| values[index(torch)]).collect();
    NamedTensor { name, shape, data: TensorData::F32(data) }
}

/// Copies a tensor of the state to its place in memory.
fn fill(state: &[NamedTensor], name: &str, shape: &[usize], into: &mut [f32]) {
    if let Some(NamedTensor { data: TensorData::F32(values), .. }) = find(state, name) {
        let (_, index) = torch_index(shape);
        values.iter().enumerate().for_each(|(torch, &x)| into[index(torch)] = x);
    }
}

#[cfg(test)]
mod tests {
    use super::{TensorData, in_torch_layout};

    #[test]
    fn convolutions_are_turned_to_out_in_height_width() {
        // Height 1, width 3, two inputs, two outputs; the digits of each value are its indices: width, input, output.
        let memory: Vec<f32> = [0, 1, 2]
            .iter()
            .flat_map(|w| [0, 1].map(|i| [0, 1].map(|o| (100 * w + 10 * i + o) as f32)))
            .flatten()
            .collect();
        let torch = in_torch_layout("w".into(), &[1, 3, 2, 2], &memory);
        assert_eq!(torch.shape, [2, 2, 1, 3]);
        let expected = [0, 100, 200, 10, 110, 210, 1, 101, 201, 11, 111, 211].map(|x| x as f32);
        assert_eq!(torch.data, TensorData::F32(expected.to_vec()));
    }
}
