"""A worker of the state machine."""

from typing import NamedTuple

from tests.kit.ledger_model.blocks import OpenedBlock
from tests.kit.ledger_model.campaign import BatchKey
from times_dispatch.ledger.leases import Lease


class WorkerBlock(NamedTuple):
    """A block that a worker was given."""

    messages: list[tuple[int, int]]
    provider: str


class LeaseHolder:
    """A worker that took a lease. The worker remembers its blocks, also after another worker has taken the batch."""

    def __init__(self, batch_key: BatchKey, lease: Lease) -> None:
        self.batch_key = batch_key
        self.lease = lease
        self.operation = ""
        """The id of the call that opened the last block."""
        self.known_block = 0
        """The last block that the worker had been given before that call."""
        self.last: OpenedBlock | None = None
        self.blocks: dict[int, WorkerBlock] = {}
        self.results: dict[tuple[int, int], str] = {}
        """The result of each push, by block and index; a worker that records a push again records the same result."""

    @property
    def last_block(self) -> int:
        return self.last.number if self.last else 0

    def give(self, operation: str, block: OpenedBlock, provider: str) -> None:
        assert block.number > self.last_block, "a block number is used twice"
        self.operation, self.known_block, self.last = operation, self.last_block, block
        if block.messages:
            self.blocks[block.number] = WorkerBlock(block.messages, provider)

    def __repr__(self) -> str:
        return f"LeaseHolder({self.batch_key}, token={self.lease.token})"
