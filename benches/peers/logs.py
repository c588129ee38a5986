"""A million scalars opened by skiplane, W&B's leet and TensorBoard: the time to the first chart and to full ones,
processor time and memory.
"""

import http.client
import json
import os
import re
import socket
import struct
import subprocess
import time
import urllib.parse
from statistics import median
from types import SimpleNamespace

import million
import programs
import tree
import viewers
from dashboard import COLUMNS, LINES, TERMINAL
from speed import doubt
from table import mebibytes, spread, write
from terminal import Terminal

# Between two looks pass these seconds, or a hundredth of the time so far: looking takes from what is looked at.
LOOK = 0.001
# Seconds for which a picture must stand to be the last.
SETTLED = 1.5
# Seconds after which a viewer is given up.
PATIENCE = 60
PLAIN_PATIENCE = 600
# Dots of Braille that make a chart; fewer may be a sign that something is being loaded.
CHART = 20
WAYS = {
    "bare": "skiplane, without an index",
    "indexed": "skiplane, with an index",
    "leet": f"leet {viewers.PINNED['wandb']}",
    "fast": f"TensorBoard {viewers.PINNED['tensorboard']}, fast loader",
    "whole": "the same, told to keep every point",
    "plain": "the same, plain loader",
}
# How TensorBoard is told which loader to use; it keeps 1,000 points of a series unless told otherwise.
FLAGS = {
    "fast": ["--load_fast=true"],
    "whole": ["--load_fast=true", f"--samples_per_plugin=scalars={million.STEPS}"],
    "plain": ["--load_fast=false"],
}
# Seconds that skiplane must and should need to full charts.
TARGETS = {"bare": (0.3, 0.15), "indexed": (0.1, 0.04)}


def measure(skiplane, rounds, plain_rounds, folder, run):
    """Lets all take turns at the same scalars."""
    bench = Bench(skiplane, folder, run)
    samples = {way: [] for way in WAYS}
    print("one turn of each that does not count, for the page cache", flush=True)
    with Terminal(COLUMNS, LINES, TERMINAL) as bench.terminal:
        for way in WAYS:
            if way != "plain":
                bench.turn(way)
        for number in range(rounds):
            order = [way for way in WAYS if way != "plain" or number < plain_rounds]
            # Each begins a round once.
            begin = number % len(order)
            turns = {way: bench.turn(way) for way in order[begin:] + order[:begin]}
            turns = {way: found for way, found in turns.items() if found}
            for way, found in turns.items():
                samples[way].append(found)
            times = ", ".join(f"{way} {found['full']:.3f} s" for way, found in turns.items())
            print(f"round {number + 1} of {rounds}: {times}", flush=True)
    result = {"series": million.SERIES, "steps": million.STEPS, "versions": bench.viewers.versions(),
              "tmux": bench.terminal.version, "bytes": bench.sizes(), "samples": samples}
    report(result)
    doubt(max(found["used_by_others"] for of_way in samples.values() for found in of_way))
    return result


class Bench:
    """What is opened, and by what."""

    def __init__(self, skiplane, folder, run):
        self.skiplane = skiplane
        self.viewers = viewers.Viewers(folder)
        self.home, self.run = million.adopt(run or million.make(folder / "made"), folder)
        for _, self.last in million.rows(self.run):
            # Only the last row is of use here; whether they are all there shows too.
            pass
        self.wandb, self.events = self.viewers.write(self.run, self.home)
        self.terminal = None

    def sizes(self):
        """The bytes that each reads."""
        return {
            "skiplane": sum(log.stat().st_size for log in million.logs(self.run)),
            "leet": self.wandb.stat().st_size,
            "tensorboard": sum(file.stat().st_size for file in self.events.iterdir()),
        }

    def turn(self, way):
        """Lets one open the scalars; nothing where it cannot be done this way."""
        for file in (*million.logs(self.run), self.wandb, *self.events.iterdir()):
            # It is then in the page cache.
            file.read_bytes()
        if way == "bare":
            for index in self.run.glob("*.index"):
                index.unlink()
        elif way == "indexed" and not self.has_index():
            self.on_screen(self.review(), TERMINAL, self.is_reviewed, self.is_indexed)
            if not self.has_index():
                return None
        bystanders = programs.Bystanders()
        before = observers(self.terminal)
        if way in FLAGS:
            found = self.by_http(FLAGS[way], PLAIN_PATIENCE if way == "plain" else PATIENCE)
        elif way == "leet":
            found = self.on_screen(self.viewers.leet(self.wandb), self.viewers.environment, self.is_leet_done)
        else:
            found = self.on_screen(self.review(), TERMINAL, self.is_reviewed)
        own = observers(self.terminal) - before + found.pop("seconds_in_all")
        found["used_by_others"] = bystanders.share(SimpleNamespace(ru_utime=own, ru_stime=0.0))
        return found

    def review(self):
        return [self.skiplane, "review", self.run]

    def has_index(self):
        return all(log.with_suffix(".index").is_file() for log in million.logs(self.run))

    def is_indexed(self, begin):
        """Whether an index has come, or is not to be waited for any longer."""
        return self.has_index() or time.perf_counter() - begin > 5

    def is_reviewed(self, rows):
        """Whether skiplane's status line and the end of each lane's progress name the last step."""
        text = "\n".join(rows).replace(",", "")
        return text.count(f"{million.STEPS}/{million.STEPS}") > len(million.logs(self.run))

    def is_leet_done(self, rows):
        """Whether leet's overview names the last step and that the run has ended."""
        text = "\n".join(rows)
        return bool(re.search(rf"_step +{million.STEPS}\b", text)) and "State: Finished" in text

    def on_screen(self, command, environment, is_last, may_leave=lambda begin: True):
        """Opens a viewer in the terminal and quits it once its picture is the last one."""
        begin, pid = self.terminal.start(command, environment, self.home)
        first = full = shown = used = None
        while True:
            rows = self.terminal.look()
            now = time.perf_counter() - begin
            # The last row tells keys and what is under the cursor; the charts are above.
            if rows[:-1] != shown:
                shown, full, used = rows[:-1], now, tree.usage(pid)
                dots = sum(0x2800 < ord(sign) < 0x2900 for row in shown for sign in row)
                if first is None and dots >= CHART:
                    first = now
            if first is not None and is_last(rows) and now - full > SETTLED and may_leave(begin):
                break
            if now > PATIENCE or not tree.is_alive(pid):
                what = f"the last step within {PATIENCE} s" if now > PATIENCE else "it to stay on the screen"
                words, found = " ".join(map(str, command)), "\n".join(rows).rstrip() or "nothing"
                raise programs.Failure(f"`{words}`: expected {what}, found:\n{found}")
            pause(now)
        in_all = tree.usage(pid)
        self.terminal.leave(pid, "q")
        return {"first": first, "full": full, "points": million.STEPS, "seconds": used.seconds,
                "peaks": in_all.peaks, "resident": in_all.resident(), "seconds_in_all": in_all.seconds}

    def by_http(self, flags, patience):
        """Starts TensorBoard and asks it for the series that was written last until it holds the last step, then
        for all of them.
        """
        server = Server(self.viewers, self.events, flags)
        first, kept = None, {}
        try:
            while len(kept) < million.SERIES:
                if time.perf_counter() - server.begin > patience:
                    raise programs.Failure(f"expected the last step from TensorBoard within {patience} s")
                points = server.points(list(self.last)[-1])
                now = time.perf_counter() - server.begin
                if points and first is None:
                    first = now
                if points and points[-1][1] == million.STEPS:
                    full, used = now, tree.usage(server.process.pid)
                    kept = {name: len(points) for name, points in self.all_points(server)}
                else:
                    pause(now)
            in_all = tree.usage(server.process.pid)
        finally:
            server.end()
        return {"first": first, "full": full, "points": median(kept.values()), "seconds": used.seconds,
                "peaks": used.peaks, "resident": used.resident(), "seconds_in_all": in_all.seconds}

    def all_points(self, server):
        """The series whose last point is the last that was written, with their points."""
        for name, value in self.last.items():
            points = server.points(name)
            last = struct.unpack("f", struct.pack("f", value))[0]
            if points and points[-1][1] == million.STEPS and points[-1][2] == last:
                yield name, points


class Server:
    """TensorBoard in a process of its own."""

    def __init__(self, peers, folder, flags):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(programs.target() / "peers" / "errors.log", "w", encoding="utf-8") as errors:
            self.begin = time.perf_counter()
            self.process = subprocess.Popen(peers.tensorboard(folder, port, flags), stdout=errors, stderr=errors,
                                            env={**os.environ, **peers.environment})
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def points(self, series):
        """The points of a series, each its time, step and value; none where it does not know the series yet."""
        if self.process.poll() is not None:
            said = (programs.target() / "peers" / "errors.log").read_text(encoding="utf-8", errors="replace")
            raise programs.Failure(f"TensorBoard ended with status {self.process.returncode}:\n{said}")
        query = urllib.parse.urlencode({"run": ".", "tag": series})
        try:
            self.connection.request("GET", f"/data/plugin/scalars/scalars?{query}")
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            # It is not there yet.
            self.connection.close()
            return None
        return json.loads(text) if answer.status == 200 else None

    def end(self):
        processes = tree.members(self.process.pid)
        self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            tree.kill(processes)
            self.process.wait()


def pause(passed):
    """Waits until the next look is due."""
    time.sleep(max(LOOK, passed / 100))


def observers(terminal):
    """The processor time of what looks on: this process and tmux."""
    return sum(tree.alone(pid) for pid in (os.getpid(), terminal.client.pid, terminal.server))


def report(result):
    what = f"{result['series']} series of {result['steps']:,} steps"
    print(f"\n{what}, {COLUMNS}x{LINES}, files in the page cache; medians, in parentheses the extremes")
    rows = []
    for way, title in WAYS.items():
        found = result["samples"][way]
        if not found:
            rows.append([title, *["-"] * 7])
            continue
        times = [spread([of[what] for of in found], "{:.3f}") for what in ("first", "full")]
        rows.append([
            title, *times, "{:g}, {:g}".format(*TARGETS[way]) if way in TARGETS else "-",
            f"{median(of['points'] for of in found):,.0f}",
            mebibytes(median(of["resident"] for of in found)),
            spread([of["seconds"] for of in found], "{:.2f}"),
            str(len(found)),
        ])
    write(["", "first chart, s", "full charts, s", "must, aim", "points kept", "peak memory", "processor time, s",
           "rounds"], rows)
    sizes = ", ".join(f"{name} {mebibytes(count)}" for name, count in result["bytes"].items())
    print(f"on disk: {sizes}")
    if not result["samples"]["indexed"]:
        print("this skiplane wrote no index beside the log when it reviewed the run")
