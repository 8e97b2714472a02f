"""The numbers of many rows, normalised together."""

import re
from collections.abc import Sequence

from times_dispatch.sms.numbers import NumberInvalid, normalise

# The forms that nearly all Indian lists are in, once blanks and dashes are gone; any other line gives an empty match.
_LINES = re.compile("^(?:(?:[+]?91|0)?([6-9][0-9]{9})|.*)$", re.MULTILINE)


def normalised(raws: Sequence[str], region: str = "IN") -> tuple[list[str], dict[int, str]]:
    """Normalise many numbers at a fifth of the cost of `times_dispatch.sms.numbers.normalise` where the form is plain.

    Returns the numbers, an empty text standing for those that are none, and the reasons of these by position.
    """
    numbers = [""] * len(raws)
    if region == "IN":
        together = "\n".join(raws)
        if together.count("\n") == len(raws) - 1:
            plain = _LINES.findall(together.replace(" ", "").replace("-", ""))
            numbers = ["91" + mobile if mobile else "" for mobile in plain]
    reasons = {}
    if "" in numbers:
        for position, number in enumerate(numbers):
            if not number:
                try:
                    numbers[position] = normalise(raws[position], region)
                except NumberInvalid as invalid:
                    reasons[position] = str(invalid)
    return numbers, reasons
