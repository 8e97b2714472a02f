"""The chaos suite: sends campaigns through real processes while faults are injected: ``python -m tests.chaos``.

A ``Scenario`` (``scenarios``) names campaigns and faults; ``schedule`` sets the times of the faults from a seed.
``run`` submits the campaigns and injects the faults on a ``ChaosTestbed``, which is the whole stack of processes, while
``monitor`` samples the ledger. ``observations`` collects all data afterwards, ``figures`` compares the data with the
guarantees (docs/guarantees.md), and ``verdict`` and ``output`` show the result.
"""
