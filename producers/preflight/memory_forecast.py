"""Forecasts how much of Redis' memory a campaign would take, and whether so much memory is left."""

from collections.abc import Iterator

import msgspec

from times_dispatch.ledger.model import Recipients
from times_dispatch.ledger.monitoring.health import WARN_MEMORY_SHARE, Memory
from times_dispatch.ledger.numbers.fingerprints import FINGERPRINT_BYTES_OF_NUMBER
from times_dispatch.ledger.records import RECORD_WIDTH, pack_recipients

_SAMPLE_EVERY = 16
"""One of this many batches is packed to estimate the size of all: packing all would take as long as the checks."""
_KEYS_BYTES = 300
"""Bytes of Redis' memory for the keys of a batch."""
_REPEATED_TEXT_BYTES = 25
"""Bytes that `repeat_after` needs for each message (docs/rules.md)."""


class MemoryForecast(msgspec.Struct, frozen=True, kw_only=True):
    """The memory that a campaign needs until its last report is applied, and the memory that is left for campaigns."""

    needed_bytes: int
    left_bytes: int | None
    """None if Redis has no limit, or if no ledger was asked."""
    problems: list[str] = []
    warnings: list[str] = []


class CampaignSize:
    """Estimates the bytes that the batches of a campaign need; one batch in sixteen is packed as a submit packs it."""

    def __init__(self, *, repeats_are_checked: bool) -> None:
        self._per_message = (
            1 + RECORD_WIDTH + FINGERPRINT_BYTES_OF_NUMBER + (_REPEATED_TEXT_BYTES if repeats_are_checked else 0)
        )
        self._messages = self._batches = 0
        self._sampled_messages = self._sampled_bytes = 0

    def add(self, batch: Recipients) -> None:
        """Count the next batch."""
        if self._batches % _SAMPLE_EVERY == 0:
            has_parts = batch.parts.count(1) != len(batch.parts)
            self._sampled_bytes += len(pack_recipients(batch)) + (len(batch.to) if has_parts else 0)
            self._sampled_messages += len(batch.to)
        self._batches += 1
        self._messages += len(batch.to)

    @property
    def needed_bytes(self) -> int:
        """The estimated bytes that all batches need."""
        if not self._messages:
            return 0
        recipients = self._sampled_bytes * self._messages / self._sampled_messages
        return round(recipients + self._messages * self._per_message + self._batches * _KEYS_BYTES)


def memory_forecast(needed_bytes: int, memory: Memory | None, *, max_share: float) -> MemoryForecast:
    """Compare the memory that a campaign needs with the memory that is left.

    Args:
        needed_bytes: the memory that the campaign needs.
        memory: Redis' memory; None if no ledger was asked.
        max_share: the share of Redis' maxmemory above which no campaign is taken.
    """
    if not memory or not memory.max_bytes:
        return MemoryForecast(needed_bytes=needed_bytes, left_bytes=None)
    left_bytes = max(0, int(max_share * memory.max_bytes) - memory.used_bytes)
    return MemoryForecast(
        needed_bytes=needed_bytes,
        left_bytes=left_bytes,
        problems=list(_problems(needed_bytes, left_bytes)),
        warnings=list(_warnings(needed_bytes, left_bytes, memory)),
    )


def _problems(needed_bytes: int, left_bytes: int) -> Iterator[str]:
    if needed_bytes > left_bytes:
        yield (
            f"the campaign does not fit into Redis: it needs about {_megabytes(needed_bytes)}, and "
            f"{_megabytes(left_bytes)} are left for campaigns; raise maxmemory, or split the campaign"
        )


def _warnings(needed_bytes: int, left_bytes: int, memory: Memory) -> Iterator[str]:
    share = (memory.used_bytes + needed_bytes) / memory.max_bytes
    if needed_bytes <= left_bytes and share >= WARN_MEMORY_SHARE:
        yield (
            f"with this campaign Redis uses about {share:.0%} of its memory: "
            "raise maxmemory before reports and campaigns are refused"
        )


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
