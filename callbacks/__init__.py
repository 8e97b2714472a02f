"""Delivery reports and clicks: in over HTTP, stored in a Redis stream, applied to the ledger.

The provider posts reports to the ``receiver``, which answers 200 once its ``stream_writer`` has stored them in the
stream ``reports``. A ``reconciler`` reads that stream (``stream_reader``), classifies the rows (``classifier``) and
applies our rows to the ledger (``entry_applier``). A row that cannot be used becomes one of the ``dead_letters``. The
``relay`` posts rows about another system's messages, sent through the same account, to that system; it also forwards
copies of our own rows, if the settings ask for copies. Receiver and reconciler are processes of their own, and any
number of each may run. ``callback_secrets`` decides which secrets the receiver's path may end with. ``http`` reads the
forms in which providers post reports. ``links`` answers clicks on tracked links, and stores each click in the same
stream.

Terms are explained in docs/glossary.md.
"""
