"""Whose turn it is to ask the ledger, among the batches of one sender in a worker process."""

import asyncio


class SenderTurn:
    """Shared by the urgent batches, or by the others, of one sender that go through the same chain of providers."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """Held by the one batch that asks for a block, or waits for its sender's limit."""
        self.opening_took_s = 0.0
        """How long the ledger took to open the last block: the next opening will probably take as long."""
