"""A callback for the Trainer of Hugging Face: `Trainer(callbacks=[SkiplaneCallback("my-run")])`."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ..run import Run, start

#: Names that the program knows.
RENAMED = {"eval_loss": "test_loss", "eval_error": "test_error"}


class SkiplaneCallback(TrainerCallback):
    """Records the statistics of each update, and what the trainer logs.

    `start` takes the arguments of `skiplane.start` by name, `watch` those of `Run.watch`.
    """

    def __init__(self, name: str = "transformers", *, start: dict[str, Any] | None = None, **watch: Any) -> None:
        self._name, self._start, self._options = name, start or {}, watch
        self.run = Run()

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """Begins the run."""
        rank = 0 if state.is_world_process_zero else 1
        self.run = start(self._name, **{"config": args.to_dict(), "steps": state.max_steps, "rank": rank, **self._start})
        if model is not None:
            self.run.watch(model, **self._options)

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """An update is complete."""
        self.run.log(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **named: Any) -> None:
        """Logs the numbers that the trainer logs: those of the last steps."""
        numbers = {RENAMED.get(name, name): value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
        numbers.pop("learning_rate", None)
        self.run.log(state.global_step, numbers)

    def on_train_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Ends the run."""
        self.run.finish("completed" if state.global_step >= state.max_steps else "stopped")
