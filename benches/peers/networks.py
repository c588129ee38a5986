"""The time of a training step of each kind of network on both sides: skiplane with statistics and without, PyTorch in
its layouts, eager and compiled. Both compute in f32.
"""

from pathlib import Path
from statistics import median
from typing import NamedTuple

import programs
from speed import COST_TARGET, doubt, take
from table import spread, write

PEER = Path(__file__).resolve().with_name("networks_torch.py")


class Subject(NamedTuple):
    """A network, as each side is told, and the ratio that must be reached and the one that is aimed at against the
    faster of PyTorch's ways; none where nothing was set.
    """

    name: str
    peer: str
    ours: str
    both: str
    target: tuple


BLOCKS = (1.3, 1.8)
OTHERS = (1.0, 1.5)


def images(kind, peer, ours, depth, width, batch, target):
    name = f"{kind}-{depth}, width {width}, 32x32, batch {batch}"
    return Subject(name, f"{peer} --depth={depth} --width={width} --size=32",
                   f"--architecture=resnet --side=32 --set=depth={depth} --set=width={width} {ours}",
                   f"--batch={batch}", target)


def dense(kind, peer, block, depth, growth, batch):
    return Subject(f"{kind}-{depth}, growth {growth}, 32x32, batch {batch}",
                   f"{peer} --depth={depth} --growth={growth} --size=32",
                   f"--architecture=densenet --side=32 --set=depth={depth} --set=growth={growth} --set=block={block}",
                   f"--batch={batch}", OTHERS)


def vectors(kind, peer, shortcut, depth, width, features, batch):
    return Subject(f"{kind}, depth {depth}, width {width}, {features} features, batch {batch}",
                   f"{peer} --depth={depth} --width={width} --features={features}",
                   f"--architecture=mlp --features={features} --set=depth={depth} --set=width={width}"
                   f" --set=shortcut={shortcut}", f"--batch={batch}", OTHERS)


def tokens(residual, layers, width, heads, context, vocabulary, batch, target=OTHERS, streams=4):
    peer = residual if residual in ("mhc", "hyper-static", "hyper-dynamic") else f"transformer-{residual}"
    ours = f" --set=streams={streams}" if peer == residual else ""
    return Subject(f"transformer {residual}, {layers} layers, width {width}, {context} tokens, batch {batch}",
                   f"{peer} --layers={layers} --dim={width} --heads={heads} --context={context} --vocab={vocabulary}"
                   f" --streams={streams}",
                   f"--architecture=transformer --context={context} --classes={vocabulary} --set=depth={layers}"
                   f" --set=width={width} --set=heads={heads} --set=residual={residual}{ours}",
                   f"--batch={batch}", target)


PRE = "--set=order=pre --set=shortcut=identity"
BOTTLENECK = "--set=block=bottleneck --set=shortcut=projection"
SUBJECTS = {
    "preact-20": images("preact", "preact-identity", PRE, 20, 16, 128, BLOCKS),
    "preact-56": images("preact", "preact-identity", PRE, 56, 16, 128, BLOCKS),
    "bottleneck-29": images("bottleneck", "bottleneck-projection", BOTTLENECK, 29, 16, 128, BLOCKS),
    "bottleneck-preact-29": images("bottleneck-preact", "bottleneck-preact-projection",
                                   f"{BOTTLENECK} --set=order=pre", 29, 16, 128, BLOCKS),
    "gate-20": images("exclusive-gate", "shortcut-exclusive-gating", "--set=shortcut=exclusive-gate", 20, 16, 128, None),
    "dropout-20": images("shortcut-dropout", "shortcut-dropout", "--set=shortcut=dropout", 20, 16, 128, None),
    "dense-40": dense("dense", "densenet", "basic", 40, 12, 64),
    "dense-bc-40": dense("dense-bc", "densenet-bc", "bottleneck", 40, 12, 64),
    "mlp-plain": vectors("plain mlp", "mlp-plain", "none", 20, 128, 40, 128),
    "mlp-residual": vectors("residual mlp", "mlp-residual", "identity", 20, 128, 40, 128),
    "mlp-wide": vectors("residual mlp", "mlp-residual", "identity", 4, 256, 784, 128),
    "transformer-text": tokens("pre", 4, 128, 4, 128, 256, 16),
    "transformer-copy": tokens("pre", 4, 64, 2, 21, 18, 64),
    "transformer-deep": tokens("pre", 8, 128, 4, 21, 18, 64),
    "peri": tokens("peri", 4, 64, 2, 21, 18, 64),
    "hyper-static": tokens("hyper-static", 4, 64, 2, 21, 18, 64, None),
    "hyper-dynamic": tokens("hyper-dynamic", 4, 64, 2, 21, 18, 64, None),
    "mhc": tokens("mhc", 4, 64, 2, 21, 18, 64, None),
}


def measure(python, network, rounds, steps, threads, wanted):
    """Lets both sides take turns, and relates them within each round, in which both saw the same machine."""
    samples, others = {name: {} for name in wanted}, []
    for number in range(rounds):
        for name, into in samples.items():
            subject, told = SUBJECTS[name], [f"--threads={threads}", f"--steps={steps}"]

            def peer():
                found = programs.run([python, PEER, "bench", *subject.peer.split(), subject.both, *told])
                others.append(found.others)
                for row in found.objects():
                    take(into, row["way"], median(row["milliseconds"]))

            def ours():
                found = programs.run([network, "--json", *subject.ours.split(), subject.both, *told])
                others.append(found.others)
                (row,) = found.objects()
                for choice in ("on", "off"):
                    take(into, choice, median(row[choice]))
                take(into, "cost", median(on - off for on, off in zip(row["on"], row["off"])) / median(row["off"]))

            # Neither side always comes first.
            for side in (peer, ours) if number % 2 == 0 else (ours, peer):
                side()
            used = f"others used up to {max(others[-2:]):.0%} of the cores"
            print(f"round {number + 1} of {rounds}: {subject.name}; {used}", flush=True)
    results = [relate(name, found) for name, found in samples.items()]
    report(results, rounds, threads)
    doubt(max(others))
    return {"networks": results, "used_by_others": max(others)}


def relate(name, found):
    """Medians over the rounds, and the ratios of each round to the faster way."""
    ways = [way for way in found if way not in ("on", "off", "cost", "hooks")]
    eager, compiled = (min((way for way in ways if way.endswith("-compiled") == is_compiled),
                           key=lambda way: median(found[way])) for is_compiled in (False, True))
    best = min((eager, compiled), key=lambda way: median(found[way]))
    return {
        "network": name,
        "target": SUBJECTS[name].target,
        "milliseconds": found,
        "eager": eager,
        "compiled": compiled,
        "to_best": [theirs / mine for theirs, mine in zip(found[best], found["on"])],
        "to_hooks": [theirs / mine for theirs, mine in zip(found["hooks"], found["on"])],
        "cost_of_statistics": found["cost"],
    }


def report(results, rounds, threads):
    print(f"\nA training step in ms, medians of {rounds} rounds, {threads} threads on each side; PyTorch in the better of its"
          f" layouts; * channels last")
    heading = ["", "PyTorch", "compiled", "with hooks", "skiplane, statistics off", "on", "cost"]
    rows = []
    for of in results:
        found = of["milliseconds"]
        theirs = (f"{median(found[way]):.1f}{'*' * way.startswith('channels-last')}" for way in (of["eager"], of["compiled"]))
        rest = (f"{median(found[what]):.1f}" for what in ("hooks", "off", "on"))
        rows.append([SUBJECTS[of["network"]].name, *theirs, *rest, spread(of["cost_of_statistics"], "{:+.1%}")])
    write(heading, rows)
    print("\nskiplane with all statistics to the faster of PyTorch without: below 1, PyTorch is faster; in parentheses the"
          " rounds' extremes")
    write(["", "to the faster", "must, aim", "to that with hooks"], [
        [SUBJECTS[of["network"]].name, spread(of["to_best"], "{:.2f}"),
         "{:.1f}, {:.1f}".format(*of["target"]) if of["target"] else "-", spread(of["to_hooks"], "{:.2f}")]
        for of in results
    ])
    print(f"statistics must cost at most {COST_TARGET[0]:.0%}")
