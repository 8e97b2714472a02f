"""Several hosts in network namespaces, each with its own address: ``python -m tests.hosts`` cuts and restores links.

``network`` makes the hosts and cuts links, ``stack`` runs the processes on them, ``scenario`` cuts and measures, and
``__main__`` prints the table of docs/guarantees.md. ``make test`` runs a short form. Needs root on Linux.
"""
