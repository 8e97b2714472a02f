"""Finds the campaign and the target that a code of a link names, with few calls to Redis."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import structlog
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.records import read_link_values
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE, LinkCampaign, LinkNumbers
from times_dispatch.links.codes import LinkCodeReader, LinkRef, lane_and_index
from times_dispatch.links.targets import compose_target

log = structlog.get_logger(__name__)

READ_AGAIN_AFTER_S: Final = 10.0
"""After this many seconds the directory reads a campaign again: the campaign's validity may have been prolonged."""
_MAX_CAMPAIGNS: Final = 10_000
_MAX_TEXT_BYTES: Final = 32_000_000
"""Bytes of values that are remembered as texts; the values of a thousand messages take about a tenth of a megabyte."""
_TEXT_BYTES: Final = 60
"""Memory that a Python text takes besides its characters, in bytes."""
_READS_AT_ONCE: Final = 8
"""Batches that are read at the same time: a batch whose values have the maximum length takes ten megabytes."""
_MAX_CUT_BYTES: Final = 64_000_000
"""Bytes of values that are remembered in the form of the ledger: about ten bytes for each message and value."""

_BatchRef = tuple[str, int]
"""A campaign, and the number of a batch."""

K = TypeVar("K")
V = TypeVar("V")


class MessageLink(NamedTuple):
    """The link of one message that a code names."""

    campaign: LinkCampaign
    """The campaign of the message; if the sender has lanes, the campaign of the message's lane."""
    message: int
    """The index of the message in this campaign."""
    number: int
    """The number of the link among those of the campaign, from 0."""


class _Remembered(Generic[K, V]):
    """The values that were used last, up to a total number or a total size."""

    def __init__(self, max_size: int, size_of: Callable[[V], int] = lambda _: 1) -> None:
        """Remember nothing yet.

        Args:
            max_size: the size of all values together.
            size_of: returns the size of a value; by default each has the size 1.
        """
        self._max_size = max_size
        self._size_of = size_of
        self._size = 0
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        if (value := self._values.get(key)) is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        if (known := self._values.pop(key, None)) is not None:
            self._size -= self._size_of(known)
        self._values[key] = value
        self._size += self._size_of(value)
        while self._size > self._max_size:
            _, oldest = self._values.popitem(last=False)
            self._size -= self._size_of(oldest)

    def forget(self, is_over: Callable[[V], bool]) -> None:
        """Forget the values for which *is_over* returns True."""
        for key in [key for key, value in self._values.items() if is_over(value)]:
            self._size -= self._size_of(self._values.pop(key))


class _Batch(NamedTuple, Generic[V]):
    """The values of the messages of a batch."""

    until_ms: int
    """The end of the campaign's validity when the values were read, in epoch milliseconds."""
    values: V


class LinkDirectory:
    """Finds links by their codes, and composes their targets. Every method raises Redis errors."""

    def __init__(
        self,
        redis: Redis,
        keys: Sequence[bytes],
        *,
        max_text_bytes: int = _MAX_TEXT_BYTES,
        max_cut_bytes: int = _MAX_CUT_BYTES,
        expire_after_s: float = math.inf,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a directory that remembers nothing yet.

        Args:
            redis: the ledger.
            keys: the link key, and the old one if there is one.
            max_text_bytes: bytes of values that are remembered as texts.
            max_cut_bytes: bytes of values that are remembered in the form of the ledger.
            expire_after_s: this many seconds after the end of a campaign's validity its values are forgotten.
            clock: decides when a campaign is read again, and when values are forgotten.
        """
        self._numbers = LinkNumbers(redis)
        self._reader = LinkCodeReader(keys)
        self._digests = {key: digest_secret(key, purpose=LINK_KEY_PURPOSE) for key in keys}
        self._expire_after_s = expire_after_s
        self._clock = clock
        self._forgot_at = clock.monotonic()
        self._campaigns: _Remembered[tuple[str, int], tuple[float, LinkCampaign]] = _Remembered(_MAX_CAMPAIGNS)
        self._values: _Remembered[_BatchRef, _Batch[list[list[str]]]] = _Remembered(max_text_bytes, _text_bytes)
        self._at_once = asyncio.Semaphore(_READS_AT_ONCE)
        self._cut_values: _Remembered[_BatchRef, _Batch[bytes]] = _Remembered(
            max_cut_bytes, lambda batch: len(batch.values)
        )
        self._reading: dict[_BatchRef, asyncio.Task[bytes | None]] = {}
        """Batches that are being read: clicks on messages of one batch come together, and wait for one call."""
        self._warn_of: Callable[[LinkCampaign], None] = _WarnOnce()

    async def find(self, header: str, code: str) -> MessageLink | None:
        """Return the link that a code names; None if no campaign of the ledger has the link.

        Nearly every invented code is refused without a call to Redis.
        """
        for key, ref in self._reader.candidates(header, code):
            if link := await self._match(SenderId(header), ref, self._digests[key]):
                return link
        return None

    async def target(self, link: MessageLink) -> str | None:
        """Return the address to which a link leads; None if the ledger no longer has the recipient's values."""
        target = link.campaign.links.targets[link.number]
        if not target.columns:
            return target.literals[0]
        batch_number, index = divmod(link.message, link.campaign.batch_size)
        key = (link.campaign.id, batch_number)
        batch = self._values.get(key)
        if batch is None:
            cut = self._cut_values.get(key) or await self._read_values(link.campaign, batch_number)
            columns = read_link_values(cut.values) if cut is not None else []
            if not columns:
                return None
            batch = _Batch(link.campaign.until_ms, columns)
            self._values.put(key, batch)
        return compose_target(target.literals, [batch.values[column][index] for column in target.columns])

    async def _read_values(self, campaign: LinkCampaign, batch_number: int) -> _Batch[bytes] | None:
        """Read the values of a batch once, however many calls wait for them."""
        key = (campaign.id, batch_number)
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read_in_turn(campaign, batch_number))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        values = await asyncio.shield(reading)
        if values is None:
            return None
        cut = _Batch(campaign.until_ms, values)
        self._cut_values.put(key, cut)
        return cut

    async def _read_in_turn(self, campaign: LinkCampaign, batch_number: int) -> bytes | None:
        async with self._at_once:
            return await self._numbers.values(campaign, batch_number)

    async def _match(self, sender: SenderId, ref: LinkRef, key_digest: str) -> MessageLink | None:
        campaign = await self._campaign(sender, ref.number)
        if campaign is None or ref.link >= len(campaign.links.targets):
            return None
        if campaign.links.key_digest != key_digest:
            if campaign.links.key_digest not in self._digests.values():
                self._warn_of(campaign)
            return None
        lane, message = lane_and_index(ref.message, lanes=max(1, len(campaign.lane_campaigns)))
        of_lane = await self._lane(campaign, lane) if lane else campaign
        return MessageLink(of_lane, message, ref.link) if of_lane and message < of_lane.total else None

    async def _campaign(self, sender: SenderId, number: int) -> LinkCampaign | None:
        return await self._remembered((sender, number), lambda: self._numbers.find(sender, number))

    async def _lane(self, campaign: LinkCampaign, lane: int) -> LinkCampaign | None:
        key = (f"{campaign.sender}/{lane}", campaign.links.number)  # no header has a slash
        return await self._remembered(key, lambda: self._numbers.lane(campaign, lane))

    async def _remembered(
        self, key: tuple[str, int], read: Callable[[], Awaitable[LinkCampaign | None]]
    ) -> LinkCampaign | None:
        now = self._clock.monotonic()
        known = self._campaigns.get(key)
        if known is not None and now - known[0] < READ_AGAIN_AFTER_S:
            return known[1]
        self._forget_expired(now)
        campaign = await read()
        if campaign is not None:
            self._campaigns.put(key, (now, campaign))
        return campaign

    def _forget_expired(self, now: float) -> None:
        """Forget campaigns that must be read again, and the values of expired links, which nobody gets any more."""
        if now - self._forgot_at < READ_AGAIN_AFTER_S:
            return
        self._forgot_at = now
        self._campaigns.forget(lambda known: now - known[0] >= READ_AGAIN_AFTER_S)
        valid_ms = (self._clock.time() - self._expire_after_s) * 1000
        self._values.forget(lambda batch: batch.until_ms <= valid_ms)
        self._cut_values.forget(lambda batch: batch.until_ms <= valid_ms)


def _text_bytes(batch: _Batch[list[list[str]]]) -> int:
    return sum(len(value) + _TEXT_BYTES for column in batch.values for value in column)


class _WarnOnce:
    """Logs once for each campaign that this process lacks the campaign's key."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def __call__(self, campaign: LinkCampaign) -> None:
        if campaign.id not in self._warned and len(self._warned) < _MAX_CAMPAIGNS:
            self._warned.add(campaign.id)
            log.error("a campaign was submitted with another link key; its links get 404", campaign=campaign.id)
