"""A run's folder: its name, its lock, `run.json` and `status.json` (docs/RUN_LOG.md)."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import platform
import re
import socket
import stat
import sys
import time
from typing import Any

from .writer import dumps

LOCK = "run.lock"
STATUS = "status.json"
MANIFEST = "run.json"


class RunInUse(RuntimeError):
    """Another process writes to the run."""


def runs_folder() -> str:
    """The folder of runs: `SKIPLANE_RUNS`, else `runs` in the working directory."""
    return os.environ.get("SKIPLANE_RUNS") or "runs"


def slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "run"


def create(root: str, name: str, started: datetime.datetime) -> str:
    """Makes a new folder for a run that starts now."""
    os.makedirs(root, exist_ok=True)
    stem = f"{started:%Y%m%d-%H%M%S}-{slug(name)}"
    for number in range(1, 10_000):
        path = os.path.join(root, stem if number == 1 else f"{stem}-{number}")
        try:
            os.mkdir(path)
            return path
        except FileExistsError:
            continue
    raise FileExistsError(f"expected a free name like {stem} in {root}")


def find(root: str, wanted: str) -> str | None:
    """The newest run whose folder is this one, or has this id or name."""
    if os.path.isfile(os.path.join(wanted, MANIFEST)):
        return wanted
    pattern = re.compile(r"\d{8}-\d{6}-" + re.escape(slug(wanted)) + r"(-\d+)?")
    try:
        found = [name for name in os.listdir(root) if name == wanted or pattern.fullmatch(name)]
    except FileNotFoundError:
        return None
    found = [name for name in found if os.path.isfile(os.path.join(root, name, MANIFEST))]
    return os.path.join(root, max(found)) if found else None


def process_start(pid: int) -> dict[str, Any] | None:
    """When a process started, if the system says; none for one that has ended."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else {"boot": boot, "ticks": int(fields[19])}


class Lock:
    """The lock on a run, held until it is released or the process ends."""

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, LOCK)
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        # Only those who may write to the folder may open it, since who can open a file can lock it.
        writers = stat.S_IMODE(os.stat(folder).st_mode) & 0o222
        mode = 0o600 | writers | writers << 1
        try:
            self._file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            os.fchmod(self._file, mode)
        except FileExistsError:
            self._file = os.open(path, flags)
            if stat.S_IMODE(os.fstat(self._file).st_mode) & 0o777 & ~mode:
                os.fchmod(self._file, mode)
        # Looking at the lock takes it for a moment, too.
        for attempt in range(20):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 19:
                    os.close(self._file)
                    raise RunInUse(f"{folder} is being written by another process") from None
                time.sleep(0.01)
            except OSError:
                # On a file system without locks viewers rely on the heartbeat.
                break
        status = read_json(os.path.join(folder, STATUS))
        if status and status.get("exit") is None and status.get("pid") != os.getpid():
            start = status.get("process_start")
            if start and start == process_start(status["pid"]):
                os.close(self._file)
                raise RunInUse(f"{folder} is being written by process {status['pid']}")

    def release(self) -> None:
        """Lets others write; of a forked child, only closes its copy."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_json(path: str) -> dict[str, Any] | None:
    """An object in a file; none if there is none."""
    try:
        with open(path) as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def replace(path: str, value: Any, sync: bool = False) -> None:
    """Replaces a file at once."""
    folder, name = os.path.split(path)
    following = os.path.join(folder, f".{name}.new")
    try:
        os.unlink(following)
    except FileNotFoundError:
        pass
    file = os.open(following, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, (dumps(value) + "\n").encode())
        if sync:
            os.fsync(file)
    finally:
        os.close(file)
    os.rename(following, path)


def manifest(folder: str, name: str, lane: str, log: str, started: datetime.datetime, **more: Any) -> dict[str, Any]:
    """What `run.json` says."""
    return {
        "version": 3,
        "run": os.path.basename(folder),
        "experiment": name,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "started_unix_ms": int(started.timestamp() * 1000),
        "host": socket.gethostname(),
        "os": f"{sys.platform} {platform.machine()}",
        "command": [str(part) for part in (sys.orig_argv or sys.argv)],
        **more,
        "lanes": [{"name": lane, "log": log}],
    }


class Status:
    """Writes `status.json`."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, STATUS)
        self._process = {"pid": os.getpid(), "process_start": process_start(os.getpid()), "host": socket.gethostname()}
        self._last = time.time()

    def write(self, lane: dict[str, Any], ended: bool = False) -> None:
        """Says how the lane is doing, and that the process is alive, unless it has ended."""
        now = time.time()
        unix_ms = int(now * 1000)
        interval = max(0, int((now - self._last) * 1000))
        self._last = now
        value = {
            "version": 1,
            **{name: what for name, what in self._process.items() if what is not None},
            "heartbeat_unix_ms": unix_ms,
            "interval_ms": interval,
            "exit": {"state": lane["state"], "unix_ms": unix_ms} if ended else None,
            "lanes": [lane],
        }
        replace(self._path, value, sync=ended)
