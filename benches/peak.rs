//! The peak of the processor: multiply-adds that never leave the registers.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use skiplane::nn::kernels::InstructionSet;

/// Multiply-adds of each register that count as one call.
const ROUNDS: usize = 100_000;
/// Long enough that threads measured together overlap nearly all the time.
const TIME: Duration = Duration::from_millis(200);

/// GFLOP/s, two per multiply-add, of this many threads together.
pub(crate) fn gflops(set: InstructionSet, threads: usize) -> f64 {
    let together = Barrier::new(threads);
    let of_one = || {
        together.wait();
        one_thread(set)
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(of_one)).collect();
        all.into_iter().map(|thread| thread.join().expect("nothing panics there")).sum()
    })
}

/// The median seconds of a call.
pub(crate) fn seconds(time: Duration, mut call: impl FnMut()) -> f64 {
    call();
    let mut times: Vec<f64> = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time || times.len() < 5 {
        let begin = Instant::now();
        call();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn one_thread(set: InstructionSet) -> f64 {
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
            "avx512" => return work(16) / seconds(TIME, || unsafe { by_16() }),
            // SAFETY: as above.
            "avx2+fma" => return work(8) / seconds(TIME, || unsafe { by_8() }),
            _ => {}
        }
    }
    let _ = set;
    let mut sums = [[1.0_f32; 4]; 8];
    let factor = black_box([0.999_f32; 4]);
    let time = seconds(TIME, || {
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                sum.iter_mut().zip(factor).for_each(|(s, f)| *s = *s * f + f);
            }
        }
        black_box(&mut sums);
    });
    (2 * 8 * 4 * ROUNDS) as f64 * 1e-9 / time
}
