"""The time of a training step on both sides: skiplane with statistics and without, PyTorch bare and with hooks."""

from statistics import median

import programs
from table import spread, write

SHORTCUTS = ("none", "identity")
KINDS = {"none": "plain", "identity": "residual"}
LAYOUTS = ("nchw", "channels-last")
# How PyTorch computes, and what its ways are called behind the layout. skiplane computes in f32, as the first two do.
MODES = {"f32": "", "f32 compiled": "-compiled", "bf16": "-bf16", "bf16 compiled": "-bf16-compiled"}
WAYS = (*(layout + ending for ending in MODES.values() for layout in LAYOUTS), "hooks")
CHOICES = ("on", "off")
# depth, width, side, batch, and the ratio that must be reached and the one that is aimed at against bare PyTorch in f32,
# not compiled.
CONFIGURATIONS = (
    (20, 16, 32, 128, (1.2, 1.6)),
    (56, 16, 32, 128, (1.2, 1.6)),
    (56, 8, 16, 64, (2.0, 4.0)),
)
HOOKS_TARGET = (2.0, 3.0)
COST_TARGET = (0.05, 0.02)
# The share of the cores that other processes may use before the figures are doubted.
QUIET = 0.05


def flags(configuration, channels, threads, steps, shortcuts):
    """What both sides are told."""
    depth, width, side, batch, _ = configuration
    sizes = {"depth": depth, "width": width, "side": side, "channels": channels, "batch": batch}
    told = [f"--{name}={value}" for name, value in {**sizes, "threads": threads, "steps": steps}.items()]
    return told + [f"--shortcut={shortcut}" for shortcut in shortcuts]


def network(configuration, shortcut):
    """What a network is called at the command line: kind, depth and width."""
    depth, width, *_ = configuration
    return f"{KINDS[shortcut]}-{depth}x{width}"


NETWORKS = [network(configuration, shortcut) for configuration in CONFIGURATIONS for shortcut in SHORTCUTS]


def title(configuration):
    """A configuration in a few words."""
    depth, width, side, batch, _ = configuration
    return f"depth {depth}, width {width}, {side}x{side}, batch {batch}"


def measure(python, step, rounds, steps, threads, networks):
    """Lets both sides take turns, and relates them within each round, in which both saw the same machine."""
    results, others = [], []
    # samples[configuration][shortcut][what] holds a number a round.
    samples = [{shortcut: {} for shortcut in SHORTCUTS} for _ in CONFIGURATIONS]
    for number in range(rounds):
        for configuration, into in zip(CONFIGURATIONS, samples):
            wanted = [shortcut for shortcut in SHORTCUTS if network(configuration, shortcut) in networks]
            if not wanted:
                continue
            told = flags(configuration, 3, threads, steps, wanted)

            def peer():
                finished = programs.run([python, programs.PEER, *told])
                others.append(finished.others)
                for found in finished.objects():
                    take(into[found["shortcut"]], found["way"], median(found["milliseconds"]))

            def ours():
                finished = programs.run([step, "--json", *told])
                others.append(finished.others)
                for found in finished.objects():
                    take(into[found["shortcut"]], found["statistics"], found["median_ms"])
                    if found["ratio_to_off"] is not None:
                        take(into[found["shortcut"]], "cost", found["ratio_to_off"] - 1.0)

            # Neither side always comes first.
            for side in (peer, ours) if number % 2 == 0 else (ours, peer):
                side()
            used = f"others used up to {max(others[-2:]):.0%} of the cores"
            print(f"round {number + 1} of {rounds}: {title(configuration)}; {used}", flush=True)
    for configuration, by_shortcut in zip(CONFIGURATIONS, samples):
        for shortcut, found in by_shortcut.items():
            if found:
                results.append(relate(configuration, KINDS[shortcut], found))
    report(results, rounds, threads)
    doubt(max(others))
    return {"networks": results, "used_by_others": max(others)}


def doubt(others):
    """Says where others used so much of the cores that the figures mean little."""
    if others > QUIET:
        print(f"\nwarning: others used up to {others:.0%} of the cores meanwhile; measure again on a quiet machine")


def take(into, what, value):
    into.setdefault(what, []).append(value)


def relate(configuration, kind, found):
    """Medians over the rounds, and the ratios of each round."""
    depth, width, side, batch, targets = configuration
    # Of each mode the better layout.
    better = {mode: min((layout + ending for layout in LAYOUTS), key=lambda way: median(found[way]))
              for mode, ending in MODES.items()}

    def faster(way):
        return [theirs / mine for theirs, mine in zip(found[way], found["on"])]

    return {
        "configuration": {"depth": depth, "width": width, "side": side, "batch": batch},
        "network": kind,
        "targets": targets,
        "milliseconds": {what: found[what] for what in (*WAYS, *CHOICES)},
        "images_per_second": {what: batch / median(found[what]) * 1e3 for what in (*WAYS, *CHOICES)},
        "better_layout": better,
        "to_mode": {mode: faster(way) for mode, way in better.items()},
        "to_hooks": faster("hooks"),
        "cost_of_statistics": found["cost"],
    }


def report(results, rounds, threads):
    print(f"\nA training step: images/s, medians of {rounds} rounds, {threads} threads on each side; PyTorch in the better"
          f" of its layouts; * channels last")
    heading = ["", *(f"PyTorch {mode}" for mode in MODES), "f32 with hooks", "skiplane f32, statistics off", "on"]
    rows = []
    for result in results:
        rates, better = result["images_per_second"], result["better_layout"]
        peers = (f"{rates[way]:.0f}{'*' if way.startswith('channels-last') else ''}" for way in better.values())
        rows.append([name(result), *peers, *(f"{rates[what]:.0f}" for what in ("hooks", *CHOICES[::-1]))])
    write(heading, rows)

    print("\nskiplane in f32 with all statistics to PyTorch without: below 1, PyTorch is faster; in parentheses the rounds'"
          " extremes")
    rows = [[name(result), *(spread(ratios, "{:.2f}") for ratios in result["to_mode"].values())] for result in results]
    write(["", *(f"to {mode}" for mode in MODES)], rows)

    print("\nTargets, which were set against f32 that is not compiled")
    heading = ["", "to f32", "must, aim", "to f32 with hooks", "must, aim", "statistics cost", "at most, aim"]
    rows = []
    for result in results:
        rows.append([
            name(result),
            spread(result["to_mode"]["f32"], "{:.2f}"),
            "{:.1f}, {:.1f}".format(*result["targets"]),
            spread(result["to_hooks"], "{:.2f}"),
            "{:.1f}, {:.1f}".format(*HOOKS_TARGET),
            spread(result["cost_of_statistics"], "{:+.1%}"),
            "{:.0%}, {:.0%}".format(*COST_TARGET),
        ])
    write(heading, rows)


def name(result):
    at = result["configuration"]
    return f"{result['network']}-{at['depth']}, width {at['width']}, {at['side']}x{at['side']}, batch {at['batch']}"
