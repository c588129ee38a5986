"""The entropy of attention, as docs/METRICS.md defines it. It is computed beside the network, whose kernels keep no weights,
for a bounded number of scores at a time."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from .parts import on_host, real
from .tensors import Bag

#: The functions that compute attention.
ATTENTIONS: set[Any] = {F.scaled_dot_product_attention, F.multi_head_attention_forward}
#: The most scores that are computed at a time, on the host and on a device.
FEW_SCORES, MANY_SCORES = 1 << 19, 1 << 24
#: Into how many parts queries are taken at least where none attends to a later key, which is then not looked at.
CAUSAL_PARTS = 4
#: A score that is so far below the greatest one of a query has a weight of exactly zero.
NOTHING = -1000.0

_OF_MULTI_HEAD = inspect.signature(F.multi_head_attention_forward)
_OF_PRODUCTS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


def put_entropies(func: Any, arguments: tuple[Any, ...], named: Mapping[str, Any], bag: Bag) -> int:
    """Puts the entropies of each head, summed over queries, and the number of its queries into the bag, by the arguments that
    attention is called with; -1 for shapes that don't tell what the heads are. Queries that may attend to nothing don't
    count."""
    of: dict[str, Any] = {**dict(zip(_OF_PRODUCTS, arguments)), **named}
    if func is F.multi_head_attention_forward:
        of = _products_of_multi_head(_OF_MULTI_HEAD.bind(*arguments, **named).arguments)
    query, key = of.get("query"), of.get("key")
    if query is None or key is None or query.is_nested or query.dim() != 4 or not query.numel():
        return -1
    if key.shape[1] != query.shape[1]:
        # Several heads share keys.
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scale = of.get("scale")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    all_scores = _scores(real(query) * factor, real(key), of.get("attn_mask"), bool(of.get("is_causal")))
    return bag.add(torch.stack([_sums(scores) for scores in all_scores]).sum(0))


def _scores(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, is_causal: bool) -> Iterator[torch.Tensor]:
    """The scores of queries and keys, by example, head and query; minus infinity where a query may not attend."""
    (examples, heads, queries, _), keys = query.shape, key.shape[2]
    if mask is not None:
        mask = mask.expand(examples, heads, queries, keys)
    most = (FEW_SCORES if on_host(query) else MANY_SCORES) // max(heads * keys, 1)
    rows = min(max(most, 1), -(-queries // CAUSAL_PARTS) if is_causal else queries)
    at_once = max(most // rows, 1)
    for example in range(0, examples, at_once):
        some = slice(example, example + at_once)
        for first in range(0, queries, rows):
            these = slice(first, first + rows)
            known = slice(first + rows if is_causal else keys)
            scores = query[some, :, these] @ key[some, :, known].mT
            if is_causal:
                scores += torch.full(scores.shape[2:], -math.inf, device=scores.device).triu(first + 1)
            if mask is not None:
                scores += added(mask[some, :, these, known])
            yield scores


def added(mask: torch.Tensor) -> torch.Tensor:
    """A mask that is added to scores, of one that may say what takes part."""
    if mask.dtype != torch.bool:
        return real(mask)
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -math.inf)


def _sums(scores: torch.Tensor) -> torch.Tensor:
    """The sum of the entropies of each head, and how many queries have one."""
    greatest = scores.amax(-1, keepdim=True)
    scores = scores.sub_(greatest).clamp_(min=NOTHING)
    weights = torch.softmax(scores, -1)
    # The logarithm of a weight is its score less that of all scores, of which the greatest is zero.
    entropies = -weights.amax(-1).log() - scores.mul_(weights).sum(-1)
    has_any = greatest.squeeze(-1) != -math.inf
    entropies = torch.where(has_any, entropies, 0.0)
    return torch.stack([entropies.double().sum((0, 2)), has_any.sum((0, 2)).double()])


def _products_of_multi_head(of: Mapping[str, Any]) -> dict[str, Any]:
    """Queries, keys and mask that `F.multi_head_attention_forward` computes from its arguments; nothing if it is given the
    keys."""
    query, key, padding = of["query"], of["key"], of.get("key_padding_mask")
    if of.get("static_k") is not None:
        return {}
    if query.dim() == 2:
        query, key = query[:, None], key[:, None]
        padding = None if padding is None else padding[None]
    has_own = of.get("use_separate_proj_weight")
    weights = (of["q_proj_weight"], of["k_proj_weight"]) if has_own else of["in_proj_weight"].chunk(3)
    biases = (None, None) if of["in_proj_bias"] is None else of["in_proj_bias"].chunk(3)
    query, key = F.linear(query, weights[0], biases[0]), F.linear(key, weights[1], biases[1])
    examples, heads = query.shape[1], of["num_heads"]
    if of.get("bias_k") is not None:
        key = torch.cat([key, of["bias_k"].expand(1, examples, -1)])
    query, key = (x.view(len(x), examples, heads, -1).permute(1, 2, 0, 3) for x in (query, key))
    if of.get("add_zero_attn"):
        key = F.pad(key, (0, 0, 0, 1))
    mask = _mask_of_multi_head(of.get("attn_mask"), padding, examples, heads, key.shape[2])
    return {"query": query, "key": key, "attn_mask": mask}


def _mask_of_multi_head(
    mask: torch.Tensor | None, padding: torch.Tensor | None, examples: int, heads: int, keys: int
) -> torch.Tensor | None:
    """Both masks, in which true says what does not take part, as one that is added to scores; added keys always do."""
    found = None
    if mask is not None:
        mask = added(~mask if mask.dtype == torch.bool else mask)
        found = mask.view(examples, heads, *mask.shape[1:]) if mask.dim() == 3 else mask
    if padding is not None:
        padding = added(~padding if padding.dtype == torch.bool else padding)[:, None, None]
        found = padding if found is None else found + padding
    return None if found is None else F.pad(found, (0, keys - found.shape[-1]))
