"""The chaos suite: real processes, real campaigns, and everything that can go wrong: ``python -m tests.chaos``.

A ``Scenario`` says what is sent and which faults meet it, ``schedule`` deals them out from a seed, ``run`` plays them
on a ``Stage``, the whole stack of processes, while ``watch`` takes notes. ``evidence`` is what is known afterwards, and
``figures`` holds it against the guarantees (docs/guarantees.md).
"""
