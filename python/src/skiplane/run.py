"""A run: a folder with a log, written from a training loop. Knows tensors only by what they can do, not PyTorch."""

from __future__ import annotations

import atexit
import datetime
import math
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import declared, folder
from .decimals import list_text, text
from .faults import harmless, warn_once
from .writer import LaneLog, Past, Raw, dumps

if TYPE_CHECKING:
    from torch import nn

    from .watch import Watch

#: Records that are held back until the structure of a watched model is known, which is when it was trained once.
MOST_EARLY = 1_000
#: The longest note, in bytes.
LONGEST_NOTE = 400


def start(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    lane: str | None = None,
    runs: str | None = None,
    resume: bool | str = False,
    rank: int | None = None,
) -> Run:
    """Starts a run: a new folder under `runs`, else `SKIPLANE_RUNS`, else `runs/`.

    `steps` is how many updates are planned, `lane` the name on screen (that of the run unless given). With `resume`, the
    newest run of this name goes on, or the one with that id or folder; if there is none, it is a new one. Of several
    processes of a job, only rank 0 writes.

    Raises `RunInUse` if another process writes to the run. Nothing else is ever raised, here or later.
    """
    if (_rank() if rank is None else rank) != 0:
        return Run()
    root = runs or folder.runs_folder()
    try:
        found = folder.find(root, resume if isinstance(resume, str) else name) if resume else None
        return Run._resumed(found, steps) if found else Run._new(root, name, lane or name, config, steps)
    except folder.RunInUse:
        raise
    except Exception as error:  # noqa: BLE001 - training goes on without a log
        warn_once(f"the run cannot be written ({type(error).__name__}: {error}); nothing is logged")
        return Run()


def _rank() -> int:
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return int(os.environ.get("RANK", "0") or "0")


class Run:
    """A run that is being written. Without a folder, of other ranks and after a fault, it does nothing."""

    def __init__(self) -> None:
        #: The run's folder; none if nothing is written.
        self.folder: str | None = None
        #: The last step that was logged.
        self.step = 0
        self._stride = 1
        self._watch: Watch | None = None
        self._lock: folder.Lock | None = None
        self._log: LaneLog | None = None
        self._pid = os.getpid()
        self._guard = threading.RLock()
        self._ended = threading.Event()
        self._started = False
        self._early: list[tuple[str, int, dict[str, Any], dict[str, float]]] = []
        self._past: Past | None = None
        self._metrics: dict[str, dict[str, Any]] = {}
        self._axes: dict[str, dict[str, Any]] = {}
        self._measured: dict[str, int] = {}
        self._logged_once = False
        self._logged_at: float | None = None
        self._failure: str | None = None
        self._interrupted = False

    # How it begins

    @classmethod
    def _new(cls, root: str, name: str, lane: str, config: Mapping[str, Any] | None, steps: int | None) -> Run:
        run = cls()
        started = datetime.datetime.now(datetime.timezone.utc)
        path = folder.create(root, name, started)
        run._lock = folder.Lock(path)
        log = folder.slug(lane) + ".jsonl"
        more: dict[str, Any] = {"steps": steps} if steps else {}
        if config is not None:
            more["config"] = dict(config)
        run._open(path, lane, log, started.timestamp(), steps, None)
        folder.replace(os.path.join(path, folder.MANIFEST), folder.manifest(path, name, lane, log, started, **more))
        run._live()
        return run

    @classmethod
    def _resumed(cls, path: str, steps: int | None) -> Run:
        run = cls()
        run._lock = folder.Lock(path)
        manifest = folder.read_json(os.path.join(path, folder.MANIFEST)) or {}
        lane = manifest["lanes"][0]
        log = os.path.join(path, lane["log"])
        past = Past(log) if os.path.exists(log) else None
        started = manifest.get("started_unix_ms", 0) / 1000
        run._open(path, lane["name"], lane["log"], started, steps or manifest.get("steps"), past)
        run._live()
        return run

    def _open(self, path: str, lane: str, log: str, started: float, steps: int | None, past: Past | None) -> None:
        # Kept absolute, because a training script may change its working directory.
        self.folder = os.path.abspath(path)
        self._lane, self._steps = lane, steps
        if past is not None and past.started is None:
            past = None
        self._past = past
        # The clock of a resumed run goes on from its last record.
        now = time.perf_counter()
        self._zero = now - (past.at_ms / 1000 if past else max(0.0, time.time() - started))
        self._log = LaneLog(os.path.join(self.folder, log), past.records if past else 0)
        self._status = folder.Status(self.folder)
        self._summary: dict[str, Any] = {
            "name": lane, "state": "running", "step": past.last_step if past else 0, "steps": steps or 0, "loss": None,
            "error": None, "train_error": None, "test_error": None, "elapsed_ms": past.at_ms if past else 0.0,
            "log_bytes": 0,
        }  # fmt: skip
        if past:
            self.step = past.last_step

    def _live(self) -> None:
        self._beat()
        threading.Thread(target=self._beats, name="skiplane", daemon=True).start()
        _Exits.add(self)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        # A child, such as a worker that loads data, neither writes nor keeps the run alive.
        if self._lock is not None:
            self._lock.release()
        self._lock = self._log = self._watch = None

    # What the training loop calls

    @harmless
    def watch(
        self,
        model: nn.Module,
        *,
        layers: str | Sequence[str] | None = None,
        blocks: str | Sequence[str] | None = None,
        every: int = 10,
        histograms_every: int = 100,
        scaler: Any = None,
    ) -> None:
        """Records statistics of a model's layers and blocks in the first step and every `every`-th; histograms, effective
        ranks and the entropy of attention in the first and every `histograms_every`-th of them all (0: never).

        `layers` are patterns of names of modules such as `["layer1.*", "fc"]`; all with weights of two or more dimensions
        where not given. `blocks` are patterns of names of the blocks that add their input, found by themselves where not
        given; one that is named and adds nothing is a plain block. `scaler` is the GradScaler, which is found in the first
        step where not given.
        """
        if self._log is None:
            return
        from .watch import Watch

        if self._watch is not None:
            warn_once("another model was watched; of several, watch an nn.ModuleList or an nn.ModuleDict")
            self._watch.close()
        names = self._past.started.get("layers") if self._past and self._past.started else None
        self._watch = Watch(
            model, layers, blocks, every, histograms_every, scaler, [layer["name"] for layer in names] if names else None
        )
        self._watch.open(self._expected())

    @harmless
    def log(self, step: int | Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Says that a step is complete, with any numbers, or tensors of up to two dimensions, by name.

        `step` counts updates: 1 after the first, and 0 for what is measured before it. Without a step it is the next one.
        A step may be logged in several calls, with each name in one of them.
        """
        if isinstance(step, Mapping):
            step, values = None, step
        if self._log is None or os.getpid() != self._pid:
            return
        with self._guard:
            self._take(self.step + 1 if step is None else int(step), {**(values or {}), **named})

    @harmless
    def note(self, message: str) -> None:
        """Writes a note at the last step; of a longer one the first 400 bytes."""
        with self._guard:
            if self._log is None or os.getpid() != self._pid:
                return
            self._begin(False)
            cut = str(message).encode()[:LONGEST_NOTE].decode(errors="ignore")
            self._record("note_taken", self.step, {"text": cut})

    @harmless
    def checkpoint(self, file: str | os.PathLike[str]) -> None:
        """Says that a checkpoint of the state after the last step was written to a file."""
        with self._guard:
            if self._log is None or self.folder is None or os.getpid() != self._pid:
                return
            self._begin(False)
            path = os.path.relpath(os.path.abspath(os.fspath(file)), self.folder)
            self._record("checkpoint_written", self.step, {"file": path})

    @harmless
    def finish(self, outcome: str = "completed", reason: str | None = None) -> None:
        """Ends the run: `completed`, `stopped`, `diverged`, or `failed` with a reason."""
        with self._guard:
            if self._log is None or os.getpid() != self._pid:
                return
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            self._begin(True)
            what: Any = {"failed": {"reason": reason or "failed"}} if outcome == "failed" else outcome
            self._record("lane_finished", self.step, {"outcome": what})
            self._ended.set()
            self._log.close()
            self._summary.update(state="finished" if outcome == "completed" else outcome, log_bytes=self._log.length)
            if reason:
                self._summary["reason"] = reason
            self._status.write(self._summary, ended=True)
            self._log = None
            if self._lock is not None:
                self._lock.release()
            _Exits.remove(self)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is None:
            self.finish()
        elif issubclass(kind, KeyboardInterrupt):
            self.finish("stopped")
        else:
            self.finish("failed", f"{kind.__name__}: {error}")

    # How it is written

    def _expected(self) -> int:
        """The next step that will be logged, if they go on as before."""
        return self.step + self._stride

    def _take(self, step: int, values: dict[str, Any]) -> None:
        from .tensors import fetch

        began = time.perf_counter()
        if self._past is not None:
            self._resume_before(step)
        elif self._logged_once and step < self.step:
            warn_once(f"step {step} was logged after step {self.step}; steps must ascend, so it is left out")
            return
        watch = self._watch if step > self.step or not self._logged_once else None
        is_new = watch is not None and watch.has_seen()
        measured = watch.take(step) if watch is not None and is_new else None
        numbers = fetch(values, measured)
        fields: dict[str, Raw] = {}
        metrics: list[dict[str, Any]] = []
        axes: list[dict[str, Any]] = []
        rate = measured.learning_rate if measured is not None else None
        if rate is not None and "learning_rate" not in numbers:
            numbers["learning_rate"] = ((), [rate])
        for name, (shape, flat) in numbers.items():
            self._declare(name, shape, flat, step, fields, metrics, axes)
        self._begin(measured is not None or watch is None or not watch.is_waiting())
        if metrics:
            self._record("metrics_declared", step, {"metrics": metrics, **({"axes": axes} if axes else {})})
        if measured is not None:
            for name, json_text in measured.texts():
                fields[name] = Raw(json_text)
        times: dict[str, float] = {}
        elapsed = self._logged_at is not None and step > self.step
        if elapsed and is_new and self._logged_at is not None:
            times["step_ms"] = round((began - self._logged_at) * 1000 / (step - self.step), 3)
        if measured is not None:
            times["statistics_ms"] = round(measured.seconds * 1000 + (time.perf_counter() - began) * 1000, 3)
        if fields:
            inside = ",".join(f"{dumps(name)}:{what}" for name, what in fields.items())
            self._record("measured", step, {"values": Raw("{" + inside + "}")}, times)
        self._note_non_finite(step, numbers, measured)
        if step > self.step:
            self._stride = step - self.step
        self.step, self._logged_once = max(step, self.step), True
        for name in ("loss", "error", "train_error", "test_error"):
            if name in numbers and numbers[name][0] == ():
                number = numbers[name][1][0]
                self._summary[name] = number if math.isfinite(number) else None
        if watch is not None and (is_new or not watch.is_open()):
            watch.open(self._expected())
        if is_new or self._logged_at is None or elapsed:
            self._logged_at = time.perf_counter()

    def _resume_before(self, step: int) -> None:
        """Writes that the run goes on, before its first record, from the state before this step."""
        past = self._past
        assert past is not None
        self._past = None
        back = min(max(step - 1, 0), past.last_step)
        # Without a name, since the checkpoint is the training loop's own.
        self._started = True
        self._record("lane_resumed", back, {"checkpoint": "" if back > 0 else None})
        declared_ = {"metrics": list(past.metrics.values()), "axes": list(past.axes.values())}
        self._record("metrics_declared", back, declared_)
        self._metrics, self._axes = past.metrics, past.axes
        self._non_finite = past.non_finite and back > 0
        self.step = back

    def _declare(
        self,
        name: str,
        shape: tuple[int, ...],
        flat: Sequence[float],
        step: int,
        fields: dict[str, Raw],
        metrics: list[dict[str, Any]],
        axes: list[dict[str, Any]],
    ) -> None:
        metric, own_axes = declared.logged(name, shape)
        known = self._metrics.get(name)
        if known is None:
            self._metrics[name] = metric
            metrics.append(metric)
            for axis in own_axes:
                self._axes[axis["name"]] = axis
                axes.append(axis)
        elif known.get("over", []) != metric.get("over", []) or any(self._axes[a["name"]] != a for a in own_axes):
            warn_once(f"`{name}` has another shape than at first; it is left out")
            return
        if self._measured.get(name, -1) >= step and step <= self.step:
            warn_once(f"`{name}` was logged before at step {step}; it is left out")
            return
        self._measured[name] = step
        fields[name] = Raw(text(flat[0]) if not shape else list_text(flat))

    def _begin(self, may: bool) -> None:
        """Writes the first record, once the structure of a watched model is known or is no longer waited for."""
        if self._started or self._log is None:
            return
        if self._past is not None:
            self._resume_before(self._past.last_step + 1)
            return
        if not (may or self._watch is None or len(self._early) >= MOST_EARLY):
            return
        self._started = True
        fields: dict[str, Any] = {"version": 3, "lane": self._lane}
        structure = self._watch.structure() if self._watch is not None else None
        if structure is not None:
            metrics = declared.watched(structure.has_shortcuts, bool(structure.blocks), structure.heads > 0)
            self._metrics.update((metric["name"], metric) for metric in metrics)
            fields.update(layers=structure.layers, blocks=structure.blocks, metrics=metrics)
            if structure.heads:
                axis = {"name": "head", "points": list(range(1, structure.heads + 1))}
                fields["axes"], self._axes["head"] = [axis], axis
            if structure.activation_bytes:
                fields["activation_bytes"] = structure.activation_bytes
        if self._steps:
            fields["steps"] = self._steps
        self._write("lane_started", 0, fields, {"at_ms": 0.0}, twice=True)
        early, self._early = self._early, []
        for kind, step, of, at in early:
            self._write(kind, step, of, at)

    def _record(self, kind: str, step: int, fields: dict[str, Any], times: Mapping[str, float] | None = None) -> None:
        at = {"at_ms": round((time.perf_counter() - self._zero) * 1000, 3), **(times or {})}
        if self._started:
            self._write(kind, step, fields, at)
        else:
            self._early.append((kind, step, fields, at))

    def _write(self, kind: str, step: int, fields: dict[str, Any], at: dict[str, float], twice: bool = False) -> None:
        if self._log is None:
            return
        self._log.write(kind, step, fields, at, twice)
        self._summary.update(step=step, elapsed_ms=at["at_ms"], log_bytes=self._log.length)

    def _note_non_finite(self, step: int, numbers: Mapping[str, Any], measured: Any) -> None:
        """Writes where the first NaN or infinity of the run is."""
        if getattr(self, "_non_finite", False):
            return
        loss = numbers.get("loss")
        is_broken = loss is not None and loss[0] == () and not abs(loss[1][0]) < float("inf")
        found = measured.first_non_finite(is_broken) if measured is not None else (None, "forward") if is_broken else None
        if found is not None:
            self._non_finite = True
            self._record("non_finite_found", step, {"layer": found[0], "pass": found[1]})

    def give_up(self) -> None:
        """After a fault: the statistics end, numbers are still logged."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
            self._begin(True)

    # How others see that it is alive

    def _beat(self) -> None:
        self._status.write(self._summary)

    def _beats(self) -> None:
        while not self._ended.wait(1.0):
            if os.getpid() != self._pid:
                return
            with self._guard:
                if self._ended.is_set() or self._log is None:
                    return
                try:
                    self._log.flush()
                    self._beat()
                except Exception as error:  # noqa: BLE001
                    warn_once(f"the status cannot be written ({error})")


class _Exits:
    """Ends the runs that are still open when the interpreter exits, and knows how it came to that."""

    _open: list[Run] = []
    _failure: tuple[str, str | None] | None = None
    _installed = False

    @classmethod
    def add(cls, run: Run) -> None:
        if not cls._installed:
            cls._installed = True
            before = sys.excepthook

            def excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
                stopped = issubclass(kind, KeyboardInterrupt)
                cls._failure = ("stopped", None) if stopped else ("failed", f"{kind.__name__}: {error}"[:1000])
                before(kind, error, trace)

            sys.excepthook = excepthook
            atexit.register(cls._exit)
        cls._open.append(run)

    @classmethod
    def remove(cls, run: Run) -> None:
        if run in cls._open:
            cls._open.remove(run)

    @classmethod
    def _exit(cls) -> None:
        for run in list(cls._open):
            outcome, reason = cls._failure or ("completed", None)
            run.finish(outcome, reason)
