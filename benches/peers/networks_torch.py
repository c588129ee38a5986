"""Networks about residual connections, in PyTorch: what skiplane's are compared with, by the time of a training step.

    python networks_torch.py list
    python networks_torch.py bench NAME [--way WAY]... [--batch 128 --threads 2 --steps 10 and sizes]

bench  writes an object a line for each way with the milliseconds of each training step (forward, backward, SGD). Ways
       are `default` and `channels-last`, images only, each also with `-compiled`; and `hooks`, which reads statistics of
       each layer, block and gradient.

Everywhere: batch norm with eps 1e-5, momentum 0.1 and unbiased running variance; layer norm with eps 1e-5, weight and
bias; cross entropy averaged over examples, or over the positions whose label is not -100.

He 2015: arXiv 1512.03385. He 2016: 1603.05027. Goyal 2017: 1706.02677. Zhang 2019 (Fixup): 1901.09321. De & Smith 2020
(SkipInit): 2002.10444. Bachlechner 2020 (ReZero): 2003.04887. Huang 2016 (stochastic depth): 1603.09382. Huang 2017
(DenseNet): 1608.06993. Vaswani 2017: 1706.03762. Xiong 2020 (pre-norm): 2002.04745. Kim 2025 (Peri-LN): 2502.02732.
Sun 2025 (LayerNorm scaling): 2502.05795. Zhu 2024 (hyper-connections): 2409.19606. Xie 2025 (mHC): 2512.24880.
"""
import argparse
import functools
import json
import math
import time
from collections import OrderedDict
import torch
import torch.nn as nn
import torch.nn.functional as F

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
WARM_UP = 3


def init_(parameter, std=0.0, mean=0.0):
    """Draws a parameter from N(mean, std^2), and notes both."""
    with torch.no_grad():
        parameter.normal_(mean, std) if std else parameter.fill_(mean)
    parameter.init = (mean, std)
    return parameter


def initialise(model, std=None):
    """Weights N(0, 2 / fan_in) (He et al., 1502.01852, eq. 10) or N(0, std^2), biases 0, norms 1 and 0."""
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear, nn.Embedding)):
            init_(m.weight, std or math.sqrt(2 / m.weight[0].numel()))
        elif isinstance(m, NORMS):
            init_(m.weight, mean=1.0)
        if isinstance(m, (nn.Conv2d, nn.Linear, *NORMS)) and m.bias is not None:
            init_(m.bias)


def scalar(value=0.0, count=1):
    return init_(nn.Parameter(torch.empty(count)), mean=value)


def conv(cin, cout, kernel, stride=1, bias=False):
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=bias)


def option_a(x, cout, stride):
    """x; where the shape changes every stride-th pixel, and zero channels equally on both sides (He 2015, 3.3)."""
    pad = (cout - x.shape[1]) // 2
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, pad, pad)) if stride != 1 or pad else x


class Block(nn.Module):
    """A residual block of two (3x3, 3x3) or three (1x1, 3x3, 1x1) convolutions; here written for two.

    order (He 2016, table 2 and figure 4):
      post         F = bn2 conv2 relu bn1 conv1 x           y = relu(h + F)         fig. 4a, He 2015, 3.2
      bn-after     F = conv2 relu bn1 conv1 x               y = relu(bn2(h + F))    fig. 4b
      relu-before  F = relu bn2 conv2 relu bn1 conv1 x      y = h + F               fig. 4c
      relu-only    F = bn2 conv2 relu bn1 conv1 relu x      y = h + F               fig. 4d
      full         F = conv2 relu bn2 conv1 relu bn1 x      y = h + F               fig. 4e
    With the last two, h as well as F starts behind the first activation in the network's first block and in blocks
    that change the shape (He 2016, appendix; github.com/KaimingHe/resnet-1k-layers; called both_preact elsewhere).

    shortcut (He 2015, 3.3; He 2016, table 1 and figure 2, where batch norm is "right after the weight layers"):
      none         no h: a plain network
      identity     h = x, or option A where the shape changes
      projection   h = bn 1x1 x where the shape changes (option B; without bn for order full), else x
      conv         h = bn 1x1 x in every block (option C; fig. 2e)
      exclusive-gating, only-gating    g = sigmoid(1x1 x + b), h = (1 - g) * identity, F = g * F or F alone (fig. 2c, d)
      dropout      h = m * identity, m in {0, 1} given from outside; evaluation: 0.5 * identity. Not divided by 0.5 in
                   training, for it "imposes a scale with an expectation of 0.5 on the shortcut" (section 3.1; fig. 2f)
    scales: constants on h and F: (0.5, 1) and (0.5, 0.5) (fig. 2b). gain: a learned scalar on F, 0 at first.
    survival: where the mask given is 0, F is not computed and counts as 0; in evaluation F is multiplied by survival
    (Huang 2016, eqs. 2 and 5). Without norm, bn is nothing and every convolution has a bias. The stride is that of
    the first convolution and of the shortcut."""

    def __init__(self, cin, widths, kernels, stride, first, order, shortcut, scales, norm, gain, survival):
        super().__init__()
        self.order, self.shortcut, self.scales, self.gain, self.survival = order, shortcut, scales, gain, survival
        self.stride, self.cout, self.count, self.mask = stride, widths[-1], len(widths), 1.0
        changes = stride != 1 or cin != self.cout
        self.shared = order in ("relu-only", "full") and (first or changes)
        for i, (a, b, kernel) in enumerate(zip((cin, *widths), widths, kernels), 1):
            setattr(self, f"conv{i}", conv(a, b, kernel, stride if i == 1 else 1, not norm))
            setattr(self, f"bn{i}", nn.BatchNorm2d(a if order == "full" else b) if norm else nn.Identity())
        if shortcut == "conv" or shortcut == "projection" and changes:
            behind = [nn.BatchNorm2d(self.cout)] if norm and order != "full" else []
            self.downsample = nn.Sequential(conv(cin, self.cout, 1, stride, not norm), *behind)
        if shortcut.endswith("gating"):
            self.gate = conv(cin, self.cout, 1, stride, True)
        if gain:
            setattr(self, gain, scalar())

    def forward(self, x):
        start = F.relu(self.bn1(x)) if self.order == "full" else F.relu(x) if self.order == "relu-only" else x
        x = start if self.shared else x
        h = None if self.shortcut == "none" else self.h(x)
        f = torch.zeros_like(h) if self.survival and self.training and not self.mask else self.f(start)
        if self.shortcut.endswith("gating"):
            g = torch.sigmoid(self.gate(x))
            h, f = (1 - g) * h, (g * f if self.shortcut == "exclusive-gating" else f)
        y = f if h is None else f + h
        y = getattr(self, f"bn{self.count}")(y) if self.order == "bn-after" else y
        return F.relu(y) if self.order in ("post", "bn-after") else y

    def f(self, x):
        for i in range(1, self.count + 1):
            x, last = getattr(self, f"conv{i}")(x), i == self.count
            if self.order == "full":
                x = x if last else F.relu(getattr(self, f"bn{i + 1}")(x))
            elif not last or self.order != "bn-after":
                x = getattr(self, f"bn{i}")(x)
                x = x if last and self.order != "relu-before" else F.relu(x)
        x = getattr(self, self.gain) * x if self.gain else x
        x = self.survival * x if self.survival and not self.training else x
        return x if self.scales[1] == 1 else self.scales[1] * x

    def h(self, x):
        x = self.downsample(x) if hasattr(self, "downsample") else option_a(x, self.cout, self.stride)
        x = (self.mask if self.training else 0.5) * x if self.shortcut == "dropout" else x
        return x if self.scales[0] == 1 else self.scales[0] * x


class FixupBlock(nn.Module):
    """F = scale * conv2(relu(conv1(x + bias1a) + bias1b) + bias2a) + bias2b, y = relu(h + F), scale and biases scalars;
    h = x, or option A of x + bias1a where the shape changes (Zhang 2019, section 3, and github.com/hongyi-zhang/Fixup,
    cifar, where the zero channels are behind; here they are on both sides, as everywhere)."""

    def __init__(self, cin, widths, kernels, stride, first, **_):
        super().__init__()
        self.stride, self.cout, self.changes = stride, widths[-1], stride != 1 or cin != widths[-1]
        self.bias1a, self.conv1, self.bias1b = scalar(), conv(cin, widths[0], kernels[0], stride), scalar()
        self.bias2a, self.conv2 = scalar(), conv(widths[0], widths[1], kernels[1])
        self.scale, self.bias2b = scalar(1.0), scalar()

    def forward(self, x):
        a = x + self.bias1a
        f = self.scale * self.conv2(F.relu(self.conv1(a) + self.bias1b) + self.bias2a) + self.bias2b
        h = option_a(a, self.cout, self.stride) if self.changes else x
        return F.relu(f + h)


class ResNet(nn.Module):
    """Images; depth 6n + 2: 3x3 stem, three stages of n blocks with widths w, 2w, 4w, average, linear (He 2015, 4.2).

    Stages two and three begin with stride 2. Stem: conv1, bn1, relu; with order relu-only no relu, with order full
    neither; in return they end with relu, or bn and relu (He 2016, appendix).
    init: he. zero-gamma: the weight of each block's last bn is 0 (Goyal 2017, 5.1). skipinit, rezero: without norm, a
    gain of 0, by which blocks are the identity at first; skipinit with order full (De & Smith 2020), rezero with post
    (Bachlechner 2020, eq. 1; how its convolutional networks differ beyond that is not confirmed). fixup: conv1 of
    blocks N(0, 2 / (9 cout L)) for L blocks, conv2 and fc 0, scalars bias1 behind the stem and bias2 in front of fc
    (Zhang 2019, section 3 with m = 2, and its code).
    stochastic: block l of L survives with 1 - l / L * (1 - survival) (Huang 2016, eq. 4)."""
    kernels, expansion, image = (3, 3), 1, True

    def __init__(self, a, order="post", shortcut="identity", scales=(1, 1), norm=True, init="he", gain=None,
                 stochastic=False):
        super().__init__()
        fixup, n = init == "fixup", (a.depth - 2) // (3 * len(self.kernels))
        self.order, norm, blocks, cin = order, norm and not fixup, [], a.width
        self.masked = "survival" if stochastic else "dropout" if shortcut == "dropout" else None
        self.conv1 = conv(a.channels, a.width, 3, bias=not norm and not fixup)
        if fixup:
            self.bias1, self.bias2 = scalar(), scalar()
        elif order != "full":
            self.bn1 = nn.BatchNorm2d(a.width) if norm else nn.Identity()
        for i in range(3 * n):
            w, first = a.width << i // n, i % n == 0
            widths = (w,) * (len(self.kernels) - 1) + (w * self.expansion,)
            survival = 1 - (i + 1) / (3 * n) * (1 - a.survival) if stochastic else None
            blocks.append((FixupBlock if fixup else Block)(
                cin, widths, self.kernels, 2 if first and i else 1, not i, order=order, shortcut=shortcut,
                scales=scales, norm=norm, gain=gain, survival=survival))
            cin = widths[-1]
        for stage in range(3):
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks[stage * n : (stage + 1) * n]))
        if order == "full":
            self.bn = nn.BatchNorm2d(cin) if norm else nn.Identity()
        self.fc = nn.Linear(cin, a.classes)
        initialise(self)
        for block in blocks:
            if init == "zero-gamma":
                init_(block.bn2.weight)
            if fixup:
                init_(block.conv1.weight, math.sqrt(2 / (9 * block.cout * len(blocks))))
                init_(block.conv2.weight)
            if shortcut.endswith("gating"):
                init_(block.gate.bias, mean=a.gate_bias)
        if fixup:
            init_(self.fc.weight)

    def forward(self, x):
        x = self.conv1(x)
        x = x + self.bias1 if hasattr(self, "bias1") else self.bn1(x) if self.order != "full" else x
        x = x if self.order in ("relu-only", "full") else F.relu(x)
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.relu(self.bn(x)) if self.order == "full" else F.relu(x) if self.order == "relu-only" else x
        x = x.mean((2, 3))
        return self.fc(x + self.bias2 if hasattr(self, "bias2") else x)


class BottleneckResNet(ResNet):
    """Images; depth 9n + 2: as ResNet with blocks 1x1 to w, 3x3, 1x1 to 4w (He 2016, appendix).

    The first 1x1 has the stride, as in github.com/KaimingHe/resnet-1k-layers (torchvision: the 3x3)."""
    kernels, expansion = (1, 3, 1), 4


class DenseLayer(nn.Module):
    """y = [x, F(x)], channels joined. F = conv1 relu norm1 x, 3x3 to k channels; with bottleneck
    F = conv2 relu norm2 conv1 relu norm1 x, 1x1 to 4k and 3x3 to k channels (Huang 2017, section 3)."""

    def __init__(self, cin, growth, bottleneck):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(cin), conv(cin, *((4 * growth, 1) if bottleneck else (growth, 3)))
        if bottleneck:
            self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x):
        f = self.conv1(F.relu(self.norm1(x)))
        f = self.conv2(F.relu(self.norm2(f))) if hasattr(self, "conv2") else f
        return torch.cat([x, f], 1)


class Transition(nn.Module):
    """2x2 average of conv relu norm x, 1x1 to theta times the channels (Huang 2017, section 3; relu by its code)."""

    def __init__(self, cin, cout):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(cin), conv(cin, cout, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Images; depth 3m + 4, with bottleneck 6m + 4: 3x3 stem, three blocks of m dense layers (Huang 2017, section 3).

    Between them transitions; at the end norm5, relu, average, linear. Without bottleneck theta is 1 and the stem has
    `width` channels, 16 in the paper; with it (DenseNet-BC) theta is 0.5 and the stem has 2k. torchvision's names."""
    image = True

    def __init__(self, a, bottleneck):
        super().__init__()
        layers, channels = (a.depth - 4) // (6 if bottleneck else 3), 2 * a.growth if bottleneck else a.width
        parts = OrderedDict(conv0=conv(a.channels, channels, 3))
        for block in range(1, 4):
            parts[f"denseblock{block}"] = nn.Sequential(OrderedDict())
            for layer in range(1, layers + 1):
                parts[f"denseblock{block}"].add_module(f"denselayer{layer}", DenseLayer(channels, a.growth, bottleneck))
                channels += a.growth
            if block < 3:
                cin, channels = channels, channels // 2 if bottleneck else channels
                parts[f"transition{block}"] = Transition(cin, channels)
        self.features = nn.Sequential(OrderedDict(parts, norm5=nn.BatchNorm2d(channels)))
        self.classifier = nn.Linear(channels, a.classes)
        initialise(self)

    def forward(self, x):
        return self.classifier(F.relu(self.features(x)).mean((2, 3)))


class PlainLayer(nn.Module):
    """y = relu(bn(linear(x))), linear without bias."""

    def __init__(self, fan_in, fan_out):
        super().__init__()
        self.linear, self.bn = nn.Linear(fan_in, fan_out, bias=False), nn.BatchNorm1d(fan_out)

    def forward(self, x):
        return F.relu(self.bn(self.linear(x)))


class VectorBlock(nn.Module):
    """F = fc2 relu bn2 fc1 relu bn1 x, y = x + F: He 2016, fig. 4e, of linear layers without bias."""

    def __init__(self, width, inner):
        super().__init__()
        self.bn1, self.fc1 = nn.BatchNorm1d(width), nn.Linear(width, inner, bias=False)
        self.bn2, self.fc2 = nn.BatchNorm1d(inner), nn.Linear(inner, width, bias=False)

    def forward(self, x):
        f = self.fc2(F.relu(self.bn2(self.fc1(F.relu(self.bn1(x))))))
        return x + f


class Mlp(nn.Module):
    """Vectors; depth: plain layers of `width` or `widths` (with commas), or residual blocks with `inner` units.

    Plain: layers, head. Residual: stem (linear), blocks, bn, relu, head. Only the head has a bias: batch norm, as the
    next thing that any other output meets, would take it away."""

    def __init__(self, a, residual):
        super().__init__()
        widths = [int(w) for w in a.widths.split(",")] if a.widths else [a.width] * a.depth
        if residual:
            self.stem = nn.Linear(a.features, a.width, bias=False)
            self.blocks = nn.Sequential(*(VectorBlock(a.width, a.inner) for _ in range(a.depth)))
            self.bn = nn.BatchNorm1d(a.width)
        else:
            self.layers = nn.Sequential(*(PlainLayer(*pair) for pair in zip([a.features] + widths, widths)))
        self.head = nn.Linear(a.width if residual else widths[-1], a.classes)
        initialise(self)

    def forward(self, x):
        return self.head(F.relu(self.bn(self.blocks(self.stem(x)))) if hasattr(self, "stem") else self.layers(x))


class Attention(nn.Module):
    """Causal self-attention, proj(softmax(q k' / sqrt(d / heads)) v), with q, k, v stacked in qkv (Vaswani 2017, 3.2)."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """fc2 gelu fc1 x with 4d inner units and the exact gelu, x (1 + erf(x / sqrt 2)) / 2."""

    def __init__(self, dim):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class HyperConnection(nn.Module):
    """With H the streams of a token, n x d: input = Am' H, next H = Ar' H + B' F(input), where [Am, Ar] = alpha, n x
    (n + 1), and B = beta, n. Dynamic: alpha = static_alpha + dynamic_alpha_scale tanh(N dynamic_alpha_fn), beta alike,
    N the layer norm of each stream (Zhu 2024, eqs. 2 to 5, 10 to 13; appendix J, algorithm 2, whose names these are).
    At first Am picks stream (site mod n), sites counted over sublayers, Ar is the identity, B is 1, the functions are 0
    and their scales 0.01 (eq. 14)."""

    def __init__(self, dim, streams, site, dynamic):
        super().__init__()
        self.dim, self.streams, self.dynamic, eye = dim, streams, dynamic, torch.eye(streams)
        self.static_beta = scalar(1.0, streams)
        self.static_alpha = nn.Parameter(torch.cat([eye[:, [site % streams]], eye], 1))
        if dynamic:
            self.dynamic_alpha_fn = init_(nn.Parameter(torch.empty(dim, streams + 1)))
            self.dynamic_beta_fn = scalar(0.0, dim)
            self.dynamic_alpha_scale, self.dynamic_beta_scale = scalar(0.01), scalar(0.01)
            self.layer_norm = nn.LayerNorm(dim)

    def forward(self, h):
        alpha, beta = self.static_alpha, self.static_beta
        if self.dynamic:
            norm = self.layer_norm(h)
            alpha = torch.tanh(norm @ self.dynamic_alpha_fn) * self.dynamic_alpha_scale + alpha
            beta = torch.tanh(norm @ self.dynamic_beta_fn) * self.dynamic_beta_scale + beta
        mixed = alpha.transpose(-1, -2) @ h
        return mixed[..., 0, :], mixed[..., 1:, :], beta


class ManifoldHyperConnection(nn.Module):
    """With x the streams of a token, n x d: input = Hpre x, next x = Hres x + Hpost' F(input) (Xie 2025, eq. 3), where
    for v = vec(x) / sqrt(mean(x^2) + 1e-6) and [p, q, r] = fn v (eqs. 7 to 9)
      Hpre = sigmoid(scale0 p + base), Hpost = 2 sigmoid(scale1 q + base), Hres = sinkhorn(exp(scale2 r + base)),
    r as n x n row by row; sinkhorn: 20 times columns by their sum, then rows by theirs. scale 0.01 at first (appendix
    A.1); for fn and base nothing is published: N(0, std^2); -log(n - 1), 0, 0 for p, q, r. Names as in DeepSeek-V4's
    code, whose epsilons in sigmoid and sinkhorn the paper has not."""

    def __init__(self, dim, streams, std):
        super().__init__()
        self.dim, self.streams, rows = dim, streams, streams * (streams + 2)
        self.fn, self.base = init_(nn.Parameter(torch.empty(rows, streams * dim)), std), nn.Parameter(torch.zeros(rows))
        self.scale = scalar(0.01, 3)
        self.base.data[:streams] = -math.log(streams - 1)

    def forward(self, x):
        n, flat = self.streams, x.flatten(2)
        logits = F.linear(flat * torch.rsqrt(flat.square().mean(-1, keepdim=True) + 1e-6), self.fn)
        p, q, r = (scale * part + base for scale, part, base in zip(
            self.scale, logits.split((n, n, n * n), -1), self.base.split((n, n, n * n))))
        matrix = r.unflatten(-1, (n, n)).exp()
        for _ in range(20):
            matrix = matrix / matrix.sum(-2, keepdim=True)
            matrix = matrix / matrix.sum(-1, keepdim=True)
        return (torch.sigmoid(p)[..., None, :] @ x)[..., 0, :], matrix @ x, 2 * torch.sigmoid(q)


class TransformerBlock(nn.Module):
    """Two sublayers, F = attention and F = feed-forward. With x the input of each and l = 1, 2, .. the layer:
      none      y = F(norm x)
      post      y = norm(x + F(x))                        Vaswani 2017, 3.1
      pre       y = x + F(norm x)                         Xiong 2020, table 1
      peri      y = x + norm_out F(norm x)                Kim 2025, without its optional norm of embeddings
      lnscale   y = x + F(norm(x) / sqrt l)               Sun 2025, and github.com/lmsdss/LayerNorm-Scaling
      rezero    y = x + resweight F(x), a scalar a layer, 0 at first     Bachlechner 2020, eq. 1, and its code (rztx.py)
      scalars   pre, but each layer begins with x = resid_lambda x + x0_lambda x0, x0 the embedding; 1 and 0.1 at first
                (github.com/karpathy/nanochat, gpt.py)
      hyper-static, hyper-dynamic, mhc   y = mixed + beta F(norm input) on n streams; input, mixed, beta by
                HyperConnection (Zhu 2024, algorithm 3) or ManifoldHyperConnection (Xie 2025, eq. 3)"""

    def __init__(self, a, residual, layer):
        super().__init__()
        self.residual, self.layer = residual, layer
        self.attn, self.mlp = Attention(a.dim, a.heads), FeedForward(a.dim)
        if residual == "rezero":
            self.resweight = scalar()
        else:
            self.norm1, self.norm2 = nn.LayerNorm(a.dim), nn.LayerNorm(a.dim)
        if residual == "peri":
            self.norm1_out, self.norm2_out = nn.LayerNorm(a.dim), nn.LayerNorm(a.dim)
        for i, name in enumerate(("attn_hc", "mlp_hc")):
            if residual.startswith("hyper"):
                setattr(self, name, HyperConnection(a.dim, a.streams, 2 * (layer - 1) + i, residual == "hyper-dynamic"))
            elif residual == "mhc":
                setattr(self, name, ManifoldHyperConnection(a.dim, a.streams, a.std))

    def sublayer(self, x, module, number, hc):
        norm = getattr(self, f"norm{number}", None)
        match self.residual:
            case "none":
                return module(norm(x))
            case "post":
                f = module(x)
                return norm(x + f)
            case "pre" | "scalars":
                f = module(norm(x))
            case "peri":
                f = getattr(self, f"norm{number}_out")(module(norm(x)))
            case "lnscale":
                f = module(norm(x) / math.sqrt(self.layer))
            case "rezero":
                f = self.resweight * module(x)
            case _:
                entrance, x, beta = getattr(self, hc)(x)
                f = beta[..., None] * module(norm(entrance))[..., None, :]
        return x + f

    def forward(self, x):
        return self.sublayer(self.sublayer(x, self.attn, 1, "attn_hc"), self.mlp, 2, "mlp_hc")


class Transformer(nn.Module):
    """Tokens: token and learned position embedding, causal layers, norm (not for post and rezero), untied head.

    No dropout, no bias in the head. Streams start as n copies and are summed in front of the last norm (Zhu 2024,
    algorithm 1; mHC says nothing). Weights and embeddings N(0, std^2), proj and fc2 N(0, std^2 / 2L) as GPT-2, with
    streams N(0, std^2 / 2Ln) (Zhu 2024, section 4: "by a factor of sqrt(n)", read as a divisor)."""

    def __init__(self, a, residual):
        super().__init__()
        self.residual, self.streams = residual, a.streams if residual == "mhc" or residual.startswith("hyper") else 0
        self.token_embedding, self.position_embedding = nn.Embedding(a.vocab, a.dim), nn.Embedding(a.context, a.dim)
        self.blocks = nn.ModuleList(TransformerBlock(a, residual, layer + 1) for layer in range(a.layers))
        if residual not in ("post", "rezero"):
            self.norm = nn.LayerNorm(a.dim)
        self.head = nn.Linear(a.dim, a.vocab, bias=False)
        initialise(self, a.std)
        for block in self.blocks:
            for linear in (block.attn.proj, block.mlp.fc2):
                init_(linear.weight, a.std / math.sqrt(2 * a.layers * (self.streams or 1)))
        if residual == "scalars":
            self.resid_lambdas, self.x0_lambdas = scalar(1.0, a.layers), scalar(0.1, a.layers)

    def forward(self, tokens):
        x = x0 = self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]
        x = x[:, :, None].repeat(1, 1, self.streams, 1) if self.streams else x
        for i, block in enumerate(self.blocks):
            x = self.resid_lambdas[i] * x + self.x0_lambdas[i] * x0 if self.residual == "scalars" else x
            x = block(x)
        x = x.sum(2) if self.streams else x
        return self.head(self.norm(x) if hasattr(self, "norm") else x)


P, BLOCKS = functools.partial, (Block, FixupBlock, DenseLayer, PlainLayer, VectorBlock, TransformerBlock)
NETWORKS = {
    **{f"resnet-{s}": P(ResNet, shortcut=s) for s in ("none", "identity", "projection")},
    **{f"preact-{s}": P(ResNet, order="full", shortcut=s) for s in ("none", "identity", "projection")},
    **{f"order-{o}": P(ResNet, order=o) for o in ("bn-after", "relu-before", "relu-only")},
    "shortcut-scaled": P(ResNet, scales=(0.5, 1)), "shortcut-frozen-gate": P(ResNet, scales=(0.5, 0.5)),
    **{f"shortcut-{s}": P(ResNet, shortcut=s) for s in ("exclusive-gating", "only-gating", "conv", "dropout")},
    **{f"bottleneck-{s}": P(BottleneckResNet, shortcut=s) for s in ("none", "identity", "projection")},
    **{f"bottleneck-preact-{s}": P(BottleneckResNet, order="full", shortcut=s) for s in ("none", "projection")},
    **{f"nonorm-{s}": P(ResNet, norm=False, shortcut=s) for s in ("none", "identity")},
    **{init: P(ResNet, init=init) for init in ("zero-gamma", "fixup")},
    "skipinit": P(ResNet, norm=False, order="full", init="skipinit", gain="alpha"),
    "rezero": P(ResNet, norm=False, init="rezero", gain="resweight"),
    "stochastic-depth": P(ResNet, stochastic=True),
    "densenet": P(DenseNet, bottleneck=False), "densenet-bc": P(DenseNet, bottleneck=True),
    "mlp-plain": P(Mlp, residual=False), "mlp-residual": P(Mlp, residual=True),
    **{f"transformer-{r}": P(Transformer, residual=r)
       for r in ("none", "post", "pre", "peri", "lnscale", "rezero", "scalars")},
    **{name: P(Transformer, residual=name) for name in ("hyper-static", "hyper-dynamic", "mhc")},
}
SIZES = dict(seed=0, batch=128, steps=10, channels=3, classes=10, survival=0.5, gate_bias=-6.0, threads=2, depth=20,
             width=16, size=32, growth=12, features=784, inner=0, widths="", layers=4, dim=128, heads=4, context=128,
             vocab=256, streams=4, std=0.02)


def build(a):
    """The network and a batch, both by the seed."""
    torch.manual_seed(a.seed)
    model = NETWORKS[a.name](a)
    if isinstance(model, Transformer):
        x, y = torch.randint(a.vocab, (a.batch, a.context)), torch.randint(a.vocab, (a.batch, a.context))
        y[torch.rand(y.shape) < 0.3] = -100
    else:
        shape = (a.channels, a.size, a.size) if hasattr(model, "image") else (a.features,)
        x, y = torch.randn(a.batch, *shape), torch.randint(a.classes, (a.batch,))
    return model, x, y


def draw_masks(model, x):
    """Lets each block have a mask of what is kept of its shortcut, or 0 or 1, whether its branch survives."""
    shapes, kind = [], getattr(model, "masked", None)
    blocks = [m for m in model.modules() if isinstance(m, Block)]
    hooks = [block.register_forward_hook(lambda _m, _i, y: shapes.append(y.shape)) for block in blocks]
    with torch.no_grad():
        model.eval()(x)
    model.train()
    for hook, block, shape in zip(hooks, blocks, shapes):
        hook.remove()
        if kind == "dropout":
            block.mask = (torch.rand(shape) < 0.5).to(x)
        elif kind == "survival":
            block.mask = int(torch.rand(()) < block.survival)


def read_statistics(model):
    """Lets hooks put what they read of each layer into the list that is returned."""
    statistics = []

    def on_forward(_module, _input, output):
        values = output.detach()
        statistics.append((values.mean(), values.std(correction=0), (values == 0).float().mean(), values.norm()))

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, *NORMS, *BLOCKS)):
            module.register_forward_hook(on_forward)
    for parameter in model.parameters():
        parameter.register_hook(lambda g: statistics.append((g.mean(), g.std(correction=0), g.norm())))
    return statistics


def step_milliseconds(a, way):
    """The milliseconds of each step of a new network; the steps before them compile it, where it is compiled."""
    torch.compiler.reset()
    model, x, y = build(a)
    draw_masks(model, x)
    if way.startswith("channels-last"):
        model, x = (of.to(memory_format=torch.channels_last) for of in (model, x))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, weight_decay=1e-4)
    statistics = read_statistics(model) if way == "hooks" else []
    forward = torch.compile(model) if way.endswith("compiled") else model
    milliseconds = []
    for _ in range(WARM_UP + a.steps):
        statistics.clear()
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(x).flatten(0, -2), y.flatten(), ignore_index=-100)
        loss.backward()
        optimizer.step()
        loss.item()
        if statistics:
            torch.stack([value for row in statistics for value in row]).tolist()
        milliseconds.append((time.perf_counter() - begin) * 1e3)
    return milliseconds[WARM_UP:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(dest="what", required=True)
    sub.add_parser("list")
    bench = sub.add_parser("bench")
    bench.add_argument("name", choices=NETWORKS, metavar="NAME")
    bench.add_argument("--way", action="append")
    for flag, value in SIZES.items():
        bench.add_argument(f"--{flag.replace('_', '-')}", type=type(value), default=value)
    a = parser.parse_args()
    if a.what == "list":
        for name, network in NETWORKS.items():
            sizes = ", ".join(f"{key} {value}" for key, value in network.keywords.items())
            print(f"{name:30}{sizes:54}{network.func.__doc__.splitlines()[0]}")
        return
    a.inner = a.inner or a.width
    torch.set_num_threads(a.threads)
    layouts = ("default", "channels-last")[: 1 + hasattr(NETWORKS[a.name].func, "image")]
    for way in a.way or (*layouts, *(layout + "-compiled" for layout in layouts), "hooks"):
        print(json.dumps({"way": way, "milliseconds": step_milliseconds(a, way)}), flush=True)


if __name__ == "__main__":
    main()
