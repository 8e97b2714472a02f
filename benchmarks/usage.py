"""Measures the CPU time and the resident memory of processes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from times_dispatch.demo.processes import Process


class Meter:
    """Measures CPU seconds of processes since the meter's creation: user and system time, with ended children."""

    def __init__(self, processes: Iterable[Process | tuple[str, int]]) -> None:
        self._pids = dict(_pids(processes))
        self._before = {name: _cpu_s(pid) for name, pid in self._pids.items()}

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds of each process, by name."""
        return {name: _cpu_s(pid) - self._before[name] for name, pid in self._pids.items()}


def worker_cpu(used: Mapping[str, float]) -> float:
    """Return the CPU seconds of all workers together."""
    return sum(seconds for name, seconds in used.items() if name.startswith("worker"))


def peak_rss_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MB (10**6 bytes); 0 for an ended process, or not on Linux."""
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
    process = psutil.Process(pid)
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        times = member.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return float(total)
