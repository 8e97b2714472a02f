"""The faults that the sandbox can inject, as data: shares of requests, and switches."""

from bisect import bisect_right
from enum import StrEnum
from itertools import accumulate
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Fault(StrEnum):
    """A fault of one request; ``*_after`` happens after the acceptance, any other fault instead of it."""

    RESET_BEFORE = "reset_before"
    STALL_BEFORE = "stall_before"
    GARBAGE_BEFORE = "garbage_before"
    HTTP_429 = "http_429"
    HTTP_500 = "http_500"
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    HTTP_503_RETRY_AFTER = "http_503_retry_after"
    HTTP_504 = "http_504"
    RESET_AFTER = "reset_after"
    STALL_AFTER = "stall_after"
    GARBAGE_AFTER = "garbage_after"
    HALF_BODY_AFTER = "half_body_after"
    HTTP_500_AFTER = "http_500_after"


AFTER_ACCEPTING = frozenset(
    {Fault.RESET_AFTER, Fault.STALL_AFTER, Fault.GARBAGE_AFTER, Fault.HALF_BODY_AFTER, Fault.HTTP_500_AFTER}
)


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of requests with each fault (at most 1 in total), and the switches."""

    reset_before: Share = 0.0
    stall_before: Share = 0.0
    garbage_before: Share = 0.0
    http_429: Share = 0.0
    http_500: Share = 0.0
    http_502: Share = 0.0
    http_503: Share = 0.0
    http_503_retry_after: Share = 0.0
    http_504: Share = 0.0
    reset_after: Share = 0.0
    stall_after: Share = 0.0
    garbage_after: Share = 0.0
    half_body_after: Share = 0.0
    http_500_after: Share = 0.0
    stall_s: Seconds = 20.0
    """How long, in seconds, a stalled request waits before its connection is closed without an answer."""
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = 1
    """The value of Retry-After, in whole seconds."""
    wrong_credentials: bool = False
    """Whether all credentials are refused with 2070."""
    unregistered: tuple[str, ...] = ()
    """Registered senders that are refused with 2051."""
    reports_held: bool = False
    """Whether no reports are posted; reports that become due meanwhile are posted afterwards."""
    token_refused: bool = False
    """Whether every request for a token is refused."""
    token_delay_s: Seconds = 0.0
    """How long, in seconds, a request for a token waits for its response."""

    def __post_init__(self) -> None:
        """Raise ValueError if the shares exceed 1 in total."""
        if sum(getattr(self, fault) for fault in Fault) > 1 + 1e-9:
            raise ValueError("the shares of all faults together must not be above 1")


class FaultTable:
    """Chooses the fault of each request; at most one fault hits a request."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._kinds = [fault for fault in Fault if getattr(faults, fault) > 0]
        self._bounds = list(accumulate(getattr(faults, fault) for fault in self._kinds))

    def choose(self, draw: float) -> Fault | None:
        """Return the fault for a random number in [0, 1), or None."""
        if not self._bounds or draw >= self._bounds[-1]:
            return None
        return self._kinds[bisect_right(self._bounds, draw)]
