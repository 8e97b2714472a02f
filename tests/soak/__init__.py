"""The soak: continuous campaigns through real processes, with viewers, clicks and faults: ``python -m tests.soak``.

``run`` starts everything on a ``ChaosTestbed``: ``load`` submits campaigns, ``viewers`` read the console, and
``faults`` injects faults of processes, Redis and the provider at random. ``audit`` compares each campaign with the
provider's books before the campaign is archived. ``sampling`` measures memory, connections, file handles and
keys meanwhile, and ``trend`` decides whether a series of samples grows. ``table`` formats the result (docs/soak.md).
"""
