"""Starts and stops the project's processes by process id, with their output in log files."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT_S = 15.0
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of ``/proc/PID/stat`` after the name of the program: utime and stime."""


class ProcessFailed(Exception):
    """A process did not start, or ended by itself; the message holds the end of the process's log."""


class Process:
    """A child process. On Linux the kernel kills it when this process ends."""

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def cpu_s(self) -> float | None:
        """The CPU time that the process has used, in seconds; None if the system does not tell it."""
        with suppress(OSError):
            # The name of the program, in brackets, may hold spaces.
            fields = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")
        return None

    def start(self) -> None:
        """Start the process, or start it again; its output is appended to the log."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # no threads here
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it was started."""
        if self._process:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int | None:
        """Wait until the process ends; return its exit code, or None if it still runs."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        if self.running:
            self.send(signal.SIGKILL)
            self.wait(_STOP_TIMEOUT_S)

    def stop(self) -> float:
        """End the process with SIGTERM, or with SIGKILL after a time-out; return the seconds that the stop took."""
        began = time.monotonic()
        if self.running:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)
            if self.wait(_STOP_TIMEOUT_S) is None:
                self.kill()
        return time.monotonic() - began

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def check(self) -> None:
        """Raise ``ProcessFailed`` if the process has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise ProcessFailed(f"{self.name} ended with {self._process.returncode}:\n{self.log_tail()}")


def run(
    command: Sequence[str], environment: Mapping[str, str], *, capture: bool = True, timeout_s: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run a command of the project to its end; capture the output, or show the output on the terminal."""
    executable = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(executable), *command[1:]],
        env=dict(environment),
        capture_output=capture,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command of the project on this terminal; the caller waits for it."""
    executable = Path(sys.executable).parent / command[0]
    return subprocess.Popen([str(executable), *command[1:]], env=dict(environment))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def clean_environment() -> dict[str, str]:
    """Return the environment of this process without the variables that configure the project or Celery."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DISPATCH_", "CELERY_"))}
