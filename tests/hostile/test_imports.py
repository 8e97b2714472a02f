"""The limits of ``[recipients]`` also hold for downloads of templates and lists of opt-outs."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from tests.hostile.test_bombs import wide_blanks
from tests.kit.process_memory import peak_mb
from tests.kit.producers import SETTINGS
from tests.kit.workbook import write_workbook

MAX_REFUSAL_S = 20.0
"""Seconds, far below ``max_reader_s``, and enough for a busy machine."""
MAX_MORE_MB = 50.0
"""Memory that the command itself may take; the reader of the file is a process of its own."""


class _Import(NamedTuple):
    """A command that imports a file."""

    command: str
    heading: tuple[str, ...]
    settings: str = ""
    """Further settings that the command needs."""

    def run(self, path: Path, limit: str, redis_url: str) -> Result:
        """Import a file with settings that contain a limit."""
        settings = path.with_name("dispatch.toml")
        settings.write_text(f"{SETTINGS}\n{self.settings}\n[recipients]\n{limit}\n")
        arguments = ["--settings", str(settings), self.command, "import", str(path)]
        began, before_mb = time.monotonic(), peak_mb(os.getpid())
        done = CliRunner(env={"DISPATCH_REDIS_URL": redis_url}).invoke(main, arguments)
        took_s, more_mb = time.monotonic() - began, peak_mb(os.getpid()) - before_mb
        size = f"{path.stat().st_size:,} bytes"
        print(f"{self.command} import of {size}: refused after {took_s:.1f} s, {more_mb:.0f} MB more ({limit})")  # noqa: T201
        assert took_s < MAX_REFUSAL_S
        assert more_mb < MAX_MORE_MB
        return done


_PORTAL = ("Template ID", "Template Name", "Header", "Template Type", "Template Content")
IMPORTS = [_Import("template", _PORTAL, '[registry]\ntemplates = "templates.toml"'), _Import("optout", ("to",))]
both = pytest.mark.parametrize("imported", IMPORTS, ids=[each.command for each in IMPORTS])


@both
def test_a_file_with_more_rows_than_the_limit_is_refused(imported: _Import, tmp_path: Path, redis_url: str) -> None:
    rows = [imported.heading, *[("9876543210",) * len(imported.heading)] * 3]
    path = write_workbook(tmp_path / "a.xlsx", rows)
    done = imported.run(path, "max_rows = 2", redis_url)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{path}: has more than 2 rows; split it")


@both
def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(
    imported: _Import, tmp_path: Path, redis_url: str
) -> None:
    path = write_workbook(tmp_path / "a.xlsx", [imported.heading, ("a" * 3_000_000,) * len(imported.heading)])
    done = imported.run(path, "max_unpacked_mb = 1", redis_url)
    assert done.exit_code == 2
    assert "MB, and 1 MB are allowed" in done.stderr


@both
def test_a_file_whose_reader_needs_more_memory_than_the_limit_is_refused(
    imported: _Import, tmp_path: Path, redis_url: str
) -> None:
    done = imported.run(wide_blanks(tmp_path), "max_reader_memory_mb = 250", redis_url)
    assert done.exit_code == 2
    assert "needs more than 250 MB of memory" in done.stderr
