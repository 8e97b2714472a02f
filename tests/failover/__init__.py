"""Failovers by real sentinels under load: ``python -m tests.failover`` measures the losses with each setting.

``scenario`` runs one failover with one setting, ``__main__`` runs all failovers and prints the table of
docs/guarantees.md. ``make test`` runs a short form.
"""
