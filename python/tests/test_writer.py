"""The writer against the program that reads what it writes. Needs no PyTorch."""

import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
import zlib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"
sys.path.insert(0, str(SOURCE))

import skiplane  # noqa: E402
from skiplane import decimals  # noqa: E402


def program():
    """The built program: `SKIPLANE`, or the newest in the target folder; None if there is none."""
    if os.environ.get("SKIPLANE"):
        return os.environ["SKIPLANE"]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    built = [path for path in (target / "release/skiplane", target / "debug/skiplane") if path.exists()]
    return str(max(built, key=lambda path: path.stat().st_mtime)) if built else shutil.which("skiplane")


PROGRAM = program()


def records(run):
    """The records of a run's only log, the first one once, with their checksums checked."""
    (path,) = pathlib.Path(run).glob("*.jsonl")
    found = []
    for line in path.read_bytes().splitlines():
        body, _, check = line.rpartition(b',"crc32":"')
        assert check == b'%08x"}' % zlib.crc32(body), line
        found.append(json.loads(line))
    assert found[0] == found[1]
    assert [record["record"] for record in found[1:]] == list(range(1, len(found)))
    return found[1:]


def measured(run, name):
    """The values of a metric by step; later ones replace earlier ones."""
    values = {}
    for record in records(run):
        event = record.get("measured")
        if event and name in event["values"]:
            values[event["step"]] = event["values"][name]
    return values


def read(run, *arguments):
    """What the program says of a run."""
    command = [PROGRAM, *arguments[:1], str(run), *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runs = folder.name

    def script(self, text, *arguments, **environment):
        """Runs a script with the package in another process; returns its exit code and what it said."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "SKIPLANE_RUNS": self.runs, **environment}
        command = [sys.executable, "-c", text, *arguments]
        done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stderr

    def only_run(self):
        (run,) = pathlib.Path(self.runs).iterdir()
        return run


class Writer(Case):
    def test_numbers_read_back_to_the_same_float(self):
        import random
        import struct

        random.seed(1)
        samples = [struct.unpack("f", struct.pack("I", random.getrandbits(32)))[0] for _ in range(20_000)]
        for value, text in zip(samples, decimals.texts(samples)):
            if math.isfinite(value):
                self.assertEqual(struct.pack("f", float(text)), struct.pack("f", value))
            else:
                self.assertIn(json.loads(text), ("NaN", "inf", "-inf"))
        self.assertEqual(decimals.texts([0.1, 1e39, -1e39, math.nan]), ["0.1", '"inf"', '"-inf"', '"NaN"'])

    def test_what_is_logged_is_in_the_log(self):
        with skiplane.start("plain numbers", config={"rate": 0.1}, steps=3, runs=self.runs) as run:
            run.log(0, test_loss=2.5)
            run.log(1, {"train/acc": 0.5}, loss=math.nan, error=0.25)
            run.log(loss=1.5, curve=[1, 2, 3], table=[[1, 2], [3, 4]])
            run.note("half of it")
            run.log(3, loss=1.25, curve=[4, 5, 6])
        manifest = json.loads((self.only_run() / "run.json").read_text())
        self.assertEqual((manifest["version"], manifest["config"], manifest["steps"]), (3, {"rate": 0.1}, 3))
        self.assertTrue(manifest["run"].endswith("-plain-numbers"))
        self.assertEqual(measured(run.folder, "loss"), {1: "NaN", 2: 1.5, 3: 1.25})
        self.assertEqual(measured(run.folder, "curve"), {2: [1, 2, 3], 3: [4, 5, 6]})
        self.assertEqual(measured(run.folder, "table"), {2: [1, 2, 3, 4]})
        kinds = [next(iter(record)) for record in records(run.folder)]
        self.assertEqual([kinds[0], kinds[-1]], ["lane_started", "lane_finished"])
        self.assertIn("note_taken", kinds)
        self.assertIn("non_finite_found", kinds)
        status = json.loads((self.only_run() / "status.json").read_text())
        self.assertEqual((status["exit"]["state"], status["lanes"][0]["step"]), ("finished", 3))

    @unittest.skipUnless(PROGRAM, "the program is not built")
    def test_the_program_reads_it(self):
        with skiplane.start("readable", steps=30, runs=self.runs) as run:
            for step in range(1, 31):
                run.log(step, loss=1 / step, error=0.5, curve=[step, 2 * step])
        shown = json.loads(read(run.folder, "show", "--json"))
        lane = shown["lanes"][0]
        self.assertEqual((lane["state"], lane["step"]), ("finished", 30))
        self.assertAlmostEqual(lane["loss"], 1 / 30, places=6)
        rows = [json.loads(line) for line in read(run.folder, "export", "--format", "jsonl").splitlines()]
        self.assertIn("curve", {row["statistic"] for row in rows})
        self.assertIn("1 overview", read(run.folder, "snapshot", "--view", "overview"))

    def test_faults_are_warnings(self):
        run = skiplane.start("faulty", runs=self.runs)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(2):
                run.log(1, loss=object(), text="abc", fine=1)
                run.log(2, fine=[1, 2])
                run.log("x")
        self.assertTrue(3 <= len(told) <= 8, [str(warning.message) for warning in told])
        self.assertEqual(measured(run.folder, "fine"), {1: 1})
        run.finish()
        run.finish()
        run.log(3, loss=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nowhere = skiplane.start("nowhere", runs="/proc/no/such/folder")
        self.assertIsNone(nowhere.folder)
        nowhere.log(1, loss=1)
        nowhere.note("nothing")
        nowhere.finish()

    def test_other_ranks_write_nothing(self):
        run = skiplane.start("ranked", runs=self.runs, rank=1)
        run.log(1, loss=1)
        run.finish()
        self.assertEqual(os.listdir(self.runs), [])

    def test_ends_are_told_apart(self):
        for ending, outcome in [
            ("", "completed"),
            ("raise ValueError('no data')", {"failed": {"reason": "ValueError: no data"}}),
            ("raise KeyboardInterrupt", "stopped"),
        ]:
            runs = os.path.join(self.runs, str(outcome)[:8])
            text = f"import skiplane\nrun = skiplane.start('ends')\nrun.log(1, loss=1)\n{ending}"
            self.script(text, SKIPLANE_RUNS=runs)
            (run,) = pathlib.Path(runs).iterdir()
            self.assertEqual(records(run)[-1]["lane_finished"]["outcome"], outcome)

    def test_a_killed_run_loses_nothing_and_goes_on(self):
        text = (
            "import skiplane, sys, os, time, signal\n"
            "run = skiplane.start('killed', steps=50, resume=True)\n"
            "first, last, dies = map(int, sys.argv[1:])\n"
            "for step in range(first, last + 1):\n"
            "    run.log(step, loss=step / 100 + first)\n"
            "if dies: os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        self.assertEqual(self.script(text, "1", "20", "1")[0], -signal.SIGKILL)
        run = self.only_run()
        self.assertEqual(list(measured(run, "loss")), list(range(1, 21)))
        (log,) = run.glob("*.jsonl")
        with log.open("ab") as file:
            file.write(b'{"measured":{"st')
        # From a checkpoint of step 10.
        self.assertEqual(self.script(text, "11", "30", "1")[0], -signal.SIGKILL)
        self.assertEqual(self.script(text, "31", "50", "0")[0], 0)
        found = measured(run, "loss")
        self.assertEqual([found[10], found[11], found[31]], [1.1, 11.11, 31.31])
        resumed = [record["lane_resumed"]["step"] for record in records(run) if "lane_resumed" in record]
        self.assertEqual(resumed, [10, 30])
        if PROGRAM:
            rows = [json.loads(line) for line in read(run, "export", "--format", "jsonl").splitlines()]
            steps = [row["step"] for row in rows if row["statistic"] == "loss"]
            self.assertEqual(steps, list(range(1, 51)))
            self.assertEqual(json.loads(read(run, "show", "--json"))["lanes"][0]["state"], "finished")

    def test_a_second_process_is_refused(self):
        run = skiplane.start("busy", runs=self.runs)
        run.log(1, loss=1)
        text = "import skiplane\nskiplane.start('busy', resume=True)"
        code, error = self.script(text)
        self.assertNotEqual(code, 0)
        self.assertIn("RunInUse", error)
        # Nor with the lock file gone.
        os.remove(os.path.join(run.folder, "run.lock"))
        _, error = self.script(text)
        self.assertIn("RunInUse", error)
        run.finish()
        self.assertEqual(self.script(text)[0], 0)

    def test_a_fork_neither_writes_nor_keeps_the_run_alive(self):
        run = skiplane.start("forked", runs=self.runs)
        run.log(1, loss=1)
        child = os.fork()
        if child == 0:
            run.log(2, loss=2)
            run.finish()
            time.sleep(60)
            os._exit(0)
        try:
            run.finish()
            text = "import skiplane\nskiplane.start('forked', resume=True).log(2, loss=3)"
            self.assertEqual(self.script(text)[0], 0)
            self.assertEqual(measured(run.folder, "loss"), {1: 1, 2: 3})
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    @unittest.skipUnless(PROGRAM, "the program is not built")
    def test_a_run_is_seen_while_it_lives(self):
        run = skiplane.start("alive", runs=self.runs)
        run.log(1, loss=1)
        self.assertEqual(json.loads(read(run.folder, "show", "--json"))["lanes"][0]["state"], "running")
        text = "import skiplane, os, signal\nskiplane.start('dead').log(1, loss=1)\nos.kill(os.getpid(), signal.SIGKILL)"
        self.script(text)
        (dead,) = pathlib.Path(self.runs).glob("*-dead")
        self.assertEqual(json.loads(read(dead, "show", "--json"))["lanes"][0]["state"], "crashed")
        run.finish()

    def test_a_full_disk_stops_nothing(self):
        run = skiplane.start("full", runs=self.runs)
        run.log(1, loss=1)
        log = run._log
        write, written = os.write, []

        def failing(file, line):
            if file == log._file:
                written.append(line)
                write(file, line[:5])
                raise OSError(28, "No space left on device")
            return write(file, line)

        try:
            os.write = failing
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                for step in range(2, 10):
                    run.log(step, loss=step)
            self.assertEqual(len(told), 1)
        finally:
            os.write = write
        run.log(10, loss=10)
        run.finish()
        self.assertEqual(list(measured(run.folder, "loss")), list(range(1, 11)))


if __name__ == "__main__":
    unittest.main()
