"""A Lightning callback: `Trainer(callbacks=[SkiplaneCallback("my-run")])`."""

from __future__ import annotations

from typing import Any

from ..run import Run, start

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    from pytorch_lightning.callbacks import Callback


class SkiplaneCallback(Callback):
    """Logs what the module logs, after each update, with the statistics of its layers and blocks.

    `start` takes the arguments of `skiplane.start` by name, `watch` those of `Run.watch`.
    """

    def __init__(self, name: str = "lightning", *, start: dict[str, Any] | None = None, **watch: Any) -> None:
        self._name, self._start, self._options = name, start or {}, watch
        self.run = Run()
        self._step = 0

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins the run when the model is on its device."""
        config = self._start.pop("config", dict(pl_module.hparams))
        steps = int(trainer.estimated_stepping_batches) if trainer.max_steps != -1 else None
        self.run = start(self._name, config, **{"steps": steps, "rank": trainer.global_rank, **self._start})
        self.run.watch(pl_module, **{"scaler": getattr(trainer.precision_plugin, "scaler", None), **self._options})
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Logs once per update, which may take several batches."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        logged = {name: value for name, value in trainer.callback_metrics.items() if not name.startswith(("val", "test"))}
        self.run.log(self._step, {**logged, **({"loss": loss} if loss is not None else {})})

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Logs what validation has measured."""
        if not trainer.sanity_checking:
            found = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("val")}
            renamed = {"val_loss": "test_loss", "val_error": "test_error"}
            self.run.log(self._step, {renamed.get(name, name): value for name, value in found.items()})

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Ends the run."""
        self.run.finish("stopped" if trainer.interrupted else "completed")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Ends the run with the reason."""
        if isinstance(exception, KeyboardInterrupt):
            self.run.finish("stopped")
        else:
            self.run.finish("failed", f"{type(exception).__name__}: {exception}")
