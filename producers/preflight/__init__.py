"""``dispatch check``: what a submit would do, from the same rows and a snapshot of the ledger, without sending."""
