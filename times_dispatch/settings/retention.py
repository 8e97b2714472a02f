"""``[retention]``: how long campaigns stay in Redis and in the archive, and where that is (docs/retention.md)."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from times_dispatch.settings.durations import parse_seconds
from times_dispatch.settings.strict_table import StrictTable

_YEARS = re.compile(r"(\d)y")
_DAYS_OF_YEAR = 366
"""A year is never shorter than the year that the law means."""
_DAY_S = 86_400


def parse_period_s(text: str) -> int:
    """Return the seconds of a duration as in the settings, or of years: ``14d``, ``1y``; raise ValueError."""
    years = _YEARS.fullmatch(text)
    if years and int(years[1]):
        return int(years[1]) * _DAYS_OF_YEAR * _DAY_S
    try:
        return parse_seconds(text)
    except ValueError:
        raise ValueError(f"must be days, hours, minutes and seconds, or years, as in 14d or 1y, is {text!r}") from None


def _check_period(text: str) -> str:
    parse_period_s(text)
    return text


def _check_folder(text: str) -> str:
    if text and "://" not in text and not Path(text).is_absolute():
        raise ValueError(f"must be an absolute path or a URL as in s3://bucket/folder, is {text!r}")
    return text.rstrip("/") if text.strip("/") else text


class RetentionSettings(StrictTable):
    """When campaigns leave Redis for the archive, and when the archive is erased."""

    path: Annotated[str, AfterValidator(_check_folder)] = ""
    """The folder of the archive: an absolute path, or a URL that fsspec knows. Empty: nothing is archived."""
    live: Annotated[str, AfterValidator(_check_period)] = "14d"
    """A campaign stays in Redis for so long after it was finished or cancelled."""
    archive: Annotated[str, AfterValidator(_check_period)] = "1y"
    """An archived campaign is erased so long after it was finished or cancelled."""

    @property
    def live_s(self) -> int:
        """Return ``live`` in seconds."""
        return parse_period_s(self.live)

    @property
    def archive_s(self) -> int:
        """Return ``archive`` in seconds."""
        return parse_period_s(self.archive)
