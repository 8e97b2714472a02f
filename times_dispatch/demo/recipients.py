"""Recipients for trying things out: deterministic, Indian numbers and names, some rows wrong on purpose."""

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
_WRONG_NUMBERS = ("12345", "9.19877E+11", "", "not a number", "+91 12345 67890", "919876")
_WRITTEN = ("{0}", "+91 {0}", "0{0}", "91{0}", "{1} {2}", "+91-{1}-{2}")


def rows(count: int, *, seed: int = 1, wrong: bool = True) -> Iterator[list[str]]:
    """Yield rows of to, name, order and amount; about one in a hundred is wrong, or repeats a number, if *wrong*."""
    chance = random.Random(seed)
    first = 6_000_000_000 + chance.randrange(1_000_000)
    number = str(first)
    for index in range(count):
        repeats = wrong and index and chance.random() < 0.004
        if not repeats:
            number = str(first + index * 97 + chance.randrange(97))
        to = chance.choice(_WRITTEN).format(number, number[:5], number[5:])
        name = chance.choice(_DEVANAGARI if chance.random() < 0.1 else _NAMES)
        if wrong and chance.random() < 0.004:
            to = chance.choice(_WRONG_NUMBERS)
        elif wrong and chance.random() < 0.002:
            name = "A name that is longer than the thirty characters of a slot"
        yield [to, name, f"OD{chance.randrange(10**8):08}", f"{chance.randrange(99, 99_999):,}"]


def write(path: Path, count: int, *, seed: int = 1, wrong: bool = True) -> None:
    """Write a recipients file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["to", "name", "order", "amount"])
        writer.writerows(rows(count, seed=seed, wrong=wrong))
