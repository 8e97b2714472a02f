"""Writes recipients files of any size, with unsorted numbers and three variables that compress like real data."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from times_dispatch.demo.recipients import rows as demo_rows

_CHUNK_LINES = 50_000
_NAMES = [row[1] for row in demo_rows(4_999, seed=7, wrong=False)]
CAMPAIGN = """
name = "benchmark"
sender = "{sender}"
template = "shipped"
variables = ["{{name}}", "{{order}}", "Rs {{amount}}"]
validity = "24h"
"""


def write(path: Path, count: int) -> None:
    """Write a CSV file of *count* rows with different numbers."""
    with path.open("w", encoding="utf-8") as file:
        file.write("to,name,order,amount\n")
        lines = _lines(count)
        while chunk := "".join(islice(lines, _CHUNK_LINES)):
            file.write(chunk)


def _lines(count: int) -> Iterator[str]:
    names, size = _NAMES, len(_NAMES)
    for index in range(count):
        scattered = index * 2_654_435_761
        number = 9_000_000_000 + scattered % 999_999_937  # with a prime modulus, no number occurs twice
        yield f"{number},{names[scattered % size]},OD{scattered * 31 % 100_000_007:08},{99 + scattered % 99_901}\n"
