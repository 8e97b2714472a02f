"""Upgrades and roll-backs under load, from the tree of the last release: ``python -m tests.upgrade``.

``old_tree`` gets the code of the last release out of git, ``stack`` runs each process with the old or the new code,
``scenario`` walks from one to the other while a campaign goes out, and ``__main__`` prints the table of
docs/guarantees.md. ``make test`` runs a short form.
"""
