"""``[optouts]``: the replies with which recipients opt out."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.sms.reply_words import comparable_words

STOP_WORDS = ("STOP", "UNSUBSCRIBE", "UNSUB", "OPTOUT", "DND", "बंद")


def _check_has_words(entry: str) -> str:
    if not any(comparable_words(entry)):
        raise ValueError(f"contains no word, is {entry!r}; write what a reply must begin with, as in STOP")
    return entry


class OptOutSettings(StrictTable):
    """The stop words of replies."""

    stop_words: list[Annotated[str, Field(min_length=1), AfterValidator(_check_has_words)]] = Field(
        default_factory=lambda: list(STOP_WORDS)
    )
    """A reply that begins with one of these entries puts its number on the opt-out list. An entry is one word or
    several; case and the punctuation around the words make no difference. Without entries, no reply opts out."""
