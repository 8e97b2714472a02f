"""Lanes: a sender whose work is spread over several hash tags, and so over several nodes of a cluster.

For the scripts, the workers and the callbacks, a lane is a sender of its own: ``TIMESM``, ``TIMESM/1q``, … A campaign
of a sender with lanes is stored as one campaign in each lane. ``Queries`` and ``Control`` show the lanes to people as
one sender and one campaign (docs/cluster.md). Terms: docs/glossary.md.
"""
