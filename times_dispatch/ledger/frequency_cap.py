"""Frequency caps: the data with which the opening of a block checks the caps (``lua/lib/suppression.lua``).

docs/domain.md section 5: gateways drop the same text to the same number within 30 minutes.
"""

from hashlib import blake2b
from typing import NamedTuple

FINGERPRINT_BYTES = 6


class FrequencyLimit(NamedTuple):
    """How often a sender may text one phone, over all its campaigns; without limits all fields are 0."""

    repeat_after_s: int = 0
    """Seconds before the same text may be sent to the same phone again."""
    max_messages: int = 0
    """How many messages a phone may get within ``period_s``."""
    period_s: int = 0
    """Seconds for which ``max_messages`` holds."""


class FrequencyCheck(NamedTuple):
    """A stretch of a batch: the ledger checks the messages of the stretch when they are opened, and opens no others."""

    limit: FrequencyLimit = FrequencyLimit()
    digest: str = ""
    """Digest of the registered text, with its slots."""
    first_index: int = 0
    """Index in the batch at which the stretch begins."""
    fingerprints: bytes = b""
    """Six bytes for each message of the stretch; empty if no message is checked."""
    phones: str = ""
    """The phone of each message of the stretch, joined by blanks; empty without ``max_messages``."""


NO_CHECK = FrequencyCheck()


def fingerprint(phone: str, text: str) -> bytes:
    """Return six bytes that stand for a pair of text and phone. Two pairs have the same bytes once in 2.8e14 times."""
    return blake2b(f"{phone}\0{text}".encode("utf-8", "surrogatepass"), digest_size=FINGERPRINT_BYTES).digest()


def text_digest(text: str) -> str:
    """Return eight hex digits that stand for a registered text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
