r"""``python -m benchmarks.labelled_texts DIRECTORY``: count the callback numbers that the rules miss or find wrongly.

The directory holds texts of other people, which are not part of the project. Each ``*.txt`` has one text a line, in
which a reader has put ``<<`` and ``>>`` around every callback number; ``\n`` stands for a line break. The command
prints only counts.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from times_dispatch.sms.rules import callback_numbers, links, number_whitelist

_LABELLED = re.compile("<<(.*?)>>")
_LABELS = re.compile("<<|>>")
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+")


class LabelCounts(msgspec.Struct):
    """The numbers that readers labelled, and the errors of the rules."""

    texts: int = 0
    numbers: int = 0
    missed: int = 0
    found_wrongly: int = 0
    """The number of callback numbers that the rules find and the reader does not."""
    addresses: int = 0
    """The number of addresses of e-mail and of UPI."""
    addresses_as_links: int = 0


def count_errors(lines: Iterable[str]) -> LabelCounts:
    """Compare the rules with the labels of some texts."""
    counts = LabelCounts()
    for line in lines:
        text = _LABELS.sub("", line).replace("\\n", "\n")
        labelled = Counter(map(number_whitelist.national_digits, _LABELLED.findall(line)))
        judged = Counter(map(number_whitelist.national_digits, callback_numbers.find(text)))
        addresses = _ADDRESS.findall(text)
        counts.texts += 1
        counts.numbers += labelled.total()
        counts.missed += (labelled - judged).total()
        counts.found_wrongly += (judged - labelled).total()
        counts.addresses += len(addresses)
        counts.addresses_as_links += sum(bool(links.find(f"to {address} now")) for address in addresses)
    return counts


def _lines(directory: Path) -> Iterator[str]:
    for path in sorted(directory.glob("*.txt")):
        yield from filter(None, path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count the callback numbers that the rules miss or find wrongly.")
    parser.add_argument("directory", type=Path)
    print(msgspec.json.encode(count_errors(_lines(parser.parse_args().directory))).decode())
