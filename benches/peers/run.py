#!/usr/bin/env python3
"""Compares skiplane with PyTorch, and with other viewers of logs, on this machine.

    benches/peers/run.py speed       a training step of both, statistics on and off
    benches/peers/run.py networks    the same for each kind of network
    benches/peers/run.py memory      peak resident memory of both, beside what `skiplane check` says
    benches/peers/run.py dashboard   the default experiment without the dashboard and with it
    benches/peers/run.py logs        a million scalars opened by skiplane, W&B's leet and TensorBoard
    benches/peers/run.py all

Sets PyTorch (CPU) up in a virtual environment in cargo's target folder; the variable PYTHON may name an interpreter
that has it already. W&B and TensorBoard are set up in a folder outside the repository. Results are written to
peers/latest.json in the target folder too. Needs nothing but cargo and Python's standard library; `logs` needs Linux
and tmux too.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

# Nothing is to be left beside the sources.
sys.dont_write_bytecode = True

import dashboard
import logs
import memory
import networks
import programs
import speed
import viewers

PARTS = ("speed", "networks", "memory", "dashboard", "logs")


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def count(text):
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=(*PARTS, "all"), default="all", help="what is measured (all)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each side (5)")
    parser.add_argument("--steps", type=positive, default=10, metavar="N", help="steps that count in a turn (10)")
    parser.add_argument("--threads", type=positive, default=2, metavar="N", help="threads of each side (2)")
    parser.add_argument("--network", choices=(*speed.NETWORKS, *networks.SUBJECTS), action="append", metavar="NAME",
                        help=f"a network that is measured, instead of all; may be given several times; by speed: "
                             f"{', '.join(speed.NETWORKS)}; by networks: {', '.join(networks.SUBJECTS)}")
    parser.add_argument("--training-steps", type=positive, default=600, metavar="N",
                        help="steps of the default experiment (600)")
    of_logs = parser.add_argument_group("of logs")
    of_logs.add_argument("--plain-rounds", type=count, default=1, metavar="N",
                         help="turns of TensorBoard's plain loader, which takes a minute; 0 for none (1)")
    of_logs.add_argument("--folder", default=viewers.cache(), type=Path, metavar="DIR",
                         help="where the other viewers and the scalars are kept (%(default)s)")
    of_logs.add_argument("--skiplane-run", type=Path, metavar="DIR",
                         help="the run that holds the scalars, instead of one that is made")
    of_logs.add_argument("--skiplane", type=Path, metavar="PATH", help="the program, instead of building it")
    return parser.parse_args()


def chosen(names, known):
    """Those of the named networks that a part knows; all of them where none is named."""
    return [name for name in known if name in (names or known)]


def machine():
    """What the figures depend on."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
    }


def commit():
    """The commit that is measured; `+` where files differ from it."""
    try:
        said = subprocess.run(["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=programs.ROOT,
                              capture_output=True, text=True)
    except OSError:
        return None
    return said.stdout.strip() or None


def main():
    asked = arguments()
    begin = time.monotonic()
    found = {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "arguments": {name: str(of) if isinstance(of, Path) else of for name, of in vars(asked).items()},
    }
    print("{processor}, {cores} cores, {system}".format(**found["machine"]), flush=True)
    parts = PARTS if asked.part == "all" else (asked.part,)
    latest = programs.target() / "peers" / "latest.json"
    python = step = skiplane = None
    if set(parts) & {"speed", "networks", "memory"}:
        python, found["torch"] = programs.interpreter()
        print(f"PyTorch {found['torch']}", flush=True)
    if "speed" in parts or "memory" in parts:
        step = programs.step()
    if set(parts) - {"speed", "networks"}:
        skiplane = asked.skiplane.resolve() if asked.skiplane else programs.skiplane()
    for part in parts:
        print(f"\n== {part}", flush=True)
        if part == "speed" and (wanted := chosen(asked.network, speed.NETWORKS)):
            found[part] = speed.measure(python, step, asked.rounds, asked.steps, asked.threads, wanted)
        elif part == "networks" and (wanted := chosen(asked.network, networks.SUBJECTS)):
            found[part] = networks.measure(python, programs.network(), asked.rounds, asked.steps, asked.threads, wanted)
        elif part == "memory":
            found[part] = memory.measure(python, step, skiplane, asked.threads)
        elif part == "dashboard":
            found[part] = dashboard.measure(skiplane, asked.rounds, asked.training_steps, asked.threads)
        elif part == "logs":
            found[part] = logs.measure(skiplane, asked.rounds, asked.plain_rounds, asked.folder.resolve(),
                                       asked.skiplane_run)
        found["seconds"] = time.monotonic() - begin
        latest.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\n{found['seconds'] / 60:.1f} minutes in all; written to {latest}")


if __name__ == "__main__":
    try:
        main()
    except programs.Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
