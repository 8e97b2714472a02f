"""The rates that settings, campaign files and commands accept, in messages or SMS parts per second."""

import math

MIN_RATE_PER_S = 0.01
"""The lowest rate, one message in 100 s. Lower rates are mistakes, and far lower rates are too small for the ledger's
arithmetic.
"""


def rate_problem(rate_per_s: float) -> str:
    """Return why a rate cannot be used; empty for a valid rate. A rate of 0 is no limit."""
    if not math.isfinite(rate_per_s):
        return f"must be a finite number, is {rate_per_s}"
    if rate_per_s < 0:
        return f"must be above 0, is {rate_per_s:g}"
    if 0 < rate_per_s < MIN_RATE_PER_S:
        return f"must be at least {MIN_RATE_PER_S:g}, is {rate_per_s:g}"
    return ""


def check_rate(rate_per_s: float) -> float:
    """Return a valid rate; raise ``ValueError`` for an invalid rate."""
    if problem := rate_problem(rate_per_s):
        raise ValueError(problem)
    return rate_per_s
