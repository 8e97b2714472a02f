"""Random numbers from a seed and a name, so that the numbers of a message do not depend on the order of arrivals."""

import struct
from hashlib import blake2b

Draws = tuple[float, ...]
"""Sixteen numbers in [0, 1), independent of each other."""

_WORDS = struct.Struct("<16I")
_SCALE = 2.0**-32


class SeededRandom:
    """Returns sixteen random numbers for every name."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()[:64]

    def draws(self, name: str, *, purpose: bytes) -> Draws:
        """Return the numbers for ``name``; the same seed, name and purpose (at most 16 bytes) give the same numbers."""
        digest = blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, person=purpose).digest()
        return tuple([word * _SCALE for word in _WORDS.unpack(digest)])


def pick(weights: dict[str, int], draw: float) -> str:
    """Return a key of ``weights``, with a probability in proportion to its weight."""
    left = draw * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(reversed(weights))
