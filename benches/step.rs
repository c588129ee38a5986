//! The time of a training step, with and without statistics, on one thread: `cargo bench --bench step -- [depth
//! width side batch]`. The defaults are those of the default experiment.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use std::time::Instant;

use skiplane::datasets::Batch;
use skiplane::experiment::{Lane, Optimizer, Shortcut};
use skiplane::model::{self, Wanted};
use skiplane::units::ImageShape;

const STEPS: usize = 15;

fn main() -> Result<(), model::ModelError> {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |place: usize, default: usize| numbers.get(place).copied().unwrap_or(default);
    let (depth, width, side, images) = (number(0, 56), number(1, 8), number(2, 16), number(3, 64));
    let input = ImageShape { channels: if side == 32 { 3 } else { 1 }, height: side, width: side };
    let batch = Batch {
        images: (0..images * input.len()).map(|i| ((i * 7919) % 1000) as f32 / 250.0 - 2.0).collect(),
        labels: (0..images).map(|image| (image % 10) as u8).collect(),
    };
    let optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };
    for &(name, shortcut) in Shortcut::ALL {
        let lane = Lane { name: name.into(), architecture: "resnet".into(), depth, width, shortcut };
        let mut network = model::build(&lane, input, 10, 0, &optimizer, 1)?;
        let wanted = [
            ("scalars", Wanted { scalars: true, histograms: false }),
            ("histograms too", Wanted { scalars: true, histograms: true }),
        ];
        for (what, wanted) in wanted {
            let mut milliseconds: Vec<(f64, f64)> = (0..STEPS)
                .map(|_| {
                    let begin = Instant::now();
                    let step = network.train_step(&batch, 0.05, wanted);
                    (begin.elapsed().as_secs_f64() * 1e3, step.statistics_ms)
                })
                .collect();
            milliseconds.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (least, median) = (milliseconds[0].0, milliseconds[STEPS / 2]);
            println!(
                "depth {depth} width {width} {input} batch {images} {name:10} {what:14}: least {least:6.1} ms, \
                 median {:6.1} ms, statistics {:4.1} ms, {:5.0} images/s",
                median.0,
                median.1,
                images as f64 / median.0 * 1e3
            );
        }
    }
    Ok(())
}
