"""Lengths of time as people write them: ``24h``, ``90m``, ``1d12h``, ``45s``."""

import re

_FORM = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_UNITS_S = (86_400, 3_600, 60, 1)


def seconds(text: str, *, least: int = 1) -> int:
    """Read a length of time; raise ValueError if it is none, or shorter than *least* seconds."""
    found = _FORM.fullmatch(text)
    length = sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_S, strict=True)) if found else 0
    if not found or not text or length < least:
        raise ValueError(f"must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is {text!r}")
    return length


def duration(text: str) -> str:
    """Take a length of time above 0 as it is written."""
    seconds(text)
    return text


def in_words(length_s: float) -> str:
    """Write a length of time, the smaller units left out: ``2d 3h``, ``1h 20m``, ``45 s``."""
    if length_s < 60:
        return f"{length_s:.0f} s"
    minutes = round(length_s / 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if number]
    return " ".join(parts[:2])
