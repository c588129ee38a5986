"""Trains a plain and a residual network on points in two spirals, logged by PyTorch's SummaryWriter as in its tutorial:
the folder that the README shows a frame of.

Usage: python docs/tensorboard_run.py FOLDER     (needs torch and tensorboard)
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

LAYERS, WIDTH, STEPS = 24, 32, 400


class Block(nn.Module):
    def __init__(self, residual):
        super().__init__()
        self.fc1, self.fc2, self.residual = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), residual

    def forward(self, x):
        branch = self.fc2(torch.relu(self.fc1(x)))
        return torch.relu(branch + x) if self.residual else torch.relu(branch)


def spirals(count):
    turn = torch.rand(count) * 9 + 1
    label = torch.randint(0, 2, (count,))
    angle = turn + label * torch.pi
    points = torch.stack([turn * angle.cos(), turn * angle.sin()], 1) / 10
    return points + torch.randn(count, 2) * 0.01, label


def train(folder, residual):
    torch.manual_seed(1)
    blocks = [Block(residual) for _ in range(LAYERS // 2)]
    model = nn.Sequential(nn.Linear(2, WIDTH), *blocks, nn.Linear(WIDTH, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    writer = SummaryWriter(str(folder), flush_secs=1)
    test = spirals(512)
    for step in range(1, STEPS + 1):
        x, y = spirals(128)
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_scalar("train/loss", loss, step)
        writer.add_scalar("train/lr", schedule.get_last_lr()[0], step)
        if step % 5 == 0:
            for name, parameter in model.named_parameters():
                if name.endswith("weight"):
                    writer.add_scalar(f"grad_norm/{name.removesuffix('.weight')}", parameter.grad.norm(), step)
                    writer.add_histogram(f"gradients/{name}", parameter.grad, step)
        if step % 20 == 0:
            with torch.no_grad():
                logits = model(test[0])
            writer.add_scalar("val/loss", nn.functional.cross_entropy(logits, test[1]), step)
            writer.add_scalar("val/accuracy", (logits.argmax(1) == test[1]).float().mean(), step)
        optimizer.step()
        schedule.step()
    writer.close()


for name, residual in [("plain", False), ("residual", True)]:
    train(Path(sys.argv[1]) / name, residual)
