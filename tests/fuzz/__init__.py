"""Gives random input to the functions that read foreign input: ``python -m tests.fuzz --minutes 10``."""
