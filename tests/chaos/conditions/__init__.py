"""Lasting conditions: a slow, full or divided ledger, clocks that jump, workers with too much work.

Each module is one scenario on its own testbed: ``plan`` returns the run, a script acts and measures, and functions
whose names begin with ``judge`` compare the measurements with the guarantee.
"""
