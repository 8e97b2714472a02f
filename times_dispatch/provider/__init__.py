"""The provider: Times Mobile's payloads, answers and delivery reports; ids, encoding, templates; and its sandbox.

A ``Push`` goes into ``client``, an ``Outcome`` comes out; a posted body goes into ``reports``, events come out. It
knows nothing of the ledger or of Celery.
"""
