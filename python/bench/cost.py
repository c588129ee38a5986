"""What a step costs with the logger, with wandb.watch, and bare: the same model, the same batches, in turns.

    python bench/cost.py [--rounds 7] [--steps 50] [--threads 1] [--models resnet gpt]

Each round runs every way once, in another order each time, and times each step; a model is trained anew in each. The cost
is the median over rounds of the mean step over that of the bare loop of the same round. wandb writes offline.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import sys
import tempfile
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

import networks
import skiplane
import torch
import torch.nn.functional as F


def resnet(batch):
    model = networks.ResNet(n=3, width=16)
    images, labels = networks.images(size=32)
    at = torch.arange(batch)

    def loss(step):
        chosen = (at + step * batch) % len(labels)
        return F.cross_entropy(model(images[chosen]), labels[chosen])

    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9), loss


def gpt(batch):
    model = networks.GPT(vocabulary=256, context=128, width=192, layers=6, heads=6)
    tokens = networks.repeats(examples=256, length=129, vocabulary=256)
    at = torch.arange(batch)

    def loss(step):
        chosen = tokens[(at + step * batch) % len(tokens)]
        return F.cross_entropy(model(chosen[:, :-1]).flatten(0, 1), chosen[:, 1:].flatten())

    return model, torch.optim.AdamW(model.parameters(), lr=3e-4), loss


MODELS = {"resnet": (resnet, 64), "gpt": (gpt, 8)}


class Bare:
    def __init__(self, model, folder):
        pass

    def log(self, step, loss):
        pass

    def finish(self):
        pass


class Skiplane(Bare):
    """With statistics every `every` steps."""

    def __init__(self, every, histograms_every, model, folder):
        self.run = skiplane.start("cost", runs=folder)
        self.run.watch(model, every=every, histograms_every=histograms_every)

    def log(self, step, loss):
        self.run.log(step, loss=loss)

    def finish(self):
        self.run.finish()


class Numbers(Bare):
    """Without `watch`."""

    def __init__(self, model, folder):
        self.run = skiplane.start("cost", runs=folder)

    log, finish = Skiplane.log, Skiplane.finish


class Wandb(Bare):
    def __init__(self, what, model, folder):
        import wandb

        os.environ.update(WANDB_SILENT="true", WANDB_MODE="offline")
        self.run = wandb.init(project="cost", dir=folder, settings=wandb.Settings(console="off", x_disable_stats=True))
        self.run.watch(model, log=what, log_freq=1)

    def log(self, step, loss):
        self.run.log({"loss": loss.item()}, step=step)

    def finish(self):
        self.run.finish()


WAYS = {
    "bare": Bare,
    "skiplane, loss only": Numbers,
    "skiplane, every=50": lambda *a: Skiplane(50, 50, *a),
    "skiplane, every=1": lambda *a: Skiplane(1, 20, *a),
    "skiplane, every=1 with histograms": lambda *a: Skiplane(1, 1, *a),
    "wandb.watch all, log_freq=1": lambda *a: Wandb("all", *a),
}


def measure(make, batch, way, steps):
    """Seconds of each step. The first few, in which memory is taken, don't count, as far as the way does nothing rare."""
    torch.manual_seed(0)
    model, optimizer, loss_of = make(batch)
    for step in range(3):
        loss_of(step).backward()
        optimizer.step()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        logger = WAYS[way](model, folder)
        times = []
        for step in range(1, steps + 1):
            began = time.perf_counter()
            optimizer.zero_grad()
            loss = loss_of(step)
            loss.backward()
            optimizer.step()
            logger.log(step, loss.detach())
            times.append(time.perf_counter() - began)
        logger.finish()
    return times


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=50)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--models", nargs="*", default=list(MODELS))
    arguments.add_argument("--ways", nargs="*", default=list(WAYS))
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    for name in options.models:
        make, batch = MODELS[name]
        # The median step is robust to what else the machine does; steps that are rare by design are counted apart.
        found = {way: [] for way in options.ways}
        for round_ in range(options.rounds):
            order = options.ways[round_ % len(options.ways) :] + options.ways[: round_ % len(options.ways)]
            for way in order:
                times = measure(make, batch, way, options.steps)
                # The first step is recorded by every way, and finds out the structure.
                rare = [times[at] for at in range(49, len(times), 50)] if "every=50" in way else []
                usual = statistics.median(times[1:-1] if rare else times[1:])
                # One of fifty steps is recorded.
                found[way].append((49 * usual + statistics.mean(rare)) / 50 if rare else usual)
        bare = found["bare"]
        parameters = sum(parameter.numel() for parameter in make(batch)[0].parameters())
        print(f"{name}: batch {batch}, {parameters:,} parameters, {options.threads} threads, {options.rounds} rounds of {options.steps} steps")
        print(f"  {'':36} {'ms a step':>10} {'cost':>9} {'range of rounds':>20}")
        for way, times in found.items():
            costs = sorted((time - base) / base * 100 for time, base in zip(times, bare))
            cost = statistics.median(costs)
            print(f"  {way:36} {statistics.median(times) * 1e3:10.2f} {cost:+8.1f}% {costs[0]:+9.1f}% {costs[-1]:+9.1f}%", flush=True)


if __name__ == "__main__":
    main()
