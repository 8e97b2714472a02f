"""Lanes: a sender whose work is spread over several hash tags, and so over several nodes of a cluster.

A lane is a sender of its own for the scripts, the workers and the callbacks: ``TIMESM``, ``TIMESM/1q``, … A campaign of
a sender with lanes is stored as one campaign in each lane. ``Queries`` and ``Control`` make one sender and one campaign
of the lanes for people (docs/cluster.md). Terms: docs/glossary.md.
"""
