"""Resends: chosen messages of a campaign are sent once more, as a new campaign.

``dispatch resend`` and the console make a ``Resender`` (``resender``). A resender asks ``parent`` whether the campaign
can have a resend now, and makes the new campaign in the ledger. ``chosen`` chooses the messages, and ``storing`` reads
and stores them, in the lanes of the sender if the sender has lanes. Terms: docs/glossary.md.
"""
