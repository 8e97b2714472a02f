"""A state machine that does random things to the ledger and to its model, and compares both after each step.

Each module adds the rules of one subject to those of another module, and ``lost_seconds.LostSeconds`` has all of them.
Every rule can run at any time, and time passes only by rules.
"""
