"""Campaign files with many mistakes are refused in bounded time with a bounded number of lines."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from producers.campaign.file import Campaign
from producers.errors import InputInvalid
from producers.recipients import Heading
from tests.kit.producers import SETTINGS, load_settings

GOOD = 'name = "x"\nsender = "TIMESM"\ntemplate = "bill"\n'
MAX_BYTES = 65_536


def _filled(start: str, entry: Callable[[int], str], end: str = "") -> str:
    """Return a file with as many entries as a campaign file may hold."""
    parts, length, number = [start], len(start) + len(end), 0
    while length + len(part := entry(number)) <= MAX_BYTES:
        parts.append(part)
        length += len(part)
        number += 1
    return "".join([*parts, end])


FILES = {
    "unknown keys": _filled(GOOD, lambda n: f"k{n} = 1\n"),
    "unknown keys like others": _filled(GOOD, lambda n: f"recipient{n} = 1\n"),
    "variables without a column": _filled(GOOD + "variables = [", lambda n: f'"{{v{n}}}", ', "]"),
    "custom values": _filled(GOOD + "[custom]\n", lambda n: f'k{n} = "{{c{n}}}"\n'),
    "a long key": _filled(GOOD, lambda n: "nam" if n else "n", " = 1\n"),
    "a long column": _filled(GOOD + 'variables = ["{', lambda _: "nam", '}"]'),
    "deep arrays": GOOD + "a = " + "[" * 30_000 + "]" * 30_000,
    "deep keys": GOOD + ".".join("a" * 30_000) + " = 1",
    "quoted deep keys": GOOD + " . ".join(['"a"'] * 10_000) + " = 1",
    "too many bytes": _filled(GOOD, lambda n: f"k{n} = 1\n") + "# more than a campaign file may hold",
}


@pytest.mark.slow  # checking the largest files takes four seconds
@pytest.mark.parametrize("name", FILES)
def test_a_file_full_of_mistakes_is_refused_in_bounded_time_and_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "dispatch.toml")
    path = tmp_path / "campaign.toml"
    path.write_text(FILES[name])
    began = time.process_time()
    with pytest.raises(InputInvalid) as invalid:
        Campaign(path, settings).slot_source(Heading(path, 1, ["to", "name"]))
    seconds = time.process_time() - began
    print(f"{name}: {seconds:.2f} s, {len(invalid.value.mistakes)} lines, {len(str(invalid.value)):,} characters")  # noqa: T201  # the figure
    assert seconds < 10
    assert len(invalid.value.mistakes) <= 51
    assert len(str(invalid.value)) < 100_000
