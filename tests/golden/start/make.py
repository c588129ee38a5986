"""Writes checkpoints as PyTorch users have them, of a residual network of 8 layers for 16x16 gray images:

    python make.py          needs torch and safetensors

plain.safetensors     F32, as `safetensors.torch.save_file(model.state_dict())` writes it
wrapped.safetensors   BF16, of a model in DistributedDataParallel and torch.compile, with a buffer that holds no weights
expected.safetensors  input, and the logits in evaluation mode that PyTorch computes in f64 from either
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file


class Block(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.stride, self.pad = cout // cin, (cout - cin) // 2
        self.conv1 = nn.Conv2d(cin, cout, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad)))


class Network(nn.Module):
    def __init__(self, width=4, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(Block(width, width))
        self.layer2 = nn.Sequential(Block(width, 2 * width))
        self.layer3 = nn.Sequential(Block(2 * width, 4 * width))
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def logits(state, x):
    model = Network().double()
    model.load_state_dict({name: t.double() if t.is_floating_point() else t for name, t in state.items()})
    return model.eval()(x.double()).float().detach()


torch.manual_seed(1)
model = Network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for _ in range(10):
    x, labels = torch.randn(16, 1, 16, 16), torch.randint(10, (16,))
    optimizer.zero_grad()
    F.cross_entropy(model(x), labels).backward()
    optimizer.step()
x = torch.randn(4, 1, 16, 16)
state = model.state_dict()
half = {name: t.bfloat16() if t.is_floating_point() else t for name, t in state.items()}
save_file(state, "plain.safetensors")
wrapped = {f"module._orig_mod.{name}": t.clone() for name, t in half.items()}
save_file({**wrapped, "module._orig_mod.position_ids": torch.arange(5)}, "wrapped.safetensors")
save_file({"input": x, "plain": logits(state, x), "wrapped": logits(half, x)}, "expected.safetensors")
