"""Feeds foreign input at random to what reads it, for as long as wanted: ``python -m tests.fuzz --minutes 10``."""
