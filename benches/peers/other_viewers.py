"""How long skiplane and other programs take to show the 1,000,000 scalars of `other_logs.py`.

    python other_viewers.py FOLDER [TIMES]        # FOLDER as given to other_logs.py; TIMES each, 3 by default

skiplane (target/release/skiplane): from the start of `skiplane review` in a terminal of 120x40 until the charts are drawn
at the last step; the first time, without an index of the log (first), and with it (again).

TensorBoard: from the start of the process until HTTP answers /data/plugin/scalars/scalars for each of
the 20 tags (first: any data for one tag; end: the last step of all tags), asked every 50 ms.
    default         with its data server, which keeps 1000 of a tag's points
    all points      --samples_per_plugin scalars=50000
    without server  --load_fast=false, the Python reader
    scalars=0       documented as "keep all"; is only asked whether it shows points

W&B LEET: from the start of `wandb leet run` in a terminal of 120x40 (tmux) until charts are
drawn (first) and until it says that the run is finished, at its last step (end).

Packages: tensorboard 2.21.0 with tensorboard-data-server 0.7.2, wandb 0.31.0; tmux.
"""

import fcntl
import json
import os
import pty
import select
import shlex
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

BIN = Path(sys.executable).parent
LIMIT = 240
SKIPLANE = Path(__file__).resolve().parents[2] / "target/release/skiplane"


def memory(pid):
    """Peak resident memory of a process and its children in MB, by Linux' /proc."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1]) // 1024
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += memory(child)
    except OSError:
        pass
    return total


def processor(pid):
    """Seconds of processor time of a process and its children: depends less on what else runs."""
    total = 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += processor(child)
    except OSError:
        pass
    return total


def tensorboard(logdir, steps, *options, limit=LIMIT):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [BIN / "tensorboard", "--logdir", logdir, "--port", str(port), *options]
    start = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(path, **query):
        url = f"http://127.0.0.1:{port}/data/plugin/scalars/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError):
            return None

    first = end = None
    points = 0
    try:
        while end is None and time.monotonic() - start < limit:
            time.sleep(0.05)
            tags = (get("tags") or {}).get("run", {})
            last = []
            for tag in tags:
                rows = get("scalars", run="run", tag=tag)
                points = len(rows or [])
                last.append(rows[-1][1] if rows else -1)
                if rows and first is None:
                    first = time.monotonic() - start
                if last[-1] < steps - 1:
                    break  # not yet all
            if len(last) == 20 and min(last) == steps - 1:
                end = time.monotonic() - start
        return {"first": first, "end": end, "points": points, "MB": memory(server.pid), "CPU": processor(server.pid)}
    finally:
        server.terminate()
        server.wait()


def leet(run, steps):
    (path,) = run.glob("run-*.wandb")
    home = tempfile.mkdtemp(prefix="leet-")
    tmux = ["tmux", "-L", Path(home).name]
    command = f"env HOME={shlex.quote(home)} WANDB_MODE=offline {shlex.quote(str(BIN / 'wandb'))} leet run {shlex.quote(str(path))}"
    start = time.monotonic()
    subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40", command], check=True)
    first = end = None
    try:
        pid = subprocess.run([*tmux, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True).stdout.strip()
        while end is None and time.monotonic() - start < LIMIT:
            time.sleep(0.05)
            screen = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout
            charts = any("\u2801" <= character <= "\u28ff" for character in screen)
            if charts and first is None:
                first = time.monotonic() - start
            if charts and "State: Finished" in screen and f" {steps - 1} " in screen:
                end = time.monotonic() - start
        return {"first": first, "end": end, "MB": memory(pid), "CPU": processor(pid)}
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
        shutil.rmtree(home, ignore_errors=True)


def review(path):
    """skiplane's dashboard in a pseudo-terminal, once without and once with an index."""
    cache = tempfile.mkdtemp(prefix="skiplane-")
    environment = {**os.environ, "TERM": "xterm-256color", "HOME": cache, "XDG_CACHE_HOME": cache, "COLORTERM": "truecolor"}
    times, used, peak = [], [], []
    try:
        for _ in range(2):
            pid, terminal = pty.fork()
            if pid == 0:
                os.chdir(cache)
                os.execve(SKIPLANE, [str(SKIPLANE), "review", str(path.resolve())], environment)
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            start, screen, seen = time.monotonic(), b"", None
            while time.monotonic() - start < LIMIT:
                if select.select([terminal], [], [], 0.01)[0]:
                    try:
                        screen += os.read(terminal, 1 << 16)
                    except OSError:
                        break
                    # Answers what the program asks of its terminal, as terminals do.
                    for question, answer in [(b"\x1b[c", b"\x1b[?62c"), (b"\x1b[5n", b"\x1b[0n"), (b"\x1b[6n", b"\x1b[1;1R")]:
                        if screen.count(question) > screen.count(b"answered" + question):
                            os.write(terminal, answer)
                            screen = screen.replace(question, b"")
                    if seen is None and b"49,999" in screen and any(mark.encode() in screen for mark in "⠒⠤⣀⠉"):
                        seen = time.monotonic() - start
                        used.append(processor(pid))
                        peak.append(memory(pid))
                        os.write(terminal, b"qy")
                elif seen is not None:
                    os.write(terminal, b"qy")
            os.waitpid(pid, 0)
            os.close(terminal)
            times.append(seen)
        return {"first": times[0], "again": times[1], "MB": max(peak), "CPU": used[0]}
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def report(name, results):
    line = [f"{name:32}"]
    for key in [key for key in ("first", "again", "end") if key in results[0]]:
        values = [r[key] for r in results]
        if None in values:
            line.append(f"{key} not within the limit")
        else:
            line.append(f"{key} {statistics.median(values):6.2f} s ({min(values):.2f} to {max(values):.2f})")
    line.append(f"processor {statistics.median(r['CPU'] for r in results):.1f} s")
    line.append(f"peak {max(r['MB'] for r in results)} MB")
    if "points" in results[0]:
        line.append(f"{results[-1]['points']} points a tag")
    print("  ".join(line), flush=True)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    steps = 50_000
    log = root / "tensorboard"
    print("load average", *os.getloadavg(), "cores", os.cpu_count(), flush=True)
    (run,) = (root / "wandb").glob("offline-run-*")
    report("skiplane, event files", [review(log) for _ in range(times)])
    report("skiplane, W&B run", [review(run) for _ in range(times)])
    if shutil.which("tensorboard", path=str(BIN)) is None:
        sys.exit("the others are left out: no tensorboard beside this Python")
    report("TensorBoard, default", [tensorboard(log, steps) for _ in range(times)])
    report("TensorBoard, all points", [tensorboard(log, steps, "--samples_per_plugin", "scalars=50000") for _ in range(times)])
    report("TensorBoard, scalars=0", [tensorboard(log, steps, "--samples_per_plugin", "scalars=0", limit=25)])
    report("W&B LEET", [leet(run, steps) for _ in range(times)])
    report("TensorBoard, without server", [tensorboard(log, steps, "--load_fast=false")])
    print("load average", *os.getloadavg(), flush=True)
