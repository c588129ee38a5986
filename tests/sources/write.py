"""Writes logs of training runs with the real writers of other programs.

    python write.py FOLDER [PART ...]     # PART: tensorboard wandb lightning jsonl huggingface

The logs below FOLDER are what skiplane's readers are tested with. `expect.py`
reads them back with the readers that belong to these writers and stores what
they say as `expected.json` beside them.

Packages (Python 3.11; pip install):
    torch 2.15.0, tensorboard 2.21.0, tensorboardX 2.6.5, wandb 0.31.0,
    lightning 2.6.6, transformers 5.24.0, numpy 2.4.6

Seeds, wall times, host name and process id are fixed, so that all but the
W&B runs come out the same byte for byte: the clock that the writers ask
always says `START`, and every value is given its own wall time. wandb's own
process writes its version, the true start time and the order of the keys
within a record, which is random.
"""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

START = 1_700_000_000
NAN, INF = math.nan, math.inf
LAYERS = ["layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer2.0.conv1.weight", "fc.weight"]


def fix_identity():
    """One clock, host and process for all writers in this process."""
    time.time = lambda: float(START)
    socket.gethostname = lambda: "host"
    os.getpid = lambda: 1


def set_clock(seconds):
    """Later writers get a later file name."""
    time.time = lambda: float(START + seconds)


def at(step):
    return START + 2.0 * step


def loss(step, seed=0):
    noise = np.random.default_rng([seed, step]).normal()
    return 2.3 * math.exp(-step / 15) + 0.05 * float(noise)


def gradients(layer, step, n=200):
    """A known array of a layer, of smaller scale the deeper and the later."""
    rng = np.random.default_rng([7, layer, step])
    return rng.normal(0.0, 0.02 / (1 + layer) / (1 + step / 20), n)


# TensorBoard


def pytorch(folder):
    """What a script with torch.utils.tensorboard leaves."""
    import torch
    from torch.utils.tensorboard import SummaryWriter

    torch.manual_seed(0)
    w = SummaryWriter(str(folder))
    odd = {7: NAN, 8: INF, 9: -INF, 30: NAN}
    for step in range(40):
        w.add_scalar("loss/train", odd.get(step, loss(step)), step, walltime=at(step))
        w.add_scalar("lr", 0.1 * 0.5 ** (step // 10), step, walltime=at(step))
        if step % 5 == 0:
            w.add_scalar("loss/test", loss(step, seed=1) + 0.1, step, walltime=at(step))
        if step % 10 == 0:
            for i, layer in enumerate(LAYERS):
                values = torch.from_numpy(gradients(i, step)).float()
                # The default gives some 500 buckets of exponentially growing width.
                bins = "tensorflow" if i == 0 else "auto" if i == 1 else 24
                w.add_histogram("gradients/" + layer, values, step, bins=bins, walltime=at(step))
    # All the same value; and without any value but one.
    w.add_histogram("activations/relu", torch.zeros(16), 0, walltime=at(0))
    w.add_histogram("activations/relu", torch.ones(1), 10, walltime=at(10))
    # A tag that is first written at the end, and one without a slash.
    w.add_scalar("final accuracy (%)", 93.25, 39, walltime=at(39))
    w.add_text("notes", "sgd, *cosine*", 0, walltime=at(0))
    image = np.linspace(0, 1, 3 * 8 * 8).reshape(3, 8, 8)
    w.add_image("input", image, 0, walltime=at(0))
    # Makes one more run a value below this one: learning_rates_conv, ..._fc.
    for step in (0, 1, 2):
        w.add_scalars("learning rates", {"conv": 0.1 / (step + 1), "fc": 0.2 / (step + 1)}, step, walltime=at(step))
    # Makes one more run below this one, too.
    w.add_hparams({"lr": 0.1, "optimizer": "sgd", "nesterov": True}, {"hparam/accuracy": 0.9325}, run_name="hparams")
    w.close()


def restarts(folder):
    """Runs that were stopped and continued in the same folder."""
    from torch.utils.tensorboard import SummaryWriter

    def train(run, seed, steps, **options):
        w = SummaryWriter(str(folder / run), **options)
        for step in steps:
            w.add_scalar("loss/train", loss(step, seed), step, walltime=at(step))
            if step % 5 == 0:
                w.add_scalar("loss/test", loss(step, seed + 1) + 0.1, step, walltime=at(step))
        # Only the first writer of a run writes this tag, and only here.
        if not options and steps[0] == 0:
            w.add_scalar("first writer only", 1.0, 3, walltime=at(3))
            w.add_scalar("first writer only", 2.0, 18, walltime=at(18))
        w.close()

    set_clock(0)
    train("plain", 10, range(30))
    train("residual", 20, range(20))
    train("overlap", 30, range(20))
    set_clock(1000)
    # Tells readers that steps from 12 on are void.
    train("residual", 25, range(12, 30), purge_step=12)
    # Does not; and comes back with steps that the first one wrote as well.
    train("overlap", 35, range(12, 30))
    set_clock(0)


def tensorboardx(folder):
    from tensorboardX import SummaryWriter

    w = SummaryWriter(str(folder))
    for step in range(20):
        w.add_scalar("loss/train", NAN if step == 3 else loss(step, 40), step, walltime=at(step))
        if step % 10 == 0:
            for i, layer in enumerate(LAYERS):
                w.add_histogram("weights/" + layer, gradients(i, step, 100), step, bins=16, walltime=at(step))
    w.close()


def tensors(folder):
    """What TensorFlow 2 and Keras write: scalars and histograms as tensors."""
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    w = EventFileWriter(str(folder), filename_suffix=".v2")
    seen = set()

    def write(step, summary):
        for value in summary.value:
            # As TensorFlow does: what a tag is stands in its first record only.
            if value.tag in seen:
                value.ClearField("metadata")
            seen.add(value.tag)
        w.add_event(event_pb2.Event(wall_time=at(step), step=step, summary=summary))

    for step in range(20):
        # float_val
        value = NAN if step == 4 else loss(step, 50)
        write(step, scalar_pb("epoch_loss", value))
        # tensor_content, which is what TensorFlow's own kernels write
        summary = scalar_pb("epoch_accuracy", 0.0)
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT)
        tensor.tensor_shape.SetInParent()
        tensor.tensor_content = np.float32(1 - loss(step, 51) / 3).tobytes()
        summary.value[0].tensor.CopyFrom(tensor)
        write(step, summary)
        # Without a shape, too: means rank 0.
        summary = scalar_pb("learning_rate", 0.0)
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[0.01 / (1 + step)])
        summary.value[0].tensor.CopyFrom(tensor)
        write(step, summary)
        if step % 10 == 0:
            for i, layer in enumerate(["dense/kernel_0", "dense/bias_0", "dense_1/kernel_0", "dense_1/bias_0"]):
                write(step, histogram_pb(layer, gradients(i, step), buckets=30))
            # No value; all the same value (30 buckets, the last holds them all).
            write(step, histogram_pb("empty", np.zeros(0)))
            write(step, histogram_pb("dead", np.zeros(12)))
    # A scalar tag whose later record is no scalar; a tensor of another plugin.
    odd = summary_pb2.Summary()
    odd.value.add(tag="learning_rate", tensor=tensor_pb2.TensorProto(dtype=types_pb2.DT_DOUBLE, double_val=[1.0]))
    write(20, odd)
    other = summary_pb2.Summary()
    value = other.value.add(tag="predictions", tensor=tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[0.5]))
    value.metadata.plugin_data.plugin_name = "pr_curves"
    write(20, other)
    w.close()


def broken(folder):
    """One small file whole, cut off within its last record, and with a bit that flipped."""
    from torch.utils.tensorboard import SummaryWriter

    w = SummaryWriter(str(folder / "torn"))
    for step in range(20):
        w.add_scalar("loss/train", loss(step, 60), step, walltime=at(step))
    w.close()
    (path,) = (folder / "torn").iterdir()
    whole = path.read_bytes()
    (folder / "damaged").mkdir()

    # Where the records begin.
    starts, position = [], 0
    while position < len(whole):
        starts.append(position)
        position += 16 + int.from_bytes(whole[position : position + 8], "little")
    path.write_bytes(whole[: starts[-1] + 12 + 9])
    damaged = bytearray(whole)
    damaged[starts[12] + 12 + 20] ^= 0x10
    (folder / "damaged" / path.name).write_bytes(damaged)


def tensorboard(folder):
    fix_identity()
    pytorch(folder / "pytorch")
    restarts(folder / "restarts")
    tensorboardx(folder / "tensorboardx")
    tensors(folder / "tensors")
    broken(folder)


# Weights & Biases


def wandb_run(folder, run_id, name, steps, watch="all", encoding="json", kill=False):
    """One offline run, in a process of its own."""
    import torch
    import wandb

    # Nothing about the machine, its user or this script.
    settings = wandb.Settings(
        mode="offline", root_dir=str(folder), silent=True, console="off",
        disable_git=True, disable_code=True, disable_job_creation=True, save_code=False,
        host="host", username="user", email="", program="train.py", program_relpath="train.py",
        x_disable_meta=True, x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False,
        x_history_value_encoding=encoding, x_transaction_log_flush_interval=0.2,
    )  # fmt: skip
    config = {"lr": 0.1, "batch_size": 8, "optimizer": {"name": "sgd", "momentum": 0.9}, "layers": [4, 8, 8, 8, 1]}
    run = wandb.init(project="fixtures", id=run_id, name=name, config=config, settings=settings)

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8, bias=False), torch.nn.Tanh(),
        torch.nn.Linear(8, 8, bias=False), torch.nn.Tanh(),
        torch.nn.Linear(8, 8, bias=False), torch.nn.Tanh(),
        torch.nn.Linear(8, 1),
    )  # fmt: skip
    if watch:
        run.watch(model, log=watch, log_freq=10 if watch == "all" else 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run.define_metric("val/*", step_metric="epoch")
    for step in range(steps):
        x = torch.randn(8, 4)
        error = torch.nn.functional.mse_loss(model(x), x.sum(1, keepdim=True).sin())
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        row = {
            "loss": {11: NAN, 12: INF, 13: -INF}.get(step, loss(step, 70)),
            "accuracy": 1 - loss(step, 71) / 3,
            "train": {"lr": 0.1 * 0.5 ** (step // 10), "norms": {"grad": 1.0 / (step + 1)}},
            "_timestamp": at(step),
        }
        if step % 10 == 9:
            row |= {"val/loss": loss(step, 72) + 0.1, "epoch": step // 10}
        if step == 0:
            row |= {"phase": "warmup", "resumed": False, "big": 2**53 + 1, "vector": [1.0, 2.0, 3.0]}
        run.log(row)
    # A step given by the user, after a gap.
    run.log({"loss": 0.125, "_timestamp": at(steps)}, step=steps + 20)
    run.summary["best"] = 0.125
    if kill:
        run.log({"loss": 0.1, "_timestamp": at(steps + 21)})
        time.sleep(3)
        os.killpg(0, signal.SIGKILL)  # this process and wandb's, which it started
    run.finish()


def wandb_axis(folder, run_id, name):
    """A run whose steps are the values of a metric, as the integrations of Lightning and Hugging Face define it, with what
    W&B measures of the machine."""
    import wandb

    settings = wandb.Settings(
        mode="offline", root_dir=str(folder), silent=True, console="off",
        disable_git=True, disable_code=True, disable_job_creation=True, save_code=False,
        host="host", username="user", email="", program="train.py", program_relpath="train.py",
        x_disable_meta=True, x_stats_sampling_interval=0.5, x_save_requirements=False, x_transaction_log_flush_interval=0.2,
    )  # fmt: skip
    run = wandb.init(project="fixtures", id=run_id, name=name, config={"lr": 0.1}, settings=settings)
    run.define_metric("train/global_step")
    run.define_metric("*", step_metric="train/global_step", step_sync=True)
    for update in range(10, 210, 10):
        run.log({"train/loss": loss(update, 73), "train/grad_norm": 1.0 / update, "train/global_step": update})
        if update % 50 == 0:
            run.log({"eval/loss": loss(update, 74) + 0.1, "train/global_step": update})
        time.sleep(0.1)
    run.log({"train/total_flos": 1e9, "train/global_step": 200})
    run.finish()


def wandb(folder):
    runs = {
        # id: (name, steps, options)
        "fin1shed": ("finished", 30, {}),
        "k1lled00": ("killed", 11, {"watch": "gradients", "kill": True}),
        "typed000": ("typed", 12, {"watch": None, "encoding": "json,typed"}),
    }
    for i, (run_id, (name, steps, options)) in enumerate(runs.items()):
        target = wandb_child(folder, i, run_id, f"wandb_run(WORK, {run_id!r}, {name!r}, {steps}, **{options!r})", bool(options.get("kill")))
    # The last one again, cut off within the records of step 9.
    whole = (target / f"run-{run_id}.wandb").read_bytes()
    target = folder / "offline-run-20240101_000003-torn0000"
    target.mkdir()
    (target / "run-torn0000.wandb").write_bytes(whole[: whole.index(b"1.700000018e+09")])
    wandb_child(folder, 4, "axis0000", "wandb_axis(WORK, 'axis0000', 'axis')")


def wandb_child(folder, i, run_id, call, is_killed=False):
    """Has a process of its own write a run; returns the folder that it is put into."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    code = f"from pathlib import Path; import write; WORK = Path({str(work)!r}); write.{call}"
    environment = os.environ | {"HOME": str(work), "WANDB_DIR": str(work), "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.run([sys.executable, "-c", code], env=environment, start_new_session=True, timeout=120)
    assert child.returncode == (-signal.SIGKILL if is_killed else 0), child
    (log,) = work.glob("wandb/offline-run-*/run-*.wandb")
    target = folder / f"offline-run-20240101_00000{i}-{run_id}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    shutil.copyfile(log, target / log.name)
    shutil.rmtree(work)
    return target


# Files of text


def lightning(folder):
    """Lightning's CSVLogger: rows of what was logged together, the other cells empty."""
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(str(folder / "work"), name="run", version=0)
    for step in range(0, 60, 5):
        value = {10: NAN, 15: INF}.get(step, loss(step, 80))
        logger.log_metrics({"train_loss": value, "epoch": step // 20}, step)
        logger.log_metrics({"lr-SGD": 0.1 * 0.5 ** (step // 20)}, step)
        if step % 20 == 15:
            logger.log_metrics({"val_loss": loss(step, 81) + 0.1, "val_acc": 1 - loss(step, 82) / 3, "epoch": step // 20}, step)
        logger.save()
    logger.finalize("success")
    (written,) = (folder / "work").rglob("metrics.csv")
    shutil.copyfile(written, folder / "metrics.csv")
    shutil.rmtree(folder / "work")


def jsonl(folder):
    """One object a line, by Python's json: NaN, Infinity and -Infinity stand there as such."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "metrics.jsonl", "w") as file:
        for step in range(30):
            row = {"step": step, "loss": {3: NAN, 4: INF, 5: -INF}.get(step, loss(step, 90)), "lr": 0.1}
            row["grad_norm"] = {f"layers.{i}.weight": 0.5 ** i / (1 + step) for i in range(4)}
            if step % 10 == 0:
                row |= {"eval": {"loss": loss(step, 91) + 0.1}, "note": "evaluated", "best": step == 20, "skipped": None}
            file.write(json.dumps(row) + "\n")


def huggingface(folder):
    """What transformers' Trainer keeps in each checkpoint."""
    from transformers.trainer_callback import TrainerState

    folder.mkdir(parents=True, exist_ok=True)
    history = []
    for step in range(10, 210, 10):
        norm = NAN if step == 30 else 1.0 + loss(step // 10, 101)
        history.append({"loss": round(loss(step // 10, 100), 4), "grad_norm": norm, "learning_rate": 5e-05 * (1 - step / 200), "epoch": step / 100, "step": step})
        if step % 100 == 0:
            history.append({"eval_loss": loss(step // 10, 102), "eval_accuracy": 0.8 + step / 2000, "eval_runtime": 1.5, "epoch": step / 100, "step": step})
    history.append({"train_runtime": 61.5, "train_loss": 0.75, "total_flos": 1e12, "epoch": 2.0, "step": 200})
    state = TrainerState(epoch=2.0, global_step=200, max_steps=200, logging_steps=10, eval_steps=100, save_steps=100, num_train_epochs=2, log_history=history)
    state.best_metric = 0.9
    state.save_to_json(str(folder / "trainer_state.json"))


PARTS = {"tensorboard": tensorboard, "wandb": wandb, "lightning": lightning, "jsonl": jsonl, "huggingface": huggingface}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    for part in sys.argv[2:] or ["wandb", "lightning", "jsonl", "huggingface", "tensorboard"]:
        shutil.rmtree(root / part, ignore_errors=True)
        PARTS[part](root / part)
