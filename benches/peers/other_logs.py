"""Writes 20 tags x 50,000 steps = 1,000,000 scalars for the benchmarks.

    python other_logs.py FOLDER [STEPS]

FOLDER/tensorboard/run/   one event file, one scalar an event, as PyTorch's SummaryWriter writes them
FOLDER/wandb/offline-run-*/run-big.wandb   20 keys a step; with the summary records that wandb writes at each step

The frames are written here, with the protobuf classes of the packages, because the writers themselves are slow.
Packages: tensorboard 2.21.0, wandb 0.31.0, numpy, google-crc32c.
"""

import math
import struct
import sys
import zlib
from pathlib import Path

import google_crc32c
import numpy as np

START = 1_700_000_000
TAGS = ["loss/train", "loss/test", "accuracy", "lr"] + [f"grad_norm/layers.{i}.weight" for i in range(16)]


def values(steps):
    """Noisy curves that fall, one a tag."""
    noise = np.random.default_rng(0).normal(0, 0.05, (steps, len(TAGS)))
    fall = np.exp(-np.arange(steps) / (steps / 5))[:, None]
    return (fall * np.linspace(0.5, 2.5, len(TAGS)) + noise * (0.2 + fall)).astype(np.float32)


def masked_crc(data):
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tensorboard(folder, table):
    from tensorboard.compat.proto.event_pb2 import Event

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"events.out.tfevents.{START}.host.1.0", "wb", 1 << 20) as file:

        def write(event):
            payload = event.SerializeToString()
            length = struct.pack("<Q", len(payload))
            file.write(length + struct.pack("<I", masked_crc(length)) + payload + struct.pack("<I", masked_crc(payload)))

        write(Event(wall_time=START, file_version="brain.Event:2"))
        event = Event()
        value = event.summary.value.add()
        for step, row in enumerate(table.tolist()):
            event.wall_time, event.step = START + 0.1 * step, step
            for value.tag, value.simple_value in zip(TAGS, row):
                write(event)


class WandbFile:
    """Chunks in blocks of 32 KiB that count from the start of the file."""

    BLOCK = 32768

    def __init__(self, path):
        self.file = open(path, "wb", 1 << 20)
        self.position = 0
        self.put(b":W&B" + struct.pack("<HB", 0xBEE1, 0))

    def put(self, data):
        self.file.write(data)
        self.position += len(data)

    def write(self, record):
        data = record.SerializeToString()
        first = True
        while first or data:
            room = self.BLOCK - self.position % self.BLOCK
            if room < 7:
                self.put(bytes(room))
                room = self.BLOCK
            part, data = data[: room - 7], data[room - 7 :]
            kind = (2 if first else 3) if data else (1 if first else 4)
            crc = zlib.crc32(part, zlib.crc32(bytes([kind])))
            self.put(struct.pack("<IHB", crc, len(part), kind) + part)
            first = False


def wandb(folder, table):
    from wandb.proto.wandb_internal_pb2 import Record

    folder.mkdir(parents=True, exist_ok=True)
    log = WandbFile(folder / "run-big.wandb")
    record = Record(num=1)
    record.header.version_info.producer = "0.31.0"
    record.header.version_info.min_consumer = "0.70.0"
    log.write(record)
    record = Record(num=2)
    record.run.run_id, record.run.project, record.run.display_name = "big", "bench", "big"
    record.run.start_time.seconds = START
    log.write(record)

    def prepare(items):
        items = [items.add() for _ in range(len(TAGS) + 3)]
        for item, tag in zip(items, [*TAGS, "_step", "_timestamp", "_runtime"]):
            item.nested_key.append(tag)
        return items

    history, summary = Record(), Record()
    pairs = list(zip(prepare(history.history.item), prepare(summary.summary.update)))
    number = 2
    for step, row in enumerate(table.tolist()):
        texts = [repr(value) for value in row] + [str(step), f"{START + 0.1 * step!r}", f"{0.1 * step!r}"]
        for (one, two), text in zip(pairs, texts):
            one.value_json = two.value_json = text
        history.history.step.num = step
        summary.num, history.num = number + 1, number + 2
        number += 2
        log.write(summary)
        log.write(history)
    record = Record(num=number + 1)
    record.exit.exit_code = 0
    record.exit.runtime = math.ceil(0.1 * len(table))
    log.write(record)
    log.file.close()


if __name__ == "__main__":
    root = Path(sys.argv[1])
    table = values(int(sys.argv[2]) if len(sys.argv) > 2 else 50_000)
    tensorboard(root / "tensorboard/run", table)
    wandb(root / "wandb/offline-run-20240101_000000-big", table)
