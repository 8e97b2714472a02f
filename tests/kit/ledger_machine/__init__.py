"""A state machine that does random things to the ledger and to its model, and compares both after each step.

Each module adds the steps of one subject to those of another module; ``machine.LedgerMachine`` has all of them. Every
step is possible at any time, and time passes only by steps.
"""
