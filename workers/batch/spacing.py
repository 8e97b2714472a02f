"""The spacing of one pace inside a worker process: what is late goes later, and not in a bunch."""

from weakref import WeakValueDictionary

from times_dispatch.ledger.model import BatchRef, Plan

_BUNCH_S = 0.05
"""What may go at once after a delay: as much as the rate allows in this time, 5 % of a second (docs/concepts.md)."""


class Spacing:
    """Keeps apart the pushes of all blocks that one sender, or one campaign with a rate of its own, has in a process.

    The ledger gives each block its slots. A block that arrives late begins at its arrival, and a loop that was stalled
    goes on at once: without this spacing the messages would meet those of the next block, and the provider would see
    more than the rate. This is GCRA once more, on the process' own clock.
    """

    def __init__(self) -> None:
        self._next_at = 0.0

    def earliest(self) -> float:
        """Return the moment on the monotonic clock before which the next message must not go."""
        return self._next_at - _BUNCH_S

    def take(self, at: float, cost_s: float) -> None:
        """Note that a message goes at a moment, and how much time it takes of the rate, in seconds."""
        self._next_at = max(self._next_at, at) + cost_s


class Spacings:
    """The spacings of a process, each as long as a batch uses it."""

    def __init__(self) -> None:
        self._spacings = WeakValueDictionary[tuple[str, bool], Spacing]()

    def get(self, ref: BatchRef, plan: Plan) -> Spacing:
        """Return what spaces the batch: the spacing of its sender, or of its campaign if that has a rate of its own."""
        key = ref.campaign if plan.rate_per_s else ref.sender, plan.urgent
        if (spacing := self._spacings.get(key)) is None:
            spacing = self._spacings[key] = Spacing()
        return spacing
