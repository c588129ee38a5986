//! Compiles a kernel, written once, for each instruction set, and calls the version for the machine.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::InstructionSet;
use super::instruction_set::Level;
use super::vector::Vector;

/// What a kernel knows of its instruction set at compile time.
pub(super) trait Instructions {
    /// The vector that fills a register.
    type Vector: Vector;
    /// Whether there are 32 registers rather than 16, so that larger tiles fit.
    const MANY_REGISTERS: bool;
}

/// A computation that is compiled for each instruction set. `run` and everything it calls must be `#[inline(always)]`,
/// since only inlined code is compiled with the instructions.
pub(super) trait Kernel {
    /// What it returns.
    type Output;

    /// Performs the computation.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn run<I: Instructions>(self) -> Self::Output;
}

struct Baseline;

impl Instructions for Baseline {
    type Vector = [f32; 4];
    const MANY_REGISTERS: bool = false;
}

#[cfg(target_arch = "x86_64")]
struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Instructions for Avx2 {
    type Vector = __m256;
    const MANY_REGISTERS: bool = false;
}

#[cfg(target_arch = "x86_64")]
struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Instructions for Avx512 {
    type Vector = __m512;
    const MANY_REGISTERS: bool = true;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is compiled for, and only called on, machines with these instructions.
    unsafe { kernel.run::<Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is compiled for, and only called on, machines with these instructions.
    unsafe { kernel.run::<Avx512>() }
}

impl InstructionSet {
    /// Runs the kernel as compiled for this set.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.level() {
            // SAFETY: the baseline is what every machine of the target has.
            Level::Baseline => unsafe { kernel.run::<Baseline>() },
            // SAFETY: a set exists only for a machine on which its instructions were detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: a set exists only for a machine on which its instructions were detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}
