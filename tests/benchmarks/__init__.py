"""Tests of what the benchmarks write into the ledger."""
