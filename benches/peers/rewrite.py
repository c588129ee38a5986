"""Writes the scalars of a skiplane run as W&B's and TensorBoard's own libraries write them. Runs in the virtual
environment that has both.
"""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import million


def for_wandb(run, folder):
    """A file .wandb, offline; one record a step, as `run.log` writes it."""
    import wandb

    # Figures about the machine would come on top of the million.
    quiet = wandb.Settings(mode="offline", silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    with wandb.init(project="million", dir=folder, settings=quiet) as into:
        for step, row in million.rows(run):
            into.log(row, step=step)


def for_tensorboard(run, folder):
    """One file of events; one event a scalar, as `add_scalar` writes it."""
    from tensorboard.summary import Writer

    writer = Writer(os.fspath(folder))
    for step, row in million.rows(run):
        for name, value in row.items():
            writer.add_scalar(name, value, step)
    writer.close()


if __name__ == "__main__":
    _, program, run, folder = sys.argv
    {"wandb": for_wandb, "tensorboard": for_tensorboard}[program](Path(run), Path(folder))
