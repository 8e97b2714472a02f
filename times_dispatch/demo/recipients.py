"""Generates recipients files for demos and tests, with Indian numbers and names; some rows are invalid on purpose.

The same seed gives the same file.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

_NAMES = (
    *("Aarav", "Vivaan", "Aditya", "Arjun", "Sai", "Reyansh", "Krishna", "Ishaan", "Rohan", "Kabir"),
    *("Ananya", "Diya", "Saanvi", "Aadhya", "Pari", "Anika", "Navya", "Meera", "Riya", "Sneha"),
    *("Lakshmi", "Priya", "Kavya", "Harpreet", "Gurpreet", "Fatima", "Zoya", "Imran", "Joseph", "Renée"),
)
_DEVANAGARI = ("आरव", "अनन्या", "प्रिया", "रोहन", "मीरा", "लक्ष्मी", "कबीर", "सान्वी")
_INVALID_NUMBERS = ("12345", "9.19877E+11", "", "not a number", "+91 12345 67890", "919876")
_NUMBER_FORMATS = ("{0}", "+91 {0}", "0{0}", "91{0}", "{1} {2}", "+91-{1}-{2}")


def rows(count: int, *, seed: int = 1, wrong: bool = True) -> Iterator[list[str]]:
    """Yield rows with the columns to, name, order and amount.

    With *wrong*, about one row in a hundred is invalid or repeats a number.
    """
    rng = random.Random(seed)
    first = 6_000_000_000 + rng.randrange(1_000_000)
    number = str(first)
    for index in range(count):
        repeats = wrong and index and rng.random() < 0.004
        if not repeats:
            number = str(first + index * 97 + rng.randrange(97))
        to = rng.choice(_NUMBER_FORMATS).format(number, number[:5], number[5:])
        name = rng.choice(_DEVANAGARI if rng.random() < 0.1 else _NAMES)
        if wrong and rng.random() < 0.004:
            to = rng.choice(_INVALID_NUMBERS)
        elif wrong and rng.random() < 0.002:
            name = "A name that is longer than the thirty characters of a slot"
        yield [to, name, f"OD{rng.randrange(10**8):08}", f"{rng.randrange(99, 99_999):,}"]


def write(path: Path, count: int, *, seed: int = 1, wrong: bool = True) -> None:
    """Write a CSV file of *count* rows with a heading; for *wrong*, see ``rows``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["to", "name", "order", "amount"])
        writer.writerows(rows(count, seed=seed, wrong=wrong))
