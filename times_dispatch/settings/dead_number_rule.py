"""The rule of ``[dead_numbers]``, read without the other settings, whose checks take longer than a look-up."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from times_dispatch.bounded_file import read_bounded
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.settings.values.durations import parse_seconds

DEFAULT_CODES: Final = ("905", "910", "2054")
DEFAULT_KEEP: Final = "180d"
CODE_FORM: Final = "^[0-9]{1,5}$"
_CODE: Final = re.compile("[0-9]{1,5}")
_DAY_S = 86_400


def check_days(text: str) -> str:
    """Return the text of a duration of at least a day; raise ``ValueError`` for another text."""
    if parse_seconds(text) < _DAY_S:
        raise ValueError(f"must be at least 1d, is {text}")
    return text


def rule_of(codes: Sequence[str], keep: str) -> DeadNumberRule:
    """Return the rule in the form that the ledger needs; without codes no number is dead."""
    return DeadNumberRule(frozenset(map(int, codes)), parse_seconds(keep) // _DAY_S if codes else 0)


def read_dead_number_rule(path: Path) -> DeadNumberRule | None:
    """Return the rule of a settings file; None if the file is no readable TOML, or if its table has a mistake.

    Mistakes in other tables are ignored. ``load`` says what a mistake is.
    """
    if not path.is_file():  # a pipe can be read only once
        return None
    try:
        table = tomllib.loads(read_bounded(path).decode("utf-8-sig")).get("dead_numbers", {})
        codes, keep = table.pop("codes", DEFAULT_CODES), table.pop("keep", DEFAULT_KEEP)
        is_valid = not table and isinstance(codes, list | tuple) and all(map(_CODE.fullmatch, codes))
        return rule_of(codes, check_days(keep)) if is_valid else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
