"""``[retention]``: the archive's folder, and how long campaigns stay in Redis and there (docs/retention.md)."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.durations import parse_seconds

_YEARS = re.compile(r"(\d)y")
_DAYS_OF_YEAR = 366
"""The days of a year in the settings: the longest year, so that no period is shorter than the law prescribes."""
_DAY_S = 86_400


def parse_period_s(text: str) -> int:
    """Return the seconds of a duration or of years, such as ``14d`` or ``1y``; raise ``ValueError`` otherwise."""
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
    if text.startswith("memory:"):
        raise ValueError(f"must be a folder that outlives the process, which forgets {text!r} at its end")
    return text.rstrip("/") if text.strip("/") else text


class RetentionSettings(StrictTable):
    """When campaigns leave Redis for the archive, and when the archive is erased."""

    path: Annotated[str, AfterValidator(_check_folder)] = ""
    """The folder of the archive: an absolute path, or a URL that fsspec knows. Empty: nothing is archived."""
    live: Annotated[str, AfterValidator(_check_period)] = "14d"
    """How long a campaign stays in Redis after its end."""
    archive: Annotated[str, AfterValidator(_check_period)] = "1y"
    """How long after its end an archived campaign is erased."""

    @property
    def live_s(self) -> int:
        """The setting ``live`` in seconds."""
        return parse_period_s(self.live)

    @property
    def archive_s(self) -> int:
        """The setting ``archive`` in seconds."""
        return parse_period_s(self.archive)
