"""What a step costs with the logger, with wandb.watch, and bare: the same model and the same batches, in turns.

    python bench/cost.py [--steps 100] [--threads 1] [--models resnet-20 resnet-56 gpt] [--ways ..]

Every way has a model of its own, and they take turns step by step, in another order each time, so that whatever else the
machine does meets all of them. The cost of a way is the median over steps of the difference to the bare step of the same
turn, over the median bare step. wandb writes offline.
"""

import argparse
import contextlib
import os
import pathlib
import random
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


def resnet(batch, n=3, width=16, size=32):
    model = networks.ResNet(n=n, width=width)
    images, labels = networks.images(size=size)
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


#: A ResNet-20 on 32x32, one of the depth and size of the default experiment, and a GPT.
MODELS = {"resnet-20": (resnet, 64), "resnet-56": (lambda batch: resnet(batch, n=9, width=8, size=16), 64), "gpt": (gpt, 8)}


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


class Way:
    """A training loop."""

    def __init__(self, name, make, batch, folder):
        torch.manual_seed(0)
        self.model, self.optimizer, self.loss_of = make(batch)
        # The first steps take memory.
        for step in range(3):
            self.loss_of(step).backward()
            self.optimizer.step()
        self.logger = WAYS[name](self.model, folder)
        self.seconds = []

    def step(self, at):
        began = time.perf_counter()
        self.optimizer.zero_grad()
        loss = self.loss_of(at)
        loss.backward()
        self.optimizer.step()
        self.logger.log(at, loss.detach())
        self.seconds.append(time.perf_counter() - began)


def cost(way, bare, every):
    """The median of the differences; of a way that records one step of `every`, their mean, weighed."""
    differences = [a - b for a, b in zip(way.seconds, bare.seconds)]
    usual = [d for at, d in enumerate(differences, 1) if at > 1 and (every == 1 or at % every)]
    if every == 1:
        return statistics.median(usual)
    recorded = [d for at, d in enumerate(differences, 1) if at > 1 and at % every == 0]
    return ((every - 1) * statistics.median(usual) + statistics.median(recorded)) / every


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--models", nargs="*", default=list(MODELS))
    arguments.add_argument("--ways", nargs="*", default=list(WAYS))
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    for name in options.models:
        make, batch = MODELS[name]
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            ways = {way: Way(way, make, batch, folder) for way in options.ways}
            names = list(ways)
            for step in range(1, options.steps + 1):
                random.shuffle(names)
                for way in names:
                    ways[way].step(step)
            for way in ways.values():
                way.logger.finish()
        bare = ways["bare"]
        base = statistics.median(bare.seconds)
        parameters = sum(parameter.numel() for parameter in bare.model.parameters())
        print(f"{name}: batch {batch}, {parameters:,} parameters, {options.threads} threads, {options.steps} steps of {base * 1e3:.1f} ms")
        for way, loop in ways.items():
            more = cost(loop, bare, 50 if "every=50" in way else 1)
            print(f"  {way:36} {more * 1e3:+8.2f} ms {more / base * 100:+7.2f} %", flush=True)


if __name__ == "__main__":
    main()
