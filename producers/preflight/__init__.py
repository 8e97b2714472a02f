"""A draft and a snapshot of the ledger go in; a report comes out of what a submit would do, and nothing is sent.

``report`` checks every row, ``forecast`` works out when the campaign would start and finish, ``memory_forecast`` how
much memory of Redis it would take, and ``ledger_snapshot`` reads the sender's state from the ledger. Terms are
explained in docs/glossary.md.
"""
