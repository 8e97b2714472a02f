"""``[optouts]``: how a recipient asks for no more messages."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.settings.strict_table import StrictTable
from times_dispatch.sms.reply_words import comparable_words

STOP_WORDS = ("STOP", "UNSUBSCRIBE", "UNSUB", "OPTOUT", "DND", "बंद")


def _with_words(entry: str) -> str:
    if not any(comparable_words(entry)):
        raise ValueError(f"holds no word, is {entry!r}; write what a reply must begin with, as in STOP")
    return entry


class OptOutSettings(StrictTable):
    """What a reply must say for its sender to be put on the opt-out list."""

    stop_words: list[Annotated[str, Field(min_length=1), AfterValidator(_with_words)]] = Field(
        default_factory=lambda: list(STOP_WORDS)
    )
    """A reply counts that begins with one of these, a word or several, whatever the case and the punctuation around
    them; an empty list turns it off."""
