"""The networks of skiplane in PyTorch, and the time of their training step on the CPU.

The network is the project's reference, the one that the golden values of the tests were made with: He et al. 2015,
section 4.2. A 3x3 stem, three stages of n blocks with widths w, 2w, 4w, the first block of stages 2 and 3 with
stride 2, option A shortcuts (subsample, zero-pad the channels equally on both sides), batch norm after each
convolution, global average pool, linear. depth = 6n + 2.

A step is forward, backward and SGD, measured in these ways. The first word is the layout: `nchw`, as PyTorch lays
tensors out where nothing is said, or `channels-last`, which its CPU kernels prefer.

    nchw, channels-last                       f32, operation by operation
    nchw-compiled, channels-last-compiled     f32, forward and backward compiled by `torch.compile` (inductor)
    nchw-bf16, channels-last-bf16             forward under `torch.autocast` in bfloat16; weights and update in f32
    nchw-bf16-compiled, channels-last-bf16-compiled
    hooks                                     nchw in f32, with hooks that read the statistics of each layer that the
                                              dashboard shows

The flags are those of skiplane's `benches/step.rs`. Writes an object a line, as that does with `--json`.
"""

import argparse
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

WARM_UP = 3
CLASSES = 10
SHORTCUTS = ("none", "identity")
LAYOUTS = ("nchw", "channels-last")
MODES = ("", "-compiled", "-bf16", "-bf16-compiled")
WAYS = (*(layout + mode for mode in MODES for layout in LAYOUTS), "hooks")


class Block(nn.Module):
    def __init__(self, cin, cout, stride, residual):
        super().__init__()
        self.residual, self.stride, self.pad = residual, stride, (cout - cin) // 2
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)

    def forward(self, x):
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if not self.residual:
            return F.relu(branch)
        shortcut = x
        if self.stride != 1 or self.pad:
            shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(branch + shortcut)


class ResNet(nn.Module):
    def __init__(self, depth, width, residual, channels):
        super().__init__()
        n = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        cin = width
        for stage in range(3):
            cout, blocks = width << stage, []
            for block in range(n):
                blocks.append(Block(cin, cout, 2 if stage and not block else 1, residual))
                cin = cout
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(cin, CLASSES)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def read_statistics(model):
    """Lets hooks put what they read of each layer into the list that is returned."""
    statistics = []

    def on_forward(_module, _input, output):
        values = output.detach()
        statistics.append((values.mean(), values.std(), (values == 0).float().mean(), values.norm()))

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, Block)):
            module.register_forward_hook(on_forward)
    for parameter in model.parameters():
        parameter.register_hook(lambda g: statistics.append((g.mean(), g.std(), g.norm())))
    return statistics


def step_milliseconds(arguments, shortcut, way):
    """The milliseconds of each step of a new network; the steps before them compile it, where it is compiled."""
    torch.compiler.reset()
    model = ResNet(arguments.depth, arguments.width, shortcut != "none", arguments.channels).train()
    images = torch.randn(arguments.batch, arguments.channels, arguments.side, arguments.side)
    labels = torch.randint(0, CLASSES, (arguments.batch,))
    if way.startswith("channels-last"):
        model, images = (of.to(memory_format=torch.channels_last) for of in (model, images))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=1e-4)
    statistics = read_statistics(model) if way == "hooks" else []
    forward = torch.compile(model) if way.endswith("compiled") else model
    milliseconds = []
    for _ in range(WARM_UP + arguments.steps):
        statistics.clear()
        begin = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in way):
            loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        if statistics:
            torch.stack([value for row in statistics for value in row]).tolist()
        milliseconds.append((time.perf_counter() - begin) * 1e3)
    return milliseconds[WARM_UP:]


def resident_bytes():
    """The most memory that was resident so far; macOS counts it in bytes, others in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = (("depth", 56), ("width", 8), ("side", 16), ("channels", 1), ("batch", 64), ("threads", 1), ("steps", 15))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--shortcut", choices=SHORTCUTS, action="append")
    parser.add_argument("--way", choices=WAYS, action="append")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    before = resident_bytes()
    for shortcut in arguments.shortcut or SHORTCUTS:
        for way in arguments.way or WAYS:
            milliseconds = step_milliseconds(arguments, shortcut, way)
            measurement = {"shortcut": shortcut, "way": way, "milliseconds": milliseconds, "resident_before": before}
            print(json.dumps(measurement), flush=True)


if __name__ == "__main__":
    main()
