"""``python -m benchmarks`` keeps the figures of a benchmark as soon as it has ended."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from benchmarks.__main__ import main
from benchmarks.figures import Figure

QUICK = Figure(name="quick", value=3, unit="/s", must=2)


def _quick(_progress: Callable[[str], None]) -> list[Figure]:
    return [QUICK]


def _slow(_progress: Callable[[str], None]) -> list[Figure]:
    return [Figure(name="slow", value=1, unit="/s", must=2)]


def _interrupted(_progress: Callable[[str], None]) -> list[Figure]:
    raise KeyboardInterrupt


def _names(path: Path) -> list[str]:
    return [figure["name"] for figure in msgspec.json.decode(path.read_bytes())["figures"]]


def test_figures_are_printed_and_written_before_the_next_benchmark_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    with pytest.raises(KeyboardInterrupt):
        main(["--json", str(path)], {"quick": _quick, "interrupted": _interrupted})
    assert "3.00" in capsys.readouterr().out
    assert _names(path) == ["quick"]


def test_the_file_has_the_figures_of_all_benchmarks_and_a_missed_limit_is_exit_code_one(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert main(["--json", str(path)], {"quick": _quick, "slow": _slow}) == 1
    assert _names(path) == ["quick", "slow"]
    assert main(["--json", str(path), "quick"], {"quick": _quick, "slow": _slow}) == 0
    assert _names(path) == ["quick"]
