"""Failovers by real sentinels under load: ``python -m tests.failover`` measures what each setting loses.

``scenario`` runs one failover with one setting, ``__main__`` runs all of them and prints the table of
docs/guarantees.md. ``make test`` runs a short form.
"""
