"""Tests of the data that the benchmarks write to the ledger, and of their computations."""
