"""Judges whether the time of a call grows in proportion to the length of its input."""

from collections.abc import Callable

_MAX_GROWTH = 3
"""The bound for an input of twice the length: a linear call takes twice the time, a quadratic call four times."""
_ALWAYS_ALLOWED_S = 0.02
_TRIES = 5


def superlinear(cpu_s: Callable[[int], float], length: int) -> str:
    """Return the times for an input of *length* and of twice the length; empty if the time is in proportion.

    The shortest times of up to five tries are compared, in turn: the time in which the host of a virtual machine takes
    the core away counts as CPU time, and a quadratic call is slow in each try.
    """
    cpu_s(length // 10)
    short_s = long_s = float("inf")
    for _ in range(_TRIES):
        short_s, long_s = min(short_s, cpu_s(length)), min(long_s, cpu_s(2 * length))
        if long_s < _MAX_GROWTH * short_s + _ALWAYS_ALLOWED_S:
            return ""
    return f"{short_s * 1000:.1f} ms for {length:,} characters, {long_s * 1000:.1f} ms for {2 * length:,}"
