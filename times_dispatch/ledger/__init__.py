"""The ledger: what a campaign, a batch and a message are, and their life in Redis.

Producers put campaigns in (``submission``), workers do what is owed (``work``), callbacks say what became of it
(``reported``), people steer (``control``) and look (``views``), upkeep mends (``repair``). Every change is one of the
scripts in ``lua/``: each is atomic, knows which transitions are allowed, and is safe to repeat.
"""
