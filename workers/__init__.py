"""Celery workers: they pace and push messages and record the results; upkeep repairs the work of lost workers.

A wake-up (a Celery message with three ids) comes in through ``tasks``. ``process`` holds everything that the tasks of a
process share, and runs it on one event loop (``loop``). The ``dispatcher`` takes the batch's lease and works on the
batch (``batch``, a package of its own). ``lease_renewal`` keeps the leases; ``sender_limits`` writes the senders'
limits into the ledger, before anything is pushed. ``id_key_watch`` ends a worker whose id key the ledger refuses.
``upkeep`` does a round every second, when beat asks for it.
docs/glossary.md explains the words of the field.
"""
