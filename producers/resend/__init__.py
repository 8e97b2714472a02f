"""Resends: chosen messages of a campaign are sent once more, as a new campaign.

``dispatch resend`` and the console make a ``Resender`` (``resender``). It asks ``parent`` whether the campaign can have
a resend now, makes the new campaign in the ledger, and lets ``storing`` read the messages that ``chosen`` takes and
store them, in the lanes of the sender if it has lanes. Terms: docs/glossary.md.
"""
