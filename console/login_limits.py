"""Limits of logins: a name, an address, and a pair of both may fail only a limited number of times."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from times_dispatch.clock import SYSTEM_CLOCK, Clock


class LoginLimit(NamedTuple):
    """A maximum of *tries* at once; after that, one more try every *one_each_s* seconds."""

    tries: int
    one_each_s: float


_OF_BOTH: Final = LoginLimit(5, 60.0)
_OF_ADDRESS: Final = LoginLimit(20, 15.0)
_OF_NAME: Final = LoginLimit(40, 10.0)
"""The limit of a name is high: a stranger who tries a name from many addresses must not lock out the user for long."""
_MAX_KEPT: Final = 20_000


class LoginLimits:
    """Counts failed tries. Each process has its own counts, which end with the process."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._used = dict[str, tuple[float, float]]()
        """The number of used tries and the moment of this number, by key; used tries become free again over time."""

    def wait_s(self, name: str, address: str) -> float:
        """Return how many seconds a person must wait before the next try; 0 if the try may be made now."""
        now = self._clock.monotonic()
        return max(
            max(0.0, (self._level(key, limit, now) - limit.tries + 1) * limit.one_each_s)
            for key, limit in _keys(name, address)
        )

    def note_failure(self, name: str, address: str) -> None:
        """Count a try that failed."""
        now = self._clock.monotonic()
        if len(self._used) > _MAX_KEPT:
            self._forget_old(now)
        for key, limit in _keys(name, address):
            self._used[key] = self._level(key, limit, now) + 1, now

    def note_success(self, name: str, address: str) -> None:
        """Forget the tries with this name from this address, and uncount the try of this login."""
        now = self._clock.monotonic()
        both, *others = _keys(name, address)
        self._used.pop(both[0], None)
        for key, limit in others:
            self._used[key] = max(0.0, self._level(key, limit, now) - 1), now

    def _level(self, key: str, limit: LoginLimit, now: float) -> float:
        used, at = self._used.get(key, (0.0, now))
        return max(0.0, used - (now - at) / limit.one_each_s)

    def _forget_old(self, now: float) -> None:
        """Keep the newer half of the counts, so that strangers cannot fill the memory."""
        newest = sorted(self._used.items(), key=lambda item: now - item[1][1])[: _MAX_KEPT // 2]
        self._used = dict(newest)


def _keys(name: str, address: str) -> Iterator[tuple[str, LoginLimit]]:
    yield f"b:{address}:{name}", _OF_BOTH
    yield f"a:{address}", _OF_ADDRESS
    yield f"n:{name}", _OF_NAME
