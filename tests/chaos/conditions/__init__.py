"""Conditions that last: a slow, full, old or divided ledger, jumping clocks, crowded workers.

Each module is one scenario on a testbed of its own: ``plan`` returns the run, a script acts and measures, and functions
that begin with ``judge`` compare what was measured with the guarantee.
"""
