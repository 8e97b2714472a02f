import os
import subprocess
import sys
from pathlib import Path

import pytest

from times_dispatch.demo.pictures import picture


@pytest.mark.processes
@pytest.mark.parametrize("columns", [80, 60])
def test_a_picture_is_as_wide_as_the_terminal_and_has_no_colours_and_no_folder(columns: int, tmp_path: Path) -> None:
    script = "import os; print('\x1b[1m' + '-' * os.get_terminal_size().columns + '\x1b[0m'); print(os.getcwd())"
    shown = picture([sys.executable, "-c", script], columns=columns, folder=tmp_path, environment=os.environ)
    assert shown == "-" * columns + "\n."


@pytest.mark.processes
def test_a_picture_shows_a_progress_bar_as_it_is_at_the_end_and_nothing_of_one_that_is_erased(tmp_path: Path) -> None:
    erased = r"bar 0 %\r\x1b[2Kbar 99 %\r\n\r\x1b[1A\x1b[2K"
    kept = r"first\nbar 1 %\n  of all\r\x1b[2K\x1b[1A\x1b[2Kbar 100 %\n  of all\nlast"
    script = f"import sys; sys.stdout.write('{erased}{kept}')"
    shown = picture([sys.executable, "-c", script], columns=80, folder=tmp_path, environment=os.environ)
    assert shown == "first\nbar 100 %\n  of all\nlast"


@pytest.mark.processes
@pytest.mark.parametrize("module", ["times_dispatch.demo.pictures", "tests.pictures"])
def test_a_question_for_help_writes_no_file(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m")
    assert list(tmp_path.iterdir()) == []
