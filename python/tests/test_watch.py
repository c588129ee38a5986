"""What is recorded of networks that PyTorch trains, compared with direct computations. Skipped without PyTorch."""

import copy
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import unittest
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

import skiplane  # noqa: E402
from test_writer import PROGRAM, SOURCE, Case, measured, read, records  # noqa: E402

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.utils.checkpoint import checkpoint
except ImportError:
    torch = None
else:
    import networks

    torch.set_num_threads(1)

NEEDS_TORCH = unittest.skipIf(torch is None, "PyTorch cannot be imported")
TOLERANCE = 1e-5


def of_output(x, axis):
    """The statistics of an output, in 64 bits."""
    x = x.detach().double()
    others = [at for at in range(x.dim()) if at != axis]
    return {
        "activation_mean": x.mean().item(),
        "activation_std": x.std(correction=0).item(),
        "activation_rms": x.square().mean().sqrt().item(),
        "activation_min": x.min().item(),
        "activation_max": x.max().item(),
        "zero_rate": (x == 0).double().mean().item(),
        "dead_units": (x == 0).all(dim=others[1]).all(dim=0).double().mean().item()
        if len(others) == 2
        else (x == 0).flatten(2).all(2).all(0).double().mean().item()
        if len(others) == 3
        else (x == 0).all(0).double().mean().item(),
        "activation_non_finite": 0.0,
    }


def of_output_gradient(g):
    g = g.double()
    return {
        "output_gradient_norm": g.norm().item(),
        "output_gradient_mean": g.mean().item(),
        "output_gradient_std": g.std(correction=0).item(),
    }


def of_weight(before, gradient, after):
    w, g, u = before.double(), gradient.double(), after.double() - before.double()
    return {
        "weight_norm": w.norm().item(),
        "weight_max": w.abs().max().item(),
        "weight_gradient_norm": g.norm().item(),
        "weight_gradient_mean": g.mean().item(),
        "weight_gradient_std": g.std(correction=0).item(),
        "weight_gradient_max": g.abs().max().item(),
        "weight_gradient_non_finite": 0.0,
        "update_ratio": (u.norm() / w.norm()).item(),
    }


def of_block(branch, shortcut, y, gradient, last):
    branch, shortcut, y, last = (x.detach().double() for x in (branch, shortcut, y, last))
    rms = lambda x: x.square().mean().sqrt()  # noqa: E731
    return {
        "branch_ratio": (rms(branch) / rms(shortcut)).item(),
        "branch_cosine": ((branch * shortcut).sum() / (branch.norm() * shortcut.norm())).item(),
        "stream_growth": (rms(y) / rms(shortcut)).item(),
        "block_share": (rms(branch) / rms(last)).item(),
        "stream_rms": rms(y).item(),
        "stream_gradient_norm": gradient.double().norm().item(),
    }


def bins(x):
    """The histogram of docs/RUN_LOG.md, with a logarithm."""
    counts = {}
    for value in x.detach().flatten().tolist():
        if abs(value) < 2.0**-24:
            at = 32
        else:
            rank = min(math.floor(math.log2(abs(value))), 7) + 24
            at = 33 + rank if value > 0 else 31 - rank
        counts[at] = counts.get(at, 0) + 1
    first, last = min(counts), max(counts)
    return {"first": first, "counts": [counts.get(at, 0) for at in range(first, last + 1)]}


@NEEDS_TORCH
class Values(Case):
    """Each number is what a direct computation gives."""

    def start(self, model, **options):
        run = skiplane.start("run", runs=self.runs)
        run.watch(model, **{"every": 1, "histograms_every": 20, **options})
        self.addCleanup(run.finish)
        return run

    def started(self, run):
        return records(run.folder)[0]["lane_started"]

    def check(self, run, step, layers, expected):
        names = [layer["name"] for layer in self.started(run)["layers"]]
        self.compare(run, step, names, layers, expected)

    def compare(self, run, step, names, which, expected):
        for metric in expected[0]:
            values = measured(run.folder, metric)[step]
            for name, numbers in zip(which, expected):
                found = float(values[names.index(name)])
                wanted = numbers[metric]
                # Means of gradients are sums of terms that cancel, so they are compared at the scale of their terms.
                scale = max(abs(wanted), numbers.get(metric.replace("_mean", "_std"), 0) if "_mean" in metric else 0)
                scale = max(scale, 1.0 if "cosine" in metric else 0)
                self.assertLessEqual(abs(found - wanted), TOLERANCE * scale + 1e-12, f"{name} {metric} {found} {wanted}")

    def test_a_resnet(self):
        torch.manual_seed(0)
        model = networks.ResNet()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
        run = self.start(model)
        images, labels = networks.images()
        for step in (1, 2, 3):
            twin = copy.deepcopy(model)
            x, y = images[step * 32 : step * 32 + 32], labels[step * 32 : step * 32 + 32]
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(step, loss=loss)

            # The same by hand.
            kept = {}

            def keep(name, tensor):
                tensor.retain_grad()
                kept[name] = tensor
                return tensor

            stream = keep("conv1", F.relu(twin.bn1(twin.conv1(x))))
            blocks = [("layer1.0", twin.layer1[0]), ("layer2.0", twin.layer2[0]), ("layer3.0", twin.layer3[0])]
            terms = []
            for name, block in blocks:
                h = stream if block.downsample is None else block.downsample(stream)
                if block.downsample is not None:
                    h = keep(f"{name}.downsample.0", h)
                inner = keep(f"{name}.conv1", F.relu(block.bn1(block.conv1(stream))))
                branch = block.bn2(block.conv2(inner))
                stream = keep(f"{name}.conv2", F.relu(branch + h))
                terms.append((branch, h, stream))
            out = keep("fc", twin.fc(stream.mean((2, 3))))
            by_hand = F.cross_entropy(out, y)
            by_hand.backward()
            self.assertAlmostEqual(measured(run.folder, "loss")[step], by_hand.item(), places=5)
            layers = list(kept)
            weights = dict(model.named_parameters()), dict(twin.named_parameters())
            expected = []
            for name in layers:
                after, before = (of[f"{name}.weight"] for of in weights)
                expected.append(
                    {
                        **of_output(kept[name], 1),
                        **of_output_gradient(kept[name].grad),
                        **of_weight(before.detach(), before.grad, after.detach()),
                    }
                )
            self.check(run, step, layers, expected)
            names = [layer["name"] for layer in self.started(run)["layers"]]
            response = measured(run.folder, "response_std")[step]
            for (branch, h, _), (name, block) in zip(terms, blocks):
                wanted = branch.double().std(correction=0).item()
                self.assertAlmostEqual(response[names.index(f"{name}.conv2")] / wanted, 1, delta=TOLERANCE)
            expected = [of_block(f, h, y_, y_.grad, stream) for f, h, y_ in terms]
            self.compare(run, step, [block["name"] for block in self.started(run)["blocks"]], [b[0] for b in blocks], expected)
            if step == 1:
                found = measured(run.folder, "activations")[1], measured(run.folder, "weight_gradients")[1]
                for name in layers:
                    at = names.index(name)
                    self.assertEqual(found[0][at], bins(kept[name]), name)
                weights_found = measured(run.folder, "weights")[1]
                self.assertEqual(weights_found[names.index("conv1")], bins(weights[1]["conv1.weight"]))
                self.check_rank(run, names, kept)
        self.assertEqual([b["shortcut"] for b in self.started(run)["blocks"]], ["identity", "projection", "projection"])
        self.assertEqual({layer["kind"] for layer in self.started(run)["layers"]}, {"stem", "convolution", "projection", "head"})

    def check_rank(self, run, names, kept):
        """The effective rank of a sample: rows in odd distances, the squares of singular values."""
        found = measured(run.folder, "effective_rank")[1]
        for name, x in kept.items():
            rows = x.detach().double().movedim(1, -1).reshape(-1, x.shape[1])
            count = min(len(rows), min(max(8192 // x.shape[1], 64), 256))
            apart = len(rows) // count
            apart -= apart > 1 and apart % 2 == 0
            sample = rows[torch.arange(count) * apart]
            shares = torch.linalg.svdvals(sample - sample.mean(0)).square()
            shares = shares / shares.sum()
            shares = shares[shares > 0]
            wanted = math.exp(-(shares * shares.log()).sum().item()) / x.shape[1]
            self.assertAlmostEqual(found[names.index(name)], wanted, delta=1e-5, msg=name)

    def test_a_gpt(self):
        torch.manual_seed(0)
        model = networks.GPT()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        run = self.start(model)
        tokens = networks.repeats()
        for step in (1, 2):
            twin = copy.deepcopy(model)
            x, y = tokens[step * 8 : step * 8 + 8, :-1], tokens[step * 8 : step * 8 + 8, 1:]
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(step, loss=loss)

            kept, terms = {}, []

            def keep(name, tensor):
                tensor.retain_grad()
                kept[name] = tensor
                return tensor

            stream = keep("wte", twin.wte(x)) + twin.wpe(torch.arange(32))
            names = []
            for at, block in enumerate(twin.h):
                normed = block.ln_1(stream)
                q, k, v = (p.view(8, 32, 4, 16).transpose(1, 2) for p in keep(f"h.{at}.attn.qkv", block.attn.qkv(normed)).split(64, 2))
                attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(8, 32, 64)
                branch, shortcut = block.attn.proj(attended), stream
                stream = keep(f"h.{at}.attn.proj", branch + shortcut)
                terms.append((branch, shortcut, stream))
                inner = keep(f"h.{at}.mlp.fc", F.gelu(block.mlp.fc(block.ln_2(stream))))
                branch, shortcut = block.mlp.proj(inner), stream
                stream = keep(f"h.{at}.mlp.proj", branch + shortcut)
                terms.append((branch, shortcut, stream))
                names += [f"h.{at}.attn", f"h.{at}.mlp"]
            out = keep("lm_head", twin.lm_head(twin.ln_f(stream)))
            F.cross_entropy(out.flatten(0, 1), y.flatten()).backward()
            weights = dict(model.named_parameters()), dict(twin.named_parameters())
            expected, layers = [], list(kept)
            for name in layers:
                tied = "wte" if name == "lm_head" else name
                after, before = (of[f"{tied}.weight"] for of in weights)
                expected.append(
                    {
                        **of_output(kept[name], 2),
                        **of_output_gradient(kept[name].grad),
                        **of_weight(before.detach(), before.grad, after.detach()),
                    }
                )
            self.check(run, step, layers, expected)
            blocks = self.started(run)["blocks"]
            self.assertEqual([block["name"] for block in blocks], names)
            self.compare(run, step, names, names, [of_block(f, h, y_, y_.grad, stream) for f, h, y_ in terms])
        self.assertEqual(self.started(run)["blocks"][0]["layers"], [2, 3])

    def entropies_of_gpt(self, model, tokens):
        """Of each block and head of a GPT, in 64 bits; NaN in blocks of feed-forward."""
        x = model.wte(tokens) + model.wpe(torch.arange(tokens.shape[1]))
        found = []
        for block in model.h:
            q, k, _ = block.attn.qkv(block.ln_1(x)).split(x.shape[2], 2)
            q, k = (part.unflatten(2, (block.attn.heads, -1)).transpose(1, 2).double() for part in (q, k))
            scores = q @ k.mT / math.sqrt(q.shape[-1])
            later = torch.ones(scores.shape[2:], dtype=torch.bool).triu(1)
            weights = torch.softmax(scores.masked_fill(later, -math.inf), -1)
            found += torch.special.entr(weights).sum(-1).mean((0, 2)).tolist() + [math.nan] * block.attn.heads
            x = block(x)
        return found

    def test_the_entropy_of_attention(self):
        torch.manual_seed(0)
        model = networks.GPT()
        with torch.no_grad():
            # One head of each kind: to a single token, and to all that there are.
            model.h[0].attn.qkv.weight[:32] *= 30
            model.h[0].attn.qkv.weight[32:64] = model.h[0].attn.qkv.bias[32:64] = 0
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = self.start(model, histograms_every=2)
        tokens = networks.repeats()
        for step in (1, 2, 3):
            x, y = tokens[step * 8 : step * 8 + 8, :-1], tokens[step * 8 : step * 8 + 8, 1:]
            with torch.no_grad():
                wanted = self.entropies_of_gpt(model, x)
            F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()
            run.log(step)
            found = measured(run.folder, "attention_entropy").get(step)
            if step == 3:
                self.assertIsNone(found)
                continue
            self.assertEqual(len(found), len(wanted))
            for a, b in zip(map(float, found), wanted):
                self.assertTrue(a != a and b != b or abs(a - b) <= 1e-5, (a, b))
            if step == 1:
                self.assertAlmostEqual(float(found[2]), sum(math.log(i) for i in range(1, 33)) / 32, places=5)
        started = self.started(run)
        self.assertEqual(started["axes"], [{"name": "head", "points": [1, 2, 3, 4]}])
        self.assertIn({"name": "attention_entropy", "over": ["block", "head"], "unit": "nats"}, started["metrics"])
        run.finish()
        if PROGRAM:
            exported = read(run.folder, "export", "--format", "jsonl")
            self.assertIn('"name":"h.1.mlp/4","statistic":"attention_entropy","value":"NaN"', exported.replace(": ", ":"))

    def test_attention_of_every_kind(self):
        """Masks of both kinds, shared keys, other scales, queries that may attend to nothing; in parts of any size."""
        from skiplane import attention
        from skiplane.tensors import Bag

        def entropies(func, *arguments, **named):
            bag = Bag()
            with torch.no_grad():
                place = attention.put_entropies(func, arguments, named, bag)
            numbers = bag.fetch()[place]
            half = len(numbers) // 2
            return [total / count for total, count in zip(numbers[:half], numbers[half:])]

        def direct(scores, has_any=None):
            of = torch.special.entr(torch.softmax(scores.double(), -1)).sum(-1)
            return [(row[has_any[:, h]] if has_any is not None else row).mean().item() for h, row in enumerate(of.unbind(1))]

        torch.manual_seed(0)
        q, k, v = torch.randn(3, 4, 5, 8), torch.randn(3, 2, 7, 8), torch.randn(3, 2, 7, 8)
        scores = q @ k.repeat_interleave(2, 1).mT
        allowed = torch.rand(3, 1, 5, 7) < 0.6
        allowed[1, 0, 2] = False
        has_any = allowed.any(-1).expand(3, 4, 5)
        added = torch.randn(5, 7)
        causal = torch.ones(5, 7, dtype=torch.bool).tril()
        attend = F.scaled_dot_product_attention
        bound = attention.FEW_SCORES
        self.addCleanup(setattr, attention, "FEW_SCORES", bound)
        for attention.FEW_SCORES in (bound, 60, 1):
            for found, wanted in [
                (entropies(attend, q, k, v, scale=0.5, enable_gqa=True), direct(scores * 0.5)),
                (entropies(attend, q, k, v, added, enable_gqa=True), direct(scores / 8**0.5 + added)),
                (entropies(attend, q, k, v, is_causal=True), direct((scores / 8**0.5).masked_fill(~causal, -math.inf))),
                (entropies(attend, q, k, v, allowed), direct((scores / 8**0.5).masked_fill(~allowed, -math.inf), has_any)),
            ]:
                for a, b in zip(found, wanted, strict=True):
                    self.assertAlmostEqual(a, b, places=5)
        for options in ({}, {"kdim": 6, "vdim": 6}, {"add_bias_kv": True, "add_zero_attn": True}, {"bias": False}):
            module = nn.MultiheadAttention(16, 2, batch_first=True, **options)
            width = options.get("kdim", 16)
            x, memory = torch.randn(3, 5, 16), torch.randn(3, 7, width)
            padding = torch.zeros(3, 7, dtype=torch.bool)
            padding[1, 4:] = True
            for mask in (None, torch.randn(5, 7), torch.randn(6, 5, 7).masked_fill(torch.rand(6, 5, 7) < 0.2, -1e9)):
                of_padding = padding if mask is None else torch.zeros(3, 7).masked_fill(padding, -math.inf)
                weights = module(x, memory, memory, of_padding, attn_mask=mask, average_attn_weights=False)[1]
                calls = []

                class Listens(torch.overrides.TorchFunctionMode):
                    def __torch_function__(self, func, types, args=(), kwargs=None):
                        if func in attention.ATTENTIONS:
                            calls.append(entropies(func, *args, **(kwargs or {})))
                        return func(*args, **(kwargs or {}))

                with Listens():
                    module(x, memory, memory, of_padding, attn_mask=mask, need_weights=False)
                wanted = torch.special.entr(weights.double()).sum(-1).mean((0, 2)).tolist()
                for a, b in zip(calls[0], wanted, strict=True):
                    self.assertAlmostEqual(a, b, places=5)

    def test_training_has_the_same_bits(self):
        def train(watched):
            torch.manual_seed(0)
            model = networks.ResNet(block=networks.PreActivationBlock)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            run = skiplane.start("bits", runs=self.runs)
            if watched:
                run.watch(model, every=2)
            images, labels = networks.images()
            for step in range(1, 6):
                at = torch.randint(0, 512, (16,))
                optimizer.zero_grad()
                F.cross_entropy(model(F.dropout(images[at])), labels[at]).backward()
                optimizer.step()
                run.log(step)
            run.finish()
            return model.state_dict()

        bare, watched = train(False), train(True)
        self.assertTrue(all(torch.equal(bare[name], watched[name]) for name in bare))

    def test_blocks_of_every_kind_are_found(self):
        for block, shortcuts in [
            (networks.OptionABlock, ["identity", "zero_padding", "zero_padding"]),
            (networks.PreActivationBlock, ["identity", "projection", "projection"]),
        ]:
            model = networks.ResNet(block=block)
            run = self.start(model)
            images, labels = networks.images()
            F.cross_entropy(model(images[:8]), labels[:8]).backward()
            run.log(1)
            blocks = self.started(run)["blocks"]
            self.assertEqual([found["shortcut"] for found in blocks], shortcuts, block.__name__)
            self.assertEqual([found["name"] for found in blocks], ["layer1.0", "layer2.0", "layer3.0"])
            self.assertTrue(all(isinstance(ratio, (int, float)) for ratio in measured(run.folder, "branch_ratio")[1]))

    def test_blocks_may_be_named(self):
        model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
        run = self.start(model, blocks=["1", "2"], layers=["1.0", "1.1", "2.*"])
        y = model(torch.randn(4, 8))
        y.sum().backward()
        run.log(1)
        started = self.started(run)
        self.assertEqual([layer["name"] for layer in started["layers"]], ["1.0", "1.1", "2.0"])
        self.assertEqual([(b["name"], b.get("shortcut")) for b in started["blocks"]], [("1", None), ("2", None)])
        found = measured(run.folder, "stream_rms")[1][1]
        self.assertAlmostEqual(found, y.square().mean().sqrt().item(), places=6)
        self.assertEqual(measured(run.folder, "weight_norm")[1][1], "NaN")

    def test_a_transformer_of_pytorch(self):
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2, enable_nested_tensor=False)
        run = self.start(model, layers="*")
        optimizer = torch.optim.Adam(model.parameters())
        for step in (1, 2):
            model(torch.randn(4, 6, 16)).square().sum().backward()
            optimizer.step()
            run.log(step)
        started = self.started(run)
        self.assertIn("layers.0.self_attn", [layer["name"] for layer in started["layers"]])
        self.assertIn("layers.0.norm1", [layer["name"] for layer in started["layers"]])
        names = [block["name"] for block in started["blocks"]]
        self.assertEqual(len(names), 4, names)
        self.assertNotIn("NaN", measured(run.folder, "branch_cosine")[2])
        self.assertNotIn("NaN", measured(run.folder, "weight_gradient_norm")[2])
        # Two heads, of attention and feed-forward in turns.
        found = measured(run.folder, "attention_entropy")[1]
        self.assertEqual([value == "NaN" for value in found], [False, False, True, True] * 2, found)

    def test_hard_numbers(self):
        """Means far from zero, squares that are too large for 32 bits, NaN, infinities, dead channels, odd types."""
        from skiplane import parts, statistics
        from skiplane.tensors import Bag

        def sums(x):
            bag = Bag()
            at = statistics.put_sums(parts.real(x), x.numel(), bag)
            found = statistics.Sums()
            found.merge(bag.fetch()[at])
            return found

        torch.manual_seed(0)
        for x in [
            torch.randn(100_003) + 1000,
            torch.randn(64, 16, 9, 7).to(memory_format=torch.channels_last) + 5,
            torch.randn(50, 40).t(),
            torch.randn(3000).half(),
            torch.randn(3000).bfloat16(),
            torch.randn(3000, dtype=torch.float64) * 1e30,
            torch.randn(9000) * 1e25,
            torch.randn(9000) * 1e-25,
            torch.tensor(2.5),
            torch.zeros(10),
        ]:
            d, found = x.double(), sums(x)
            for mine, direct in [(found.mean, d.mean()), (found.std, d.std(correction=0)), (found.norm, d.norm())]:
                scale = max(abs(direct.item()), 1e-3 * d.abs().max().item() if mine == found.mean else 0)
                self.assertLessEqual(abs(mine - direct.item()), TOLERANCE * scale, (x.dtype, x.shape, mine, direct))
        bag = Bag()
        x = torch.tensor([[1.0, 0.0, math.nan], [math.inf, 0.0, -3.0], [0.0, 0.0, -math.inf]])
        places = statistics.put_output(x, 1, bag)
        numbers = bag.fetch()
        self.assertEqual(numbers[places.extremes], [-3.0, 1.0, 4.0, 3.0])
        self.assertEqual(numbers[places.dead], [0, 1, 0])
        self.assertTrue(math.isnan(sums(x).std))
        self.assertEqual(sums(torch.zeros(0)).count, 0)

    def test_histograms_of_every_number(self):
        """Bounds of bins, zeros of both signs, numbers too small for a bin, of outputs and of weights; NaN and infinities."""
        from skiplane import statistics
        from skiplane.histogram import Histogram, bins_of
        from skiplane.tensors import Bag

        def histogram(place, bag):
            found = Histogram()
            found.merge(bins_of([bag.tensors[place]])[0])
            return json.loads(found.text())

        torch.manual_seed(0)
        powers = 2.0 ** torch.arange(-149, 120).double()
        hard = torch.cat([powers, powers * (1 - 2**-24), powers * 1.5, torch.zeros(7)]).float()
        signed = torch.cat([hard, -hard, torch.tensor([-0.0])])
        for count in (1, 2, 999, 300_001):
            x = torch.cat([signed, torch.randn(count)])
            rectified = F.relu(x)
            tensors = [x, rectified, x.double(), x.view(1, -1)]
            bag = Bag()
            found = [statistics.put_output(of, 0, bag, True, of is rectified) for of in tensors]
            found += statistics.put_several([x, -x, rectified], [x.numel()] * 3, bag, True)
            for of, places in zip([*tensors, x, -x, rectified], found):
                self.assertEqual(histogram(places.histogram, bag), bins(of), (count, of.dtype))
                sums, extremes = bag.seen(places.sums), bag.seen(places.extremes)
                self.assertEqual(extremes[:2], [of.min().item(), of.max().item()])
                self.assertAlmostEqual(sums[2] / of.double().square().sum().item(), 1, places=5)
            for of, places in zip(tensors, found):
                self.assertEqual(bag.seen(places.extremes)[2], (of == 0).sum().item())
        broken = F.relu(torch.tensor([1.0, math.nan, math.inf, 0.0]))
        place = statistics.put_output(broken, 0, bag, True, True).histogram
        self.assertEqual(histogram(place, bag), {"first": 32, "counts": [1] + 24 * [0] + [1], "non_finite": 2})

    def test_ranks_of_samples_without_one(self):
        from skiplane.rank import effective_ranks

        torch.manual_seed(0)
        whole = torch.randn(32, 4)
        broken = whole.clone()
        broken[3, 1] = math.nan
        found = effective_ranks({0: torch.ones(32, 4), 1: whole, 2: broken, 3: whole.T.contiguous(), 4: whole * 1e30})
        self.assertTrue(math.isnan(found[0]) and math.isnan(found[2]))
        self.assertTrue(0.9 < found[1] < 1 and 0 < found[3] < 0.2)
        self.assertAlmostEqual(found[4], found[1], places=6)


@NEEDS_TORCH
class Loops(Case):
    """Training loops as they are out there."""

    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        self.told = warnings.catch_warnings(record=True)
        self.messages = self.told.__enter__()
        warnings.simplefilter("always")
        self.addCleanup(self.told.__exit__, None, None, None)
        from skiplane import faults

        faults._told.clear()

    def complaints(self):
        return [str(warning.message) for warning in self.messages if "skiplane" in str(warning.message)]

    def start(self, model, **options):
        run = skiplane.start("run", runs=self.runs)
        self.addCleanup(run.finish)
        run.watch(model, **{"every": 1, "histograms_every": 20, **options})
        return run

    def last(self, run, name, step):
        return [float(value) for value in measured(run.folder, name)[step]]

    def test_accumulated_gradients(self):
        """Two halves are like the whole."""
        model = networks.GPT(layers=1)
        twin = copy.deepcopy(model)
        tokens = networks.repeats()[:16]
        runs = []
        for network, parts in [(model, 1), (twin, 2)]:
            optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
            run = self.start(network)
            for part in tokens.chunk(parts):
                loss = F.cross_entropy(network(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten()) / parts
                loss.backward()
            optimizer.step()
            run.log(1)
            runs.append(run)
        metrics = ["activation_std", "zero_rate", "output_gradient_norm", "weight_gradient_norm", "update_ratio", "branch_cosine"]
        for metric in metrics:
            for a, b in zip(*(self.last(run, metric, 1) for run in runs)):
                # The embedding of positions is computed once for all examples.
                self.assertTrue(abs(a - b) <= 2e-5 * abs(a) + 1e-7 or metric.startswith("output") or a == b, (metric, a, b))
        self.assertEqual(self.complaints(), [])

    def test_scaled_gradients(self):
        """A GradScaler, named or found, and bf16."""
        images, labels = networks.images()
        found = []
        for scale, named in [(None, False), (1024.0, True), (4096.0, False)]:
            torch.manual_seed(1)
            model = networks.ResNet()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None)
            run = self.start(model, scaler=scaler if named else None)
            for step in (1, 2):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = F.cross_entropy(model(images[:16]), labels[:16])
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                run.log(step, loss=loss)
            found.append([self.last(run, name, 2) for name in ("output_gradient_norm", "weight_gradient_norm", "update_ratio")])
        for others in found[1:]:
            for a, b in zip(found[0], others):
                for x, y in zip(a, b):
                    self.assertAlmostEqual(x / y, 1, delta=0.02)
        self.assertEqual(self.complaints(), [])

    def test_a_skipped_step(self):
        model = nn.Linear(4, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        run = self.start(model)
        for step, factor in [(1, 1.0), (2, math.inf), (3, 1.0)]:
            optimizer.zero_grad()
            scaler.scale(model(torch.randn(2, 4)).sum() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
            run.log(step)
        self.assertEqual(self.last(run, "update_ratio", 2), [0.0])
        self.assertGreater(self.last(run, "update_ratio", 3)[0], 0)
        self.assertGreater(self.last(run, "weight_gradient_non_finite", 2)[0], 0)
        self.assertEqual(self.complaints(), [])

    def test_checkpointed_activations(self):
        class Network(nn.Module):
            def __init__(self, how):
                super().__init__()
                self.first, self.block, self.head = nn.Linear(8, 8), networks.MLP(8), nn.Linear(8, 2)
                self.how = how

            def forward(self, x):
                x = F.relu(self.first(x))
                if self.how is None:
                    x = self.block(x)
                else:
                    x = checkpoint(self.block, x, use_reentrant=self.how)
                return self.head(x)

        found = []
        for how in (None, False, True):
            torch.manual_seed(0)
            model = Network(how)
            run = self.start(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for step in (1, 2, 3):
                optimizer.zero_grad()
                model(torch.randn(16, 8)).square().mean().backward()
                optimizer.step()
                run.log(step)
            names = [layer["name"] for layer in records(run.folder)[0]["lane_started"]["layers"]]
            of = {}
            for metric in ("activation_std", "output_gradient_norm", "weight_gradient_norm", "response_std"):
                of.update({(metric, name): value for name, value in zip(names, self.last(run, metric, 3))})
            counts = measured(run.folder, "activations")[1]
            of.update({("count", name): sum(counts[names.index(name)]["counts"]) for name in names})
            found.append(of)
        self.assertEqual(self.complaints(), [])
        for others in found[1:]:
            for key, value in found[0].items():
                self.assertAlmostEqual(others[key], value, delta=1e-5 * abs(value), msg=str(key))

    def test_compiled(self):
        for wrap in (lambda m: torch.compile(m, backend="aot_eager"), lambda m: m.compile(backend="aot_eager") or m):
            model = networks.ResNet()
            compiled = wrap(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            run = self.start(compiled, every=3)
            images, labels = networks.images()
            for step in range(1, 8):
                optimizer.zero_grad()
                F.cross_entropy(compiled(images[:8]), labels[:8]).backward()
                optimizer.step()
                run.log(step)
            self.assertEqual(sorted(measured(run.folder, "activation_std")), [1, 3, 6])
            self.assertNotIn("NaN", measured(run.folder, "activation_std")[6])
            self.assertNotIn("NaN", measured(run.folder, "branch_ratio")[6])
            self.assertEqual([layer["name"] for layer in records(run.folder)[0]["lane_started"]["layers"]][1], "layer1.0.conv1")
            run.finish()
        self.assertEqual(self.complaints(), [])
        run = self.start(torch.compile(nn.Linear(2, 2), backend="eager"))
        self.assertIn("eagerly", " ".join(self.complaints()))

    def test_modules_used_twice_and_several_optimisers(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.shared, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

            def forward(self, x):
                self.outputs = []
                for _ in range(2):
                    x = F.relu(self.shared(x))
                    self.outputs.append(x)
                return self.head(x)

        model = Twice()
        optimizers = [torch.optim.SGD(model.shared.parameters(), lr=0.1), torch.optim.Adam(model.head.parameters())]
        run = self.start(model)
        for step in (1, 2):
            for optimizer in optimizers:
                optimizer.zero_grad()
            model(torch.randn(16, 8)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
            run.log(step)
        both = torch.cat(model.outputs).double()
        self.assertAlmostEqual(self.last(run, "activation_std", 2)[0], both.std(correction=0).item(), places=6)
        self.assertAlmostEqual(self.last(run, "zero_rate", 2)[0], (both == 0).double().mean().item(), places=6)
        self.assertTrue(all(ratio > 0 for ratio in self.last(run, "update_ratio", 2)))

    def test_a_gan(self):
        generator, judge = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        both = nn.ModuleDict({"generator": generator, "judge": judge})
        run = self.start(both)
        a, b = torch.optim.SGD(generator.parameters(), lr=0.1), torch.optim.SGD(judge.parameters(), lr=0.1)
        for step in (1, 2):
            b.zero_grad()
            (judge(torch.randn(8, 2)).mean() - judge(generator(torch.randn(8, 4)).detach()).mean()).backward()
            b.step()
            a.zero_grad()
            judge(generator(torch.randn(8, 4))).mean().backward()
            a.step()
            run.log(step)
        self.assertEqual(len(self.last(run, "update_ratio", 2)), 4)
        self.assertTrue(all(ratio > 0 for ratio in self.last(run, "update_ratio", 2)))
        self.assertEqual(self.complaints(), [])

    def test_meta_frozen_sparse_and_evaluation(self):
        with torch.device("meta"):
            model = nn.Sequential(nn.Embedding(50, 8, sparse=True), nn.Linear(8, 8), nn.Linear(8, 2))
        run = self.start(model)
        model.to_empty(device="cpu")
        for parameter in model.parameters():
            nn.init.normal_(parameter)
        model[1].requires_grad_(False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.log(0, test_loss=1.0)
        for step in (1, 2):
            model.eval()
            with torch.no_grad():
                model(torch.randint(0, 50, (100,)))
            model.train()
            optimizer.zero_grad()
            model(torch.randint(0, 50, (16,))).square().mean().backward()
            optimizer.step()
            run.log(step)
        self.assertEqual(self.complaints(), [])
        ratios = self.last(run, "update_ratio", 2)
        self.assertEqual(ratios[1], 0)
        # The frozen layer has no gradient, and so none that is not finite.
        self.assertEqual(self.last(run, "weight_gradient_non_finite", 2), [0, 0, 0])
        self.assertTrue(ratios[0] > 0 and ratios[2] > 0)
        gradient = model[0].weight.grad.to_dense().double()
        self.assertAlmostEqual(self.last(run, "weight_gradient_std", 2)[0] / gradient.std(correction=0).item(), 1, delta=1e-5)
        self.assertEqual(sum(measured(run.folder, "weight_gradients")[1][0]["counts"]), 400)
        self.assertEqual(sum(measured(run.folder, "activations")[1][0]["counts"]), 128)
        self.assertTrue(records(run.folder)[0]["lane_started"]["layers"][1]["frozen"])
        self.assertEqual(measured(run.folder, "test_loss"), {0: 1.0})

    def test_odd_types(self):
        for dtype in (torch.float64, torch.bfloat16, torch.float16):
            model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype)
            run = self.start(model)
            model(torch.randn(4, 8, dtype=dtype)).sum().backward()
            torch.optim.SGD(model.parameters(), lr=0.1).step()
            run.log(1)
            self.assertNotIn("NaN", measured(run.folder, "activation_std")[1])
        model = nn.LSTM(4, 8)
        run = self.start(model)
        model(torch.randn(3, 2, 4))[0].sum().backward()
        run.log(1)
        self.assertNotIn("NaN", measured(run.folder, "activation_std")[1])
        self.assertEqual(self.complaints(), [])

    def test_a_fault_ends_statistics_and_not_training(self):
        from skiplane import statistics

        model = networks.ResNet()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = self.start(model)
        images, labels = networks.images()
        whole, calls = statistics.put_sums, [0]

        def failing(*arguments):
            calls[0] += 1
            if calls[0] > 40:
                raise RuntimeError("broken")
            return whole(*arguments)

        statistics.put_sums = failing
        try:
            for step in (1, 2, 3):
                optimizer.zero_grad()
                F.cross_entropy(model(images[:8]), labels[:8]).backward()
                optimizer.step()
                run.log(step, loss=step)
        finally:
            statistics.put_sums = whole
        self.assertEqual(len(self.complaints()), 1, self.complaints())
        self.assertEqual(measured(run.folder, "loss"), {1: 1, 2: 2, 3: 3})

    def test_an_exception_in_a_forward_pass_leaves_nothing_behind(self):
        class Fails(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(4, 4)
                self.fails = True

            def forward(self, x):
                x = self.inner(x)
                if self.fails:
                    raise KeyError("data")
                return x

        model = nn.Sequential(Fails(), nn.Linear(4, 4))
        run = self.start(model)
        with self.assertRaises(KeyError):
            model(torch.randn(2, 4))
        self.assertEqual(torch.overrides._len_torch_function_stack() if hasattr(torch.overrides, "_len_torch_function_stack") else torch._C._len_torch_function_stack(), 0)
        model[0].fails = False
        model(torch.randn(2, 4)).sum().backward()
        run.log(1)
        run.finish()
        self.assertFalse(any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()))
        self.assertEqual(self.complaints(), [])

    def test_every(self):
        model = nn.Linear(4, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = self.start(model, every=5, histograms_every=10)
        for step in range(1, 22):
            optimizer.zero_grad()
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
            run.log(step, loss=1)
        self.assertEqual(list(measured(run.folder, "weight_norm")), [1, 5, 10, 15, 20])
        self.assertEqual(list(measured(run.folder, "weights")), [1, 10, 20])
        # With calls every tenth step.
        run = self.start(model, every=50)
        for step in range(1, 201):
            optimizer.zero_grad()
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
            if step % 10 == 0:
                run.log(step, loss=1)
        self.assertEqual(list(measured(run.folder, "weight_norm")), [10, 50, 100, 150, 200])

    def test_non_finite_values_are_traced_to_their_layer(self):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
        run = self.start(model)
        model(torch.randn(2, 4)).sum().backward()
        run.log(1, loss=1.0)
        with torch.no_grad():
            model[1].weight[0, 0] = math.inf
        loss = model(torch.ones(2, 4)).sum()
        loss.backward()
        run.log(2, loss=loss)
        (found,) = [record["non_finite_found"] for record in records(run.folder) if "non_finite_found" in record]
        self.assertEqual((found["step"], found["layer"], found["pass"]), (2, 1, "forward"))

    def two_processes(self, text, *arguments):
        """Runs a script as two ranks; returns what each of them says."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "SKIPLANE_RUNS": self.runs, "WORLD_SIZE": "2"}
        environment.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(20000 + os.getpid() % 20000))
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", text, str(HERE), *arguments],
                env={**environment, "RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        said = []
        for process in processes:
            output, error = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, error)
            self.assertNotIn("SkiplaneWarning", error)
            said.append(output)
        return said

    @unittest.skipUnless(torch is not None and torch.distributed.is_available(), "no distributed PyTorch")
    def test_several_processes(self):
        text = """
import os, sys, torch, torch.nn as nn, skiplane
sys.path.insert(0, sys.argv[1])
import networks
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
torch.manual_seed(0)
model = nn.parallel.DistributedDataParallel(networks.ResNet())
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
run = skiplane.start("ddp")
run.watch(model, every=1)
for step in (1, 2, 3):
    optimizer.zero_grad()
    model(torch.randn(4, 3, 16, 16)).square().mean().backward()
    optimizer.step()
    run.log(step, loss=1.0)
run.finish()
torch.distributed.destroy_process_group()
"""
        self.two_processes(text)
        run = self.only_run()
        self.assertEqual([layer["name"] for layer in records(run)[0]["lane_started"]["layers"]][0], "conv1")
        self.assertNotIn("NaN", measured(run, "weight_gradient_norm")[3])

    @unittest.skipUnless(torch is not None and torch.distributed.is_available(), "no distributed PyTorch")
    def test_sharded_models(self):
        """Both kinds of FSDP: the same losses with and without statistics; outputs as without shards, weights of the shard."""
        text = """
import json, sys, torch, torch.nn.functional as F, skiplane
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
sys.path.insert(0, sys.argv[1])
import networks
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
rank, how = torch.distributed.get_rank(), sys.argv[2]

def sharded(model):
    if how == "whole":
        return model
    if how == "fully_shard":
        from torch.distributed.fsdp import fully_shard
        for block in model.h:
            fully_shard(block)
        return fully_shard(model)
    policy, device = ModuleWrapPolicy({networks.GPTBlock}), torch.device("cpu")
    return FullyShardedDataParallel(model, auto_wrap_policy=policy, use_orig_params=how == "original", device_id=device)

def train(watched):
    torch.manual_seed(0)
    model = sharded(networks.GPT(layers=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = skiplane.start(how)
    if watched:
        run.watch(model, every=1)
    tokens, losses = networks.repeats(), []
    for step in (1, 2, 3):
        at = step * 8 + 4 * rank
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens[at : at + 4, :-1]).flatten(0, 1), tokens[at : at + 4, 1:].flatten())
        loss.backward()
        optimizer.step()
        run.log(step, loss=loss)
        losses.append(loss.item())
    run.finish()
    return losses, str(run.folder)

print(json.dumps([train(False), train(True)]))
torch.distributed.destroy_process_group()
"""
        runs = {}
        for how in ("whole", "fully_shard", "original", "flat"):
            with self.subTest(how):
                said = [json.loads(line) for line in self.two_processes(text, how)]
                for bare, watched in said:
                    self.assertEqual(bare[0], watched[0])
                runs[how] = run = pathlib.Path(said[0][1][1])
                started = [records(of)[0]["lane_started"] for of in (run, runs["whole"])]
                self.assertEqual(*([(layer["name"], layer["parameters"]) for layer in of["layers"]] for of in started))
                self.assertEqual(*([block["name"] for block in of["blocks"]] for of in started))
                for metric in ("activation_std", "response_std", "branch_ratio", "stream_rms", "effective_rank", "attention_entropy"):
                    for a, b in zip(*(map(float, measured(of, metric)[1]) for of in (run, runs["whole"]))):
                        self.assertTrue(a != a and b != b or abs(a - b) <= 1e-5 * abs(b), (metric, a, b))
                norms = [list(map(float, measured(of, "weight_norm")[1])) for of in (run, runs["whole"])]
                if how == "fully_shard":
                    self.assertTrue(all(0 < a < b for a, b in zip(*norms)), norms)
                elif how == "original":
                    # The shard of rank 0 has some of the layers, wholly or in part.
                    self.assertTrue(any(a > 0 for a in norms[0]) and all(not a > b for a, b in zip(*norms)), norms)
                self.assertEqual(set(measured(run, "weight_gradient_non_finite")[2]), {0})
                if PROGRAM:
                    self.assertIn("no findings", read(run, "show"))

    @unittest.skipUnless(PROGRAM, "the program is not built")
    def test_killed_resumed_and_shown(self):
        """A ResNet that is killed, resumed from its checkpoint, and shown in every view."""
        text = """
import os, signal, sys, torch, torch.nn.functional as F, skiplane
sys.path.insert(0, sys.argv[1])
import networks
torch.set_num_threads(1); torch.manual_seed(0)
model = networks.ResNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
first = 1
if os.path.exists(sys.argv[2]):
    state = torch.load(sys.argv[2])
    model.load_state_dict(state["model"]); optimizer.load_state_dict(state["optimizer"]); first = state["step"] + 1
images, labels = networks.images()
run = skiplane.start("resnet", steps=30, resume=True)
run.watch(model, every=1, histograms_every=5)
for step in range(first, 31):
    at = torch.randint(0, 512, (32,), generator=torch.Generator().manual_seed(step))
    out = model(images[at])
    loss = F.cross_entropy(out, labels[at])
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    run.log(step, loss=loss, error=(out.argmax(1) != labels[at]).float().mean())
    if step % 10 == 0:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, sys.argv[2])
        run.checkpoint(sys.argv[2])
    if step == 17 and first == 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""
        file = os.path.join(self.runs, "..", f"skiplane-test-{os.getpid()}.pt")
        self.addCleanup(lambda: os.path.exists(file) and os.remove(file))
        self.assertEqual(self.script(text, str(HERE), file)[0], -signal.SIGKILL)
        run = self.only_run()
        self.assertEqual(json.loads(read(run, "show", "--json"))["lanes"][0]["state"], "crashed")
        self.assertEqual(self.script(text, str(HERE), file)[0], 0)
        self.assertEqual(json.loads(read(run, "show", "--json"))["lanes"][0]["state"], "finished")
        rows = [json.loads(line) for line in read(run, "export", "--format", "jsonl").splitlines()]
        self.assertEqual([row["step"] for row in rows if row["statistic"] == "loss"], list(range(1, 31)))
        for view in "overview profile heatmap layer shortcut findings network charts".split():
            self.assertIn("resnet", read(run, "snapshot", "--view", view))
        self.assertIn("branch_ratio", read(run, "snapshot", "--view", "shortcut"))


if __name__ == "__main__":
    unittest.main()
