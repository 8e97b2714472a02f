import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]
_LAST_LINE = "Ctrl-C stops everything"


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "times_dispatch.demo", "up", *arguments]


@contextmanager
def _up(*arguments: str, end_by: signal.Signals = signal.SIGTERM) -> Iterator[list[str]]:
    """Run ``make up`` until the end of the block, and yield the lines that it printed at its start."""
    process = subprocess.Popen(_command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.decode())
            if lines[-1].startswith(_LAST_LINE):
                break
        yield lines
    finally:
        process.send_signal(end_by)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, (lines, rest)


def _dispatch(lines: list[str], *arguments: str) -> str:
    """Run a dispatch command with the environment that ``make up`` names, and return what the command printed."""
    environment = next(line.rpartition(". ")[2].strip() for line in lines if line.startswith("in another terminal"))
    script = f'. "{environment}"; exec {Path(sys.executable).parent}/dispatch "$@"'
    return subprocess.run(
        ["/bin/sh", "-c", script, "dispatch", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_up_keeps_its_redis_and_uses_the_users_settings(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    settings = tmp_path / "dispatch.toml"
    demo_settings = (ROOT / "times_dispatch/demo/dispatch.toml").read_text("utf-8")
    settings.write_text(demo_settings.replace("rate_per_s = 800", "rate_per_s = 7"), "utf-8")

    with _up("--keep", str(folder), "--settings", str(settings)) as lines:
        assert "7/s" in _dispatch(lines, "sender", "list")
        _dispatch(lines, "optout", "add", "9876543210")
        second = subprocess.run(_command("--keep", str(folder)), cwd=ROOT, check=False, capture_output=True, text=True)

    assert second.returncode == 1
    assert f"another Redis uses the folder {folder}; stop that Redis, or name another folder" in second.stdout
    assert "Traceback" not in second.stdout + second.stderr

    with _up("--keep", str(folder)) as lines:
        assert "800/s" in _dispatch(lines, "sender", "list")
        assert _dispatch(lines, "optout", "count").startswith("1")


def test_a_terminal_that_is_closed_leaves_nothing_behind() -> None:
    with _up(end_by=signal.SIGHUP) as lines:
        environment = next(line.rpartition(". ")[2].strip() for line in lines if line.startswith("in another terminal"))
        assert Path(environment).exists()
    assert not Path(environment).parent.exists()


def test_a_mistake_in_the_settings_is_named_with_file_and_line_before_anything_starts(tmp_path: Path) -> None:
    settings = tmp_path / "dispatch.toml"
    settings.write_text("\n" * 99 + "[providers.timesmobile\n", "utf-8")
    refused = subprocess.run(
        _command("--settings", str(settings)), cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (refused.returncode, refused.stdout.count("\n")) == (2, 1)
    assert refused.stdout.startswith(f"{settings}:100: is not TOML")


def test_a_settings_file_that_is_missing_is_one_line() -> None:
    refused = subprocess.run(_command("--settings", "nowhere.toml"), cwd=ROOT, check=False, capture_output=True)
    assert (refused.returncode, refused.stdout) == (2, b"nowhere.toml: there is no such file\n")
