"""Durations in the form that people write: ``24h``, ``90m``, ``1d12h``, ``45s``."""

import re

_FORM = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_UNITS_S = (86_400, 3_600, 60, 1)


def parse_seconds(text: str, *, min_s: int = 1) -> int:
    """Return the seconds of a duration; raise ``ValueError`` for another text, or for less than ``min_s`` seconds."""
    match = _FORM.fullmatch(text)
    total_s = sum(int(part or 0) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True)) if match else 0
    if not match or not text or total_s < min_s:
        raise ValueError(f"must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is {text!r}")
    return total_s


def check_duration(text: str) -> str:
    """Return the text of a duration above 0; raise ``ValueError`` for another text."""
    parse_seconds(text)
    return text


def format_duration(duration_s: float) -> str:
    """Return a duration with its two largest units, such as ``2d 3h``, ``1h 20m`` or ``45 s``."""
    if duration_s < 60:
        return f"{duration_s:.0f} s"
    minutes = round(duration_s / 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if number]
    return " ".join(parts[:2])
