"""Correlation ids: born with the row, known again without a lookup, and not to be guessed (docs/concepts.md)."""

import re
import secrets
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

import msgspec

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

TRIAL_CAMPAIGN: Final = "trial000"
"""Stands in the ids of messages that belong to no campaign: those of ``dispatch send-test``."""

LAST_INDEX: Final = 36**6 - 1
LAST_ATTEMPT: Final = 36**2 - 1

_PAIRS = [first + second for first in DIGITS for second in DIGITS]
_TO_DIGIT = bytes(ord(DIGITS[byte % 36]) for byte in range(256))
_CAMPAIGN = re.compile("[0-9a-z]{8}")


class MessageRef(msgspec.Struct, frozen=True, gc=False):
    """Which message an id names."""

    campaign: str
    index: int
    """The message's place in its campaign, from 0."""
    attempt: int
    """0 for the first push, one more for each resend that somebody decided on."""


class CorrelationIds:
    """Makes and knows our ids under one secret key of 16 to 64 bytes.

    An id is 32 characters of ``[0-9a-z]``: campaign (8), index (6) and attempt (2) in base 36, and a keyed tag (16).
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= 64:
            msg = f"the key of the correlation ids must have 16 to 64 bytes, has {len(key)}"
            raise ValueError(msg)
        self._keyed = blake2b(key=key, digest_size=16)

    def make(self, campaign: str, index: int, attempt: int = 0) -> str:
        """Make the id of one attempt at one message; raise ValueError for what has no place in an id."""
        if not (_CAMPAIGN.fullmatch(campaign) and 0 <= index <= LAST_INDEX and 0 <= attempt <= LAST_ATTEMPT):
            msg = f"no correlation id for campaign {campaign!r}, index {index}, attempt {attempt}"
            raise ValueError(msg)
        high, low = divmod(index, 1296)
        place = campaign + _PAIRS[high // 1296] + _PAIRS[high % 1296] + _PAIRS[low] + _PAIRS[attempt]
        return place + self._tag(place.encode()).decode()

    def parse(self, meta: str) -> MessageRef | None:
        """Read an id back; None if it is not ours: another form, or a tag that our key did not make."""
        if len(meta) != 32 or not meta.isascii():
            return None
        # What has the right tag was made above, and so has the right form.
        raw = meta.encode()
        if not compare_digest(raw[16:], self._tag(raw[:16])):
            return None
        return MessageRef(meta[:8], int(meta[8:14], 36), int(meta[14:16], 36))

    def _tag(self, place: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(place)
        return keyed.digest().translate(_TO_DIGIT)


def new_campaign_id() -> str:
    """Draw a campaign id: 8 characters of ``[0-9a-z]`` that nobody can guess."""
    while (drawn := "".join(secrets.choice(DIGITS) for _ in range(8))) == TRIAL_CAMPAIGN:
        pass
    return drawn
