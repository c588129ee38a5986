"""The two sides as programs: sets PyTorch up, builds skiplane, and runs either in a process of its own.

Knows nothing of what is compared.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(__file__).resolve().with_name("resnet_torch.py")
# What the targets were set against.
VERSION = "2.15.0"
# Holds builds without CUDA's libraries, which the default index adds on Linux.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Failure(Exception):
    """Says what was expected, what was found and what to do."""


class Finished:
    """What a process wrote, the most memory that it held, and how much of the machine others used meanwhile."""

    def __init__(self, text, resident, others):
        self.text, self.resident, self.others = text, resident, others

    def objects(self):
        """The JSON objects it wrote, one a line."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]


def run(command, **options):
    """Runs a program to its end."""
    command = [str(word) for word in command]
    bystanders = Bystanders()
    # A file, because two pipes would have to be read at once.
    with open(target() / "peers" / "errors.log", "w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, **options)
        text = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode != 0:
            errors.seek(0)
            last = "\n".join(errors.read().strip().splitlines()[-12:])
            raise Failure(f"`{' '.join(command)}` ended with status {process.returncode}:\n{last}")
    # macOS counts it in bytes, others in KiB.
    resident = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Finished(text, resident, bystanders.share(usage))


class Bystanders:
    """What others than a process use of the machine, from now on."""

    def __init__(self):
        self.begin = time.monotonic(), busy_seconds()

    def share(self, usage):
        """The share of the cores, where this is what the process itself has used."""
        seconds, busy = time.monotonic() - self.begin[0], busy_seconds() - self.begin[1]
        return max(0.0, (busy - usage.ru_utime - usage.ru_stime) / (seconds * os.cpu_count()))


def busy_seconds():
    """The processor time of everything on the machine, what a host took from it included; 0 where none is told."""
    try:
        with open("/proc/stat", encoding="utf-8") as file:
            user, nice, system, _idle, _waiting, *interrupts = map(int, file.readline().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


_target = None


def target():
    """Cargo's target folder, with one for this comparison in it."""
    global _target
    if _target is None:
        if shutil.which("cargo") is None:
            raise Failure("expected cargo to build skiplane with, found none on the PATH; install Rust (rustup.rs)")
        command = ["cargo", "metadata", "--no-deps", "--format-version=1"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if found.returncode != 0:
            raise Failure(f"`{' '.join(command)}` failed:\n{found.stderr.strip()}")
        _target = Path(json.loads(found.stdout)["target_directory"])
        (_target / "peers").mkdir(parents=True, exist_ok=True)
    return _target


def build(name, *what):
    """Builds the executable of this name in release, and says where it lies."""
    command = ["cargo", *what, "--message-format=json-render-diagnostics"]
    print(f"building: cargo {' '.join(what)}", flush=True)
    # What cargo says of its progress and of errors goes to the terminal.
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise Failure("skiplane could not be built; cargo says why above")
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    # A bench brings the programs of its package along.
    for message in messages:
        if message.get("executable") and message["target"]["name"] == name:
            return Path(message["executable"])
    raise Failure(f"expected an executable {name} of `cargo {' '.join(what)}`, found none")


def step():
    """The benchmark of a training step."""
    return build("step", "bench", "--bench", "step", "--no-run")


def network():
    """The benchmark of a training step of any network."""
    return build("network", "bench", "--bench", "network", "--no-run")


def skiplane():
    """The program itself."""
    return build("skiplane", "build", "--release", "--bin", "skiplane")


def version_of(python):
    """The version of PyTorch that an interpreter finds and the instructions it uses, or why there is none."""
    code = "import torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())"
    try:
        found = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    except OSError as error:
        return None, str(error)
    if found.returncode != 0:
        return None, (found.stderr.strip().splitlines() or ["no reason given"])[-1]
    return found.stdout.strip(), None


def interpreter():
    """A Python with PyTorch: that of the variable PYTHON, else that of a virtual environment under `target`."""
    given = os.environ.get("PYTHON")
    if given:
        version, why = version_of(given)
        if version is None:
            raise Failure(
                f"expected PYTHON to name an interpreter with PyTorch, found {given}: {why}; "
                f"unset it to have one set up"
            )
        return given, version
    folder = target() / "peers" / "venv"
    python = folder / "bin" / "python"
    version, _ = version_of(python)
    if version is None:
        set_up(folder, python)
        version, why = version_of(python)
        if version is None:
            raise Failure(f"PyTorch was installed into {folder} but cannot be imported: {why}")
    return python, version


def make_environment(folder):
    """Makes a virtual environment."""
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", folder], capture_output=True, text=True)
    if made.returncode != 0:
        raise Failure(
            f"`{sys.executable} -m venv` failed, which needs the modules venv and ensurepip (on Debian the package "
            f"python3-venv), found:\n{(made.stdout + made.stderr).strip()}"
        )


def set_up(folder, python):
    """Makes a virtual environment and installs PyTorch into it."""
    size = "some hundred megabytes, or gigabytes where only builds with CUDA are found"
    print(f"setting PyTorch up in {folder}; this downloads {size}", flush=True)
    make_environment(folder)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    attempts = (
        (f"torch=={VERSION}", "--index-url", CPU_INDEX),
        (f"torch=={VERSION}",),
        ("torch",),
    )
    reasons = []
    for attempt in attempts:
        print(f"pip install {' '.join(attempt)}", flush=True)
        installed = subprocess.run([*pip, *attempt], stderr=subprocess.PIPE, text=True)
        if installed.returncode == 0:
            return
        said = [line for line in installed.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        reasons.append(f"  {' '.join(attempt)}: {said[-1]}")
        print(reasons[-1], flush=True)
    reasons = "\n".join(reasons)
    raise Failure(
        f"pip could install no PyTorch:\n{reasons}\nIs there a network? Else set PYTHON to an interpreter with PyTorch."
    )
