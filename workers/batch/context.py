"""The services that all batches of a worker process share."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.openings import TOLERANCE_S
from times_dispatch.ledger.reply_clock import ReplyClock
from times_dispatch.provider.client import Client
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.reach import ProviderReach
from workers.batch.capacity import Capacity, CapacityShare
from workers.batch.link_keys import LinkKeys
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.pacing import Spacings
from workers.batch.push_queue import PushQueue
from workers.batch.timings import BatchTimings


class OpeningLock:
    """Lets the batches of one sender and chain ask for blocks one after the other; urgent batches have their own."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """Held by the one batch that asks for a block, or waits for its sender's limit."""
        self.share = CapacityShare()
        """The permits of these batches."""
        self.took_s = 0.0
        """How many seconds the ledger took to open the last block."""
        self._took_before_s = 0.0
        self._delay_s = self._delay_before_s = 0.0
        """How many seconds each of the last two blocks took to arrive after the ledger had replied."""

    @property
    def expected_s(self) -> float:
        """How many seconds the next opening will probably take: as many as the shorter of the last two.

        One opening that took long does not mean that the ledger is slow: this process may have been stalled.
        """
        return min(self.took_s, self._took_before_s)

    @property
    def delay_s(self) -> float:
        """How many seconds later than their send times the messages of the next block can probably be pushed.

        The delay is the shorter of the times that the last two blocks took to arrive after the ledger had replied. A
        delay that the pacing tolerates counts as 0.
        """
        delay_s = min(self._delay_s, self._delay_before_s)
        return delay_s if delay_s > TOLERANCE_S else 0.0

    def note_delay(self, delay_s: float) -> None:
        """Note how many seconds a block took to arrive after the ledger had replied."""
        self._delay_before_s, self._delay_s = self._delay_s, delay_s

    def note_opening(self, took_s: float) -> None:
        """Note how many seconds the ledger took to open a block."""
        self._took_before_s, self.took_s = self.took_s, took_s


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """The services of a worker process; the dispatcher makes one, and every batch gets it."""

    leases: BatchLeases
    """The worker's side of the ledger."""
    clients: Mapping[str, Client]
    """A client for each provider of the settings, by the provider's nickname."""
    ids: CorrelationIds
    capacity: Capacity
    push_queue: PushQueue
    opt_out_cache: OptOutCache
    frequency_limits: Mapping[str, FrequencyLimit] = field(default_factory=dict)
    """How often each sender may text one number, by the sender's header."""
    issue_batches: Callable[[SenderId], Awaitable[None]]
    """Issues the next batches of a sender and wakes workers for them; a method of the dispatcher. Raises nothing."""
    brake_provider: Callable[[SenderId, str, str], Awaitable[None]]
    """Brakes a provider for a sender, and for all other senders that use the provider; a method of the dispatcher. It
    takes the sender, the nickname of the provider, and a reason for people. Raises redis errors."""
    link_keys: LinkKeys = field(default_factory=LinkKeys)
    """The keys of tracked links."""
    spacings: Spacings = field(default_factory=Spacings)
    """Keep the pushes of the process at the rate of each sender when blocks arrive late."""
    reply_clock: ReplyClock = field(default_factory=ReplyClock)
    """Says when the ledger wrote a reply, on the monotonic clock of the process."""
    reach: ProviderReach = field(default_factory=ProviderReach)
    """Says which providers are lost to the process: its pushes get no response from them."""
    timings: BatchTimings = field(default_factory=BatchTimings)
    clock: Clock = SYSTEM_CLOCK
    rng: random.Random = field(default_factory=random.Random)
    """Spreads the waits of several workers (jitter)."""

    def frequency_limit(self, sender: str) -> FrequencyLimit:
        """Return how often a sender may text one number; no limit for a sender that the settings do not name."""
        return self.frequency_limits.get(sender, FrequencyLimit())
