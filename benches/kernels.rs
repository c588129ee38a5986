//! Measures the kernels on one core: GFLOP/s of the convolutions of a residual-56 of width 8 on 16 x 16 images,
//! batch 64, and their share of what the core can do; the time of the batch norm passes; and the time of all
//! kernels of such a network's step. Run with `cargo bench --bench kernels [instruction set]`.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use skiplane::nn::kernels::batch_norm::{self, Affine, Channels, ForwardStatistics, Gradients, Saved};
use skiplane::nn::kernels::{InstructionSet, Size, convolution};
use skiplane::statistics::Moments;

const BATCH: usize = 64;
/// Blocks of a stage at depth 56; each has two convolutions.
const BLOCKS: usize = 9;

fn main() -> io::Result<()> {
    let asked = std::env::args().skip(1).find_map(|name| InstructionSet::by_name(&name));
    let set = asked.unwrap_or_else(InstructionSet::detect);
    let mut out = io::stdout().lock();
    let peak = peak_gflops(set);
    writeln!(out, "{set}: at most {peak:.0} GFLOP/s of multiply-adds from registers on one core")?;
    writeln!(
        out,
        "{:<22}{:>16}{:>16}{:>16}   GFLOP/s (share of the most)",
        "convolution", "forward", "to input", "to weights"
    )?;

    let mut step = 0.0;
    let repeats = 2.0 * BLOCKS as f64;
    step += convolve::<3, 1, 1, 8>(&mut out, set, peak, 16)?.without_input();
    step += repeats * convolve::<3, 1, 8, 8>(&mut out, set, peak, 16)?.all();
    step += convolve::<3, 2, 8, 16>(&mut out, set, peak, 16)?.all();
    step += (repeats - 1.0) * convolve::<3, 1, 16, 16>(&mut out, set, peak, 8)?.all();
    step += convolve::<3, 2, 16, 32>(&mut out, set, peak, 8)?.all();
    step += (repeats - 1.0) * convolve::<3, 1, 32, 32>(&mut out, set, peak, 4)?.all();
    writeln!(out, "all convolutions of a step: {:.1} ms", step * 1e3)?;
    for (what, size, width) in [("others: 4 wide", 16, 4), ("16 wide, 32 x 32", 32, 16), ("64 wide", 8, 64)] {
        writeln!(out, "{what}")?;
        match width {
            4 => convolve::<3, 1, 4, 4>(&mut out, set, peak, size)?,
            16 => convolve::<3, 1, 16, 16>(&mut out, set, peak, size)?,
            _ => convolve::<3, 1, 64, 64>(&mut out, set, peak, size)?,
        };
    }

    writeln!(
        out,
        "{:<22}{:>12}{:>12}{:>12}{:>12}{:>12}   us",
        "batch norm", "measure", "forward", "+ figures", "backward", "+ figures"
    )?;
    let norms = [
        normalise::<8>(&mut out, set, 16)?,
        normalise::<16>(&mut out, set, 8)?,
        normalise::<32>(&mut out, set, 4)?,
    ];
    let (plain, measured) =
        norms.iter().fold((0.0, 0.0), |(a, b), n| (a + repeats * n.plain, b + repeats * n.measured));
    writeln!(
        out,
        "all batch norms of a step: {:.1} ms, with statistics {:.1} ms",
        plain * 1e3,
        measured * 1e3
    )?;
    writeln!(
        out,
        "all kernels of a step: {:.1} ms, with statistics {:.1} ms",
        (step + plain) * 1e3,
        (step + measured) * 1e3
    )
}

/// The median seconds of a call.
fn seconds(mut call: impl FnMut()) -> f64 {
    call();
    let mut times: Vec<f64> = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(120) || times.len() < 5 {
        let begin = Instant::now();
        call();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Deterministic numbers between -1 and 1.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Seconds of the three passes of a convolution.
struct Passes([f64; 3]);

impl Passes {
    fn all(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The stem's images need no gradient.
    fn without_input(&self) -> f64 {
        self.0[0] + self.0[2]
    }
}

fn convolve<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    out: &mut impl Write,
    set: InstructionSet,
    peak: f64,
    side: usize,
) -> io::Result<Passes> {
    let size = Size::new(BATCH, side, side);
    let (x, w) = (numbers(size.pixels() * INPUTS), numbers(KERNEL * KERNEL * INPUTS * OUTPUTS));
    let dy = numbers(size.strided(STRIDE).pixels() * OUTPUTS);
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let passes = Passes([
        seconds(|| {
            convolution::forward::<KERNEL, STRIDE, INPUTS, OUTPUTS>(set, size, black_box(&x), &w, &mut y)
        }),
        seconds(|| {
            convolution::input_gradient::<KERNEL, STRIDE, INPUTS, OUTPUTS>(
                set,
                size,
                black_box(&dy),
                &w,
                &mut dx,
            )
        }),
        seconds(|| {
            convolution::weight_gradient::<KERNEL, STRIDE, INPUTS, OUTPUTS>(
                set,
                size,
                black_box(&x),
                &dy,
                &mut dw,
            )
        }),
    ]);
    let work = 2.0 * (size.strided(STRIDE).pixels() * KERNEL * KERNEL * INPUTS * OUTPUTS) as f64;
    write!(out, "{:<22}", format!("{KERNEL}x{KERNEL}/{STRIDE} {INPUTS}->{OUTPUTS} at {side}"))?;
    for time in passes.0 {
        let rate = work / time * 1e-9;
        write!(out, "{:>16}", format!("{rate:.1} ({:.0} %)", 100.0 * rate / peak))?;
    }
    writeln!(out)?;
    Ok(passes)
}

/// Seconds of a layer's batch norm, both passes, without and with statistics.
struct Norm {
    plain: f64,
    measured: f64,
}

fn normalise<const CHANNELS: usize>(
    out: &mut impl Write,
    set: InstructionSet,
    side: usize,
) -> io::Result<Norm> {
    let count = Size::new(BATCH, side, side).pixels() * CHANNELS;
    let (x, h, dy) = (numbers(count), numbers(count), numbers(count));
    let (gamma, beta) = (numbers(CHANNELS), numbers(CHANNELS));
    let (mut y, mut dx, mut dh) = (numbers(count), numbers(count), numbers(count));
    let (mut dgamma, mut dbeta) = (gamma.clone(), beta.clone());
    let channels: Channels<CHANNELS> = batch_norm::measure(set, &x);
    let affine = Affine { channels: &channels, gamma: &gamma, beta: &beta };
    let measure = seconds(|| {
        black_box(batch_norm::measure::<CHANNELS>(set, black_box(&x)));
    });
    let mut figures = ForwardStatistics::default();
    let plain = seconds(|| batch_norm::forward::<CHANNELS, true>(set, affine, &x, Some(&h), &mut y, None));
    let with = seconds(|| {
        batch_norm::forward::<CHANNELS, true>(set, affine, &x, Some(&h), &mut y, Some(&mut figures))
    });
    let mut backward = |figures: bool| {
        let mut moments = Moments::default();
        seconds(|| {
            let to =
                Gradients { dx: &mut dx, dgamma: &mut dgamma, dbeta: &mut dbeta, dshortcut: Some(&mut dh) };
            let saved = Saved { x: &x, y: &y, dy: &dy };
            batch_norm::gradient::<CHANNELS, true>(set, affine, saved, to, figures.then_some(&mut moments));
        })
    };
    let (back, back_with) = (backward(false), backward(true));
    write!(out, "{:<22}", format!("{CHANNELS} at {side}"))?;
    for time in [measure, plain, with, back, back_with] {
        write!(out, "{:>12.1}", time * 1e6)?;
    }
    writeln!(out)?;
    Ok(Norm { plain: measure + plain + back, measured: measure + with + back_with })
}

/// Multiply-adds a second that never leave the registers, times two.
fn peak_gflops(set: InstructionSet) -> f64 {
    const ROUNDS: usize = 100_000;
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;

        #[target_feature(enable = "avx512f")]
        fn by_16() {
            let mut sums = [_mm512_set1_ps(1.0); 12];
            let factor = black_box(_mm512_set1_ps(0.999));
            for _ in 0..ROUNDS {
                sums.iter_mut().for_each(|sum| *sum = _mm512_fmadd_ps(*sum, factor, factor));
            }
            black_box(sums);
        }

        #[target_feature(enable = "avx2,fma")]
        fn by_8() {
            let mut sums = [_mm256_set1_ps(1.0); 12];
            let factor = black_box(_mm256_set1_ps(0.999));
            for _ in 0..ROUNDS {
                sums.iter_mut().for_each(|sum| *sum = _mm256_fmadd_ps(*sum, factor, factor));
            }
            black_box(sums);
        }

        let work = |lanes: usize| (2 * 12 * lanes * ROUNDS) as f64 * 1e-9;
        match set.name() {
            // SAFETY: the set exists, so the machine has the instructions.
            "avx512" => return work(16) / seconds(|| unsafe { by_16() }),
            // SAFETY: as above.
            "avx2+fma" => return work(8) / seconds(|| unsafe { by_8() }),
            _ => {}
        }
    }
    let _ = set;
    let mut sums = [[1.0_f32; 4]; 8];
    let factor = black_box([0.999_f32; 4]);
    let time = seconds(|| {
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                sum.iter_mut().zip(factor).for_each(|(s, f)| *s = *s * f + f);
            }
        }
        black_box(&mut sums);
    });
    (2 * 8 * 4 * ROUNDS) as f64 * 1e-9 / time
}
