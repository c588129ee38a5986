"""Writes skiplane's run log from a PyTorch training loop.

    import skiplane

    run = skiplane.start("my-run", config={"rate": 0.1})
    run.watch(model)
    for step, batch in enumerate(batches, 1):
        ...
        optimizer.step()
        run.log(step, loss=loss)

Watch it live with `skiplane attach latest`.
"""

from .faults import SkiplaneWarning
from .folder import RunInUse
from .run import Run, start

__all__ = ["Run", "RunInUse", "SkiplaneWarning", "start"]
__version__ = "0.1.0"
