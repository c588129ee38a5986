"""A terminal whose contents can be read: a tmux server of its own with one pane, looked at through tmux's control
mode, which costs no process a look. Knows nothing of what runs in it.
"""

import os
import shlex
import shutil
import subprocess
import time

import programs
import tree

# Seconds in which a program must leave once it is told to.
PATIENCE = 5


class Terminal:
    def __init__(self, columns, lines, environment):
        if shutil.which("tmux") is None:
            raise programs.Failure("expected tmux (3.2 or newer), found none on the PATH; install it")
        command = ["tmux", "-u", "-L", f"skiplane-peers-{os.getpid()}", "-f", "/dev/null", "-C",
                   "new-session", "-x", str(columns), "-y", str(lines), "exec sleep 1000000"]
        kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        self.client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       env={**kept, **environment})
        self.answer()
        # What programs write would be told to this client too.
        self.ask("refresh-client", "-f", "no-output")
        self.ask("refresh-client", "-C", f"{columns}x{lines}")
        self.ask("set-option", "-g", "remain-on-exit", "on")
        self.ask("set-option", "-g", "default-terminal", "tmux-256color")
        found, server, self.version = self.ask(
            "display-message", "-p", "#{pane_width}x#{pane_height} #{pid} #{version}")[0].split()
        self.server = int(server)
        if found != f"{columns}x{lines}":
            raise programs.Failure(f"expected a pane of {columns}x{lines}, found {found}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.ask("kill-server")
        except (programs.Failure, OSError):
            # It is gone before it answers.
            pass
        self.client.stdin.close()
        self.client.wait()

    def ask(self, *words):
        """Gives tmux a command; its answer by lines."""
        self.client.stdin.write((shlex.join(words) + "\n").encode())
        self.client.stdin.flush()
        return self.answer()

    def answer(self):
        lines, mark = [], None
        for line in iter(self.client.stdout.readline, b""):
            kind, _, rest = line.partition(b" ")
            if mark is None:
                # What else happens is told between the answers.
                mark = rest if kind == b"%begin" else None
            elif kind == b"%error" and rest == mark:
                raise programs.Failure(f"tmux says: {' '.join(lines)}")
            elif kind == b"%end" and rest == mark:
                return lines
            else:
                lines.append(line.decode(errors="replace").rstrip("\n"))
        raise programs.Failure("tmux ended unexpectedly; is it 3.2 or newer?")

    def start(self, command, environment, folder):
        """Starts a program in the pane in place of the one before; gives the time before that, and its process."""
        # More than one word, so that no shell comes between.
        command = [str(word) for word in command]
        assert len(command) > 1
        variables = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        begin = time.perf_counter()
        self.ask("respawn-pane", "-k", "-c", str(folder), *variables, *command)
        return begin, int(self.ask("display-message", "-p", "#{pane_pid}")[0])

    def look(self):
        """What stands on the screen, by rows."""
        return self.ask("capture-pane", "-p")

    def leave(self, pid, key):
        """Types the key that ends the program, and ends what is left of it by force."""
        processes = tree.members(pid)
        self.ask("send-keys", key)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.ask("display-message", "-p", "#{pane_dead}") != ["1"]:
            time.sleep(0.02)
        if time.monotonic() >= end:
            tree.kill(processes)
