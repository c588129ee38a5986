//! Measures the kernels on one core: GFLOP/s of the convolutions of each stage and their share of what the core
//! can do, and the passes of batch norm. Run with `cargo bench --bench kernels -- [instruction set]`.
//!
//! Operations are counted as computed: without taps on rows outside the image, which are many in a small image, and
//! with those on columns outside, which are computed on zeros.

use std::hint::black_box;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use skiplane::nn::kernels::InstructionSet;
use skiplane::nn::kernels::bundle::{IMAGES, Shape};
use skiplane::nn::kernels::convolution::{
    Geometry, forward_row, input_gradient_row, pack, pack_turned, weight_gradient_rows,
};
use skiplane::nn::kernels::moments::{Origin, ROW_MOMENTS};
use skiplane::nn::kernels::normalisation::{
    Affine, FormShape, GradientSums, OutputSums, Passed, form_row, mask_row, spread_row,
};
use skiplane::nn::kernels::rows::Rows;
use skiplane::nn::kernels::scratch::Aligned;

mod peak;

/// Bundles in a measurement: a batch of 64 images.
const BUNDLES: usize = 4;

fn main() -> io::Result<()> {
    let asked = std::env::args().skip(1).find_map(|name| InstructionSet::by_name(&name));
    let set = asked.unwrap_or_else(InstructionSet::detect);
    let mut out = io::stdout().lock();
    let peak = peak::gflops(set, 1);
    writeln!(out, "{set}: at most {peak:.0} GFLOP/s of multiply-adds from registers on one core")?;
    let threads = thread::available_parallelism()?.get();
    if threads > 1 {
        writeln!(out, "at most {:.0} GFLOP/s on {threads} threads at once", peak::gflops(set, threads))?;
    }
    writeln!(
        out,
        "{:<22}{:>16}{:>16}{:>16}   GFLOP/s (share of the most) of what is computed",
        "convolution", "forward", "to input", "to weights"
    )?;
    for width in [8, 16] {
        let side = 2 * width;
        let layers = [
            (3, 1, Shape::new(side, side, if width == 8 { 1 } else { 3 }), width),
            (3, 1, Shape::new(side, side, width), width),
            (3, 2, Shape::new(side, side, width), 2 * width),
            (3, 1, Shape::new(side / 2, side / 2, 2 * width), 2 * width),
            (3, 2, Shape::new(side / 2, side / 2, 2 * width), 4 * width),
            (3, 1, Shape::new(side / 4, side / 4, 4 * width), 4 * width),
            (1, 2, Shape::new(side / 2, side / 2, 2 * width), 4 * width),
        ];
        for (kernel, stride, input, outputs) in layers {
            convolve(&mut out, set, peak, Geometry::new(kernel, stride, input, outputs))?;
        }
    }
    writeln!(
        out,
        "{:<22}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}   ns a vector",
        "batch norm", "form", "+ shortcut", "+ figures", "mask", "+ figures", "spread"
    )?;
    for shape in [Shape::new(16, 16, 8), Shape::new(8, 8, 16), Shape::new(4, 4, 32), Shape::new(32, 32, 16)] {
        normalise(&mut out, set, shape)?;
    }
    Ok(())
}

/// The median seconds of a call.
fn seconds(call: impl FnMut()) -> f64 {
    peak::seconds(Duration::from_millis(120), call)
}

/// Deterministic numbers between -1 and 1.
fn numbers(count: usize) -> Aligned {
    let mut state = 1_u32;
    let mut numbers = Aligned::zeros(count);
    for number in &mut *numbers {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *number = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
    numbers
}

/// The same bundles with a vector of padding after each pixel.
fn padded(shape: Shape, numbers: &[f32]) -> Aligned {
    let pixel = shape.channels * IMAGES;
    let mut to = Aligned::zeros(numbers.len() / pixel * (pixel + IMAGES));
    for (to, from) in to.chunks_exact_mut(pixel + IMAGES).zip(numbers.chunks_exact(pixel)) {
        to[..pixel].copy_from_slice(from);
    }
    to
}

fn convolve(out: &mut impl Write, set: InstructionSet, peak: f64, geometry: Geometry) -> io::Result<()> {
    let (input, output) = (geometry.input, geometry.output());
    let (x, w) = (numbers(BUNDLES * input.bundle()), numbers(geometry.weights()));
    let (mut y, mut dx) = (numbers(BUNDLES * output.bundle()), x.clone());
    let (mut packed, mut turned) = (w.clone(), w.clone());
    pack(geometry, &w, &mut packed);
    let has_input_gradient = input.channels > 3;
    if has_input_gradient {
        pack_turned(geometry, &w, &mut turned);
    }
    let mut moments = Aligned::zeros(geometry.outputs * ROW_MOMENTS * IMAGES);
    let forward = seconds(|| {
        for (x, y) in x.chunks_exact(input.bundle()).zip(y.chunks_exact_mut(output.bundle())) {
            let rows = Rows::new(input, black_box(x));
            for (row, y) in y.chunks_exact_mut(output.row()).enumerate() {
                let taps = geometry.rows_read(row).map(|row| row.map(|row| rows.get(row)));
                let origin = if row == 0 { Origin::First } else { Origin::Kept };
                forward_row(set, geometry, taps, &packed, y, Some((&mut moments, origin)));
            }
        }
    });
    // The backward pass reads windows, whose pixels have padding between them.
    let (padded_x, dy) = (padded(input, &x), padded(output, &y));
    let to_input = has_input_gradient.then(|| {
        seconds(|| {
            let dys = dy.chunks_exact(output.height * output.padded_row());
            for (dx, dy) in dx.chunks_exact_mut(input.bundle()).zip(dys) {
                let dy = Rows::padded(output, black_box(dy));
                for (row, dx) in dx.chunks_exact_mut(input.row()).enumerate() {
                    let rows = geometry.rows_reached(row).map(|row| row.map(|row| dy.get(row)));
                    input_gradient_row(set, geometry, row, rows, &turned, dx);
                }
            }
        })
    });
    let mut elements = Aligned::zeros(geometry.weights() * IMAGES);
    let block = (32 / output.width).clamp(1, output.height);
    let to_weights = seconds(|| {
        let xs = padded_x.chunks_exact(input.height * input.padded_row());
        for (x, dy) in xs.zip(dy.chunks_exact(output.height * output.padded_row())) {
            for first in (0..output.height).step_by(block) {
                let (x, dy) = (Rows::padded(input, black_box(x)), Rows::padded(output, dy));
                weight_gradient_rows(set, geometry, first..first + block, x, dy, &mut elements, Origin::Kept);
            }
        }
    });
    let work = 2e-9 * (BUNDLES * IMAGES * geometry.computed()) as f64;
    let name = format!(
        "{0}x{0}/{1} {2}->{3} at {4}",
        geometry.kernel, geometry.stride, input.channels, geometry.outputs, input.height
    );
    write!(out, "{name:<22}")?;
    for time in [Some(forward), to_input, Some(to_weights)] {
        let text = time.map(|time| format!("{:.0} ({:.0} %)", work / time, 100.0 * work / time / peak));
        write!(out, "{:>16}", text.unwrap_or_default())?;
    }
    writeln!(out)
}

fn normalise(out: &mut impl Write, set: InstructionSet, shape: Shape) -> io::Result<()> {
    let count = BUNDLES * shape.bundle();
    let (x, h, mut y, mut g) = (numbers(count), numbers(count), numbers(count), numbers(count));
    let of_channels = numbers(shape.channels);
    let affine = Affine { scale: &of_channels, shift: &of_channels };
    let form = FormShape { affine, relu: true };
    let rows = |at: usize| at * shape.row()..(at + 1) * shape.row();
    let all = 0..BUNDLES * shape.height;
    let (mut sums, mut of_gradient) = (OutputSums::none(shape.channels), GradientSums::none(shape.channels));
    let mut mask = |measured: bool| {
        let (passed, mean) = (Passed::Formed(affine), &of_channels);
        seconds(|| {
            for r in all.clone() {
                let (g, more, x) = (&mut g[rows(r)], Some(&h[rows(r)]), &x[rows(r)]);
                mask_row(set, g, more, passed, x, mean, &mut of_gradient, measured);
            }
        })
    };
    let masks = [mask(false), mask(true)];
    let times = [
        seconds(|| {
            all.clone().for_each(|r| form_row(set, form, &x[rows(r)], None, &mut y[rows(r)], None));
        }),
        seconds(|| {
            all.clone()
                .for_each(|r| form_row(set, form, &x[rows(r)], Some(&h[rows(r)]), &mut y[rows(r)], None));
        }),
        seconds(|| {
            all.clone().for_each(|r| {
                form_row(set, form, &x[rows(r)], Some(&h[rows(r)]), &mut y[rows(r)], Some(&mut sums));
            });
        }),
        masks[0],
        masks[1],
        seconds(|| {
            let numbers = [&*of_channels; 3];
            all.clone().for_each(|r| spread_row(set, numbers, &g[rows(r)], &x[rows(r)], &mut y[rows(r)]));
        }),
    ];
    write!(out, "{:<22}", format!("{} at {}", shape.channels, shape.height))?;
    for time in times {
        write!(out, "{:>12.2}", time * 1e9 / (count / IMAGES) as f64)?;
    }
    writeln!(out)
}
