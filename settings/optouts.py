"""``[optouts]``: how a recipient asks for no more messages."""

from typing import Annotated

from pydantic import Field

from settings.table import Table

STOP_WORDS = ("STOP", "UNSUBSCRIBE", "UNSUB", "OPTOUT", "DND", "बंद")


class OptOutSettings(Table):
    """What a reply must say for its sender to be put on the opt-out list."""

    stop_words: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=lambda: list(STOP_WORDS))
    """A reply counts whose first word is one of these, whatever the case; an empty list turns it off."""
