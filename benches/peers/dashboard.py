"""The default experiment without the dashboard and with it, on a pseudo-terminal."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time
from pathlib import Path
from statistics import median

import programs
from speed import doubt
from table import spread, write

COLUMNS, LINES = 120, 40
# A terminal of today that needs not be asked anything.
TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "SKIPLANE_BACKGROUND": "dark", "LC_ALL": "C.UTF-8"}
# Seconds between two looks at whether the lanes are done.
LOOK = 0.2
# Seconds in which the dashboard must leave once it is told to.
PATIENCE = 30
RATIO_TARGET = (0.95, 0.98)
TIME_TARGET = (30, 15)


def measure(skiplane, rounds, steps, threads):
    """Lets both take turns; the time of each is that which its logs tell, from the start to the last lane's end."""
    samples = {"headless": [], "dashboard": []}
    process, drawn, others = [], [], []
    for number in range(rounds):
        order = ("headless", "dashboard") if number % 2 == 0 else ("dashboard", "headless")
        for way in order:
            with tempfile.TemporaryDirectory(dir=programs.target() / "peers", prefix="run-") as folder:
                command = [skiplane, "train", f"--steps={steps}", f"--threads={threads}", "--runs", folder]
                begin = time.perf_counter()
                if way == "headless":
                    others.append(programs.run([*command, "--headless"]).others)
                    process.append(time.perf_counter() - begin)
                else:
                    written, used = on_terminal(command, Path(folder))
                    drawn.append(written)
                    others.append(used)
                samples[way].append(trained_seconds(Path(folder)))
        times = ", ".join(f"{way} {seconds[-1]:.2f} s" for way, seconds in samples.items())
        print(f"round {number + 1} of {rounds}: {times}", flush=True)
    ratios = [alone / shown for alone, shown in zip(samples["headless"], samples["dashboard"])]
    result = {"steps": steps, "seconds": samples, "headless_process_seconds": process, "terminal_bytes": drawn,
              "speed_with_dashboard": ratios, "used_by_others": max(others)}
    report(result, rounds, threads)
    doubt(max(others))
    return result


def on_terminal(command, folder):
    """Trains on the dashboard and leaves it once all lanes are done; gives the bytes that it wrote, and the share
    of the cores that others used.
    """
    bystanders = programs.Bystanders()
    child, terminal = pty.fork()
    if child == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            os.chdir(programs.ROOT)
            os.execve(command[0], [str(word) for word in command], {**os.environ, **TERMINAL})
        finally:
            os._exit(127)
    try:
        count, last = read_until_end(terminal, folder)
    except BaseException:
        # It would go on training without its terminal.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        os.close(terminal)
    _, status, usage = os.wait4(child, 0)
    status = os.waitstatus_to_exitcode(status)
    if status != 0 or not is_finished(folder):
        said = last.decode(errors="replace")
        raise programs.Failure(f"the dashboard ended with status {status} before its lanes did; it wrote:\n{said!r}")
    return count, bystanders.share(usage)


def read_until_end(terminal, folder):
    """Reads all that is written to a terminal, and types `q` once the lanes of the run are done."""
    count, last, next_look, asked = 0, b"", 0.0, None
    while True:
        if select.select([terminal], [], [], LOOK)[0]:
            try:
                written = os.read(terminal, 1 << 16)
            except OSError:
                # Linux tells the end of a pseudo-terminal by an error.
                written = b""
            if not written:
                return count, last
            count, last = count + len(written), (last + written)[-2000:]
        now = time.monotonic()
        if now < next_look:
            continue
        next_look = now + LOOK
        if asked is None and is_finished(folder):
            asked = now
        if asked is not None:
            if now - asked > PATIENCE:
                raise programs.Failure(f"expected the dashboard to leave at the key `q`, found it open after {PATIENCE} s")
            # Where it has not heard of the end yet, it asks a question, which the end takes back.
            os.write(terminal, b"q")
            next_look = now + 1.0


def ends(folder):
    """The record of each lane's end in the only run of a folder; none for a lane that has not ended."""
    for manifest in folder.glob("*/run.json"):
        for lane in json.loads(manifest.read_text(encoding="utf-8"))["lanes"]:
            yield end_of(manifest.with_name(lane["log"]))


def end_of(log):
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16)))
            # What follows the last line's end is still being written.
            *whole, _ = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    # It is always the last record.
    is_end = bool(whole) and whole[-1].startswith(b'{"lane_finished"')
    return json.loads(whole[-1])["lane_finished"] if is_end else None


def is_finished(folder):
    found = list(ends(folder))
    return bool(found) and None not in found


def trained_seconds(folder):
    """The time from the start of the only run in a folder to the end of its last lane."""
    found = list(ends(folder))
    outcomes = [end and end["outcome"] for end in found]
    if not found or any(outcome != "completed" for outcome in outcomes):
        raise programs.Failure(f"expected every lane to complete, found {outcomes}")
    return max(end["time"]["at_ms"] for end in found) / 1e3


def report(result, rounds, threads):
    steps, seconds = result["steps"], result["seconds"]
    print(f"\nThe default experiment, {steps} steps, both lanes, {threads} threads; medians of {rounds} rounds")
    rows = [
        ["headless, the whole process", spread(result["headless_process_seconds"], "{:.2f} s"),
         "{} s, {} s".format(*TIME_TARGET) if steps == 600 else "-"],
        ["headless, by its logs", spread(seconds["headless"], "{:.2f} s"), "-"],
        [f"dashboard of {COLUMNS}x{LINES}, by its logs", spread(seconds["dashboard"], "{:.2f} s"), "-"],
        ["speed with the dashboard to headless", spread(result["speed_with_dashboard"], "{:.3f}"),
         "{}, {}".format(*RATIO_TARGET)],
    ]
    write(["", "median (extremes)", "must, aim"], rows)
    rate = median(result["terminal_bytes"]) / median(seconds["dashboard"])
    print(f"the dashboard wrote {rate / 1024:.1f} KiB a second")
