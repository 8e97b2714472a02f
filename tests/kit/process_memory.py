"""The memory of a process, by Linux."""

from pathlib import Path


def peak_mb(pid: int | None) -> float:
    """Return the most memory that a process ever had, in MiB; the process must run."""
    assert pid, "the process was not started"
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
