"""What a program and the processes below it have used. Linux alone tells it while they run. Knows nothing of what
they do.
"""

import os
import signal
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Usage:
    """The processor time that a program has used so far, and the most memory that each of its processes has held."""

    def __init__(self, seconds, peaks):
        self.seconds, self.peaks = seconds, peaks

    def resident(self):
        """The peaks together, which is no less than the peak of them together."""
        return sum(self.peaks.values())


def members(pid):
    """A process and those below it."""
    found = [pid]
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += members(int(child))
    except OSError:
        # It has ended.
        pass
    return found


def usage(pid):
    """What a process and those below it have used; nothing where it has ended."""
    seconds, peaks = 0.0, {}
    for member in members(pid):
        try:
            stat = Path(f"/proc/{member}/stat").read_text(errors="replace")
            status = Path(f"/proc/{member}/status").read_text(errors="replace")
        except OSError:
            continue
        # Those of its children that ended are told beside its own.
        seconds += sum(times(stat))
        told = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if "VmHWM" in told:
            peaks[f"{told['Name'].strip()} {member}"] = int(told["VmHWM"].split()[0]) * 1024
    return Usage(seconds, peaks)


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


def alone(pid):
    """The processor time of a process without those below it."""
    try:
        return sum(times(Path(f"/proc/{pid}/stat").read_text(errors="replace"))[:2])
    except OSError:
        return 0.0


def times(stat):
    """Seconds as a user and in the system, of a process and of its children that ended, from its file `stat`."""
    # The name stands in parentheses and may hold anything.
    return [int(ticks) / TICKS for ticks in stat.rpartition(")")[2].split()[11:15]]


def kill(processes):
    """Ends what is left of these processes."""
    for pid in processes:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
