"""A simulation: the real dispatcher, upkeep, reconciler and submit on a virtual clock, with faults drawn from a seed.

``loop`` lets virtual time jump from one timer to the next, and freezes and kills processes. ``wire`` carries the calls
of the Redis client to a real server, and can delay or lose the calls. A seed repeats a run exactly.
"""
