"""Rates, in messages or SMS parts per second, as people may give them."""

import math

MIN_RATE_PER_S = 0.01
"""One in 100 s. What is far below it is no rate but a slip, and too small a number for the ledger's clock."""


def rate_problem(rate_per_s: float) -> str:
    """Say what is wrong with a rate; nothing if it can be used. 0 is no limit."""
    if not math.isfinite(rate_per_s):
        return f"must be a finite number, is {rate_per_s}"
    if rate_per_s < 0:
        return f"must be above 0, is {rate_per_s:g}"
    if 0 < rate_per_s < MIN_RATE_PER_S:
        return f"must be at least {MIN_RATE_PER_S:g}, is {rate_per_s:g}"
    return ""


def rate(rate_per_s: float) -> float:
    """Take a rate that can be used; raise ValueError."""
    if problem := rate_problem(rate_per_s):
        raise ValueError(problem)
    return rate_per_s
