"""A lane's log: a record per line, with number and checksum, each written at once (docs/RUN_LOG.md)."""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from typing import Any

from .faults import warn_once

#: The most bytes of records that are held while the log cannot be written.
MOST_HELD = 64 << 20
#: Seconds between attempts to write held records.
RETRY = 1.0


def dumps(value: Any) -> str:
    """JSON as short as it gets; what it does not know becomes a string."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


class Raw(str):
    """Text that is JSON already."""


def fields_text(fields: Mapping[str, Any]) -> str:
    """The fields of an object in JSON, without its braces."""
    return ",".join(
        f"{json.dumps(name)}:{value if isinstance(value, Raw) else dumps(value)}" for name, value in fields.items()
    )


class LaneLog:
    """The log of a lane, open for appending."""

    def __init__(self, path: str, records: int = 0) -> None:
        self.path = path
        #: How many records were written so far.
        self.records = records
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        #: Bytes of whole records in the file.
        self.length = os.fstat(self._file).st_size
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._dropped = 0
        self._retried = 0.0

    def write(self, kind: str, step: int, fields: Mapping[str, Any], at: Mapping[str, float], twice: bool = False) -> None:
        """Appends a record. If the file cannot be written, it is held and written later."""
        self.records += 1
        body = fields_text(fields)
        body = f'{{"{kind}":{{"step":{step},{body + "," if body else ""}"time":{dumps(dict(at))}}},"record":{self.records}'
        line = f'{body},"crc32":"{zlib.crc32(body.encode()):08x}"}}\n'.encode()
        self._append(line * 2 if twice else line)

    def _append(self, line: bytes) -> None:
        if self._held:
            self._hold(line)
            if time.monotonic() - self._retried >= RETRY:
                self.flush()
            return
        error = self._write(line)
        if error is not None:
            warn_once(f"the log cannot be written ({error}); its records are held in memory")
            self._hold(line)
            self._retried = time.monotonic()

    def _hold(self, line: bytes) -> None:
        if self._held_bytes + len(line) > MOST_HELD:
            # The numbers of the records show that some are missing.
            self._dropped += 1
            warn_once("the log still cannot be written; records are lost")
            return
        self._held.append(line)
        self._held_bytes += len(line)

    def _write(self, line: bytes) -> OSError | None:
        try:
            written = os.write(self._file, line)
            if written == len(line):
                self.length += written
                return None
            error = OSError("only a part of a record was written")
        except OSError as failure:
            error = failure
        try:
            os.ftruncate(self._file, self.length)
        except OSError:
            pass
        return error

    def flush(self) -> bool:
        """Writes what is held; whether nothing is held any more."""
        self._retried = time.monotonic()
        while self._held:
            if self._write(self._held[0]) is not None:
                return False
            self._held_bytes -= len(self._held.pop(0))
        return True

    def close(self) -> None:
        """Writes what is held, for up to five seconds, and syncs."""
        until = time.monotonic() + 5
        while not self.flush() and time.monotonic() < until:
            time.sleep(0.2)
        try:
            os.fsync(self._file)
        except OSError:
            pass
        os.close(self._file)


class Past:
    """What a log holds that is resumed. Removes a torn record at its end."""

    def __init__(self, path: str) -> None:
        self.records = 0
        self.last_step = 0
        self.at_ms = 0.0
        self.started: dict[str, Any] | None = None
        self.metrics: dict[str, dict[str, Any]] = {}
        self.axes: dict[str, dict[str, Any]] = {}
        self.non_finite = False
        whole = 0
        with open(path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._note(line)
        if os.path.getsize(path) > whole:
            os.truncate(path, whole)

    def _note(self, line: bytes) -> None:
        body, separator, check = line.rpartition(b',"crc32":"')
        if not separator or check[:8] != b"%08x" % zlib.crc32(body):
            return
        record = json.loads(line)
        self.records = max(self.records, record.get("record", 0))
        kind = next(iter(record))
        event = record[kind]
        self.at_ms = max(self.at_ms, event.get("time", {}).get("at_ms", 0.0))
        if kind == "lane_started":
            self.started = event
        if kind in ("lane_started", "metrics_declared"):
            self.metrics.update((metric["name"], metric) for metric in event.get("metrics", []))
            self.axes.update((axis["name"], axis) for axis in event.get("axes", []))
        self.non_finite |= kind == "non_finite_found"
        self.last_step = event["step"] if kind == "lane_resumed" else max(self.last_step, event["step"])
