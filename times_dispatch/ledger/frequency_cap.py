"""How often one number may be texted: what the opening of a block must know to check it (``lua/lib/suppression.lua``).

docs/domain.md section 5: gateways drop the same text to the same number within 30 minutes.
"""

from hashlib import blake2b
from typing import NamedTuple

FINGERPRINT_BYTES = 6


class FrequencyLimit(NamedTuple):
    """What a sender may do to one number, over all its campaigns; all 0 is no limit."""

    repeat_after_s: int = 0
    """Seconds before the same text may go to the same number again."""
    max_messages: int = 0
    """Messages within ``period_s``."""
    period_s: int = 0


class FrequencyCheck(NamedTuple):
    """A stretch of a batch whose messages are checked when they are opened; no others are opened with it."""

    limit: FrequencyLimit = FrequencyLimit()
    digest: str = ""
    """Of the registered text, with its slots."""
    first_index: int = 0
    """Index in the batch at which the stretch begins."""
    fingerprints: bytes = b""
    """Six bytes for each message of the stretch; empty if nothing is checked."""
    numbers: str = ""
    """The number of each message of the stretch, joined by blanks; empty without ``max_messages``."""


NO_CHECK = FrequencyCheck()


def fingerprint(to: str, text: str) -> bytes:
    """Return six bytes that tell a text to a number from others: two in 2.8e14 pairs are taken for the same."""
    return blake2b(f"{to}\0{text}".encode("utf-8", "surrogatepass"), digest_size=FINGERPRINT_BYTES).digest()


def text_digest(text: str) -> str:
    """Return eight hex digits that stand for a registered text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
