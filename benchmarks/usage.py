"""What processes use: CPU seconds and resident memory, by the operating system's own books."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from times_dispatch.demo.processes import Process


class Meter:
    """CPU seconds (user and system, ended children included) of processes since it was made, by name."""

    def __init__(self, processes: Iterable[Process | tuple[str, int]]) -> None:
        self._pids = dict(_pids(processes))
        self._before = {name: _cpu_s(pid) for name, pid in self._pids.items()}

    def cpu_s(self) -> dict[str, float]:
        """Return what each has used so far."""
        return {name: _cpu_s(pid) - self._before[name] for name, pid in self._pids.items()}


def of_workers(used: Mapping[str, float]) -> float:
    """Add up what the workers used."""
    return sum(seconds for name, seconds in used.items() if name.startswith("worker"))


def peak_rss_mb(pid: int) -> float:
    """Return the most memory that a process ever held, in MB (10**6 bytes); 0 if it is gone, or not on Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0.0
    peak = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak[0].split()[1]) * 1024 / 1e6 if peak else 0.0


def _pids(processes: Iterable[Process | tuple[str, int]]) -> Iterable[tuple[str, int]]:
    for process in processes:
        yield (process.name, process.pid) if isinstance(process, Process) else process


def _cpu_s(pid: int) -> float:
    found = psutil.Process(pid)
    total = 0.0
    for one in (found, *found.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return float(total)
