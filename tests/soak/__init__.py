"""The soak: campaigns without end through real processes, with viewers, clicks and faults: ``python -m tests.soak``.

``run`` starts everything on a ``ChaosTestbed``: ``load`` submits campaigns, ``viewers`` look at the console, ``faults``
break processes, Redis and the provider at random. ``audit`` compares each campaign with the provider's books before the
campaign leaves Redis for the archive. ``sampling`` measures memory, connections, file handles and keys meanwhile, and
``trend`` says whether a series of samples grows. ``table`` shows the result (docs/soak.md).
"""
