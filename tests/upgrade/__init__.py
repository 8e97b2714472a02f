"""Upgrades from the last release, and roll-backs to it, under load: ``python -m tests.upgrade``.

``old_tree`` gets the code of the last release from git, ``stack`` runs each process with the old or the new code,
``scenario`` changes the versions of processes while campaigns are sent, and ``__main__`` prints the table of
docs/guarantees.md. ``make test`` runs a short form.
"""
