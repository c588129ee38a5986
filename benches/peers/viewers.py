"""The other viewers of scalars as programs: sets W&B and TensorBoard up, has them write their files, and says how
each is started. Knows nothing of what is compared.
"""

import os
import shutil
import subprocess
from pathlib import Path

import million
import programs

# What the targets were set against.
PINNED = {"wandb": "0.31.0", "tensorboard": "2.21.0", "tensorboard-data-server": "0.7.2"}
REWRITE = Path(__file__).resolve().with_name("rewrite.py")


def cache():
    """A folder of the user's for what may be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skiplane-peers"


class Viewers:
    """Both, in a virtual environment in a folder; what they keep for a user is kept there too."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = folder / "venv" / "bin"
        # Nothing of the user's is read or written, and nothing is told to anybody.
        self.environment = {"HOME": str(folder / "home"), "WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
        (folder / "home").mkdir(parents=True, exist_ok=True)
        if self.versions() != PINNED:
            self.set_up()
            found = self.versions()
            if found != PINNED:
                raise programs.Failure(f"expected {PINNED} in {folder / 'venv'}, found {found}")

    def versions(self):
        """The versions that are installed; None where there are none."""
        code = f"import importlib.metadata as m; print(*(m.version(name) for name in {list(PINNED)}))"
        try:
            found = subprocess.run([self.programs / "python", "-c", code], capture_output=True, text=True)
        except OSError:
            return None
        return dict(zip(PINNED, found.stdout.split())) if found.returncode == 0 else None

    def set_up(self):
        folder = self.folder / "venv"
        print(f"setting W&B and TensorBoard up in {folder}; this downloads some hundred megabytes", flush=True)
        programs.make_environment(folder)
        what = [f"{name}=={version}" for name, version in PINNED.items()]
        print(f"pip install {' '.join(what)}", flush=True)
        pip = [self.programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        if subprocess.run(pip).returncode != 0:
            raise programs.Failure("pip could not install them; it says why above")

    def write(self, run, home):
        """Has both write a run's scalars below a folder, unless they have; gives W&B's file and TensorBoard's
        folder.
        """
        for program in ("wandb", "tensorboard"):
            whole = home / program
            if whole.is_dir():
                continue
            print(f"writing {million.SERIES * million.STEPS:,} scalars with {program}", flush=True)
            part = home / f"{program}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            programs.run([self.programs / "python", "-B", REWRITE, program, run, part],
                         env={**os.environ, **self.environment})
            part.rename(whole)
        found = list((home / "wandb").glob("wandb/offline-run-*/*.wandb"))
        if len(found) != 1:
            raise programs.Failure(f"expected one file .wandb in {home / 'wandb'}, found {len(found)}")
        return found[0], home / "tensorboard"

    def leet(self, file):
        return [self.programs / "wandb", "leet", file]

    def tensorboard(self, folder, port, flags):
        return [self.programs / "tensorboard", "--logdir", folder, "--host=127.0.0.1", f"--port={port}", *flags]
