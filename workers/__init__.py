"""Celery workers: they pace and push messages and record the results; their upkeep repairs what workers left undone.

A wake-up (a Celery message with three ids) comes in through ``tasks``. ``process`` holds what the tasks of one process
share, and runs all of it on one event loop (``loop``). The ``dispatcher`` takes the batch's lease and works on the
batch (``batch``, a package of its own). ``lease_renewal`` keeps the leases; ``sender_limits`` writes the senders'
limits into the ledger, before anything is pushed. ``id_key_watch`` ends a worker whose id key the ledger refuses.
``upkeep`` does a round every second, when beat asks for it.
docs/glossary.md explains the words of the field.
"""
