"""Trains a small ResNet or GPT on generated data with the logger: something to look at with `skiplane attach latest`.

    python examples/train.py resnet [--steps 300] [--every 1] [--resume]

It writes a checkpoint beside the log every 50 steps, from which `--resume` goes on after a `kill -9`.
"""

import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

import networks
import skiplane
import torch
import torch.nn.functional as F


class Images:
    """A ResNet-20 on noisy images of one pattern per class."""

    def __init__(self):
        self.model = networks.ResNet(n=3, width=8)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
        self.train, self.test = networks.images(2048, seed=0), networks.images(256, seed=0)

    def scores(self, split, at):
        inputs, labels = split
        return self.model(inputs[at]), labels[at]


class Sequences:
    """A GPT of four blocks on sequences whose second half repeats the first."""

    def __init__(self):
        self.model = networks.GPT(layers=4)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.train, self.test = networks.repeats(4096), networks.repeats(256, seed=1)

    def scores(self, split, at):
        tokens = split[at]
        return self.model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("task", choices=["resnet", "gpt"])
    arguments.add_argument("--steps", type=int, default=300)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--every", type=int, default=1)
    arguments.add_argument("--resume", action="store_true")
    options = arguments.parse_args()
    torch.manual_seed(0)
    task = Images() if options.task == "resnet" else Sequences()
    run = skiplane.start(options.task, config=vars(options), steps=options.steps, resume=options.resume)
    file = os.path.join(run.folder or ".", "checkpoint.pt")
    done = 0
    if options.resume and os.path.exists(file):
        state = torch.load(file)
        task.model.load_state_dict(state["model"])
        task.optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    run.watch(task.model, every=options.every, histograms_every=20)
    for step in range(done + 1, options.steps + 1):
        at = torch.randint(len(task.train[0] if options.task == "resnet" else task.train), (options.batch,))
        scores, labels = task.scores(task.train, at)
        loss = F.cross_entropy(scores, labels)
        task.optimizer.zero_grad()
        loss.backward()
        task.optimizer.step()
        run.log(step, loss=loss, error=(scores.argmax(1) != labels).float().mean())
        if step % 50 == 0:
            task.model.eval()
            with torch.no_grad():
                scores, labels = task.scores(task.test, slice(None))
            task.model.train()
            run.log(step, test_loss=F.cross_entropy(scores, labels), test_error=(scores.argmax(1) != labels).float().mean())
            state = {"model": task.model.state_dict(), "optimizer": task.optimizer.state_dict(), "step": step}
            torch.save(state, file + ".new")
            os.replace(file + ".new", file)
            run.checkpoint(file)
    run.finish()


if __name__ == "__main__":
    main()
