"""What the program knows of metrics by name: the axes of those that are watched (docs/METRICS.md)."""

from __future__ import annotations

from typing import Any

#: Of the output of a layer.
OF_OUTPUTS = (
    "activation_mean", "activation_std", "activation_rms", "activation_min", "activation_max", "zero_rate",
    "dead_units", "activation_non_finite", "response_std", "output_gradient_norm", "output_gradient_mean",
    "output_gradient_std",
)  # fmt: skip
#: Of the weights of a layer.
OF_WEIGHTS = (
    "weight_gradient_norm", "weight_gradient_mean", "weight_gradient_std", "weight_gradient_non_finite",
    "weight_norm", "update_ratio", "weight_max", "weight_gradient_max",
)  # fmt: skip
#: Of a block.
OF_BLOCKS = ("stream_rms", "stream_gradient_norm")
#: Of a block that adds its input.
OF_SHORTCUTS = ("branch_ratio", "branch_cosine", "stream_growth", "block_share")
#: As rare as histograms.
RARE = ("effective_rank",)
HISTOGRAMS = ("activations", "weight_gradients", "weights")
#: Numbers that are logged by hand, of which more is known than a name.
LOWER = ("loss", "error", "perplexity")


def watched(shortcuts: bool, blocks: bool, heads: bool) -> list[dict[str, Any]]:
    """The declarations of all that is watched."""
    layers = [{"name": name, "over": ["layer"]} for name in (*OF_OUTPUTS, *OF_WEIGHTS, *RARE)]
    of_blocks = (*(OF_SHORTCUTS if shortcuts else ()), *(OF_BLOCKS if blocks else ()))
    histograms = [{"name": name, "over": ["layer", "bin"]} for name in HISTOGRAMS]
    of_heads = [{"name": "attention_entropy", "over": ["block", "head"], "unit": "nats"}] if heads else []
    return layers + [{"name": name, "over": ["block"]} for name in of_blocks] + of_heads + histograms


def logged(name: str, shape: tuple[int, ...]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The declaration of what is logged by hand, and of its axes: of their own, for numbers of one or two dimensions."""
    metric: dict[str, Any] = {"name": name}
    if any(name == lower or name.endswith(("_" + lower, "/" + lower)) for lower in LOWER):
        metric["better"] = "lower"
    axes = [
        {"name": f"{name}.{direction}", "points": list(range(length))}
        for direction, length in zip(("row", "column") if len(shape) == 2 else ("index",), shape)
    ]
    if axes:
        metric["over"] = [axis["name"] for axis in axes]
    return metric, axes
