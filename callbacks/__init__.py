"""Delivery reports and clicks: in over HTTP, stored in a Redis stream, applied to the ledger.

The provider posts reports to the ``receiver``, which answers 200 once its ``stream_writer`` has stored them in the
stream ``reports``. A ``reconciler`` reads that stream (``stream_reader``), classifies the rows (``classifier``) and
applies ours to the ledger (``entry_applier``). A row that cannot be used becomes one of the ``dead_letters``; what
another system sent through the same account is posted to it by the ``relay``. Receiver and reconciler are processes of
their own, and any number of each may run. ``callback_secrets`` says which secrets the receiver's path may end with.
Terms are explained in docs/glossary.md.
"""
