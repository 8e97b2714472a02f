"""The memory of a process, read from Linux."""

from pathlib import Path


def peak_mb(pid: int | None) -> float:
    """Return the peak memory of a process, in MiB; the process must run."""
    assert pid, "the process was not started"
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
