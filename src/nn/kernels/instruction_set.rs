//! The vector instructions that the kernels use: detected once, at run time, on the machine that trains.

use std::fmt;

/// A set of vector instructions that this machine has; cannot be constructed for one that it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstructionSet(Level);

/// The sets that the kernels are compiled for, the least capable first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl InstructionSet {
    /// The most capable set of this machine.
    pub fn detect() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return InstructionSet(Level::Avx512);
            }
            if avx2 {
                return InstructionSet(Level::Avx2);
            }
        }
        InstructionSet::baseline()
    }

    /// The baseline of the compiled target.
    pub fn baseline() -> InstructionSet {
        InstructionSet(Level::Baseline)
    }

    /// All sets of this machine, the least capable first.
    pub fn available() -> Vec<InstructionSet> {
        let detected = InstructionSet::detect();
        let all = [
            Level::Baseline,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512,
        ];
        all.into_iter().filter(|level| *level <= detected.0).map(InstructionSet).collect()
    }

    /// The set of this machine with that name.
    pub fn by_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::available().into_iter().find(|set| set.name() == name)
    }

    /// Its name in provenance and on screen.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// Whether the set with a name gives the same bits. AVX2 and AVX-512 do; the baseline, which has no fused
    /// multiply-add, rounds differently from the first step on.
    pub fn gives_bits_of(self, name: &str) -> bool {
        (self.0 == Level::Baseline) == (name == InstructionSet::baseline().name())
    }

    /// The kind that the kernels dispatch on.
    pub(super) fn level(self) -> Level {
        self.0
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detected_set_is_the_last_available_and_names_find_their_sets() {
        let available = InstructionSet::available();
        assert_eq!(available.first(), Some(&InstructionSet::baseline()));
        assert_eq!(available.last(), Some(&InstructionSet::detect()));
        for set in available {
            assert_eq!(InstructionSet::by_name(set.name()), Some(set));
        }
        assert_eq!(InstructionSet::by_name("abacus"), None);
        let baseline = InstructionSet::baseline();
        assert!(baseline.gives_bits_of("baseline") && !baseline.gives_bits_of("avx512"));
    }
}
