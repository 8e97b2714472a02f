"""Correlation ids of messages: they are made and parsed without a lookup, and are impossible to guess.

docs/concepts.md explains why the id is computed from the row, and is not random.
"""

import re
import secrets
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

import msgspec

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

SEND_TEST_CAMPAIGN: Final = "sendtest"
"""The campaign in the ids of test messages (``dispatch send-test``), which belong to no campaign."""

LAST_INDEX: Final = 36**6 - 1
LAST_ATTEMPT: Final = 36**2 - 1

_PAIRS = [first + second for first in DIGITS for second in DIGITS]
_ATTEMPTS = {pair: attempt for attempt, pair in enumerate(_PAIRS)}
_TO_DIGIT = bytes(ord(DIGITS[byte % 36]) for byte in range(256))
_MAX_DECORATED_ID: Final = 200
_DECORATION = re.compile("[^0-9a-z]+")
_CAMPAIGN = re.compile("[0-9a-z]{8}")


class MessageRef(msgspec.Struct, frozen=True, gc=False):
    """The message that a correlation id names."""

    campaign: str
    index: int
    """The message's index in its campaign, from 0."""
    attempt: int
    """The attempt: 0 for the first push, and 1 more for each further push."""


class CorrelationIds:
    """Makes correlation ids with a secret key of 16 to 64 bytes, and parses ids of this key or of an old key.

    An id is 32 characters of ``[0-9a-z]``: campaign (8), index (6) and attempt (2) in base 36, then a signature (16),
    which is a keyed hash of the first 16 characters.
    """

    __slots__ = ("_keyed", "_known_campaign", "_old_keyed")

    def __init__(self, key: bytes, old_key: bytes = b"") -> None:
        """Make the ids of one installation.

        Args:
            key: the key that signs new ids.
            old_key: an earlier key, whose ids are also parsed; empty if there is none.

        Raises:
            ValueError: a key has fewer than 16 or more than 64 bytes.
        """
        self._keyed = _keyed(key)
        self._old_keyed = _keyed(old_key) if old_key else None
        self._known_campaign = ""
        """The campaign of the last id that was made; the form of this campaign need not be checked again."""

    def make(self, campaign: str, index: int, attempt: int = 0) -> str:
        """Return the id of one attempt of one message; raise ``ValueError`` for values that do not fit into an id."""
        is_campaign = campaign == self._known_campaign or _CAMPAIGN.fullmatch(campaign)
        if not (is_campaign and 0 <= index <= LAST_INDEX and 0 <= attempt <= LAST_ATTEMPT):
            msg = f"no correlation id for campaign {campaign!r}, index {index}, attempt {attempt}"
            raise ValueError(msg)
        self._known_campaign = campaign
        high, low = divmod(index, 1296)
        named = campaign + _PAIRS[high // 1296] + _PAIRS[high % 1296] + _PAIRS[low] + _PAIRS[attempt]
        return named + _signature(self._keyed, named.encode()).decode()

    def parse(self, meta: str) -> MessageRef | None:
        """Return the message that an id names; None if the id has another form, or a signature of another key.

        The id may also have capital letters, or blanks, quotes or other characters around or inside it, because some
        gateways change ids. The signature decides.
        """
        if len(meta) == 32 and meta.isascii():
            # A valid signature proves that ``make`` made the id, so the first 16 characters need no further check.
            raw = meta.encode()
            named, signature = raw[:16], raw[16:]
            keyed = self._keyed.copy()  # the code of _signature, without a call, because this line runs for each report
            keyed.update(named)
            if compare_digest(signature, keyed.digest().translate(_TO_DIGIT)) or (
                self._old_keyed is not None and compare_digest(signature, _signature(self._old_keyed, named))
            ):
                return MessageRef(meta[:8], int(meta[8:14], 36), _ATTEMPTS[meta[14:16]])
        if len(meta) > _MAX_DECORATED_ID:
            return None
        bare = _DECORATION.sub("", meta.lower())
        return self.parse(bare) if bare != meta else None


def bare_id(meta: str) -> str:
    """Return an id without the changes of gateways, in the form in which ``CorrelationIds.make`` made the id."""
    return _DECORATION.sub("", meta.lower())


def _keyed(key: bytes) -> blake2b:
    if not 16 <= len(key) <= 64:
        msg = f"the key of the correlation ids must have 16 to 64 bytes, has {len(key)}"
        raise ValueError(msg)
    return blake2b(key=key, digest_size=16)


def _signature(keyed: blake2b, named: bytes) -> bytes:
    keyed = keyed.copy()
    keyed.update(named)
    return keyed.digest().translate(_TO_DIGIT)


def new_campaign_id() -> str:
    """Return a random campaign id of 8 characters of ``[0-9a-z]``, which nobody can guess."""
    while (drawn := "".join(secrets.choice(DIGITS) for _ in range(8))) == SEND_TEST_CAMPAIGN:
        pass
    return drawn
