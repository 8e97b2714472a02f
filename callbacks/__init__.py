"""Delivery reports and clicks: in over HTTP, durably queued, reconciled into the ledger.

What the provider posts comes in through ``receiver``, which stores it in a Redis stream (``intake``) before it
answers. The ``reconciler`` reads that stream, sorts the rows (``triage``), applies ours to the ledger
(``times_dispatch.ledger.report_applier``), sets aside what it cannot use (``set_aside``) and hands on what another
system sent through
the same account (``relay``). Receiver and reconciler are processes of their own, as many of each as are useful.
"""
