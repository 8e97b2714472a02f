"""Batches that are out, and the blocks that their workers open."""

from dataclasses import dataclass
from typing import NamedTuple


class ModelLeaseLost(Exception):
    """Another worker has the lease."""


class OpenCall(NamedTuple):
    """A call that opens a block."""

    token: int
    operation: str
    last_block: int
    """The number of the last block that the worker got."""
    max_messages: int
    word: str
    """The variable part of the texts, the same for all messages of the batch."""


class OpenedBlock(NamedTuple):
    number: int
    messages: list[tuple[int, int]]
    chain_index: int
    suppressed: int


@dataclass
class IssuedBatch:
    """A batch that was issued; its token is 0 until a worker takes the batch."""

    token: int = 0
    taken_us: int = 0
    blocks: int = 0
    worker_block: int = 0
    """The last block that the worker had got, as the worker said when it opened the next block."""
    first_pending: int = 0
    is_out: bool = True
    """Whether the batch counts among the batches out: the batch has messages to open, and its turn is not over."""
    waits_until_ms: int = 0
    operation: str = ""
    opened: OpenedBlock | None = None


class Chosen(NamedTuple):
    """The messages of a batch that a block may contain."""

    indexes: list[int]
    suppressed: dict[int, int]
    """The codes of suppressed messages, by their indexes."""
    waits_ms: list[int]
    first_us: int
    unit_us: int
    next_index: int
    too_large: int
    """The parts of the message that did not fit into a limit of parts; 0 if all messages fitted."""
