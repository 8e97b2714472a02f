"""A draft and a snapshot of the ledger go in; a report about the effects of a submit comes out. No message is sent.

``report`` checks every row, ``forecast`` works out when the campaign would start and finish, and ``memory_forecast``
how much memory of Redis the campaign would take. ``ledger_snapshot`` reads the sender's state from the ledger. Terms
are explained in docs/glossary.md.
"""
