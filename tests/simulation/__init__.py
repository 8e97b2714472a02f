"""A simulation: the real dispatcher, upkeep, reconciler and submit on a virtual clock, with faults drawn from a seed.

``loop`` lets virtual time jump from one timer to the next and knows processes that freeze and die; ``wire`` carries the
calls of the Redis client to a real server, late, or not at all. A seed repeats a run exactly.
"""
