"""Several hosts in network namespaces, each with an address: ``python -m tests.hosts`` divides and heals their network.

``network`` makes the hosts and cuts links, ``stack`` runs the processes on them, ``scenario`` divides and measures, and
``__main__`` prints the table of docs/guarantees.md. ``make test`` runs a short form. Needs root on Linux.
"""
