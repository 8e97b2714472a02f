import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ENDLESS = """
from tests.simulation.cpu_limit import cpu_limit

def end(reason):
    print(reason)
    raise SystemExit(3)

def spin_for_ever():
    while True:
        pass

with cpu_limit(0.2, virtual_s=lambda: 7.0, describe=lambda: "three campaigns wait", end=end):
    spin_for_ever()
"""

ASLEEP = """
import time
from tests.simulation.cpu_limit import cpu_limit

with cpu_limit(0.2, virtual_s=lambda: 7.0, describe=lambda: "", end=lambda reason: exit(3)):
    time.sleep(0.6)
print("came to its end")
"""


def run(program: str) -> tuple[int, str]:
    """Run a program in a Python process of its own; return its exit code and its output."""
    folder = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout


def test_code_that_never_returns_is_named_when_the_cpu_time_is_used() -> None:
    code, reason = run(ENDLESS)
    assert code == 3
    assert reason.startswith(
        "no end within 0.2 s of CPU time; in the last 0.02 s of them virtual time stood still at 7.0 s\n"
        "three campaigns wait\n"
        "This code was running:\n"
    )
    assert "in spin_for_ever" in reason


def test_time_without_the_cpu_does_not_count() -> None:
    assert run(ASLEEP) == (0, "came to its end\n")
