#!/bin/sh
# Where the time of a training step goes, by kernel: needs Linux's perf. Arguments are those of the step bench,
# with the default experiment's residual network, all statistics on and one thread unless told otherwise:
#     benches/profile.sh --depth 20 --width 16 --side 32 --batch 128
set -eu
cd "$(dirname "$0")/.."
# Names of functions with the types that they are compiled for, which tell the kernels apart.
RUSTFLAGS="-C symbol-mangling-version=v0" cargo bench --quiet --bench step --no-run --target-dir target/profile
bench=$(ls -t target/profile/release/deps/step-* | grep -v '\.d$' | head -n 1)
perf record --quiet -F 3000 -o target/profile/perf.data \
    "$bench" --bench --threads 1 --shortcut identity --statistics on "$@"
perf report --quiet -i target/profile/perf.data --no-children -F overhead,sym | awk '
    function kind(name) {
        if (name ~ /weights::WeightRows/) return "convolution, to weights"
        if (name ~ /convolution::fold/) return "folding the lanes of weight gradients"
        if (name ~ /rows::Row>|convolution::spread::S|convolution::rows/) return "convolution, forward and to input"
        if (name ~ /normalisation::form/) return "forming outputs: batch norm, addition, ReLU, statistics"
        if (name ~ /normalisation::mask/) return "gradients back through addition and ReLU, sums, statistics"
        if (name ~ /normalisation::spread/) return "gradients back through batch norm"
        if (name ~ /convolution::pack/) return "packing weights"
        if (name ~ /update::|optimizer/) return "update, norms of weights and gradients"
        if (name ~ /mem(set|move|cpy)/) return "copying and clearing"
        if (name ~ /\[k\]/) return "the system"
        if (name ~ /dfdx|matmul|gemm/) return "dfdx: head, loss, tape"
        return "everything else"
    }
    { share = $1; sub("%", "", share); shares[kind($0)] += share }
    END { for (k in shares) printf "%6.1f %%  %s\n", shares[k], k }' | sort -rn
