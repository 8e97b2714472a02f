"""Trying it out: everything on one machine, against the sandbox.

``python -m times_dispatch.demo`` sends a campaign from start to end and shows the books beside the ledger; the stack
that it stands on
(``stack``, ``reckoning``) also carries the end-to-end tests, the chaos suite and the benchmarks.
"""
